#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../experiments/store/store_sql.h"
#include "../experiments/store/training.h"
#include "scratch.h"
#include "toy.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- The experiment ---- */

enum { TOY_ROWS = 70 };

static const char toy_yaml[] =
    "name: toy\n"
    "model: none.gguf\n"
    "data: {file: toy.jsonl, search: 24, selection: 16, final: 20}\n"
    "template: '{{instruction}} {{mark}} {{input}} {{target}}'\n"
    "genes:\n"
    "  instruction:\n"
    "    kind: text\n"
    "    seed: please say what this thing is\n"
    "    more_seeds: [say the thing, name it now]\n"
    "    lexicon: [alpha, beta, gamma, delta, omega]\n"
    "    max_words: 12\n"
    "  mark: {kind: choice, options: ['=', ':', '->']}\n"
    "search: {population: 8, elites: 2, block: 6, racing: on}\n"
    "budget: {tokens: 20000}\n"
    "finalists: 3\n";

static void write_file(const char *path, const char *s)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(s, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

experiment *toy_experiment(const char *dir, const char *const *set, size_t n,
                           uint64_t seed)
{
    char path[4096];
    text rows = {0};
    error err = {0};
    experiment *e = NULL;
    for (int i = 0; i < TOY_ROWS; i++)
        assert_int_equal(
            text_add_format(&rows, &err,
                            "{\"input\": \"thing %d\", \"target\": \"t%d\"}\n", i, i % 7),
            0);
    snprintf(path, sizeof path, "%s/toy.jsonl", dir);
    write_file(path, rows.s);
    text_free(&rows);
    snprintf(path, sizeof path, "%s/toy.yaml", dir);
    write_file(path, toy_yaml);
    experiment_overrides o = {.set = set, .n_set = n, .seed = &seed};
    if (experiment_load(&e, path, &o, &err) < 0)
        fail_msg("%s", err.text);
    return e;
}

void toy_bench_open(toy_bench *w, const char *const *set, size_t n)
{
    *w = (toy_bench){.a = scratch_new(), .b = scratch_new()};
    assert_non_null(w->a);
    assert_non_null(w->b);
    w->e = toy_experiment(w->a, set, n, 5);
}

void toy_bench_close(toy_bench *w)
{
    experiment_free(w->e);
    scratch_remove(w->a);
    scratch_remove(w->b);
}

/* ---- The objective ---- */

/* In [0, 1), from a hash. */
static double chance(const char *key)
{
    char digits[14] = "";
    memcpy(digits, key, 13);
    return (double)strtoull(digits, NULL, 16) / (double)(1ull << 52);
}

static int toy_key(const toy *t, const genome *g, size_t i, char key[SHA256_HEX],
                   error *err)
{
    text all = {0};
    int rc = genome_serialise(&t->experiment->spec, g, &all, err);
    if (rc == 0)
        rc = text_add_format(&all, err, " on %zu", i);
    if (rc == 0)
        rc = sha256_hex(all.s, all.n, key, err);
    text_free(&all);
    return rc;
}

/* Greek letters are good, length is bad, the rest is chance. */
static double toy_score(const toy *t, const genome *g, const char *key)
{
    const gene *words = &g->genes[0];
    double score = 0.4 * (double)g->genes[1].choice;
    if (t->constant)
        return 1.0;
    for (size_t i = 0; i < words->n_words; i++)
        for (size_t j = 0; j < t->experiment->spec.genes[0].n_lexicon; j++)
            score +=
                strcmp(words->words[i].s, t->experiment->spec.genes[0].lexicon[j]) == 0;
    return score - 0.05 * (double)words->n_words + 2 * chance(key);
}

static uint64_t toy_tokens(const genome *g)
{
    return 5 + g->genes[0].n_words;
}

static int toy_cost(objective *o, const measurement *batch, size_t n, expense *out,
                    error *err)
{
    toy *t = (toy *)o;
    expense sum = {0};
    uint64_t pass = ++t->keys.pass;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < batch[i].n; j++) {
            char key[SHA256_HEX];
            key_entry *e;
            TRY(toy_key(t, batch[i].genome, batch[i].examples[j], key, err));
            TRY(key_ledger_find(&t->keys, key, &e, err));
            if (e->paid || e->pass == pass)
                continue;
            e->pass = pass;
            sum.tokens += toy_tokens(batch[i].genome);
            sum.evaluations++;
        }
    *out = sum;
    return 0;
}

