#include "simulate_score.h"
#include "../views/json_lines.h"

static int read_text(const json_lines *l, const json_t *object, const char *key,
                     const char **out, error *err)
{
    size_t n;
    int found = json_lines_text(l, object, key, out, &n, err);
    TRY(found);
    return found ? 0 : json_lines_error(l, E_FORMAT, err, "\"%s\" is missing", key);
}

static int score(const json_lines *l, const json_t *object, taste t, error *err)
{
    static const char *const keys[] = {"context", "output"};
    const char *context, *output;
    double liking;
    TRY(json_lines_known(l, object, keys, 2, err));
    TRY(read_text(l, object, "context", &context, err));
    TRY(read_text(l, object, "output", &output, err));
    TRY(simulated_liking(t, context, output, &liking, err));
    return json_print_line(json_pack("{s:f}", "liking", liking), err);
}

int simulate_score(const char *path, taste t, error *err)
{
    json_lines l;
    json_t *object;
    int rc;
    TRY(json_lines_open(&l, path, err));
    while ((rc = json_lines_next(&l, &object, err)) > 0) {
        rc = score(&l, object, t, err);
        json_decref(object);
        if (rc < 0)
            break;
    }
    json_lines_close(&l);
    return rc;
}
