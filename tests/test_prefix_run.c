/* Runs that learn a prefix on a tiny model, as `lamarck prefix` makes them: honest about
 * what they learned, the same however often killed, stopped or starved of disk, never
 * over their budget, and refused before anything is spent where that can be known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../experiments/runs/prefix_run.h"
#include "../experiments/runs/run.h"
#include "child.h"
#include "fixture.h"
#include "scratch.h"
#include "small_lm.h"
#include "toy.h"

static const char *const usual[] = {
    "prefix={tokens: 3, steps: 12, batch: 8, eval_every: 3, lr: 0.02, patience: 0}",
    "budget.tokens=100000"};
enum { N_USUAL = sizeof usual / sizeof *usual, MOST_SETS = 8 };

static experiment *make(const char *dir, const char *const *more, size_t n)
{
    const char *set[N_USUAL + MOST_SETS];
    memcpy(set, usual, sizeof usual);
    for (size_t i = 0; i < n; i++)
        set[N_USUAL + i] = more[i];
    return small_lm_experiment(dir, "tiny-f32.gguf", set, N_USUAL + n);
}

/* Time that goes by with every look at it: checkpoints fall due every few steps. */
static double hasty_clock(void)
{
    static double now;
    return now += 0.3;
}

/* Begins a run in dir and reads it back when it has ended. */
static run_record *whole_run(const char *dir, const char *const *more, size_t n)
{
    error err = {0};
    uint64_t id = 0;
    prefix_run_options options = {.clock = hasty_clock};
    experiment *e = make(dir, more, n);
    if (prefix_run_start(e, dir, &options, &id, &err) < 0)
        fail_msg("%s", err.text);
    experiment_free(e);
    return read_run(dir, id);
}

static prefix read_vectors(const char *dir, const run_record *r)
{
    store *s = NULL;
    prefix p = {0};
    error err = {0};
    assert_int_equal(store_open_readonly(&s, dir, &err), 0);
    assert_int_equal(store_get_prefix(s, r, &p, &err), 1);
    store_close(s);
    return p;
}

static void assert_same_vectors(const char *a_dir, const run_record *a, const char *b_dir,
                                const run_record *b)
{
    prefix x = read_vectors(a_dir, a), y = read_vectors(b_dir, b);
    assert_int_equal(x.n, y.n);
    assert_int_equal(x.kind, y.kind);
    assert_memory_equal(x.values, y.values,
                        x.n * prefix_floats_per_token(&x) * sizeof *x.values);
    prefix_free(&x);
    prefix_free(&y);
}

static void assert_refused(const char *const *more, size_t n, int code, const char *words)
{
    char *dir = scratch_new(), path[FIXTURE_PATH_BYTES];
    error err = {0};
    uint64_t id = 0;
    experiment *e = make(dir, more, n);
    assert_int_equal(prefix_run_start(e, dir, NULL, &id, &err), code);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
    snprintf(path, sizeof path, "%s/lamarck.sqlite", dir);
    assert_int_not_equal(access(path, F_OK), 0); /* nothing was begun */
    experiment_free(e);
    scratch_remove(dir);
}

/* ---- A run ---- */

