/* Signatures of webhooks, both ways:
 *
 *   Lamarck-Signature: t=1764032400,v1=9f86d0…
 *
 * t is the sender's time, seconds since 1970; v1 the HMAC-SHA256 under the shared secret
 * of t, a dot and the body, in hexadecimal. A header may have several v1, for a time in
 * which the secret changes; parts of other names are passed over.
 *
 * Pure functions. */
#ifndef LAMARCK_RATER_WEBHOOK_SIGN_H
#define LAMARCK_RATER_WEBHOOK_SIGN_H

#include "../model/base.h"

/* How far sender's and receiver's clocks may be apart: what is older is a replay. */
enum { WEBHOOK_TOLERANCE_SECONDS = 300, WEBHOOK_SIGNATURES_MOST = 4 };

/* Append "t=…,v1=…". */
int webhook_sign(const char *secret, int64_t now, const char *body, size_t n, text *out,
                 error *err);

/* 0 when the header signs the body. E_FORMAT for one that makes no sense, E_ARGUMENT for
 * a time too far from `now` or a signature that is not ours; which bytes differ is told
 * by neither the error nor the time that it takes. */
int webhook_verify(const char *secret, const char *header, const char *body, size_t n,
                   int64_t now, error *err);

#endif
