/* lamarck list: which runs there are, and how they stand. */
#include "../views/json_lines.h"
#include "../views/summary.h"
#include "../views/terminal.h"
#include "command.h"
#include "options.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char usage[] =
    "usage: lamarck list [DIR…] [--json]\n"
    "\n"
    "Lists the runs in each folder DIR, and in the folders directly below it that hold\n"
    "runs; default: runs. Seed and best are their scores on the final split.\n";

typedef struct listing {
    bool json;
    json_t *all; /* of --json */
    size_t n;    /* runs seen */
} listing;

static int list_json(listing *l, const char *dir, const run_record *r, error *err)
{
    spend all = summary_spent(r);
    const verdict *v = r->has_verdict ? &r->verdict : NULL;
    json_t *line = json_pack(
        "{s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:I}", "dir", dir, "run",
        (json_int_t)r->id, "name", r->name, "kind", r->training ? "prefix" : "evolve",
        "status", run_status_name(r->status), "started", r->started, "random_seed",
        (json_int_t)r->seed, "seed_score",
        v ? json_real_or_null(v->seed.score) : json_null(), "best_score",
        v ? json_real_or_null(v->best.score) : json_null(), "p",
        v ? json_real_or_null(v->p) : json_null(), "tokens", (json_int_t)all.tokens);
    if (!line || json_array_append_new(l->all, line) < 0)
        return error_set(err, E_MEMORY, "out of memory while the list was put together");
    return 0;
}

static const char *conclusion_word(const run_record *r)
{
    static const char *const words[] = {
        [CONCLUSION_NONE] = "",
        [CONCLUSION_SAME] = "seed stands",
        [CONCLUSION_BETTER] = "better",
        [CONCLUSION_WORSE] = "worse",
        [CONCLUSION_NOT_SHOWN] = "not shown",
    };
    return words[summary_conclusion(r)];
}

static int list_text(const listing *l, const char *dir, const run_record *r, error *err)
{
    char seed[16] = "-", best[16] = "-";
    if (r->has_verdict) {
        snprintf(seed, sizeof seed, "%.4f", r->verdict.seed.score);
        snprintf(best, sizeof best, "%.4f", r->verdict.best.score);
    }
    text tokens = {0}, where = {0};
    spend all = summary_spent(r);
    int rc = summary_count(&tokens, all.tokens, err);
    if (rc == 0)
        rc = terminal_printable(&where, dir, strlen(dir), err);
    if (rc == 0 && l->n == 0)
        printf("%-32s %4s %-9s %10s %10s %-12s %12s\n", "folder", "run", "status", "seed",
               "best", "verdict", "tokens");
    if (rc == 0)
        printf("%-32s %4" PRIu64 " %-9s %10s %10s %-12s %12s\n", text_string(&where),
               r->id, run_status_name(r->status), seed, best, conclusion_word(r),
               text_string(&tokens));
    text_free(&tokens);
    text_free(&where);
    return rc;
}

static int list_folder(listing *l, const char *dir, error *err)
{
    store *s;
    TRY(store_open_readonly(&s, dir, err));
    uint64_t *ids = NULL;
    size_t n = 0;
    int rc = store_run_ids(s, &ids, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        run_record *r = NULL;
        rc = store_run_read(s, ids[i], &r, err);
        if (rc == 0)
            rc = l->json ? list_json(l, dir, r, err) : list_text(l, dir, r, err);
        run_record_free(r);
        l->n++;
    }
    free(ids);
    store_close(s);
    return rc;
}

static bool holds_store(const char *dir)
{
    text path = {0};
    struct stat st;
    bool found = text_add_format(&path, NULL, "%s/lamarck.sqlite", dir) == 0 &&
                 stat(path.s, &st) == 0;
    text_free(&path);
    return found;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* The folders below, by name. */
static int list_below(listing *l, const char *dir, error *err)
{
    struct dirent **entries;
    int n = scandir(dir, &entries, visible, alphasort);
    if (n < 0)
        return error_set(err, E_IO, "cannot read the folder %s: %s", dir,
                         strerror(errno));
    int rc = 0;
    for (int i = 0; i < n; i++) {
        text path = {0};
        if (rc == 0)
            rc = text_add_format(&path, err, "%s/%s", dir, entries[i]->d_name);
        if (rc == 0 && holds_store(path.s))
            rc = list_folder(l, path.s, err);
        text_free(&path);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

static int run(int argc, char **argv, error *err)
{
    listing l = {0};
    const option options[] = {{"json", OPTION_FLAG, &l.json, NULL, NULL}};
    size_t n;
    TRY(options_parse(argc, argv, options, 1, &(positionals){"DIR", 0, (size_t)argc}, &n,
                      err));
    l.all = json_array();
    int rc = l.all ? 0 : error_set(err, E_MEMORY, "out of memory");
    struct stat st;
    bool none = n == 0 && stat("runs", &st) < 0 && errno == ENOENT;
    for (size_t i = 0; rc == 0 && !none && i < (n ? n : 1); i++) {
        const char *dir = n ? argv[i + 1] : "runs";
        rc = holds_store(dir) ? list_folder(&l, dir, err) : list_below(&l, dir, err);
    }
    if (rc == 0 && l.json)
        rc = json_print(json_incref(l.all), err);
    else if (rc == 0 && l.n == 0)
        printf("no runs\n");
    json_decref(l.all);
    return rc;
}

const command cmd_list = {
    .name = "list",
    .group = "look",
    .summary = "the runs in some folders, and how they stand",
    .usage = usage,
    .run = run,
};
