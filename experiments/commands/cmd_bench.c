/* lamarck bench: how fast this machine scores prompts or trains prefixes, held against
 * what it could do. */
#include "bench_machine.h"
#include "bench_train.h"
#include "bench_workload.h"
#include "command.h"
#include "command_model.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: lamarck bench MODEL [--workload FILE.json] [options]\n"
    "       lamarck bench MODEL --train prompt|prefix [--virtual N] [options]\n"
    "\n"
    "Scores every prompt with every example and prints pairs per second, the arithmetic\n"
    "done, and what share that is of this machine's fused multiply-add peak and of the "
    "best\n"
    "library product, both measured in the same run, before and after. The timed window\n"
    "holds the scoring alone: opening and packing are printed apart. With --train: "
    "steps\n"
    "of prompt or prefix tuning instead, 16 rows of 32 to 64 tokens each, all of them\n"
    "targets.\n"
    "\n"
    "  --workload FILE    {\"template\": \"…{prompt}…{input}…{target}\", \"prompts\": "
    "[…],\n"
    "                     \"examples\": [{\"input\", \"target\"}, …]}; default: 8 x 8, "
    "built in\n"
    "  --prompts N        only the first N of them\n"
    "  --examples N       only the first N of them\n"
    "  --reference FILE   {\"loglik\": [[…], …]}: print the largest difference from it\n"
    "  --repeat N         time it so often, print the median; default 1\n"
    "  --train KIND       prompt (vectors at the input) or prefix (keys and values)\n"
    "  --virtual N        virtual tokens; default 20\n"
    "  --csv              one line of values under one of names\n"
    "  --backend NAME, --threads N, --memory MIB\n";

enum { GEMM_ROWS = 1024, MOST_REPEATS = 99 };

typedef struct measurements {
    double open_seconds, seconds, multiply_adds, fma_peak, gemm, difference, peak_mib;
    uint64_t row_tokens, positions, logit_rows;
    const char *gemm_how;
    size_t n_threads;
    text cpu;
    train_timing train;
} measurements;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One timing in a fresh session, so that nothing is left over from the one before. */
static int time_once(const model *m, const model_choice *choice, const workload *w,
                     row_score *scores, double *seconds, session_counters *spent,
                     error *err)
{
    session_options options = model_choice_session(choice);
    session *s;
    TRY(session_open(&s, m, &options, err));
    session_set_interrupt(s, &command_interrupted);
    double start = clock_seconds();
    int rc = model_score(s, w->rows.rows, w->rows.n, scores, NULL, err);
    *seconds = clock_seconds() - start;
    *spent = session_spent(s);
    session_close(s);
    return rc;
}

static int time_all(const model *m, const model_choice *choice, const workload *w,
                    size_t repeats, measurements *x, error *err)
{
    double times[MOST_REPEATS];
    session_counters spent = {0};
    row_score *scores = array_new(w->rows.n, sizeof *scores);
    if (!scores)
        return error_memory(err, w->rows.n * sizeof *scores);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < repeats; i++)
        rc = time_once(m, choice, w, scores, &times[i], &spent, err);
    x->difference = NAN;
    for (size_t i = 0; rc == 0 && w->reference && i < w->rows.n; i++) {
        double d = fabs(scores[i].logprob - w->reference[i]);
        x->difference = isnan(x->difference) || d > x->difference ? d : x->difference;
    }
    free(scores);
    TRY(rc);
    qsort(times, repeats, sizeof *times, by_value);
    x->seconds = times[repeats / 2];
    x->row_tokens = spent.row_tokens;
    x->positions = spent.positions;
    x->logit_rows = spent.logit_rows;
    x->multiply_adds = spent.multiply_adds;
    x->peak_mib = machine_peak_mib();
    return 0;
}

static double gflops(const measurements *x)
{
    return 2 * x->multiply_adds / x->seconds * 1e-9;
}

