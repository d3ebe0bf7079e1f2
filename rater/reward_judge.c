/* Held-out predictions become pairs, and pairs are counted. */
#include "reward_judge.h"

#include "linear_fit.h"
#include "reward_held_out.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>

/* Shares of the training ratings for the learning curve. */
static const double sizes[REWARD_SIZES] = {0.125, 0.25, 0.5, 1};

reward_judge_options reward_judge_defaults(void)
{
    return (reward_judge_options){.n_folds = 5, .n_resamples = 1000, .seed = 1};
}

bool reward_beats(const reward_interval *over)
{
    return over->low > 0;
}

/* ---- Pairs ---- */

/* A pair with what each scorer says: margins for a over b; outcome 1, 0, or 1/2. */
typedef struct judged {
    size_t context;
    double outcome;
    double margin[N_SCORERS];
} judged;

typedef struct judged_list {
    judged *list;
    size_t n, capacity;
} judged_list;

static int add_judged(judged_list *to, judged x, error *err)
{
    TRY(array_grow(&to->list, &to->capacity, to->n, sizeof *to->list, err));
    to->list[to->n++] = x;
    return 0;
}

static int pairs_of_comparisons(const held_out *h, judged_list *out, error *err)
{
    const reward_data *d = h->data;
    for (size_t i = 0; i < d->n; i++) {
        judged x = {d->context[d->ratings[i].a], d->ratings[i].outcome, {0}};
        for (size_t s = 0; s < N_SCORERS; s++)
            x.margin[s] = h->predicted[s][i];
        TRY(add_judged(out, x, err));
    }
    return 0;
}

/* A text's mean rating, and what is said of it. */
typedef struct rated_item {
    size_t context, item, n;
    double sum, predicted[N_SCORERS];
} rated_item;

static int by_context(const void *pa, const void *pb)
{
    const rated_item *a = pa, *b = pb;
    if (a->context != b->context)
        return a->context < b->context ? -1 : 1;
    return (a->item > b->item) - (a->item < b->item);
}

static void sum_ratings(const held_out *h, rated_item *items)
{
    const reward_data *d = h->data;
    for (size_t i = 0; i < d->n_items; i++)
        items[i] = (rated_item){.context = d->context[i], .item = i};
    for (size_t i = 0; i < d->n; i++) {
        rated_item *x = &items[d->ratings[i].a];
        x->n++;
        x->sum += d->ratings[i].outcome;
        for (size_t s = 0; s < N_SCORERS; s++)
            x->predicted[s] = h->predicted[s][i];
    }
    qsort(items, d->n_items, sizeof *items, by_context);
}

static int pair_items(const rated_item *a, const rated_item *b, judged_list *out,
                      error *err)
{
    double difference = a->sum / (double)a->n - b->sum / (double)b->n;
    judged x = {.context = a->context,
                .outcome = difference > 0   ? 1
                           : difference < 0 ? 0
                                            : 0.5};
    for (size_t s = 0; s < N_SCORERS; s++)
        x.margin[s] = a->predicted[s] - b->predicted[s];
    return add_judged(out, x, err);
}

static int pairs_of_values(const held_out *h, judged_list *out, error *err)
{
    size_t n = h->data->n_items;
    rated_item *items = array_new(n, sizeof *items);
    if (!items)
        return error_memory(err, n * sizeof *items);
    sum_ratings(h, items);
    int rc = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; rc == 0 && k < n && items[k].context == items[i].context;
             k++)
            if (items[i].n && items[k].n)
                rc = pair_items(&items[i], &items[k], out, err);
    free(items);
    return rc;
}

static int make_pairs(const held_out *h, judged_list *out, error *err)
{
    return h->data->head == HEAD_PAIRWISE ? pairs_of_comparisons(h, out, err)
                                          : pairs_of_values(h, out, err);
}

/* ---- Accuracy ---- */

/* Of the pairs of one context that are no ties. */
typedef struct tally {
    double n, right[N_SCORERS];
} tally;

static double rightness(double margin, double outcome)
{
    return margin == 0 ? 0.5 : (margin > 0) == (outcome > 0.5);
}

static void add_tally(tally *to, const tally *x)
{
    to->n += x->n;
    for (size_t s = 0; s < N_SCORERS; s++)
        to->right[s] += x->right[s];
}

