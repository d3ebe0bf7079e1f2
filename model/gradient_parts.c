#include "gradient_parts.h"

#include <math.h>
#include <stdlib.h>

/* ---- Order ---- */

/* A row ends where its last want is, and wants stand as the plan has them. */
static void order_rows(gradient_parts *g, const plan *p, const plan_row *rows)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_wants; i++) {
        size_t r = p->wants[i].row;
        if (p->wants[i].position + 1 == rows[r].n)
            g->order[n++] = r;
    }
}

static int make_order(gradient_parts *g, const plan_row *rows, error *err)
{
    static const plan_cuts uncut = {.max_segment = SIZE_MAX};
    plan p = {0};
    TRY(g->separate ? plan_make_separate(&p, rows, g->n, err)
                    : plan_make(&p, rows, g->n, uncut, err));
    order_rows(g, &p, rows);
    plan_free(&p);
    for (size_t i = 0; i < g->n; i++)
        g->rows[i] = rows[g->order[i]];
    return 0;
}

static int order_set(gradient_parts *g, const row_set *set, error *err)
{
    plan_row *rows = array_new(set->n, sizeof(*rows));
    g->order = array_new(set->n, sizeof(*g->order));
    g->rows = array_new(set->n, sizeof(*g->rows));
    if (rows == NULL || g->order == NULL || g->rows == NULL) {
        free(rows);
        return error_memory(err, set->n * sizeof(*rows));
    }
    for (size_t i = 0; i < set->n; i++) {
        const row *r = &set->rows[i];
        rows[i] = (plan_row){r->tokens, r->n - 1, r->n - r->n_context};
    }
    int rc = make_order(g, rows, err);
    free(rows);
    return rc;
}

/* ---- Cutting ---- */

/* What cutting is guided by. */
typedef struct cutter {
    gradient_parts *g;
    session *s;
    uint64_t limit;
    size_t least; /* layers that are to be kept */
} cutter;

int gradient_parts_plan(const gradient_parts *g, session *s, const gradient_part *part,
                        gradient_pass *out, error *err)
{
    return pass_plan(out, s, g->rows + part->begin, part->end - part->begin, g->separate,
                     err);
}

/* Fill in what part [begin, end) takes, with as many layers kept as fit: 1 when it fits,
 * else 0, with the bytes of keeping the least. */
static int measure(const cutter *c, gradient_part *part, error *err)
{
    gradient_pass p;
    TRY(gradient_parts_plan(c->g, c->s, part, &p, err));
    part->n_positions = p.n_positions;
    part->n_kept = c->s->weights->shape.L;
    while ((part->bytes = pass_bytes(&p, part->n_kept)) > c->limit &&
           part->n_kept > c->least)
        part->n_kept--;
    pass_close(&p);
    return part->bytes <= c->limit;
}

/* The most of n rows from `begin` on that fit: 0 when not even one does. */
static int cut_one(const cutter *c, size_t begin, size_t n, gradient_part *out,
                   error *err)
{
    size_t low = 1, high = n;
    gradient_part part = {.begin = begin, .end = begin + n};
    int fits = measure(c, &part, err);
    *out = part;
    if (fits != 0 || n == 1)
        return fits;
    part.end = begin + 1;
    fits = measure(c, &part, err);
    *out = part;
    while (fits > 0 && high - low > 1) {
        part.end = begin + (low + high) / 2;
        int more = measure(c, &part, err);
        TRY(more);
        if (more > 0) {
            low = part.end - begin;
            *out = part;
        } else {
            high = part.end - begin;
        }
    }
    return fits;
}

/* 1, or 0 when a row does not fit: then it is alone in the last part. */
static int cut_all(const cutter *c, error *err)
{
    gradient_parts *g = c->g;
    size_t n = g->n;
    g->n_parts = 0;
    for (size_t begin = 0; begin < g->n; begin = g->parts[g->n_parts - 1].end) {
        gradient_part part;
        n = n < g->n - begin ? n : g->n - begin;
        int fits = cut_one(c, begin, n, &part, err);
        TRY(fits);
        TRY(array_grow(&g->parts, &g->capacity, g->n_parts, sizeof(part), err));
        g->parts[g->n_parts++] = part;
        if (fits == 0)
            return 0;
        n = 2 * (part.end - part.begin); /* the next will not hold many more */
    }
    return 1;
}

/* Positions computed: forwards, the same again backwards, and three quarters of a layer's
 * forward products anew where it is not kept (all but the last, in models whose
 * feed-forward part is as wide as usual). Getting the weights ready for a part takes as
 * long as PART positions: measured with SmolLM2-135M on AVX2. */
static double cost(const cutter *c)
{
    enum { PART = 140 };
    double sum = 0, L = (double)c->s->weights->shape.L;
    for (size_t i = 0; i < c->g->n_parts; i++) {
        const gradient_part *p = &c->g->parts[i];
        sum += ((double)p->n_positions + PART) * (2 + 0.75 * (1 - (double)p->n_kept / L));
    }
    return sum;
}

static int refuse(const cutter *c, error *err)
{
    const gradient_parts *g = c->g;
    const gradient_part *part = &g->parts[g->n_parts - 1];
    const session *s = c->s;
    return error_set(
        err, E_MEMORY,
        "row %zu: its gradient takes a session of %llu bytes, even if "
        "nothing is kept; this one has %llu",
        g->order[part->begin],
        (unsigned long long)(s->options.memory_bytes - c->limit + part->bytes),
        (unsigned long long)s->options.memory_bytes);
}

static int cut(cutter *c, error *err)
{
    size_t L = c->s->weights->shape.L, best = 0;
    const size_t least[] = {0, L / 2, L};
    double lowest = INFINITY;
    for (size_t i = 3; i-- > 0;) {
        c->least = least[i];
        int fits = cut_all(c, err);
        TRY(fits);
        if (fits == 0 && least[i] == 0)
            return refuse(c, err);
        if (fits > 0 && least[i] == L && c->g->n_parts == 1)
            return 0;
        if (fits > 0 && cost(c) < lowest) {
            lowest = cost(c);
            best = least[i];
        }
    }
    c->least = best;
    int rc = cut_all(c, err);
    return rc < 0 ? rc : 0;
}

int gradient_parts_make(gradient_parts *out, session *s, const row_set *set,
                        bool separate, uint64_t limit, error *err)
{
    gradient_parts g = {.n = set->n, .separate = separate};
    cutter c = {.g = &g, .s = s, .limit = limit};
    int rc = order_set(&g, set, err);
    if (rc == 0)
        rc = cut(&c, err);
    if (rc < 0)
        gradient_parts_free(&g);
    else
        *out = g;
    return rc;
}

void gradient_parts_free(gradient_parts *g)
{
    free(g->order);
    free(g->rows);
    free(g->parts);
    *g = (gradient_parts){0};
}
