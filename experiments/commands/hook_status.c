#include "hook_status.h"
#include "../../rater/webhook.h"
#include "run_file.h"

static int read_all(const char *run, webhook_status **all, size_t *n, error *err)
{
    text path = {0};
    int rc = run_file(&path, run, err);
    if (rc == 0)
        rc = webhook_statuses(path.s, all, n, err);
    text_free(&path);
    return rc;
}

static int add_endpoint(text *out, const webhook_status *s, error *err)
{
    TRY(text_add_format(out, err,
                        "webhooks  %s: %zu delivered, %zu waiting, %zu given up, %zu "
                        "needless; %zu tries\n",
                        s->origin, s->n[WEBHOOK_DELIVERED], s->n[WEBHOOK_WAITING],
                        s->n[WEBHOOK_DEAD], s->n[WEBHOOK_NEEDLESS], s->tries));
    return *s->problem
               ? text_add_format(out, err, "          last problem: %s\n", s->problem)
               : 0;
}

int hook_status_add(text *out, const char *run, error *err)
{
    webhook_status *all = NULL;
    size_t n = 0;
    int rc = read_all(run, &all, &n, err);
    TRY(rc);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = add_endpoint(out, &all[i], err);
    webhook_statuses_free(all, n);
    return rc;
}

static json_t *endpoint_json(const webhook_status *s)
{
    json_t *o = json_pack("{s:s, s:I, s:s}", "endpoint", s->origin, "tries",
                          (json_int_t)s->tries, "problem", s->problem);
    for (size_t i = 0; i < N_WEBHOOK_STATES && o; i++)
        if (json_object_set_new(o, webhook_state_names[i],
                                json_integer((json_int_t)s->n[i])) < 0) {
            json_decref(o);
            o = NULL;
        }
    return o;
}

int hook_status_json(json_t **out, const char *run, error *err)
{
    webhook_status *all = NULL;
    size_t n = 0;
    TRY(read_all(run, &all, &n, err));
    json_t *list = json_array();
    int rc = list ? 0 : error_memory(err, 64);
    for (size_t i = 0; i < n && rc == 0; i++)
        if (json_array_append_new(list, endpoint_json(&all[i])) < 0)
            rc = error_memory(err, sizeof *all);
    webhook_statuses_free(all, n);
    if (rc < 0)
        json_decref(list);
    else
        *out = list;
    return rc;
}
