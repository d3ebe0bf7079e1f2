/* The numbers follow closed formulas, so that every call and machine agrees. */
#include "synthetic_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STEPS = 24, OPERATORS = 9, CANDIDATES = 40, FINAL = 100, BYTES = 400 };

static struct {
    run_record record;
    history_point history[STEPS];
    operator_point operators[STEPS * OPERATORS];
    candidate_record candidates[CANDIDATES];
    split_score selection[3];
    double seed_each[FINAL], best_each[FINAL];
    char prompts[CANDIDATES][BYTES];
} run;

static char model_hash[] =
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
static char empty[] = "", name[] = "antonyms <demo>", started[] = "2025-03-01T12:00:00Z",
            backend[] = "cpu: AVX2, oneDNN sgemm", reason[] = "budget: tokens",
            alive[] = "alive", replaced[] = "replaced",
            experiment[] =
                "{\"name\": \"antonyms <demo>\", \"budget\": {\"tokens\": 60000}, "
                "\"fitness\": {\"kind\": \"logprob\", \"labels\": [\"a\", \"b\"]}, "
                "\"data\": [[1], [2]], \"search\": \"ga\"}";

static char operator_names[OPERATORS][16] = {"delete",    "swap",      "insert",
                                             "lexicon",   "model",     "demo_add",
                                             "demo_swap", "crossover", "choice"};

/* The winner's line: 1 -> 5 -> 12 -> 23 -> 37. */
static const struct {
    uint64_t id, parents[2];
    size_t generation;
    const char *prompt, *operators;
} line[] = {
    {1,
     {0, 0},
     0,
     "Read the word & write its opposite.\n\nInput: {{input}}\nOutput:",
     "seed"},
    {5,
     {1, 0},
     2,
     "Write its opposite & read the word.\n\nInput: {{input}}\nOutput:",
     "swap"},
    {12,
     {5, 3},
     6,
     "Write its exact opposite <b>word</b>.\n\nInput: {{input}}\nOutput:",
     "crossover+lexicon"},
    {23,
     {12, 0},
     11,
     "Input: cold\nOutput: hot\n\nWrite its exact opposite <b>word</b>.\n\nInput: "
     "{{input}}\nOutput:",
     "demo_add"},
    {37,
     {23, 0},
     19,
     "Input: cold\nOutput: hot\n\nInput: early\nOutput: late\n\nWrite its exact opposite "
     "\x1b[31mword.\n\nInput: {{input}}\nOutput:",
     "demo_add+delete"},
};

static void fill_history(void)
{
    for (size_t i = 0; i < STEPS; i++) {
        double x = (double)i / STEPS;
        history_point *h = &run.history[i];
        *h = (history_point){.step = i + 1,
                             .generation = i,
                             .best = -2.2 + 1.5 * (1 - exp(-3 * x)),
                             .best_se = 0.18 - 0.1 * x,
                             .median = -2.9 + 1.6 * x * x,
                             .best_id = i < 2    ? 1
                                        : i < 6  ? 5
                                        : i < 11 ? 12
                                        : i < 19 ? 23
                                                 : 37,
                             .n_alive = 16,
                             .seconds = 6.5 * (double)(i + 1)};
        h->spent[FOR_SEARCH] = (spend){2000 * (i + 1), 160 * (i + 1), 0, 0};
        h->spent[FOR_PROPOSALS] = (spend){150 * i, 0, 0, 0};
    }
}

static void fill_operators(void)
{
    for (size_t i = 0; i < STEPS; i++)
        for (size_t k = 0; k < OPERATORS; k++) {
            double drift = (k == 5 ? 4.0 : 1.0) * (double)i / STEPS;
            run.operators[i * OPERATORS + k] = (operator_point){
                .step = i + 1,
                .name = operator_names[k],
                .rate = (1 + drift) / (OPERATORS + (OPERATORS + 3.0) * (double)i / STEPS),
                .credit = 0.01 * (double)k,
                .tries = (i + 1) * (OPERATORS - k + (k == 5 ? 6 : 0)),
                .wins = (i + 1) * (k == 5 ? 4 : 1)};
        }
}

static void fill_candidates(void)
{
    for (size_t i = 0; i < CANDIDATES; i++) {
        candidate_record *c = &run.candidates[i];
        snprintf(run.prompts[i], BYTES,
                 "Write an opposite, variant %zu.\n\nInput: {{input}}", i + 1);
        *c = (candidate_record){.id = i + 1,
                                .parents = {i ? 1 : 0, 0},
                                .generation = i / 2,
                                .genome = empty,
                                .prompt = run.prompts[i],
                                .operators = operator_names[i % OPERATORS],
                                .state = i % 3 ? replaced : alive,
                                .value = -2.5 + 0.02 * (double)i,
                                .se = 0.1,
                                .n = i % 4 ? 10 : 40};
    }
    for (size_t k = 0; k < sizeof line / sizeof *line; k++) {
        candidate_record *c = &run.candidates[line[k].id - 1];
        memcpy(c->parents, line[k].parents, sizeof c->parents);
        c->generation = line[k].generation;
        snprintf(c->prompt, BYTES, "%s", line[k].prompt);
        c->operators = (char *)(uintptr_t)line[k].operators;
        c->value = -2.2 + 0.3 * (double)k;
        c->n = 40;
    }
}

static void fill_verdict(void)
{
    for (size_t i = 0; i < FINAL; i++) {
        run.seed_each[i] = -2.3 + 0.8 * sin((double)i);
        run.best_each[i] = run.seed_each[i] + 0.9 + 1.2 * sin(1.7 * (double)i);
    }
    run.selection[0] = (split_score){37, -0.81, 0.09, 50, NULL, 0.25};
    run.selection[1] = (split_score){23, -0.95, 0.1, 50, NULL, 0.25};
    run.selection[2] = (split_score){1, -2.31, 0.08, 50, NULL, 0.25};
    run.record.verdict = (verdict){
        .selection = run.selection,
        .n_selection = 3,
        .seed = {1, -2.2987654321012345, 0.0571, FINAL, run.seed_each, 0.34},
        .best = {37, -1.3987654321012345, 0.0692, FINAL, run.best_each, 0.41},
        .difference = 0.9,
        .ci_low = 0.80125,
        .ci_high = 1.0025,
        .p = 0.0001,
    };
}

run_record *synthetic_run(void)
{
    memset(&run, 0, sizeof run);
    fill_history();
    fill_operators();
    fill_candidates();
    fill_verdict();
    run_record *r = &run.record;
    r->id = 1;
    r->seed = 0;
    r->name = name;
    r->experiment = experiment;
    r->model_hash = model_hash;
    r->backend = backend;
    r->started = started;
    r->status = RUN_FINISHED;
    r->stop_reason = reason;
    r->history = run.history;
    r->n_history = STEPS;
    r->operators = run.operators;
    r->n_operators = STEPS * OPERATORS;
    r->candidates = run.candidates;
    r->n_candidates = CANDIDATES;
    r->has_verdict = true;
    r->spent[FOR_SEARCH] = (spend){48000, 3840, 0, 0};
    r->spent[FOR_PROPOSALS] = (spend){3450, 0, 0, 0};
    r->spent[FOR_SELECTION] = (spend){4200, 150, 0, 0};
    r->spent[FOR_FINAL] = (spend){4100, 200, 0, 0};
    r->seconds = 171.3;
    return r;
}
