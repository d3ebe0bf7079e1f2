/* lamarck rate aggregate: read, estimate, tell. */
#include "rate_aggregate.h"

#include "../definition/ratings_file.h"
#include "../views/json_lines.h"
#include "options.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: lamarck rate aggregate --ratings FILE --method METHOD [OPTIONS] [--json]\n"
    "\n"
    "FILE is a table with a header, CSV (RFC 4180) or .tsv; \"-\" is standard input.\n"
    "  alpha          Krippendorff's alpha: how far raters agree   item,rater,value\n"
    "  dawid-skene    a category per item, a confusion matrix\n"
    "                 per rater (Dawid & Skene 1979)               item,rater,value\n"
    "  mixed          a mean per item, a bias per rater: mixed\n"
    "                 model by restricted maximum likelihood       item,rater,value\n"
    "  bradley-terry  a score per item from comparisons of two;\n"
    "                 ties as in Davidson (1970)            winner,loser[,rater][,tie]\n"
    "\n"
    "Further columns are ignored. A row with an empty value is no rating, an item that\n"
    "meets itself no comparison; both count as missing. tie is 1, true or yes where\n"
    "neither won; winner and loser then only say who met. Comparisons may be repeated;\n"
    "of two ratings of one item by one rater, the later counts.\n"
    "  --item-column, --rater-column, --value-column, --winner-column, --loser-column,\n"
    "  --tie-column NAME    where the columns have other names\n"
    "  --repeated RULE      last (default), first, or error, for an item rated twice\n"
    "  --json               for scripts, see below\n"
    "\n"
    "alpha\n"
    "  --level LEVEL        nominal (default), ordinal, interval or ratio\n"
    "  --resamples N        of the bootstrap over items; default 1000, 0: none\n"
    "  --seed N             of the bootstrap; default 1\n"
    "dawid-skene\n"
    "  --smoothing N        virtual answers in every cell of a confusion matrix;\n"
    "                       default off: maximum likelihood\n"
    "bradley-terry\n"
    "  --prior P            precision (1 / variance) of a normal prior on each score;\n"
    "                       default off: maximum likelihood\n"
    "  --reliability        also how often each rater says what the scores say, else\n"
    "                       the opposite (Crowd-BT, Chen et al. 2013)\n"
    "  --smoothing N        virtual right and wrong answers of every rater, for those\n"
    "mixed\n"
    "  --rater-scale        also a scale and a noise per rater\n"
    "any\n"
    "  --iterations N       at most; default 10000\n"
    "\n"
    "JSON: numbers that cannot be said are null. Every method: method, n_items, "
    "n_raters,\n"
    "n_ratings, n_replaced (bradley-terry: n_comparisons, n_ties), n_missing.\n"
    "  alpha          level, alpha, se, ci95 [low, high], observed_disagreement,\n"
    "                 expected_disagreement, n_units, n_pairable, raters [{rater,\n"
    "                 n_ratings, n_pairs, agreement, alpha}]: each against all others\n"
    "  dawid-skene    items [{item, label, probability, se, probabilities {label: p}}],\n"
    "                 raters [{rater, accuracy, confusion {truth: {answer: p}},\n"
    "                 confusion_se}], classes {label: share}, classes_se,\n"
    "                 se_missing_because, log_likelihood, iterations, converged\n"
    "  bradley-terry  items [{item, score, se}], in natural log odds, sum 0; tie and\n"
    "                 tie_se (Davidson's nu); raters [{rater, reliability, se}];\n"
    "                 se_missing_because, log_likelihood, iterations\n"
    "  mixed          items [{item, mean, se}], raters [{rater, bias, se, scale, "
    "noise}],\n"
    "                 mean, mean_se, variance {item, rater, residual}, log_likelihood,\n"
    "                 iterations\n"
    "Standard errors are from the observed information (alpha: bootstrap; an item's "
    "label:\n"
    "its probability; mixed: of the prediction). A value at its limit has none.\n";

typedef enum method {
    METHOD_ALPHA,
    METHOD_DAWID_SKENE,
    METHOD_BRADLEY_TERRY,
    METHOD_MIXED,
} method;

static const char *const method_names[] = {"alpha", "dawid-skene", "bradley-terry",
                                           "mixed", NULL};