/* The contexts that have pairs: new. */
static int tally_contexts(const reward_data *d, const judged_list *pairs, tally **out,
                          size_t *n, error *err)
{
    tally *t = array_new(d->n_contexts, sizeof *t);
    size_t count = 0;
    if (!t)
        return error_memory(err, d->n_contexts * sizeof *t);
    for (size_t i = 0; i < pairs->n; i++) {
        const judged *x = &pairs->list[i];
        if (x->outcome == 0.5)
            continue;
        t[x->context].n++;
        for (size_t s = 0; s < N_SCORERS; s++)
            t[x->context].right[s] += rightness(x->margin[s], x->outcome);
    }
    for (size_t c = 0; c < d->n_contexts; c++)
        if (t[c].n > 0)
            t[count++] = t[c];
    *out = t;
    *n = count;
    return 0;
}

enum { N_STATISTICS = 2 * N_SCORERS - 1 };

/* Accuracies, then how far the first is over each other one. */
static void take_statistics(const tally *sum, double out[N_STATISTICS])
{
    for (size_t s = 0; s < N_SCORERS; s++)
        out[s] = sum->right[s] / sum->n;
    for (size_t s = 1; s < N_SCORERS; s++)
        out[N_SCORERS + s - 1] = (sum->right[0] - sum->right[s]) / sum->n;
}

static void take_interval(reward_interval *x, double *resampled, size_t n)
{
    x->low = x->high = (double)NAN;
    if (n == 0)
        return;
    gsl_sort(resampled, 1, n);
    x->low = gsl_stats_quantile_from_sorted_data(resampled, 1, n, 0.025);
    x->high = gsl_stats_quantile_from_sorted_data(resampled, 1, n, 0.975);
}

/* out[N_STATISTICS] with intervals. */
static int bootstrap(const tally *t, size_t n, const reward_judge_options *o,
                     reward_interval *out, error *err)
{
    size_t R = o->n_resamples;
    double *drawn = array_new(N_STATISTICS * R, sizeof *drawn), one[N_STATISTICS];
    gsl_rng *rng = reward_rng(o->seed, 3);
    if (!drawn || !rng) {
        free(drawn);
        if (rng)
            gsl_rng_free(rng);
        return error_memory(err, N_STATISTICS * R * sizeof *drawn);
    }
    tally all = {0};
    for (size_t i = 0; i < n; i++)
        add_tally(&all, &t[i]);
    take_statistics(&all, one);
    for (size_t k = 0; k < N_STATISTICS; k++)
        out[k].value = one[k];
    for (size_t r = 0; r < R; r++) {
        tally sum = {0};
        for (size_t i = 0; i < n; i++)
            add_tally(&sum, &t[gsl_rng_uniform_int(rng, (unsigned long)n)]);
        take_statistics(&sum, one);
        for (size_t k = 0; k < N_STATISTICS; k++)
            drawn[k * R + r] = one[k];
    }
    for (size_t k = 0; k < N_STATISTICS; k++)
        take_interval(&out[k], drawn + k * R, R);
    free(drawn);
    gsl_rng_free(rng);
    return 0;
}

static int measure_accuracy(const reward_data *d, const judged_list *pairs,
                            const reward_judge_options *o,
                            reward_interval out[N_STATISTICS], error *err)
{
    tally *t = NULL;
    size_t n = 0;
    TRY(tally_contexts(d, pairs, &t, &n, err));
    int rc = n > 0 ? bootstrap(t, n, o, out, err)
                   : error_set(err, E_ARGUMENT,
                               "every rating is a tie, or no context has two texts that "
                               "were rated differently: there is nothing to judge by");
    free(t);
    return rc;
}

/* ---- Calibration ---- */

static void measure_calibration(reward_judgement *j, const judged_list *pairs)
{
    double off = 0, loss = 0;
    for (size_t i = 0; i < pairs->n; i++) {
        const judged *x = &pairs->list[i];
        double m = x->margin[BY_REWARD], chance = logistic(fabs(m));
        double right = m >= 0 ? x->outcome : 1 - x->outcome;
        size_t b = (size_t)((chance - 0.5) * 2 * REWARD_BINS);
        b = b < REWARD_BINS ? b : REWARD_BINS - 1;
        j->bins[b].n++;
        j->bins[b].chance += chance;
        j->bins[b].right += right;
        loss -= x->outcome * log_logistic(m) + (1 - x->outcome) * log_logistic(-m);
    }
    for (size_t b = 0; b < REWARD_BINS; b++) {
        off += fabs(j->bins[b].chance - j->bins[b].right);
        double n = (double)j->bins[b].n;
        j->bins[b].chance /= n; /* NaN for an empty bin */
        j->bins[b].right /= n;
    }
    j->calibration_error = off / (double)pairs->n;
    j->log_loss = loss / (double)pairs->n;
}

