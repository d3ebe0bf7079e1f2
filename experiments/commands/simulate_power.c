#include "simulate_power.h"
#include "../../rater/power.h"
#include "../views/json_lines.h"
#include "command.h"
#include "options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char simulate_power_usage[] =
    "usage: lamarck rate simulate --power [--prefer P | --difference D] [OPTIONS]\n"
    "\n"
    "How many ratings do I need? Plays the whole process many times, without a server:\n"
    "raters come in turn and compare an output of one prompt with one of the other, some "
    "of\n"
    "what they are asked is gold or was asked before, raters who fail are excluded, and "
    "a\n"
    "two-sided t test over pairs says whether a difference is found. Prints how often, "
    "by\n"
    "number of ratings paid, with its Monte Carlo error, how often a difference is "
    "found\n"
    "where there is none, and the ratings for a power of 80 and 90 %.\n"
    "\n"
    "  --prefer P           how often an honest rater prefers the better prompt's "
    "output;\n"
    "                       default 0.62\n"
    "  --difference D       the same as log odds: ln(P / (1 - P))\n"
    "  --spread S           standard deviation of that over pairs, log odds; default "
    "0.5\n"
    "  --raters N           default 20. --per-pair N: ratings of each pair; default 1\n"
    "  --honest SHARE       of raters; half of the others prefer what is shown first, "
    "half\n"
    "                       answer at random; default 0.8\n"
    "  --noise X            of honest ones, 1 being what P is told for; default: 0.6 to "
    "1.6\n"
    "  --ties               \"no difference\" is an answer\n"
    "  --gold SHARE, --repeat SHARE, --min-checks N, --min-right SHARE    the rules of\n"
    "                       quality; default 0.1, 0.05, 4, 0.6\n"
    "  --alpha A            of the test; default 0.05\n"
    "  --most N             ratings to look at; default 4000\n"
    "  --repetitions N      default 1000; --seed N: default 1\n"
    "  --cents C            per rating, fees included: tells the cost as well\n"
    "  --json               for scripts\n";

typedef struct power_request {
    power_design d;
    double prefer, cents;
    bool has_prefer, has_difference, json;
} power_request;

bool simulate_power_wanted(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--power") == 0)
            return true;
    return false;
}

static int parse(int argc, char **argv, power_request *q, error *err)
{
    power_design *d = &q->d;
    bool power;
    const option options[] = {
        {"power", OPTION_FLAG, &power, NULL, NULL},
        {"prefer", OPTION_REAL, &q->prefer, &q->has_prefer, NULL},
        {"difference", OPTION_REAL, &d->difference, &q->has_difference, NULL},
        {"spread", OPTION_REAL, &d->spread, NULL, NULL},
        {"raters", OPTION_SIZE, &d->n_raters, NULL, NULL},
        {"per-pair", OPTION_SIZE, &d->per_pair, NULL, NULL},
        {"honest", OPTION_REAL, &d->honest, NULL, NULL},
        {"noise", OPTION_REAL, &d->noise, NULL, NULL},
        {"ties", OPTION_FLAG, &d->ties, NULL, NULL},
        {"gold", OPTION_REAL, &d->rules.gold_share, NULL, NULL},
        {"repeat", OPTION_REAL, &d->rules.repeat_share, NULL, NULL},
        {"min-checks", OPTION_SIZE, &d->rules.min_checks, NULL, NULL},
        {"min-right", OPTION_REAL, &d->rules.min_right, NULL, NULL},
        {"alpha", OPTION_REAL, &d->alpha, NULL, NULL},
        {"most", OPTION_SIZE, &d->most, NULL, NULL},
        {"repetitions", OPTION_SIZE, &d->repetitions, NULL, NULL},
        {"seed", OPTION_SEED, &d->seed, NULL, NULL},
        {"cents", OPTION_REAL, &q->cents, NULL, NULL},
        {"json", OPTION_FLAG, &q->json, NULL, NULL},
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"", 0, 0}, &n, err));
    if (q->has_prefer && q->has_difference)
        return error_set(err, E_USAGE, "--prefer and --difference say the same thing");
    if (!(q->prefer > 0 && q->prefer < 1))
        return error_set(err, E_USAGE, "--prefer is %g; it must be above 0 and below 1",
                         q->prefer);
    if (q->cents < 0)
        return error_set(err, E_USAGE, "--cents is not below 0");
    if (!q->has_difference)
        d->difference = log(q->prefer / (1 - q->prefer));
    return 0;
}

