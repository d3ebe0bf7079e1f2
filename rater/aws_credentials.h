/* The keys with which requests to AWS are signed, found where every AWS client finds
 * them: in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN),
 * else in the credentials file (~/.aws/credentials, or AWS_SHARED_CREDENTIALS_FILE), in
 * the section that AWS_PROFILE names (else "default").
 *
 * They are never written anywhere, errors name variables, files and lines but no values,
 * and the memory is wiped when it is given back. */
#ifndef LAMARCK_RATER_AWS_CREDENTIALS_H
#define LAMARCK_RATER_AWS_CREDENTIALS_H

#include "../model/base.h"

typedef struct aws_credentials {
    char *key, *secret;
    char *session_token; /* NULL: none */
    char source[300];    /* where they come from, for people: no secret in it */
} aws_credentials;
void aws_credentials_free(aws_credentials *c);

/* The environment: the value of a variable or NULL, borrowed. getenv fits. */
typedef char *(*environment)(const char *name);

/* E_ARGUMENT when there are none, or only half of them. */
int aws_credentials_find(aws_credentials *out, environment get, error *err);

/* One section of a credentials file that is in memory: n bytes called `path`. E_FORMAT
 * with the line for what is not INI; E_ARGUMENT without the section or its keys. */
int aws_credentials_parse(aws_credentials *out, const char *bytes, size_t n,
                          const char *path, const char *profile, error *err);

#endif
