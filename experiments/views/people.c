#include "people.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../rater/agreement.h"
#include "json_lines.h"
#include "summary.h"

/* ---- Looking ---- */

/* One rating as a label of its task by its rater. */
static int add_label(void *context, const crowd_rating *r, error *err)
{
    ratings *all = context;
    char rater[32], label[32];
    if (!r->counts)
        return 0;
    snprintf(rater, sizeof rater, "%lld", (long long)r->rater);
    snprintf(label, sizeof label, "%d", r->answer);
    return ratings_add(all, r->task, rater, label, 0, err);
}

/* How far raters of the same task agree; NaN where nothing can be said. */
static int measure_agreement(crowd *c, double *alpha, error *err)
{
    ratings all = {0};
    agreement a = {0};
    size_t dropped;
    *alpha = NAN;
    int rc = crowd_each_rating(c, 0, add_label, &all, err);
    if (rc == 0)
        rc = ratings_finish(&all, REPEAT_LAST, &dropped, err);
    if (rc == 0 && all.n) {
        agreement_options o = {.level = LEVEL_NOMINAL};
        int said = agreement_measure(&a, &all, &o, NULL);
        if (said == 0)
            *alpha = a.alpha;
        else if (said == E_MEMORY)
            rc = error_memory(err, all.n);
    }
    agreement_free(&a);
    ratings_free(&all);
    return rc;
}

static int read_crowd(people_record *p, const char *dir, error *err)
{
    text path = {0};
    crowd *c = NULL;
    int rc = text_add_format(&path, err, "%s/lamarck.sqlite", dir);
    if (rc == 0)
        rc = crowd_open(&c, path.s, err);
    if (rc == 0)
        rc = crowd_count(c, &p->counts, err);
    if (rc == 0)
        rc = measure_agreement(c, &p->alpha, err);
    crowd_close(c);
    text_free(&path);
    return rc;
}

static int read_surrogate(people_record *p, uint64_t run, const char *dir, error *err)
{
    store *s = NULL;
    TRY(store_open_readonly(&s, dir, err));
    int rc = surrogate_record_latest(s, run, &p->surrogate, err);
    store_close(s);
    p->has_surrogate = rc == 0;
    return rc;
}

static int fill_record(run_record *r, const json_t *fitness, const char *dir, error *err)
{
    const char *asked = json_string_value(json_object_get(fitness, "question"));
    const char *ask = json_string_value(json_object_get(fitness, "ask"));
    people_record *p = calloc(1, sizeof *p);
    if (!p)
        return error_memory(err, sizeof *p);
    p->cents = json_number_value(json_object_get(fitness, "cents"));
    p->question = string_copy(asked ? asked : "");
    p->ask = string_copy(ask ? ask : "");
    int rc = p->question && p->ask ? read_crowd(p, dir, err) : error_memory(err, 1);
    if (rc == 0 && json_is_object(json_object_get(fitness, "surrogate")))
        rc = read_surrogate(p, r->id, dir, err);
    if (rc < 0) {
        people_record_free(p);
        return rc == E_MEMORY || rc == E_FORMAT ? rc : 0; /* else: cannot be looked at */
    }
    people_record_free(r->people);
    r->people = p;
    return 0;
}

int people_look(run_record *r, const char *dir, error *err)
{
    json_t *setup = r->experiment ? json_loads(r->experiment, 0, NULL) : NULL;
    const json_t *fitness = json_object_get(setup, "fitness");
    const char *kind = json_string_value(json_object_get(fitness, "kind"));
    int rc = 0;
    if (kind && (strcmp(kind, "human") == 0 || strcmp(kind, "mixed") == 0))
        rc = fill_record(r, fitness, dir, err);
    json_decref(setup);
    return rc;
}

/* ---- Words ---- */

int people_money(text *out, double cents, error *err)
{
    if (fabs(cents - round(cents)) < 1e-9)
        return text_add_format(out, err, "%.2f", cents / 100);
    return text_add_format(out, err, "%.4f", cents / 100);
}

static int add_raters(const people_record *p, text *out, error *err)
{
    const crowd_counts *n = &p->counts;
    TRY(summary_count(out, n->ratings, err));
    TRY(text_add_format(out, err, " rating%s by %zu rater%s", n->ratings == 1 ? "" : "s",
                        n->raters, n->raters == 1 ? "" : "s"));
    if (n->excluded)
        TRY(text_add_format(out, err, ", %zu of whom the rules exclude", n->excluded));
    if (n->counted < n->ratings) {
        TRY(text_add_string(out, "; ", err));
        TRY(summary_count(out, n->counted, err));
        TRY(text_add_string(out, " count", err));
    }
    if (p->cents > 0) {
        TRY(text_add_string(out, "; cost ", err));
        TRY(people_money(out, (double)n->ratings * p->cents, err));
        TRY(text_add_format(out, err, " at %g cents each", p->cents));
    }
    if (!isnan(p->alpha))
        TRY(text_add_format(out, err, "; agreement (Krippendorff's alpha) %.2f",
                            p->alpha));
    return text_add_string(out, ".", err);
}

