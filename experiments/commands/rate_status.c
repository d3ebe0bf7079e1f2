/* lamarck rate status: how a run's crowd stands, in words or as JSON. */
#include "rate_crowd.h"

#include "../views/json_lines.h"
#include "../views/terminal.h"
#include "crowd_summary.h"
#include "hook_status.h"
#include "options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: lamarck rate status RUN [--resamples N] [--json]\n"
    "\n"
    "What raters of the run in the folder RUN were asked and answered; how far they\n"
    "agree (Krippendorff's alpha, by question, with a 95 % bootstrap interval over\n"
    "tasks); and each rater's record: right gold answers, repeats answered as before,\n"
    "answers that were too fast, his agreement with others on the same tasks, his "
    "weight.\n"
    "A rater who fails the rules is excluded: none of his ratings count, and how many\n"
    "those are is told.\n"
    "\n"
    "  --resamples N        of the bootstrap; default 200, 0: no interval\n"
    "  --json               for scripts: the counts; not_counted {excluded, checks, "
    "fast};\n"
    "                       excluded_share; rules; questions [{question, kind, text,\n"
    "                       tasks, gold, ratings, alpha, ci95, level, n_units,\n"
    "                       no_alpha_because}]; raters [{rater, name, source, ratings,\n"
    "                       counted, gold, gold_right, repeats, repeats_agree, fast,\n"
    "                       n_pairs, agreement, weight, excluded, reason}];\n"
    "                       webhooks [{endpoint, waiting, delivered, dead, needless,\n"
    "                       tries, problem}]\n";

enum { MOST_RESAMPLES = 100000 };

/* ---- JSON ---- */

static json_t *rules_json(const quality_rules *r)
{
    return json_pack("{s:f, s:f, s:f, s:I, s:I, s:f, s:I}", "gold_share", r->gold_share,
                     "repeat_share", r->repeat_share, "min_seconds", r->min_seconds,
                     "max_ratings", (json_int_t)r->max_ratings, "min_checks",
                     (json_int_t)r->min_checks, "min_right", r->min_right,
                     "lease_seconds", (json_int_t)r->lease_seconds);
}

static const char *level_of(question_kind kind)
{
    return kind == QUESTION_SCALE ? "ordinal" : "nominal";
}

static json_t *question_json(const question_summary *q)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:[o, o], s:s, s:I, s:s?}",
                     "question", q->id, "kind", question_names[q->asked.kind], "text",
                     q->asked.text, "tasks", (json_int_t)q->tasks, "gold",
                     (json_int_t)q->gold, "ratings", (json_int_t)q->ratings, "alpha",
                     json_real_or_null(q->alpha), "ci95", json_real_or_null(q->low),
                     json_real_or_null(q->high), "level", level_of(q->asked.kind),
                     "n_units", (json_int_t)q->n_units, "no_alpha_because",
                     q->has_alpha ? NULL : q->why);
}

static json_t *rater_json(const rater_summary *r)
{
    const rater_quality *q = &r->quality;
    return json_pack("{s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:f,"
                     " s:b, s:s}",
                     "rater", (json_int_t)q->rater, "name", q->name, "source",
                     rater_source_names[q->source], "ratings", (json_int_t)q->n,
                     "counted", (json_int_t)q->counted, "gold", (json_int_t)q->gold,
                     "gold_right", (json_int_t)q->gold_right, "repeats",
                     (json_int_t)q->repeats, "repeats_agree",
                     (json_int_t)q->repeats_agree, "fast", (json_int_t)q->fast, "n_pairs",
                     (json_int_t)r->n_pairs, "agreement", json_real_or_null(r->agreement),
                     "weight", r->weight, "excluded", q->excluded, "reason", q->reason);
}

static double excluded_share(const crowd_summary *s)
{
    size_t n = s->counts.ratings;
    return n ? (double)s->uncounted.excluded / (double)n : 0;
}

