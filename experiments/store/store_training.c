#include "training.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_sql.h"

/* ---- Writing ---- */

int store_put_training(store *s, uint64_t run, const training_facts *f, error *err)
{
    return store_execute(s, SQL_TRAINING_PUT, "record a training", err, "isisidii",
                         (int64_t)run, f->method, (int64_t)f->n_tokens, f->start,
                         (int64_t)f->planned, f->rate, (int64_t)f->peak_bytes,
                         (int64_t)f->parameters);
}

int store_put_training_step(store *s, uint64_t run, const training_step *t, error *err)
{
    return store_execute(s, SQL_TRAINING_STEP_PUT, "record a step", err, "iidddid",
                         (int64_t)run, (int64_t)t->step, t->loss, t->grad_norm, t->rate,
                         (int64_t)t->tokens, t->seconds);
}

int store_put_evaluation(store *s, uint64_t run, const training_evaluation *e, error *err)
{
    return store_execute(s, SQL_EVALUATION_PUT, "record an evaluation", err, "iidiid",
                         (int64_t)run, (int64_t)e->step, e->loss, (int64_t)e->best,
                         (int64_t)e->tokens, e->seconds);
}

int store_put_checkpoint(store *s, uint64_t run, const training_checkpoint *c, error *err)
{
    bool opened;
    TRY(store_enter(s, &opened, err));
    int rc = store_execute(s, SQL_CHECKPOINT_PUT, "keep a checkpoint", err, "iidb",
                           (int64_t)run, (int64_t)c->step, c->seconds, c->state, c->n);
    if (rc == 0)
        rc = store_put_spend(s, run, STEP_CHECKPOINT, c->spent, err);
    return store_leave(s, opened, rc, err);
}

int store_put_prefix(store *s, uint64_t run, const prefix *p, error *err)
{
    char shape[120];
    const prefix_shape *x = &p->shape;
    snprintf(shape, sizeof shape, "%zu %zu %zu %zu %zu", x->n_layers, x->width,
             x->n_heads, x->n_kv_heads, x->head_size);
    return store_execute(s, SQL_PREFIX_PUT, "keep the vectors", err, "iidiisssb",
                         (int64_t)run, (int64_t)p->origin.step, p->origin.loss,
                         (int64_t)p->kind, (int64_t)p->n, shape, p->origin.base_model,
                         p->origin.init, p->values,
                         p->n * prefix_floats_per_token(p) * sizeof *p->values);
}

int store_put_bare(store *s, uint64_t run, const training_record *t, error *err)
{
    bool opened;
    TRY(store_enter(s, &opened, err));
    int rc = store_put_score(s, run, ROLE_BARE, 0, &t->bare, err);
    if (rc == 0)
        rc = store_execute(s, SQL_COMPARISON_PUT, "record a comparison", err, "iidddd",
                           (int64_t)run, (int64_t)ROLE_BARE, t->difference, t->ci_low,
                           t->ci_high, t->p);
    return store_leave(s, opened, rc, err);
}

/* ---- Reading ---- */

static void column_step(sqlite3_stmt *q, training_step *out)
{
    *out = (training_step){.step = (size_t)sqlite3_column_int64(q, 0),
                           .loss = column_number(q, 1),
                           .grad_norm = column_number(q, 2),
                           .rate = column_number(q, 3),
                           .tokens = (uint64_t)sqlite3_column_int64(q, 4),
                           .seconds = column_number(q, 5)};
}

int store_get_training_step(store *s, uint64_t run, size_t step, training_step *out,
                            error *err)
{
    sqlite3_stmt *q;
    TRY(store_query(s, SQL_TRAINING_STEP_GET, &q, err, "ii", (int64_t)run,
                    (int64_t)step));
    int rc = store_next(s, q, "read a step", err);
    if (rc <= 0)
        return rc;
    column_step(q, out);
    store_done(q);
    return 1;
}

/* A blob of the current row; new. */
static int column_bytes(sqlite3_stmt *q, int column, char **out, size_t *n, error *err)
{
    *n = (size_t)sqlite3_column_bytes(q, column);
    *out = bytes_copy(sqlite3_column_blob(q, column), *n);
    return *out ? 0 : error_memory(err, *n);
}

