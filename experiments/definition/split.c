/* Splits: which rows the search, the selection and the final comparison may see. */
#include <stdlib.h>
#include <string.h>

#include "dataset.h"

const char *split_label(split_name s)
{
    static const char *const labels[N_SPLITS] = {"search", "selection", "final"};
    return labels[s];
}

void splits_free(split splits[N_SPLITS])
{
    for (size_t s = 0; s < N_SPLITS; s++) {
        free(splits[s].index);
        splits[s] = (split){0};
    }
}

/* ---- Groups of rows with equal inputs, which must stay together ---- */

typedef struct group {
    size_t first; /* position in `rows` */
    size_t n;
} group;

typedef struct grouping {
    size_t *rows; /* row indices; each group's rows are neighbours, in file order */
    group *groups;
    size_t n_groups;
} grouping;

static int by_input(const void *a, const void *b, void *data)
{
    const dataset *d = data;
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    int order = strcmp(d->examples[i].values[0], d->examples[j].values[0]);
    return order ? order : (i > j) - (i < j);
}

static int by_first_row(const void *a, const void *b, void *data)
{
    const size_t *rows = data;
    size_t i = rows[((const group *)a)->first], j = rows[((const group *)b)->first];
    return (i > j) - (i < j);
}

static void grouping_free(grouping *g)
{
    free(g->rows);
    free(g->groups);
}

static int group_rows(const dataset *d, grouping *g, error *err)
{
    *g = (grouping){.rows = array_new(d->n, sizeof *g->rows),
                    .groups = array_new(d->n, sizeof *g->groups)};
    if (!g->rows || !g->groups) {
        grouping_free(g);
        return error_memory(err, d->n * sizeof *g->groups);
    }
    for (size_t i = 0; i < d->n; i++)
        g->rows[i] = i;
    union {
        const dataset *in;
        void *out;
    } data = {.in = d};
    qsort_r(g->rows, d->n, sizeof *g->rows, by_input, data.out);
    for (size_t i = 0; i < d->n; i++) {
        const example *x = &d->examples[g->rows[i]];
        bool opens =
            i == 0 || strcmp(d->examples[g->rows[i - 1]].values[0], x->values[0]) != 0;
        if (opens)
            g->groups[g->n_groups++] = (group){.first = i};
        g->groups[g->n_groups - 1].n++;
    }
    /* The order must not depend on how inputs compare, only on the file. */
    qsort_r(g->groups, g->n_groups, sizeof *g->groups, by_first_row, g->rows);
    return 0;
}

/* ---- Dealing ---- */

/* Fisher-Yates with a stream that only the split seed feeds: the same splits whatever the
 * seed of the search. The modulo bias is below n / 2^64. */
static void shuffle_groups(grouping *g, uint64_t seed)
{
    uint64_t stream = seed_mix(seed, UINT64_C(0x73706c6974)); /* "split" */
    for (size_t i = g->n_groups; i > 1; i--) {
        size_t j = (size_t)(seed_mix(stream, i) % i);
        group swap = g->groups[i - 1];
        g->groups[i - 1] = g->groups[j];
        g->groups[j] = swap;
    }
}

/* Each group goes to the first split that still has room for all of it; true when every
 * split came out full. */
static bool deal(const grouping *g, const size_t wanted[N_SPLITS], split out[N_SPLITS])
{
    for (size_t s = 0; s < N_SPLITS; s++)
        out[s].n = 0;
    for (size_t i = 0; i < g->n_groups; i++) {
        const group *each = &g->groups[i];
        size_t s = 0;
        while (s < N_SPLITS && wanted[s] - out[s].n < each->n)
            s++;
        if (s == N_SPLITS)
            continue;
        memcpy(out[s].index + out[s].n, g->rows + each->first, each->n * sizeof *g->rows);
        out[s].n += each->n;
    }
    for (size_t s = 0; s < N_SPLITS; s++)
        if (out[s].n < wanted[s])
            return false;
    return true;
}

/* Larger groups first, otherwise in the order of the shuffle. */
typedef struct ranked_group {
    group group;
    size_t rank;
} ranked_group;

