/* Models by name: where `./setup` keeps the one that it fetches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "experiment_read.h"

static const char known_name[] = "smollm2";
static const char known_file[] = "lamarck/SmolLM2-135M-Instruct-Q4_1.gguf";

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int locate_known(char **path, error *err)
{
    const char *given = environment("LAMARCK_MODEL");
    const char *cache = environment("XDG_CACHE_HOME");
    const char *home = environment("HOME");
    text t = {0};
    int rc;
    if (given)
        rc = text_add_string(&t, given, err);
    else if (cache)
        rc = text_add_format(&t, err, "%s/%s", cache, known_file);
    else
        rc = text_add_format(&t, err, "%s/.cache/%s", home ? home : "", known_file);
    if (rc < 0)
        text_free(&t);
    else
        *path = t.s;
    return rc;
}

int model_locate(const char *model_name, const char *folder, char **path, error *err)
{
    if (strcmp(model_name, known_name) == 0)
        return locate_known(path, err);
    return path_join(folder, model_name, path, err);
}

int model_open_located(model **out, const char *name, const char *path, error *err)
{
    int rc = model_open(out, path, err);
    if (rc != E_IO || access(path, F_OK) == 0)
        return rc;
    if (strcmp(name, known_name) == 0)
        return error_set(err, E_IO,
                         "the model \"%s\" is not there: %s does not exist; run "
                         "./setup model to fetch it, or set LAMARCK_MODEL to its file",
                         name, path);
    return error_set(err, E_IO,
                     "the model \"%s\" is not there: %s does not exist; a model is the "
                     "path of a GGUF file, or the name \"%s\"",
                     name, path, known_name);
}

int experiment_open_model(const experiment *e, model **out, error *err)
{
    bool known = strcmp(e->model, known_name) == 0;
    if (!known || access(e->model_path, F_OK) == 0)
        return model_open_located(out, e->model, e->model_path, err);
    char *path;
    TRY(locate_known(&path, err));
    int rc = model_open_located(out, e->model, path, err);
    free(path);
    return rc;
}