static bool in_search_split(const toy *t, size_t i)
{
    const split *s = &t->experiment->splits[SPLIT_SEARCH];
    for (size_t k = 0; k < s->n; k++)
        if (s->index[k] == i)
            return true;
    return false;
}

static double toy_tick(const toy *t, uint64_t tokens)
{
    const ticker *x = t->time ? t->ticker : NULL;
    return x && x->tick ? x->tick(x->context, tokens) : (double)INFINITY;
}

static void toy_spend_time(toy *t)
{
    bool slow = t->slow_factor > 0 && t->computed >= t->slow_after;
    t->took = t->score_seconds * (slow ? t->slow_factor : 1);
    if (t->time)
        *t->time += t->took;
}

/* A score that is not in the store: the moment at which things may happen. */
static int toy_compute(toy *t, const genome *g, const char *key, double *out, error *err)
{
    if (t->die_after && t->computed == t->die_after)
        raise(SIGKILL);
    if (t->interrupt && t->computed == t->interrupt_after)
        *t->interrupt = 1;
    if (t->interrupt && *t->interrupt)
        return error_set(err, E_INTERRUPTED, "stopped by the user");
    if (toy_tick(t, 0) < t->took)
        return error_set(err, E_INTERRUPTED, "stopped because the time is up");
    toy_spend_time(t);
    t->computed++;
    *out = toy_score(t, g, key);
    toy_tick(t, toy_tokens(g));
    return store_memo_put(t->store, key, out, sizeof *out, err);
}

static int toy_measure_one(toy *t, measurement *m, size_t j, expense *spent, error *err)
{
    char key[SHA256_HEX], *value = NULL;
    bool foreign = false;
    size_t n = 0;
    key_entry *e;
    TRY(toy_key(t, m->genome, m->examples[j], key, err));
    int found = store_memo_get(t->store, key, &value, &n, &foreign, err);
    TRY(found);
    if (found)
        memcpy(&m->scores[j], value, sizeof m->scores[j]);
    else
        TRY(toy_compute(t, m->genome, key, &m->scores[j], err));
    free(value);
    TRY(key_ledger_find(&t->keys, key, &e, err));
    if (!e->paid) {
        spent->tokens += toy_tokens(m->genome);
        spent->reused += foreign ? toy_tokens(m->genome) : 0;
        spent->evaluations++;
    }
    e->paid = true;
    t->outside_seen += !in_search_split(t, m->examples[j]);
    return 0;
}

/* Scores go to the store a few at a time, as the slices of the real one do. */
static int toy_measure(objective *o, measurement *batch, size_t n, expense *out,
                       error *err)
{
    toy *t = (toy *)o;
    expense spent = {0};
    for (size_t i = 0; i < n; i++) {
        measurement *m = &batch[i];
        m->first_choice = (double)NAN;
        if (t->pending && (t->answered >= t->pending)) {
            m->status = FITNESS_PENDING;
            continue;
        }
        TRY(store_begin(t->store, err));
        int rc = 0;
        for (size_t j = 0; rc == 0 && j < m->n; j++)
            rc = toy_measure_one(t, m, j, &spent, err);
        TRY(store_end(t->store, rc == E_INTERRUPTED ? 0 : rc, err));
        TRY(rc);
        m->status = FITNESS_DONE;
        m->penalty = 0.001 * (double)m->genome->genes[0].n_words;
        t->answered++;
    }
    if (!t->never_more)
        t->answered = 0;
    *out = spent;
    return 0;
}

static void toy_free(objective *o)
{
    (void)o;
}

