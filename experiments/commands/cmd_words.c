/* lamarck words: what words lie next to learned vectors. */
#include "../../prefix/prefix.h"
#include "../../prefix/readback.h"
#include "../views/json_lines.h"
#include "../views/terminal.h"
#include "command.h"
#include "command_model.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: lamarck words MODEL --prefix ADAPTER [--nearest K] [--beam WIDTH]\n"
    "                     [--fluency WEIGHT]\n"
    "\n"
    "Reads virtual tokens at the input (prompt tuning) back into words. Prints, as "
    "JSON,\n"
    "a line per vector with the tokens most like it by cosine and by dot product; then "
    "a\n"
    "line per text: those of the nearest tokens, and the sequences that a beam finds\n"
    "that weighs the cosines with the model's own log-probability. Special tokens are\n"
    "left out. \"survives\" says whether the text is tokenised into the same tokens "
    "again:\n"
    "only then would a prompt with it be what was read.\n"
    "\n"
    "  --prefix ADAPTER   a folder from 'lamarck export --format peft', or PEFT's own\n"
    "  --nearest K        tokens per vector; default 8\n"
    "  --beam WIDTH       sequences kept; default 4; 0: no beam\n"
    "  --fluency WEIGHT   what a nat weighs against a cosine of 1; default 0.05\n"
    "\n" //
    MODEL_OPTIONS_USAGE;

typedef struct request {
    const char *prefix;
    beam_options beam;
    model_choice choice;
} request;

/* ---- Lines ---- */

/* Bytes that are no text are shown as U+FFFD; the id says what they are. New. */
static json_t *token_json(const tokenizer *t, int32_t id, double value)
{
    size_t n = 0;
    text printable = {0};
    const char *s = tokenizer_token(t, id, &n);
    json_t *token = NULL;
    if (terminal_printable(&printable, s ? s : "", n, NULL) == 0)
        token = json_pack("{s:I, s:s, s:f}", "id", (json_int_t)id, "token",
                          text_string(&printable), "value", value);
    text_free(&printable);
    return token;
}

