/* The crowd's tables with the triggers that keep its counters, and its statements. */
#include "crowd_sql.h"

#include <stdio.h>

/* Numbers of enums (kind, source) are part of the format: add at the end only.
 *
 * A task is open while it is neither closed nor full nor gold, and has a place while
 * fewer ratings and running leases than wanted are there. A rating is good if it would
 * count unless its rater is excluded; done of a task are those that count. */
static const char schema_tables[] =
    "CREATE TABLE crowd_meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE crowd_state (id INTEGER PRIMARY KEY CHECK (id = 1), open INTEGER,"
    " gold_share, repeat_share, min_seconds, max_ratings INTEGER, min_checks INTEGER,"
    " min_right, lease_seconds INTEGER, n_tasks INTEGER, n_open INTEGER,"
    " missing INTEGER);"
    "CREATE TABLE crowd_question (id TEXT PRIMARY KEY, kind INTEGER, ties INTEGER,"
    " text TEXT, instructions TEXT, n_labels INTEGER) WITHOUT ROWID;"
    "CREATE TABLE crowd_label (question TEXT, place INTEGER, text TEXT,"
    " PRIMARY KEY (question, place)) WITHOUT ROWID;"
    "CREATE TABLE crowd_context (id TEXT PRIMARY KEY, text TEXT);"
    "CREATE TABLE crowd_output (id TEXT PRIMARY KEY, context TEXT, text TEXT);"
    "CREATE TABLE crowd_task (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " question TEXT, kind INTEGER, n_outputs INTEGER, output1 TEXT, output2 TEXT,"
    " output3 TEXT, output4 TEXT, wanted INTEGER, priority, gold TEXT,"
    " gold_answer INTEGER, practice INTEGER, closed INTEGER NOT NULL DEFAULT 0,"
    " done INTEGER NOT NULL DEFAULT 0, leased INTEGER NOT NULL DEFAULT 0,"
    " open INTEGER AS (gold IS NULL AND closed = 0 AND done < wanted),"
    " place INTEGER AS (gold IS NULL AND closed = 0 AND done + leased < wanted),"
    " missing INTEGER AS (CASE WHEN gold IS NULL AND closed = 0 AND done < wanted"
    " THEN wanted - done ELSE 0 END));"
    "CREATE INDEX crowd_task_next ON crowd_task (priority DESC) WHERE place = 1;"
    "CREATE INDEX crowd_task_gold ON crowd_task (closed) WHERE gold IS NOT NULL;"
    "CREATE TABLE crowd_rater (id INTEGER PRIMARY KEY, source INTEGER, name TEXT,"
    " since INTEGER, n INTEGER DEFAULT 0, withdrawn INTEGER DEFAULT 0,"
    " late INTEGER DEFAULT 0, simulated INTEGER DEFAULT 0, gold INTEGER DEFAULT 0,"
    " gold_right INTEGER DEFAULT 0, repeats INTEGER DEFAULT 0,"
    " repeats_agree INTEGER DEFAULT 0, fast INTEGER DEFAULT 0, good INTEGER DEFAULT 0,"
    " open_answered INTEGER DEFAULT 0, excluded INTEGER DEFAULT 0,"
    " reason TEXT DEFAULT '', UNIQUE (source, name));"
    "CREATE TABLE crowd_token (hash TEXT PRIMARY KEY, rater INTEGER) WITHOUT ROWID;"
    "CREATE TABLE crowd_assignment (n INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE,"
    " task INTEGER, rater INTEGER, placement TEXT, repeat INTEGER, shown INTEGER,"
    " state INTEGER, lease_until INTEGER, rating INTEGER);"
    "CREATE INDEX crowd_assignment_open ON crowd_assignment (rater) WHERE state = 0;"
    "CREATE UNIQUE INDEX crowd_assignment_once ON crowd_assignment"
    " (rater, task, repeat);"
    "CREATE INDEX crowd_assignment_lease ON crowd_assignment (lease_until)"
    " WHERE lease_until IS NOT NULL;"
    "CREATE TABLE crowd_rating (id INTEGER PRIMARY KEY, assignment INTEGER,"
    " task INTEGER, rater INTEGER, answer INTEGER, key TEXT UNIQUE, seconds,"
    " time INTEGER, comment TEXT, source TEXT, gold INTEGER, repeat INTEGER,"
    " passed INTEGER, late INTEGER, fast INTEGER, simulated INTEGER,"
    " withdrawn INTEGER,"
    " good INTEGER AS (gold = 0 AND repeat = 0 AND fast = 0 AND withdrawn = 0));"
    "CREATE INDEX crowd_rating_of_rater ON crowd_rating (rater, task)"
    " WHERE withdrawn = 0;"
    "CREATE INDEX crowd_rating_of_task ON crowd_rating (task, rater)"
    " WHERE withdrawn = 0;"
    "CREATE INDEX crowd_rating_latest ON crowd_rating (rater) WHERE withdrawn = 0;"
    "CREATE INDEX crowd_rating_seconds ON crowd_rating (seconds) WHERE withdrawn = 0;"
    "INSERT INTO crowd_meta VALUES ('version', 1);";

