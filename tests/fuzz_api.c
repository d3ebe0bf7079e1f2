/* Hostile bodies for every POST of the API and of Mechanical Turk's page, against a real
 * crowd: each is answered, or refused with an error that says why. The first byte
 * chooses the route. */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../rater/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[PATH_MAX];
static crowd *people;

static void clear_up(void)
{
    char name[PATH_MAX + 8];
    crowd_close(people);
    unlink(path);
    snprintf(name, sizeof name, "%s-wal", path);
    unlink(name);
    snprintf(name, sizeof name, "%s-shm", path);
    unlink(name);
}

/* An empty crowd: every input is rolled back, so that one does not depend on another. */
static void set_up(void)
{
    const char *root = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/fuzz_api.XXXXXX", root && *root ? root : "/tmp");
    int fd = mkstemp(path);
    error err = {0};
    if (fd < 0 || close(fd) < 0 || crowd_open(&people, path, &err) < 0) {
        fprintf(stderr, "no crowd: %s\n", err.text);
        abort();
    }
    atexit(clear_up);
}

static void answer(const route *to, const uint8_t *data, size_t size)
{
    const site here = {
        .origin = "http://127.0.0.1:80", .base = "", .database = path, .mturk = true};
    error err = {0};
    response r = {0};
    request q = {.method = HTTP_POST, .now = 1};
    q.header[HEADER_CONTENT_TYPE] = string_copy(
        to->flags & ROUTE_API ? "application/json" : "application/x-www-form-urlencoded");
    response_clear(&r);
    if (text_add(&q.body, data, size, NULL) == 0 && crowd_begin(people, &err) == 0) {
        int rc = to->handle(&here, people, &q, &r, &err);
        if (rc < 0 && (err.code != rc || !err.text[0]))
            abort();
        if (rc >= 0 && (r.status < 200 || r.status > 499))
            abort();
        crowd_rollback(people);
    }
    request_free(&q);
    response_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!people)
        set_up();
    if (size == 0)
        return 0;
    for (size_t i = 0, n = data[0] % 8; i < n_routes; i++) {
        bool takes =
            routes[i].method == HTTP_POST && routes[i].flags & (ROUTE_API | ROUTE_MTURK);
        if (takes && n-- == 0) {
            answer(&routes[i], data + 1, size - 1);
            break;
        }
    }
    return 0;
}
