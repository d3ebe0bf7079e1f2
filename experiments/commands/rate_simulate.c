/* lamarck rate simulate: a simulated crowd at the API of a server. */
#include "rate_simulate.h"
#include "../../rater/server.h"
#include "../../rater/simulated_client.h"
#include "../store/store.h"
#include "../views/json_lines.h"
#include "options.h"
#include "run_file.h"
#include "secret.h"
#include "simulate_power.h"
#include "simulate_score.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char usage[] =
    "usage: lamarck rate simulate RUN [--raters N] [--ratings N]\n"
    "       lamarck rate simulate [RUN] --url URL\n"
    "       lamarck rate simulate --score FILE.jsonl [--taste TASTE] [RUN]\n"
    "       lamarck rate simulate --power [--prefer P]\n"
    "\n"
    "Lets a simulated crowd answer what people would be asked about RUN, through the "
    "HTTP\n"
    "API of 'lamarck rate serve', all raters at once: for tests, demonstrations and\n"
    "rehearsals. Its true preference is known: see --taste. Of ten raters one prefers "
    "what\n"
    "is shown first, one answers at random, and eight are honest and err now and then.\n"
    "They are kept as simulated raters, and every report says that no person answered.\n"
    "\n"
    "What a rater says depends on the seed, on who he is and on the task as it is "
    "shown,\n"
    "not on when he comes; order and sides are the server's, and random.\n"
    "\n"
    "  --url URL            of a running server; default: one is started for RUN, on a\n"
    "                       free port of this machine, for as long as it takes\n"
    "  --api-key-file FILE  the server's key; default: the environment's "
    "LAMARCK_API_KEY\n"
    "  --raters N           default 50\n"
    "  --ratings N          stop after so many; default 0: when nothing is left to rate\n"
    "  --taste TASTE        names: many different well-formed names; prose: mentions of "
    "the\n"
    "                       context, varied words, 30 to 90 of them; summary: faithful\n"
    "                       words, 8 to 30 of them. Default: as RUN's experiment says,\n"
    "                       else prose\n"
    "  --seed N             of the crowd; default 1\n"
    "  --speed X            simulated seconds that pass in one second (a rating takes "
    "7);\n"
    "                       default 0: nobody takes time\n"
    "  --wait SECONDS       for new tasks before a rater leaves; default 0\n"
    "  --patience SECONDS   that the server may be away; default 30\n"
    "  --ledger FILE        append a CSV line for each rating when the server has "
    "accepted\n"
    "                       it: key, assignment, task, rater, answer, result\n"
    "  --score FILE         nobody rates: print how much the crowd likes each text, "
    "without "
    "any\n"
    "                       rater's error. Rows of FILE (\"-\": standard input) are\n"
    "                       {\"context\": \"…\", \"output\": \"…\"}, what is printed "
    "{\"liking\"}; of\n"
    "                       two texts of one context, 1 / (1 + e^-d) of the difference d "
    "is\n"
    "                       the chance that an honest rater of noise 1 prefers the "
    "first\n"
    "  --json               for scripts\n"
    "\n"
    "How many ratings a comparison takes is told by --power, without RUN or server:\n"
    "'lamarck rate simulate --power --help'.\n";

typedef struct simulation {
    client_options o;
    const char *run, *url, *key_file, *ledger_file, *score_file;
    int taste; /* N_TASTES: not told */
    bool json;
    char *api_key;
    text database;
    char made_key[SECRET_DIGITS + 1];
    server *server; /* our own; NULL */
    FILE *ledger;
} simulation;

static int parse(int argc, char **argv, simulation *m, error *err)
{
    static const char *const tastes[] = {"names", "prose", "summary", NULL};
    client_options *o = &m->o;
    const option options[] = {
        {"url", OPTION_TEXT, &m->url, NULL, NULL},
        {"api-key-file", OPTION_TEXT, &m->key_file, NULL, NULL},
        {"raters", OPTION_SIZE, &o->n_raters, NULL, NULL},
        {"ratings", OPTION_SIZE, &o->n_ratings, NULL, NULL},
        {"taste", OPTION_CHOICE, &m->taste, NULL, tastes},
        {"seed", OPTION_SEED, &o->seed, NULL, NULL},
        {"speed", OPTION_REAL, &o->speed, NULL, NULL},
        {"wait", OPTION_REAL, &o->wait_seconds, NULL, NULL},
        {"patience", OPTION_REAL, &o->patience_seconds, NULL, NULL},
        {"ledger", OPTION_TEXT, &m->ledger_file, NULL, NULL},
        {"score", OPTION_TEXT, &m->score_file, NULL, NULL},
        {"json", OPTION_FLAG, &m->json, NULL, NULL},
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"RUN", 0, 1}, &n, err));
    m->run = n ? argv[1] : NULL;
    if (m->score_file && m->url)
        return error_set(err, E_USAGE, "--score asks no server: leave --url away");
    if (!m->run && !m->url && !m->score_file)
        return error_set(err, E_USAGE, "simulate wants RUN, --url URL or --score FILE");
    if (m->key_file && !m->url)
        return error_set(err, E_USAGE, "--api-key-file is for the server at --url");
    if (o->n_raters < 1 || o->n_raters > CLIENT_RATERS_MOST)
        return error_set(err, E_USAGE, "--raters is %zu; it must be 1 to %d", o->n_raters,
                         CLIENT_RATERS_MOST);
    if (o->speed < 0 || o->wait_seconds < 0 || o->patience_seconds < 0)
        return error_set(err, E_USAGE, "--speed, --wait and --patience are not below 0");
    return 0;
}