static const char schema_triggers[] =
    "CREATE TRIGGER crowd_task_new AFTER INSERT ON crowd_task BEGIN"
    " UPDATE crowd_state SET n_tasks = n_tasks + 1, n_open = n_open + new.open,"
    " missing = missing + new.missing;"
    " END;"
    "CREATE TRIGGER crowd_task_change AFTER UPDATE OF closed, done, wanted ON crowd_task"
    " WHEN old.missing <> new.missing BEGIN"
    " UPDATE crowd_state SET n_open = n_open + new.open - old.open,"
    " missing = missing + new.missing - old.missing;"
    " UPDATE crowd_rater SET open_answered = open_answered + new.open - old.open"
    " WHERE old.open <> new.open AND id IN (SELECT rater FROM crowd_rating"
    " WHERE task = new.n AND withdrawn = 0);"
    " END;"
    "CREATE TRIGGER crowd_lease_new AFTER INSERT ON crowd_assignment"
    " WHEN new.lease_until IS NOT NULL BEGIN"
    " UPDATE crowd_task SET leased = leased + 1 WHERE n = new.task;"
    " END;"
    "CREATE TRIGGER crowd_lease_change AFTER UPDATE OF lease_until ON crowd_assignment"
    " WHEN (old.lease_until IS NULL) <> (new.lease_until IS NULL) BEGIN"
    " UPDATE crowd_task SET leased = leased + (new.lease_until IS NOT NULL)"
    " - (old.lease_until IS NOT NULL) WHERE n = new.task;"
    " END;"
    "CREATE TRIGGER crowd_rating_new AFTER INSERT ON crowd_rating BEGIN"
    " UPDATE crowd_rater SET n = n + 1 - new.withdrawn,"
    " withdrawn = withdrawn + new.withdrawn,"
    " late = late + new.late * (1 - new.withdrawn),"
    " simulated = simulated + new.simulated * (1 - new.withdrawn),"
    " gold = gold + new.gold * (1 - new.withdrawn),"
    " gold_right = gold_right + new.gold * new.passed * (1 - new.withdrawn),"
    " repeats = repeats + new.repeat * (1 - new.withdrawn),"
    " repeats_agree = repeats_agree + new.repeat * new.passed * (1 - new.withdrawn),"
    " fast = fast + new.fast * (1 - new.withdrawn), good = good + new.good,"
    " open_answered = open_answered + (new.repeat = 0 AND new.withdrawn = 0 AND"
    " (SELECT open FROM crowd_task WHERE n = new.task)) WHERE id = new.rater;"
    " UPDATE crowd_task SET done = done + 1 WHERE n = new.task AND new.good = 1 AND"
    " (SELECT excluded FROM crowd_rater WHERE id = new.rater) = 0;"
    " END;"
    "CREATE TRIGGER crowd_rating_withdraw AFTER UPDATE OF withdrawn ON crowd_rating"
    " WHEN old.withdrawn = 0 AND new.withdrawn = 1 BEGIN"
    " UPDATE crowd_rater SET n = n - 1, withdrawn = withdrawn + 1, late = late - "
    "old.late,"
    " simulated = simulated - old.simulated, gold = gold - old.gold,"
    " gold_right = gold_right - old.gold * old.passed, repeats = repeats - old.repeat,"
    " repeats_agree = repeats_agree - old.repeat * old.passed, fast = fast - old.fast,"
    " good = good - old.good, open_answered = open_answered - (old.repeat = 0 AND"
    " (SELECT open FROM crowd_task WHERE n = old.task)) WHERE id = old.rater;"
    " UPDATE crowd_task SET done = done - 1 WHERE n = old.task AND old.good = 1 AND"
    " (SELECT excluded FROM crowd_rater WHERE id = old.rater) = 0;"
    " END;"
    "CREATE TRIGGER crowd_rating_fast AFTER UPDATE OF fast ON crowd_rating"
    " WHEN old.withdrawn = 0 AND old.fast <> new.fast BEGIN"
    " UPDATE crowd_rater SET fast = fast + new.fast - old.fast,"
    " good = good + new.good - old.good WHERE id = new.rater;"
    " UPDATE crowd_task SET done = done + new.good - old.good WHERE n = new.task AND"
    " (SELECT excluded FROM crowd_rater WHERE id = new.rater) = 0;"
    " END;"
    "CREATE TRIGGER crowd_rater_excluded AFTER UPDATE OF excluded ON crowd_rater"
    " WHEN old.excluded <> new.excluded BEGIN"
    " UPDATE crowd_task SET done = done + old.excluded - new.excluded WHERE n IN"
    " (SELECT task FROM crowd_rating WHERE rater = new.id AND withdrawn = 0"
    " AND good = 1);"
    " END;";

