/* Hostile bytes as a target, a form, a cookie and a header: what is accepted is
 * well-formed, and what was made from it reads back. The first byte chooses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../rater/html.h"
#include "../rater/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(bool holds)
{
    if (!holds)
        abort();
}

static void use_fields(const form *f)
{
    for (size_t i = 0; i < f->n; i++) {
        const char *value = f->fields[i].value;
        insist(utf8_check(value, strlen(value)) == strlen(value));
        insist(form_get(f, f->fields[i].name) == value);
        text query = {0};
        form again = {0};
        insist(text_add_string(&query, "x=", NULL) == 0 &&
               form_escape(&query, value, NULL) == 0 &&
               form_parse(&again, query.s, query.n, NULL) == 0 && again.n == 1 &&
               strcmp(form_get(&again, "x"), value) == 0);
        form_free(&again);
        text_free(&query);
    }
}

static void use_form(const char *s, size_t n)
{
    form f = {0};
    if (form_parse(&f, s, n, NULL) == 0)
        use_fields(&f);
    form_free(&f);
}

static void use_target(const char *s)
{
    const site here = {.origin = "http://127.0.0.1:80", .base = "", .mturk = true};
    request q = {.method = HTTP_GET};
    response r = {0};
    const char *allow = NULL;
    if (request_target(&q, s, NULL) == 0) {
        use_fields(&q.query);
        route_find(&here, &q, &allow);
        insist(route_problem(&here, &q, route_is_api(q.path), 404, q.path, &r, NULL) ==
               0);
        insist(utf8_check(r.body.s, r.body.n) == r.body.n);
    }
    response_free(&r);
    request_free(&q);
}

static void use_headers(const char *s)
{
    char value[16];
    const site here = {.origin = "http://127.0.0.1:80"};
    request q = {0};
    if (cookie_get(s, "c", value, sizeof value))
        insist(strlen(value) < sizeof value && strstr(s, value));
    q.header[HEADER_HOST] = string_copy(s);
    q.header[HEADER_ORIGIN] = string_copy(s);
    if (guard_host(&here, &q))
        insist(strstr(s, "127.0.0.1") || strstr(s, "::1") || strcasestr(s, "localhost"));
    guard_same_site(&here, &q);
    request_free(&q);
}

/* Nothing of it is markup. */
static void use_html(const char *s, size_t n)
{
    text t = {0};
    insist(html_escape(&t, s, n, NULL) == 0);
    insist(!t.s || !strpbrk(t.s, "<>\"'"));
    insist(utf8_check(text_string(&t), t.n) == t.n);
    text_free(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *s = bytes_copy(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        use_form(s, size - 1);
        break;
    case 1:
        use_target(s);
        break;
    case 2:
        use_headers(s);
        break;
    default:
        use_html(s, size - 1);
    }
    free(s);
    return 0;
}
