/* Models by name: where `./setup` keeps the one that it fetches. */
#include <stdlib.h>
#include <string.h>

#include "experiment_read.h"

const char model_known_name[] = "smollm2";
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
    if (strcmp(model_name, model_known_name) == 0)
        return locate_known(path, err);
    return path_join(folder, model_name, path, err);
}
