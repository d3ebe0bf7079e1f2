#include "power.h"

#include <math.h>
#include <stdlib.h>

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>

enum { FRESH = 3, LEAST_RATINGS = 10, NONE = -1 };

/* One answer that may come to count, and where the rater's one before it is. */
typedef struct answer {
    size_t pair;
    int before;   /* NONE */
    double share; /* for the second prompt's output */
} answer;

typedef struct worker {
    simulated_rater is;
    size_t n, checks, right;
    int latest; /* NONE */
    bool excluded;
} worker;

typedef struct pair {
    double difference, sum;
    size_t n;
} pair;

/* A repetition. */
typedef struct process {
    const power_design *d;
    double difference;
    gsl_rng *rng;
    question question;
    worker *workers;
    answer *answers;
    pair *pairs;
    size_t n_answers, n_pairs, n_excluded, n_counted, turn;
} process;

power_design power_defaults(void)
{
    return (power_design){.difference = 0.5,
                          .spread = 0.5,
                          .gold_difference = 3,
                          .n_raters = 20,
                          .per_pair = 1,
                          .honest = 0.8,
                          .rules = quality_defaults(),
                          .alpha = 0.05,
                          .most = 4000,
                          .repetitions = 1000,
                          .seed = 1};
}

static int check(const power_design *d, error *err)
{
    const quality_rules *r = &d->rules;
    if (!isfinite(d->difference) || fabs(d->difference) > 20 ||
        !(d->spread >= 0 && d->spread <= 20) || !(fabs(d->gold_difference) <= 20) ||
        !(d->noise >= 0 && d->noise <= 100))
        return error_set(err, E_ARGUMENT,
                         "a difference, spread or noise is out of range: -20 to 20 log "
                         "odds, spread 0 to 20, noise 0 to 100");
    if (!(d->honest >= 0 && d->honest <= 1) || !(d->alpha > 0 && d->alpha < 1) ||
        !(r->gold_share >= 0 && r->repeat_share >= 0 &&
          r->gold_share + r->repeat_share < 1))
        return error_set(err, E_ARGUMENT,
                         "shares must be 0 to 1, those of gold and repeats together "
                         "below 1");
    if (d->n_raters < 1 || d->n_raters > 100000 || d->per_pair < 1 ||
        d->per_pair > d->n_raters)
        return error_set(
            err, E_ARGUMENT,
            "%zu ratings of a pair by %zu raters: 1 to as many as there are, "
            "at most 100000 raters",
            d->per_pair, d->n_raters);
    if (d->most < LEAST_RATINGS || d->most > 1000000 || d->repetitions < 2 ||
        d->repetitions > 1000000)
        return error_set(err, E_ARGUMENT,
                         "%zu ratings, %zu repetitions: from %d and 2 to a million",
                         d->most, d->repetitions, LEAST_RATINGS);
    return 0;
}

/* ---- Asking ---- */

static void hire(process *p, size_t i)
{
    const power_design *d = p->d;
    worker *w = &p->workers[i];
    *w = (worker){.latest = NONE};
    simulated_rater_make(&w->is, gsl_rng_get(p->rng), i);
    w->is.manner = gsl_rng_uniform(p->rng) < d->honest ? MANNER_HONEST
                   : gsl_rng_uniform(p->rng) < 0.5     ? MANNER_FIRST
                                                       : MANNER_SPAM;
    if (d->noise > 0)
        w->is.noise = d->noise;
}

/* The share for the second output, shown on a random side. */
static int judge(process *p, const worker *w, double difference, double *share,
                 error *err)
{
    bool swap = gsl_rng_uniform(p->rng) < 0.5;
    double liking[2] = {swap ? difference : 0, swap ? 0 : difference};
    simulated_answer a;
    TRY(simulated_rater_judge(&w->is, &p->question, liking, 2, p->rng, &a, err));
    *share = a.answer == ANSWER_TIE ? 0.5 : a.answer == (swap ? 0 : 1) ? 1 : 0;
    return 0;
}

/* None of an excluded rater's answers counts. */
static void exclude(process *p, worker *w)
{
    w->excluded = true;
    p->n_excluded++;
    for (int k = w->latest; k != NONE; k = p->answers[k].before) {
        answer *a = &p->answers[k];
        p->pairs[a->pair].sum -= a->share;
        p->pairs[a->pair].n--;
        p->n_counted--;
    }
}

