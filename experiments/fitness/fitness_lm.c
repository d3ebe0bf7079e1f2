#include "fitness_lm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "sheet.h"

typedef struct fitness_lm {
    objective base; /* first, so that one pointer is both */
    const experiment *experiment;
    scorer *scorer;
} fitness_lm;

static void fitness_free(objective *o)
{
    free(o);
}

/* ---- Prices ---- */

/* What the sheet would be charged; a pair is, when any of its rows is. */
static int price_sheet(fitness_lm *f, const sheet *s, expense *out, error *err)
{
    size_t n = s->rows.n + s->contexts.n;
    uint64_t scored = 0, generated = 0;
    bool *charged = array_new(n, sizeof *charged);
    if (!charged)
        return error_memory(err, n);
    bool *continued = charged + s->rows.n;
    int rc =
        scorer_price(f->scorer, s->rows.rows, s->rows.n, NULL, &scored, charged, err);
    if (rc == 0)
        rc = scorer_price(f->scorer, s->contexts.rows, s->contexts.n,
                          &f->experiment->fitness.generation, &generated, continued, err);
    *out = (expense){.tokens = scored + generated};
    for (size_t p = 0; rc == 0 && p < s->n_pairs; p++) {
        bool due = s->contexts.n && continued[p];
        for (size_t i = 0; !due && i < s->pairs[p].n; i++)
            due = charged[s->pairs[p].first + i];
        out->evaluations += due;
    }
    free(charged);
    return rc;
}

/* How long rows may be depends on what stands before them now. */
static int make_sheet(const fitness_lm *f, const measurement *batch, size_t n, sheet *out,
                      error *err)
{
    sheet_maker maker = {f->experiment, model_tokenizer(scorer_model(f->scorer)),
                         scorer_window(f->scorer)};
    return sheet_new(out, &maker, batch, n, err);
}

static int fitness_cost(objective *o, const measurement *batch, size_t n, expense *out,
                        error *err)
{
    fitness_lm *f = (fitness_lm *)o;
    sheet s;
    TRY(make_sheet(f, batch, n, &s, err));
    int rc = price_sheet(f, &s, out, err);
    sheet_free(&s);
    return rc;
}

/* ---- Scores ---- */

/* The results of a sheet's rows and contexts. */
typedef struct results {
    row_score *scores;
    char **texts; /* NULL where none came back */
} results;

static void results_free(results *r, const sheet *s)
{
    for (size_t i = 0; r->texts && i < s->contexts.n; i++)
        free(r->texts[i]);
    free(r->texts);
    free(r->scores);
}

static int measure_sheet(fitness_lm *f, const sheet *s, results *r, expense *spent,
                         error *err)
{
    r->scores = array_new(s->rows.n, sizeof *r->scores);
    r->texts = array_new(s->contexts.n, sizeof *r->texts);
    if (!r->scores || !r->texts)
        return error_memory(err, s->rows.n * sizeof *r->scores);
    TRY(scorer_score(f->scorer, s->rows.rows, s->rows.n, r->scores, spent, err));
    return scorer_generate(f->scorer, s->contexts.rows, s->contexts.n,
                           &f->experiment->fitness.generation, r->texts, spent, err);
}

/* Of several right answers, the best one counts. */
static double best_logprob(const row_score *x, size_t n, bool per_token)
{
    double best = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        double score = per_token ? x[i].logprob / (double)x[i].n_targets : x[i].logprob;
        best = score > best ? score : best;
    }
    return best;
}

/* Would greedy decoding say one of the right answers? */
static bool is_first_choice(const row_score *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x[i].n_first == x[i].n_targets)
            return true;
    return false;
}

/* What an answer, or a choice of labels, is worth on one example. */
typedef struct mark {
    double score;
    bool first; /* the right answer came first; false where texts are generated */
} mark;

static bool is_right(const char *label, const example *x)
{
    for (size_t i = 0; i < x->n_targets; i++)
        if (strcmp(label, x->targets[i]) == 0)
            return true;
    return false;
}

/* ln(e^a + e^b), without under- or overflow. */
static double log_add(double a, double b)
{
    double most = fmax(a, b);
    return isinf(most) ? most : most + log1p(exp(fmin(a, b) - most));
}

/* Accuracy: is the likeliest label (of equals, the first of the list) among the right
 * ones? Else ln of the right ones' share. With `blank`, each label's probability is
 * divided by what it has under the empty input (Zhao et al. 2021, Calibrate before use,
 * section 5: W = diag(p_cf)^-1, b = 0). */
static mark mark_labels(const fitness_options *o, const row_score *x,
                        const row_score *blank, const example *of)
{
    size_t best = 0;
    double most = -INFINITY, all = -INFINITY, right = -INFINITY;
    for (size_t i = 0; i < o->n_labels; i++) {
        double score = x[i].logprob - (blank ? blank[i].logprob : 0);
        if (score > most) {
            most = score;
            best = i;
        }
        all = log_add(all, score);
        if (is_right(o->labels[i], of))
            right = log_add(right, score);
    }
    bool first = is_right(o->labels[best], of);
    return (mark){o->kind == FITNESS_ACCURACY ? first : right - all, first};
}

