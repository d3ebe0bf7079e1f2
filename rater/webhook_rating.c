#include "webhook_rating.h"

#include <math.h>
#include <string.h>

#include "api_json.h"

enum { NAME_MOST = 200 };

void webhook_rating_free(webhook_rating *r)
{
    json_decref(r->json);
    *r = (webhook_rating){0};
}

static int get_name(const json_t *body, const char *name, const char **out, error *err)
{
    TRY(api_get_text(body, name, out, err));
    if (!*out || !**out || strlen(*out) > NAME_MOST)
        return error_set(err, E_FORMAT, "'%s' must be a string of 1 to %d bytes", name,
                         NAME_MOST);
    return 0;
}

/* An output's id, "tie", or a number. */
static int get_answer(const json_t *body, webhook_rating *out, error *err)
{
    const char *s = json_string_value(json_object_get(body, "answer"));
    if (s && strlen(s) == SHA256_HEX - 1) {
        out->output = s;
        return 0;
    }
    int rc = api_get_answer(body, "answer", &out->answer, err);
    return rc == 0 ? error_set(err, E_FORMAT, "'answer' is missing") : rc < 0 ? rc : 0;
}

static int read_all(const json_t *body, webhook_rating *out, error *err)
{
    static const char *const known[] = {"type",    "task",    "rater",  "answer", "key",
                                        "seconds", "comment", "source", NULL};
    const char *source = NULL, *type = NULL;
    TRY(api_known(body, known, err));
    TRY(api_get_text(body, "type", &type, err));
    if (type && strcmp(type, "rating") != 0)
        return error_set(err, E_FORMAT, "'type' must be rating");
    TRY(get_name(body, "task", &out->task, err));
    TRY(get_name(body, "rater", &out->rater, err));
    TRY(get_name(body, "key", &out->key, err));
    TRY(get_answer(body, out, err));
    TRY(api_get_real(body, "seconds", &out->seconds, err));
    if (out->seconds < 0)
        return error_set(err, E_FORMAT, "'seconds' must not be negative");
    TRY(api_get_text(body, "comment", &out->comment, err));
    TRY(api_get_text(body, "source", &source, err));
    if (source && strcmp(source, "webhook") != 0 && strcmp(source, "simulated") != 0)
        return error_set(err, E_FORMAT, "'source' must be webhook or simulated");
    out->simulated = source && strcmp(source, "simulated") == 0;
    return 0;
}

int webhook_rating_parse(webhook_rating *out, const char *s, size_t n, error *err)
{
    webhook_rating r = {.seconds = (double)NAN};
    TRY(api_parse(&r.json, s, n, err));
    int rc = read_all(r.json, &r, err);
    if (rc < 0) {
        webhook_rating_free(&r);
        return rc;
    }
    *out = r;
    return 0;
}
