/* The one place where routes are listed, and how a path finds its route. */
#ifndef LAMARCK_RATER_ROUTES_H
#define LAMARCK_RATER_ROUTES_H

#include "http.h"

enum {
    ROUTE_API = 1,      /* wants the key; speaks JSON */
    ROUTE_STATIC = 2,   /* needs no crowd: answered where it arrives */
    ROUTE_MTURK = 4,    /* only there for a server that works for Mechanical Turk */
    ROUTE_RATER = 8,    /* parameter 0 is a rater's token: his rate is limited */
    ROUTE_ALONE = 16,   /* shares its transaction with no other request */
    ROUTE_OUTSIDE = 32, /* has no transaction: opens a crowd of its own */
    ROUTE_SCARCE = 64,  /* makes a rater: an address has the rate of one */
    ROUTE_SIGNED = 128, /* its body is signed: that is looked at by what answers it */
};

/* What answers a request: fills `r`, which is clear. A negative return is a failure:
 * nothing that was written to the crowd stays, and the code says which status. `c` is
 * NULL for ROUTE_STATIC. */
typedef int route_handler(const site *s, crowd *c, const request *q, response *r,
                          error *err);

typedef struct route {
    http_method method;
    const char *path; /* "{name}" stands for one segment, at most N_PARAMETERS of them */
    unsigned flags;
    size_t most_bytes; /* of a body */
    route_handler *handle;
} route;

extern const route routes[];
extern const size_t n_routes;

/* The route of method and path, parameters filled in; NULL when there is none: *allow is
 * then NULL for an unknown path (404), or the methods that the path has (405). */
const route *route_find(const site *s, request *q, const char **allow);
/* Whether paths of the API begin like this one: how to word an error. */
bool route_is_api(const char *path);

/* The handlers. Pages, for people: */
route_handler page_get_home, page_post_begin, page_get_rater, page_get_task,
    page_post_answer, page_post_undo, page_post_leave, page_get_bye;
/* Mechanical Turk: */
route_handler mturk_get_task, mturk_post_answer;
/* The API: */
route_handler api_post_raters, api_get_raters, api_get_next, api_post_ratings,
    api_post_undo, api_get_statistics, api_get_export, api_post_tasks, api_post_state;
/* Programs that sign what they send: */
route_handler webhook_post_rating;
/* Files: */
route_handler asset_get_style, asset_get_script, asset_get_openapi, asset_get_robots;

/* The page, or the problem document, of a failure. */
int route_problem(const site *s, const request *q, bool api, int status,
                  const char *detail, response *r, error *err);
/* The status that an error of a handler means. */
int route_status(int code);

#endif