static void test_a_run_learns_and_its_verdict_is_what_was_measured(void **state)
{
    (void)state;
    char *dir = scratch_new();
    run_record *r = whole_run(dir, NULL, 0);
    const training_record *t = r->training;
    assert_int_equal(r->status, RUN_FINISHED);
    assert_string_equal(r->stop_reason, "all steps done");
    assert_non_null(t);
    assert_string_equal(t->facts.method, "prompt");
    assert_int_equal(t->facts.n_tokens, 3);
    assert_true(t->facts.peak_bytes > 0);
    assert_int_equal(t->n_steps, 12);
    assert_int_equal(t->n_evaluations, 5); /* before the first step, and after 3, 6… */
    assert_true(t->best_loss < t->evaluations[0].loss);
    assert_int_equal(r->n_candidates, 3);
    assert_int_equal(r->verdict.seed.candidate, 1);
    assert_int_equal(r->verdict.best.candidate, 2);
    assert_int_equal(r->verdict.best.n, 10);
    assert_true(t->has_bare);
    double to_seed = 0, to_bare = 0;
    for (size_t i = 0; i < 10; i++) {
        to_seed += (r->verdict.best.each[i] - r->verdict.seed.each[i]) / 10;
        to_bare += (r->verdict.best.each[i] - t->bare.each[i]) / 10;
    }
    assert_true(fabs(to_seed - r->verdict.difference) < 1e-9);
    assert_true(fabs(to_bare - t->difference) < 1e-9);
    assert_true(to_bare > 0);
    assert_true(t->ci_low < t->difference && t->difference < t->ci_high);
    run_record_free(r);
    scratch_remove(dir);
}

/* What a judge says of the vectors' rows, by itself. */
static void test_the_kept_vectors_score_as_was_reported(void **state)
{
    (void)state;
    char *dir = scratch_new();
    error err = {0};
    run_record *r = whole_run(dir, NULL, 0);
    prefix p = read_vectors(dir, r);
    experiment *e = make(dir, NULL, 0), *bare;
    judge j;
    assert_int_equal(experiment_bare(&bare, e, &e->seeds[0], &err), 0);
    assert_int_equal(judge_open(&j, bare, &(judge_options){.prefix = &p}, &err), 0);
    double scores[10];
    measurement m = {.genome = &bare->seeds[0],
                     .examples = bare->splits[SPLIT_FINAL].index,
                     .n = 10,
                     .scores = scores};
    expense spent = {0};
    assert_int_equal(j.objective->measure(j.objective, &m, 1, &spent, &err), 0);
    assert_memory_equal(scores, r->verdict.best.each, sizeof scores);
    judge_close(&j);
    experiment_free(bare);
    experiment_free(e);
    prefix_free(&p);
    run_record_free(r);
    scratch_remove(dir);
}

/* The user's own prompt on the selection split. */
static void measure_seed(const experiment *e, judge *j, double scores[8])
{
    error err = {0};
    expense spent = {0};
    measurement m = {.genome = &e->seeds[0],
                     .examples = e->splits[SPLIT_SELECTION].index,
                     .n = 8,
                     .scores = scores};
    assert_int_equal(j->objective->measure(j->objective, &m, 1, &spent, &err), 0);
    assert_int_equal(m.status, FITNESS_DONE);
}

static void test_a_text_of_as_many_tokens_begins_at_its_own_score(void **state)
{
    (void)state;
    static const char *const more[] = {"prefix.tokens=0", "prefix.steps=1"};
    static const char *const methods[] = {"prefix.method=prompt", "prefix.method=prefix"};
    for (size_t k = 0; k < 2; k++) {
        char *dir = scratch_new();
        const char *set[] = {more[0], more[1], methods[k]};
        run_record *r = whole_run(dir, set, 3);
        experiment *e = make(dir, set, 3);
        judge j;
        double sums[8], means[8], nats = 0, tokens = 0;
        small_lm_judge(&j, e, NULL);
        measure_seed(e, &j, means);
        e->fitness.per_token = false;
        measure_seed(e, &j, sums);
        for (size_t i = 0; i < 8; i++) {
            nats -= sums[i];
            tokens += sums[i] / means[i];
        }
        /* Rows weigh by their tokens. Scores are of float arithmetic in another order. */
        double loss = r->training->evaluations[0].loss;
        assert_true(r->training->facts.n_tokens > 1);
        if (fabs(loss - nats / tokens) > 1e-5 * loss)
            fail_msg("%s: %.9g at step 0, the prompt itself has %.9g", methods[k], loss,
                     nats / tokens);
        judge_close(&j);
        experiment_free(e);
        run_record_free(r);
        scratch_remove(dir);
    }
}

