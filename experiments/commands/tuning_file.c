#include "tuning_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char state_name[] = "lamarck_tuning.state";
enum { STATE_MOST = 1 << 30 }; /* bytes */

/* The lock goes with the process, however it ends. */
static int hold(tuning_file *f, error *err)
{
    if (mkdir(f->out, 0777) < 0 && errno != EEXIST)
        return error_set(err, E_IO, "cannot make the folder %.300s: %s", f->out,
                         strerror(errno));
    f->folder = open(f->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->folder < 0)
        return error_set(err, E_IO, "cannot open the folder %.300s: %s", f->out,
                         strerror(errno));
    if (flock(f->folder, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return error_set(err, E_BUSY, "another process is tuning into %.300s", f->out);
    return error_set(err, E_IO, "cannot lock the folder %.300s: %s", f->out,
                     strerror(errno));
}

/* What a process that was killed had begun to write (file_write in model/base.h), and
 * nobody else is at, since we hold the folder. */
static void sweep(const tuning_file *f)
{
    size_t n = strlen(state_name);
    DIR *d = opendir(f->out);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (strncmp(e->d_name, state_name, n) == 0 && e->d_name[n] == '.')
            unlinkat(f->folder, e->d_name, 0);
    if (d)
        closedir(d);
}

static int load(const tuning_file *f, policy *p, error *err)
{
    char *bytes;
    size_t n;
    TRY(file_read(f->state.s, STATE_MOST, &bytes, &n, err));
    int rc = policy_load_state(p, bytes, n, err);
    free(bytes);
    return rc < 0 ? error_prefix(err, "%.300s", f->state.s) : 0;
}

static int begin(tuning_file *f, bool resume, policy *p, error *err)
{
    TRY(text_add_format(&f->state, err, "%s/%s", f->out, state_name));
    bool there = access(f->state.s, F_OK) == 0;
    sweep(f);
    if (resume && !there)
        return error_set(err, E_ARGUMENT,
                         "%.300s holds no tuning that was stopped: without --resume one "
                         "begins",
                         f->out);
    if (!resume && there)
        return error_set(err, E_BUSY,
                         "%.300s holds a tuning that was stopped: --resume goes on with "
                         "it, another --out begins anew",
                         f->out);
    return resume ? load(f, p, err) : file_check_writable(f->state.s, err);
}

int tuning_file_open(tuning_file *f, const char *out, bool resume, policy *p, error *err)
{
    *f = (tuning_file){.folder = -1, .out = out};
    int rc = hold(f, err);
    if (rc == 0)
        rc = begin(f, resume, p, err);
    if (rc < 0)
        tuning_file_close(f);
    return rc;
}

int tuning_file_save(tuning_file *f, const policy *p, error *err)
{
    text bytes = {0};
    int rc = policy_save_state(p, &bytes, err);
    if (rc == 0)
        rc = file_write(f->state.s, bytes.s, bytes.n, err);
    text_free(&bytes);
    return rc;
}

int tuning_file_end(tuning_file *f, error *err)
{
    if (unlink(f->state.s) < 0)
        return error_set(err, E_IO, "cannot remove %.300s: %s", f->state.s,
                         strerror(errno));
    return 0;
}

void tuning_file_close(tuning_file *f)
{
    if (f->folder >= 0)
        close(f->folder);
    text_free(&f->state);
    f->folder = -1;
}
