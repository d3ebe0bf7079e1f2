/* lamarck export: take a prompt out of a run. */
#include "../../prefix/prefix.h"
#include "../store/training.h"
#include "../views/export.h"
#include "../views/json_lines.h"
#include "../views/prompt_file.h"
#include "../views/summary.h"
#include "command.h"
#include "options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: lamarck export DIR [--format FORMAT] [--candidate ID] [--run ID] [--out "
    "FILE]\n"
    "\n"
    "Prints the best prompt of the run in DIR, or candidate ID (see lamarck show).\n"
    "\n"
    "  --format text        the prompt as a person reads it (default): {{input}} and\n"
    "                       {{target}} stand where they go\n"
    "  --format json        everything that is needed to score it again: see lamarck "
    "score\n"
    "  --format messages    a JSON list of {\"role\", \"content\"}, as chat services "
    "take it\n"
    "  --format promptfoo   a promptfoo configuration, the final split as its tests\n"
    "  --format peft        of a run of lamarck prefix: its vectors as an adapter "
    "folder\n"
    "                       that PEFT and 'lamarck score --prefix' load; with --out\n"
    "  --format npy         the vectors as a NumPy array; with --out\n"
    "  --candidate ID       0 (default): the best\n"
    "  --run ID             of a folder with several runs; default: the latest\n"
    "  --out FILE           instead of standard output; whole or not at all\n";

enum { AS_TEXT, AS_JSON, AS_MESSAGES, AS_PROMPTFOO, AS_PEFT, AS_NPY };
static const char *const formats[] = {"text", "json", "messages", "promptfoo",
                                      "peft", "npy",  NULL};

/* Append a JSON value, indented, and let go of it. */
static int add_json(json_t *value, text *out, error *err)
{
    char *s = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_decref(value);
    if (!s)
        return error_set(err, E_MEMORY, "out of memory while a prompt was exported");
    int rc = text_add_format(out, err, "%s\n", s);
    free(s);
    return rc;
}

/* Formats that need the candidate's genome in its experiment. */
static int add_from_genome(const run_record *r, const candidate_record *c, int format,
                           text *out, error *err)
{
    experiment *e = NULL;
    genome g = {0};
    json_t *messages = NULL;
    int rc = experiment_restore(&e, r->experiment, err);
    if (rc == 0)
        rc = genome_parse(&g, &e->spec, c->genome, strlen(c->genome), err);
    if (rc == 0 && experiment_virtual_tokens(e) > 0)
        rc = error_set(
            err, E_UNSUPPORTED,
            "the prompt begins with %zu virtual tokens, which no text can hold: "
            "--format json keeps them",
            experiment_virtual_tokens(e));
    if (rc == 0 && format == AS_PROMPTFOO)
        rc = export_promptfoo(e, &g, out, err);
    if (rc == 0 && format == AS_MESSAGES)
        rc = export_messages(e, &g, &messages, err);
    if (rc == 0 && messages)
        rc = add_json(messages, out, err);
    genome_free(&g);
    experiment_free(e);
    return rc;
}

static int export_candidate(const run_record *r, uint64_t id, int format, text *out,
                            error *err)
{
    if (id == 0)
        id = summary_best(r);
    const candidate_record *c = summary_candidate(r, id);
    if (!c && id == 0)
        return error_set(err, E_ARGUMENT,
                         "run %" PRIu64
                         " has no best prompt yet: its first generation is "
                         "not measured",
                         r->id);
    if (!c)
        return error_set(err, E_ARGUMENT,
                         "run %" PRIu64 " has no candidate %" PRIu64 ": it has %zu",
                         r->id, id, r->n_candidates);
    if (format == AS_TEXT)
        return text_add_format(out, err, "%s\n", c->prompt);
    if (format != AS_JSON)
        return add_from_genome(r, c, format, out, err);
    json_t *file;
    TRY(prompt_file_json(r, id, &file, err));
    return add_json(file, out, err);
}

/* ---- Vectors ---- */

static int write_vectors(store *s, const run_record *r, int format, const char *path,
                         error *err)
{
    prefix p = {0};
    if (!r->training)
        return error_set(err, E_ARGUMENT,
                         "run %" PRIu64
                         " is a search: its best prompt is a text; peft and "
                         "npy are for runs of lamarck prefix",
                         r->id);
    int found = store_get_prefix(s, r, &p, err);
    TRY(found);
    if (!found)
        return error_set(err, E_ARGUMENT,
                         "run %" PRIu64 " has no vectors yet: its first look at the "
                         "selection split is not done",
                         r->id);
    int rc =
        format == AS_PEFT ? prefix_save(&p, path, err) : prefix_save_npy(&p, path, err);
    prefix_free(&p);
    return rc;
}

/* Learned vectors are no text that could be printed. */
static int check_kind(const run_record *r, uint64_t id, error *err)
{
    if (!r->training || (id && id != TRAINING_LEARNED))
        return 0;
    return error_set(err, E_ARGUMENT,
                     "run %" PRIu64
                     " learned vectors: take them along with --format peft "
                     "--out ADAPTER, or --format npy --out FILE",
                     r->id);
}

static int run(int argc, char **argv, error *err)
{
    int format = AS_TEXT;
    uint64_t run_id = 0, id = 0;
    const char *path = NULL;
    const option options[] = {
        {"format", OPTION_CHOICE, &format, NULL, formats},
        {"candidate", OPTION_SEED, &id, NULL, NULL},
        {"run", OPTION_SEED, &run_id, NULL, NULL},
        {"out", OPTION_TEXT, &path, NULL, NULL},
    };
    size_t n;
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"DIR", 1, 1}, &n, err));
    bool vectors = format == AS_PEFT || format == AS_NPY;
    if (vectors && !path)
        return error_set(err, E_USAGE, "--format %s wants --out, where it goes",
                         formats[format]);
    if (vectors && id)
        return error_set(err, E_USAGE,
                         "--candidate chooses a prompt; a run has one set "
                         "of vectors");
    store *s;
    run_record *r = NULL;
    text out = {0};
    TRY(store_open_readonly(&s, argv[1], err));
    int rc = store_run_read(s, run_id, &r, err);
    if (rc == 0 && vectors)
        rc = write_vectors(s, r, format, path, err);
    else if (rc == 0)
        rc = check_kind(r, id, err);
    if (rc == 0 && !vectors)
        rc = export_candidate(r, id, format, &out, err);
    if (rc == 0 && !vectors)
        rc = command_write(&out, path, err);
    store_close(s);
    text_free(&out);
    run_record_free(r);
    return rc;
}

const command cmd_export = {
    .name = "export",
    .group = "look",
    .summary = "take a prompt along: text, JSON, messages, promptfoo; or vectors",
    .usage = usage,
    .run = run,
};
