/* Training an ensemble, and scoring with it. */
#include "reward.h"

#include "reward_learn.h"
#include "reward_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHOICE_FOLDS = 5 };

reward_options reward_defaults(void)
{
    return (reward_options){.judge = reward_judge_defaults(), .n_heads = 16};
}

/* ---- Life ---- */

void reward_free(reward *r)
{
    if (!r)
        return;
    free(r->model);
    free(r->model_hash);
    free(r->question);
    free(r->source);
    free(r->mean);
    free(r->scale);
    free(r->weights);
    free(r->intercepts);
    free(r);
}

/* File names may be any bytes, but what is saved is JSON. */
static int keep_text(char **out, const char *s, error *err)
{
    text t = {0};
    int rc = utf8_mend(&t, s, strlen(s), err);
    if (rc == 0 && !(*out = string_copy(text_string(&t))))
        rc = error_memory(err, t.n);
    text_free(&t);
    return rc;
}

int reward_keep_facts(reward *r, const reward_facts *facts, error *err)
{
    r->facts = *facts;
    TRY(keep_text(&r->model, facts->model, err));
    TRY(keep_text(&r->model_hash, facts->model_hash, err));
    TRY(keep_text(&r->question, facts->question, err));
    TRY(keep_text(&r->source, facts->source, err));
    r->facts.model = r->model;
    r->facts.model_hash = r->model_hash;
    r->facts.question = r->question;
    r->facts.source = r->source;
    return 0;
}

int reward_make_room(reward *r, size_t p, size_t n_heads, error *err)
{
    size_t n;
    if (!size_mul(p, n_heads, &n))
        return error_memory(err, SIZE_MAX);
    r->p = p;
    r->facts.n_heads = n_heads;
    r->mean = array_new(p, sizeof(double));
    r->scale = array_new(p, sizeof(double));
    r->weights = array_new(n, sizeof(double));
    r->intercepts = array_new(n_heads, sizeof(double));
    if (!r->mean || !r->scale || !r->weights || !r->intercepts)
        return error_memory(err, n * sizeof(double));
    return 0;
}

const reward_facts *reward_describe(const reward *r)
{
    return &r->facts;
}

const reward_judgement *reward_judged(const reward *r)
{
    return &r->judgement;
}

size_t reward_n_features(const reward *r)
{
    return r->p;
}

size_t reward_width(const model_info *info, pooling p)
{
    return pooling_width(info, p) + N_REWARD_EXTRAS;
}

/* ---- Training ---- */

/* Ratings in the order of their contexts: those of the c-th context that has any are
 * [starts[c], starts[c + 1]). */
typedef struct grouped {
    size_t *index, *starts, n;
} grouped;

static int by_context(const void *pa, const void *pb, void *data)
{
    const reward_data *d = data;
    const size_t *a = pa, *b = pb;
    size_t x = d->context[d->ratings[*a].a], y = d->context[d->ratings[*b].a];
    if (x != y)
        return x < y ? -1 : 1;
    return (*a > *b) - (*a < *b);
}

static int group_ratings(const reward_data *d, grouped *g, error *err)
{
    g->index = array_new(d->n, sizeof *g->index);
    g->starts = array_new(d->n + 1, sizeof *g->starts);
    if (!g->index || !g->starts)
        return error_memory(err, d->n * sizeof *g->starts);
    for (size_t i = 0; i < d->n; i++)
        g->index[i] = i;
    qsort_r(g->index, d->n, sizeof *g->index, by_context, (void *)(uintptr_t)d);
    for (size_t i = 0; i < d->n; i++)
        if (i == 0 || d->context[d->ratings[g->index[i]].a] !=
                          d->context[d->ratings[g->index[i - 1]].a])
            g->starts[g->n++] = i;
    g->starts[g->n] = d->n;
    return 0;
}

/* As many contexts as there are, drawn with replacement, with all of their ratings. */
static int draw_contexts(const grouped *g, gsl_rng *rng, rating_list *out,
                         size_t *capacity, error *err)
{
    out->n = 0;
    for (size_t i = 0; i < g->n; i++) {
        size_t c = gsl_rng_uniform_int(rng, (unsigned long)g->n);
        for (size_t k = g->starts[c]; k < g->starts[c + 1]; k++) {
            TRY(array_grow(&out->index, capacity, out->n, sizeof *out->index, err));
            out->index[out->n++] = g->index[k];
        }
    }
    return 0;
}

/* Weights on components become weights on features; the mean text scores what the
 * intercept says. */
static int fit_heads(reward *r, const learner *l, const grouped *g, reward_choice choice,
                     uint64_t seed, error *err)
{
    rating_list drawn = {0};
    size_t capacity = 0;
    gsl_rng *rng = reward_rng(seed, 4);
    double *v = array_new(choice.n_columns, sizeof *v);
    int rc = rng && v ? 0 : error_memory(err, choice.n_columns * sizeof *v);
    for (size_t h = 0; rc == 0 && h < r->facts.n_heads; h++) {
        rc = draw_contexts(g, rng, &drawn, &capacity, err);
        if (rc == 0)
            rc = learner_fit(l, &drawn, 0, choice, v, &r->intercepts[h], err);
        if (rc == 0)
            projection_back(&l->projection, v, choice.n_columns, r->weights + h * r->p);
    }
    free(v);
    free(drawn.index);
    if (rng)
        gsl_rng_free(rng);
    return rc;
}

