/* Write, flush, rename. */
#include "base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *s, size_t n)
{
    while (n) {
        ssize_t wrote = write(fd, s, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return -1;
        s += wrote;
        n -= (size_t)wrote;
    }
    return 0;
}

/* mkstemp makes files for the owner only; these are to be read like any other. */
static int set_usual_mode(int fd)
{
    mode_t mask = umask(0);
    umask(mask);
    return fchmod(fd, 0666 & ~mask);
}

/* A new file beside `path`, its name in *name (empty on failure); its descriptor. */
static int open_temporary(const char *path, text *name, error *err)
{
    TRY(text_add_format(name, err, "%s.XXXXXX", path));
    int fd = mkstemp(name->s);
    if (fd >= 0)
        return fd;
    text_free(name);
    return error_set(err, E_IO, "cannot write %s: %s", path, strerror(errno));
}

int file_check_writable(const char *path, error *err)
{
    struct stat is;
    if (stat(path, &is) == 0 && S_ISDIR(is.st_mode))
        return error_set(err, E_IO, "cannot write %s: %s", path, strerror(EISDIR));
    text temporary = {0};
    int fd = open_temporary(path, &temporary, err);
    if (fd < 0)
        return fd;
    close(fd);
    unlink(temporary.s);
    text_free(&temporary);
    return 0;
}

int file_write(const char *path, const void *bytes, size_t n, error *err)
{
    text temporary = {0};
    int fd = open_temporary(path, &temporary, err), rc = 0;
    if (fd < 0)
        return fd;
    bool failed = write_all(fd, bytes, n) < 0 || set_usual_mode(fd) < 0 || fsync(fd) < 0;
    int why = errno;
    if (close(fd) < 0 && !failed) {
        failed = true;
        why = errno;
    }
    if (!failed && rename(temporary.s, path) < 0) {
        failed = true;
        why = errno;
    }
    if (failed) {
        unlink(temporary.s);
        rc = error_set(err, E_IO, "cannot write %s: %s", path, strerror(why));
    }
    text_free(&temporary);
    return rc;
}
