/* What the files of the model's proposer share. Only propose_*.c include this. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_PROPOSE_PARTS_H
#define LAMARCK_EXPERIMENTS_FITNESS_PROPOSE_PARTS_H

#include "lm_row.h"
#include "propose_lm.h"

typedef struct propose_lm {
    paid_proposer base; /* first, so that one pointer is both */
    scorer *scorer;
    const experiment *experiment;
} propose_lm;

/* propose_lm.c: is so much within the allowance? */
bool propose_affordable(const propose_lm *q, uint64_t tokens);

/* ---- propose_place.c ---- */

/* The place that words are wanted for. */
typedef struct place {
    const gene *gene;
    size_t begin, end;
    text left, right, gap; /* gap: the white space between left and the new word */
    bool opens;            /* nothing stands to the left */
} place;

/* Read what stands around [begin, end) of p->gene. */
int place_read(place *p, error *err);
void place_free(place *p);

/* A letter, then anything but white space and control characters; valid UTF-8. */
bool place_is_word(const char *s, size_t n);
/* The token as a word for the place (new), or NULL if it is none. */
char *place_token_word(const place *p, const tokenizer *t, int32_t id);
/* Add the row whose targets are `s` in the place and what follows there, given what
 * stands to the left. */
int place_row(const place *p, const tokenizer *t, const char *s, row_list *to,
              error *err);

/* ---- propose_swaps.c ---- */

/* proposer.swaps */
int propose_swaps(proposer *base, const genome_spec *spec, const genome *g, size_t which,
                  size_t k, word_swap *out, error *err);

/* ---- propose_texts.c ---- */

/* proposer.texts */
int propose_texts(proposer *base, const genome_spec *spec, const genome *g, size_t which,
                  size_t k, proposed_text *out, error *err);

#endif
