/* Reading whole runs back, for show, export, report and resume. */
#include "store.h"

#include <stdlib.h>
#include <string.h>

#include "people.h"
#include "store_sql.h"
#include "training.h"

int store_run_ids(store *s, uint64_t **ids, size_t *n, error *err)
{
    sqlite3_stmt *q;
    uint64_t *list = array_new(0, sizeof *list);
    size_t count = 0, capacity = 0;
    if (!list)
        return error_memory(err, sizeof *list);
    int rc = store_query(s, SQL_RUN_IDS, &q, err, "");
    while (rc >= 0 && (rc = store_next(s, q, "list the runs", err)) == 1) {
        rc = array_grow(&list, &capacity, count, sizeof *list, err);
        if (rc < 0)
            store_done(q);
        else
            list[count++] = (uint64_t)sqlite3_column_int64(q, 0);
    }
    if (rc < 0) {
        free(list);
        return rc;
    }
    *ids = list;
    *n = count;
    return 0;
}

/* A name of a table of names, or `count` when it is none of them. */
static size_t find_name(const char *name, const char *(*name_of)(size_t), size_t count)
{
    size_t i = 0;
    while (i < count && strcmp(name, name_of(i)) != 0)
        i++;
    return i;
}

static const char *status_at(size_t i)
{
    return run_status_name((run_status)i);
}

static const char *purpose_at(size_t i)
{
    return purpose_name((purpose)i);
}

int store_read_spend(store *s, uint64_t run, int64_t step, spend out[N_PURPOSES],
                     error *err)
{
    sqlite3_stmt *q;
    int rc;
    memset(out, 0, N_PURPOSES * sizeof *out);
    /* Read-only, a file may be older than the counting of ratings. */
    TRY(store_query(s, s->version < 4 ? SQL_SPEND_READ_OLD : SQL_SPEND_READ, &q, err,
                    "ii", (int64_t)run, step));
    while ((rc = store_next(s, q, "read what was spent", err)) == 1) {
        const char *name = (const char *)sqlite3_column_text(q, 0);
        size_t p = find_name(name ? name : "", purpose_at, N_PURPOSES);
        if (p == N_PURPOSES)
            continue;
        out[p].tokens = (uint64_t)sqlite3_column_int64(q, 1);
        out[p].evaluations = (uint64_t)sqlite3_column_int64(q, 2);
        out[p].reused = (uint64_t)sqlite3_column_int64(q, 3);
        out[p].ratings = (uint64_t)sqlite3_column_int64(q, 4);
    }
    return rc;
}

int store_get_history(store *s, uint64_t run, size_t step, history_point *out, error *err)
{
    sqlite3_stmt *q;
    history_point h = {0};
    TRY(store_query(s, SQL_HISTORY_GET, &q, err, "ii", (int64_t)run, (int64_t)step));
    int rc = store_next(s, q, "read a step", err);
    if (rc <= 0)
        return rc;
    h.step = (size_t)sqlite3_column_int64(q, 0);
    h.generation = (size_t)sqlite3_column_int64(q, 1);
    h.best = column_number(q, 2);
    h.best_se = column_number(q, 3);
    h.median = column_number(q, 4);
    h.best_id = (uint64_t)sqlite3_column_int64(q, 5);
    h.n_alive = (size_t)sqlite3_column_int64(q, 6);
    h.seconds = column_number(q, 7);
    store_done(q);
    TRY(store_read_spend(s, run, (int64_t)step, h.spent, err));
    *out = h;
    return 1;
}

int store_get_cut(store *s, uint64_t run, search_cut *out, error *err)
{
    sqlite3_stmt *q;
    TRY(store_query(s, SQL_CUT_GET, &q, err, "i", (int64_t)run));
    int rc = store_next(s, q, "read the end of a search", err);
    if (rc <= 0)
        return rc;
    search_cut c = {.step = (size_t)sqlite3_column_int64(q, 0),
                    .seconds = column_number(q, 1),
                    .pace = column_number(q, 2)};
    store_done(q);
    TRY(store_read_spend(s, run, STEP_CUT, c.spent, err));
    *out = c;
    return 1;
}

static int read_run(store *s, run_record *r, error *err)
{
    sqlite3_stmt *q;
    TRY(store_query(s, SQL_RUN_READ, &q, err, "i", (int64_t)r->id));
    int rc = store_next(s, q, "read a run", err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return error_set(err, E_ARGUMENT, "%s has no run %llu", s->dir,
                         (unsigned long long)r->id);
    r->seed = (uint64_t)sqlite3_column_int64(q, 0);
    char *status = NULL;
    char **texts[] = {&r->name,    &r->experiment, &r->model_hash, &r->backend,
                      &r->started, &status,        &r->stop_reason};
    rc = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && rc == 0; i++)
        rc = column_text(q, (int)i + 1, texts[i], err);
    r->seconds = column_number(q, 8);
    store_done(q);
    size_t known = status ? find_name(status, status_at, RUN_FINISHED + 1) : 0;
    if (rc == 0 && known > RUN_FINISHED)
        rc = error_set(err, E_FORMAT, "run %llu of %s has the unknown status \"%s\"",
                       (unsigned long long)r->id, s->dir, status);
    r->status = (run_status)known;
    free(status);
    return rc;
}