static int mark_pair(const fitness_lm *f, const sheet *s, const results *r,
                     const sheet_part *part, size_t p, size_t example_index, mark *out,
                     error *err)
{
    const fitness_options *o = &f->experiment->fitness;
    const example *x = &f->experiment->data->examples[example_index];
    const row_score *scores = r->scores + s->pairs[p].first;
    size_t n = s->pairs[p].n;
    *out = (mark){0};
    switch (o->kind) {
    case FITNESS_LOGPROB:
        *out = (mark){best_logprob(scores, n, o->per_token), is_first_choice(scores, n)};
        return 0;
    case FITNESS_ACCURACY:
    case FITNESS_LABEL_LOGPROB:
        *out = mark_labels(o, scores, part->n_blank ? r->scores + part->blank : NULL, x);
        return 0;
    case FITNESS_EXACT:
        out->score = answer_exact(r->texts[p], x->targets, x->n_targets);
        return 0;
    case FITNESS_F1:
        return answer_f1(r->texts[p], x->targets, x->n_targets, &out->score, err);
    case FITNESS_HUMAN:
    case FITNESS_MIXED:
    case FITNESS_REWARD:
        return error_set(err, E_ARGUMENT, "the model cannot answer for people");
    }
    return error_set(err, E_ARGUMENT, "unknown kind of fitness %d", (int)o->kind);
}

/* Length in tokens and mean surprise per token of the prompt's own text. */
static double penalty(const fitness_options *o, const sheet_part *p, const row_score *x)
{
    double surprise = 0, tokens = 0;
    for (size_t i = p->fluency; i < p->fluency + p->n_fluency; i++) {
        surprise -= x[i].logprob;
        tokens += (double)x[i].n_targets;
    }
    return o->length_weight * (double)p->prompt_tokens +
           o->fluency_weight * (tokens > 0 ? surprise / tokens : 0);
}

static int fill_measurement(const fitness_lm *f, const sheet *s, const results *r,
                            const sheet_part *p, measurement *m, error *err)
{
    m->penalty = 0;
    m->first_choice = (double)NAN;
    m->status = p->failed ? FITNESS_FAILED : FITNESS_DONE;
    memcpy(m->reason, p->reason, sizeof m->reason);
    if (p->failed)
        return 0;
    m->penalty = penalty(&f->experiment->fitness, p, r->scores);
    size_t hits = 0;
    for (size_t i = 0; i < m->n; i++) {
        mark x;
        TRY(mark_pair(f, s, r, p, p->first_pair + i, m->examples[i], &x, err));
        m->scores[i] = x.score;
        hits += x.first;
    }
    if (m->n && fitness_is_logprob(f->experiment->fitness.kind))
        m->first_choice = (double)hits / (double)m->n;
    return 0;
}

static int fitness_measure(objective *o, measurement *batch, size_t n, expense *out,
                           error *err)
{
    fitness_lm *f = (fitness_lm *)o;
    sheet s;
    results r = {0};
    expense most = {0}, spent = {0};
    TRY(make_sheet(f, batch, n, &s, err));
    int rc = price_sheet(f, &s, &most, err); /* before anything of it is paid */
    if (rc == 0)
        rc = measure_sheet(f, &s, &r, &spent, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = fill_measurement(f, &s, &r, &s.parts[i], &batch[i], err);
    if (rc == 0) {
        spent.evaluations = most.evaluations;
        *out = spent;
    }
    results_free(&r, &s);
    sheet_free(&s);
    return rc;
}

int fitness_lm_new(objective **out, const experiment *e, scorer *c, error *err)
{
    fitness_lm *f = calloc(1, sizeof *f);
    if (!f)
        return error_memory(err, sizeof *f);
    f->base = (objective){.name = "model",
                          .cost = fitness_cost,
                          .measure = fitness_measure,
                          .free = fitness_free};
    f->experiment = e;
    f->scorer = c;
    *out = &f->base;
    return 0;
}

/* ---- Before anything is spent ---- */

int fitness_lm_check_seeds(const experiment *e, const model *m, error *err)
{
    size_t window = model_describe(m)->window, taken = experiment_virtual_tokens(e);
    sheet_maker maker = {e, model_tokenizer(m), window > taken ? window - taken : 0};
    int rc = 0;
    for (size_t g = 0; rc == 0 && g < e->n_seeds; g++)
        for (split_name name = 0; rc == 0 && name < N_SPLITS; name++) {
            measurement of = {.genome = &e->seeds[g],
                              .examples = e->splits[name].index,
                              .n = e->splits[name].n};
            sheet s;
            rc = sheet_new(&s, &maker, &of, 1, err);
            if (rc < 0)
                break;
            if (s.parts[0].failed)
                rc = error_set(err, E_LIMIT, "seed prompt %zu of %s cannot be used: %s",
                               g + 1, e->path, s.parts[0].reason);
            sheet_free(&s);
        }
    return rc;
}
