/* Opening an experiment's model, with a hint for those whose model is not there. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "experiment_read.h"

int model_open_located(model **out, const char *name, const char *path, error *err)
{
    int rc = model_open(out, path, err);
    if (rc != E_IO || access(path, F_OK) == 0)
        return rc;
    if (strcmp(name, model_known_name) == 0)
        return error_set(err, E_IO,
                         "the model \"%s\" is not there: %s does not exist; run "
                         "./setup model to fetch it, or set LAMARCK_MODEL to its file",
                         name, path);
    return error_set(err, E_IO,
                     "the model \"%s\" is not there: %s does not exist; a model is the "
                     "path of a GGUF file, or the name \"%s\"",
                     name, path, model_known_name);
}

int experiment_open_model(const experiment *e, model **out, error *err)
{
    bool known = strcmp(e->model, model_known_name) == 0;
    if (!known || access(e->model_path, F_OK) == 0)
        return model_open_located(out, e->model, e->model_path, err);
    char *path;
    TRY(model_locate(e->model, "", &path, err));
    int rc = model_open_located(out, e->model, path, err);
    free(path);
    return rc;
}
