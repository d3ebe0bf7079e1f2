/* Asking Amazon for a HIT: one process at a time. */
#include "mturk_jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_AGAIN_MS = 20 };

int mturk_lock_open(mturk *m, const char *path, error *err)
{
    text name = {0};
    TRY(text_add_format(&name, err, "%s-mturk-lock", path));
    int fd = open(name.s, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    int rc =
        fd >= 0 ? 0 : error_set(err, E_IO, "cannot open %s: %s", name.s, strerror(errno));
    text_free(&name);
    if (rc == 0)
        m->lock_fd = fd;
    return rc;
}

static int set_lock(const mturk *m, short type)
{
    struct flock range = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = m->place, .l_len = 1};
    return fcntl(m->lock_fd, F_OFD_SETLK, &range);
}

/* Waits as long as another process waits for Amazon; Ctrl-C ends it. */
static int take_lock(const mturk *m, error *err)
{
    while (set_lock(m, F_WRLCK) != 0) {
        if (errno != EAGAIN && errno != EACCES)
            return error_set(err, E_IO, "cannot lock Mechanical Turk's books: %s",
                             strerror(errno));
        TRY(mturk_check_interrupt(m, err));
        poll(NULL, 0, LOOK_AGAIN_MS);
    }
    return 0;
}

/* Did Amazon look at the request and say no to what it asks for? Wrong keys and
 * throttling come before that, and tell nothing about an earlier request with the same
 * token. */
static bool was_judged(const mturk_fault *f)
{
    return f->code[0] || strcmp(f->type, "RequestError") == 0 ||
           strstr(f->type, "Parameter");
}

/* Keep the first error: what went wrong with Amazon matters more than what then went
 * wrong with the books. */
static int note_failure(mturk *m, const hit_row *hit, bool again,
                        const mturk_fault *fault, int rc, error *err)
{
    if (fault->outcome == MTURK_REFUSED && (!again || was_judged(fault))) {
        int noted = mturk_store_refused(
            m->books, hit->token, fault->message[0] ? fault->message : "refused", NULL);
        return noted < 0 ? noted : rc;
    }
    if (err && rc != E_INTERRUPTED)
        error_prefix(err, "whether Amazon made a HIT is not known, the next command will "
                          "find out");
    return rc;
}

static int send_now(mturk *m, const hit_row *hit, bool again, error *err)
{
    mturk_fault fault = {0};
    mturk_hit made;
    json_t *request = json_loads(hit->request, 0, NULL);
    if (!request)
        return error_set(err, E_FORMAT, "the request of HIT %s in the books is damaged",
                         hit->token);
    int rc = mturk_create_hit(m->api, request, &made, &fault, err);
    json_decref(request);
    if (rc < 0)
        return note_failure(m, hit, again, &fault, rc, err);
    return mturk_store_opened(m->books, hit->token, made.id, err);
}

int mturk_send(mturk *m, const hit_row *hit, bool again, error *err)
{
    TRY(take_lock(m, err));
    int rc = mturk_store_is_sending(m->books, hit->token, err);
    if (rc == 1)
        rc = send_now(m, hit, again, err);
    else if (rc == 0)
        rc = MTURK_SETTLED;
    set_lock(m, F_UNLCK);
    return rc;
}