int store_get_checkpoint(store *s, uint64_t run, training_checkpoint *out, error *err)
{
    sqlite3_stmt *q;
    training_checkpoint c = {0};
    TRY(store_query(s, SQL_CHECKPOINT_READ, &q, err, "i", (int64_t)run));
    int rc = store_next(s, q, "read a checkpoint", err);
    if (rc <= 0)
        return rc;
    c.step = (size_t)sqlite3_column_int64(q, 0);
    c.seconds = column_number(q, 1);
    rc = column_bytes(q, 2, &c.state, &c.n, err);
    store_done(q);
    if (rc == 0)
        rc = store_read_spend(s, run, STEP_CHECKPOINT, c.spent, err);
    if (rc < 0) {
        free(c.state);
        return rc;
    }
    *out = c;
    return 1;
}

/* The numbers of the current row, as many as kind, n and shape ask for. */
static int column_values(sqlite3_stmt *q, prefix *p, error *err)
{
    size_t n = 0, bytes = 0, found = (size_t)sqlite3_column_bytes(q, 7);
    if (!size_mul(p->n, prefix_floats_per_token(p), &n) ||
        !size_mul(n, sizeof *p->values, &bytes) || n == 0 || bytes != found)
        return error_set(err, E_FORMAT,
                         "the vectors of this run are %zu bytes long, not %zu", found,
                         bytes);
    p->values = array_new(n, sizeof *p->values);
    if (!p->values)
        return error_memory(err, bytes);
    memcpy(p->values, sqlite3_column_blob(q, 7), bytes);
    return 0;
}

static int column_prefix(sqlite3_stmt *q, prefix *p, error *err)
{
    prefix_shape *x = &p->shape;
    const char *shape = (const char *)sqlite3_column_text(q, 4);
    if (!shape || sscanf(shape, "%zu %zu %zu %zu %zu", &x->n_layers, &x->width,
                         &x->n_heads, &x->n_kv_heads, &x->head_size) != 5)
        return error_set(err, E_FORMAT, "the vectors of this run have no shape");
    p->origin.step = (uint64_t)sqlite3_column_int64(q, 0);
    p->origin.loss = column_number(q, 1);
    p->kind = (prefix_kind)sqlite3_column_int64(q, 2);
    p->n = (size_t)sqlite3_column_int64(q, 3);
    if (sqlite3_column_type(q, 5) != SQLITE_NULL)
        TRY(column_text(q, 5, &p->origin.base_model, err));
    if (sqlite3_column_type(q, 6) != SQLITE_NULL)
        TRY(column_text(q, 6, &p->origin.init, err));
    return column_values(q, p, err);
}

int store_get_prefix(store *s, const run_record *r, prefix *out, error *err)
{
    sqlite3_stmt *q;
    prefix p = {0};
    if (!r->training)
        return 0;
    TRY(store_query(s, SQL_PREFIX_READ, &q, err, "i", (int64_t)r->id));
    int rc = store_next(s, q, "read the vectors", err);
    if (rc <= 0)
        return rc;
    rc = column_prefix(q, &p, err);
    store_done(q);
    if (rc < 0) {
        prefix_free(&p);
        return rc;
    }
    snprintf(p.origin.model_hash, sizeof p.origin.model_hash, "%s", r->model_hash);
    *out = p;
    return 1;
}

/* ---- Reading a whole training ---- */

void training_record_clear(training_record *t)
{
    free(t->facts.method);
    free(t->facts.start);
    free(t->steps);
    free(t->evaluations);
    free(t->bare.each);
    *t = (training_record){0};
}

void training_record_free(training_record *t)
{
    if (t)
        training_record_clear(t);
    free(t);
}

/* 1: a training, whose facts are filled in; 0: a search. */
static int read_facts(store *s, uint64_t run, training_facts *f, error *err)
{
    sqlite3_stmt *q;
    TRY(store_query(s, SQL_TRAINING_READ, &q, err, "i", (int64_t)run));
    int rc = store_next(s, q, "read a training", err);
    if (rc <= 0)
        return rc;
    f->n_tokens = (size_t)sqlite3_column_int64(q, 1);
    f->planned = (size_t)sqlite3_column_int64(q, 3);
    f->rate = column_number(q, 4);
    f->peak_bytes = (uint64_t)sqlite3_column_int64(q, 5);
    f->parameters = (uint64_t)sqlite3_column_int64(q, 6);
    rc = column_text(q, 0, &f->method, err);
    if (rc == 0)
        rc = column_text(q, 2, &f->start, err);
    store_done(q);
    return rc < 0 ? rc : 1;
}

