/* The record of a search: candidates, their scores, the open queries; what all types of
 * search share. */
#include "search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "search_state.h"
#include "stats.h"

const search_type *const search_types[] = {&search_ga, &search_random, &search_cmaes,
                                           NULL};

const search_type *search_type_find(const char *name)
{
    for (size_t i = 0; search_types[i]; i++)
        if (strcmp(search_types[i]->name, name) == 0)
            return search_types[i];
    return NULL;
}

search_options search_defaults(void)
{
    return (search_options){.population = 12,
                            .founders = 36,
                            .immigrants = 0.25,
                            .elites = 2,
                            .tournament = 2,
                            .crossover_rate = 0.3,
                            .max_edits = 4,
                            .niche_radius = 0.15,
                            .stall_restart = 5,
                            .guests_every = 3,
                            .racing = true,
                            .block = 5,
                            .first_blocks = 1,
                            .race_alpha = 0.2};
}

/* ---- Life ---- */

static int options_check(const search_options *o, error *err)
{
    if (o->population < 2)
        return error_set(err, E_ARGUMENT, "population is %zu; 2 or more are needed",
                         o->population);
    if (o->elites > o->population)
        return error_set(err, E_ARGUMENT, "elites are %zu, more than the population, %zu",
                         o->elites, o->population);
    if (!(o->crossover_rate >= 0 && o->crossover_rate <= 1))
        return error_set(err, E_ARGUMENT, "crossover_rate is %g, outside [0, 1]",
                         o->crossover_rate);
    if (!(o->niche_radius >= 0 && o->niche_radius <= 1))
        return error_set(err, E_ARGUMENT, "niche_radius is %g, outside [0, 1]",
                         o->niche_radius);
    if (!(o->immigrants >= 0 && o->immigrants <= 1))
        return error_set(err, E_ARGUMENT, "immigrants is %g, outside [0, 1]",
                         o->immigrants);
    if (o->max_edits < 1)
        return error_set(err, E_ARGUMENT, "max_edits is 0; 1 or more are needed");
    if (o->racing && (o->block < 1 || o->first_blocks < 1))
        return error_set(err, E_ARGUMENT,
                         "block is %zu and first_blocks %zu; a race needs 1 or more of "
                         "both",
                         o->block, o->first_blocks);
    if (o->racing && !(o->race_alpha > 0 && o->race_alpha < 1))
        return error_set(err, E_ARGUMENT, "race_alpha is %g, outside (0, 1)",
                         o->race_alpha);
    return 0;
}

static int problem_check(const search_problem *p, error *err)
{
    if (p->n_seeds == 0 || p->n_examples == 0)
        return error_set(err, E_ARGUMENT,
                         "a search over %zu examples from %zu seeds: one of each or more "
                         "are needed",
                         p->n_examples, p->n_seeds);
    for (size_t i = 0; i < p->n_seeds; i++)
        if (genome_check(p->spec, &p->seeds[i], err) < 0)
            return error_prefix(err, "seed %zu", i);
    return 0;
}

int search_new(search **out, const search_type *type, const search_problem *problem,
               const search_options *options, error *err)
{
    TRY(options_check(options, err));
    TRY(problem_check(problem, err));
    search *s = array_new(1, sizeof *s);
    if (!s)
        return error_memory(err, sizeof *s);
    s->type = type;
    s->problem = *problem;
    s->options = *options;
    s->state = array_new(1, type->state_size);
    s->rng = gsl_rng_alloc(gsl_rng_mt19937);
    int rc = s->state && s->rng ? 0 : error_memory(err, type->state_size);
    if (rc == 0) {
        /* MT19937 takes 32 bits, and 0 for its default of 4357: seed 0 is mixed too. */
        gsl_rng_set(s->rng, (unsigned long)(seed_mix(problem->random_seed, 0) >> 32 | 1));
        bandit_init(&s->bandit, problem->spec, problem->proposer);
        rc = type->init(s, err);
    }
    if (rc < 0) {
        search_free(s);
        return rc;
    }
    *out = s;
    return 0;
}

static void record_free(record *r)
{
    genome_free(&r->genome);
    free(r->operators);
    free(r->index);
    free(r->score);
    free(r);
}

static void slots_clear(search *s)
{
    for (size_t i = 0; i < s->n_slots; i++) {
        free(s->slots[i].examples);
        free(s->slots[i].scores);
    }
    s->n_slots = 0;
}