static json_t *counts_json(const crowd_summary *s)
{
    const crowd_counts *n = &s->counts;
    const uncounted_ratings *u = &s->uncounted;
    return json_pack(
        "{s:b, s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I}, s:I, s:I, s:I, s:I, s:I, s:f,"
        " s:o, s:o}",
        "open", n->open, "tasks", (json_int_t)n->tasks, "open_tasks",
        (json_int_t)n->open_tasks, "wanted", (json_int_t)n->wanted, "ratings",
        (json_int_t)n->ratings, "counted", (json_int_t)n->counted, "not_counted",
        "excluded", (json_int_t)u->excluded, "checks", (json_int_t)u->checks, "fast",
        (json_int_t)u->fast, "withdrawn", (json_int_t)n->withdrawn, "late",
        (json_int_t)n->late, "simulated", (json_int_t)n->simulated, "n_raters",
        (json_int_t)n->raters, "n_excluded", (json_int_t)n->excluded, "excluded_share",
        excluded_share(s), "median_seconds", json_real_or_null(n->median_seconds),
        "rules", rules_json(&s->rules));
}

static json_t *status_json(const crowd_summary *s)
{
    json_t *top = counts_json(s), *questions = json_array(), *raters = json_array();
    bool bad = json_object_set_new(top, "questions", questions) < 0;
    bad = json_object_set_new(top, "raters", raters) < 0 || bad;
    for (size_t i = 0; !bad && i < s->n_questions; i++)
        bad = json_array_append_new(questions, question_json(&s->questions[i])) < 0;
    for (size_t i = 0; !bad && i < s->n_raters; i++)
        bad = json_array_append_new(raters, rater_json(&s->raters[i])) < 0;
    if (bad) {
        json_decref(top);
        return NULL;
    }
    return top;
}

static int tell_json(const crowd_summary *s, const char *run, error *err)
{
    json_t *hooks;
    TRY(hook_status_json(&hooks, run, err));
    json_t *top = status_json(s);
    if (json_object_set_new(top, "webhooks", hooks) < 0) {
        json_decref(top);
        top = NULL;
    }
    return json_print(top, err);
}

/* ---- Words ---- */

/* One line of at most `width` columns, nothing in it that steers the terminal. */
static int add_line(text *out, const char *s, size_t width, error *err)
{
    text wrapped = {0};
    int rc = terminal_wrap(&wrapped, s, "", width, 1, err);
    size_t n = strcspn(text_string(&wrapped), "\n");
    if (rc == 0)
        rc = text_add(out, text_string(&wrapped), n, err);
    text_free(&wrapped);
    return rc;
}

static int add_counts(text *out, const crowd_summary *s, error *err)
{
    const crowd_counts *n = &s->counts;
    const uncounted_ratings *u = &s->uncounted;
    TRY(text_add_format(out, err, "%s\n",
                        n->open ? "takes answers" : "closed: takes no answers"));
    TRY(text_add_format(out, err, "tasks     %zu; open %zu; ratings still wanted %zu\n",
                        n->tasks, n->open_tasks, n->wanted));
    TRY(text_add_format(out, err,
                        "ratings   %zu, of which %zu count; not: %zu of excluded raters, "
                        "%zu gold or repeated, %zu too fast\n",
                        n->ratings, n->counted, u->excluded, u->checks, u->fast));
    TRY(text_add_format(out, err, "          %zu late, %zu withdrawn\n", n->late,
                        n->withdrawn));
    if (n->simulated)
        TRY(text_add_format(out, err,
                            "          %zu are SIMULATED: a program's, no people's\n",
                            n->simulated));
    if (!isnan(n->median_seconds))
        TRY(text_add_format(out, err, "time      %.1f s per rating (median)\n",
                            n->median_seconds));
    TRY(text_add_format(out, err, "raters    %zu", n->raters));
    if (n->excluded)
        TRY(text_add_format(out, err,
                            "; %zu excluded, with %.1f %% of the ratings, none of which "
                            "count",
                            n->excluded, 100 * excluded_share(s)));
    return text_add_string(out, "\n", err);
}

