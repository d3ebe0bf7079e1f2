/* Reading GGUF files when memory runs out: at every single allocation, in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../model/gguf.h"
#include "failing_malloc.h"
#include "gguf_build.h"
#include "gguf_walk.h"

/* A file that has the reader allocate in every way it knows. */
static char *varied_file(size_t *n)
{
    static const char *const words[] = {"one", "two"};
    static const float reals[] = {1, 2};
    gguf_build b = {0};
    for (uint32_t i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "key.%u", i);
        build_u32(&b, key, i);
    }
    build_string(&b, "string", "text");
    build_strings(&b, "words", words, 2);
    build_array(&b, "reals", BUILD_F32, 2, reals, sizeof reals);
    build_array(&b, "ints", BUILD_I32, 2, reals, sizeof reals);
    build_array(&b, "flags", BUILD_BOOL, 2, "\1\0", 2);
    for (uint32_t i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "tensor.%u", i);
        build_tensor(&b, name, QUANT_F32, 1, (uint64_t[]){8}, NULL, 32);
    }
    return build_finish(&b, n);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    size_t n;
    char *bytes = varied_file(&n);
    long failures = 0;
    for (;; failures++) {
        gguf *g = NULL;
        error err = {0};
        long held_before = allocations_held();
        set_allocations_left(failures + 1);
        int rc = gguf_parse(&g, bytes, n, &err);
        set_allocations_left(-1);
        if (rc == 0) {
            walk_gguf(g);
            gguf_close(g);
            assert_int_equal(allocations_held(), held_before);
            break;
        }
        assert_int_equal(allocations_held(),
                         held_before); /* what was had is given back */
        assert_int_equal(rc, E_MEMORY);
        assert_null(g);
        assert_non_null(strstr(err.text, "out of memory"));
    }
    assert_in_range(failures, 50, 100); /* 44 names, the arrays, the lists as they grow */
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