static void test_threads_and_repetition_change_nothing(void **state)
{
    (void)state;
    static const char *const sets[] = {"engine.threads=1", "engine.threads=2",
                                       "engine.threads=1"};
    char *first_dir = scratch_new();
    run_record *first = whole_run(first_dir, sets, 1);
    for (size_t i = 1; i < 3; i++) {
        char *dir = scratch_new();
        run_record *r = whole_run(dir, &sets[i], 1);
        assert_same_run(first, r, true);
        assert_same_vectors(first_dir, first, dir, r);
        run_record_free(r);
        scratch_remove(dir);
    }
    run_record_free(first);
    scratch_remove(first_dir);
}

static void test_both_methods_and_all_beginnings_run(void **state)
{
    (void)state;
    static const char *const ways[][3] = {
        {"prefix.method=prompt", "prefix.init=random", "prefix.schedule=cosine"},
        {"prefix.method=prompt", "prefix.init=vocabulary", "prefix.lr=auto"},
        {"prefix.method=prompt", "prefix.init=labels", "prefix.init_labels=[hot, cold]"},
        {"prefix.method=prefix", "prefix.init=text", "prefix.init_text=it is"},
        {"prefix.method=prefix", "prefix.reparameterise=8", "prefix.init=random"},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        char *dir = scratch_new();
        run_record *r = whole_run(dir, ways[i], 3);
        assert_int_equal(r->status, RUN_FINISHED);
        assert_true(r->training->has_prefix);
        assert_true(r->training->facts.rate > 0);
        run_record_free(r);
        scratch_remove(dir);
    }
}

/* ---- Kills ---- */

/* Dies at the n-th time that somebody is shown something. */
static void die_later(void *context, const prefix_progress *p)
{
    size_t *left = context;
    (void)p;
    if (--*left == 0)
        raise(SIGKILL);
}

/* What a child does: begin or go on with the run of dir, and die on the way. */
static int child_main(const char *dir, bool begun, size_t after)
{
    error err = {0};
    uint64_t id = 0;
    int rc;
    prefix_run_options options = {
        .watch = die_later, .context = &after, .clock = hasty_clock};
    if (begun) {
        rc = prefix_run_resume(dir, 0, &options, &id, &err);
    } else {
        experiment *e = make(dir, NULL, 0);
        rc = prefix_run_start(e, dir, &options, &id, &err);
        experiment_free(e);
    }
    if (rc < 0)
        fprintf(stderr, "child: %s\n", err.text);
    return rc == 0 ? 0 : 1;
}

static bool run_child(const char *dir, bool begun, size_t after)
{
    char number[24];
    snprintf(number, sizeof number, "%zu", after);
    return child_run(0, (const char *[]){dir, begun ? "1" : "0", number, NULL});
}

static void test_killed_at_any_event_and_resumed_it_ends_the_same(void **state)
{
    (void)state;
    char *whole_dir = scratch_new();
    run_record *whole = whole_run(whole_dir, NULL, 0);
    /* One event per step and look, one before, one for the finish. */
    size_t events = whole->training->n_steps + whole->training->n_evaluations + 2;
    for (size_t first = 1; first <= events; first++) {
        char *dir = scratch_new();
        assert_false(run_child(dir, false, first));
        /* And again, a little later each time, until it is through. */
        for (size_t again = 1 + first % 4; !run_child(dir, true, again); again += 3)
            ;
        run_record *r = read_run(dir, 0);
        assert_int_equal(r->id, 1);
        assert_int_equal(r->status, RUN_FINISHED);
        assert_same_run(whole, r, false);
        assert_same_vectors(whole_dir, whole, dir, r);
        run_record_free(r);
        scratch_remove(dir);
    }
    run_record_free(whole);
    scratch_remove(whole_dir);
}

/* ---- Interruptions ---- */

typedef struct stopper {
    volatile int flag;
    size_t left;
} stopper;

