/* The plan: every distinct prefix once, depth first, wants where they belong. */
#include "../model/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsl/gsl_rng.h>

enum { MAX_ROWS = 40, MAX_TOKENS = 12 };

typedef struct rows_fixture {
    int32_t tokens[MAX_ROWS][MAX_TOKENS];
    plan_row rows[MAX_ROWS];
    size_t n;
} rows_fixture;

/* Few ids and short rows, so that prefixes, equal rows and splits all occur. */
static void random_rows(rows_fixture *f, gsl_rng *rng)
{
    f->n = 1 + gsl_rng_uniform_int(rng, MAX_ROWS);
    for (size_t i = 0; i < f->n; i++) {
        size_t n = 1 + gsl_rng_uniform_int(rng, MAX_TOKENS);
        for (size_t t = 0; t < n; t++)
            f->tokens[i][t] = (int32_t)gsl_rng_uniform_int(rng, 3);
        f->rows[i] = (plan_row){f->tokens[i], n, 1 + gsl_rng_uniform_int(rng, n)};
    }
}

static size_t distinct_prefixes(const rows_fixture *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++)
        for (size_t t = 1; t <= f->rows[i].n; t++) {
            bool seen = false;
            for (size_t j = 0; j < i && !seen; j++)
                seen = f->rows[j].n >= t &&
                       memcmp(f->tokens[i], f->tokens[j], t * sizeof(int32_t)) == 0;
            n += !seen;
        }
    return n;
}

/* The tokens of a want's path are those of its row. */
static void check_want(const plan *p, const plan_want *w, const plan_row *row)
{
    size_t s = w->segment, position = w->position;
    assert_int_equal(p->segments[s].start + w->offset, position);
    for (;;) {
        const plan_segment *seg = &p->segments[s];
        for (; position + 1 > seg->start; position--) {
            assert_int_equal(seg->tokens[position - seg->start], row->tokens[position]);
            if (position == 0)
                return;
        }
        s = seg->parent;
        assert_int_not_equal(s, plan_none);
    }
}

static void check_order(const plan *p, plan_cuts cuts)
{
    size_t positions = 0;
    for (size_t i = 0; i < p->n_segments; i++) {
        const plan_segment *s = &p->segments[i];
        assert_in_range(s->n, 1, cuts.max_segment);
        assert_in_range(s->end, i + 1, p->n_segments);
        positions += s->n;
        if (s->parent == plan_none) {
            assert_int_equal(s->start, 0);
            continue;
        }
        const plan_segment *parent = &p->segments[s->parent];
        assert_true(s->parent < i && s->end <= parent->end && i < parent->end);
        assert_int_equal(s->start, parent->start + parent->n);
    }
    assert_int_equal(positions, p->n_positions);
}

static void check_wants(const plan *p, const rows_fixture *f, plan_cuts cuts)
{
    size_t total = 0, count[MAX_ROWS] = {0};
    for (size_t i = 0; i < f->n; i++)
        total += f->rows[i].n_wanted;
    assert_int_equal(p->n_wants, total);
    for (size_t i = 0; i < p->n_wants; i++) {
        const plan_want *w = &p->wants[i];
        const plan_row *row = &f->rows[w->row];
        check_want(p, w, row);
        assert_in_range(w->position, row->n - row->n_wanted, row->n - 1);
        count[w->row]++;
        if (cuts.at_row_ends && w->position == row->n - 1)
            assert_int_equal(w->offset, p->segments[w->segment].n - 1);
        if (i > 0) {
            assert_true(w->segment >= p->wants[i - 1].segment);
            assert_true(w->segment > p->wants[i - 1].segment ||
                        w->offset >= p->wants[i - 1].offset);
        }
    }
    for (size_t i = 0; i < f->n; i++)
        assert_int_equal(count[i], f->rows[i].n_wanted);
}

static void random_rows_give_right_plans(void **state)
{
    (void)state;
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    static const size_t limits[] = {1, 2, 5, 100};
    static rows_fixture f;
    error err = {0};
    for (int round = 0; round < 2000; round++) {
        plan p;
        plan_cuts cuts = {limits[round % 4], round / 4 % 2 == 1};
        random_rows(&f, rng);
        assert_int_equal(plan_make(&p, f.rows, f.n, cuts, &err), 0);
        assert_int_equal(p.n_positions, distinct_prefixes(&f));
        check_order(&p, cuts);
        check_wants(&p, &f, cuts);
        plan_free(&p);
    }
    gsl_rng_free(rng);
}

static void equal_rows_are_one_segment(void **state)
{
    (void)state;
    static const int32_t tokens[] = {5, 6, 7};
    plan_row rows[] = {{tokens, 3, 1}, {tokens, 3, 2}, {tokens, 2, 1}};
    plan p;
    error err = {0};
    assert_int_equal(plan_make(&p, rows, 3, (plan_cuts){100, false}, &err), 0);
    assert_int_equal(p.n_segments, 1);
    assert_int_equal(p.n_wants, 4);
    plan_free(&p);
    assert_int_equal(plan_make(&p, rows, 3, (plan_cuts){100, true}, &err), 0);
    assert_int_equal(p.n_segments, 2);
    plan_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_rows_give_right_plans),
        cmocka_unit_test(equal_rows_are_one_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