enum { CROWD_VERSION = 1 };

#define ASSIGNMENT_ROW                                                                   \
    "SELECT a.n, a.task, a.rater, t.kind, q.ties, a.repeat, a.rating IS NOT NULL,"       \
    " q.n_labels, t.n_outputs, a.placement, a.shown, t.gold_answer,"                     \
    " (SELECT answer FROM crowd_rating WHERE id = a.rating),"                            \
    " t.gold IS NULL AND (t.closed = 1 OR t.done >= t.wanted)"                           \
    " FROM crowd_assignment a JOIN crowd_task t ON t.n = a.task"                         \
    " JOIN crowd_question q ON q.id = t.question"

const char *const crowd_statements[N_CROWD_STATEMENTS] = {
    [CROWD_BEGIN] = "BEGIN IMMEDIATE",
    [CROWD_COMMIT] = "COMMIT",
    [CROWD_ROLLBACK] = "ROLLBACK",
    [CROWD_SAVEPOINT] = "SAVEPOINT crowd",
    [CROWD_RELEASE] = "RELEASE crowd",
    [CROWD_ROLLBACK_TO] = "ROLLBACK TO crowd",
    [CROWD_STATE_GET] = "SELECT open, gold_share, repeat_share, min_seconds, max_ratings,"
                        " min_checks, min_right, lease_seconds, n_open, missing, n_tasks"
                        " FROM crowd_state",
    [CROWD_OPEN_PUT] = "UPDATE crowd_state SET open = ?",
    [CROWD_LIMIT_PUT] = "INSERT INTO crowd_meta VALUES ('limit', ?1) ON CONFLICT (key)"
                        " DO UPDATE SET value = ?1 WHERE value <> ?1",
    /* A check keeps no place: it is taken to be at work for as long as a place is kept.
     */
    [CROWD_LIMIT_REACHED] =
        "SELECT value > 0 AND (SELECT total(n) FROM crowd_rater) + (SELECT count(*)"
        " FROM crowd_assignment WHERE state = 0 AND (lease_until > ?1 OR"
        " lease_until IS NULL AND shown > ?1 - (SELECT lease_seconds FROM crowd_state)))"
        " >= value FROM crowd_meta WHERE key = 'limit'",
    [CROWD_RULES_PUT] = "INSERT INTO crowd_state VALUES (1, 1, ?, ?, ?, ?, ?, ?, ?, 0, 0,"
                        " 0) ON CONFLICT DO UPDATE SET gold_share = excluded.gold_share,"
                        " repeat_share = excluded.repeat_share,"
                        " min_seconds = excluded.min_seconds,"
                        " max_ratings = excluded.max_ratings,"
                        " min_checks = excluded.min_checks,"
                        " min_right = excluded.min_right,"
                        " lease_seconds = excluded.lease_seconds",
    [CROWD_REFRESH_FAST] = "UPDATE crowd_rating SET fast = seconds < ?1"
                           " WHERE fast <> (seconds < ?1)",
    [CROWD_QUESTION_PUT] = "INSERT OR IGNORE INTO crowd_question VALUES"
                           " (?, ?, ?, ?, ?, ?)",
    [CROWD_QUESTION_GET] = "SELECT kind, ties, text, instructions, n_labels"
                           " FROM crowd_question WHERE id = ?",
    [CROWD_LABEL_PUT] = "INSERT OR IGNORE INTO crowd_label VALUES (?, ?, ?)",
    [CROWD_LABELS_GET] = "SELECT text FROM crowd_label WHERE question = ? ORDER BY place",
    [CROWD_CONTEXT_PUT] = "INSERT OR IGNORE INTO crowd_context VALUES (?, ?)",
    [CROWD_OUTPUT_PUT] = "INSERT OR IGNORE INTO crowd_output VALUES (?, ?, ?)",
    [CROWD_OUTPUT_GET] = "SELECT o.context, o.text, c.text FROM crowd_output o"
                         " JOIN crowd_context c ON c.id = o.context WHERE o.id = ?",
    [CROWD_TASK_PUT] =
        "INSERT INTO crowd_task (id, question, kind, n_outputs, output1, output2,"
        " output3, output4, wanted, priority, gold, gold_answer, practice)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " wanted = max(wanted, excluded.wanted), priority = excluded.priority,"
        " closed = 0",
    [CROWD_TASK_CLOSE] = "UPDATE crowd_task SET closed = 1 WHERE id = ? AND closed = 0",
    [CROWD_TASKS_CLOSE] = "UPDATE crowd_task SET closed = 1 WHERE closed = 0",
    [CROWD_TASK_FIND] = "SELECT n, n_outputs, gold IS NULL FROM crowd_task WHERE id = ?",
    [CROWD_TASK_OUTPUTS] = "SELECT n_outputs, output1, output2, output3, output4"
                           " FROM crowd_task WHERE id = ?",
    [CROWD_TASK_WANTED] = "SELECT (SELECT open FROM crowd_state) AND closed = 0 AND"
                          " (gold IS NOT NULL OR open) FROM crowd_task WHERE id = ?",
    [CROWD_RATER_PUT] = "INSERT OR IGNORE INTO crowd_rater (source, name, since)"
                        " VALUES (?, ?, ?)",
    [CROWD_RATER_FIND] = "SELECT id FROM crowd_rater WHERE source = ? AND name = ?",
    [CROWD_RATER_GET] =
        "SELECT id, name, source, n, gold, gold_right, repeats, repeats_agree, fast,"
        " CASE excluded WHEN 0 THEN good ELSE 0 END, excluded, reason, open_answered"
        " FROM crowd_rater WHERE id = ?",
    [CROWD_RATER_LIST] =
        "SELECT id, name, source, n, gold, gold_right, repeats, repeats_agree, fast,"
        " CASE excluded WHEN 0 THEN good ELSE 0 END, excluded, reason, open_answered"
        " FROM crowd_rater ORDER BY id",
    [CROWD_RATER_EXCLUDE] =
        "UPDATE crowd_rater SET excluded = ?2, reason = ?3 WHERE id = ?1",
    [CROWD_TOKEN_PUT] = "INSERT INTO crowd_token VALUES (?, ?)",
    [CROWD_TOKEN_GET] = "SELECT rater FROM crowd_token WHERE hash = ?",
    [CROWD_LEASES_EXPIRE] =
        "UPDATE crowd_assignment SET lease_until = NULL WHERE lease_until <= ?",
    [CROWD_LEASE_TAKE] = "UPDATE crowd_assignment SET lease_until = ?2, state = 0"
                         " WHERE n = ?1 AND repeat = 0 AND"
                         " (SELECT gold IS NULL FROM crowd_task WHERE n = task)",
    [CROWD_LEAVE] = "UPDATE crowd_assignment SET state = 2, lease_until = NULL"
                    " WHERE rater = ? AND state = 0",
    [CROWD_NEXT_TASK] = "SELECT n, n_outputs, 1 FROM crowd_task t WHERE place = 1 AND"
                        " NOT EXISTS (SELECT 1 FROM crowd_rating r WHERE r.rater = ?1"
                        " AND r.task = t.n AND r.withdrawn = 0)"
                        " ORDER BY priority DESC, n LIMIT 1",
    /* From a random row on, so that raters do not meet the gold in one order. */
    [CROWD_NEXT_GOLD] =
        "SELECT n, n_outputs, 0 FROM crowd_task t WHERE gold IS NOT NULL AND closed = 0"
        " AND n >= ?2 AND NOT EXISTS (SELECT 1 FROM crowd_rating r WHERE r.rater = ?1"
        " AND r.task = t.n AND r.withdrawn = 0) ORDER BY closed, n LIMIT 1",
    /* The latest three are too fresh in mind to be asked again. */
    [CROWD_REPEAT_RANGE] =
        "SELECT (SELECT min(id) FROM crowd_rating WHERE rater = ?1 AND withdrawn = 0),"
        " (SELECT id FROM crowd_rating WHERE rater = ?1 AND withdrawn = 0"
        " ORDER BY id DESC LIMIT 1 OFFSET 3)",
    [CROWD_NEXT_REPEAT] =
        "SELECT r.task, t.n_outputs, 0 FROM crowd_rating r JOIN crowd_task t"
        " ON t.n = r.task WHERE r.rater = ?1 AND r.withdrawn = 0 AND r.id >= ?2"
        " AND r.id <= ?3 AND r.gold = 0 AND r.repeat = 0 AND NOT EXISTS (SELECT 1 FROM"
        " crowd_assignment a WHERE a.rater = ?1 AND a.task = r.task AND a.repeat = 1)"
        " ORDER BY r.id LIMIT 1",
    [CROWD_ASSIGNMENT_OPEN] =
        "SELECT a.n, a.lease_until, t.closed, t.place, a.repeat OR t.gold IS NOT NULL"
        " FROM crowd_assignment a JOIN crowd_task t ON t.n = a.task"
        " WHERE a.rater = ? AND a.state = 0 ORDER BY a.n LIMIT 1",
    [CROWD_ASSIGNMENT_OF] = "SELECT n, state, token FROM crowd_assignment WHERE rater = ?"
                            " AND task = ? AND repeat = ?",
    [CROWD_ASSIGNMENT_PUT] =
        "INSERT INTO crowd_assignment (token, task, rater, placement, repeat, shown,"
        " state, lease_until) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, CASE ?8 WHEN 1"
        " THEN ?7 END) RETURNING n",
    [CROWD_ASSIGNMENT_DROP] =
        "UPDATE crowd_assignment SET state = 2, lease_until = NULL WHERE n = ?",
    [CROWD_ASSIGNMENT_ANSWERED] = "UPDATE crowd_assignment SET state = 1,"
                                  " lease_until = NULL, rating = ?2 WHERE n = ?1",
    [CROWD_ASSIGNMENT_REOPEN] = "UPDATE crowd_assignment SET state = 0, rating = NULL"
                                " WHERE n = ?1",
    [CROWD_ASSIGNMENT_BY_TOKEN] = ASSIGNMENT_ROW " WHERE a.token = ?",
    [CROWD_ASSIGNMENT_GET] =
        "SELECT a.token, t.id, a.rater, a.placement, a.repeat, a.rating IS NOT NULL,"
        " (SELECT answer FROM crowd_rating WHERE id = a.rating), t.question,"
        " t.n_outputs, t.output1, t.output2, t.output3, t.output4,"
        " r.n, r.open_answered, (SELECT n_open FROM crowd_state), t.open AND NOT EXISTS"
        " (SELECT 1 FROM crowd_rating x WHERE x.rater = a.rater AND x.task = a.task"
        " AND x.withdrawn = 0) FROM crowd_assignment a"
        " JOIN crowd_task t ON t.n = a.task JOIN crowd_rater r ON r.id = a.rater"
        " WHERE a.n = ?",
    [CROWD_KEY_GET] = "SELECT assignment, answer FROM crowd_rating WHERE key = ?",
    [CROWD_EARLIER_ANSWER] = "SELECT answer FROM crowd_rating WHERE rater = ? AND"
                             " task = ? AND withdrawn = 0 AND repeat = 0",
    [CROWD_RATING_PUT] =
        "INSERT INTO crowd_rating (assignment, task, rater, answer, key, seconds, time,"
        " comment, source, gold, repeat, passed, late, fast, simulated, withdrawn)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
        " ?15 = 1 OR (SELECT source FROM crowd_rater WHERE id = ?3) = ?16, ?17)"
        " RETURNING id",
    [CROWD_RATING_LATEST] = "SELECT id, assignment FROM crowd_rating WHERE rater = ?"
                            " AND withdrawn = 0 ORDER BY id DESC LIMIT 1",
    [CROWD_RATING_WITHDRAW] = "UPDATE crowd_rating SET withdrawn = 1 WHERE id = ?",
    [CROWD_COUNT_TASKS] = "SELECT n_tasks, n_open, missing, open FROM crowd_state",
    [CROWD_COUNT_RATERS] =
        "SELECT count(*), total(excluded), total(n), total(withdrawn), total(late),"
        " total(simulated), total(CASE excluded WHEN 0 THEN good ELSE 0 END)"
        " FROM crowd_rater",
    /* Seconds that are not known are NaN, kept as a blob: above all numbers. */
    [CROWD_COUNT_UNTIMED] = "SELECT count(*) FROM crowd_rating WHERE withdrawn = 0"
                            " AND seconds >= x''",
    [CROWD_MEDIAN] = "SELECT seconds FROM crowd_rating WHERE withdrawn = 0"
                     " ORDER BY seconds LIMIT ? OFFSET ?",
};

