/* What comes in over HTTP, without sockets: forms, cookies, targets, who may, how often,
 * which route; and that openapi.json tells of every route. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "../rater/limiter.h"
#include "../rater/routes.h"

static int parse(form *f, const char *s)
{
    *f = (form){0};
    return form_parse(f, s, strlen(s), NULL);
}

static void a_form_is_unescaped(void **state)
{
    form f;
    (void)state;
    assert_int_equal(parse(&f, "a=1&b=x+y%26%3D%2b&&c&=d&%65=%c3%a9%0A"), 0);
    assert_int_equal(f.n, 5);
    assert_string_equal(form_get(&f, "a"), "1");
    assert_string_equal(form_get(&f, "b"), "x y&=+");
    assert_string_equal(form_get(&f, "c"), "");
    assert_string_equal(form_get(&f, ""), "d");
    assert_string_equal(form_get(&f, "e"), "\xc3\xa9\n");
    assert_null(form_get(&f, "none"));
    form_free(&f);
    assert_int_equal(parse(&f, ""), 0);
    assert_int_equal(f.n, 0);
    form_free(&f);
}

static void a_broken_form_is_refused(void **state)
{
    static const char *const broken[] = {"a=%",     "a=%4",        "a=%4g",  "%=1",
                                         "a=%00",   "a=%ff",       "a=%c3",  "a=1&a=2",
                                         "a&%61=1", "a=%ed%a0%80", "a=\xff", NULL};
    form f;
    (void)state;
    for (size_t i = 0; broken[i]; i++) {
        assert_int_equal(parse(&f, broken[i]), E_FORMAT);
        assert_null(f.bytes);
    }
    assert_int_equal(form_parse(&f, "a=\0b", 4, NULL), E_FORMAT);
    char many[4 * (FORM_FIELDS + 1) + 1] = "";
    for (int i = 0; i <= FORM_FIELDS; i++)
        snprintf(many + 4 * i, 5, "%02d=&", i);
    assert_int_equal(parse(&f, many), E_LIMIT);
}

static void escaping_a_query_is_undone_by_reading_it(void **state)
{
    static const char nasty[] = "a b&c=d%e+f/?#\xc3\xa9\n\"'<>";
    text t = {0};
    form f;
    (void)state;
    assert_int_equal(text_add_string(&t, "x=", NULL), 0);
    assert_int_equal(form_escape(&t, nasty, NULL), 0);
    assert_int_equal(strspn(t.s + 2,
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                            "0123456789-._~%"),
                     t.n - 2);
    assert_int_equal(parse(&f, t.s), 0);
    assert_string_equal(form_get(&f, "x"), nasty);
    form_free(&f);
    text_free(&t);
}

static void a_cookie_is_found_by_its_whole_name(void **state)
{
    char out[8];
    (void)state;
    assert_true(cookie_get("a=1; bb=22;c=3 ", "bb", out, sizeof out));
    assert_string_equal(out, "22");
    assert_true(cookie_get("a=1; bb=22;c=3 ", "c", out, sizeof out));
    assert_string_equal(out, "3");
    assert_true(cookie_get("x=", "x", out, sizeof out));
    assert_string_equal(out, "");
    assert_false(cookie_get("a=1; bb=22", "b", out, sizeof out));
    assert_false(cookie_get("xa=1", "a", out, sizeof out));
    assert_false(cookie_get("a=1;a=2", "a", out, sizeof out));
    assert_false(cookie_get("a=12345678", "a", out, sizeof out));
    assert_false(cookie_get("a", "a", out, sizeof out));
    assert_false(cookie_get("", "a", out, sizeof out));
    assert_false(cookie_get(NULL, "a", out, sizeof out));
}

static void a_target_is_a_path_and_a_query(void **state)
{
    request q = {0};
    (void)state;
    assert_int_equal(request_target(&q, "/r/a%2Fb+c?x=1+2", NULL), 0);
    assert_string_equal(q.path, "/r/a/b+c");
    assert_string_equal(form_get(&q.query, "x"), "1 2");
    request_free(&q);
    static const char *const broken[] = {"",     "*",     "http://x/", "/%",
                                         "/%00", "/?a=%", NULL};
    for (size_t i = 0; broken[i]; i++) {
        assert_int_equal(request_target(&q, broken[i], NULL), E_FORMAT);
        request_free(&q);
    }
}

/* ---- Who may ---- */

