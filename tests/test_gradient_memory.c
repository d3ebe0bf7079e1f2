/* Gradient calls when memory runs out: at every single allocation, in turn. */
#include "fixture.h"
#include "gradient_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"

/* A session of its own, behind virtual tokens, with little memory: several parts. */
static int run(const gradient_fixture *f, const place_map *m, float *out, float *prefix,
               error *err)
{
    session_options o = {.backend = "ref", .n_threads = 1, .memory_bytes = 260 << 10};
    gradient_request q = {.places = m->rows,
                          .n_places = m->n_places,
                          .place_gradients = out,
                          .prefix_gradient = prefix};
    row_score scores[GRADIENT_ROWS];
    gradient_estimate e = {.n_parts = 2};
    session *s = NULL;
    TRY(session_open(&s, f->model, &o, err));
    int rc = session_set_prefix(s, &f->prefixes[PREFIX_EMBEDDINGS], err);
    if (rc == 0)
        rc = model_gradient_estimate(s, f->rows, GRADIENT_ROWS, &q, &e, err);
    if (rc == 0)
        rc = model_gradient(s, f->rows, GRADIENT_ROWS, &q, scores, err);
    session_close(s);
    assert_true(e.n_parts > 1);
    return rc;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    gradient_fixture f;
    place_map m;
    error err = {0};
    gradient_fixture_open(&f, "tiny-f32");
    place_map_make(&m, f.rows, GRADIENT_ROWS, true);
    float *out = array_new(m.n_places * f.C, sizeof(*out));
    float *prefix = array_new(f.prefixes[0].n * f.C, sizeof(*prefix));
    assert_true(out != NULL && prefix != NULL);
    must(run(&f, &m, out, prefix, &err), &err); /* packs the weights */
    long failures = 0;
    for (int rc = -1; rc < 0; failures++) {
        long before = allocations_held();
        out[0] = prefix[0] = 1e30f;
        set_allocations_left(failures + 1);
        rc = run(&f, &m, out, prefix, &err);
        set_allocations_left(-1);
        assert_int_equal(allocations_held(), before);
        if (rc < 0) {
            assert_int_equal(rc, E_MEMORY);
            assert_true(out[0] == 1e30f && prefix[0] == 1e30f);
        }
    }
    assert_true(failures > 60); /* three plans, several parts */
    free(out);
    free(prefix);
    place_map_free(&m);
    gradient_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