static void note_check(process *p, worker *w, bool right)
{
    const quality_rules *r = &p->d->rules;
    w->checks++;
    w->right += right;
    if (w->checks >= r->min_checks && w->right < r->min_right * (double)w->checks)
        exclude(p, w);
}

static int ask_gold(process *p, worker *w, error *err)
{
    double share;
    TRY(judge(p, w, p->d->gold_difference, &share, err));
    note_check(p, w, share == (p->d->gold_difference > 0 ? 1 : 0));
    return 0;
}

static int ask_again(process *p, worker *w, error *err)
{
    size_t back = FRESH + gsl_rng_uniform_int(p->rng, w->n - FRESH);
    int k = w->latest;
    double share;
    while (back-- > 0)
        k = p->answers[k].before;
    const answer *a = &p->answers[k];
    TRY(judge(p, w, p->pairs[a->pair].difference, &share, err));
    note_check(p, w, share == a->share);
    return 0;
}

static int ask_new(process *p, worker *w, error *err)
{
    size_t place = p->n_answers / p->d->per_pair;
    answer *a = &p->answers[p->n_answers];
    if (place == p->n_pairs)
        p->pairs[p->n_pairs++] =
            (pair){.difference = p->difference +
                                 p->d->spread * gsl_ran_gaussian_ziggurat(p->rng, 1)};
    *a = (answer){.pair = place, .before = w->latest};
    TRY(judge(p, w, p->pairs[place].difference, &a->share, err));
    p->pairs[place].sum += a->share;
    p->pairs[place].n++;
    p->n_counted++;
    w->latest = (int)p->n_answers++;
    w->n++;
    return 0;
}

/* Whether he may be asked now: nobody is asked twice about the pair at hand as new. */
static bool may(const process *p, const worker *w)
{
    size_t place = p->n_answers / p->d->per_pair;
    return !w->excluded && (w->latest == NONE || p->answers[w->latest].pair != place);
}

/* One rating of the next rater who may; 1, or 0 when too few are left for a pair. */
static int ask(process *p, error *err)
{
    const quality_rules *r = &p->d->rules;
    if (p->d->n_raters - p->n_excluded < p->d->per_pair ||
        p->n_excluded == p->d->n_raters)
        return 0;
    worker *w;
    do
        w = &p->workers[p->turn++ % p->d->n_raters];
    while (!may(p, w));
    double x = gsl_rng_uniform(p->rng);
    int rc = x < r->gold_share                                     ? ask_gold(p, w, err)
             : x < r->gold_share + r->repeat_share && w->n > FRESH ? ask_again(p, w, err)
                                                                   : ask_new(p, w, err);
    return rc < 0 ? rc : 1;
}

/* ---- Testing ---- */

/* 1: the second prompt is found better, -1: the first, 0: no difference is found. */
static int decide(const process *p)
{
    double n = 0, mean = 0, squares = 0;
    for (size_t j = 0; j < p->n_pairs; j++) {
        if (p->pairs[j].n == 0)
            continue;
        double x = p->pairs[j].sum / (double)p->pairs[j].n - 0.5, before = mean;
        n++;
        mean += (x - mean) / n;
        squares += (x - before) * (x - mean);
    }
    if (n < 2 || mean == 0)
        return 0;
    double t = mean / sqrt(squares / (n - 1) / n);
    double chance =
        squares > 1e-12 ? 2 * gsl_cdf_tdist_Q(fabs(t), n - 1) : 2 * pow(0.5, n);
    return chance >= p->d->alpha ? 0 : mean > 0 ? 1 : -1;
}

/* ---- Repeating ---- */

/* 10, 14, 20, 28, …: sqrt(2) apart, and the last. */
static size_t make_grid(const power_design *d, power_point *points)
{
    size_t n = 0;
    for (double at = LEAST_RATINGS; at < (double)d->most; at *= M_SQRT2)
        points[n++].ratings = (size_t)lround(at);
    points[n++].ratings = d->most;
    return n;
}