static void stop_later(void *context, const prefix_progress *p)
{
    stopper *x = context;
    (void)p;
    if (x->left && --x->left == 0)
        x->flag = 1;
}

static void test_interrupted_at_any_event_it_goes_on_from_there(void **state)
{
    (void)state;
    char *whole_dir = scratch_new();
    run_record *whole = whole_run(whole_dir, NULL, 0);
    for (size_t at = 1; at <= 19; at += 3) {
        char *dir = scratch_new();
        error err = {0};
        uint64_t id = 0;
        stopper x = {.left = at};
        prefix_run_options options = {.watch = stop_later,
                                      .context = &x,
                                      .interrupt = &x.flag,
                                      .clock = hasty_clock};
        experiment *e = make(dir, NULL, 0);
        assert_int_equal(prefix_run_start(e, dir, &options, &id, &err), E_INTERRUPTED);
        run_record *r = read_run(dir, 1);
        assert_int_equal(r->status, RUN_STOPPED);
        assert_string_equal(r->stop_reason, "interrupted");
        run_record_free(r);
        x = (stopper){0};
        assert_int_equal(prefix_run_resume(dir, 0, &options, &id, &err), 0);
        r = read_run(dir, 1);
        assert_same_run(whole, r, false);
        assert_same_vectors(whole_dir, whole, dir, r);
        run_record_free(r);
        experiment_free(e);
        scratch_remove(dir);
    }
    run_record_free(whole);
    scratch_remove(whole_dir);
}

/* Files may not grow any more, from inside the run. */
static void starve(void *context, const prefix_progress *p)
{
    struct rlimit *limit = context;
    if (p->so_far->n_steps != 4)
        return;
    limit->rlim_cur = 1;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, limit), 0);
}

static void test_a_full_disk_is_an_error_and_the_run_goes_on_later(void **state)
{
    (void)state;
    char *whole_dir = scratch_new(), *dir = scratch_new();
    error err = {0};
    uint64_t id = 0;
    struct rlimit was, limit;
    run_record *whole = whole_run(whole_dir, NULL, 0);
    experiment *e = make(dir, NULL, 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    limit = was;
    prefix_run_options options = {
        .watch = starve, .context = &limit, .clock = hasty_clock};
    assert_int_equal(prefix_run_start(e, dir, &options, &id, &err), E_IO);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    run_record *r = read_run(dir, 1);
    assert_int_equal(r->status, RUN_STOPPED);
    run_record_free(r);
    options = (prefix_run_options){.clock = hasty_clock};
    if (prefix_run_resume(dir, 1, &options, &id, &err) < 0)
        fail_msg("%s", err.text);
    r = read_run(dir, 1);
    assert_same_run(whole, r, false);
    assert_same_vectors(whole_dir, whole, dir, r);
    run_record_free(r);
    run_record_free(whole);
    experiment_free(e);
    scratch_remove(dir);
    scratch_remove(whole_dir);
}

/* ---- A loss that is none ---- */

static void
test_a_rate_that_diverges_stops_naming_the_step_with_vectors_kept(void **state)
{
    (void)state;
    /* Each step multiplies the vectors by nearly 10^8. */
    static const char *const more[] = {"prefix.lr=100000", "prefix.weight_decay=900",
                                       "prefix.decay_to_zero=on"};
    char *dir = scratch_new();
    error err = {0};
    uint64_t id = 0;
    prefix_run_options options = {.clock = hasty_clock};
    experiment *e = make(dir, more, 3);
    assert_int_equal(prefix_run_start(e, dir, &options, &id, &err), E_NUMERIC);
    if (!strstr(err.text, "step "))
        fail_msg("\"%s\" names no step", err.text);
    run_record *r = read_run(dir, 1);
    assert_int_equal(r->status, RUN_STOPPED);
    assert_string_equal(r->stop_reason, "diverged");
    assert_false(r->has_verdict);
    prefix p = read_vectors(dir, r);
    for (size_t i = 0; i < p.n * prefix_floats_per_token(&p); i++)
        assert_true(isfinite(p.values[i]));
    assert_true(isfinite(p.origin.loss));
    prefix_free(&p);
    spend was = r->spent[FOR_TRAINING];
    run_record_free(r);
    /* Going on comes to the same end, and costs no more. */
    assert_int_equal(prefix_run_resume(dir, 1, &options, &id, &err), E_NUMERIC);
    r = read_run(dir, 1);
    assert_int_equal(r->spent[FOR_TRAINING].tokens, was.tokens);
    run_record_free(r);
    experiment_free(e);
    scratch_remove(dir);
}

/* ---- Budgets ---- */

static uint64_t total_tokens(const run_record *r)
{
    uint64_t sum = 0;
    for (purpose p = 0; p < N_PURPOSES; p++)
        sum += r->spent[p].tokens;
    return sum;
}

static void test_no_budget_is_ever_overshot_and_the_schedule_fits_it(void **state)
{
    (void)state;
    static const char *const budgets[] = {
        "budget={tokens: 2500}", "budget={tokens: 3100}", "budget={tokens: 4444}",
        "budget={tokens: 6000}"};
    size_t last = 0;
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        char *dir = scratch_new();
        const char *more[] = {budgets[i], "prefix.steps=1000"};
        run_record *r = whole_run(dir, more, 2);
        uint64_t limit = strtoull(budgets[i] + strlen("budget={tokens: "), NULL, 10);
        const training_record *t = r->training;
        assert_int_equal(r->status, RUN_FINISHED);
        assert_true(total_tokens(r) <= limit);
        assert_true(t->facts.planned < 1000);
        assert_true(t->n_steps + 2 >= t->facts.planned);
        assert_true(t->n_steps > last);
        last = t->n_steps;
        run_record_free(r);
        scratch_remove(dir);
    }
}

