#include "subcommand.h"

#include <string.h>

enum { MAX_SUBCOMMANDS = 32 };

const command *subcommand_find(const command *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp((*list)->name, name) == 0)
            return *list;
    return NULL;
}

const char *subcommand_nearest(const command *const *list, const char *wrong)
{
    const char *names[MAX_SUBCOMMANDS];
    size_t n = 0;
    for (; list[n] && n < MAX_SUBCOMMANDS; n++)
        names[n] = list[n]->name;
    return nearest_name(wrong, names, n);
}

const command *subcommand_innermost(const command *c, int argc, char **argv, int *depth)
{
    int n = 1;
    for (; c->subcommands && n < argc; n++) {
        const command *next = subcommand_find(c->subcommands, argv[n]);
        if (!next)
            break;
        c = next;
    }
    *depth = n;
    return c;
}

int subcommand_run(const command *const *list, const char *name, int argc, char **argv,
                   error *err)
{
    if (argc < 2)
        return error_set(err, E_USAGE, "%s wants a SUBCOMMAND", name);
    const command *c = subcommand_find(list, argv[1]);
    if (c)
        return c->run(argc - 1, argv + 1, err);
    const char *near = subcommand_nearest(list, argv[1]);
    return error_set(err, E_USAGE, "%s has no subcommand '%s'%s%s%s", name, argv[1],
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}