static int repeat(process *p, uint64_t seed, bool differ, power_table *t, error *err)
{
    const power_design *d = p->d;
    gsl_rng_set(p->rng, (unsigned long)seed);
    p->difference = differ ? d->difference : 0;
    p->n_answers = p->n_pairs = p->n_excluded = p->n_counted = p->turn = 0;
    for (size_t i = 0; i < d->n_raters; i++)
        hire(p, i);
    int rc = 1, found = 0;
    for (size_t k = 0, asked = 0; k < t->n; k++) {
        power_point *at = &t->points[k];
        for (; asked < at->ratings && rc == 1; asked++)
            rc = ask(p, err);
        TRY(rc);
        found = decide(p);
        at->false_alarm += !differ && found != 0;
        at->power += differ && found == (d->difference >= 0 ? 1 : -1);
        at->wrong += differ && found == (d->difference >= 0 ? -1 : 1);
        at->counted += differ ? (double)p->n_counted / (double)at->ratings : 0;
        at->excluded += differ ? (double)p->n_excluded : 0;
    }
    return 0;
}

static double share_error(double share, double n)
{
    return sqrt(share * (1 - share) / n);
}

static void average(power_table *t, double n)
{
    for (size_t k = 0; k < t->n; k++) {
        power_point *p = &t->points[k];
        p->counted /= n;
        p->excluded /= n;
        p->power /= n;
        p->wrong /= n;
        p->false_alarm /= n;
        p->se = share_error(p->power, n);
        p->false_alarm_se = share_error(p->false_alarm, n);
    }
}

static int open_process(process *p, power_table *t, error *err)
{
    const power_design *d = p->d;
    enum { GRID_MOST = 64 }; /* sqrt(2)^64 is far above a million */
    p->question = (question){.kind = QUESTION_COMPARE, .ties = d->ties};
    p->rng = gsl_rng_alloc(gsl_rng_mt19937);
    p->workers = array_new(d->n_raters, sizeof *p->workers);
    p->answers = array_new(d->most, sizeof *p->answers);
    p->pairs = array_new(d->most, sizeof *p->pairs);
    t->points = array_new(GRID_MOST, sizeof *t->points);
    if (!p->rng || !p->workers || !p->answers || !p->pairs || !t->points)
        return error_memory(err, d->most * (sizeof *p->answers + sizeof *p->pairs));
    t->n = make_grid(d, t->points);
    return 0;
}

int power_simulate(const power_design *d, power_table *out, error *err)
{
    process p = {.d = d};
    power_table t = {0};
    TRY(check(d, err));
    int rc = open_process(&p, &t, err);
    for (size_t i = 0; i < d->repetitions && rc == 0; i++) {
        rc = repeat(&p, seed_mix(d->seed, 2 * i), true, &t, err);
        if (rc == 0)
            rc = repeat(&p, seed_mix(d->seed, 2 * i + 1), false, &t, err);
    }
    if (rc == 0)
        average(&t, (double)d->repetitions);
    if (p.rng)
        gsl_rng_free(p.rng);
    free(p.workers);
    free(p.answers);
    free(p.pairs);
    if (rc < 0)
        power_table_free(&t);
    else
        *out = t;
    return rc;
}

void power_table_free(power_table *t)
{
    free(t->points);
    *t = (power_table){0};
}

/* ---- Reading the table ---- */

/* Where the power with z standard errors added first reaches what is wanted, and stays
 * there. */
static double crossing(const power_table *t, double wanted, double z)
{
    size_t k = t->n;
    while (k > 0 && t->points[k - 1].power + z * t->points[k - 1].se >= wanted)
        k--;
    if (k == t->n)
        return NAN;
    const power_point *b = &t->points[k];
    if (k == 0)
        return (double)b->ratings;
    const power_point *a = &t->points[k - 1];
    double low = a->power + z * a->se, high = b->power + z * b->se;
    double share = (wanted - low) / (high - low);
    double from = log((double)a->ratings), to = log((double)b->ratings);
    return exp(from + share * (to - from));
}

power_need power_needed(const power_table *t, double wanted)
{
    return (power_need){.ratings = crossing(t, wanted, 0),
                        .low = crossing(t, wanted, 1.96),
                        .high = crossing(t, wanted, -1.96)};
}
