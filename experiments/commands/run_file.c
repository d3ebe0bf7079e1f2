#include "run_file.h"

#include <sys/stat.h>

int run_file(text *out, const char *run, error *err)
{
    struct stat st;
    bool folder = stat(run, &st) == 0 && S_ISDIR(st.st_mode);
    TRY(text_add_format(out, err, "%s%s", run, folder ? "/lamarck.sqlite" : ""));
    return stat(out->s, &st) == 0
               ? 0
               : error_set(err, E_ARGUMENT, "there is no run in %s", run);
}
