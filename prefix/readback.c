#include "readback.h"

#include <stdlib.h>
#include <string.h>

/* ---- Nearest tokens that may stand there ---- */

static bool is_allowed(const tokenizer *t, const token_rule *rule, size_t position,
                       int32_t id)
{
    return !tokenizer_is_special(t, id) &&
           (!rule || !rule->allows || rule->allows(rule->context, position, id));
}

/* Those of all[0..n) that are allowed, up to k; returns how many. */
static size_t keep_allowed(const tokenizer *t, const token_rule *rule, size_t position,
                           const int32_t *all, const double *values, size_t n, size_t k,
                           int32_t *ids, double *measures)
{
    size_t kept = 0;
    for (size_t i = 0; i < n && kept < k; i++) {
        if (!is_allowed(t, rule, position, all[i]))
            continue;
        ids[kept] = all[i];
        if (measures)
            measures[kept] = values[i];
        kept++;
    }
    return kept;
}

/* One vector. Few tokens of many are asked for at first; more where rules leave too few.
 */
static int nearest_one(session *s, const float *vector, embedding_measure measure,
                       const token_rule *rule, size_t position, const model *m, size_t k,
                       int32_t *ids, double *measures, error *err)
{
    enum { FIRST = 64, WIDER = 8 };
    size_t V = model_describe(m)->n_vocabulary, kept = 0, asked = FIRST;
    while (asked < k)
        asked *= WIDER;
    for (;; asked *= WIDER) {
        size_t n = asked < V ? asked : V;
        int32_t *all = array_new(n, sizeof *all);
        double *values = array_new(n, sizeof *values);
        int rc = all && values ? 0 : error_memory(err, n * sizeof *values);
        if (rc == 0)
            rc = model_nearest_tokens(s, vector, 1, measure, n, all, values, err);
        if (rc == 0)
            kept = keep_allowed(model_tokenizer(m), rule, position, all, values, n, k,
                                ids, measures);
        free(all);
        free(values);
        TRY(rc);
        if (kept == k || n == V)
            break;
    }
    for (size_t i = kept; i < k; i++)
        ids[i] = -1;
    return 0;
}

int readback_nearest(session *s, const float *vectors, size_t n,
                     embedding_measure measure, const token_rule *rule, size_t k,
                     int32_t *ids, double *measures, error *err)
{
    const model *m = session_model(s);
    size_t C = model_describe(m)->width;
    for (size_t i = 0; i < n; i++)
        TRY(nearest_one(s, vectors + i * C, measure, rule, i, m, k, ids + i * k,
                        measures ? measures + i * k : NULL, err));
    return 0;
}

/* ---- The beam ---- */

beam_options beam_defaults(void)
{
    return (beam_options){.width = 4, .nearest = 8, .fluency = 0.05};
}

/* From the first vector's position to behind the last one's. */
static void vector_span(const vector_text *x, size_t *first, size_t *end)
{
    *first = *end = 0;
    for (size_t t = x->m; t-- > 0;)
        if (x->places[t] != place_none) {
            *first = t;
            *end = *end ? *end : t + 1;
        }
}

uint64_t readback_beam_tokens(const vector_text *x, const beam_options *o)
{
    size_t first, end;
    uint64_t tokens = 0;
    vector_span(x, &first, &end);
    for (size_t t = first; t < end; t++)
        tokens += o->width * t;
    return tokens;
}

/* A beginning of the text, or one token more of it. */
typedef struct hypothesis {
    double score;
    size_t parent;
    int32_t id;
} hypothesis;

typedef struct beam {
    session *session;
    const vector_text *text;
    const beam_options *options;
    size_t V;
    int32_t *nearest; /* (n, k) of each vector */
    double *cosines;
    int32_t *ids, *next_ids; /* (width, m): the sequences kept */
    double *scores;          /* (width) */
    size_t n;                /* sequences */
    int32_t *ranked;         /* (width, V), of model_next */
    double *ranked_logprobs;
    double *logprobs; /* (width, V), by token */
    hypothesis *all;  /* (width * k) */
} beam;

static void beam_free(beam *b)
{
    void *parts[] = {b->nearest, b->cosines, b->ids,      b->next_ids,       b->scores,
                     b->ranked,  b->all,     b->logprobs, b->ranked_logprobs};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
}

static int beam_new(beam *b, session *s, const vector_text *x, const token_rule *rule,
                    const beam_options *o, error *err)
{
    size_t V = model_describe(session_model(s))->n_vocabulary, w = o->width, total;
    *b = (beam){.session = s, .text = x, .options = o, .V = V, .n = 1};
    if (!size_mul(w, V, &total) || !size_mul(w, x->m, &total))
        return error_memory(err, SIZE_MAX);
    b->nearest = array_new(x->n * o->nearest, sizeof *b->nearest);
    b->cosines = array_new(x->n * o->nearest, sizeof *b->cosines);
    b->ids = array_new(w * x->m, sizeof *b->ids);
    b->next_ids = array_new(w * x->m, sizeof *b->next_ids);
    b->scores = array_new(w, sizeof *b->scores);
    b->ranked = array_new(w * V, sizeof *b->ranked);
    b->ranked_logprobs = array_new(w * V, sizeof *b->ranked_logprobs);
    b->logprobs = array_new(w * V, sizeof *b->logprobs);
    b->all = array_new(w * o->nearest, sizeof *b->all);
    if (!b->nearest || !b->cosines || !b->ids || !b->next_ids || !b->scores ||
        !b->ranked || !b->ranked_logprobs || !b->logprobs || !b->all)
        return error_memory(err, w * V * sizeof *b->logprobs);
    memcpy(b->ids, x->ids, x->m * sizeof *b->ids);
    return readback_nearest(s, x->vectors, x->n, MEASURE_COSINE, rule, o->nearest,
                            b->nearest, b->cosines, err);
}

