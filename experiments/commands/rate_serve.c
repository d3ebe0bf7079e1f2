/* lamarck rate serve: the rating page and its API. */
#include "rate_serve.h"
#include "../../rater/crowd.h"
#include "../../rater/server.h"
#include "options.h"
#include "run_file.h"
#include "secret.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "usage: lamarck rate serve RUN [--port N] [--open] [--invite NAME]…\n"
    "\n"
    "Serves the page on which people rate the outputs of RUN (a run's folder), until\n"
    "Ctrl-C. Whatever a rater has seen accepted is on the disk: the server may be "
    "killed\n"
    "at any time. The first line printed is the page's address; it can be opened, and\n"
    "read by scripts.\n"
    "\n"
    "Who may rate\n"
    "  --invite NAME       print 'NAME<TAB>LINK' with a link of NAME's own; may be "
    "given\n"
    "                      several times. Only a hash of the link is kept: a lost one "
    "is\n"
    "                      replaced by inviting again, and both work\n"
    "  --open              whoever opens the address may rate\n"
    "  --mturk             the pages that a HIT of Mechanical Turk shows in its frame\n"
    "\n"
    "Where\n"
    "  --port N            default 8080; 0 takes a free one\n"
    "  --host ADDR         a numeric address; default 127.0.0.1: this machine alone\n"
    "  --public            ADDR may be one that others can reach\n"
    "  --tls-cert FILE --tls-key FILE    serve HTTPS with this certificate (PEM)\n"
    "  --public-url URL    what the address is called outside, when a proxy is before "
    "it;\n"
    "                      a proxy on this machine is then believed in X-Forwarded-For\n"
    "\n"
    "For programs: /api/v1, described by /openapi.json\n"
    "  --api-key-file FILE the key that the API wants as 'Authorization: Bearer KEY';\n"
    "                      default: the environment's LAMARCK_API_KEY. Without a key\n"
    "                      there is no API\n"
    "  --webhook-secret-file FILE   what ratings that come in by POST /api/v1/webhook "
    "are\n"
    "                      signed with; default: the environment's\n"
    "                      LAMARCK_WEBHOOK_SECRET. Without it none come in\n"
    "\n"
    "Limits\n"
    "  --rater-rate N      requests a minute of one rater; default 120, 0: no limit\n"
    "  --address-rate N    requests a minute of one address; default 3000. Callers with\n"
    "                      the API's key are not limited\n"
    "  --patience SECONDS  that a client may take to send a request; default 30\n";

enum {
    PEM_MOST = 1 << 20,
    PORT = 8080,
    WAKE_MS = 200, /* how soon Ctrl-C is seen */
};

typedef struct serving {
    server_options o;
    option_list invited;
    const char *certificate_file, *key_file, *api_key_file, *webhook_file;
    text database;
    char *certificate, *secret_key, *api_key, *webhook_secret; /* owned */
} serving;

static int parse(int argc, char **argv, serving *v, error *err)
{
    server_options *o = &v->o;
    const option options[] = {
        {"port", OPTION_SIZE, &o->port, NULL, NULL},
        {"host", OPTION_TEXT, &o->host, NULL, NULL},
        {"public", OPTION_FLAG, &o->beyond_loopback, NULL, NULL},
        {"open", OPTION_FLAG, &o->open, NULL, NULL},
        {"mturk", OPTION_FLAG, &o->mturk, NULL, NULL},
        {"invite", OPTION_LIST, &v->invited, NULL, NULL},
        {"tls-cert", OPTION_TEXT, &v->certificate_file, NULL, NULL},
        {"tls-key", OPTION_TEXT, &v->key_file, NULL, NULL},
        {"public-url", OPTION_TEXT, &o->public_url, NULL, NULL},
        {"webhook-secret-file", OPTION_TEXT, &v->webhook_file, NULL, NULL},
        {"api-key-file", OPTION_TEXT, &v->api_key_file, NULL, NULL},
        {"rater-rate", OPTION_REAL, &o->rater_per_minute, NULL, NULL},
        {"address-rate", OPTION_REAL, &o->address_per_minute, NULL, NULL},
        {"patience", OPTION_REAL, &o->patience_seconds, NULL, NULL},
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"RUN", 1, 1}, &n, err));
    if (!v->certificate_file != !v->key_file)
        return error_set(err, E_USAGE, "--tls-cert and --tls-key belong together");
    if (o->rater_per_minute < 0 || o->address_per_minute < 0)
        return error_set(err, E_USAGE, "a rate is not below 0");
    if (!(o->patience_seconds >= 1 && o->patience_seconds <= 3600))
        return error_set(err, E_USAGE, "--patience is 1 to 3600 seconds");
    return 0;
}

