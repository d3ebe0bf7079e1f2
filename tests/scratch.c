#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char *scratch_new(void)
{
    const char *root = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/lamarck-test-XXXXXX", root && *root ? root : "/tmp") < 0)
        return NULL;
    if (!mkdtemp(path)) {
        free(path);
        return NULL;
    }
    return path;
}

static int remove_entry(const char *path, const struct stat *info, int kind,
                        struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

void scratch_remove(char *path)
{
    if (path)
        nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

int scratch_setup(void **state)
{
    *state = scratch_new();
    return *state ? 0 : -1;
}

int scratch_teardown(void **state)
{
    scratch_remove(*state);
    return 0;
}

FILE *scratch_create(const char *dir, const char *name)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    free(path);
    return f;
}