/* ---- As JSON ---- */

static json_t *need_json(const power_table *t, double wanted)
{
    power_need n = power_needed(t, wanted);
    return json_pack("{s:f, s:o, s:[o, o]}", "power", wanted, "ratings",
                     json_real_or_null(n.ratings), "ci95", json_real_or_null(n.low),
                     json_real_or_null(n.high));
}

static json_t *point_json(const power_point *p)
{
    return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "ratings",
                     (json_int_t)p->ratings, "counted_share", p->counted,
                     "excluded_raters", p->excluded, "power", p->power, "se", p->se,
                     "wrong_direction", p->wrong, "false_alarm", p->false_alarm,
                     "false_alarm_se", p->false_alarm_se);
}

static json_t *table_json(const power_request *q, const power_table *t)
{
    json_t *points = json_array();
    for (size_t k = 0; k < t->n; k++)
        if (json_array_append_new(points, point_json(&t->points[k])) < 0) {
            json_decref(points);
            return NULL;
        }
    return json_pack("{s:b, s:f, s:f, s:I, s:[o, o], s:o}", "simulated", 1, "difference",
                     q->d.difference, "alpha", q->d.alpha, "repetitions",
                     (json_int_t)q->d.repetitions, "needed", need_json(t, 0.8),
                     need_json(t, 0.9), "points", points);
}

/* ---- In words ---- */

static void tell_need(const power_request *q, const power_table *t, double wanted)
{
    power_need n = power_needed(t, wanted);
    printf("%2.0f %% power: ", 100 * wanted);
    if (isnan(n.ratings)) {
        printf("more than %zu ratings\n", q->d.most);
        return;
    }
    printf("%.0f ratings (", ceil(n.ratings));
    printf(isnan(n.low) ? "?" : "%.0f", ceil(n.low));
    printf(isnan(n.high) ? " to more than %.0f" : " to %.0f",
           isnan(n.high) ? (double)q->d.most : ceil(n.high));
    printf(")");
    if (q->cents > 0)
        printf(", $%.2f", ceil(n.ratings) * q->cents / 100);
    printf("\n");
}

static void tell(const power_request *q, const power_table *t)
{
    const power_design *d = &q->d;
    printf(
        "SIMULATED: no person was asked. An honest rater of noise 1 prefers the better "
        "prompt's\noutput %.1f %% of the time (log odds %.3f, spread %.3g over pairs); "
        "%zu raters,\n%.0f %% of them honest; %zu repetitions, seed %llu\n\n",
        100 / (1 + exp(-fabs(d->difference))), fabs(d->difference), d->spread,
        d->n_raters, 100 * d->honest, d->repetitions, (unsigned long long)d->seed);
    printf("ratings  counted  excluded  power           wrong way  false alarms\n");
    for (size_t k = 0; k < t->n; k++) {
        const power_point *p = &t->points[k];
        printf("%7zu  %5.1f %%  %8.1f  %.3f +- %.3f  %9.3f  %.3f +- %.3f\n", p->ratings,
               100 * p->counted, p->excluded, p->power, p->se, p->wrong, p->false_alarm,
               p->false_alarm_se);
    }
    printf("\n+-: standard error of the simulation. The test's alpha is %g: false alarms "
           "are\ndifferences found where there is none.\n\n",
           d->alpha);
    tell_need(q, t, 0.8);
    tell_need(q, t, 0.9);
}

int simulate_power(int argc, char **argv, error *err)
{
    power_request q = {.d = power_defaults(), .prefer = 0.62};
    power_table t;
    TRY(parse(argc, argv, &q, err));
    TRY(power_simulate(&q.d, &t, err));
    int rc = 0;
    if (q.json)
        rc = json_print(table_json(&q, &t), err);
    else
        tell(&q, &t);
    power_table_free(&t);
    return rc;
}