static bool same_site(const char *origin, const char *fetch_site, const char *host)
{
    char copies[3][64];
    const site s = {.origin = "http://127.0.0.1:8080"};
    request q = {0};
    const char *given[] = {origin, fetch_site, host};
    const http_header at[] = {HEADER_ORIGIN, HEADER_FETCH_SITE, HEADER_HOST};
    for (size_t i = 0; i < 3; i++)
        if (given[i]) {
            snprintf(copies[i], sizeof copies[i], "%s", given[i]);
            q.header[at[i]] = copies[i];
        }
    return guard_same_site(&s, &q);
}

static void only_our_own_pages_may_change_things(void **state)
{
    (void)state;
    assert_true(same_site(NULL, NULL, "127.0.0.1:8080"));
    assert_true(same_site("http://127.0.0.1:8080", "same-origin", NULL));
    assert_true(same_site("http://localhost:8080", "same-origin", "localhost:8080"));
    assert_true(same_site(NULL, "none", "127.0.0.1:8080"));
    assert_false(same_site("http://127.0.0.1:8081", NULL, "127.0.0.1:8080"));
    assert_false(same_site("https://127.0.0.1:8080", NULL, "127.0.0.1:8080"));
    assert_false(same_site("http://evil.example", NULL, "127.0.0.1:8080"));
    assert_false(same_site("null", NULL, "127.0.0.1:8080"));
    assert_false(same_site("", NULL, "127.0.0.1:8080"));
    assert_false(same_site("http://127.0.0.1:8080", "cross-site", "127.0.0.1:8080"));
    assert_false(same_site("http://127.0.0.1:8080", "same-site", "127.0.0.1:8080"));
}

static bool host_is_ours(const char *origin, const char *host, bool any)
{
    char copy[64];
    const site s = {.origin = origin, .any_host = any};
    request q = {0};
    if (host) {
        snprintf(copy, sizeof copy, "%s", host);
        q.header[HEADER_HOST] = copy;
    }
    return guard_host(&s, &q);
}

static void other_names_are_not_ours(void **state)
{
    static const char here[] = "http://[::1]:80", there[] = "https://rate.example.org";
    (void)state;
    assert_true(host_is_ours(here, "[::1]:80", false));
    assert_true(host_is_ours(here, "localhost", false));
    assert_true(host_is_ours(here, "127.0.0.1:80", false));
    assert_true(host_is_ours(there, "Rate.Example.org", false));
    assert_true(host_is_ours(there, "rate.example.org:443", false));
    assert_false(host_is_ours(there, "example.org", false));
    assert_false(host_is_ours(there, "evilrate.example.org", false));
    assert_false(host_is_ours(here, "localhost.evil.example", false));
    assert_false(host_is_ours(here, "", false));
    assert_false(host_is_ours(here, NULL, false));
    assert_true(host_is_ours(here, "evil.example", true));
}

static void a_key_is_equal_to_itself_alone(void **state)
{
    (void)state;
    assert_true(guard_equal("abc", "abc"));
    assert_false(guard_equal("abc", "abd"));
    assert_false(guard_equal("abc", "ab"));
    assert_false(guard_equal("", "a"));
}

/* ---- How often ---- */

static void a_burst_is_allowed_and_then_the_rate(void **state)
{
    limiter *l;
    (void)state;
    assert_int_equal(limiter_new(&l, 2, 5, 1, NULL), 0);
    for (int i = 0; i < 5; i++)
        assert_true(limiter_take(l, "ann", 100) == 0);
    assert_true(limiter_take(l, "ann", 100) == 0.5);
    assert_true(limiter_take(l, "bob", 100) == 0);
    assert_true(limiter_take(l, "ann", 100.25) == 0.25);
    assert_true(limiter_take(l, "ann", 100.5) == 0);
    assert_true(limiter_take(l, "ann", 100.5) > 0);
    for (int i = 0; i < 5; i++) /* never more than the burst */
        assert_true(limiter_take(l, "ann", 1e6) == 0);
    assert_true(limiter_take(l, "ann", 1e6) > 0);
    limiter_free(l);
}

static void no_rate_is_no_limit(void **state)
{
    limiter *l;
    (void)state;
    assert_int_equal(limiter_new(&l, 0, 0, 1, NULL), 0);
    for (int i = 0; i < 1000; i++)
        assert_true(limiter_take(l, "ann", 1) == 0);
    limiter_free(l);
}

