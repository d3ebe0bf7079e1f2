#include "fitness_reward.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reward_features.h"
#include "sheet.h"

/* Texts that are read in one call. */
enum { READ_AHEAD = 64 };

typedef struct fitness_reward {
    objective base; /* first, so that one pointer is both */
    const experiment *experiment;
    scorer *writer; /* generates; the caller's */
    reward *reward;
    session *session;
    scorer *reader;
    char name[80]; /* of the question that the reader remembers */
} fitness_reward;

/* What a text is worth. */
typedef struct worth {
    double mean, sd;
} worth;

static void reward_objective_free(objective *o)
{
    fitness_reward *f = (fitness_reward *)o;
    scorer_close(f->reader);
    session_close(f->session);
    reward_free(f->reward);
    free(f);
}

/* ---- Reading ---- */

/* The texts of a batch, and what is known of them. */
typedef struct reading {
    fitness_reward *f;
    row_list rows;
    worth *worths; /* (rows.n) */
    bool *known;   /* (rows.n): computed ahead */
    size_t at;     /* the one that is asked for */
} reading;

static void reading_free(reading *r)
{
    row_list_free(&r->rows);
    free(r->worths);
    free(r->known);
}

/* Compute this text, and those after it that nobody has asked for yet. */
static int read_ahead(reading *r, session *s, error *err)
{
    const reward *w = r->f->reward;
    const model *m = scorer_model(r->f->reader);
    size_t n = r->rows.n - r->at < READ_AHEAD ? r->rows.n - r->at : READ_AHEAD;
    double *x = array_new(n * reward_n_features(w), sizeof *x), mean, sd;
    if (!x)
        return error_memory(err, n * reward_n_features(w) * sizeof *x);
    int rc = reward_features(s, m, r->rows.rows + r->at, n, reward_describe(w)->pooling,
                             x, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        reward_score(w, x + i * reward_n_features(w), 1, &mean, &sd);
        r->worths[r->at + i] = (worth){mean, sd};
        r->known[r->at + i] = true;
    }
    free(x);
    return rc;
}

static int compute(void *context, session *s, text *out, error *err)
{
    reading *r = context;
    if (!r->known[r->at])
        TRY(read_ahead(r, s, err));
    return text_add(out, &r->worths[r->at], sizeof(worth), err);
}

/* What reading is charged: the row, but never more than was foretold of a text of so many
 * tokens (the tokens that spell a text may be others than those that made it). */
static uint64_t row_price(const fitness_reward *f, const row *r, size_t n_context)
{
    uint64_t most = n_context + f->experiment->fitness.generation.max_tokens + 1;
    return r->n < most ? r->n : most;
}

static int read_all(reading *r, expense *spent, error *err)
{
    text value = {0};
    int rc = 0;
    for (r->at = 0; rc >= 0 && r->at < r->rows.n; r->at++) {
        const row *x = &r->rows.rows[r->at];
        scorer_question q = {.name = r->f->name,
                             .rows = x,
                             .n = 1,
                             .tokens = row_price(r->f, x, x->n_context),
                             .compute = compute,
                             .context = r};
        rc = scorer_remember(r->f->reader, &q, UINT64_MAX, &value, spent, err);
        if (rc >= 0 && value.n != sizeof(worth))
            rc = error_set(err, E_FORMAT, "the store's worth of a text has %zu bytes",
                           value.n);
        if (rc >= 0)
            memcpy(&r->worths[r->at], value.s, sizeof(worth));
    }
    text_free(&value);
    return rc < 0 ? rc : 0;
}

/* ---- Sheets ---- */

static int make_sheet(const fitness_reward *f, const measurement *batch, size_t n,
                      sheet *out, error *err)
{
    sheet_maker maker = {f->experiment, model_tokenizer(scorer_model(f->writer)),
                         scorer_window(f->writer)};
    return sheet_new(out, &maker, batch, n, err);
}

/* The row of what was said of an example. */
static int add_text(const fitness_reward *f, size_t of, const char *said, row_list *to,
                    error *err)
{
    row r = {0};
    text context = {0};
    int rc = experiment_people_context(f->experiment, of, &context, err);
    if (rc == 0)
        rc = reward_row(&r, model_tokenizer(scorer_model(f->reader)),
                        text_string(&context), said, err);
    text_free(&context);
    TRY(rc);
    return row_list_add(to, r, err);
}

/* Rows of all pairs of the sheet, in order. */
static int reading_new(reading *out, fitness_reward *f, const measurement *batch,
                       size_t n, const sheet *s, char *const *texts, error *err)
{
    reading r = {.f = f,
                 .worths = array_new(s->n_pairs, sizeof(worth)),
                 .known = array_new(s->n_pairs, sizeof(bool))};
    int rc = r.worths && r.known ? 0 : error_memory(err, s->n_pairs * sizeof(worth));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; rc == 0 && !s->parts[i].failed && k < batch[i].n; k++)
            rc = add_text(f, batch[i].examples[k], texts[s->parts[i].first_pair + k],
                          &r.rows, err);
    if (rc < 0)
        reading_free(&r);
    else
        *out = r;
    return rc;
}

/* ---- Prices ---- */

/* Of reading an example's text, whatever it will be. */
static int foretell(const fitness_reward *f, size_t of, uint64_t *tokens, error *err)
{
    row_list one = {0};
    int rc = add_text(f, of, "", &one, err);
    if (rc == 0)
        *tokens +=
            one.rows[0].n_context + f->experiment->fitness.generation.max_tokens + 1;
    row_list_free(&one);
    return rc;
}

