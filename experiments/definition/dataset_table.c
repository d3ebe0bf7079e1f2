/* Examples from tables with a header: which column becomes what. */
#include <stdlib.h>
#include <string.h>

#include "dataset_read.h"
#include "table.h"

/* What each column of the header becomes. */
typedef struct header {
    size_t n;
    size_t target;                 /* its column */
    size_t field[TABLE_MAX_CELLS]; /* of the others */
} header;

static int read_header(dataset_builder *b, const table *t, header *out, error *err)
{
    TRY(table_check_header(t, err));
    const char *input = b->names.input ? b->names.input : "input";
    if (table_find(t, input) == t->n)
        return table_missing_column(t, input, "", err);
    const char *target = b->names.target ? b->names.target : "target";
    out->n = t->n;
    out->target = table_find(t, target);
    if (out->target == t->n && !b->names.target)
        out->target = table_find(t, "label");
    bool needed = b->names.target || !b->names.no_targets;
    if (out->target == t->n && needed)
        return table_missing_column(t, target, b->names.target ? "" : " (nor \"label\")",
                                    err);
    for (size_t i = 0; i < t->n; i++)
        if (i != out->target)
            TRY(builder_field(b, table_cell(t, i), t->begun, &out->field[i], err));
    return 0;
}

static int read_body(dataset_builder *b, table *t, const header *columns, error *err)
{
    for (;;) {
        int rc = table_next_of(t, columns->n, err);
        if (rc <= 0)
            return rc;
        TRY(builder_row(b, t->begun, err));
        for (size_t i = 0; i < t->n; i++) {
            const char *cell = table_cell(t, i);
            if (i == columns->target && (*cell || !b->names.no_targets))
                TRY(builder_target(b, cell, strlen(cell), err));
            else if (i != columns->target)
                TRY(builder_value(b, columns->field[i], cell, strlen(cell), err));
        }
        TRY(builder_row_end(b, err));
    }
}

int read_table(dataset_builder *b, FILE *f, bool quoted, error *err)
{
    table *t = calloc(1, sizeof *t);
    header *columns = calloc(1, sizeof *columns);
    int rc = t && columns ? 0 : error_memory(err, sizeof *t);
    if (rc < 0)
        goto out;
    table_begin(t, f, b->d->path, quoted);
    TRY_OUT(rc, table_next(t, err));
    if (rc == 0) {
        rc = error_set(err, E_FORMAT, "%s is empty: it needs a header", b->d->path);
        goto out;
    }
    TRY_OUT(rc, read_header(b, t, columns, err));
    rc = read_body(b, t, columns, err);
out:
    if (t)
        table_end(t);
    free(t);
    free(columns);
    return rc;
}
