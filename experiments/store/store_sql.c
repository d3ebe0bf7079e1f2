/* The store's statements: their text, and their way to rater/sql.h. */
#include "store_sql.h"

#include <stdarg.h>

static const char *const statement_sql[N_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_MEMO_GET] = "SELECT value, run FROM memo WHERE key = ?",
    [SQL_MEMO_PUT] = "INSERT OR IGNORE INTO memo VALUES (?, ?, ?)",
    [SQL_RUN_NEW] = "INSERT INTO run (name, seed, experiment, model_hash, backend,"
                    " started, status, stop_reason, seconds) VALUES (?, ?, ?, ?, ?,"
                    " strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), 'running', '', 0)",
    [SQL_RUN_EXISTS] = "SELECT 1 FROM run WHERE id = ?",
    [SQL_RUN_STATUS] = "UPDATE run SET status = ? WHERE id = ?",
    [SQL_RUN_END] = "UPDATE run SET stop_reason = ?, seconds = ? WHERE id = ?",
    [SQL_RUN_LATEST] = "SELECT max(id) FROM run",
    [SQL_RUN_LATEST_UNFINISHED] = "SELECT max(id) FROM run WHERE status <> 'finished'",
    [SQL_RUN_IDS] = "SELECT id FROM run ORDER BY id",
    [SQL_RUN_READ] =
        "SELECT seed, name, experiment, model_hash, backend, started, status,"
        " stop_reason, seconds FROM run WHERE id = ?",
    [SQL_SPEND_PUT] = "INSERT OR REPLACE INTO spend VALUES (?, ?, ?, ?, ?, ?, ?)",
    [SQL_SPEND_READ] = "SELECT purpose, tokens, evaluations, reused, ratings FROM spend"
                       " WHERE run = ? AND step = ?",
    [SQL_SPEND_READ_OLD] = "SELECT purpose, tokens, evaluations, reused, 0 FROM spend"
                           " WHERE run = ? AND step = ?",
    [SQL_HISTORY_PUT] =
        "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_HISTORY_GET] =
        "SELECT step, generation, best, best_se, median, best_id, n_alive,"
        " seconds FROM history WHERE run = ? AND step = ?",
    [SQL_HISTORY_READ] = "SELECT step FROM history WHERE run = ? ORDER BY step",
    [SQL_OPERATOR_PUT] = "INSERT OR REPLACE INTO operator VALUES (?, ?, ?, ?, ?, ?, ?)",
    [SQL_OPERATOR_READ] = "SELECT step, name, rate, credit, tries, wins FROM operator"
                          " WHERE run = ? ORDER BY step, name",
    [SQL_CANDIDATE_PUT] = "INSERT OR REPLACE INTO candidate VALUES"
                          " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_CANDIDATE_READ] = "SELECT id, parent1, parent2, generation, genome, prompt,"
                           " operators, state, value, se, n FROM candidate"
                           " WHERE run = ? ORDER BY id",
    [SQL_CUT_PUT] = "INSERT OR REPLACE INTO cut VALUES (?, ?, ?, ?)",
    [SQL_CUT_GET] = "SELECT step, seconds, pace FROM cut WHERE run = ?",
    [SQL_VERDICT_PUT] = "INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?, ?)",
    [SQL_VERDICT_READ] =
        "SELECT difference, ci_low, ci_high, p FROM verdict WHERE run = ?",
    [SQL_SCORES_CLEAR] = "DELETE FROM score WHERE run = ?",
    [SQL_SCORE_PUT] = "INSERT INTO score VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_SCORE_READ] =
        "SELECT role, candidate, score, se, n, each, first_choice FROM score"
        " WHERE run = ? ORDER BY role, place",
    [SQL_TRAINING_PUT] =
        "INSERT OR REPLACE INTO training VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_TRAINING_READ] = "SELECT method, n_tokens, start, planned, rate, peak_bytes,"
                          " parameters FROM training WHERE run = ?",
    [SQL_TRAINING_STEP_PUT] =
        "INSERT OR REPLACE INTO training_step VALUES (?, ?, ?, ?, ?, ?, ?)",
    [SQL_TRAINING_STEP_GET] = "SELECT step, loss, grad_norm, rate, tokens, seconds"
                              " FROM training_step WHERE run = ? AND step = ?",
    [SQL_TRAINING_STEPS_READ] = "SELECT step, loss, grad_norm, rate, tokens, seconds"
                                " FROM training_step WHERE run = ? ORDER BY step",
    [SQL_EVALUATION_PUT] =
        "INSERT OR REPLACE INTO training_evaluation VALUES (?, ?, ?, ?, ?, ?)",
    [SQL_EVALUATIONS_READ] = "SELECT step, loss, best, tokens, seconds"
                             " FROM training_evaluation WHERE run = ? ORDER BY step",
    [SQL_CHECKPOINT_PUT] = "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?)",
    [SQL_CHECKPOINT_READ] = "SELECT step, seconds, state FROM checkpoint WHERE run = ?",
    [SQL_PREFIX_PUT] = "INSERT OR REPLACE INTO prefix VALUES"
                       " (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_PREFIX_READ] = "SELECT step, loss, kind, n, shape, base_model, init, numbers"
                        " FROM prefix WHERE run = ?",
    [SQL_COMPARISON_PUT] = "INSERT OR REPLACE INTO comparison VALUES (?, ?, ?, ?, ?, ?)",
    [SQL_COMPARISON_READ] = "SELECT difference, ci_low, ci_high, p FROM comparison"
                            " WHERE run = ? AND role = ?",
};

const char *const *store_statements(void)
{
    return statement_sql;
}

int store_error(store *s, const char *doing, error *err)
{
    return sql_error(&s->file, doing, err);
}

int store_query(store *s, statement id, sqlite3_stmt **out, error *err, const char *types,
                ...)
{
    va_list args;
    va_start(args, types);
    int rc = sql_query_list(&s->file, id, out, err, types, args);
    va_end(args);
    return rc;
}

void store_done(sqlite3_stmt *q)
{
    sql_done(q);
}

int store_next(store *s, sqlite3_stmt *q, const char *doing, error *err)
{
    return sql_next(&s->file, q, doing, err);
}

int store_execute(store *s, statement id, const char *doing, error *err,
                  const char *types, ...)
{
    va_list args;
    sqlite3_stmt *q;
    va_start(args, types);
    int rc = sql_query_list(&s->file, id, &q, err, types, args);
    va_end(args);
    return rc < 0 ? rc : store_next(s, q, doing, err);
}
