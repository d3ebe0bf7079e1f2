/* The backends by name. */
#include "backend.h"

#include <string.h>

static const backend *const backends[] = {&backend_cpu, &backend_ref};

const backend *backend_find(const char *name)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(*backends); i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}

const char *backend_list(void)
{
    return "cpu, ref";
}
