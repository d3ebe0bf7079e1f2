/* Making candidates: seeds, the initial step, children, and the set of all genomes ever
 * made, so that none is measured twice. */
#include "search_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

#include "variation.h"

enum {
    TRIES = 200,    /* to find a genome that is new; tries edit more and more */
    EDIT_TRIES = 8, /* to find an operator that can do something */
};

/* ---- Genomes met before ---- */

static uint64_t key_hash(const char *key)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 0x100000001b3u;
    return h;
}

static char **key_place(char **keys, size_t capacity, const char *key)
{
    size_t at = (size_t)key_hash(key) & (capacity - 1);
    while (keys[at] && strcmp(keys[at], key) != 0)
        at = (at + 1) & (capacity - 1);
    return &keys[at];
}

static int keys_reserve(key_set *set, error *err)
{
    if (set->n * 2 < set->capacity)
        return 0;
    size_t capacity = set->capacity ? set->capacity * 2 : 64;
    char **keys = array_new(capacity, sizeof *keys);
    if (!keys)
        return error_memory(err, capacity * sizeof *keys);
    for (size_t i = 0; i < set->capacity; i++)
        if (set->keys[i])
            *key_place(keys, capacity, set->keys[i]) = set->keys[i];
    free(set->keys);
    set->keys = keys;
    set->capacity = capacity;
    return 0;
}

/* 1: new, and now known; 0: known before. Takes the key's memory over. */
static int keys_add(key_set *set, text *key, error *err)
{
    int rc = keys_reserve(set, err);
    char **place = rc < 0 ? NULL : key_place(set->keys, set->capacity, text_string(key));
    if (!place || *place) {
        text_free(key);
        return rc;
    }
    *place = key->s;
    *key = (text){0};
    set->n++;
    return 1;
}

/* ---- Birth ---- */

static int record_add(search *s, genome *g, birth *b, record **out, error *err)
{
    TRY(array_grow(&s->records, &s->records_capacity, s->n_records, sizeof *s->records,
                   err));
    record *r = array_new(1, sizeof *r);
    char *names = string_copy(text_string(&b->operators));
    if (!r || !names) {
        free(r);
        free(names);
        return error_memory(err, sizeof *r);
    }
    r->genome = *g;
    *g = (genome){0};
    r->operators = names;
    r->arms = b->arms;
    r->public = (candidate){.id = s->n_records + 1,
                            .genome = &r->genome,
                            .operators = names,
                            .generation = s->generation,
                            .alive = true};
    for (size_t i = 0; i < 2; i++)
        r->public.parents[i] = b->parents[i] ? b->parents[i]->public.id : 0;
    s->records[s->n_records++] = r;
    *out = r;
    return 0;
}

int breed_enter(search *s, genome *g, birth *b, record **out, error *err)
{
    *out = NULL;
    text key = {0};
    int rc = genome_serialise(s->problem.spec, g, &key, err);
    if (rc == 0)
        rc = keys_add(&s->keys, &key, err);
    if (rc == 1)
        rc = record_add(s, g, b, out, err);
    text_free(&key);
    genome_free(g);
    return rc;
}

static int birth_name(birth *b, const char *name, error *err)
{
    if (b->operators.n)
        TRY(text_add_string(&b->operators, "+", err));
    return text_add_string(&b->operators, name, err);
}

/* ---- Edits ---- */

/* 1 + geometric(1/2), at most `most`. */
static size_t pick_edits(gsl_rng *rng, size_t most)
{
    size_t n = 1;
    while (n < most && gsl_rng_uniform(rng) < 0.5)
        n++;
    return n;
}

/* A gene that the operator could do something to, uniform; there is one, or its arm would
 * not have been drawn. */
static size_t pick_gene(const variation *v, const variation_operator *op, const genome *g)
{
    size_t seen = 0, at = 0;
    for (size_t i = 0; i < v->spec->n_genes; i++)
        if (operator_able(op, v, i, g) && pick_below(v->rng, ++seen) == 0)
            at = i;
    return at;
}

static int arm_apply(search *s, const variation *v, size_t arm, genome *g, birth *b,
                     error *err)
{
    const variation_operator *op = &variation_operators[s->bandit.operators[arm]];
    int rc = op->apply(v, g, pick_gene(v, op, g), err);
    if (rc == 1) {
        b->arms |= UINT32_C(1) << arm;
        TRY(birth_name(b, op->name, err));
    }
    return rc;
}

/* n edits by operators drawn at their rates. */
static int edit_by_rate(search *s, const variation *v, size_t n, genome *g, birth *b,
                        error *err)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t able = bandit_able(&s->bandit, v, g);
        int rc = 0;
        for (size_t k = 0; able && k < EDIT_TRIES && rc == 0; k++)
            rc = arm_apply(s, v, bandit_draw(&s->bandit, able, s->rng), g, b, err);
        TRY(rc);
    }
    return 0;
}