/* A proposer that always knows the same few words, for a price. */
static int toy_words(proposer *p, const genome_spec *spec, const genome *g, size_t which,
                     size_t begin, size_t end, size_t k, char **out, error *err)
{
    paid_proposer *paid = (paid_proposer *)p;
    toy *t = (toy *)(void *)((char *)p - offsetof(toy, proposer));
    (void)spec, (void)g, (void)which, (void)begin, (void)end, (void)err;
    if (k == 0 || paid->spent.tokens + t->words_price > paid->allowance)
        return 0;
    paid->spent.tokens += t->words_price;
    toy_spend_time(t);
    toy_tick(t, t->words_price);
    out[0] = string_copy("offered");
    return out[0] ? 1 : error_memory(err, 8);
}

void toy_open(toy *t, const experiment *e, store *s)
{
    t->base = (objective){
        .name = "toy", .cost = toy_cost, .measure = toy_measure, .free = toy_free};
    t->experiment = e;
    t->store = s;
    t->proposer = (paid_proposer){.proposer.words = toy_words};
}

void toy_close(toy *t)
{
    key_ledger_free(&t->keys);
    t->computed = t->answered = t->outside_seen = 0;
    t->took = 0;
}

/* ---- Runs ---- */

int toy_run(toy *t, const char *dir, uint64_t id, const run_options *options,
            double (*clock)(void), error *err)
{
    store *s = NULL;
    ticker tick = {0};
    const experiment *e = t->experiment;
    TRY(store_open(&s, dir, true, err));
    /* A process that dies loses nothing by this, only a machine would; and it is fast. */
    sqlite3_exec(s->file.db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    int rc = id ? store_run_lock(s, id, err)
                : store_run_begin(s, e->name, e->seed, "{}", "none", "toy", &id, err);
    toy_open(t, e, s);
    t->ticker = &tick;
    run_parts parts = {.experiment = e,
                       .store = s,
                       .id = id,
                       .objective = &t->base,
                       .proposer = t->words_price ? &t->proposer : NULL,
                       .ticker = &tick,
                       .clock = clock};
    if (rc == 0)
        rc = run_loop(&parts, options, err);
    t->ticker = NULL;
    store_close(s);
    return rc;
}

run_record *read_run(const char *dir, uint64_t id)
{
    store *s = NULL;
    run_record *r = NULL;
    error err = {0};
    if (store_open_readonly(&s, dir, &err) < 0 || store_run_read(s, id, &r, &err) < 0)
        fail_msg("%s", err.text);
    store_close(s);
    return r;
}

static void assert_same_bits(double a, double b)
{
    assert_memory_equal(&a, &b, sizeof a);
}

static void assert_same_spend(const spend *a, const spend *b, bool reused_too)
{
    for (purpose p = 0; p < N_PURPOSES; p++) {
        assert_int_equal(a[p].tokens, b[p].tokens);
        assert_int_equal(a[p].evaluations, b[p].evaluations);
        assert_int_equal(a[p].ratings, b[p].ratings);
        if (reused_too)
            assert_int_equal(a[p].reused, b[p].reused);
    }
}

static void assert_same_score(const split_score *a, const split_score *b)
{
    assert_int_equal(a->candidate, b->candidate);
    assert_int_equal(a->n, b->n);
    assert_same_bits(a->score, b->score);
    assert_same_bits(a->se, b->se);
    assert_memory_equal(a->each, b->each, a->n * sizeof *a->each);
}

static void assert_same_verdict(const verdict *a, const verdict *b)
{
    assert_int_equal(a->n_selection, b->n_selection);
    for (size_t i = 0; i < a->n_selection; i++)
        assert_same_score(&a->selection[i], &b->selection[i]);
    assert_same_score(&a->seed, &b->seed);
    assert_same_score(&a->best, &b->best);
    assert_same_bits(a->difference, b->difference);
    assert_same_bits(a->ci_low, b->ci_low);
    assert_same_bits(a->ci_high, b->ci_high);
    assert_same_bits(a->p, b->p);
}

static void assert_same_candidate(const candidate_record *a, const candidate_record *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->parents[0], b->parents[0]);
    assert_int_equal(a->parents[1], b->parents[1]);
    assert_int_equal(a->generation, b->generation);
    assert_string_equal(a->genome, b->genome);
    assert_string_equal(a->prompt, b->prompt);
    assert_string_equal(a->operators, b->operators);
    assert_string_equal(a->state, b->state);
    assert_same_bits(a->value, b->value);
    assert_same_bits(a->se, b->se);
    assert_int_equal(a->n, b->n);
}

