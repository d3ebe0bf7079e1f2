/* Responses on their way out, and the headers that all of them carry. */
#include "export_stream.h"
#include "server_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_BLOCK = 32 << 10 };

static const char turk_frames[] =
    "https://worker.mturk.com https://workersandbox.mturk.com https://www.mturk.com "
    "https://requester.mturk.com https://requestersandbox.mturk.com";

static int add_header(struct MHD_Response *m, const char *name, const char *value)
{
    return MHD_add_response_header(m, name, value) == MHD_YES ? 0 : E_MEMORY;
}

/* Nothing but our own style and script, forms to us, frames nowhere; but for what a page
 * of Mechanical Turk needs. */
static int add_policy(struct MHD_Response *m, const response *r)
{
    text policy = {0};
    int rc =
        text_add_format(&policy, NULL,
                        "default-src 'none'; script-src 'self'; style-src 'self'; "
                        "base-uri 'none'; form-action 'self'%s%s; frame-ancestors %s",
                        r->form_to.n ? " " : "", text_string(&r->form_to),
                        r->framed ? turk_frames : "'none'");
    if (rc == 0)
        rc = add_header(m, "Content-Security-Policy", policy.s);
    if (rc == 0 && !r->framed)
        rc = add_header(m, "X-Frame-Options", "DENY");
    text_free(&policy);
    return rc;
}

static int add_retry(struct MHD_Response *m, unsigned seconds)
{
    char number[16];
    snprintf(number, sizeof number, "%u", seconds);
    return seconds ? add_header(m, "Retry-After", number) : 0;
}

static int add_headers(struct MHD_Response *m, const response *r)
{
    TRY(add_header(m, "Content-Type", r->type));
    TRY(add_policy(m, r));
    TRY(add_header(m, "X-Content-Type-Options", "nosniff"));
    /* Not "no-referrer": browsers would send "Origin: null" with our own forms. */
    TRY(add_header(m, "Referrer-Policy", "same-origin"));
    TRY(add_header(m, "Cross-Origin-Resource-Policy", "same-origin"));
    TRY(add_header(m, "Cache-Control", r->lasting ? "max-age=300" : "no-store"));
    if (r->location.n)
        TRY(add_header(m, "Location", r->location.s));
    if (r->cookie.n)
        TRY(add_header(m, "Set-Cookie", r->cookie.s));
    if (r->allow)
        TRY(add_header(m, "Allow", r->allow));
    if (r->close)
        TRY(add_header(m, "Connection", "close"));
    if (r->status == 401)
        TRY(add_header(m, "WWW-Authenticate", "Bearer"));
    return add_retry(m, r->retry_after);
}

static ssize_t read_stream(void *context, uint64_t position, char *bytes, size_t n)
{
    (void)position;
    int64_t got = export_read(context, bytes, n, NULL);
    if (got < 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    return got ? (ssize_t)got : MHD_CONTENT_READER_END_OF_STREAM;
}

static void close_stream(void *context)
{
    export_close(context);
}

/* Takes the body or the stream out of r. */
static struct MHD_Response *make_response(response *r)
{
    struct MHD_Response *m;
    if (r->stream) {
        m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream,
                                              r->stream, close_stream);
        if (m)
            r->stream = NULL;
        return m;
    }
    m = MHD_create_response_from_buffer(
        r->body.n, r->body.s, r->body.s ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (m)
        r->body = (text){0};
    return m;
}

enum MHD_Result server_send(exchange *x)
{
    struct MHD_Response *m = make_response(&x->r);
    if (!m)
        return MHD_NO;
    enum MHD_Result result = MHD_NO;
    if (add_headers(m, &x->r) == 0)
        result = MHD_queue_response(x->connection, (unsigned)x->r.status, m);
    MHD_destroy_response(m);
    return result;
}