/* n edits of text genes, all operators alike. */
static int edit_words(search *s, const variation *v, size_t n, genome *g, birth *b,
                      error *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t arms[BANDIT_MOST], n_arms = 0;
        uint32_t able = bandit_able(&s->bandit, v, g);
        for (size_t k = 0; k < s->bandit.n; k++)
            if (able >> k & 1 &&
                variation_operators[s->bandit.operators[k]].kind == GENE_TEXT)
                arms[n_arms++] = k;
        int rc = 0;
        for (size_t k = 0; n_arms && k < EDIT_TRIES && rc == 0; k++)
            rc = arm_apply(s, v, arms[pick_below(s->rng, n_arms)], g, b, err);
        TRY(rc);
    }
    return 0;
}

/* Phrases to borrow: from the population, or from the seeds. */
static int others_new(const search *s, bool seeds, const genome ***out, size_t *n,
                      error *err)
{
    size_t count = seeds ? s->problem.n_seeds : s->n_population;
    const genome **others = array_new(count, sizeof(void *));
    if (!others)
        return error_memory(err, count * sizeof(void *));
    for (size_t i = 0; i < count; i++)
        others[i] = seeds ? &s->problem.seeds[i] : &s->population[i]->genome;
    *out = others;
    *n = count;
    return 0;
}

/* Something that makes one child: 0, or an error. `hardness` counts failed tries. */
typedef int child_maker(search *s, const variation *v, const void *from, size_t hardness,
                        genome *g, birth *b, error *err);

static child_maker make_initial;

/* Try until a genome comes out that the search has not met. */
static int breed_new(search *s, child_maker *make, const void *from, record **out,
                     error *err)
{
    const genome **others = NULL;
    size_t n_others = 0;
    TRY(others_new(s, make == make_initial, &others, &n_others, err));
    variation v = {.spec = s->problem.spec,
                   .rng = s->rng,
                   .proposer = s->problem.proposer,
                   .others = others,
                   .n_others = n_others};
    int rc = 0;
    *out = NULL;
    for (size_t i = 0; i < TRIES && rc >= 0 && !*out; i++) {
        genome g = {0};
        birth b = {0};
        rc = make(s, &v, from, i, &g, &b, err);
        if (rc == 0)
            rc = breed_enter(s, &g, &b, out, err);
        genome_free(&g);
        text_free(&b.operators);
    }
    free(others);
    return rc;
}

/* ---- The initial step ---- */

/* Demonstrations of random number and kind, four times in five; a choice or a number at
 * random, every second time. Returns whether the gene was drawn anew. */
static int gene_scatter(search *s, size_t which, genome *g, birth *b, error *err)
{
    const gene_spec *spec = &s->problem.spec->genes[which];
    gene *at = &g->genes[which];
    double u = gsl_rng_uniform(s->rng);
    size_t most = spec->max_demos < spec->n_pool ? spec->max_demos : spec->n_pool;
    if (spec->kind == GENE_DEMOS && most > 0 && u < 0.8) {
        TRY(birth_name(b, "demos", err));
        TRY(demos_draw(s->rng, spec, at, 1 + pick_below(s->rng, most), err));
        return 1;
    }
    if (spec->kind == GENE_CHOICE && spec->n_options > 1 && u < 0.5) {
        TRY(birth_name(b, "choice", err));
        at->choice = pick_below(s->rng, spec->n_options);
        return 1;
    }
    if (spec->kind == GENE_NUMBER && spec->lowest < spec->highest && u < 0.5) {
        double low = spec->lowest, range = spec->highest - low;
        TRY(birth_name(b, "number", err));
        at->number = low + range * gsl_rng_uniform(s->rng);
        if (spec->whole) {
            double first = ceil(low), last = floor(spec->highest);
            at->number = first + (double)pick_below(s->rng, (size_t)(last - first) + 1);
        }
        return 1;
    }
    if (spec->kind == GENE_VECTOR && u < 0.5) {
        TRY(birth_name(b, "vector", err));
        for (size_t i = 0; i < at->n_vector; i++)
            at->vector[i] = gsl_ran_gaussian(s->rng, spec->spread);
        return 1;
    }
    return 0;
}

static int make_initial(search *s, const variation *v, const void *from, size_t hardness,
                        genome *g, birth *b, error *err)
{
    (void)from;
    TRY(genome_copy(g, &s->problem.seeds[pick_below(s->rng, s->problem.n_seeds)], err));
    TRY(birth_name(b, "random", err));
    size_t drawn = 0;
    for (size_t i = 0; i < v->spec->n_genes; i++) {
        int rc = gene_scatter(s, i, g, b, err);
        TRY(rc);
        drawn += rc == 1;
    }
    size_t edits = pick_edits(s->rng, s->options.max_edits);
    if (drawn)
        edits = gsl_rng_uniform(s->rng) < 0.5 ? 0 : edits;
    TRY(edit_words(s, v, edits + hardness / 8, g, b, err));
    b->arms = 0; /* nobody's child: no parent to be better than */
    return 0;
}

static int breed_seed(search *s, record **out, error *err)
{
    genome g = {0};
    birth b = {0};
    int rc = genome_copy(&g, &s->problem.seeds[s->next_seed], err);
    if (rc == 0)
        rc = birth_name(&b, "seed", err);
    if (rc == 0)
        rc = breed_enter(s, &g, &b, out, err);
    if (rc == 0)
        s->next_seed++;
    genome_free(&g);
    text_free(&b.operators);
    return rc;
}