static int read_steps(store *s, uint64_t run, training_record *t, error *err)
{
    sqlite3_stmt *q;
    size_t capacity = 0;
    int rc;
    TRY(store_query(s, SQL_TRAINING_STEPS_READ, &q, err, "i", (int64_t)run));
    while ((rc = store_next(s, q, "read the steps", err)) == 1) {
        rc = array_grow(&t->steps, &capacity, t->n_steps, sizeof *t->steps, err);
        if (rc < 0) {
            store_done(q);
            return rc;
        }
        column_step(q, &t->steps[t->n_steps++]);
    }
    return rc;
}

static int read_evaluations(store *s, uint64_t run, training_record *t, error *err)
{
    sqlite3_stmt *q;
    size_t capacity = 0;
    int rc;
    TRY(store_query(s, SQL_EVALUATIONS_READ, &q, err, "i", (int64_t)run));
    while ((rc = store_next(s, q, "read the evaluations", err)) == 1) {
        rc = array_grow(&t->evaluations, &capacity, t->n_evaluations,
                        sizeof *t->evaluations, err);
        if (rc < 0) {
            store_done(q);
            return rc;
        }
        t->evaluations[t->n_evaluations++] =
            (training_evaluation){.step = (size_t)sqlite3_column_int64(q, 0),
                                  .loss = column_number(q, 1),
                                  .best = sqlite3_column_int64(q, 2) != 0,
                                  .tokens = (uint64_t)sqlite3_column_int64(q, 3),
                                  .seconds = column_number(q, 4)};
    }
    return rc;
}

/* Which step the vectors are of; not the vectors. */
static int read_best(store *s, uint64_t run, training_record *t, error *err)
{
    sqlite3_stmt *q;
    TRY(store_query(s, SQL_PREFIX_READ, &q, err, "i", (int64_t)run));
    int rc = store_next(s, q, "read the vectors", err);
    if (rc <= 0)
        return rc;
    t->has_prefix = true;
    t->best_step = (size_t)sqlite3_column_int64(q, 0);
    t->best_loss = column_number(q, 1);
    store_done(q);
    return 0;
}

static int read_bare(store *s, uint64_t run, training_record *t, error *err)
{
    sqlite3_stmt *q;
    TRY(store_query(s, SQL_COMPARISON_READ, &q, err, "ii", (int64_t)run,
                    (int64_t)ROLE_BARE));
    int rc = store_next(s, q, "read a comparison", err);
    if (rc <= 0)
        return rc;
    t->difference = column_number(q, 0);
    t->ci_low = column_number(q, 1);
    t->ci_high = column_number(q, 2);
    t->p = column_number(q, 3);
    store_done(q);
    TRY(store_query(s, SQL_SCORE_READ, &q, err, "i", (int64_t)run));
    while ((rc = store_next(s, q, "read a comparison", err)) == 1) {
        if (sqlite3_column_int64(q, 0) != ROLE_BARE)
            continue;
        rc = store_column_score(q, &t->bare, err);
        store_done(q);
        t->has_bare = rc == 0;
        return rc;
    }
    return rc;
}

int store_read_training(store *s, run_record *r, error *err)
{
    training_record *t = NULL;
    if (s->version < 3) /* read-only and older than trainings */
        return 0;
    t = calloc(1, sizeof *t);
    if (!t)
        return error_memory(err, sizeof *t);
    int rc = read_facts(s, r->id, &t->facts, err);
    if (rc <= 0) {
        training_record_free(t);
        return rc;
    }
    r->training = t; /* freed with the record */
    TRY(read_steps(s, r->id, t, err));
    TRY(read_evaluations(s, r->id, t, err));
    TRY(read_best(s, r->id, t, err));
    return read_bare(s, r->id, t, err);
}