/* ---- What RUN says ---- */

static int taste_of_experiment(const char *json, int *out, error *err)
{
    json_t *all = json_loads(json, 0, NULL);
    const char *name =
        json_string_value(json_object_get(json_object_get(all, "fitness"), "taste"));
    for (size_t i = 0; name && i < N_TASTES; i++)
        if (strcmp(name, taste_names[i]) == 0)
            *out = (int)i;
    json_decref(all);
    return all ? 0 : error_set(err, E_FORMAT, "the run's experiment cannot be read");
}

/* A folder may hold a crowd without any run. */
static int find_taste(simulation *m, error *err)
{
    store *s;
    run_record *r;
    uint64_t id = 0;
    struct stat st;
    if (!m->run || stat(m->run, &st) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    TRY(store_open_readonly(&s, m->run, err));
    int rc = store_run_latest(s, false, &id, err);
    if (rc == 0 && id) {
        rc = store_run_read(s, id, &r, err);
        if (rc == 0) {
            rc = taste_of_experiment(r->experiment, &m->taste, err);
            run_record_free(r);
        }
    }
    store_close(s);
    return rc;
}

/* ---- The server, and the ledger ---- */

static void log_line(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "lamarck: %s\n", line);
}

static int start_server(simulation *m, error *err)
{
    TRY(secret_new(m->made_key, err));
    const server_options o = {.database = m->database.s,
                              .host = "127.0.0.1",
                              .api_key = m->made_key,
                              .patience_seconds = 30,
                              .log = log_line};
    TRY(server_start(&m->server, &o, err));
    m->o.url = server_url(m->server);
    m->o.api_key = m->made_key;
    return 0;
}

/* Without a slash at the end. */
static int find_server(simulation *m, text *url, error *err)
{
    size_t n = strlen(m->url);
    if (strncmp(m->url, "http://", 7) != 0 && strncmp(m->url, "https://", 8) != 0)
        return error_set(err, E_USAGE, "--url wants http://… or https://…, not '%.200s'",
                         m->url);
    while (n && m->url[n - 1] == '/')
        n--;
    TRY(text_add(url, m->url, n, err));
    int rc = secret_read("API key", m->key_file, "LAMARCK_API_KEY", &m->api_key, err);
    if (rc == 0)
        return error_set(err, E_ARGUMENT,
                         "the server's key is wanted: --api-key-file FILE, or "
                         "LAMARCK_API_KEY");
    m->o.url = url->s;
    m->o.api_key = m->api_key;
    return rc < 0 ? rc : 0;
}

static int write_ledger(void *context, const client_rating *r, error *err)
{
    simulation *m = context;
    fprintf(m->ledger, "%s,%s,%s,%lld,%d,%s\n", r->key, r->assignment, r->task,
            (long long)r->rater, r->answer, r->result);
    return fflush(m->ledger) == 0 ? 0
                                  : error_set(err, E_IO, "cannot write %s: %s",
                                              m->ledger_file, strerror(errno));
}

static int open_ledger(simulation *m, error *err)
{
    if (!m->ledger_file)
        return 0;
    m->ledger = fopen(m->ledger_file, "a");
    if (!m->ledger)
        return error_set(err, E_IO, "cannot write %s: %s", m->ledger_file,
                         strerror(errno));
    m->o.acknowledged = write_ledger;
    m->o.context = m;
    return 0;
}

/* ---- What came of it ---- */

static json_t *latency_json(const client_latency *l)
{
    return json_pack("{s:I, s:o, s:o, s:o}", "n", (json_int_t)l->n, "p50_ms",
                     json_real_or_null(1e3 * client_quantile(l, 0.5)), "p99_ms",
                     json_real_or_null(1e3 * client_quantile(l, 0.99)), "max_ms",
                     json_real_or_null(1e3 * client_quantile(l, 1)));
}

