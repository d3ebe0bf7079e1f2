/* The words. */
#include "summary.h"
#include "../store/people.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Candidates ---- */

const candidate_record *summary_candidate(const run_record *r, uint64_t id)
{
    size_t low = 0, high = r->n_candidates;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->candidates[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < r->n_candidates && r->candidates[low].id == id;
    return found ? &r->candidates[low] : NULL;
}

uint64_t summary_best(const run_record *r)
{
    if (r->has_verdict)
        return r->verdict.best.candidate;
    if (r->training)
        return r->training->has_prefix ? TRAINING_LEARNED : 0;
    return r->n_history ? r->history[r->n_history - 1].best_id : 0;
}

uint64_t summary_seed(const run_record *r)
{
    if (r->has_verdict)
        return r->verdict.seed.candidate;
    return r->n_candidates ? r->candidates[0].id : 0;
}

int summary_lineage(const run_record *r, uint64_t id, uint64_t **ids, size_t *n,
                    error *err)
{
    uint64_t *line = NULL;
    size_t count = 0, capacity = 0;
    const candidate_record *c = summary_candidate(r, id);
    while (c) {
        int rc = array_grow(&line, &capacity, count, sizeof *line, err);
        if (rc < 0) {
            free(line);
            return rc;
        }
        line[count++] = c->id;
        /* Parents are born before their children: anything else is a damaged record. */
        c = c->parents[0] < c->id ? summary_candidate(r, c->parents[0]) : NULL;
    }
    for (size_t i = 0; i < count / 2; i++) {
        uint64_t swap = line[i];
        line[i] = line[count - 1 - i];
        line[count - 1 - i] = swap;
    }
    *ids = line;
    *n = count;
    return 0;
}

static bool ranks_before(const candidate_record *a, const candidate_record *b)
{
    if (a->n != b->n)
        return a->n > b->n;
    if (a->value != b->value)
        return a->value > b->value;
    return a->id < b->id;
}

size_t summary_top(const run_record *r, size_t k, uint64_t *ids)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_candidates; i++) {
        const candidate_record *c = &r->candidates[i];
        if (c->n == 0 || isnan(c->value) || (c->state && strcmp(c->state, "failed") == 0))
            continue;
        size_t at = n;
        while (at > 0 && ranks_before(c, summary_candidate(r, ids[at - 1])))
            at--;
        if (at >= k)
            continue;
        size_t moved = (n < k ? n : k - 1) - at;
        memmove(ids + at + 1, ids + at, moved * sizeof *ids);
        ids[at] = c->id;
        n += n < k;
    }
    return n;
}

/* ---- Spend ---- */

spend summary_spent(const run_record *r)
{
    const spend *by = r->spent;
    spend sum = {0};
    for (int p = 0; p < N_PURPOSES; p++)
        spend_add(&sum, &by[p]);
    return sum;
}

const char *summary_purpose(const run_record *r, purpose p)
{
    static const char *const names[N_PURPOSES] = {
        [FOR_SEARCH] = "search: candidates on the search split",
        [FOR_PROPOSALS] = "proposals: words asked of the model",
        [FOR_SELECTION] = "selection: the finalists, on the selection split",
        [FOR_FINAL] = "final: seed and winner, on the final split",
    };
    static const char *const of_training[N_PURPOSES] = {
        [FOR_TRAINING] =
            "training: a gradient on the search split, a forward and two more",
        [FOR_SELECTION] = "selection: evaluations on the selection split",
        [FOR_FINAL] = "final: seed, vectors and no prompt, on the final split",
    };
    return r->training ? of_training[p] : names[p];
}

bool summary_has_purpose(const run_record *r, purpose p)
{
    return summary_purpose(r, p) != NULL;
}

