/* Hostile webhooks: a signature header, up to the first newline, and a body. A header
 * that nobody made with the secret never passes, one that was made for the body does, and
 * what a body says of a rating is whole or refused with a reason. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../rater/webhook_rating.h"
#include "../rater/webhook_sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char secret[] = "a-secret-of-the-fuzzer";
enum { NOW = 1764032400 };

static void check_refusal(int rc, const error *err)
{
    if (rc < 0 && (err->code != rc || !err->text[0]))
        abort();
}

static void check_header(const char *header, const char *body, size_t n)
{
    error err = {0};
    int rc = webhook_verify(secret, header, body, n, NOW, &err);
    check_refusal(rc, &err);
    if (rc == 0)
        abort(); /* a forgery */
}

/* Ours passes, alone and behind whatever else a header may hold; not for another body. */
static void check_ours(const char *header, const char *body, size_t n)
{
    text ours = {0};
    if (webhook_sign(secret, NOW - 100, body, n, &ours, NULL) < 0 ||
        webhook_verify(secret, ours.s, body, n, NOW, NULL) < 0 ||
        webhook_verify(secret, ours.s, body, n, NOW + WEBHOOK_TOLERANCE_SECONDS, NULL) ==
            0 ||
        webhook_verify("another-secret-of-nobody", ours.s, body, n, NOW, NULL) == 0 ||
        (n && webhook_verify(secret, ours.s, body, n - 1, NOW, NULL) == 0))
        abort();
    error err = {0};
    if (text_add(&ours, ",", 1, NULL) == 0 && text_add_string(&ours, header, NULL) == 0)
        check_refusal(webhook_verify(secret, ours.s, body, n, NOW, &err), &err);
    text_free(&ours);
}

static void check_body(const char *body, size_t n)
{
    error err = {0};
    webhook_rating r;
    int rc = webhook_rating_parse(&r, body, n, &err);
    check_refusal(rc, &err);
    if (rc < 0)
        return;
    if (!*r.task || !*r.rater || !*r.key || r.seconds < 0 ||
        (r.output && strlen(r.output) != SHA256_HEX - 1))
        abort();
    webhook_rating_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    size_t n = end ? (size_t)(end - data) : size;
    char *header = bytes_copy(data, n);
    char *body = bytes_copy(end ? end + 1 : data, end ? size - n - 1 : 0);
    if (header && body) {
        check_header(header, body, end ? size - n - 1 : 0);
        check_ours(header, body, end ? size - n - 1 : 0);
        check_body(body, end ? size - n - 1 : 0);
    }
    free(header);
    free(body);
    return 0;
}