static double measure_correlation(const held_out *h)
{
    size_t n = h->data->n;
    double *values = array_new(n, sizeof *values);
    if (!values)
        return (double)NAN;
    for (size_t i = 0; i < n; i++)
        values[i] = h->data->ratings[i].outcome;
    double r = gsl_stats_correlation(values, 1, h->predicted[BY_REWARD], 1, n);
    free(values);
    return r;
}

/* ---- All of it ---- */

static int judge_size(reward_judgement *j, held_out *h, size_t n_folds, double share,
                      const reward_judge_options *o, error *err)
{
    judged_list pairs = {0};
    reward_interval out[N_STATISTICS];
    bool whole = share == 1;
    int rc = held_out_predict(h, n_folds, share, o->seed, err);
    if (rc == 1)
        return 0; /* a curve without this point */
    if (rc == 0)
        rc = make_pairs(h, &pairs, err);
    if (rc == 0)
        rc = measure_accuracy(h->data, &pairs, o, out, err);
    if (rc == 0) {
        j->curve[j->n_sizes].n_ratings = h->n_learned;
        j->curve[j->n_sizes++].accuracy = out[BY_REWARD];
    }
    if (rc == 0 && whole) {
        j->accuracy = out[BY_REWARD];
        j->length = out[BY_LENGTH];
        j->likelihood = out[BY_LIKELIHOOD];
        j->over_length = out[N_SCORERS + BY_LENGTH - 1];
        j->over_likelihood = out[N_SCORERS + BY_LIKELIHOOD - 1];
        for (size_t i = 0; i < pairs.n; i++)
            j->n_ties += pairs.list[i].outcome == 0.5;
        j->n_pairs = pairs.n - j->n_ties;
        if (h->data->head == HEAD_PAIRWISE)
            measure_calibration(j, &pairs);
        else
            j->correlation = measure_correlation(h);
    }
    free(pairs.list);
    return rc;
}

static int deal(const reward_data *d, const reward_judge_options *o, size_t *fold,
                size_t *n_contexts, error *err)
{
    rating_list all = {array_new(d->n, sizeof *all.index), d->n};
    gsl_rng *rng = reward_rng(o->seed, 2);
    int rc = all.index && rng ? 0 : error_memory(err, d->n * sizeof *all.index);
    for (size_t i = 0; rc == 0 && i < d->n; i++)
        all.index[i] = i;
    if (rc == 0)
        rc = reward_deal_folds(d, &all, o->n_folds, rng, fold, n_contexts, err);
    free(all.index);
    if (rng)
        gsl_rng_free(rng);
    return rc;
}

int reward_judge(reward_judgement *out, const reward_data *d,
                 const reward_judge_options *o, error *err)
{
    reward_judgement j = {.n_ratings = d->n,
                          .calibration_error = (double)NAN,
                          .log_loss = (double)NAN,
                          .correlation = (double)NAN};
    held_out h = {0};
    size_t *fold = array_new(d->n_contexts, sizeof *fold);
    if (!fold)
        return error_memory(err, d->n_contexts * sizeof *fold);
    int rc = d->n > 0 ? deal(d, o, fold, &j.n_contexts, err) : 0;
    if (rc == 0 && (j.n_contexts < REWARD_LEAST_CONTEXTS || o->n_folds < 2))
        rc = error_set(err, E_ARGUMENT,
                       "%zu contexts have ratings: at least %d are needed to hold some "
                       "out",
                       j.n_contexts, REWARD_LEAST_CONTEXTS);
    if (rc == 0)
        rc = held_out_new(&h, d, fold, err);
    size_t n_folds = j.n_contexts < o->n_folds ? j.n_contexts : o->n_folds;
    for (size_t i = 0; rc == 0 && i < REWARD_SIZES; i++)
        rc = judge_size(&j, &h, n_folds, sizes[i], o, err);
    held_out_free(&h);
    free(fold);
    if (rc == 0)
        *out = j;
    return rc;
}