static const char *const repeat_names[] = {"last", "first", "error", NULL};

typedef struct request {
    const char *path;
    int method, repeated, level;
    ratings_columns columns;
    size_t resamples, iterations;
    uint64_t seed;
    const char *smoothing_text, *prior_text; /* a number or "off" */
    double smoothing, prior;
    bool reliability, scales, json;
} request;

/* ---- What was asked ---- */

/* A number of 0 or more, or "off", which is 0. */
static int parse_strength(const char *what, const char *s, double *out, error *err)
{
    *out = 0;
    if (!s || strcmp(s, "off") == 0)
        return 0;
    TRY(option_real(what, s, out, err));
    if (*out < 0)
        return error_set(err, E_USAGE, "%s wants a number of 0 or more, or off, not '%s'",
                         what, s);
    return 0;
}

typedef struct belonging {
    bool given;
    const char *option;
    unsigned methods; /* a bit for each that knows the option */
} belonging;

static int check_belonging(const belonging *all, size_t n, int chosen, error *err)
{
    for (size_t i = 0; i < n; i++)
        if (all[i].given && !(all[i].methods >> chosen & 1))
            return error_set(err, E_USAGE, "--method %s has no --%s",
                             method_names[chosen], all[i].option);
    return 0;
}

static int parse(request *q, int argc, char **argv, error *err)
{
    enum {
        ALPHA = 1 << METHOD_ALPHA,
        SKENE = 1 << METHOD_DAWID_SKENE,
        TERRY = 1 << METHOD_BRADLEY_TERRY,
        MIXED = 1 << METHOD_MIXED,
        RATED = ALPHA | SKENE | MIXED,
    };
    belonging b[] = {
        {false, "item-column", RATED},   {false, "value-column", RATED},
        {false, "winner-column", TERRY}, {false, "loser-column", TERRY},
        {false, "tie-column", TERRY},    {false, "repeated", RATED},
        {false, "level", ALPHA},         {false, "resamples", ALPHA},
        {false, "seed", ALPHA},          {false, "smoothing", SKENE | TERRY},
        {false, "prior", TERRY},         {false, "reliability", TERRY},
        {false, "rater-scale", MIXED},   {false, "iterations", SKENE | TERRY | MIXED},
    };
    bool has_method = false;
    const option options[] = {
        {"ratings", OPTION_TEXT, &q->path, NULL, NULL},
        {"method", OPTION_CHOICE, &q->method, &has_method, method_names},
        {"json", OPTION_FLAG, &q->json, NULL, NULL},
        {"rater-column", OPTION_TEXT, &q->columns.rater, NULL, NULL},
        {b[0].option, OPTION_TEXT, &q->columns.item, &b[0].given, NULL},
        {b[1].option, OPTION_TEXT, &q->columns.value, &b[1].given, NULL},
        {b[2].option, OPTION_TEXT, &q->columns.winner, &b[2].given, NULL},
        {b[3].option, OPTION_TEXT, &q->columns.loser, &b[3].given, NULL},
        {b[4].option, OPTION_TEXT, &q->columns.tie, &b[4].given, NULL},
        {b[5].option, OPTION_CHOICE, &q->repeated, &b[5].given, repeat_names},
        {b[6].option, OPTION_CHOICE, &q->level, &b[6].given, agreement_level_names},
        {b[7].option, OPTION_SIZE, &q->resamples, &b[7].given, NULL},
        {b[8].option, OPTION_SEED, &q->seed, &b[8].given, NULL},
        {b[9].option, OPTION_TEXT, &q->smoothing_text, &b[9].given, NULL},
        {b[10].option, OPTION_TEXT, &q->prior_text, &b[10].given, NULL},
        {b[11].option, OPTION_FLAG, &q->reliability, &b[11].given, NULL},
        {b[12].option, OPTION_FLAG, &q->scales, &b[12].given, NULL},
        {b[13].option, OPTION_SIZE, &q->iterations, &b[13].given, NULL},
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"no arguments but options", 0, 0}, &n, err));
    if (!q->path)
        return error_set(err, E_USAGE, "aggregate wants --ratings FILE");
    if (!has_method)
        return error_set(err, E_USAGE,
                         "aggregate wants --method alpha, dawid-skene, bradley-terry or "
                         "mixed");
    TRY(check_belonging(b, sizeof b / sizeof *b, q->method, err));
    if (q->iterations == 0)
        return error_set(err, E_USAGE, "--iterations wants 1 or more, not 0");
    if (q->resamples > 1000000)
        return error_set(err, E_USAGE, "--resamples: %zu is over the limit of 1000000",
                         q->resamples);
    TRY(parse_strength("--smoothing", q->smoothing_text, &q->smoothing, err));
    return parse_strength("--prior", q->prior_text, &q->prior, err);
}

