/* The genetic algorithm: a population measured on every example breeds children, the
 * children race against it, and the best distinct ones live on. */
#include "search_state.h"

#include <stdlib.h>

enum { BARREN_MOST = 10 }; /* generations without one candidate that could be measured */

typedef struct ga {
    const record *best; /* so far */
    size_t stalled;     /* generations since it changed */
    size_t barren;
    const record *host;               /* the best when guests were last asked for */
    size_t guest_rounds, next_guests; /* the generation of the next */
    record **litter; /* of this generation, while it is being made and raced */
    size_t n_litter;
} ga;

/* How many make the first generation. Racing, founders are cheap: most meet a few
 * examples only, and the best of many is a better start than generations of edits. */
static size_t ga_founders(const search *s)
{
    size_t n = s->options.population;
    if (s->options.racing && s->options.founders > n)
        n = s->options.founders;
    return n > s->problem.n_seeds ? n : s->problem.n_seeds;
}

static int ga_init(search *s, error *err)
{
    ga *self = s->state;
    size_t most = ga_founders(s);
    self->litter = array_new(most, sizeof(void *));
    s->population = array_new(s->options.population + most, sizeof(void *));
    return self->litter && s->population ? 0 : error_memory(err, most * sizeof(void *));
}

static void ga_free(search *s)
{
    ga *self = s->state;
    free(self->litter);
}

/* ---- Making a generation ---- */

/* Make the litter up to `wanted` with the initial step; every second one, when there is a
 * best, a far mutant of it. */
static int litter_scatter(search *s, size_t wanted, const record *far, error *err)
{
    ga *self = s->state;
    while (self->n_litter < wanted) {
        record *r = NULL;
        if (far && self->n_litter % 2)
            TRY(breed_far(s, far, &r, err));
        else
            TRY(breed_initial(s, &r, err));
        if (!r)
            return 0;
        self->litter[self->n_litter++] = r;
    }
    return 0;
}

/* Children, and immigrants among them (Grefenstette 1992): where one lineage has come to
 * rule, most edits of it are neutral, and a fresh draw is the better bet. */
static int litter_breed(search *s, error *err)
{
    ga *self = s->state;
    while (self->n_litter < s->options.population) {
        record *r = NULL;
        if (gsl_rng_uniform(s->rng) < s->options.immigrants)
            TRY(breed_initial(s, &r, err));
        else
            TRY(breed_child(s, &r, err));
        if (!r)
            return 0;
        self->litter[self->n_litter++] = r;
    }
    return 0;
}

/* Keep the elites, let the others go, start again around them and from the seeds. */
static int ga_restart(search *s, error *err)
{
    ga *self = s->state;
    if (self->stalled) {
        size_t keep = s->options.elites ? s->options.elites : 1;
        for (size_t i = keep; i < s->n_population; i++)
            s->population[i]->public.alive = false;
        s->n_population = keep < s->n_population ? keep : s->n_population;
        self->stalled = 0;
        s->restarts++;
    }
    return litter_scatter(s, s->options.population, self->best, err);
}

/* Texts that were found by other means take the places of children now and then, and race
 * like them. They begin at the best; while that is the same as last time, at a parent. */
static int litter_invite(search *s, error *err)
{
    ga *self = s->state;
    const proposer *p = s->problem.proposer;
    if (!p || !p->texts || !s->options.guests_every || s->generation < self->next_guests)
        return 0;
    const record *host = self->best == self->host ? NULL : self->best;
    self->host = self->best;
    self->next_guests = s->generation + s->options.guests_every;
    return breed_guests(s, host, self->guest_rounds++, self->litter, &self->n_litter,
                        s->options.population, err);
}

/* The next litter, empty only when nothing new can be found. */
static int ga_litter(search *s, error *err)
{
    ga *self = s->state;
    if (self->barren >= BARREN_MOST)
        return 0;
    if (s->n_population == 0)
        return litter_scatter(s, ga_founders(s), NULL, err);
    TRY(litter_invite(s, err));
    bool stalled = s->options.stall_restart && self->stalled >= s->options.stall_restart;
    if (!stalled)
        TRY(litter_breed(s, err));
    return self->n_litter && !stalled ? 0 : ga_restart(s, err);
}

static int ga_breed(search *s, error *err)
{
    ga *self = s->state;
    TRY(ga_litter(s, err));
    return self->n_litter
               ? heat_begin(s, s->n_population, self->litter, self->n_litter, err)
               : 0;
}

/* ---- Ending a generation ---- */

/* Pay the operators of a child: improvement over the better parent, both measured on
 * everything. */
static void child_reward(search *s, const record *child)
{
    if (!child->arms)
        return;
    double gain = 0;
    if (child->public.alive) {
        const record *mother = search_record(s, child->public.parents[0]);
        const record *father = search_record(s, child->public.parents[1]);
        double better = mother->public.fitness.value;
        if (father && father->public.fitness.value > better)
            better = father->public.fitness.value;
        gain = child->public.fitness.value - better;
    }
    bandit_reward(&s->bandit, child->arms, gain);
}

/* Clearing (Petrowski 1996): in order of value, a candidate within the niche radius of a
 * better one that holds its niche goes behind all who hold one. The elites hold theirs
 * whatever their distance. pool is sorted; the outcome is selection's order. */
static int niches_clear(const search *s, record **pool, size_t n, error *err)
{
    record **cleared = array_new(n, sizeof *cleared);
    if (!cleared)
        return error_memory(err, n * sizeof *cleared);
    size_t held = 0, n_cleared = 0;
    for (size_t i = 0; i < n; i++) {
        bool crowded = false;
        for (size_t j = 0; i >= s->options.elites && j < held && !crowded; j++)
            crowded = genome_distance(s->problem.spec, &pool[i]->genome,
                                      &pool[j]->genome) < s->options.niche_radius;
        if (crowded)
            cleared[n_cleared++] = pool[i];
        else
            pool[held++] = pool[i];
    }
    for (size_t i = 0; i < n_cleared; i++)
        pool[held + i] = cleared[i];
    free(cleared);
    return 0;
}

static int keep_best(search *s, error *err)
{
    ga *self = s->state;
    size_t n = s->n_population;
    for (size_t i = 0; i < self->n_litter; i++)
        if (self->litter[i]->public.alive)
            s->population[n++] = self->litter[i];
    self->barren = n ? 0 : self->barren + 1;
    if (n == 0)
        return 0;
    qsort(s->population, n, sizeof(void *), record_compare);
    const record *best = s->population[0];
    TRY(niches_clear(s, s->population, n, err));
    for (size_t i = s->options.population; i < n; i++)
        s->population[i]->public.alive = false;
    s->n_population = n < s->options.population ? n : s->options.population;
    self->stalled = best == self->best ? self->stalled + 1 : 0;
    self->best = best;
    return 0;
}

static int ga_select(search *s, error *err)
{
    ga *self = s->state;
    for (size_t i = 0; i < self->n_litter; i++)
        child_reward(s, self->litter[i]);
    TRY(keep_best(s, err));
    breed_share(s);
    self->n_litter = 0;
    return 0;
}

const search_type search_ga = {
    .name = "ga",
    .summary = "genetic algorithm: words and demonstrations evolve, losers stop early",
    .state_size = sizeof(ga),
    .init = ga_init,
    .breed = ga_breed,
    .select = ga_select,
    .free = ga_free,
};
