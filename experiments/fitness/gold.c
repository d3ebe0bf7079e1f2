#include "gold.h"

#include <string.h>

enum { LEAST_WORDS = 3, LEAST_LETTERS = 3 };

int gold_spoil(const char *said, text *out, size_t *n_words, error *err)
{
    size_t letters = 0;
    *n_words = 0;
    for (const char *s = said; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0xc0;
        if (c >= 0x80 && c < 0xc0)
            continue; /* the rest of a longer character, which is one x */
        letters = letter ? letters + 1 : 0;
        *n_words += letters == LEAST_LETTERS;
        TRY(text_add(out, letter ? "x" : s, 1, err));
    }
    return 0;
}

static int put(panel *p, const char *context, const char *said, const char *spoilt,
               error *err)
{
    char good[SHA256_HEX], bad[SHA256_HEX], id[SHA256_HEX];
    question_kind kind = p->experiment->people.question.kind;
    bool pair = kind == QUESTION_COMPARE || kind == QUESTION_BEST;
    TRY(crowd_put_output(p->crowd, context, said, good, err));
    TRY(crowd_put_output(p->crowd, context, spoilt, bad, err));
    const char *shown[2] = {pair ? good : bad, bad};
    task_request t = {.question = p->pair_question,
                      .outputs = shown,
                      .wanted = 1,
                      .gold = pair                     ? good
                              : kind == QUESTION_SCALE ? "1"
                                                       : "0",
                      .practice = true};
    TRY(crowd_put_task(p->crowd, &t, id, err));
    return 1;
}

int gold_put(panel *p, size_t at, const char *said, error *err)
{
    text context = {0}, good = {0}, spoilt = {0};
    size_t n_words = 0;
    int rc = experiment_people_context(p->experiment, at, &context, err);
    if (rc == 0)
        rc = panel_clean(said, &good, err);
    if (rc == 0)
        rc = gold_spoil(text_string(&good), &spoilt, &n_words, err);
    if (rc == 0 && n_words >= LEAST_WORDS)
        rc = put(p, text_string(&context), good.s, spoilt.s, err);
    text_free(&context);
    text_free(&good);
    text_free(&spoilt);
    return rc;
}

int gold_from_seed(panel *p, const outputs *o, bool *has, size_t *n_gold, error *err)
{
    const measurement *seed = &o->of[o->n];
    size_t first = o->sheet.parts[o->n].first_pair;
    for (size_t k = 0; k < seed->n && *n_gold < p->experiment->people.gold; k++) {
        size_t x = seed->examples[k];
        int rc = has[x] ? 0 : gold_put(p, x, o->texts[first + k], err);
        TRY(rc);
        *n_gold += (size_t)rc;
        has[x] = true;
    }
    return 0;
}