static int add_question(text *out, const question_summary *q, error *err)
{
    TRY(text_add_format(out, err, "\n%s ", question_names[q->asked.kind]));
    TRY(add_line(out, q->asked.text, 70, err));
    TRY(text_add_format(out, err, "\n  tasks %zu (gold %zu); ratings that count %zu\n",
                        q->tasks, q->gold, q->ratings));
    if (!q->has_alpha)
        return text_add_format(out, err, "  no alpha: %s\n", q->why);
    TRY(text_add_format(out, err, "  alpha %.3f", q->alpha));
    if (!isnan(q->low))
        TRY(text_add_format(out, err, " [%.3f, %.3f]", q->low, q->high));
    return text_add_format(out, err, " (%s; tasks with two ratings or more: %zu)\n",
                           level_of(q->asked.kind), q->n_units);
}

static int add_rater(text *out, const rater_summary *r, error *err)
{
    const rater_quality *q = &r->quality;
    text name = {0};
    char gold[50], repeats[50], agree[20] = "-";
    snprintf(gold, sizeof gold, "%zu/%zu", q->gold_right, q->gold);
    snprintf(repeats, sizeof repeats, "%zu/%zu", q->repeats_agree, q->repeats);
    if (r->n_pairs)
        snprintf(agree, sizeof agree, "%.2f", r->agreement);
    int rc = add_line(&name, q->name, 24, err);
    size_t columns = terminal_columns(text_string(&name), name.n);
    if (rc == 0)
        rc = text_add_format(
            out, err, "%s%*s %-9s %7zu %7zu %7s %7s %6zu %6s %6.2f%s%s\n",
            text_string(&name), (int)(columns < 24 ? 24 - columns : 0), "",
            rater_source_names[q->source], q->n, q->counted, gold, repeats, q->fast,
            agree, r->weight, q->excluded ? "  excluded: " : "", q->reason);
    text_free(&name);
    return rc;
}

static int add_status(text *out, const crowd_summary *s, error *err)
{
    for (size_t i = 0; i < s->n_questions; i++)
        TRY(add_question(out, &s->questions[i], err));
    if (s->n_raters)
        TRY(text_add_format(out, err, "\n%-24s %-9s %7s %7s %7s %7s %6s %6s %6s\n",
                            "rater", "source", "ratings", "counted", "gold", "repeats",
                            "fast", "agree", "weight"));
    for (size_t i = 0; i < s->n_raters; i++)
        TRY(add_rater(out, &s->raters[i], err));
    return 0;
}

static int tell(const crowd_summary *s, const char *run, error *err)
{
    text out = {0};
    int rc = add_counts(&out, s, err);
    if (rc == 0)
        rc = hook_status_add(&out, run, err);
    if (rc == 0)
        rc = add_status(&out, s, err);
    if (rc == 0)
        printf("%s", text_string(&out));
    text_free(&out);
    return rc;
}

static int run(int argc, char **argv, error *err)
{
    size_t resamples = 200, n;
    bool json = false;
    const option options[] = {
        {"resamples", OPTION_SIZE, &resamples, NULL, NULL},
        {"json", OPTION_FLAG, &json, NULL, NULL},
    };
    crowd *c;
    crowd_summary s;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"RUN", 1, 1}, &n, err));
    if (resamples > MOST_RESAMPLES)
        return error_set(err, E_USAGE, "--resamples: %zu is over the limit of %d",
                         resamples, MOST_RESAMPLES);
    TRY(run_crowd_open(&c, argv[1], false, err));
    int rc = crowd_summarise(c, resamples, &s, err);
    crowd_close(c);
    if (rc < 0)
        return rc;
    rc = json ? tell_json(&s, argv[1], err) : tell(&s, argv[1], err);
    crowd_summary_free(&s);
    return rc;
}

const command rate_status = {
    .name = "status",
    .group = "people",
    .summary = "how a run's crowd stands: counts, agreement, raters",
    .usage = usage,
    .run = run,
};