static int by_size(const void *a, const void *b)
{
    const ranked_group *x = a, *y = b;
    if (x->group.n != y->group.n)
        return x->group.n < y->group.n ? 1 : -1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static int sort_groups_by_size(grouping *g, error *err)
{
    ranked_group *ranked = array_new(g->n_groups, sizeof *ranked);
    if (!ranked)
        return error_memory(err, g->n_groups * sizeof *ranked);
    for (size_t i = 0; i < g->n_groups; i++)
        ranked[i] = (ranked_group){g->groups[i], i};
    qsort(ranked, g->n_groups, sizeof *ranked, by_size);
    for (size_t i = 0; i < g->n_groups; i++)
        g->groups[i] = ranked[i].group;
    free(ranked);
    return 0;
}

static int deal_groups(const dataset *d, grouping *g, const size_t wanted[N_SPLITS],
                       uint64_t seed, split out[N_SPLITS], error *err)
{
    shuffle_groups(g, seed);
    if (deal(g, wanted, out))
        return 0;
    /* Single rows fill any gap, so give them out last. */
    TRY(sort_groups_by_size(g, err));
    if (deal(g, wanted, out))
        return 0;
    return error_set(err, E_FORMAT,
                     "%s: the %zu rows have only %zu different inputs, and equal inputs "
                     "must stay in one split: splits of %zu, %zu and %zu rows cannot be "
                     "filled so; ask for fewer, or remove rows",
                     d->path, d->n, g->n_groups, wanted[SPLIT_SEARCH],
                     wanted[SPLIT_SELECTION], wanted[SPLIT_FINAL]);
}

static int allocate_splits(const size_t wanted[N_SPLITS], split out[N_SPLITS], error *err)
{
    for (size_t s = 0; s < N_SPLITS; s++)
        out[s] = (split){0};
    for (size_t s = 0; s < N_SPLITS; s++) {
        out[s].index = array_new(wanted[s], sizeof *out[s].index);
        if (!out[s].index) {
            splits_free(out);
            return error_memory(err, wanted[s] * sizeof *out[s].index);
        }
    }
    return 0;
}

int dataset_split(const dataset *d, const size_t wanted[N_SPLITS], uint64_t seed,
                  split out[N_SPLITS], error *err)
{
    size_t sum;
    bool fits = size_add(wanted[SPLIT_SEARCH], wanted[SPLIT_SELECTION], &sum) &&
                size_add(sum, wanted[SPLIT_FINAL], &sum) && sum <= d->n;
    if (!fits)
        return error_set(err, E_LIMIT,
                         "splits of %zu (search), %zu (selection) and %zu (final) rows "
                         "do not fit into the %zu rows of %s",
                         wanted[SPLIT_SEARCH], wanted[SPLIT_SELECTION],
                         wanted[SPLIT_FINAL], d->n, d->path);
    split made[N_SPLITS];
    grouping g;
    TRY(allocate_splits(wanted, made, err));
    int rc = group_rows(d, &g, err);
    if (rc == 0) {
        rc = deal_groups(d, &g, wanted, seed, made, err);
        grouping_free(&g);
    }
    if (rc < 0)
        splits_free(made);
    else
        memcpy(out, made, sizeof made);
    return rc;
}

int dataset_split_by_field(const dataset *d, size_t field, split out[N_SPLITS],
                           error *err)
{
    const size_t room[N_SPLITS] = {d->n, d->n, d->n};
    split made[N_SPLITS];
    TRY(allocate_splits(room, made, err));
    for (size_t i = 0; i < d->n; i++) {
        const char *cell = d->examples[i].values[field];
        if (!*cell)
            continue;
        size_t s = 0;
        while (s < N_SPLITS && strcmp(cell, split_label((split_name)s)) != 0)
            s++;
        if (s == N_SPLITS) {
            splits_free(made);
            return error_set(err, E_FORMAT,
                             "%s:%zu: \"%.60s\" in column \"%s\" is none of search, "
                             "selection, final",
                             d->path, d->examples[i].line, cell, d->fields[field]);
        }
        made[s].index[made[s].n++] = i;
    }
    memcpy(out, made, sizeof made);
    return 0;
}

/* ---- Leaks ---- */

typedef struct placed {
    size_t row;
    size_t split;
} placed;

static int by_placed_input(const void *a, const void *b, void *data)
{
    const placed *x = a, *y = b;
    int order = by_input(&x->row, &y->row, data);
    return order ? order : (x->split > y->split) - (x->split < y->split);
}

int dataset_check_leaks(const dataset *d, const split splits[N_SPLITS], error *err)
{
    size_t n = 0, filled = 0;
    for (size_t s = 0; s < N_SPLITS; s++)
        n += splits[s].n;
    placed *all = array_new(n, sizeof *all);
    if (!all)
        return error_memory(err, n * sizeof *all);
    for (size_t s = 0; s < N_SPLITS; s++)
        for (size_t i = 0; i < splits[s].n; i++)
            all[filled++] = (placed){splits[s].index[i], s};
    union {
        const dataset *in;
        void *out;
    } data = {.in = d};
    qsort_r(all, n, sizeof *all, by_placed_input, data.out);
    int rc = 0;
    for (size_t i = 1; i < n && rc == 0; i++) {
        const example *a = &d->examples[all[i - 1].row], *b = &d->examples[all[i].row];
        if (all[i - 1].split != all[i].split && strcmp(a->values[0], b->values[0]) == 0)
            rc = error_set(err, E_FORMAT,
                           "%s: the input \"%.60s\" of line %zu (%s split) is also on "
                           "line %zu (%s split): what is judged on one split must not be "
                           "known from another",
                           d->path, a->values[0], a->line,
                           split_label((split_name)all[i - 1].split), b->line,
                           split_label((split_name)all[i].split));
    }
    free(all);
    return rc;
}