static void test_what_cannot_work_is_refused_before_a_run_exists(void **state)
{
    (void)state;
    static const struct {
        const char *set;
        int code;
        const char *words;
    } cases[] = {
        {"budget={tokens: 300}", E_LIMIT, "would be just enough"},
        {"budget={evaluations: 10}", E_LIMIT, "evaluations is too small"},
        {"prefix.tokens=60", E_LIMIT, "window"},
        {"prefix.tokens=5000", E_LIMIT, "window"},
        {"engine.backend=gpu", E_UNSUPPORTED, "gpu"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(&cases[i].set, 1, cases[i].code, cases[i].words);
}

static void test_a_dry_run_writes_nothing_and_foretells(void **state)
{
    (void)state;
    char *dir = scratch_new(), path[FIXTURE_PATH_BYTES];
    error err = {0};
    prefix_estimate x = {0};
    experiment *e = make(dir, NULL, 0);
    if (prefix_run_dry(e, &x, &err) < 0)
        fail_msg("%s", err.text);
    snprintf(path, sizeof path, "%s/lamarck.sqlite", dir);
    assert_int_not_equal(access(path, F_OK), 0);
    run_record *r = whole_run(dir, NULL, 0);
    assert_int_equal(x.steps, 12);
    assert_int_equal(x.n_tokens, 3);
    assert_true(x.tokens >= total_tokens(r));
    assert_true(x.tokens < 2 * total_tokens(r));
    assert_int_equal(x.finish_tokens, r->spent[FOR_FINAL].tokens);
    assert_int_equal(x.peak_bytes, r->training->facts.peak_bytes);
    assert_true(x.tokens_per_second > 0 && x.seconds > 0);
    run_record_free(r);
    experiment_free(e);
    scratch_remove(dir);
}

/* ---- Kinds of runs ---- */

static void test_a_search_and_a_training_do_not_go_on_with_each_other(void **state)
{
    (void)state;
    char *dir = scratch_new();
    error err = {0};
    uint64_t id = 0;
    volatile int flag = 1;
    experiment *e = make(dir, NULL, 0);
    prefix_run_options training = {.interrupt = &flag};
    run_options searching = {.interrupt = &flag};
    assert_int_equal(prefix_run_start(e, dir, &training, &id, &err), E_INTERRUPTED);
    assert_int_equal(run_resume(dir, 1, NULL, &id, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "lamarck prefix --resume"));
    assert_int_equal(run_start(e, dir, &searching, &id, &err), E_INTERRUPTED);
    assert_int_equal(prefix_run_resume(dir, 2, NULL, &id, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "lamarck evolve --resume"));
    experiment_free(e);
    scratch_remove(dir);
}

static void test_it_begins_as_the_best_prompt_of_a_search(void **state)
{
    (void)state;
    char *dir = scratch_new(), *other = scratch_new(), *set = NULL;
    error err = {0};
    uint64_t id = 0;
    experiment *e = make(dir, (const char *[]){"budget={tokens: 9000}"}, 1);
    assert_int_equal(run_start(e, dir, NULL, &id, &err), 0);
    run_record *found = read_run(dir, id);
    const candidate_record *best = &found->candidates[found->verdict.best.candidate - 1];
    assert_true(asprintf(&set, "prefix={init: run, run: '%s', steps: 2, lr: 0.02}", dir) >
                0);
    experiment *p = make(other, (const char *[]){set}, 1);
    assert_null(p->prefix.text);
    if (prefix_run_look_up(p, &err) < 0)
        fail_msg("%s", err.text);
    /* Its words, and its rows behind them, are the prompt that was found. */
    text t = {0};
    experiment *bare;
    assert_int_equal(experiment_bare(&bare, p, &p->seeds[0], &err), 0);
    assert_int_equal(text_add_string(&t, p->prefix.text, &err), 0);
    assert_int_equal(experiment_prompt_text(bare, &bare->seeds[0], &t, &err), 0);
    assert_string_equal(text_string(&t), best->prompt);
    prefix_run_options options = {.clock = hasty_clock};
    assert_int_equal(prefix_run_start(p, other, &options, &id, &err), 0);
    run_record *r = read_run(other, id);
    assert_non_null(strstr(r->training->facts.start, "best prompt of a run"));
    /* A training has no text that another could begin as. */
    free(p->prefix.run);
    p->prefix.run = string_copy(other);
    assert_int_equal(prefix_run_look_up(p, &err), E_ARGUMENT);
    assert_non_null(strstr(err.text, "learned vectors"));
    text_free(&t);
    run_record_free(r);
    run_record_free(found);
    experiment_free(bare);
    experiment_free(e);
    experiment_free(p);
    free(set);
    scratch_remove(dir);
    scratch_remove(other);
}

/* Nats per target token of a candidate on the selection split. */
static double selection_loss(experiment *e, const genome *g)
{
    judge j;
    double scores[2][8], nats = 0, tokens = 0;
    error err = {0};
    small_lm_judge(&j, e, NULL);
    for (size_t k = 0; k < 2; k++) { /* per token, and whole */
        expense spent = {0};
        e->fitness.per_token = k == 0;
        measurement m = {.genome = g,
                         .examples = e->splits[SPLIT_SELECTION].index,
                         .n = 8,
                         .scores = scores[k]};
        assert_int_equal(j.objective->measure(j.objective, &m, 1, &spent, &err), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        nats -= scores[1][i];
        tokens += scores[1][i] / scores[0][i];
    }
    judge_close(&j);
    return nats / tokens;
}

/* Its embeddings, or its real keys and values: either way, before the first step the
 * vectors are the prompt that the search found. */
static void test_both_methods_begin_at_the_loss_of_the_prompt_found(void **state)
{
    (void)state;
    static const char *const methods[] = {"prompt", "prefix"};
    char *dir = scratch_new();
    error err = {0};
    uint64_t id = 0;
    experiment *e = make(dir, (const char *[]){"budget={tokens: 9000}"}, 1);
    assert_int_equal(run_start(e, dir, NULL, &id, &err), 0);
    run_record *found = read_run(dir, id);
    const candidate_record *best = &found->candidates[found->verdict.best.candidate - 1];
    genome g;
    assert_int_equal(genome_parse(&g, &e->spec, best->genome, strlen(best->genome), &err),
                     0);
    assert_true(best->id != 1); /* not the seed */
    double wanted = selection_loss(e, &g);
    for (size_t k = 0; k < 2; k++) {
        char *other = scratch_new(), *set = NULL;
        assert_true(asprintf(&set,
                             "prefix={init: run, run: '%s', method: %s, tokens: 0, "
                             "steps: 1, lr: 0.02}",
                             dir, methods[k]) > 0);
        experiment *p = make(other, (const char *[]){set}, 1);
        prefix_run_options options = {.clock = hasty_clock};
        assert_int_equal(prefix_run_look_up(p, &err), 0);
        assert_int_equal(prefix_run_start(p, other, &options, &id, &err), 0);
        run_record *r = read_run(other, id);
        double loss = r->training->evaluations[0].loss;
        assert_true(r->training->has_prefix);
        assert_string_equal(r->training->facts.method, methods[k]);
        if (fabs(loss - wanted) > 1e-5 * wanted)
            fail_msg("%s: %.9g at step 0, the prompt has %.9g", methods[k], loss, wanted);
        run_record_free(r);
        experiment_free(p);
        free(set);
        scratch_remove(other);
    }
    genome_free(&g);
    run_record_free(found);
    experiment_free(e);
    scratch_remove(dir);
}

/* A run folder whose model has become another one. */
static void test_another_model_is_refused(void **state)
{
    (void)state;
    char *dir = scratch_new();
    volatile int flag = 1;
    error err = {0};
    uint64_t id = 0;
    experiment *e = make(dir, NULL, 0);
    small_lm_link(e, dir, "tiny-f32.gguf");
    prefix_run_options options = {.interrupt = &flag};
    assert_int_equal(prefix_run_start(e, dir, &options, &id, &err), E_INTERRUPTED);
    small_lm_link(e, dir, "tiny-q8_0.gguf");
    assert_int_equal(prefix_run_resume(dir, 0, NULL, &id, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "not the model"));
    experiment_free(e);
    scratch_remove(dir);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "child") == 0)
        return child_main(argv[2], argv[3][0] == '1', strtoul(argv[4], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_learns_and_its_verdict_is_what_was_measured),
        cmocka_unit_test(test_the_kept_vectors_score_as_was_reported),
        cmocka_unit_test(test_a_text_of_as_many_tokens_begins_at_its_own_score),
        cmocka_unit_test(test_threads_and_repetition_change_nothing),
        cmocka_unit_test(test_both_methods_and_all_beginnings_run),
        cmocka_unit_test(test_killed_at_any_event_and_resumed_it_ends_the_same),
        cmocka_unit_test(test_interrupted_at_any_event_it_goes_on_from_there),
        cmocka_unit_test(test_a_full_disk_is_an_error_and_the_run_goes_on_later),
        cmocka_unit_test(
            test_a_rate_that_diverges_stops_naming_the_step_with_vectors_kept),
        cmocka_unit_test(test_no_budget_is_ever_overshot_and_the_schedule_fits_it),
        cmocka_unit_test(test_what_cannot_work_is_refused_before_a_run_exists),
        cmocka_unit_test(test_a_dry_run_writes_nothing_and_foretells),
        cmocka_unit_test(test_a_search_and_a_training_do_not_go_on_with_each_other),
        cmocka_unit_test(test_it_begins_as_the_best_prompt_of_a_search),
        cmocka_unit_test(test_both_methods_begin_at_the_loss_of_the_prompt_found),
        cmocka_unit_test(test_another_model_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
