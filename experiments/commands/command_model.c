/* Opening the model that a command line names. */
#include "command_model.h"
#include "../../prefix/prefix.h"
#include "../definition/experiment.h"
#include "command.h"

#include <stdlib.h>

const char *const backend_names[] = {"cpu", "ref", NULL};
const char *const overflow_names[] = {"error", "left", "middle", NULL};

session_options model_choice_session(const model_choice *c)
{
    return (session_options){
        .backend = backend_names[c->backend],
        .n_threads = c->n_threads,
        .memory_bytes = (uint64_t)c->memory_mib << 20,
        .overflow = (row_overflow)c->overflow,
    };
}

int command_model_load(const char *name, model **m, error *err)
{
    char *path;
    TRY(model_locate(name, "", &path, err));
    int rc = model_open_located(m, name, path, err);
    free(path);
    return rc;
}

int command_use_prefix(const char *path, const model *m, session *s, size_t *n,
                       error *err)
{
    prefix p = {0};
    *n = 0;
    if (!path)
        return 0;
    TRY(prefix_load(&p, path, err));
    prefix_view view = prefix_view_of(&p);
    int rc = prefix_check_model(&p, m, err);
    if (rc == 0)
        rc = session_set_prefix(s, &view, err);
    if (rc == 0)
        *n = p.n;
    else
        error_prefix(err, "%s", path);
    prefix_free(&p);
    return rc;
}

int command_model_open(const char *name, const model_choice *c, model **m, session **s,
                       error *err)
{
    session_options options = model_choice_session(c);
    model *opened = NULL;
    TRY(command_model_load(name, &opened, err));
    int rc = session_open(s, opened, &options, err);
    if (rc < 0) {
        model_close(opened);
        return rc;
    }
    session_set_interrupt(*s, &command_interrupted);
    *m = opened;
    return 0;
}
