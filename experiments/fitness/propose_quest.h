/* The free words of a gene in the rows of a candidate, and what can be asked about them:
 * remembered and charged by the scorer, within a limit. For propose_texts.c alone.
 *
 * A word is free to change if it is one token, the same in all rows, and not frozen. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_PROPOSE_QUEST_H
#define LAMARCK_EXPERIMENTS_FITNESS_PROPOSE_QUEST_H

#include "../../prefix/project.h"
#include "gene_rows.h"
#include "propose_parts.h"

/* Where in the rows the words are that may change, and what is known of them. */
typedef struct quest {
    propose_lm *proposer;
    gene_rows rows;
    word_rows words;
    size_t n, C;
    size_t *sites;     /* (n): which words of the gene */
    int32_t *start;    /* (n): their tokens */
    uint32_t **places; /* of words.places; owned */
    text name;         /* of every question: the gene and its text */
    uint64_t price;    /* of a gradient */
    uint64_t limit;    /* on the proposer's spending */
    float *gradient;   /* (n, C) */
} quest;

/* For gene `which` of g, which are borrowed. 1: there is something to look for; 0: not in
 * this gene, or the rows do not fit. To be freed whatever it returns. */
int quest_open(quest *q, propose_lm *p, const genome *g, size_t which, error *err);
void quest_free(quest *q);
/* From here on a part of what is left of the allowance may be spent. */
void quest_limit(quest *q);

/* ids (n): the words next to a point (n, C). 1, or 0: there are none. Not charged. */
int quest_words(quest *q, const float *point, int32_t *ids, error *err);
/* Loss and q->gradient at words, or, where ids is NULL, at the point. 1, or 0: it is too
 * dear, or no number. */
int quest_gradient(quest *q, const int32_t *ids, const float *point, double *loss,
                   error *err);
/* What the vectors of a point say: up to QUEST_READINGS sequences of words, the likeliest
 * to be of use first, in ids (QUEST_READINGS, n). How many, 0 where it is too dear. */
enum { QUEST_READINGS = 6 };
int quest_readings(quest *q, const float *point, int32_t *ids, error *err);

/* The gene's text with these tokens for its free words, and whether a candidate with it
 * is tokenised as it was meant. 1: yes, appended to *out; 0: no. */
int quest_text(const quest *q, const int32_t *ids, text *out, error *err);

#endif