const char crowd_walk_ratings[] =
    "SELECT g.id, g.rater, r.name, r.source, t.id, t.question, t.kind, t.n_outputs,"
    " t.output1, t.output2, t.output3, t.output4, g.answer, t.gold, g.repeat, g.late,"
    " g.withdrawn, g.fast, r.excluded, g.good AND NOT r.excluded, g.seconds, g.time,"
    " g.comment, g.source, g.key, t.practice FROM crowd_rating g"
    " JOIN crowd_task t ON t.n = g.task JOIN crowd_rater r ON r.id = g.rater"
    " WHERE g.id > ? ORDER BY g.id";

const char crowd_walk_tasks[] =
    "SELECT t.n, t.id, t.question, t.kind, t.n_outputs, t.output1, t.output2, t.output3,"
    " t.output4, t.gold, t.practice, t.wanted, t.priority, t.done, t.leased, t.closed,"
    " t.open FROM crowd_task t WHERE t.n > ? ORDER BY t.n";

static int make_new(crowd *c, error *err)
{
    char pragma[60];
    const quality_rules r = quality_defaults();
    TRY(sql_run(&c->file, schema_tables, "make the crowd's tables", err));
    TRY(sql_run(&c->file, schema_triggers, "make the crowd's triggers", err));
    snprintf(pragma, sizeof pragma, "PRAGMA application_id = %d", SQL_APPLICATION_ID);
    TRY(sql_run(&c->file, pragma, "mark the file", err));
    return sql_execute(&c->file, CROWD_RULES_PUT, "write the rules", err, "dddiidi",
                       r.gold_share, r.repeat_share, r.min_seconds,
                       (int64_t)r.max_ratings, (int64_t)r.min_checks, r.min_right,
                       r.lease_seconds);
}

int crowd_make_tables(crowd *c, error *err)
{
    int64_t application = 0, tables = 0, has_crowd = 0, version = 0;
    TRY(sql_read_number(&c->file, "PRAGMA application_id", &application, err));
    TRY(sql_read_number(&c->file, "SELECT count(*) FROM sqlite_master", &tables, err));
    if (application != SQL_APPLICATION_ID && (application != 0 || tables != 0))
        return error_set(err, E_FORMAT,
                         "%s is an SQLite file, but not one that Lamarck made", c->path);
    TRY(sql_read_number(&c->file,
                        "SELECT count(*) FROM sqlite_master WHERE name = 'crowd_meta'",
                        &has_crowd, err));
    if (!has_crowd)
        return make_new(c, err);
    TRY(sql_read_number(&c->file, "SELECT value FROM crowd_meta WHERE key = 'version'",
                        &version, err));
    if (version == CROWD_VERSION)
        return 0;
    return error_set(err, E_FORMAT,
                     "%s has crowd tables of version %lld; this program reads and writes "
                     "version %d only",
                     c->path, (long long)version, CROWD_VERSION);
}
