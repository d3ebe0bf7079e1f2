/* lamarck rate mturk: finds the subcommand; opens run, keys and endpoint for it. */
#include "rate_mturk.h"
#include "subcommand.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_EXTRA_OPTIONS = 30, MAX_ATTEMPTS = 100 };

static const command *const subcommands[] = {
    &mturk_cmd_post,
    &mturk_cmd_collect,
    &mturk_cmd_approve,
    &mturk_cmd_status,
    &mturk_cmd_expire,
    &mturk_cmd_balance,
    NULL,
};

static const char usage[] =
    "usage: lamarck rate mturk SUBCOMMAND RUN [OPTIONS]\n"
    "\n"
    "Asks workers of Amazon Mechanical Turk what is open in a run, and pays them.\n"
    "  post      offer open tasks as HITs, under a cap of money\n"
    "  collect   turn what workers sent into ratings\n"
    "  approve   pay for what was collected, each assignment once\n"
    "  status    HITs, answers and money as the run's file has them; asks nobody\n"
    "  expire    withdraw all HITs that are open\n"
    "  balance   money in the account\n"
    "\n"
    "All of them work in Amazon's sandbox, where nobody is paid, unless --production is\n"
    "given. Any of them may be killed: the next one finds out what was done.\n"
    "\n"
    "Keys: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN in the\n"
    "environment, else section [default], or [$AWS_PROFILE], of ~/.aws/credentials, or\n"
    "of the file $AWS_SHARED_CREDENTIALS_FILE. AWS_ENDPOINT_URL_MTURK or "
    "AWS_ENDPOINT_URL\n"
    "replace Amazon's address, AWS_MAX_ATTEMPTS the 10 tries of a call.\n"
    "\n"
    "'lamarck rate mturk SUBCOMMAND --help' tells all about one of them.\n";

static int run(int argc, char **argv, error *err)
{
    return subcommand_run(subcommands, "rate mturk", argc, argv, err);
}

const command rate_mturk = {
    .name = "mturk",
    .group = "people",
    .summary = "workers of Amazon Mechanical Turk",
    .usage = usage,
    .subcommands = subcommands,
    .run = run,
};

/* ---- What the subcommands share ---- */

int mturk_parse(int argc, char **argv, const option *extra, size_t n_extra,
                bool needs_run, mturk_flags *flags, const char **run_dir, error *err)
{
    option options[MAX_EXTRA_OPTIONS + 2] = {
        {"production", OPTION_FLAG, &flags->production, NULL, NULL},
        {"json", OPTION_FLAG, &flags->json, NULL, NULL},
    };
    const positionals wanted = {"RUN", needs_run, needs_run};
    size_t n;
    if (n_extra > 0)
        memcpy(options + 2, extra, n_extra * sizeof *extra);
    TRY(options_parse(argc, argv, options, n_extra + 2, &wanted, &n, err));
    *run_dir = n > 0 ? argv[1] : NULL;
    return 0;
}

static const char *variable(const char *name)
{
    const char *s = getenv(name);
    return s && *s ? s : NULL;
}

static const char *endpoint_of(mturk_place place)
{
    const char *ignore = variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    const char *own = variable("AWS_ENDPOINT_URL_MTURK");
    const char *url = own ? own : variable("AWS_ENDPOINT_URL");
    return url && !(ignore && strcasecmp(ignore, "true") == 0) ? url
                                                               : mturk_endpoints[place];
}

static int api_options(const aws_credentials *keys, const mturk_flags *flags,
                       mturk_api_options *out, error *err)
{
    mturk_place place = flags->production ? MTURK_PRODUCTION : MTURK_SANDBOX;
    uint64_t tries = 0;
    const char *attempts = variable("AWS_MAX_ATTEMPTS");
    if (attempts)
        TRY(option_number("AWS_MAX_ATTEMPTS", attempts, &tries, err));
    if (attempts && (tries < 1 || tries > MAX_ATTEMPTS))
        return error_set(err, E_USAGE,
                         "AWS_MAX_ATTEMPTS is %" PRIu64 "; it must be from 1 to %d",
                         tries, MAX_ATTEMPTS);
    *out = (mturk_api_options){.endpoint = endpoint_of(place),
                               .credentials = keys,
                               .max_tries = (size_t)tries,
                               .interrupt = &command_interrupted};
    return 0;
}

int mturk_session_api(aws_credentials *keys, const mturk_flags *flags, mturk_api **out,
                      error *err)
{
    mturk_api_options o;
    TRY(api_options(keys, flags, &o, err));
    TRY(aws_credentials_find(keys, getenv, err));
    int rc = mturk_api_open(out, &o, err);
    if (rc < 0)
        aws_credentials_free(keys);
    return rc;
}

static int put_right(mturk_session *s, error *err)
{
    mturk_recovered r = {0};
    TRY(mturk_reconcile(s->turk, &r, err));
    if (r.found + r.sent_again > 0)
        fprintf(stderr,
                "An earlier command ended before it knew what became of some HITs: found "
                "at Amazon %zu, asked for again %zu.\n",
                r.found, r.sent_again);
    return 0;
}

int mturk_session_open(mturk_session *s, const char *run_dir, const mturk_flags *flags,
                       bool calls, error *err)
{
    mturk_place place = flags->production ? MTURK_PRODUCTION : MTURK_SANDBOX;
    mturk_api_options o;
    text path = {0};
    *s = (mturk_session){0};
    int rc = text_add_format(&path, err, "%s/lamarck.sqlite", run_dir);
    if (rc == 0 && calls)
        rc = api_options(&s->keys, flags, &o, err);
    if (rc == 0 && calls)
        rc = aws_credentials_find(&s->keys, getenv, err);
    if (rc == 0)
        rc = mturk_open(&s->turk, text_string(&path), place, calls ? &o : NULL, err);
    text_free(&path);
    if (rc == 0 && calls)
        rc = put_right(s, err);
    if (rc < 0)
        mturk_session_close(s);
    return rc;
}

void mturk_session_close(mturk_session *s)
{
    mturk_close(s->turk);
    aws_credentials_free(&s->keys);
    *s = (mturk_session){0};
}

dollars dollars_of(int64_t cents)
{
    dollars d;
    uint64_t size = cents < 0 ? -(uint64_t)cents : (uint64_t)cents;
    snprintf(d.s, sizeof d.s, "%s$%" PRIu64 ".%02" PRIu64, cents < 0 ? "-" : "",
             size / 100, size % 100);
    return d;
}

void print_count(size_t n, const char *noun)
{
    printf("%zu %s%s", n, noun, n == 1 ? "" : "s");
}