int breed_initial(search *s, record **out, error *err)
{
    *out = NULL;
    while (s->next_seed < s->problem.n_seeds && !*out)
        TRY(breed_seed(s, out, err));
    return *out ? 0 : breed_new(s, make_initial, NULL, out, err);
}

/* ---- Children ---- */

/* The population is in selection's order, best first. */
static const record *pick_parent(const search *s)
{
    size_t n = s->n_population;
    if (s->options.tournament == 0) { /* linear ranking: weights n, n - 1, … 1 */
        size_t ticket = pick_below(s->rng, n * (n + 1) / 2), rank = 0;
        while (ticket >= n - rank)
            ticket -= n - rank++;
        return s->population[rank];
    }
    size_t best = n - 1;
    for (size_t i = 0; i < s->options.tournament; i++) {
        size_t rival = pick_below(s->rng, n);
        best = rival < best ? rival : best;
    }
    return s->population[best];
}

static int make_child(search *s, const variation *v, const void *from, size_t hardness,
                      genome *g, birth *b, error *err)
{
    (void)from;
    const record *mother = pick_parent(s), *father = pick_parent(s);
    size_t edits = pick_edits(s->rng, s->options.max_edits);
    bool cross = gsl_rng_uniform(s->rng) < s->options.crossover_rate;
    b->parents[0] = mother;
    if (cross && mother != father) {
        b->parents[1] = father;
        TRY(genome_crossover(v, &mother->genome, &father->genome, g, err));
        TRY(birth_name(b, "crossover", err));
        edits = gsl_rng_uniform(s->rng) < 0.5 ? 0 : edits;
    } else {
        TRY(genome_copy(g, &mother->genome, err));
    }
    return edit_by_rate(s, v, edits + hardness / 8, g, b, err);
}

int breed_child(search *s, record **out, error *err)
{
    return breed_new(s, make_child, NULL, out, err);
}

static int make_far(search *s, const variation *v, const void *from, size_t hardness,
                    genome *g, birth *b, error *err)
{
    const record *origin = from;
    b->parents[0] = origin;
    TRY(genome_copy(g, &origin->genome, err));
    return edit_by_rate(s, v, 2 * s->options.max_edits + hardness / 8, g, b, err);
}

int breed_far(search *s, const record *who, record **out, error *err)
{
    return breed_new(s, make_far, who, out, err);
}

/* ---- Guests ---- */

enum { GUESTS = 4 };

/* The text gene whose turn it is, or n_genes where there is none. */
static size_t guest_gene(const genome_spec *spec, size_t round)
{
    size_t texts = 0;
    for (size_t i = 0; i < spec->n_genes; i++)
        texts += spec->genes[i].kind == GENE_TEXT;
    size_t turn = texts ? round % texts : 0;
    for (size_t i = 0; i < spec->n_genes; i++)
        if (spec->genes[i].kind == GENE_TEXT && turn-- == 0)
            return i;
    return spec->n_genes;
}

static int guest_enter(search *s, const record *host, size_t which,
                       const proposed_text *x, record **out, error *err)
{
    genome g = {0};
    birth b = {.parents = {host}};
    *out = NULL;
    int rc = genome_copy(&g, &host->genome, err);
    if (rc == 0)
        rc = gene_rewrite(&g.genes[which], x->text, err);
    if (rc == 1) {
        rc = birth_name(&b, x->origin, err);
        if (rc == 0)
            rc = breed_enter(s, &g, &b, out, err);
    }
    genome_free(&g);
    text_free(&b.operators);
    return rc;
}

int breed_guests(search *s, const record *host, size_t round, record **litter, size_t *n,
                 size_t most, error *err)
{
    proposer *p = s->problem.proposer;
    proposed_text offers[GUESTS] = {0};
    size_t which = guest_gene(s->problem.spec, round);
    if (!p || !p->texts || which == s->problem.spec->n_genes)
        return 0;
    host = host ? host : pick_parent(s);
    int rc = p->texts(p, s->problem.spec, &host->genome, which, GUESTS, offers, err);
    size_t count = rc > 0 ? (size_t)rc : 0;
    rc = rc < 0 ? rc : 0;
    for (size_t i = 0; rc == 0 && i < count && *n < most; i++) {
        record *r = NULL;
        rc = guest_enter(s, host, which, &offers[i], &r, err);
        if (r)
            litter[(*n)++] = r;
    }
    for (size_t i = 0; i < GUESTS; i++)
        free(offers[i].text);
    return rc;
}

void breed_share(search *s)
{
    variation v = {.spec = s->problem.spec,
                   .proposer = s->problem.proposer,
                   .n_others = s->n_population};
    uint32_t able = 0;
    for (size_t i = 0; i < s->n_population; i++)
        able |= bandit_able(&s->bandit, &v, &s->population[i]->genome);
    bandit_share(&s->bandit, able);
}