/* A process that was killed could not say so: a run that is "running" but that nobody
 * holds has stopped. */
static int notice_killed(store *s, run_record *r, error *err)
{
    if (r->status != RUN_RUNNING || store_run_is_held(s, r->id))
        return 0;
    char *reason = string_copy("killed");
    if (!reason)
        return error_memory(err, sizeof "killed");
    free(r->stop_reason);
    r->stop_reason = reason;
    r->status = RUN_STOPPED;
    return 0;
}

static int read_history(store *s, run_record *r, error *err)
{
    sqlite3_stmt *q;
    size_t capacity = 0;
    int rc;
    TRY(store_query(s, SQL_HISTORY_READ, &q, err, "i", (int64_t)r->id));
    while ((rc = store_next(s, q, "read the history", err)) == 1) {
        size_t step = (size_t)sqlite3_column_int64(q, 0);
        rc = array_grow(&r->history, &capacity, r->n_history, sizeof *r->history, err);
        if (rc == 0)
            rc = store_get_history(s, r->id, step, &r->history[r->n_history], err);
        if (rc < 0) {
            store_done(q);
            return rc;
        }
        r->n_history++;
    }
    return rc;
}

static int read_operators(store *s, run_record *r, error *err)
{
    sqlite3_stmt *q;
    size_t capacity = 0;
    int rc;
    TRY(store_query(s, SQL_OPERATOR_READ, &q, err, "i", (int64_t)r->id));
    while ((rc = store_next(s, q, "read the operators", err)) == 1) {
        operator_point o = {.step = (size_t)sqlite3_column_int64(q, 0),
                            .rate = column_number(q, 2),
                            .credit = column_number(q, 3),
                            .tries = (uint64_t)sqlite3_column_int64(q, 4),
                            .wins = (uint64_t)sqlite3_column_int64(q, 5)};
        rc = array_grow(&r->operators, &capacity, r->n_operators, sizeof o, err);
        if (rc == 0)
            rc = column_text(q, 1, &o.name, err);
        if (rc < 0) {
            store_done(q);
            return rc;
        }
        r->operators[r->n_operators++] = o;
    }
    return rc;
}

static int read_candidate(sqlite3_stmt *q, candidate_record *c, error *err)
{
    c->id = (uint64_t)sqlite3_column_int64(q, 0);
    c->parents[0] = (uint64_t)sqlite3_column_int64(q, 1);
    c->parents[1] = (uint64_t)sqlite3_column_int64(q, 2);
    c->generation = (size_t)sqlite3_column_int64(q, 3);
    c->value = column_number(q, 8);
    c->se = column_number(q, 9);
    c->n = (size_t)sqlite3_column_int64(q, 10);
    TRY(column_text(q, 4, &c->genome, err));
    TRY(column_text(q, 5, &c->prompt, err));
    TRY(column_text(q, 6, &c->operators, err));
    return column_text(q, 7, &c->state, err);
}

static int read_candidates(store *s, run_record *r, error *err)
{
    sqlite3_stmt *q;
    size_t capacity = 0;
    int rc;
    TRY(store_query(s, SQL_CANDIDATE_READ, &q, err, "i", (int64_t)r->id));
    while ((rc = store_next(s, q, "read the candidates", err)) == 1) {
        rc = array_grow(&r->candidates, &capacity, r->n_candidates, sizeof *r->candidates,
                        err);
        if (rc == 0) {
            candidate_record *c = &r->candidates[r->n_candidates++];
            *c = (candidate_record){0};
            rc = read_candidate(q, c, err);
        }
        if (rc < 0) {
            store_done(q);
            return rc;
        }
    }
    return rc;
}

int store_column_score(sqlite3_stmt *q, split_score *out, error *err)
{
    split_score x = {.candidate = (uint64_t)sqlite3_column_int64(q, 1),
                     .score = column_number(q, 2),
                     .se = column_number(q, 3),
                     .n = (size_t)sqlite3_column_int64(q, 4),
                     .first_choice = column_number(q, 6)};
    size_t bytes = (size_t)sqlite3_column_bytes(q, 5);
    if (bytes != x.n * sizeof *x.each)
        return error_set(err, E_FORMAT,
                         "the scores of candidate %llu are %zu bytes long, not %zu",
                         (unsigned long long)x.candidate, bytes, x.n * sizeof *x.each);
    x.each = array_new(x.n, sizeof *x.each);
    if (!x.each)
        return error_memory(err, bytes);
    if (bytes)
        memcpy(x.each, sqlite3_column_blob(q, 5), bytes);
    *out = x;
    return 0;
}

