#include "text_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lm_row.h"
#include "reward_features.h"

/* Texts that are read in one call. */
enum { READ_AHEAD = 64 };

struct text_reader {
    const experiment *experiment;
    pooling pooling;
    session *session;
    scorer *scorer;
    size_t pooled; /* features that the model's states are pooled to */
    char name[40]; /* of the question that the scorer remembers */
};

int text_reader_open(text_reader **out, const experiment *e, const model *m, pooling p,
                     const scorer_options *how, error *err)
{
    text_reader *r = calloc(1, sizeof *r);
    if (!r)
        return error_memory(err, sizeof *r);
    r->experiment = e;
    r->pooling = p;
    r->pooled = pooling_width(model_describe(m), p);
    snprintf(r->name, sizeof r->name, "features %s", pooling_names[p]);
    session_options options = e->session;
    options.overflow = OVERFLOW_LEFT;
    scorer_options reads = *how;
    reads.overflow = OVERFLOW_LEFT;
    int rc = session_open(&r->session, m, &options, err);
    if (rc == 0) {
        session_set_interrupt(r->session, how->interrupt);
        rc = scorer_open(&r->scorer, m, r->session, &reads, err);
    }
    if (rc < 0)
        text_reader_close(r);
    else
        *out = r;
    return rc;
}

void text_reader_close(text_reader *r)
{
    if (!r)
        return;
    scorer_close(r->scorer);
    session_close(r->session);
    free(r);
}

void text_reader_use_store(text_reader *r, store *s)
{
    scorer_use_store(r->scorer, s);
}

size_t text_reader_width(const text_reader *r)
{
    return r->pooled + N_REWARD_EXTRAS;
}

/* ---- Prices ---- */

/* The row of what was said about a data row; out->tokens is new. */
static int text_row(const text_reader *r, size_t at, const char *said, row *out,
                    error *err)
{
    text context = {0};
    int rc = experiment_people_context(r->experiment, at, &context, err);
    if (rc == 0)
        rc = reward_row(out, model_tokenizer(scorer_model(r->scorer)),
                        text_string(&context), said, err);
    text_free(&context);
    return rc;
}

static uint64_t most_tokens(const text_reader *r, const row *x)
{
    return x->n_context + r->experiment->fitness.generation.max_tokens + 1;
}

int text_reader_foretell(const text_reader *r, size_t at, uint64_t *tokens, error *err)
{
    row x = {0};
    TRY(text_row(r, at, "", &x, err));
    *tokens += most_tokens(r, &x);
    free((int32_t *)(uintptr_t)x.tokens);
    return 0;
}

/* Never more than was foretold: the tokens that spell a text may be others than those
 * that made it. */
static uint64_t row_tokens(const text_reader *r, const row *x)
{
    return x->n < most_tokens(r, x) ? x->n : most_tokens(r, x);
}

/* ---- Reading ---- */

/* The texts of a call, and what is known of them. */
typedef struct reading {
    text_reader *reader;
    row_list rows;
    double *x;   /* (rows.n, width) */
    bool *known; /* (rows.n): computed ahead */
    size_t at;   /* the one that is asked for */
} reading;

/* As the memo has it: states as they came, f32, then the extras. */
static int pack(const text_reader *r, const double *x, text *out, error *err)
{
    for (size_t c = 0; c < r->pooled; c++) {
        float state = (float)x[c];
        TRY(text_add(out, &state, sizeof state, err));
    }
    return text_add(out, x + r->pooled, N_REWARD_EXTRAS * sizeof *x, err);
}

static int unpack(const text_reader *r, const text *value, double *x, error *err)
{
    size_t states = r->pooled * sizeof(float);
    if (value->n != states + N_REWARD_EXTRAS * sizeof *x)
        return error_set(err, E_FORMAT, "the store's features of a text have %zu bytes",
                         value->n);
    for (size_t c = 0; c < r->pooled; c++) {
        float state;
        memcpy(&state, value->s + c * sizeof state, sizeof state);
        x[c] = (double)state;
    }
    memcpy(x + r->pooled, value->s + states, N_REWARD_EXTRAS * sizeof *x);
    return 0;
}

/* This text, and those after it that nobody has asked for yet. */
static int read_ahead(reading *g, session *s, error *err)
{
    const text_reader *r = g->reader;
    size_t left = g->rows.n - g->at, n = left < READ_AHEAD ? left : READ_AHEAD;
    TRY(reward_features(s, scorer_model(r->scorer), g->rows.rows + g->at, n, r->pooling,
                        g->x + g->at * text_reader_width(r), err));
    for (size_t i = 0; i < n; i++)
        g->known[g->at + i] = true;
    return 0;
}

static int compute(void *context, session *s, text *out, error *err)
{
    reading *g = context;
    if (!g->known[g->at])
        TRY(read_ahead(g, s, err));
    return pack(g->reader, g->x + g->at * text_reader_width(g->reader), out, err);
}

static int read_all(reading *g, expense *spent, error *err)
{
    text_reader *r = g->reader;
    text value = {0};
    int rc = 0;
    for (g->at = 0; rc >= 0 && g->at < g->rows.n; g->at++) {
        const row *x = &g->rows.rows[g->at];
        scorer_question q = {.name = r->name,
                             .rows = x,
                             .n = 1,
                             .tokens = row_tokens(r, x),
                             .compute = compute,
                             .context = g};
        rc = scorer_remember(r->scorer, &q, UINT64_MAX, &value, spent, err);
        if (rc >= 0)
            rc = unpack(r, &value, g->x + g->at * text_reader_width(r), err);
    }
    text_free(&value);
    return rc;
}

int text_reader_read(text_reader *r, const size_t *at, const char *const *said, size_t n,
                     double *x, expense *spent, error *err)
{
    reading g = {.reader = r, .x = x, .known = array_new(n, sizeof *g.known)};
    int rc = g.known ? 0 : error_memory(err, n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        row one = {0};
        rc = text_row(r, at[i], said[i], &one, err);
        if (rc == 0)
            rc = row_list_add(&g.rows, one, err);
    }
    if (rc == 0)
        rc = read_all(&g, spent, err);
    row_list_free(&g.rows);
    free(g.known);
    return rc;
}
