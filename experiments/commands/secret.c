#include "secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

enum { SECRET_LEAST = 16, SECRET_MOST = 512 };

/* Headers carry them. */
static int check(const char *what, const char *where, const char *s, size_t n, error *err)
{
    if (strlen(s) != n)
        return error_set(err, E_FORMAT, "the %s in %s has a NUL", what, where);
    for (size_t i = 0; i < n; i++)
        if (s[i] <= ' ' || s[i] > '~')
            return error_set(err, E_FORMAT,
                             "the %s in %s has a character that a header cannot carry",
                             what, where);
    if (n < SECRET_LEAST || n > SECRET_MOST)
        return error_set(err, E_FORMAT, "the %s in %s has %zu characters: %d to %d", what,
                         where, n, SECRET_LEAST, SECRET_MOST);
    return 0;
}

int secret_read(const char *what, const char *file, const char *variable, char **out,
                error *err)
{
    const char *set = getenv(variable);
    char *s = NULL;
    size_t n = 0;
    if (file) {
        TRY(file_read(file, SECRET_MOST + 2, &s, &n, err));
        while (n && (s[n - 1] == '\n' || s[n - 1] == '\r'))
            s[--n] = '\0';
    } else if (set && *set) {
        s = string_copy(set);
        n = strlen(set);
        if (!s)
            return error_memory(err, n);
    } else {
        return 0;
    }
    int rc = check(what, file ? file : variable, s, n, err);
    if (rc < 0) {
        free(s);
        return rc;
    }
    *out = s;
    return 1;
}

int secret_new(char out[SECRET_DIGITS + 1], error *err)
{
    unsigned char bits[SECRET_DIGITS / 2];
    if (RAND_bytes(bits, sizeof bits) != 1)
        return error_set(err, E_EXTERNAL, "no random numbers for a key");
    for (size_t i = 0; i < sizeof bits; i++)
        snprintf(out + 2 * i, 3, "%02x", bits[i]);
    return 0;
}