static int read_scores(store *s, uint64_t run, verdict *v, error *err)
{
    sqlite3_stmt *q;
    size_t capacity = 0;
    int rc;
    TRY(store_query(s, SQL_SCORE_READ, &q, err, "i", (int64_t)run));
    while ((rc = store_next(s, q, "read the verdict", err)) == 1) {
        score_role role = (score_role)sqlite3_column_int64(q, 0);
        if (role == ROLE_BARE) /* of a training: read with the rest of that */
            continue;
        split_score *to = role == ROLE_SEED ? &v->seed : &v->best;
        if (role == ROLE_SELECTION) {
            rc = array_grow(&v->selection, &capacity, v->n_selection,
                            sizeof *v->selection, err);
            to = rc == 0 ? &v->selection[v->n_selection] : NULL;
        }
        if (rc >= 0)
            rc = store_column_score(q, to, err);
        if (rc < 0) {
            store_done(q);
            return rc;
        }
        v->n_selection += role == ROLE_SELECTION;
    }
    return rc;
}

static int read_verdict(store *s, run_record *r, error *err)
{
    sqlite3_stmt *q;
    TRY(store_query(s, SQL_VERDICT_READ, &q, err, "i", (int64_t)r->id));
    int rc = store_next(s, q, "read the verdict", err);
    if (rc <= 0)
        return rc;
    r->verdict.difference = column_number(q, 0);
    r->verdict.ci_low = column_number(q, 1);
    r->verdict.ci_high = column_number(q, 2);
    r->verdict.p = column_number(q, 3);
    store_done(q);
    r->has_verdict = true;
    return read_scores(s, r->id, &r->verdict, err);
}

static uint64_t tokens_of(const spend spent[N_PURPOSES])
{
    uint64_t sum = 0;
    for (size_t p = 0; p < N_PURPOSES; p++)
        sum += spent[p].tokens;
    return sum;
}

/* Of a run under way, or killed, what its last step had spent. */
static void take_later(run_record *r, const spend spent[N_PURPOSES], double seconds)
{
    if (tokens_of(spent) <= tokens_of(r->spent))
        return;
    memcpy(r->spent, spent, sizeof r->spent);
    r->seconds = seconds;
}

static int read_spent(store *s, run_record *r, bool ended, error *err)
{
    spend kept[N_PURPOSES];
    const training_record *t = r->training;
    TRY(store_read_spend(s, r->id, STEP_END, r->spent, err));
    if (!ended && r->n_history)
        take_later(r, r->history[r->n_history - 1].spent,
                   r->history[r->n_history - 1].seconds);
    if (!ended && t && t->n_steps) {
        TRY(store_read_spend(s, r->id, STEP_CHECKPOINT, kept, err));
        take_later(r, kept, t->steps[t->n_steps - 1].seconds);
    }
    return 0;
}

static int read_all(store *s, run_record *r, error *err)
{
    TRY(read_run(s, r, err));
    bool ended = r->status != RUN_RUNNING;
    TRY(notice_killed(s, r, err));
    TRY(read_history(s, r, err));
    TRY(read_operators(s, r, err));
    TRY(read_candidates(s, r, err));
    TRY(read_verdict(s, r, err));
    TRY(store_read_training(s, r, err));
    return read_spent(s, r, ended, err);
}

int store_run_read(store *s, uint64_t id, run_record **out, error *err)
{
    if (id == 0) {
        TRY(store_run_latest(s, false, &id, err));
        if (id == 0)
            return error_set(err, E_ARGUMENT, "%s holds no run", s->dir);
    }
    run_record *r = calloc(1, sizeof *r);
    if (!r)
        return error_memory(err, sizeof *r);
    r->id = id;
    /* One deferred transaction: a consistent picture even while the run goes on. */
    bool opened = sqlite3_get_autocommit(s->file.db);
    int rc = 0;
    if (opened && sqlite3_exec(s->file.db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
        rc = store_error(s, "begin reading", err);
    if (rc == 0)
        rc = read_all(s, r, err);
    if (opened)
        store_rollback(s);
    if (rc < 0) {
        run_record_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void verdict_free(verdict *v)
{
    for (size_t i = 0; i < v->n_selection; i++)
        free(v->selection[i].each);
    free(v->selection);
    free(v->seed.each);
    free(v->best.each);
    *v = (verdict){0};
}

void run_record_free(run_record *r)
{
    if (!r)
        return;
    char *texts[] = {r->name,    r->experiment, r->model_hash,
                     r->backend, r->started,    r->stop_reason};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    for (size_t i = 0; i < r->n_operators; i++)
        free(r->operators[i].name);
    for (size_t i = 0; i < r->n_candidates; i++) {
        free(r->candidates[i].genome);
        free(r->candidates[i].prompt);
        free(r->candidates[i].operators);
        free(r->candidates[i].state);
    }
    free(r->operators);
    free(r->candidates);
    free(r->history);
    verdict_free(&r->verdict);
    training_record_free(r->training);
    people_record_free(r->people);
    free(r);
}