static int read_keys(serving *v, error *err)
{
    TRY(secret_read("API key", v->api_key_file, "LAMARCK_API_KEY", &v->api_key, err));
    TRY(secret_read("webhook secret", v->webhook_file, "LAMARCK_WEBHOOK_SECRET",
                    &v->webhook_secret, err));
    v->o.api_key = v->api_key;
    v->o.webhook_secret = v->webhook_secret;
    return 0;
}

static int read_tls(serving *v, error *err)
{
    size_t n;
    if (!v->certificate_file)
        return 0;
    TRY(file_read(v->certificate_file, PEM_MOST, &v->certificate, &n, err));
    TRY(file_read(v->key_file, PEM_MOST, &v->secret_key, &n, err));
    v->o.certificate = v->certificate;
    v->o.secret_key = v->secret_key;
    return 0;
}

/* Names stand on lines of their own, before a tab. */
static int check_names(const option_list *names, error *err)
{
    for (size_t i = 0; i < names->n; i++) {
        const char *s = names->items[i];
        size_t n = strlen(s);
        if (n == 0 || n > 200 || utf8_check(s, n) < n || strpbrk(s, "\t\r\n"))
            return error_set(err, E_USAGE,
                             "--invite wants a name of 1 to 200 bytes on one line");
    }
    return 0;
}

static int invite_all(const serving *v, const char *url, error *err)
{
    crowd *c;
    if (!v->invited.n)
        return 0;
    TRY(crowd_open(&c, v->o.database, err));
    int rc = 0;
    for (size_t i = 0; i < v->invited.n && rc == 0; i++) {
        int64_t rater;
        char token[RATER_TOKEN];
        rc = crowd_rater(c, RATER_INVITED, v->invited.items[i], (int64_t)time(NULL),
                         &rater, err);
        if (rc == 0)
            rc = crowd_invite(c, rater, token, err);
        if (rc == 0)
            printf("%s\t%s/r/%s\n", v->invited.items[i], url, token);
    }
    crowd_close(c);
    return rc;
}

static void log_line(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "lamarck: %s\n", line);
}

/* What everybody should know who lets others in. */
static void warn(const serving *v)
{
    const server_options *o = &v->o;
    if (o->beyond_loopback && !o->certificate)
        fprintf(stderr,
                "warning: %s without TLS: whoever is on the way between a rater and this "
                "machine can read and change what is sent. Use --tls-cert and --tls-key, "
                "or a proxy that speaks HTTPS.\n",
                o->host);
    if (o->beyond_loopback && o->open)
        fprintf(stderr, "warning: --open with --public: anybody can rate, and can be "
                        "several raters.\n");
    if (!o->open && !o->mturk && !o->api_key && !o->webhook_secret && !v->invited.n)
        fprintf(stderr, "note: nobody new can come in: there is no --open, no --invite "
                        "and no API key; links given earlier work.\n");
}

static int serve(serving *v, error *err)
{
    server *s;
    TRY(server_start(&s, &v->o, err));
    printf("%s/\n", server_url(s));
    int rc = invite_all(v, server_url(s), err);
    fflush(stdout);
    if (rc == 0)
        warn(v);
    while (rc == 0 && !command_interrupted)
        poll(NULL, 0, WAKE_MS);
    server_stop(s);
    return rc;
}

static int run(int argc, char **argv, error *err)
{
    serving v = {.o = {
                     .host = "127.0.0.1",
                     .port = PORT,
                     .rater_per_minute = 120,
                     .address_per_minute = 3000,
                     .patience_seconds = 30,
                     .log = log_line,
                 }};
    int rc = parse(argc, argv, &v, err);
    if (rc == 0)
        rc = check_names(&v.invited, err);
    if (rc == 0)
        rc = run_file(&v.database, argv[1], err);
    v.o.database = v.database.s;
    if (rc == 0)
        rc = read_keys(&v, err);
    if (rc == 0)
        rc = read_tls(&v, err);
    if (rc == 0)
        rc = serve(&v, err);
    option_list_free(&v.invited);
    text_free(&v.database);
    free(v.certificate);
    free(v.secret_key);
    free(v.api_key);
    free(v.webhook_secret);
    return rc;
}

const command rate_serve = {
    .name = "serve",
    .group = "people",
    .summary = "the rating page and its API",
    .usage = usage,
    .run = run,
};