/* What the machine did and could have done; the memory it took. */
static void print_machine(const measurements *x)
{
    double rate = gflops(x);
    printf(
        "arithmetic  %.1f GFLOP/s: %.1f %% of the multiply-add peak (%.1f), %.1f %% of "
        "%s (%.1f)\n",
        rate, 100 * rate / x->fma_peak, x->fma_peak, 100 * rate / x->gemm, x->gemm_how,
        x->gemm);
    printf("memory      %.0f MiB at most\n", x->peak_mib);
}

static void print_text(const workload *w, const measurements *x)
{
    double pairs = (double)w->rows.n;
    printf("machine     %s; %zu threads\n", text_string(&x->cpu), x->n_threads);
    printf("workload    %zu prompts x %zu examples = %zu pairs, %" PRIu64 " tokens\n",
           w->n_prompts, w->n_examples, w->rows.n, x->row_tokens);
    printf(
        "time        %.3f s: %.2f pairs/s, %.0f tokens/s; opened and packed in %.2f s\n",
        x->seconds, pairs / x->seconds, (double)x->row_tokens / x->seconds,
        x->open_seconds);
    printf("computed    %" PRIu64 " positions (%.1f %% of the tokens), %" PRIu64
           " rows of logits\n",
           x->positions, 100 * (double)x->positions / (double)x->row_tokens,
           x->logit_rows);
    print_machine(x);
    if (w->reference)
        printf("difference  %.3g nat at most from the reference\n", x->difference);
}

static void print_csv(const workload *w, const measurements *x, const char *backend)
{
    printf(
        "cpu,threads,backend,prompts,examples,pairs,seconds,pairs_per_second,row_tokens,"
        "positions,logit_rows,gflops,fma_peak_gflops,gemm_gflops,open_seconds,peak_mib,"
        "max_difference\n");
    printf("\"%s\",%zu,\"%s\",%zu,%zu,%zu,%.4f,%.3f,%" PRIu64 ",%" PRIu64 ",%" PRIu64
           ",%.2f,%.2f,%.2f,%.3f,%.0f,",
           text_string(&x->cpu), x->n_threads, backend, w->n_prompts, w->n_examples,
           w->rows.n, x->seconds, (double)w->rows.n / x->seconds, x->row_tokens,
           x->positions, x->logit_rows, gflops(x), x->fma_peak, x->gemm, x->open_seconds,
           x->peak_mib);
    if (w->reference)
        printf("%.3g", x->difference);
    printf("\n");
}

typedef struct request {
    const char *workload, *reference;
    size_t prompts, examples, repeats;
    int train; /* index in train_names; -1: scoring */
    size_t n_virtual;
    bool csv;
    model_choice choice;
} request;

static const char *const train_names[] = {"prompt", "prefix", NULL};

static void print_training(const request *q, const measurements *x)
{
    const train_timing *t = &x->train;
    printf("machine     %s; %zu threads\n", text_string(&x->cpu), x->n_threads);
    printf("workload    %s tuning, %zu virtual tokens before %d rows of %zu to %zu\n",
           train_names[q->train], q->n_virtual, BENCH_TRAIN_ROWS, t->shortest,
           t->longest);
    printf("time        %.3f s a step (%.3f to %.3f); opened and packed in %.2f s\n",
           t->median, t->least, t->most, x->open_seconds);
    print_machine(x);
}

static void print_training_csv(const request *q, const measurements *x,
                               const char *backend)
{
    printf("cpu,threads,backend,method,virtual_tokens,seconds_per_step,least,most,gflops,"
           "fma_peak_gflops,gemm_gflops,open_seconds,peak_mib\n");
    printf("\"%s\",%zu,\"%s\",%s,%zu,%.4f,%.4f,%.4f,%.2f,%.2f,%.2f,%.3f,%.0f\n",
           text_string(&x->cpu), x->n_threads, backend, train_names[q->train],
           q->n_virtual, x->train.median, x->train.least, x->train.most, gflops(x),
           x->fma_peak, x->gemm, x->open_seconds, x->peak_mib);
}

/* The yardsticks: the product is the widest of a layer. A machine's speed drifts with its
 * neighbours, so they are taken before and after and averaged. */