static int add_simulated(const crowd_counts *n, text *out, error *err)
{
    if (n->simulated == 0)
        return 0;
    if (n->simulated >= n->ratings)
        return text_add_string(
            out,
            " SIMULATED: no person was asked, all ratings come from a simulated crowd; "
            "they say nothing about what people prefer.",
            err);
    TRY(text_add_string(out, " SIMULATED in part: ", err));
    TRY(summary_count(out, n->simulated, err));
    return text_add_string(out, " of the ratings come from no person.", err);
}

int people_surrogate_count(const surrogate_record *s, text *out, error *err)
{
    TRY(summary_count(out, s->by_people, err));
    TRY(text_add_format(out, err, " score%s by people, ", s->by_people == 1 ? "" : "s"));
    TRY(summary_count(out, s->by_reward, err));
    return text_add_string(out, " by the reward", err);
}

/* What it is, and why. */
static int add_stage(const surrogate_record *s, text *out, error *err)
{
    static const char *const now[N_SURROGATE_STAGES] = {
        "there are too few ratings to learn from, so people see everything",
        "it is on trial, and people see everything",
        "it is trusted, and people see what may be selected and what it is in doubt "
        "about"};
    if (s->predicted && !isnan(s->tau))
        TRY(text_add_format(out, err,
                            "its predictions of the latest %zu fresh ratings agree with "
                            "them by %.2f (Kendall's tau; %.2f to %.2f): ",
                            s->predicted, s->tau, s->low, s->high));
    TRY(text_add_string(out, now[s->stage], err));
    if (s->hand_backs)
        TRY(text_add_format(out, err,
                            "; %zu time%s what it liked was not what people liked, and "
                            "it was handed back to them",
                            s->hand_backs, s->hand_backs == 1 ? "" : "s"));
    return text_add_string(out, ".", err);
}

static int add_surrogate(const people_record *p, text *out, error *err)
{
    if (!p->has_surrogate)
        return 0;
    TRY(text_add_string(out,
                        " A reward, learned from the ratings as they came, stands "
                        "in for people in the search, never in the finish: ",
                        err));
    TRY(people_surrogate_count(&p->surrogate, out, err));
    TRY(text_add_string(out, "; ", err));
    return add_stage(&p->surrogate, out, err);
}

int people_sentence(const run_record *r, text *out, error *err)
{
    const people_record *p = r->people;
    if (!p)
        return 0;
    TRY(add_raters(p, out, err));
    TRY(add_simulated(&p->counts, out, err));
    TRY(add_surrogate(p, out, err));
    if (r->status == RUN_FINISHED || p->counts.wanted == 0)
        return 0;
    TRY(text_add_string(out, " It waits for ", err));
    TRY(summary_count(out, p->counts.wanted, err));
    return text_add_format(out, err, " more on %zu open tasks.", p->counts.open_tasks);
}

static json_t *surrogate_json(const people_record *p)
{
    const surrogate_record *s = &p->surrogate;
    if (!p->has_surrogate)
        return json_null();
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:f}", "stage",
                     surrogate_stage_names[s->stage], "batches", (json_int_t)s->batches,
                     "scores_by_people", (json_int_t)s->by_people, "scores_by_reward",
                     (json_int_t)s->by_reward, "ratings_learned", (json_int_t)s->ratings,
                     "ratings_predicted", (json_int_t)s->predicted, "tau",
                     json_real_or_null(s->tau), "tau_low", json_real_or_null(s->low),
                     "tau_high", json_real_or_null(s->high), "handed_back",
                     (json_int_t)s->hand_backs, "slope", s->slope);
}

json_t *people_json(const run_record *r)
{
    const people_record *p = r->people;
    if (!p)
        return json_null();
    const crowd_counts *n = &p->counts;
    return json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, "
        "s:o}",
        "question", p->question, "ask", p->ask, "ratings", (json_int_t)n->ratings,
        "counted", (json_int_t)n->counted, "simulated_ratings", (json_int_t)n->simulated,
        "simulated", n->simulated > 0, "raters", (json_int_t)n->raters, "excluded_raters",
        (json_int_t)n->excluded, "withdrawn", (json_int_t)n->withdrawn, "late",
        (json_int_t)n->late, "open_tasks", (json_int_t)n->open_tasks, "missing_ratings",
        (json_int_t)n->wanted, "cost_cents",
        json_real_or_null((double)n->ratings * p->cents), "median_seconds",
        json_real_or_null(n->median_seconds), "alpha", json_real_or_null(p->alpha),
        "surrogate", surrogate_json(p));
}