int summary_duration(text *out, double seconds, error *err)
{
    if (!(seconds >= 0) || seconds > 1e9)
        return text_add_string(out, "?", err);
    uint64_t s = (uint64_t)(seconds + 0.5);
    if (seconds < 9.95)
        return text_add_format(out, err, "%.1f s", seconds);
    if (s < 60)
        return text_add_format(out, err, "%" PRIu64 " s", s);
    if (s < 3600)
        return text_add_format(out, err, "%" PRIu64 " min %02" PRIu64 " s", s / 60,
                               s % 60);
    return text_add_format(out, err, "%" PRIu64 " h %02" PRIu64 " min", s / 3600,
                           s / 60 % 60);
}

int summary_share(text *out, double share, error *err)
{
    return isnan(share) ? 0 : text_add_format(out, err, "%.0f %%", 100 * share);
}

int summary_first_choice(text *out, const char *before, double share, const char *after,
                         error *err)
{
    if (isnan(share))
        return 0;
    TRY(text_add_format(out, err, "%sfirst choice on ", before));
    TRY(summary_share(out, share, err));
    return text_add_string(out, after, err);
}

int summary_count(text *out, uint64_t n, error *err)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, n);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            TRY(text_add_string(out, ",", err));
        TRY(text_add(out, digits + i, 1, err));
    }
    return 0;
}

/* ---- The conclusion ---- */

/* Of a fitness that asks people. */
static const char *people_meaning(const json_t *fitness, bool mixed)
{
    const char *ask = json_string_value(json_object_get(fitness, "ask"));
    bool screened = json_object_get(fitness, "screen") != NULL;
    if (mixed && !screened)
        return "Scores weigh two things, each on a scale of 0 to 1: what people say of a "
               "prompt's outputs, and how the model's own score compares with the seed "
               "prompt's. Higher is better.";
    if (ask && strcmp(ask, "scale") == 0)
        return "Scores are where people put the outputs on the scale: 0 is its lowest "
               "label, 1 its highest.";
    if (ask && strcmp(ask, "accept") == 0)
        return "Scores are the share of raters who accept an output, with one yes and "
               "one "
               "no added to each output's answers.";
    return "Scores are how likely people are, by a model of their answers, to prefer a "
           "prompt's output to the seed prompt's on the same example: 0.5 is no "
           "difference, higher is better, and few answers keep it near 0.5.";
}

const char *summary_score_meaning(const run_record *r)
{
    static const char *const meanings[][2] = {
        {"logprob", "Scores are the mean ln p of the right answer: 0 would be certainty, "
                    "higher is better. First choice: how often greedy decoding would "
                    "begin with it."},
        {"accuracy",
         "Scores are the share of examples whose right label was the likeliest."},
        {"label_logprob",
         "Scores are the mean ln of the right label's share of the probability of all "
         "labels: 0 would be certainty, higher is better. First choice: how often it was "
         "the likeliest."},
        {"exact", "Scores are the share of examples answered exactly."},
        {"f1", "Scores are the mean token F1 of the generated answers."},
        {"reward", "Scores are what a reward that was learned from people's ratings "
                   "gives to what a prompt makes the model write: nobody was asked about "
                   "these texts. Only differences mean something, and only as far as the "
                   "reward is right: let people judge the winner."},
    };
    json_t *setup = r->experiment ? json_loads(r->experiment, 0, NULL) : NULL;
    const json_t *fitness = json_object_get(setup, "fitness");
    const char *kind = json_string_value(json_object_get(fitness, "kind"));
    const char *meaning = "";
    for (size_t i = 0; kind && i < sizeof meanings / sizeof *meanings; i++)
        if (strcmp(kind, meanings[i][0]) == 0)
            meaning = meanings[i][1];
    if (kind && strcmp(kind, "logprob") == 0 &&
        json_is_true(json_object_get(fitness, "per_token")))
        meaning = "Scores are the mean ln p per token of the right answer: 0 would be "
                  "certainty, higher is better. First choice: how often greedy decoding "
                  "would begin with it.";
    bool mixed = kind && strcmp(kind, "mixed") == 0;
    if (kind && (mixed || strcmp(kind, "human") == 0))
        meaning = people_meaning(fitness, mixed);
    json_decref(setup);
    return meaning;
}