static int measure_machine(const model *m, measurements *x, error *err)
{
    const model_info *i = model_describe(m);
    double gemm;
    x->fma_peak += machine_fma_peak(x->n_threads) / 2;
    TRY(machine_gemm(x->n_threads, GEMM_ROWS, i->width, i->n_feed_forward, &gemm,
                     &x->gemm_how, err));
    x->gemm += gemm / 2;
    return 0;
}

static int time_scoring(const model *m, session *s, const request *q, measurements *x,
                        error *err)
{
    workload w = {0};
    int rc = workload_open(&w, q->workload, q->reference, q->prompts, q->examples,
                           model_tokenizer(m), err);
    if (rc == 0)
        rc = measure_machine(m, x, err);
    if (rc == 0)
        rc = time_all(m, &q->choice, &w, q->repeats, x, err);
    if (rc == 0)
        rc = measure_machine(m, x, err);
    if (rc == 0 && q->csv)
        print_csv(&w, x, session_describe(s));
    else if (rc == 0)
        print_text(&w, x);
    workload_close(&w);
    return rc;
}

static int time_training(const model *m, session *s, const request *q, measurements *x,
                         error *err)
{
    prefix_kind kind = q->train == 0 ? PREFIX_EMBEDDINGS : PREFIX_KEY_VALUES;
    TRY(measure_machine(m, x, err));
    TRY(bench_train(s, m, kind, q->n_virtual, &x->train, err));
    x->seconds = x->train.median;
    x->multiply_adds = x->train.multiply_adds;
    x->peak_mib = machine_peak_mib();
    TRY(measure_machine(m, x, err));
    if (q->csv)
        print_training_csv(q, x, session_describe(s));
    else
        print_training(q, x);
    return 0;
}

static int bench(const char *name, const request *q, error *err)
{
    measurements x = {.n_threads =
                          q->choice.n_threads ? q->choice.n_threads : machine_threads()};
    model *m;
    session *s;
    double start = clock_seconds();
    TRY(command_model_open(name, &q->choice, &m, &s, err));
    x.open_seconds = clock_seconds() - start;
    int rc = machine_describe(&x.cpu, err);
    if (rc == 0)
        rc = q->train >= 0 ? time_training(m, s, q, &x, err)
                           : time_scoring(m, s, q, &x, err);
    text_free(&x.cpu);
    session_close(s);
    model_close(m);
    return rc;
}

static int run(int argc, char **argv, error *err)
{
    request q = {.repeats = 1, .train = -1, .n_virtual = 20};
    const option options[] = {
        {"workload", OPTION_TEXT, &q.workload, NULL, NULL},
        {"reference", OPTION_TEXT, &q.reference, NULL, NULL},
        {"prompts", OPTION_SIZE, &q.prompts, NULL, NULL},
        {"examples", OPTION_SIZE, &q.examples, NULL, NULL},
        {"repeat", OPTION_SIZE, &q.repeats, NULL, NULL},
        {"train", OPTION_CHOICE, &q.train, NULL, train_names},
        {"virtual", OPTION_SIZE, &q.n_virtual, NULL, NULL},
        {"csv", OPTION_FLAG, &q.csv, NULL, NULL},
        {"backend", OPTION_CHOICE, &q.choice.backend, NULL, backend_names},
        {"threads", OPTION_SIZE, &q.choice.n_threads, NULL, NULL},
        {"memory", OPTION_SIZE, &q.choice.memory_mib, NULL, NULL},
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"MODEL", 1, 1}, &n, err));
    if (q.repeats < 1 || q.repeats > MOST_REPEATS)
        return error_set(err, E_USAGE, "--repeat wants 1 to %d", MOST_REPEATS);
    if (q.train >= 0 && (q.workload || q.reference))
        return error_set(err, E_USAGE, "--train has a workload of its own");
    if (q.n_virtual == 0)
        return error_set(err, E_USAGE, "--virtual wants 1 or more");
    if (q.reference && !q.workload)
        return error_set(err, E_USAGE, "--reference goes with --workload");
    return bench(argv[1], &q, err);
}

const command cmd_bench = {
    .name = "bench",
    .group = "model",
    .summary = "how fast this machine scores and trains, and how fast it could",
    .usage = usage,
    .run = run,
};
