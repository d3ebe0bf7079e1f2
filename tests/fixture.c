/* Where fixtures and the real model are. */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../model/base.h"

const char *fixture_path(char path[FIXTURE_PATH_BYTES], const char *name)
{
    const char *tests = getenv("LAMARCK_TESTS");
    int n =
        snprintf(path, FIXTURE_PATH_BYTES, "%s/data/%s", tests ? tests : "tests", name);
    assert_in_range(n, 1, FIXTURE_PATH_BYTES - 1);
    return path;
}

char *fixture_read(const char *name, size_t *n)
{
    char path[FIXTURE_PATH_BYTES], *bytes = NULL;
    size_t length = 0;
    error err = {0};
    if (file_read(fixture_path(path, name), 64 << 20, &bytes, &length, &err) < 0)
        fail_msg("%s", err.text);
    if (n)
        *n = length;
    return bytes;
}

const char *fixture_model(void)
{
    static char path[FIXTURE_PATH_BYTES];
    const char *given = getenv("LAMARCK_MODEL"), *cache = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    const char *file = "lamarck/SmolLM2-135M-Instruct-Q4_1.gguf";
    if (given && *given)
        snprintf(path, sizeof path, "%s", given);
    else if (cache && *cache)
        snprintf(path, sizeof path, "%s/%s", cache, file);
    else
        snprintf(path, sizeof path, "%s/.cache/%s", home ? home : "", file);
    if (access(path, R_OK) == 0)
        return path;
    printf("SKIP no model at %s (./setup model fetches it)\n", path);
    return NULL;
}
