/* Exported prompts, out and in. */
#include "prompt_file.h"
#include "json_lines.h"
#include "summary.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, MAX_BYTES = 256 << 20 };
static const char format_name[] = "lamarck-prompt";

/* ---- Out ---- */

static json_t *score_json(double score, double se, size_t n)
{
    return json_pack("{s:o, s:o, s:I}", "score", json_real_or_null(score), "se",
                     json_real_or_null(se), "examples", (json_int_t)n);
}

/* What the run reported of the candidate, by split; null where it was not measured. */
static json_t *scores_json(const run_record *r, const candidate_record *c)
{
    const verdict *v = &r->verdict;
    const split_score *selection = NULL, *final = NULL;
    for (size_t i = 0; r->has_verdict && i < v->n_selection; i++)
        if (v->selection[i].candidate == c->id)
            selection = &v->selection[i];
    if (r->has_verdict && v->best.candidate == c->id)
        final = &v->best;
    if (r->has_verdict && v->seed.candidate == c->id)
        final = &v->seed;
    return json_pack("{s:o, s:o, s:o}", "search",
                     c->n ? score_json(c->value, c->se, c->n) : json_null(), "selection",
                     selection ? score_json(selection->score, selection->se, selection->n)
                               : json_null(),
                     "final",
                     final ? score_json(final->score, final->se, final->n) : json_null());
}

int prompt_file_json(const run_record *r, uint64_t id, json_t **out, error *err)
{
    const candidate_record *c = summary_candidate(r, id);
    if (!c)
        return error_set(err, E_ARGUMENT,
                         "run %" PRIu64 " has no candidate %" PRIu64 ": it has %zu",
                         r->id, id, r->n_candidates);
    json_error_t problem;
    json_t *genes = json_loads(c->genome, JSON_DECODE_ANY, &problem);
    json_t *setup = json_loads(r->experiment, 0, &problem);
    json_t *made = NULL;
    if (genes && setup)
        made = json_pack("{s:s, s:i, s:s, s:I, s:I, s:s, s:s, s:o, s:s, s:s, s:O, s:O}",
                         "format", format_name, "version", VERSION, "name", r->name,
                         "run", (json_int_t)r->id, "candidate", (json_int_t)c->id,
                         "operators", c->operators ? c->operators : "", "prompt",
                         c->prompt ? c->prompt : "", "scores", scores_json(r, c),
                         "model_hash", r->model_hash, "backend", r->backend, "genome",
                         genes, "experiment", setup);
    bool damaged = !genes || !setup;
    json_decref(genes);
    json_decref(setup);
    if (damaged)
        return error_set(err, E_FORMAT,
                         "the record of candidate %" PRIu64 " is damaged: %s", id,
                         problem.text);
    if (!made)
        return error_set(err, E_MEMORY, "out of memory while a prompt was exported");
    *out = made;
    return 0;
}

/* ---- In ---- */

bool prompt_file_is(const char *path)
{
    char head[256] = "";
    FILE *f = file_open(path);
    if (!f)
        return false;
    size_t n = fread(head, 1, sizeof head - 1, f);
    fclose(f);
    head[n] = '\0';
    return head[strspn(head, " \t\r\n")] == '{' && strstr(head, format_name) != NULL;
}

static int check_format(const json_t *file, error *err)
{
    const char *format = json_string_value(json_object_get(file, "format"));
    json_int_t version = json_integer_value(json_object_get(file, "version"));
    if (!format || strcmp(format, format_name) != 0)
        return error_set(err, E_FORMAT, "not a prompt of 'lamarck export --format json'");
    if (version != VERSION)
        return error_set(err, E_UNSUPPORTED,
                         "its format has version %" JSON_INTEGER_FORMAT
                         ", this lamarck reads version %d",
                         version, VERSION);
    return 0;
}

static int read_parts(prompt_file *p, const json_t *file, error *err)
{
    TRY(check_format(file, err));
    const char *hash = json_string_value(json_object_get(file, "model_hash"));
    const json_t *genome_value = json_object_get(file, "genome");
    const json_t *setup = json_object_get(file, "experiment");
    if (!hash || !genome_value || !setup)
        return error_set(err, E_FORMAT,
                         "\"model_hash\", \"genome\" or \"experiment\" is missing");
    char *dump = json_dumps(setup, JSON_REAL_PRECISION(17));
    char *genes = json_dumps(genome_value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    p->model_hash = string_copy(hash);
    int rc = dump && genes && p->model_hash ? 0 : error_memory(err, strlen(hash));
    if (rc == 0)
        rc = experiment_restore(&p->experiment, dump, err);
    if (rc == 0)
        rc = genome_parse(&p->genome, &p->experiment->spec, genes, strlen(genes), err);
    free(dump);
    free(genes);
    return rc;
}

int prompt_file_read(prompt_file *out, const char *path, error *err)
{
    char *bytes;
    size_t n;
    json_error_t problem;
    prompt_file p = {0};
    TRY(file_read(path, MAX_BYTES, &bytes, &n, err));
    json_t *file = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &problem);
    free(bytes);
    if (!file)
        return error_set(err, E_FORMAT, "%s:%d:%d: %s", path, problem.line,
                         problem.column, problem.text);
    int rc = read_parts(&p, file, err);
    json_decref(file);
    if (rc < 0) {
        error_prefix(err, "%s", path);
        prompt_file_free(&p);
        return rc;
    }
    *out = p;
    return 0;
}

void prompt_file_free(prompt_file *p)
{
    genome_free(&p->genome);
    experiment_free(p->experiment);
    free(p->model_hash);
    *p = (prompt_file){0};
}
