/* Files of hostile bytes as tasks and ratings of a crowd: what is accepted can be
 * exported and imported again, what is refused has a reason and leaves nothing. The first
 * byte chooses. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../experiments/commands/crowd_export.h"
#include "../experiments/commands/crowd_import.h"
#include "../rater/crowd_sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One file for the life of the process: every input is rolled back. */
static crowd *open_once(void)
{
    static crowd *c;
    if (c)
        return c;
    char path[] = P_tmpdir "/lamarck-fuzz-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || crowd_open(&c, path, NULL) < 0)
        abort();
    close(fd);
    sqlite3_exec(c->file.db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY",
                 NULL, NULL, NULL);
    unlink(path);
    return c;
}

static int import(crowd *c, const char *bytes, size_t n, bool tasks, error *err)
{
    crowd_rows rows;
    import_counts counts;
    /* fmemopen refuses an empty buffer on some systems; an empty line is as empty. */
    char *copy = bytes_copy(n ? bytes : "\n", n ? n : 1);
    FILE *f = copy ? fmemopen(copy, n ? n : 1, "r") : NULL;
    if (!f)
        abort();
    int rc = crowd_rows_begin(&rows, f, "f",
                              tasks ? crowd_task_columns : crowd_rating_columns, err);
    if (rc == 0)
        rc = tasks ? crowd_import_tasks(c, &rows, &counts, err)
                   : crowd_import_ratings(c, &rows, 1000, &counts, err);
    crowd_rows_close(&rows);
    free(copy);
    if ((rc < 0) != (err->code < 0) || (rc < 0 && !*err->text))
        abort();
    return rc;
}

/* Something that ratings can be about: two outputs, and a label. */
static void put_known_tasks(crowd *c)
{
    static const char known[] = "kind,ties,text,context,output1,output2,label1,label2\n"
                                "compare,1,W?,c,a,b,,\nscale,0,S?,c,a,,bad,good\n";
    error err = {0};
    if (import(c, known, strlen(known), true, &err) < 0)
        abort();
}

/* What was accepted goes out and comes in again, and nothing of it is new. */
static void export_and_import(crowd *c, bool csv, bool tasks)
{
    text out = {0};
    crowd_counts before, after;
    error err = {0};
    int rc = tasks ? crowd_export_tasks(c, csv, &out, &err)
                   : crowd_export_ratings(c, csv, &out, &err);
    if (rc < 0 || crowd_count(c, &before, &err) < 0)
        abort();
    if (import(c, text_string(&out), out.n, tasks, &err) < 0)
        abort();
    if (crowd_count(c, &after, &err) < 0 || after.tasks != before.tasks ||
        after.ratings != before.ratings || after.withdrawn != before.withdrawn)
        abort();
    text_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    crowd *c = open_once();
    error err = {0};
    bool tasks = data[0] & 1, csv = data[0] & 2;
    if (crowd_begin(c, &err) < 0)
        abort();
    put_known_tasks(c);
    if (import(c, (const char *)data + 1, size - 1, tasks, &err) == 0)
        export_and_import(c, csv, tasks);
    crowd_rollback(c);
    return 0;
}
