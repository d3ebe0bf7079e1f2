#include "prepare.h"

#include <stdlib.h>

#include "sheet.h"

/* So many outputs between two looks at the crowd. */
enum { AT_A_TIME = 4 };

struct preparer {
    const experiment *experiment;
    scorer *scorer; /* its own: nothing it does is charged to the run */
    const measurement *batch;
    size_t n;
    size_t sure;          /* rows of the last two splits that are done for the seed */
    size_t candidate, at; /* where it is among the likely ones */
};

int preparer_open(preparer **out, const experiment *e, const scorer *c, error *err)
{
    preparer *p = calloc(1, sizeof *p);
    if (!p)
        return error_memory(err, sizeof *p);
    p->experiment = e;
    int rc = scorer_open_beside(&p->scorer, c, err);
    if (rc < 0)
        free(p);
    else
        *out = p;
    return rc;
}

void preparer_close(preparer *p)
{
    if (p)
        scorer_close(p->scorer);
    free(p);
}

void preparer_turn(preparer *p, const measurement *batch, size_t n)
{
    p->batch = batch;
    p->n = n;
    p->candidate = p->at = 0;
}

/* The seed's next rows of the last two splits; none: *out has none. */
static void take_sure(preparer *p, measurement *out)
{
    size_t begin = 0;
    *out = (measurement){.genome = &p->experiment->seeds[0]};
    for (split_name s = SPLIT_SELECTION; s < N_SPLITS; s++) {
        const split *x = &p->experiment->splits[s];
        if (p->sure >= begin && p->sure < begin + x->n) {
            size_t left = begin + x->n - p->sure;
            out->examples = x->index + (p->sure - begin);
            out->n = left < AT_A_TIME ? left : AT_A_TIME;
            p->sure += out->n;
            return;
        }
        begin += x->n;
    }
}

/* The next rows of the search split for the candidate whose turn it is. */
static void take_likely(preparer *p, measurement *out)
{
    const split *x = &p->experiment->splits[SPLIT_SEARCH];
    *out = (measurement){0};
    if (p->candidate >= p->n)
        return;
    size_t left = x->n - p->at;
    *out = (measurement){.genome = p->batch[p->candidate].genome,
                         .examples = x->index + p->at,
                         .n = left < AT_A_TIME ? left : AT_A_TIME};
    p->at += out->n;
    if (p->at >= x->n) {
        p->at = 0;
        p->candidate++;
    }
}

static int generate(preparer *p, const sheet *s, error *err)
{
    expense nobodys = {0};
    char **texts = array_new(s->contexts.n, sizeof *texts);
    if (!texts)
        return error_memory(err, s->contexts.n * sizeof *texts);
    int rc = scorer_generate(p->scorer, s->contexts.rows, s->contexts.n,
                             &p->experiment->fitness.generation, texts, &nobodys, err);
    for (size_t i = 0; i < s->contexts.n; i++)
        free(texts[i]);
    free(texts);
    return rc;
}

int preparer_step(preparer *p, size_t *n_prepared, error *err)
{
    sheet_maker maker = {p->experiment, model_tokenizer(scorer_model(p->scorer)),
                         scorer_window(p->scorer)};
    measurement next;
    sheet s;
    take_sure(p, &next);
    if (next.n == 0)
        take_likely(p, &next);
    if (next.n == 0)
        return 0;
    TRY(sheet_new(&s, &maker, &next, 1, err));
    int rc = generate(p, &s, err);
    *n_prepared += rc == 0 ? s.contexts.n : 0;
    sheet_free(&s);
    return rc < 0 ? rc : 1;
}