/* ---- Each method ---- */

static int tell_json(json_t *value, error *err)
{
    return json_print(value, err); /* knows what to say of NULL */
}

static int run_alpha(const request *q, const ratings *r, const aggregate_counts *n,
                     error *err)
{
    const agreement_options o = {(agreement_level)q->level, q->resamples, q->seed};
    agreement a;
    TRY(agreement_measure(&a, r, &o, err));
    int rc = q->json ? tell_json(aggregate_alpha_json(&a, r, &o, n), err)
                     : aggregate_alpha_text(&a, r, &o, err);
    agreement_free(&a);
    return rc;
}

static int run_dawid_skene(const request *q, const ratings *r, const aggregate_counts *n,
                           error *err)
{
    const dawid_skene_options o = {q->smoothing, q->iterations, 1e-8};
    dawid_skene d;
    TRY(dawid_skene_fit(&d, r, &o, err));
    int rc = q->json ? tell_json(aggregate_dawid_skene_json(&d, r, n), err)
                     : aggregate_dawid_skene_text(&d, r, err);
    dawid_skene_free(&d);
    return rc;
}

static int run_mixed(const request *q, const ratings *r, const aggregate_counts *n,
                     error *err)
{
    const mixed_options o = {q->scales, q->iterations};
    mixed m;
    TRY(mixed_fit(&m, r, &o, err));
    int rc = q->json ? tell_json(aggregate_mixed_json(&m, r, q->scales, n), err)
                     : aggregate_mixed_text(&m, r, q->scales, err);
    mixed_free(&m);
    return rc;
}

static int run_ratings(const request *q, error *err)
{
    ratings r = {0};
    aggregate_counts n = {0};
    bool numbers = q->method == METHOD_MIXED ||
                   (q->method == METHOD_ALPHA && q->level != LEVEL_NOMINAL);
    TRY(ratings_load(&r, q->path, &q->columns, numbers, &n.n_missing, err));
    int rc = ratings_finish(&r, (repeat_rule)q->repeated, &n.n_replaced, err);
    n.n_ratings = r.n;
    if (rc == 0)
        rc = q->method == METHOD_ALPHA   ? run_alpha(q, &r, &n, err)
             : q->method == METHOD_MIXED ? run_mixed(q, &r, &n, err)
                                         : run_dawid_skene(q, &r, &n, err);
    ratings_free(&r);
    if (rc < 0)
        error_prefix(err, "%s", q->path);
    return rc;
}

static int run_comparisons(const request *q, error *err)
{
    comparisons c = {0};
    bradley_terry b;
    const bradley_terry_options o = {q->prior, q->reliability, q->smoothing,
                                     q->iterations};
    TRY(comparisons_load(&c, q->path, &q->columns, err));
    int rc = bradley_terry_fit(&b, &c, &o, err);
    if (rc < 0) {
        error_prefix(err, "%s", q->path);
    } else {
        rc = q->json ? tell_json(aggregate_bradley_terry_json(&b, &c), err)
                     : aggregate_bradley_terry_text(&b, &c, err);
        bradley_terry_free(&b);
    }
    comparisons_free(&c);
    return rc;
}

static int run(int argc, char **argv, error *err)
{
    request q = {.resamples = 1000, .iterations = 10000, .seed = 1};
    TRY(parse(&q, argc, argv, err));
    return q.method == METHOD_BRADLEY_TERRY ? run_comparisons(&q, err)
                                            : run_ratings(&q, err);
}

const command rate_aggregate = {
    .name = "aggregate",
    .group = "people",
    .summary = "one number or label per item from anybody's ratings",
    .usage = usage,
    .run = run,
};
