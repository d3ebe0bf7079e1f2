#include "routes.h"
#include "api_json.h"
#include "page.h"

#include <string.h>

/* Sizes of bodies: a form holds a comment and two tokens; outputs of a task can be
 * long. */
enum { FORM_MOST = 16 << 10, JSON_MOST = 64 << 10, TASK_MOST = 1 << 20 };

const route routes[] = {
    {HTTP_GET, "/", 0, 0, page_get_home},
    {HTTP_POST, "/begin", ROUTE_SCARCE, FORM_MOST, page_post_begin},
    {HTTP_GET, "/r/{token}", ROUTE_RATER, 0, page_get_rater},
    {HTTP_GET, "/r/{token}/task", ROUTE_RATER, 0, page_get_task},
    {HTTP_POST, "/r/{token}/answer", ROUTE_RATER, FORM_MOST, page_post_answer},
    {HTTP_POST, "/r/{token}/undo", ROUTE_RATER, FORM_MOST, page_post_undo},
    {HTTP_POST, "/r/{token}/leave", ROUTE_RATER, FORM_MOST, page_post_leave},
    {HTTP_GET, "/r/{token}/bye", ROUTE_RATER, 0, page_get_bye},
    {HTTP_GET, "/mturk", ROUTE_MTURK | ROUTE_ALONE, 0, mturk_get_task},
    {HTTP_POST, "/mturk/answer", ROUTE_MTURK, FORM_MOST, mturk_post_answer},
    {HTTP_POST, "/api/v1/raters", ROUTE_API, JSON_MOST, api_post_raters},
    {HTTP_GET, "/api/v1/raters", ROUTE_API, 0, api_get_raters},
    {HTTP_GET, "/api/v1/next", ROUTE_API, 0, api_get_next},
    {HTTP_POST, "/api/v1/ratings", ROUTE_API, JSON_MOST, api_post_ratings},
    {HTTP_POST, "/api/v1/undo", ROUTE_API, JSON_MOST, api_post_undo},
    {HTTP_GET, "/api/v1/statistics", ROUTE_API, 0, api_get_statistics},
    {HTTP_GET, "/api/v1/export", ROUTE_API | ROUTE_OUTSIDE, 0, api_get_export},
    {HTTP_POST, "/api/v1/tasks", ROUTE_API, TASK_MOST, api_post_tasks},
    {HTTP_POST, "/api/v1/state", ROUTE_API, JSON_MOST, api_post_state},
    {HTTP_POST, "/api/v1/webhook", ROUTE_SIGNED, JSON_MOST, webhook_post_rating},
    {HTTP_GET, "/page.css", ROUTE_STATIC, 0, asset_get_style},
    {HTTP_GET, "/page.js", ROUTE_STATIC, 0, asset_get_script},
    {HTTP_GET, "/openapi.json", ROUTE_STATIC, 0, asset_get_openapi},
    {HTTP_GET, "/robots.txt", ROUTE_STATIC, 0, asset_get_robots},
};
const size_t n_routes = sizeof routes / sizeof *routes;

/* Whether `path` is what `pattern` says; fills the parameters. */
static bool match(const char *pattern, const char *path,
                  char parameter[N_PARAMETERS][PARAMETER_BYTES])
{
    for (size_t n = 0; *pattern;) {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return false;
            continue;
        }
        size_t length = strcspn(path, "/");
        if (length == 0 || length >= PARAMETER_BYTES || n == N_PARAMETERS)
            return false;
        memcpy(parameter[n], path, length);
        parameter[n++][length] = '\0';
        path += length;
        pattern = strchr(pattern, '}') + 1;
    }
    return *path == '\0';
}

const route *route_find(const site *s, request *q, const char **allow)
{
    static const char *const allowed[] = {NULL, "GET, HEAD", "POST", "GET, HEAD, POST"};
    unsigned methods = 0;
    for (size_t i = 0; i < n_routes; i++) {
        const route *r = &routes[i];
        if ((r->flags & ROUTE_MTURK && !s->mturk) ||
            !match(r->path, q->path, q->parameter))
            continue;
        if (r->method == q->method)
            return r;
        methods |= r->method == HTTP_GET ? 1 : 2;
    }
    *allow = allowed[methods];
    return NULL;
}

bool route_is_api(const char *path)
{
    return strncmp(path, "/api/", strlen("/api/")) == 0;
}

int route_status(int code)
{
    switch (code) {
    case E_ARGUMENT:
    case E_FORMAT:
        return 400;
    case E_UNSUPPORTED:
        return 415;
    case E_LIMIT:
        return 413;
    case E_BUSY:
    case E_INTERRUPTED:
        return 503;
    default:
        return 500;
    }
}

/* "../" for each folder of the path: how a page reaches the server's root, whatever the
 * proxy before it calls that. */
static int root_of(text *out, const char *path, error *err)
{
    for (path = path && *path ? path + 1 : ""; (path = strchr(path, '/')); path++)
        TRY(text_add_string(out, "../", err));
    return 0;
}

int route_problem(const site *s, const request *q, bool api, int status,
                  const char *detail, response *r, error *err)
{
    (void)s;
    response_clear(r);
    r->status = status;
    if (status == 503)
        r->retry_after = 5;
    if (api) {
        r->type = "application/problem+json";
        return api_problem(&r->body, status, detail, err);
    }
    text root = {0};
    int rc = root_of(&root, q->path, err);
    if (rc == 0)
        rc = page_error(&r->body, text_string(&root), status, detail, err);
    text_free(&root);
    return rc;
}
