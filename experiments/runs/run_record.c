#include "run_record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A candidate as it was last written. */
typedef struct seen {
    fitness fitness;
    bool alive, eliminated, written;
} seen;

void recorder_free(recorder *r)
{
    free(r->seen);
    text_free(&r->prompt);
    *r = (recorder){0};
}

/* ---- The point ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Count the living, and take the median of those that were measured. */
static int fill_population(const search *s, history_point *h, error *err)
{
    size_t count = search_candidate_count(s), n = 0;
    double *values = array_new(count, sizeof *values);
    if (!values)
        return error_memory(err, count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        const candidate *c = search_candidate(s, i);
        h->n_alive += c->alive;
        if (c->alive && c->fitness.n > 0)
            values[n++] = c->fitness.value;
    }
    qsort(values, n, sizeof *values, ascending);
    h->median = n == 0 ? (double)NAN : 0.5 * (values[(n - 1) / 2] + values[n / 2]);
    free(values);
    return 0;
}

static int fill_point(recorder *r, const search *s, history_point *h, error *err)
{
    uint64_t best = 0;
    h->generation = search_generation(s);
    h->best = NAN;
    h->best_se = 0;
    TRY(fill_population(s, h, err));
    text_clear(&r->prompt);
    if (search_best(s, 1, &best) == 0)
        return 0;
    const candidate *c = search_find(s, best);
    h->best_id = best;
    h->best = c->fitness.value;
    h->best_se = c->fitness.se;
    return experiment_prompt_text(r->experiment, c->genome, &r->prompt, err);
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* What was reused is not compared: another run of the folder, at work at the same time,
 * may have been first to write what this one had computed too. */
static bool same_spend(const spend a[N_PURPOSES], const spend b[N_PURPOSES])
{
    bool same = true;
    for (purpose p = 0; p < N_PURPOSES; p++)
        same = same && a[p].tokens == b[p].tokens &&
               a[p].evaluations == b[p].evaluations && a[p].ratings == b[p].ratings;
    return same;
}

static int check_replay(const history_point *was, const history_point *is, error *err)
{
    bool same = was->generation == is->generation && was->best_id == is->best_id &&
                was->n_alive == is->n_alive && same_bits(was->best, is->best) &&
                same_bits(was->best_se, is->best_se) &&
                same_bits(was->median, is->median) && same_spend(was->spent, is->spent);
    if (same)
        return 0;
    return error_set(
        err, E_FORMAT,
        "step %zu comes out as candidate %llu with %.17g, but candidate %llu "
        "with %.17g is on record: this is not the program that began the "
        "run, or its file was changed; begin a new run",
        is->step, (unsigned long long)is->best_id, is->best,
        (unsigned long long)was->best_id, was->best);
}

/* ---- Candidates ---- */

static const char *state_name(const candidate *c)
{
    if (c->fitness.status == FITNESS_FAILED)
        return "failed";
    if (c->eliminated)
        return "raced out";
    return c->alive ? "alive" : "replaced";
}

static bool same_as_seen(const seen *x, const candidate *c)
{
    return x->written && x->alive == c->alive && x->eliminated == c->eliminated &&
           x->fitness.status == c->fitness.status && x->fitness.n == c->fitness.n &&
           same_bits(x->fitness.value, c->fitness.value);
}

static int put_candidate(recorder *r, const candidate *c, error *err)
{
    text genes = {0}, prompt = {0}, operators = {0}, state = {0};
    int rc = genome_serialise(&r->experiment->spec, c->genome, &genes, err);
    if (rc == 0)
        rc = experiment_prompt_text(r->experiment, c->genome, &prompt, err);
    if (rc == 0)
        rc = text_add_string(&operators, c->operators, err);
    if (rc == 0)
        rc = text_add_string(&state, state_name(c), err);
    if (rc == 0 && !prompt.s)
        rc = text_add_string(&prompt, "", err);
    candidate_record x = {.id = c->id,
                          .parents = {c->parents[0], c->parents[1]},
                          .generation = c->generation,
                          .genome = genes.s,
                          .prompt = prompt.s,
                          .operators = operators.s,
                          .state = state.s,
                          .value = c->fitness.value,
                          .se = c->fitness.se,
                          .n = c->fitness.n};
    if (rc == 0)
        rc = store_put_candidate(r->store, r->id, &x, err);
    text_free(&genes);
    text_free(&prompt);
    text_free(&operators);
    text_free(&state);
    return rc;
}

/* Every candidate that changed; only noted, not written, when it is `known` already. */
static int put_candidates(recorder *r, const search *s, bool known, error *err)
{
    size_t count = search_candidate_count(s);
    for (size_t i = 0; i < count; i++) {
        const candidate *c = search_candidate(s, i);
        if (i == r->n) {
            TRY(array_grow(&r->seen, &r->capacity, r->n, sizeof *r->seen, err));
            r->seen[r->n++] = (seen){0};
        }
        if (same_as_seen(&r->seen[i], c))
            continue;
        if (!known)
            TRY(put_candidate(r, c, err));
        r->seen[i] = (seen){c->fitness, c->alive, c->eliminated, true};
    }
    return 0;
}

static int put_operators(recorder *r, const search *s, size_t step, error *err)
{
    const operator_rate *rates = NULL;
    size_t n = search_operator_rates(s, &rates);
    for (size_t i = 0; i < n; i++) {
        char *name = string_copy(rates[i].name);
        if (!name)
            return error_memory(err, strlen(rates[i].name));
        operator_point o = {.step = step,
                            .name = name,
                            .rate = rates[i].rate,
                            .credit = rates[i].credit,
                            .tries = rates[i].tries,
                            .wins = rates[i].wins};
        int rc = store_put_operator(r->store, r->id, &o, err);
        free(name);
        TRY(rc);
    }
    return 0;
}

/* ---- A step ---- */

static int write_step(recorder *r, const search *s, const history_point *h, error *err)
{
    TRY(store_begin(r->store, err));
    int rc = store_put_history(r->store, r->id, h, err);
    if (rc == 0)
        rc = put_operators(r, s, h->step, err);
    if (rc == 0)
        rc = put_candidates(r, s, false, err);
    return store_end(r->store, rc, err);
}

int recorder_step(recorder *r, const search *s, history_point *h, error *err)
{
    history_point was = {0};
    TRY(fill_point(r, s, h, err));
    int known = store_get_history(r->store, r->id, h->step, &was, err);
    TRY(known);
    if (!known) {
        TRY(write_step(r, s, h, err));
        return 0;
    }
    TRY(check_replay(&was, h, err));
    *h = was;
    TRY(put_candidates(r, s, true, err));
    return 1;
}
