#include "webhook_sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { MAC_BYTES = 32, TIME_DIGITS = 12 };

static int make_mac(const char *secret, const char *time, size_t n_time, const char *body,
                    size_t n, unsigned char mac[MAC_BYTES], error *err)
{
    text said = {0};
    unsigned n_mac = 0;
    int rc = text_add(&said, time, n_time, err);
    if (rc == 0)
        rc = text_add(&said, ".", 1, err);
    if (rc == 0)
        rc = text_add(&said, body, n, err);
    if (rc == 0 &&
        (!HMAC(EVP_sha256(), secret, (int)strlen(secret),
               (const unsigned char *)text_string(&said), said.n, mac, &n_mac) ||
         n_mac != MAC_BYTES))
        rc = error_set(err, E_EXTERNAL, "libcrypto cannot make a signature");
    text_free(&said);
    return rc;
}

int webhook_sign(const char *secret, int64_t now, const char *body, size_t n, text *out,
                 error *err)
{
    char time[24];
    unsigned char mac[MAC_BYTES];
    snprintf(time, sizeof time, "%lld", (long long)now);
    TRY(make_mac(secret, time, strlen(time), body, n, mac, err));
    TRY(text_add_format(out, err, "t=%s,v1=", time));
    for (size_t i = 0; i < MAC_BYTES; i++)
        TRY(text_add_format(out, err, "%02x", mac[i]));
    return 0;
}

/* A header taken apart. */
typedef struct signature {
    const char *time; /* into the header */
    size_t n_time;
    int64_t seconds;
    unsigned char mac[WEBHOOK_SIGNATURES_MOST][MAC_BYTES];
    size_t n;
} signature;

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_time(signature *out, const char *s, size_t n, error *err)
{
    if (out->time || n == 0 || n > TIME_DIGITS || strspn(s, "0123456789") < n)
        return error_set(err, E_FORMAT, "the signature's t is not one time in seconds");
    out->time = s;
    out->n_time = n;
    for (size_t i = 0; i < n; i++)
        out->seconds = 10 * out->seconds + (s[i] - '0');
    return 0;
}

static int read_mac(signature *out, const char *s, size_t n, error *err)
{
    if (n != (size_t)2 * MAC_BYTES)
        return error_set(err, E_FORMAT, "the signature's v1 has %zu digits: %d", n,
                         2 * MAC_BYTES);
    if (out->n == WEBHOOK_SIGNATURES_MOST)
        return error_set(err, E_FORMAT, "the signature has more than %d v1",
                         WEBHOOK_SIGNATURES_MOST);
    for (size_t i = 0; i < MAC_BYTES; i++) {
        int high = digit_of(s[2 * i]), low = digit_of(s[2 * i + 1]);
        if (high < 0 || low < 0)
            return error_set(err, E_FORMAT, "the signature's v1 is not hexadecimal");
        out->mac[out->n][i] = (unsigned char)(16 * high + low);
    }
    out->n++;
    return 0;
}

static int read_header(signature *out, const char *header, error *err)
{
    *out = (signature){0};
    for (const char *s = header; *s;) {
        s += strspn(s, " ");
        size_t n = strcspn(s, ",");
        if (n >= 2 && strncmp(s, "t=", 2) == 0)
            TRY(read_time(out, s + 2, n - 2, err));
        else if (n >= 3 && strncmp(s, "v1=", 3) == 0)
            TRY(read_mac(out, s + 3, n - 3, err));
        s += n + (s[n] == ',');
    }
    if (!out->time || out->n == 0)
        return error_set(err, E_FORMAT, "the signature wants t=SECONDS,v1=HEX");
    return 0;
}

int webhook_verify(const char *secret, const char *header, const char *body, size_t n,
                   int64_t now, error *err)
{
    signature given;
    unsigned char mac[MAC_BYTES];
    bool ours = false;
    TRY(read_header(&given, header, err));
    TRY(make_mac(secret, given.time, given.n_time, body, n, mac, err));
    for (size_t i = 0; i < given.n; i++)
        ours |= CRYPTO_memcmp(mac, given.mac[i], MAC_BYTES) == 0;
    if (!ours)
        return error_set(err, E_ARGUMENT,
                         "the signature is not ours: another secret, or "
                         "another body");
    int64_t apart = now - given.seconds;
    if (llabs(apart) > WEBHOOK_TOLERANCE_SECONDS)
        return error_set(
            err, E_ARGUMENT, "the signature is %lld seconds %s; the limit is %d",
            llabs(apart), apart > 0 ? "old" : "ahead", WEBHOOK_TOLERANCE_SECONDS);
    return 0;
}
