/* Whether scores by maximum likelihood exist: the graph of who did not lose to whom. */
#include "bradley_terry.h"

#include <stdlib.h>
#include <string.h>

/* Edges from each item to those it leads to. */
typedef struct graph {
    size_t *begin, *to; /* (items + 1), (edges) */
} graph;

typedef enum edge_kind {
    EDGE_MET,       /* both ways */
    EDGE_BEATS,     /* from winner to loser; both ways for a tie */
    EDGE_BEATEN_BY, /* the same reversed */
} edge_kind;

static size_t edges_of(const comparison *x, edge_kind kind, size_t from[2], size_t to[2])
{
    bool reversed = kind == EDGE_BEATEN_BY;
    from[0] = to[1] = reversed ? x->loser : x->winner;
    to[0] = from[1] = reversed ? x->winner : x->loser;
    return kind == EDGE_MET || x->tie ? 2 : 1;
}

static int graph_open(graph *g, const comparisons *c, edge_kind kind, error *err)
{
    size_t n = c->items.n, from[2], to[2];
    g->begin = array_new(n + 2, sizeof *g->begin);
    g->to = array_new(2 * c->n, sizeof *g->to);
    if (!g->begin || !g->to)
        return error_memory(err, 2 * c->n * sizeof *g->to);
    for (size_t i = 0; i < c->n; i++)
        for (size_t e = edges_of(&c->list[i], kind, from, to); e-- > 0;)
            g->begin[from[e] + 2]++;
    for (size_t i = 0; i < n; i++)
        g->begin[i + 2] += g->begin[i + 1];
    /* begin[i + 1] runs from i's first to its last edge, and ends as it should. */
    for (size_t i = 0; i < c->n; i++)
        for (size_t e = edges_of(&c->list[i], kind, from, to); e-- > 0;)
            g->to[g->begin[from[e] + 1]++] = to[e];
    return 0;
}

static void graph_close(graph *g)
{
    free(g->begin);
    free(g->to);
}

/* Mark what can be reached from an item; returns how many. `stack` has room for all. */
static size_t reach(const graph *g, size_t from, bool *seen, size_t *stack)
{
    size_t depth = 0, n = 1;
    seen[from] = true;
    stack[depth++] = from;
    while (depth) {
        size_t i = stack[--depth];
        for (size_t e = g->begin[i]; e < g->begin[i + 1]; e++) {
            if (seen[g->to[e]])
                continue;
            seen[g->to[e]] = true;
            stack[depth++] = g->to[e];
            n++;
        }
    }
    return n;
}

/* "a", "b", "c" and 17 others: those marked `wanted`. */
static int name_items(text *out, const comparisons *c, const bool *seen, bool wanted,
                      size_t n, error *err)
{
    enum { MOST = 3 };
    size_t named = 0;
    for (size_t i = 0; i < c->items.n && named < MOST; i++)
        if (seen[i] == wanted)
            TRY(text_add_format(out, err, "%s\"%.40s\"", named++ ? ", " : "",
                                c->items.names[i]));
    if (n > named)
        TRY(text_add_format(out, err, " and %zu more", n - named));
    return 0;
}

static int not_connected(const comparisons *c, edge_kind kind, const bool *seen,
                         size_t n_seen, error *err)
{
    size_t n = c->items.n;
    /* Of two groups, the smaller says more; where one never won, the other never lost. */
    bool inside = n_seen <= n - n_seen;
    bool never_won = (kind == EDGE_BEATS) == inside;
    size_t n_group = inside ? n_seen : n - n_seen;
    text group = {0};
    int rc = name_items(&group, c, seen, inside, n_group, err);
    if (rc == 0)
        rc = error_set(
            err, E_NUMERIC,
            "scores by maximum likelihood do not exist: %zu of %zu items (%s) %s; "
            "compare them with others, or use a prior (--prior 0.1)",
            n_group, n, text_string(&group),
            kind == EDGE_MET ? "never met the others"
            : never_won      ? "never beat or tied any of the others"
                             : "never lost to or tied with any of the others");
    text_free(&group);
    return rc;
}

static int check_reach(const comparisons *c, edge_kind kind, bool *seen, size_t *stack,
                       error *err)
{
    graph g = {0};
    int rc = graph_open(&g, c, kind, err);
    if (rc == 0) {
        memset(seen, 0, c->items.n * sizeof *seen);
        size_t n = reach(&g, 0, seen, stack);
        if (n < c->items.n)
            rc = not_connected(c, kind, seen, n, err);
    }
    graph_close(&g);
    return rc;
}

int comparisons_check_connected(const comparisons *c, error *err)
{
    bool *seen = array_new(c->items.n, sizeof *seen);
    size_t *stack = array_new(c->items.n, sizeof *stack);
    int rc = seen && stack ? 0 : error_memory(err, c->items.n * sizeof *stack);
    for (edge_kind kind = EDGE_MET; rc == 0 && kind <= EDGE_BEATEN_BY; kind++)
        rc = check_reach(c, kind, seen, stack, err);
    free(seen);
    free(stack);
    return rc;
}