conclusion summary_conclusion(const run_record *r)
{
    const verdict *v = &r->verdict;
    if (!r->has_verdict)
        return CONCLUSION_NONE;
    if (v->best.candidate == v->seed.candidate)
        return CONCLUSION_SAME;
    if (v->ci_low > 0 && v->p < SUMMARY_ALPHA)
        return CONCLUSION_BETTER;
    if (v->ci_high < 0)
        return CONCLUSION_WORSE;
    return CONCLUSION_NOT_SHOWN;
}

static int add_no_verdict(const run_record *r, text *out, error *err)
{
    if (r->status == RUN_FINISHED)
        return text_add_string(
            out,
            "No verdict: the seconds of the budget were over before the best prompts had "
            "met the final examples. The search's own scores, on which they were chosen, "
            "flatter them.",
            err);
    return text_add_format(
        out, err,
        "No verdict: the run is %s, and its %s have not met the final examples.",
        run_status_name(r->status), r->training ? "vectors" : "prompts");
}

int summary_sentence(const run_record *r, text *out, error *err)
{
    const verdict *v = &r->verdict;
    static const char numbers[] = "Difference %+.4f (95 %% interval %+.4f to %+.4f, p = "
                                  "%.2g) on %zu examples that no "
                                  "prompt was chosen on.";
    const char *winner = r->training ? "The learned prefix" : "The best prompt";
    bool simulated = r->people && r->people->counts.simulated > 0;
    if (simulated && r->has_verdict)
        TRY(text_add_string(out, "Judged by a SIMULATED crowd: ", err));
    switch (summary_conclusion(r)) {
    case CONCLUSION_NONE:
        return add_no_verdict(r, out, err);
    case CONCLUSION_SAME:
        return text_add_format(
            out, err,
            "No better prompt was found: of the finalists the seed prompt "
            "itself did best, with %.4f on %zu examples.",
            v->seed.score, v->seed.n);
    case CONCLUSION_BETTER:
        TRY(text_add_format(out, err, "%s is better than the seed prompt. ", winner));
        break;
    case CONCLUSION_WORSE:
        TRY(text_add_format(out, err,
                            "%s worse than the seed prompt on new examples: keep the "
                            "seed. ",
                            r->training ? "The learned prefix is"
                                        : "The prompt that won the search is"));
        break;
    case CONCLUSION_NOT_SHOWN:
        TRY(text_add_format(
            out, err, "%s is not shown to be better than the seed prompt. ", winner));
        break;
    }
    return text_add_format(out, err, numbers, v->difference, v->ci_low, v->ci_high, v->p,
                           v->best.n);
}

int summary_bare_sentence(const run_record *r, text *out, error *err)
{
    const training_record *t = r->training;
    if (!t || !t->has_bare)
        return 0;
    return text_add_format(out, err,
                           "Against no prompt at all: difference %+.4f (95 %% interval "
                           "%+.4f to %+.4f, p = %.2g).",
                           t->difference, t->ci_low, t->ci_high, t->p);
}

int summary_training(const run_record *r, text *out, error *err)
{
    const training_record *t = r->training;
    const training_facts *f = &t->facts;
    bool keys = f->method && strcmp(f->method, "prefix") == 0;
    TRY(text_add_format(out, err, "%zu %s (", f->n_tokens,
                        keys ? "keys and values at every layer"
                             : "vectors at the input"));
    TRY(summary_count(out, f->parameters, err));
    TRY(text_add_format(out, err, " numbers), begun as %s; %zu steps of at most %zu",
                        f->start, t->n_steps, f->planned));
    if (!isnan(f->rate))
        TRY(text_add_format(out, err, ", learning rate %.3g", f->rate));
    if (t->has_prefix)
        TRY(text_add_format(out, err,
                            "; the best after step %zu, with a loss of %.4f on "
                            "the selection split",
                            t->best_step, t->best_loss));
    return 0;
}
