/* lamarck reward show, and the telling that train ends with. */
#include "../../rater/reward_parts.h"
#include "../views/json_lines.h"
#include "options.h"
#include "reward_commands.h"

#include <math.h>
#include <stdio.h>

/* Bootstraps over ten contexts cover 80 % where they say 95 (48 crowds without a taste).
 */
enum { FEW_CONTEXTS = 20 };

static const char usage[] =
    "usage: lamarck reward show REWARD [--json]\n"
    "\n"
    "What the reward in the file REWARD learned from, and how good it is on ratings "
    "that\n"
    "it has not learned from: see 'lamarck reward train --help'.\n"
    "  --json   {\"facts\": {…}, \"judgement\": {…, \"beats_length\": bool,\n"
    "           \"beats_likelihood\": bool}}; numbers that cannot be said are null\n";

/* ---- For people ---- */

static void print_number(double x, bool sign)
{
    printf(sign ? "%+.3f" : "%.3f", x);
}

static void print_interval(const reward_interval *x, bool sign)
{
    print_number(x->value, sign);
    if (isnan(x->low))
        return;
    printf(" (95 %% interval ");
    print_number(x->low, sign);
    printf(" to ");
    print_number(x->high, sign);
    printf(")");
}

static void print_facts(const reward_facts *f)
{
    printf("A %s reward on %s, features: %s of the final hidden states, mean ln p, ln "
           "tokens.\n",
           reward_head_names[f->head], f->model,
           f->pooling == POOLING_MEAN   ? "mean"
           : f->pooling == POOLING_LAST ? "last"
                                        : "mean and last");
    printf("Learned from %zu ratings of %zu texts in %zu contexts: %s\n", f->n_ratings,
           f->n_texts, f->n_contexts, f->source);
    if (f->n_simulated > 0)
        printf("SIMULATED: %zu of the ratings were given by no person.\n",
               f->n_simulated);
    if (f->question[0])
        printf("They were asked: %s\n", f->question);
    printf("%zu heads on %zu components, penalty %g, seed %llu.\n", f->n_heads,
           f->n_components, f->lambda, (unsigned long long)f->seed);
}

static void print_baseline(const char *name, const reward_interval *own,
                           const reward_interval *over)
{
    printf("  %-16s ", name);
    print_interval(own, false);
    printf("\n                   the reward has ");
    print_interval(over, true);
    printf("\n");
}

static void print_verdict(const reward_judgement *j)
{
    bool length = reward_beats(&j->over_length);
    bool likelihood = reward_beats(&j->over_likelihood);
    if (!(j->accuracy.low > 0.5))
        printf("The reward is not shown to be better than a coin.\n");
    if (j->n_contexts < FEW_CONTEXTS)
        printf("With fewer than %d contexts these intervals are too narrow.\n",
               FEW_CONTEXTS);
    if (length && likelihood)
        printf("The reward is better than length alone and than likelihood alone.\n");
    else
        printf("The reward is NOT shown to be better than %s alone.\n",
               length       ? "likelihood"
               : likelihood ? "length"
                            : "length alone or likelihood");
}

static void print_calibration(const reward_judgement *j)
{
    printf("\nCalibration: what it says the chance is, and how often it was so (error "
           "%.3f, log loss %.3f; a coin has 0.693)\n",
           j->calibration_error, j->log_loss);
    for (size_t b = 0; b < REWARD_BINS; b++)
        if (j->bins[b].n > 0)
            printf("  %.2f  %.2f  of %zu\n", j->bins[b].chance, j->bins[b].right,
                   j->bins[b].n);
}

static void print_curve(const reward_judgement *j)
{
    printf("\nAccuracy by ratings learned from\n");
    for (size_t i = 0; i < j->n_sizes; i++) {
        printf("  %6.0f  ", j->curve[i].n_ratings);
        print_interval(&j->curve[i].accuracy, false);
        printf("\n");
    }
}

static void print_text(const reward *r)
{
    const reward_judgement *j = reward_judged(r);
    print_facts(reward_describe(r));
    printf("\nOn %zu pairs that it had not learned from (no context on both sides; %zu "
           "ties left out), right on\n  %-16s ",
           j->n_pairs, j->n_ties, "the reward");
    print_interval(&j->accuracy, false);
    printf("\n");
    print_baseline("length alone", &j->length, &j->over_length);
    print_baseline("likelihood alone", &j->likelihood, &j->over_likelihood);
    print_verdict(j);
    if (reward_describe(r)->head == HEAD_PAIRWISE)
        print_calibration(j);
    else
        printf("\nCorrelation of ratings and predictions: %.3f\n", j->correlation);
    print_curve(j);
}

int reward_print(const reward *r, bool json, error *err)
{
    const reward_judgement *j = reward_judged(r);
    if (!json) {
        print_text(r);
        return 0;
    }
    json_t *judgement = reward_judgement_json(j);
    if (json_object_set_new(judgement, "beats_length",
                            json_boolean(reward_beats(&j->over_length))) < 0 ||
        json_object_set_new(judgement, "beats_likelihood",
                            json_boolean(reward_beats(&j->over_likelihood))) < 0) {
        json_decref(judgement);
        judgement = NULL;
    }
    return json_print(json_pack("{s:o, s:o}", "facts",
                                reward_facts_json(reward_describe(r)), "judgement",
                                judgement),
                      err);
}

/* ---- The command ---- */

static int run(int argc, char **argv, error *err)
{
    bool json = false;
    const option options[] = {{"json", OPTION_FLAG, &json, NULL, NULL}};
    size_t n;
    reward *r;
    TRY(options_parse(argc, argv, options, 1, &(positionals){"a REWARD", 1, 1}, &n, err));
    TRY(reward_open(&r, argv[1], err));
    int rc = reward_print(r, json, err);
    reward_free(r);
    return rc;
}

const command reward_show_command = {
    .name = "show",
    .group = "people",
    .summary = "what a reward learned from, and how good it is",
    .usage = usage,
    .run = run,
};