static void assert_same_point(const history_point *a, const history_point *b,
                              bool reused_too)
{
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->best_id, b->best_id);
    assert_int_equal(a->n_alive, b->n_alive);
    assert_same_bits(a->best, b->best);
    assert_same_bits(a->best_se, b->best_se);
    assert_same_bits(a->median, b->median);
    assert_same_spend(a->spent, b->spent, reused_too);
}

static void assert_same_training(const training_record *a, const training_record *b)
{
    assert_int_equal(a->facts.n_tokens, b->facts.n_tokens);
    assert_int_equal(a->facts.planned, b->facts.planned);
    assert_same_bits(a->facts.rate, b->facts.rate);
    assert_int_equal(a->n_steps, b->n_steps);
    for (size_t i = 0; i < a->n_steps; i++) {
        assert_int_equal(a->steps[i].step, b->steps[i].step);
        assert_same_bits(a->steps[i].loss, b->steps[i].loss);
        assert_same_bits(a->steps[i].grad_norm, b->steps[i].grad_norm);
        assert_same_bits(a->steps[i].rate, b->steps[i].rate);
        assert_int_equal(a->steps[i].tokens, b->steps[i].tokens);
    }
    assert_int_equal(a->n_evaluations, b->n_evaluations);
    for (size_t i = 0; i < a->n_evaluations; i++) {
        assert_int_equal(a->evaluations[i].step, b->evaluations[i].step);
        assert_same_bits(a->evaluations[i].loss, b->evaluations[i].loss);
        assert_int_equal(a->evaluations[i].best, b->evaluations[i].best);
        assert_int_equal(a->evaluations[i].tokens, b->evaluations[i].tokens);
    }
    assert_int_equal(a->best_step, b->best_step);
    assert_same_bits(a->best_loss, b->best_loss);
    assert_int_equal(a->has_bare, b->has_bare);
    if (a->has_bare)
        assert_same_score(&a->bare, &b->bare);
    assert_same_bits(a->difference, b->difference);
    assert_same_bits(a->p, b->p);
}

void assert_same_run(const run_record *a, const run_record *b, bool reused_too)
{
    assert_int_equal(a->seed, b->seed);
    assert_int_equal(a->status, b->status);
    assert_string_equal(a->stop_reason, b->stop_reason);
    assert_int_equal(a->n_history, b->n_history);
    for (size_t i = 0; i < a->n_history; i++)
        assert_same_point(&a->history[i], &b->history[i], reused_too);
    assert_int_equal(a->n_operators, b->n_operators);
    for (size_t i = 0; i < a->n_operators; i++) {
        assert_int_equal(a->operators[i].step, b->operators[i].step);
        assert_string_equal(a->operators[i].name, b->operators[i].name);
        assert_same_bits(a->operators[i].rate, b->operators[i].rate);
        assert_same_bits(a->operators[i].credit, b->operators[i].credit);
        assert_int_equal(a->operators[i].tries, b->operators[i].tries);
        assert_int_equal(a->operators[i].wins, b->operators[i].wins);
    }
    assert_int_equal(a->n_candidates, b->n_candidates);
    for (size_t i = 0; i < a->n_candidates; i++)
        assert_same_candidate(&a->candidates[i], &b->candidates[i]);
    assert_int_equal(a->training != NULL, b->training != NULL);
    if (a->training)
        assert_same_training(a->training, b->training);
    assert_int_equal(a->has_verdict, b->has_verdict);
    if (a->has_verdict)
        assert_same_verdict(&a->verdict, &b->verdict);
    assert_same_spend(a->spent, b->spent, reused_too);
}

int run_state_of(const char *dir)
{
    store *s = NULL;
    uint64_t latest = 0, unfinished = 0;
    error err = {0};
    if (store_open(&s, dir, true, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(store_run_latest(s, false, &latest, &err), 0);
    assert_int_equal(store_run_latest(s, true, &unfinished, &err), 0);
    store_close(s);
    return latest == 0 ? 0 : unfinished ? 1 : 2;
}