void search_free(search *s)
{
    if (!s)
        return;
    if (s->state)
        s->type->free(s);
    slots_clear(s);
    for (size_t i = 0; i < s->n_records; i++)
        record_free(s->records[i]);
    for (size_t i = 0; i < s->keys.capacity; i++)
        free(s->keys.keys[i]);
    heat_free(&s->heat);
    free(s->keys.keys);
    free(s->records);
    free(s->slots);
    free(s->queries);
    free(s->population);
    free(s->state);
    gsl_rng_free(s->rng);
    free(s);
}

/* ---- Asking ---- */

record *search_record(search *s, uint64_t id)
{
    return id >= 1 && id <= s->n_records ? s->records[id - 1] : NULL;
}

bool search_measured_fully(const search *s, const record *who)
{
    return who->n_scores == s->problem.n_examples;
}

int search_add_query(search *s, record *who, const size_t *examples, size_t n, error *err)
{
    bool *measured = array_new(s->problem.n_examples, sizeof *measured);
    slot fresh = {.who = who, .examples = array_new(n, sizeof *fresh.examples)};
    int rc = 0;
    if (!measured || !fresh.examples)
        TRY_OUT(rc, error_memory(err, n * sizeof *fresh.examples));
    for (size_t i = 0; i < who->n_scores; i++)
        measured[who->index[i]] = true;
    for (size_t i = 0; i < n; i++)
        if (!measured[examples[i]])
            fresh.examples[fresh.n++] = examples[i];
    if (fresh.n == 0)
        goto out;
    TRY_OUT(rc, array_grow(&s->slots, &s->slots_capacity, s->n_slots, sizeof fresh, err));
    s->slots[s->n_slots++] = fresh;
    fresh.examples = NULL;
out:
    free(fresh.examples);
    free(measured);
    return rc;
}

int search_ask(search *s, const search_query **queries, size_t *n, error *err)
{
    if (s->n_slots == 0) {
        int rc = s->heat.open ? 0 : s->type->breed(s, err);
        if (rc == 0 && s->heat.open)
            rc = heat_ask(s, err);
        if (rc < 0) {
            slots_clear(s); /* half a step; asked again, it is made whole */
            return rc;
        }
    }
    size_t open = 0;
    for (size_t i = 0; i < s->n_slots; i++) {
        const slot *q = &s->slots[i];
        if (q->answered)
            continue;
        TRY(array_grow(&s->queries, &s->queries_capacity, open, sizeof *s->queries, err));
        s->queries[open++] = (search_query){.id = q->who->public.id,
                                            .genome = q->who->public.genome,
                                            .examples = q->examples,
                                            .n_examples = q->n};
    }
    *queries = s->queries;
    *n = open;
    return 0;
}

/* ---- Telling ---- */

static slot *slot_find(search *s, uint64_t id)
{
    for (size_t i = 0; i < s->n_slots; i++)
        if (s->slots[i].who->public.id == id)
            return &s->slots[i];
    return NULL;
}

/* Refuse an answer that does not fit; mark what it answers as named. */
static int answer_check(search *s, const search_answer *a, error *err)
{
    unsigned long long id = a->id;
    slot *q = slot_find(s, a->id);
    if (!q)
        return error_set(err, E_ARGUMENT, "an answer for candidate %llu, not asked for",
                         id);
    if (q->answered || q->named)
        return error_set(err, E_ARGUMENT, "a second answer for candidate %llu", id);
    if (a->status == FITNESS_DONE && a->n_scores != q->n)
        return error_set(err, E_ARGUMENT,
                         "an answer of %zu scores for candidate %llu, asked for %zu",
                         a->n_scores, id, q->n);
    q->named = true;
    return 0;
}

static bool answer_finite(const search_answer *a)
{
    bool finite = isfinite(a->penalty);
    for (size_t i = 0; i < a->n_scores; i++)
        finite = finite && isfinite(a->scores[i]);
    return finite;
}

/* A score that is no number is a failure of the candidate: it must not reach a mean. */
static int answer_take(search *s, const search_answer *a, error *err)
{
    slot *q = slot_find(s, a->id);
    if (a->status == FITNESS_PENDING)
        return 0;
    if (a->status == FITNESS_DONE && answer_finite(a)) {
        q->scores = array_new(q->n, sizeof *q->scores);
        if (!q->scores)
            return error_memory(err, q->n * sizeof *q->scores);
        memcpy(q->scores, a->scores, q->n * sizeof *q->scores);
        q->penalty = a->penalty;
    } else {
        q->failed = true;
    }
    q->answered = true;
    return 0;
}

static void record_update(record *r)
{
    fitness *f = &r->public.fitness;
    f->n = r->n_scores;
    f->value = stats_mean(r->score, r->n_scores) - r->penalty;
    f->se = stats_se(r->score, r->n_scores);
    f->status = FITNESS_DONE;
}

