/* lamarck rate invite: links of their own for raters. */
#include "rate_crowd.h"

#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "usage: lamarck rate invite RUN [--count N | --name NAME…] [--base URL]\n"
    "\n"
    "Prints a line 'NAME<TAB>LINK' for each rater: a link of his own to the page of\n"
    "'lamarck rate serve RUN'. Only a hash of it is kept: who loses his link is invited\n"
    "again by name, and both work.\n"
    "\n"
    "  --count N            N new raters, named \"guest 1\", \"guest 2\", …; default 1\n"
    "  --name NAME          a rater by name, new or not; may be given several times\n"
    "  --base URL           where the page is; default http://127.0.0.1:8080\n";

enum { MOST_GUESTS = 100000 };

/* Of the raters named "guest N", the largest N; 0 when there are none. */
static int last_guest(crowd *c, size_t *last, error *err)
{
    rater_quality *all;
    size_t n;
    *last = 0;
    TRY(crowd_raters(c, &all, &n, err));
    for (size_t i = 0; i < n; i++) {
        uint64_t number = 0;
        bool guest = strncmp(all[i].name, "guest ", 6) == 0 &&
                     option_number("", all[i].name + 6, &number, NULL) == 0;
        if (guest && all[i].source == RATER_INVITED && number > *last &&
            number < SIZE_MAX - MOST_GUESTS)
            *last = (size_t)number;
    }
    rater_quality_free(all, n);
    return 0;
}

/* Names with a tab or newline would be two columns, or two lines. */
static int check_name(const char *name, error *err)
{
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return error_set(err, E_USAGE,
                             "--name has a control character at byte %zu, which a line "
                             "of the output cannot hold",
                             (size_t)(p - name));
    return 0;
}

static int invite(crowd *c, const char *name, const char *base, text *out, error *err)
{
    int64_t rater;
    char token[RATER_TOKEN];
    size_t n = strlen(base);
    while (n && base[n - 1] == '/')
        n--;
    TRY(crowd_rater(c, RATER_INVITED, name, (int64_t)time(NULL), &rater, err));
    TRY(crowd_invite(c, rater, token, err));
    return text_add_format(out, err, "%s\t%.*s/r/%s\n", name, (int)n, base, token);
}

static int invite_all(crowd *c, size_t count, const option_list *names, const char *base,
                      text *out, error *err)
{
    size_t last;
    char guest[40];
    TRY(last_guest(c, &last, err));
    for (size_t i = 0; i < names->n; i++)
        TRY(invite(c, names->items[i], base, out, err));
    for (size_t i = 0; i < count; i++) {
        snprintf(guest, sizeof guest, "guest %zu", last + 1 + i);
        TRY(invite(c, guest, base, out, err));
    }
    return 0;
}

/* All invitations or none; they are printed when they are on the disk. */
static int invite_and_tell(crowd *c, size_t count, const option_list *names,
                           const char *base, error *err)
{
    text out = {0};
    TRY(crowd_begin(c, err));
    int rc = invite_all(c, count, names, base, &out, err);
    if (rc == 0)
        rc = crowd_commit(c, err);
    else
        crowd_rollback(c);
    if (rc == 0)
        printf("%s", text_string(&out));
    text_free(&out);
    return rc;
}

static int check(size_t count, bool counted, const option_list *names, const char *base,
                 error *err)
{
    if (counted && names->n)
        return error_set(err, E_USAGE, "--count and --name do not go together");
    if (count < 1 || count > MOST_GUESTS)
        return error_set(err, E_USAGE, "--count is %zu; it must be 1 to %d", count,
                         MOST_GUESTS);
    for (size_t i = 0; i < names->n; i++)
        TRY(check_name(names->items[i], err));
    if (strncmp(base, "http://", 7) != 0 && strncmp(base, "https://", 8) != 0)
        return error_set(err, E_USAGE, "--base wants http://… or https://…, not '%.200s'",
                         base);
    return 0;
}

static int run(int argc, char **argv, error *err)
{
    size_t count = 1, n;
    bool counted = false;
    option_list names = {0};
    const char *base = "http://127.0.0.1:8080";
    crowd *c = NULL;
    const option options[] = {
        {"count", OPTION_SIZE, &count, &counted, NULL},
        {"name", OPTION_LIST, &names, NULL, NULL},
        {"base", OPTION_TEXT, &base, NULL, NULL},
    };
    int rc = options_parse(argc, argv, options, sizeof options / sizeof *options,
                           &(positionals){"RUN", 1, 1}, &n, err);
    if (rc == 0)
        rc = check(count, counted, &names, base, err);
    if (rc == 0)
        rc = run_crowd_open(&c, argv[1], false, err);
    if (rc == 0)
        rc = invite_and_tell(c, names.n ? 0 : count, &names, base, err);
    crowd_close(c);
    option_list_free(&names);
    return rc;
}

const command rate_invite = {
    .name = "invite",
    .group = "people",
    .summary = "links of their own for raters",
    .usage = usage,
    .run = run,
};