static int price(const fitness_reward *f, const measurement *batch, size_t n,
                 const sheet *s, expense *out, error *err)
{
    bool *due = array_new(s->contexts.n, sizeof *due);
    if (!due)
        return error_memory(err, s->contexts.n);
    *out = (expense){0};
    int rc = scorer_price(f->writer, s->contexts.rows, s->contexts.n,
                          &f->experiment->fitness.generation, &out->tokens, due, err);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; rc == 0 && !s->parts[i].failed && k < batch[i].n; k++)
            if (due[s->parts[i].first_pair + k]) {
                out->evaluations++;
                rc = foretell(f, batch[i].examples[k], &out->tokens, err);
            }
    free(due);
    return rc;
}

static int reward_cost(objective *o, const measurement *batch, size_t n, expense *out,
                       error *err)
{
    fitness_reward *f = (fitness_reward *)o;
    sheet s;
    TRY(make_sheet(f, batch, n, &s, err));
    int rc = price(f, batch, n, &s, out, err);
    sheet_free(&s);
    return rc;
}

/* ---- Scores ---- */

/* The worth of every pair, in `out`; *spent grows. */
static int take_worths(fitness_reward *f, const measurement *batch, size_t n,
                       const sheet *s, reading *out, expense *spent, error *err)
{
    size_t count = s->contexts.n;
    char **texts = array_new(count, sizeof *texts);
    if (!texts)
        return error_memory(err, count * sizeof *texts);
    int rc = scorer_generate(f->writer, s->contexts.rows, count,
                             &f->experiment->fitness.generation, texts, spent, err);
    if (rc == 0)
        rc = reading_new(out, f, batch, n, s, texts, err);
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
    TRY(rc);
    rc = read_all(out, spent, err);
    if (rc < 0)
        reading_free(out);
    return rc;
}

static void fill(const fitness_reward *f, const sheet_part *p, const worth *worths,
                 measurement *m)
{
    m->first_choice = (double)NAN;
    m->penalty = f->experiment->fitness.length_weight * (double)p->prompt_tokens;
    m->status = p->failed ? FITNESS_FAILED : FITNESS_DONE;
    memcpy(m->reason, p->reason, sizeof m->reason);
    for (size_t k = 0; !p->failed && k < m->n; k++)
        m->scores[k] = worths[p->first_pair + k].mean;
}

static int reward_measure(objective *o, measurement *batch, size_t n, expense *out,
                          error *err)
{
    fitness_reward *f = (fitness_reward *)o;
    sheet s;
    reading r;
    expense most = {0}, spent = {0};
    TRY(make_sheet(f, batch, n, &s, err));
    int rc = price(f, batch, n, &s, &most, err); /* before anything of it is paid */
    if (rc == 0)
        rc = take_worths(f, batch, n, &s, &r, &spent, err);
    if (rc == 0) {
        for (size_t i = 0; i < n; i++)
            fill(f, &s.parts[i], r.worths, &batch[i]);
        spent.evaluations = most.evaluations;
        *out = spent;
        reading_free(&r);
    }
    sheet_free(&s);
    return rc;
}

int fitness_reward_doubt(objective *o, const measurement *m, double *sd, error *err)
{
    fitness_reward *f = (fitness_reward *)o;
    sheet s;
    reading r;
    expense spent = {0};
    TRY(make_sheet(f, m, 1, &s, err));
    int rc = s.parts[0].failed ? error_set(err, E_LIMIT, "%s", s.parts[0].reason)
                               : take_worths(f, m, 1, &s, &r, &spent, err);
    if (rc == 0) {
        for (size_t k = 0; k < m->n; k++)
            sd[k] = r.worths[k].sd;
        reading_free(&r);
    }
    sheet_free(&s);
    return rc;
}

/* ---- Life ---- */

static int open_reward(fitness_reward *f, const model *m, error *err)
{
    const reward_plan *p = &f->experiment->reward;
    char *bytes, hash[SHA256_HEX];
    size_t n;
    TRY(file_read(p->path, SIZE_MAX - 1, &bytes, &n, err));
    int rc = sha256_hex(bytes, n, hash, err);
    if (rc == 0 && strcmp(hash, p->sha256) != 0)
        rc = error_set(err, E_FORMAT,
                       "%s is not the reward that the run began with: its SHA-256 is %s, "
                       "the run's %s",
                       p->path, hash, p->sha256);
    if (rc == 0)
        rc = reward_parse(&f->reward, bytes, n, p->path, err);
    free(bytes);
    TRY(rc);
    snprintf(f->name, sizeof f->name, "reward %s", hash);
    rc = reward_check_model(f->reward, m, err);
    return rc < 0 ? error_prefix(err, "%s", p->path) : 0;
}

int fitness_reward_new(objective **out, const experiment *e, scorer *c,
                       const scorer_options *how, error *err)
{
    fitness_reward *f = calloc(1, sizeof *f);
    if (!f)
        return error_memory(err, sizeof *f);
    f->base = (objective){.name = "reward",
                          .cost = reward_cost,
                          .measure = reward_measure,
                          .free = reward_objective_free};
    f->experiment = e;
    f->writer = c;
    session_options options = e->session;
    options.overflow = OVERFLOW_LEFT; /* what was said counts whole; what came long
                                         before it may go */
    scorer_options reads = *how;
    reads.overflow = OVERFLOW_LEFT;
    int rc = open_reward(f, scorer_model(c), err);
    if (rc == 0)
        rc = session_open(&f->session, scorer_model(c), &options, err);
    if (rc == 0) {
        session_set_interrupt(f->session, how->interrupt);
        rc = scorer_open(&f->reader, scorer_model(c), f->session, &reads, err);
    }
    if (rc < 0)
        reward_objective_free(&f->base);
    else
        *out = &f->base;
    return rc;
}
