/* lamarck rate rules: by which rules raters are asked and judged; opening and closing. */
#include "rate_crowd.h"

#include "../views/json_lines.h"
#include "options.h"

#include <stdio.h>

static const char usage[] =
    "usage: lamarck rate rules RUN [OPTIONS] [--json]\n"
    "\n"
    "Prints the rules of the crowd of the run in the folder RUN, after changing those "
    "that\n"
    "are given. What raters did before is judged anew.\n"
    "\n"
    "  --gold-share X       of a rater's tasks that have a known answer (0.1)\n"
    "  --repeat-share X     of a rater's tasks that he has answered before (0.05)\n"
    "  --min-seconds X      faster answers do not count (1)\n"
    "  --max-ratings N      of one rater; 0: no limit (0)\n"
    "  --min-checks N       gold and repeated answers before a rater can fail (8)\n"
    "  --min-right X        smallest share of right ones of these (0.6); who is below "
    "is\n"
    "                       excluded: none of his ratings count. On a scale of five\n"
    "                       labels or more one step off is right\n"
    "  --lease-seconds N    how long a task is kept for who was shown it (900)\n"
    "  --closed             take no more answers: raters are thanked\n"
    "  --open               take answers (again)\n";

enum { SHARE_GOLD, SHARE_REPEAT, SECONDS, RATINGS, CHECKS, RIGHT, LEASE, N_RULES };

/* What the command line asks for. */
typedef struct change {
    quality_rules rules; /* those of them that are given */
    bool given[N_RULES], open, closed, json;
} change;

static int parse(int argc, char **argv, change *to, error *err)
{
    size_t lease = 0, n;
    quality_rules *r = &to->rules;
    const option options[] = {
        {"gold-share", OPTION_REAL, &r->gold_share, &to->given[SHARE_GOLD], NULL},
        {"repeat-share", OPTION_REAL, &r->repeat_share, &to->given[SHARE_REPEAT], NULL},
        {"min-seconds", OPTION_REAL, &r->min_seconds, &to->given[SECONDS], NULL},
        {"max-ratings", OPTION_SIZE, &r->max_ratings, &to->given[RATINGS], NULL},
        {"min-checks", OPTION_SIZE, &r->min_checks, &to->given[CHECKS], NULL},
        {"min-right", OPTION_REAL, &r->min_right, &to->given[RIGHT], NULL},
        {"lease-seconds", OPTION_SIZE, &lease, &to->given[LEASE], NULL},
        {"open", OPTION_FLAG, &to->open, NULL, NULL},
        {"closed", OPTION_FLAG, &to->closed, NULL, NULL},
        {"json", OPTION_FLAG, &to->json, NULL, NULL},
    };
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"RUN", 1, 1}, &n, err));
    if (to->open && to->closed)
        return error_set(err, E_USAGE, "--open and --closed do not go together");
    r->lease_seconds = lease > INT64_MAX ? INT64_MAX : (int64_t)lease;
    return 0;
}

/* What is given, over what is there. */
static bool merge(quality_rules *r, const change *to)
{
    const quality_rules *x = &to->rules;
    bool any = false;
    r->gold_share = to->given[SHARE_GOLD] ? x->gold_share : r->gold_share;
    r->repeat_share = to->given[SHARE_REPEAT] ? x->repeat_share : r->repeat_share;
    r->min_seconds = to->given[SECONDS] ? x->min_seconds : r->min_seconds;
    r->max_ratings = to->given[RATINGS] ? x->max_ratings : r->max_ratings;
    r->min_checks = to->given[CHECKS] ? x->min_checks : r->min_checks;
    r->min_right = to->given[RIGHT] ? x->min_right : r->min_right;
    r->lease_seconds = to->given[LEASE] ? x->lease_seconds : r->lease_seconds;
    for (size_t i = 0; i < N_RULES; i++)
        any = any || to->given[i];
    return any;
}

static int apply(crowd *c, const change *to, quality_rules *r, bool *open, error *err)
{
    crowd_counts n;
    TRY(crowd_rules(c, r, err));
    if (merge(r, to))
        TRY(crowd_set_rules(c, r, err));
    if (to->open || to->closed)
        TRY(crowd_set_open(c, to->open, err));
    TRY(crowd_count(c, &n, err));
    *open = n.open;
    return 0;
}

/* All of it or nothing. */
static int change_rules(crowd *c, const change *to, quality_rules *r, bool *open,
                        error *err)
{
    TRY(crowd_begin(c, err));
    int rc = apply(c, to, r, open, err);
    if (rc == 0)
        return crowd_commit(c, err);
    crowd_rollback(c);
    return rc;
}

static void tell(const quality_rules *r, bool open)
{
    printf("gold-share      %g\n"
           "repeat-share    %g\n"
           "min-seconds     %g\n"
           "max-ratings     %zu%s\n"
           "min-checks      %zu\n"
           "min-right       %g\n"
           "lease-seconds   %lld\n"
           "%s\n",
           r->gold_share, r->repeat_share, r->min_seconds, r->max_ratings,
           r->max_ratings ? "" : " (no limit)", r->min_checks, r->min_right,
           (long long)r->lease_seconds, open ? "open" : "closed");
}

static int tell_json(const quality_rules *r, bool open, error *err)
{
    return json_print(
        json_pack("{s:f, s:f, s:f, s:I, s:I, s:f, s:I, s:b}", "gold_share", r->gold_share,
                  "repeat_share", r->repeat_share, "min_seconds", r->min_seconds,
                  "max_ratings", (json_int_t)r->max_ratings, "min_checks",
                  (json_int_t)r->min_checks, "min_right", r->min_right, "lease_seconds",
                  (json_int_t)r->lease_seconds, "open", open),
        err);
}

static int run(int argc, char **argv, error *err)
{
    change to = {0};
    quality_rules r;
    bool open;
    crowd *c;
    TRY(parse(argc, argv, &to, err));
    TRY(run_crowd_open(&c, argv[1], false, err));
    int rc = change_rules(c, &to, &r, &open, err);
    crowd_close(c);
    if (rc < 0)
        return rc;
    if (to.json)
        return tell_json(&r, open, err);
    tell(&r, open);
    return 0;
}

const command rate_rules = {
    .name = "rules",
    .group = "people",
    .summary = "by which rules raters are asked and judged",
    .usage = usage,
    .run = run,
};