/* ln p of all tokens at position t after each sequence; 0 where nothing comes before. */
static int predict(beam *b, size_t t, error *err)
{
    size_t V = b->V;
    memset(b->logprobs, 0, b->options->width * V * sizeof *b->logprobs);
    if (t == 0)
        return 0;
    row *rows = array_new(b->n, sizeof *rows);
    if (!rows)
        return error_memory(err, b->n * sizeof *rows);
    for (size_t i = 0; i < b->n; i++)
        rows[i] = (row){.tokens = b->ids + i * b->text->m, .n = t, .n_context = 1};
    int rc = model_next(b->session, rows, b->n, V, b->ranked, b->ranked_logprobs, err);
    for (size_t i = 0; rc == 0 && i < b->n; i++)
        for (size_t j = 0; j < V; j++)
            b->logprobs[i * V + (size_t)b->ranked[i * V + j]] =
                b->ranked_logprobs[i * V + j];
    free(rows);
    return rc;
}

static int by_score(const void *a, const void *b)
{
    const hypothesis *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Every sequence with every token that may come next; returns how many. */
static size_t extend(beam *b, size_t t)
{
    const vector_text *x = b->text;
    bool is_vector = x->places[t] != place_none;
    size_t k = b->options->nearest, n = 0;
    for (size_t i = 0; i < b->n; i++)
        for (size_t j = 0; j < (is_vector ? k : 1); j++) {
            size_t at = is_vector ? x->places[t] * k + j : 0;
            int32_t id = is_vector ? b->nearest[at] : x->ids[t];
            if (id < 0)
                break;
            double fluency = b->options->fluency * b->logprobs[i * b->V + (size_t)id];
            double cosine = is_vector ? b->cosines[at] : 0;
            b->all[n++] = (hypothesis){b->scores[i] + cosine + fluency, i, id};
        }
    return n;
}

static int beam_step(beam *b, size_t t, error *err)
{
    size_t m = b->text->m;
    TRY(predict(b, t, err));
    size_t n = extend(b, t);
    qsort(b->all, n, sizeof *b->all, by_score);
    b->n = n < b->options->width ? n : b->options->width;
    for (size_t i = 0; i < b->n; i++) {
        const hypothesis *h = &b->all[i];
        memcpy(b->next_ids + i * m, b->ids + h->parent * m, m * sizeof *b->ids);
        b->next_ids[i * m + t] = h->id;
        b->scores[i] = h->score;
    }
    int32_t *swap = b->ids;
    b->ids = b->next_ids;
    b->next_ids = swap;
    return 0;
}

static bool is_repeated(const vector_text *x, size_t t)
{
    for (size_t i = 0; i < t; i++)
        if (x->places[i] == x->places[t] && x->places[t] != place_none)
            return true;
    return false;
}

static int check_beam(const vector_text *x, const beam_options *o, error *err)
{
    if (o->width == 0 || o->nearest == 0)
        return error_set(err, E_ARGUMENT,
                         "a beam of %zu sequences and %zu tokens each: 1 or more are "
                         "needed",
                         o->width, o->nearest);
    for (size_t t = 0; t < x->m; t++) {
        if (x->places[t] != place_none && x->places[t] >= x->n)
            return error_set(err, E_ARGUMENT, "token %zu is vector %u of %zu", t,
                             x->places[t], x->n);
        if (is_repeated(x, t))
            return error_set(err, E_UNSUPPORTED,
                             "vector %u stands in two places of the text", x->places[t]);
    }
    return 0;
}

int readback_beam(session *s, const vector_text *x, const token_rule *rule,
                  const beam_options *o, int32_t *ids, double *scores, error *err)
{
    beam b;
    size_t first, end;
    TRY(check_beam(x, o, err));
    vector_span(x, &first, &end);
    int rc = beam_new(&b, s, x, rule, o, err);
    for (size_t t = first; rc == 0 && b.n > 0 && t < end; t++)
        rc = beam_step(&b, t, err);
    for (size_t i = 0; rc == 0 && i < b.n; i++) {
        for (size_t t = first; t < end; t++)
            if (x->places[t] != place_none)
                ids[i * x->n + x->places[t]] = b.ids[i * x->m + t];
        scores[i] = b.scores[i];
    }
    if (rc == 0)
        rc = (int)b.n;
    beam_free(&b);
    return rc;
}

/* ---- There and back ---- */

int readback_survives(const tokenizer *t, const int32_t *ids, size_t n, error *err)
{
    text bytes = {0};
    token_list again = {0};
    int rc = tokenizer_decode(t, ids, n, false, &bytes, err);
    if (rc == 0)
        rc = tokenizer_encode(t, text_string(&bytes), bytes.n, false, &again, err);
    if (rc == 0)
        rc = again.n == n && memcmp(again.ids, ids, n * sizeof *ids) == 0;
    text_free(&bytes);
    token_list_free(&again);
    return rc;
}