static json_t *report_json(const simulation *m, const client_report *r)
{
    return json_pack(
        "{s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I},"
        " s:I, s:f, s:o, s:o}",
        "simulated", 1, "taste", taste_names[m->o.taste], "seed", (json_int_t)m->o.seed,
        "raters", (json_int_t)m->o.n_raters, "recorded", (json_int_t)r->recorded, "late",
        (json_int_t)r->late, "same", (json_int_t)r->same, "left", "nothing",
        (json_int_t)r->nothing, "limit", (json_int_t)r->limit, "excluded",
        (json_int_t)r->excluded, "closed", (json_int_t)r->closed, "by_manner", "honest",
        (json_int_t)r->by_manner[MANNER_HONEST], "first",
        (json_int_t)r->by_manner[MANNER_FIRST], "random",
        (json_int_t)r->by_manner[MANNER_SPAM], "retries", (json_int_t)r->retries,
        "seconds", r->seconds, "next", latency_json(&r->asking), "ratings",
        latency_json(&r->answering));
}

static void tell_latency(const char *what, const client_latency *l)
{
    if (l->n)
        printf("%s  p50 %.1f ms, p99 %.1f ms, most %.1f ms (%zu)\n", what,
               1e3 * client_quantile(l, 0.5), 1e3 * client_quantile(l, 0.99),
               1e3 * client_quantile(l, 1), l->n);
}

static void tell(const simulation *m, const client_report *r)
{
    size_t n = r->recorded + r->late + r->same;
    printf("SIMULATED: %zu raters who are programs (taste: %s, seed %llu); no person "
           "answered\n",
           m->o.n_raters, taste_names[m->o.taste], (unsigned long long)m->o.seed);
    printf("ratings   %zu: %zu of honest raters, %zu of raters who prefer the first, %zu "
           "at random\n",
           n, r->by_manner[MANNER_HONEST], r->by_manner[MANNER_FIRST],
           r->by_manner[MANNER_SPAM]);
    if (r->late || r->same)
        printf("          %zu late; %zu were there already when they were sent again\n",
               r->late, r->same);
    printf("left      %zu found nothing, %zu at a limit, %zu excluded, %zu at a closed "
           "crowd\n",
           r->nothing, r->limit, r->excluded, r->closed);
    printf("time      %.1f s, %.0f ratings/s; %zu requests were sent again\n", r->seconds,
           r->seconds > 0 ? (double)n / r->seconds : 0, r->retries);
    tell_latency("next    ", &r->asking);
    tell_latency("answer  ", &r->answering);
}

static int simulate(simulation *m, error *err)
{
    client_report r;
    m->o.interrupt = &command_interrupted;
    int rc = simulated_client_run(&m->o, &r, err);
    if (rc == 0 && m->json)
        rc = json_print(report_json(m, &r), err);
    else if (rc == 0)
        tell(m, &r);
    client_report_free(&r);
    return rc;
}

static int rate_all(simulation *m, text *url, error *err)
{
    TRY(open_ledger(m, err));
    TRY(m->url ? find_server(m, url, err) : start_server(m, err));
    return simulate(m, err);
}

static int run(int argc, char **argv, error *err)
{
    if (simulate_power_wanted(argc, argv))
        return simulate_power(argc, argv, err);
    text url = {0};
    simulation m = {
        .o = {.n_raters = 50, .seed = 1, .patience_seconds = 30},
        .taste = N_TASTES,
    };
    int rc = parse(argc, argv, &m, err);
    if (rc == 0 && m.run)
        rc = run_file(&m.database, m.run, err);
    if (rc == 0 && m.taste == N_TASTES)
        rc = find_taste(&m, err);
    m.o.taste = m.taste == N_TASTES ? TASTE_PROSE : (taste)m.taste;
    if (rc == 0)
        rc = m.score_file ? simulate_score(m.score_file, m.o.taste, err)
                          : rate_all(&m, &url, err);
    server_stop(m.server);
    if (m.ledger && fclose(m.ledger) != 0 && rc == 0)
        rc = error_set(err, E_IO, "cannot write %s", m.ledger_file);
    text_free(&url);
    free(m.api_key);
    text_free(&m.database);
    return rc;
}

static const char *help(int argc, char **argv)
{
    return simulate_power_wanted(argc, argv) ? simulate_power_usage : usage;
}

const command rate_simulate = {
    .name = "simulate",
    .group = "people",
    .summary = "a simulated crowd at a server's API",
    .usage = usage,
    .help = help,
    .run = run,
};