static int fit_reward(reward *r, const reward_data *d, uint64_t seed, error *err)
{
    grouped g = {0};
    learner l = {0};
    reward_choice choice = {0};
    int rc = group_ratings(d, &g, err);
    rating_list all = {g.index, d->n};
    if (rc == 0)
        rc = learner_new(&l, d, &all, err);
    if (rc == 0)
        rc = learner_choose(&l, &all, CHOICE_FOLDS, seed, &choice, err);
    if (rc == 0)
        rc = fit_heads(r, &l, &g, choice, seed, err);
    if (rc == 0) {
        memcpy(r->mean, l.projection.mean, r->p * sizeof(double));
        memcpy(r->scale, l.projection.scale, r->p * sizeof(double));
        r->facts.n_contexts = g.n;
        r->facts.n_components = choice.n_columns - N_REWARD_EXTRAS;
        r->facts.lambda = choice.lambda;
    }
    learner_free(&l);
    free(g.index);
    free(g.starts);
    return rc;
}

static int make_reward(reward **out, const reward_data *d, const reward_facts *known,
                       const reward_options *o, bool judged, error *err)
{
    reward_facts facts = *known;
    facts.head = d->head;
    facts.n_ratings = d->n;
    facts.n_texts = d->n_items;
    facts.seed = o->judge.seed;
    if (o->n_heads < 2 || o->n_heads > REWARD_MOST_HEADS)
        return error_set(err, E_ARGUMENT, "%zu heads: must be in 2..%d", o->n_heads,
                         REWARD_MOST_HEADS);
    reward *r = array_new(1, sizeof *r);
    if (!r)
        return error_memory(err, sizeof *r);
    int rc = reward_keep_facts(r, &facts, err);
    if (rc == 0)
        rc = reward_make_room(r, d->n_features, o->n_heads, err);
    if (rc == 0 && judged)
        rc = reward_judge(&r->judgement, d, &o->judge, err);
    if (rc == 0)
        rc = fit_reward(r, d, o->judge.seed, err);
    if (rc < 0)
        reward_free(r);
    else
        *out = r;
    return rc;
}

int reward_train(reward **out, const reward_data *d, const reward_facts *known,
                 const reward_options *o, error *err)
{
    return make_reward(out, d, known, o, true, err);
}

int reward_fit(reward **out, const reward_data *d, const reward_facts *known,
               const reward_options *o, error *err)
{
    return make_reward(out, d, known, o, false, err);
}

/* ---- Use ---- */

static double head_score(const reward *r, size_t h, const double *x)
{
    const double *w = r->weights + h * r->p;
    double sum = r->intercepts[h];
    for (size_t c = 0; c < r->p; c++)
        sum += w[c] * (x[c] - r->mean[c]) / r->scale[c];
    return sum;
}

void reward_score(const reward *r, const double *x, size_t n, double *mean, double *sd)
{
    size_t H = r->facts.n_heads;
    for (size_t i = 0; i < n; i++) {
        double m = 0, squares = 0;
        for (size_t h = 0; h < H; h++) { /* Welford's running mean and squares */
            double s = head_score(r, h, x + i * r->p), d = s - m;
            m += d / (double)(h + 1);
            squares += d * (s - m);
        }
        if (mean)
            mean[i] = m;
        if (sd)
            sd[i] = H > 1 ? sqrt(squares / (double)(H - 1)) : 0;
    }
}

void reward_margin(const reward *r, const double *a, const double *b, double *mean,
                   double *sd)
{
    size_t H = r->facts.n_heads;
    double m = 0, squares = 0;
    for (size_t h = 0; h < H; h++) {
        double s = head_score(r, h, a) - head_score(r, h, b), d = s - m;
        m += d / (double)(h + 1);
        squares += d * (s - m);
    }
    *mean = m;
    *sd = H > 1 ? sqrt(squares / (double)(H - 1)) : 0;
}

int reward_check_model(const reward *r, const model *m, error *err)
{
    const char *hash;
    TRY(model_hash(m, &hash, err));
    if (strcmp(hash, r->model_hash) != 0)
        return error_set(err, E_FORMAT,
                         "the reward was learned on another model (%s): the SHA-256 of "
                         "%s is %s, the reward's model has %s",
                         r->model, model_describe(m)->path, hash, r->model_hash);
    size_t want = reward_width(model_describe(m), r->facts.pooling);
    if (want != r->p)
        return error_set(err, E_FORMAT,
                         "the reward has weights for %zu features, its model gives %zu",
                         r->p, want);
    return 0;
}