static int record_reserve(record *r, size_t more, error *err)
{
    size_t wanted = r->n_scores + more;
    if (wanted <= r->capacity)
        return 0;
    size_t *index = array_resize(r->index, wanted, sizeof *index);
    if (index)
        r->index = index;
    double *score = array_resize(r->score, wanted, sizeof *score);
    if (score)
        r->score = score;
    if (!index || !score)
        return error_memory(err, wanted * sizeof *score);
    r->capacity = wanted;
    return 0;
}

/* All answers of a step at once, in the order of the queries, so that the order in which
 * they came leaves no trace. */
static int step_finish(search *s, error *err)
{
    for (size_t i = 0; i < s->n_slots; i++)
        TRY(record_reserve(s->slots[i].who, s->slots[i].n, err));
    for (size_t i = 0; i < s->n_slots; i++) {
        const slot *q = &s->slots[i];
        record *r = q->who;
        if (q->failed) {
            r->public.fitness.status = FITNESS_FAILED;
            r->public.alive = false;
            continue;
        }
        memcpy(r->index + r->n_scores, q->examples, q->n * sizeof *r->index);
        memcpy(r->score + r->n_scores, q->scores, q->n * sizeof *r->score);
        r->n_scores += q->n;
        r->penalty = q->penalty;
        record_update(r);
    }
    slots_clear(s);
    TRY(heat_tell(s, err));
    if (s->heat.open)
        return 0;
    TRY(s->type->select(s, err));
    s->generation++;
    return 0;
}

static int answers_check(search *s, const search_answer *answers, size_t n, error *err)
{
    int rc = 0;
    for (size_t i = 0; i < s->n_slots; i++)
        s->slots[i].named = false;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = answer_check(s, &answers[i], err);
    return rc;
}

int search_tell(search *s, const search_answer *answers, size_t n, error *err)
{
    TRY(answers_check(s, answers, n, err));
    for (size_t i = 0; i < n; i++)
        TRY(answer_take(s, &answers[i], err));
    bool all = s->n_slots > 0;
    for (size_t i = 0; i < s->n_slots; i++)
        all = all && s->slots[i].answered;
    return all ? step_finish(s, err) : 0;
}

/* ---- Where it stands ---- */

size_t search_generation(const search *s)
{
    return s->generation;
}

size_t search_restarts(const search *s)
{
    return s->restarts;
}

size_t search_candidate_count(const search *s)
{
    return s->n_records;
}

const candidate *search_candidate(const search *s, size_t i)
{
    return i < s->n_records ? &s->records[i]->public : NULL;
}

const candidate *search_find(const search *s, uint64_t id)
{
    return id >= 1 ? search_candidate(s, (size_t)(id - 1)) : NULL;
}

int record_compare(const void *a, const void *b)
{
    const candidate *x = &(*(record *const *)a)->public;
    const candidate *y = &(*(record *const *)b)->public;
    if (x->fitness.value != y->fitness.value)
        return x->fitness.value > y->fitness.value ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

void search_crown(search *s, record *const *litter, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        record *r = litter[i], *loser = r;
        if (!r->public.alive)
            continue;
        if (s->n_population == 0 || record_compare(&r, &s->population[0]) < 0) {
            loser = s->n_population ? s->population[0] : NULL;
            s->population[0] = r;
            s->n_population = 1;
        }
        if (loser)
            loser->public.alive = false;
    }
}

/* Means over few examples are high by luck: whoever has seen more comes first. */
static bool is_better(const candidate *x, const candidate *y)
{
    if (x->fitness.n != y->fitness.n)
        return x->fitness.n > y->fitness.n;
    if (x->fitness.value != y->fitness.value)
        return x->fitness.value > y->fitness.value;
    return x->id < y->id;
}

size_t search_best(const search *s, size_t k, uint64_t *ids)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_records; i++) {
        const candidate *c = &s->records[i]->public;
        if (c->fitness.status != FITNESS_DONE)
            continue;
        size_t at = n;
        while (at > 0 && is_better(c, &s->records[ids[at - 1] - 1]->public))
            at--;
        if (at == k)
            continue;
        n += n < k;
        memmove(ids + at + 1, ids + at, (n - at - 1) * sizeof *ids);
        ids[at] = c->id;
    }
    return n;
}

size_t search_scores(const search *s, uint64_t id, const size_t **index,
                     const double **score)
{
    if (id < 1 || id > s->n_records)
        return 0;
    const record *r = s->records[id - 1];
    *index = r->index;
    *score = r->score;
    return r->n_scores;
}

size_t search_operator_rates(const search *s, const operator_rate **rates)
{
    *rates = s->bandit.rates;
    return s->bandit.n;
}
