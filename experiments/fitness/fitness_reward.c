#include "fitness_reward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sheet.h"
#include "text_reader.h"

typedef struct fitness_reward {
    objective base; /* first, so that one pointer is both */
    const experiment *experiment;
    scorer *writer; /* generates; the caller's */
    reward *reward;
    text_reader *reader;
} fitness_reward;

/* What a text is worth. */
typedef struct worth {
    double mean, sd;
} worth;

static void reward_objective_free(objective *o)
{
    fitness_reward *f = (fitness_reward *)o;
    text_reader_close(f->reader);
    reward_free(f->reward);
    free(f);
}

/* ---- Sheets ---- */

static int make_sheet(const fitness_reward *f, const measurement *batch, size_t n,
                      sheet *out, error *err)
{
    sheet_maker maker = {f->experiment, model_tokenizer(scorer_model(f->writer)),
                         scorer_window(f->writer)};
    return sheet_new(out, &maker, batch, n, err);
}

/* ---- Prices ---- */

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
                rc = text_reader_foretell(f->reader, batch[i].examples[k], &out->tokens,
                                          err);
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

/* What the reward makes of texts about these rows of the data. */
static int value_texts(fitness_reward *f, const size_t *at, const char *const *said,
                       size_t n, worth *out, expense *spent, error *err)
{
    size_t width = reward_n_features(f->reward), cells;
    double *x = size_mul(n, width, &cells) ? array_new(cells, sizeof *x) : NULL;
    if (!x)
        return error_memory(err, n * width * sizeof *x);
    int rc = text_reader_read(f->reader, at, said, n, x, spent, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        reward_score(f->reward, x + i * width, 1, &out[i].mean, &out[i].sd);
    free(x);
    return rc;
}

/* The data row of every pair of the sheet. */
static void list_rows(const measurement *batch, size_t n, const sheet *s, size_t *at)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; !s->parts[i].failed && k < batch[i].n; k++)
            at[s->parts[i].first_pair + k] = batch[i].examples[k];
}

/* The worth of every pair, new; *spent grows. */
static int take_worths(fitness_reward *f, const measurement *batch, size_t n,
                       const sheet *s, worth **out, expense *spent, error *err)
{
    size_t count = s->contexts.n;
    char **texts = array_new(count, sizeof *texts);
    size_t *at = array_new(count, sizeof *at);
    worth *worths = array_new(count, sizeof *worths);
    int rc = texts && at && worths ? 0 : error_memory(err, count * sizeof(worth));
    if (rc == 0)
        rc = scorer_generate(f->writer, s->contexts.rows, count,
                             &f->experiment->fitness.generation, texts, spent, err);
    if (rc == 0) {
        list_rows(batch, n, s, at);
        rc = value_texts(f, at, (const char *const *)texts, count, worths, spent, err);
    }
    for (size_t i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
    free(at);
    if (rc < 0)
        free(worths);
    else
        *out = worths;
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
    worth *worths = NULL;
    expense most = {0}, spent = {0};
    TRY(make_sheet(f, batch, n, &s, err));
    int rc = price(f, batch, n, &s, &most, err); /* before anything of it is paid */
    if (rc == 0)
        rc = take_worths(f, batch, n, &s, &worths, &spent, err);
    if (rc == 0) {
        for (size_t i = 0; i < n; i++)
            fill(f, &s.parts[i], worths, &batch[i]);
        spent.evaluations = most.evaluations;
        *out = spent;
    }
    free(worths);
    sheet_free(&s);
    return rc;
}

int fitness_reward_doubt(objective *o, const measurement *m, double *sd, error *err)
{
    fitness_reward *f = (fitness_reward *)o;
    sheet s;
    worth *worths = NULL;
    expense spent = {0};
    TRY(make_sheet(f, m, 1, &s, err));
    int rc = s.parts[0].failed ? error_set(err, E_LIMIT, "%s", s.parts[0].reason)
                               : take_worths(f, m, 1, &s, &worths, &spent, err);
    for (size_t k = 0; rc == 0 && k < m->n; k++)
        sd[k] = worths[k].sd;
    free(worths);
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
    int rc = open_reward(f, scorer_model(c), err);
    if (rc == 0)
        rc = text_reader_open(&f->reader, e, scorer_model(c),
                              reward_describe(f->reward)->pooling, how, err);
    if (rc < 0)
        reward_objective_free(&f->base);
    else
        *out = &f->base;
    return rc;
}