/* Whoever comes often is remembered through a flood of strangers that each come once. */
static void strangers_do_not_make_one_forgotten(void **state)
{
    limiter *l;
    char name[32];
    (void)state;
    assert_int_equal(limiter_new(&l, 0.001, 2, 7, NULL), 0);
    assert_true(limiter_take(l, "ann", 0) == 0);
    assert_true(limiter_take(l, "ann", 0) == 0);
    for (int i = 0; i < 200000; i++) {
        snprintf(name, sizeof name, "stranger %d", i);
        assert_true(limiter_take(l, name, i * 1e-4) == 0);
        if (i % 100 == 0)
            assert_true(limiter_take(l, "ann", i * 1e-4) > 0);
    }
    limiter_free(l);
}

/* ---- Routes ---- */

static const route *find(bool mturk, http_method method, const char *path, request *q,
                         const char **allow)
{
    const site s = {.mturk = mturk};
    *q = (request){.method = method, .path = path};
    *allow = NULL;
    return route_find(&s, q, allow);
}

static void a_path_finds_its_route_and_parameters(void **state)
{
    request q;
    const char *allow;
    (void)state;
    const route *r = find(false, HTTP_POST, "/r/TOKEN/answer", &q, &allow);
    assert_non_null(r);
    assert_ptr_equal(r->handle, page_post_answer);
    assert_string_equal(q.parameter[0], "TOKEN");
    assert_null(find(false, HTTP_GET, "/r/TOKEN/answer", &q, &allow));
    assert_string_equal(allow, "POST");
    assert_null(find(false, HTTP_OTHER, "/api/v1/raters", &q, &allow));
    assert_string_equal(allow, "GET, HEAD, POST");
    static const char *const nowhere[] = {"/r/", "/r//task", "/r/a/task/", "/r/a/b", "",
                                          "//",  "/R/a",     "/page.css/", NULL};
    for (size_t i = 0; nowhere[i]; i++) {
        assert_null(find(false, HTTP_GET, nowhere[i], &q, &allow));
        assert_null(allow);
    }
    assert_null(find(false, HTTP_GET, "/mturk", &q, &allow));
    assert_non_null(find(true, HTTP_GET, "/mturk", &q, &allow));
}

static json_t *load_openapi(void)
{
    response r = {0};
    response_clear(&r);
    assert_int_equal(asset_get_openapi(NULL, NULL, NULL, &r, NULL), 0);
    json_t *all = json_loadb(r.body.s, r.body.n, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(all);
    response_free(&r);
    return all;
}

static void openapi_tells_of_every_route(void **state)
{
    json_t *all = load_openapi();
    const json_t *paths = json_object_get(all, "paths");
    (void)state;
    for (size_t i = 0; i < n_routes; i++) {
        const char *method = routes[i].method == HTTP_GET ? "get" : "post";
        const json_t *told =
            json_object_get(json_object_get(paths, routes[i].path), method);
        if (!told)
            fail_msg("openapi.json does not tell of %s %s", method, routes[i].path);
        /* What needs no key says so: the default is that it does. */
        bool free = json_array_size(json_object_get(told, "security")) == 0 &&
                    json_object_get(told, "security");
        assert_int_equal(free, !(routes[i].flags & ROUTE_API));
    }
    json_decref(all);
}

static void openapi_tells_of_nothing_else(void **state)
{
    json_t *all = load_openapi(), *methods, *told;
    const char *path, *method;
    (void)state;
    json_object_foreach(json_object_get(all, "paths"), path, methods)
        json_object_foreach(methods, method, told)
    {
        size_t i = 0;
        while (i < n_routes && (strcmp(routes[i].path, path) != 0 ||
                                (routes[i].method == HTTP_GET) != (method[0] == 'g')))
            i++;
        if (i == n_routes)
            fail_msg("openapi.json tells of %s %s, which is no route", method, path);
    }
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_form_is_unescaped),
        cmocka_unit_test(a_broken_form_is_refused),
        cmocka_unit_test(escaping_a_query_is_undone_by_reading_it),
        cmocka_unit_test(a_cookie_is_found_by_its_whole_name),
        cmocka_unit_test(a_target_is_a_path_and_a_query),
        cmocka_unit_test(only_our_own_pages_may_change_things),
        cmocka_unit_test(other_names_are_not_ours),
        cmocka_unit_test(a_key_is_equal_to_itself_alone),
        cmocka_unit_test(a_burst_is_allowed_and_then_the_rate),
        cmocka_unit_test(no_rate_is_no_limit),
        cmocka_unit_test(strangers_do_not_make_one_forgotten),
        cmocka_unit_test(a_path_finds_its_route_and_parameters),
        cmocka_unit_test(openapi_tells_of_every_route),
        cmocka_unit_test(openapi_tells_of_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
