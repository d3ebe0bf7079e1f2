/* A run folder with a crowd in it that has something to ask. */
#include "mturk_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

/* Markup, quotes and the end of a CDATA section, in everything that a worker sees. */
static const char hostile[] =
    "<script>alert(1)</script> & \"quoted\" 'it' ]]> \xe2\x80\x94 \x01";

static int put_outputs(crowd *c, size_t i, size_t n, char ids[MAX_OUTPUTS][SHA256_HEX],
                       error *err)
{
    char context[300], output[200];
    snprintf(context, sizeof context, "A dream about <b>%zu</b> %s", i, hostile);
    for (size_t k = 0; k < n; k++) {
        snprintf(output, sizeof output, "output %zu of %zu %s", k, i, k ? "" : hostile);
        TRY(crowd_put_output(c, context, output, ids[k], err));
    }
    return 0;
}

int mturk_fixture_tasks(crowd *c, size_t n, size_t wanted, error *err)
{
    static char bad[] = "bad", so[] = "so & so", good[] = "good",
                which[] = "Which is <better>?", think[] = "Take your time & \"think\".";
    static char *labels[] = {bad, so, good};
    for (size_t i = 0; i < n; i++) {
        question q = {.kind = (question_kind)(i % N_QUESTION_KINDS),
                      .ties = i % N_QUESTION_KINDS == QUESTION_COMPARE,
                      .text = which,
                      .instructions = think};
        if (q.kind == QUESTION_SCALE) {
            q.labels = labels;
            q.n_labels = 3;
        }
        char question_id[SHA256_HEX], outputs[MAX_OUTPUTS][SHA256_HEX], id[SHA256_HEX];
        const char *names[MAX_OUTPUTS];
        size_t n_outputs = question_outputs(q.kind);
        TRY(crowd_put_question(c, &q, question_id, err));
        TRY(put_outputs(c, i, n_outputs, outputs, err));
        for (size_t k = 0; k < n_outputs; k++)
            names[k] = outputs[k];
        TRY(crowd_put_task(c,
                           &(task_request){.question = question_id,
                                           .outputs = names,
                                           .wanted = wanted,
                                           .priority = (double)(n - i)},
                           id, err));
    }
    return 0;
}

int mturk_fixture_run(const char *path, size_t n, size_t wanted, error *err)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "PRAGMA user_version = 0; VACUUM", NULL, NULL, NULL) !=
            SQLITE_OK) {
        sqlite3_close(db);
        return error_set(err, E_IO, "cannot make %s", path);
    }
    sqlite3_close(db);
    crowd *c;
    TRY(crowd_open(&c, path, err));
    int rc = mturk_fixture_tasks(c, n, wanted, err);
    crowd_close(c);
    return rc;
}