static json_t *tokens_json(const tokenizer *t, const int32_t *ids, const double *values,
                           size_t k)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < k && ids[i] >= 0; i++)
        if (json_array_append_new(list, token_json(t, ids[i], values[i])) != 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static int print_text(const tokenizer *t, const char *by, const int32_t *ids, size_t n,
                      double score, error *err)
{
    text decoded = {0}, printable = {0};
    json_t *list = json_array();
    int survives = readback_survives(t, ids, n, err);
    int rc = survives < 0 ? survives : tokenizer_decode(t, ids, n, false, &decoded, err);
    if (rc == 0)
        rc = terminal_printable(&printable, text_string(&decoded), decoded.n, err);
    for (size_t i = 0; rc == 0 && list && i < n; i++)
        if (json_array_append_new(list, json_integer(ids[i])) != 0)
            rc = error_memory(err, n * sizeof *ids);
    if (rc == 0)
        rc = json_print_line(json_pack("{s:s, s:s, s:O, s:f, s:b}", "by", by, "text",
                                       text_string(&printable), "ids", list, "score",
                                       score, "survives", survives),
                             err);
    json_decref(list);
    text_free(&decoded);
    text_free(&printable);
    return rc;
}

/* ---- Readings ---- */

typedef struct reading {
    const model *model;
    session *session;
    const prefix *vectors;
    const request *request;
    int32_t *ids[2]; /* (n, k) by embedding_measure; owned */
    double *values[2];
} reading;

static const char *const measure_names[] = {"dot", "cosine"};

static int find_nearest(reading *r, error *err)
{
    size_t n = r->vectors->n, k = r->request->beam.nearest, total;
    if (!size_mul(n, k, &total))
        return error_memory(err, SIZE_MAX);
    for (embedding_measure m = MEASURE_DOT; m <= MEASURE_COSINE; m++) {
        r->ids[m] = array_new(total, sizeof *r->ids[m]);
        r->values[m] = array_new(total, sizeof *r->values[m]);
        if (!r->ids[m] || !r->values[m])
            return error_memory(err, total * sizeof *r->values[m]);
        TRY(readback_nearest(r->session, r->vectors->values, n, m, NULL, k, r->ids[m],
                             r->values[m], err));
    }
    return 0;
}

static int print_nearest(const reading *r, error *err)
{
    size_t k = r->request->beam.nearest;
    const tokenizer *t = model_tokenizer(r->model);
    for (size_t i = 0; i < r->vectors->n; i++)
        TRY(json_print_line(json_pack("{s:I, s:o, s:o}", "vector", (json_int_t)i,
                                      "cosine",
                                      tokens_json(t, r->ids[MEASURE_COSINE] + i * k,
                                                  r->values[MEASURE_COSINE] + i * k, k),
                                      "dot",
                                      tokens_json(t, r->ids[MEASURE_DOT] + i * k,
                                                  r->values[MEASURE_DOT] + i * k, k)),
                            err));
    return 0;
}

/* The text of each vector's nearest token; its score is the sum of the measures. */
static int print_nearest_text(const reading *r, embedding_measure m, error *err)
{
    size_t n = r->vectors->n, k = r->request->beam.nearest;
    double sum = 0;
    int32_t *ids = array_new(n, sizeof *ids);
    if (!ids)
        return error_memory(err, n * sizeof *ids);
    for (size_t i = 0; i < n; i++) {
        ids[i] = r->ids[m][i * k];
        sum += r->values[m][i * k];
    }
    int rc = print_text(model_tokenizer(r->model), measure_names[m], ids, n, sum, err);
    free(ids);
    return rc;
}

/* The vectors as a text of their own, behind a BOS where the model wants one. */
static int print_beam(const reading *r, error *err)
{
    const tokenizer *t = model_tokenizer(r->model);
    const tokenizer_info *info = tokenizer_describe(t);
    const beam_options *o = &r->request->beam;
    size_t n = r->vectors->n, bos = info->add_bos && info->bos >= 0, total;
    if (!size_mul(n + bos, o->width, &total))
        return error_memory(err, SIZE_MAX);
    int32_t *head = array_new(n + bos, sizeof *head);
    uint32_t *places = array_new(n + bos, sizeof *places);
    int32_t *ids = array_new(total, sizeof *ids);
    double *scores = array_new(o->width, sizeof *scores);
    int rc = head && places && ids && scores ? 0 : error_memory(err, total * sizeof *ids);
    for (size_t i = 0; rc == 0 && i < n + bos; i++) {
        head[i] = i < bos ? info->bos : 0;
        places[i] = i < bos ? place_none : (uint32_t)(i - bos);
    }
    vector_text x = {head, places, n + bos, r->vectors->values, n};
    if (rc == 0)
        rc = readback_beam(r->session, &x, NULL, o, ids, scores, err);
    for (int i = 0, count = rc; rc >= 0 && i < count; i++)
        rc = print_text(t, "beam", ids + (size_t)i * n, n, scores[i], err);
    free(head);
    free(places);
    free(ids);
    free(scores);
    return rc < 0 ? rc : 0;
}

static int read_vectors(reading *r, error *err)
{
    if (r->vectors->kind != PREFIX_EMBEDDINGS)
        return error_set(err, E_UNSUPPORTED,
                         "%s holds keys and values of every layer, which no word is near "
                         "to; words are for virtual tokens at the input (method prompt)",
                         r->request->prefix);
    TRY(prefix_check_model(r->vectors, r->model, err));
    TRY(find_nearest(r, err));
    TRY(print_nearest(r, err));
    TRY(print_nearest_text(r, MEASURE_COSINE, err));
    TRY(print_nearest_text(r, MEASURE_DOT, err));
    return r->request->beam.width ? print_beam(r, err) : 0;
}

static int run(int argc, char **argv, error *err)
{
    request q = {.beam = beam_defaults()};
    const option options[] = {
        {"prefix", OPTION_TEXT, &q.prefix, NULL, NULL},
        {"nearest", OPTION_SIZE, &q.beam.nearest, NULL, NULL},
        {"beam", OPTION_SIZE, &q.beam.width, NULL, NULL},
        {"fluency", OPTION_REAL, &q.beam.fluency, NULL, NULL},
        MODEL_OPTIONS(q.choice),
    };
    size_t n;
    prefix p = {0};
    TRY(options_parse(argc, argv, options, sizeof options / sizeof *options,
                      &(positionals){"MODEL", 1, 1}, &n, err));
    if (!q.prefix)
        return error_set(err, E_USAGE, "--prefix ADAPTER is missing");
    if (q.beam.nearest == 0)
        return error_set(err, E_USAGE, "--nearest is 0; 1 or more are needed");
    reading r = {.vectors = &p, .request = &q};
    model *m = NULL;
    TRY(prefix_load(&p, q.prefix, err));
    int rc = command_model_open(argv[1], &q.choice, &m, &r.session, err);
    r.model = m;
    if (rc == 0) {
        rc = read_vectors(&r, err);
        session_close(r.session);
        model_close(m);
    }
    for (size_t i = 0; i < 2; i++) {
        free(r.ids[i]);
        free(r.values[i]);
    }
    prefix_free(&p);
    return rc;
}

const command cmd_words = {
    .name = "words",
    .group = "model",
    .summary = "what words lie next to learned vectors",
    .usage = usage,
    .run = run,
};
