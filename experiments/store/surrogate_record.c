#include "surrogate_record.h"

#include <stdlib.h>
#include <string.h>

const char *const surrogate_stage_names[N_SURROGATE_STAGES] = {"learning", "on trial",
                                                               "trusted"};

int surrogate_key(uint64_t run, size_t batch, const char *what, char key[SHA256_HEX],
                  error *err)
{
    text t = {0};
    int rc = text_add_format(&t, err, "surrogate 1\nrun %llu\nbatch %zu\n%s\n",
                             (unsigned long long)run, batch, what);
    if (rc == 0)
        rc = sha256_hex(text_string(&t), t.n, key, err);
    text_free(&t);
    return rc;
}

int surrogate_record_put(store *s, uint64_t run, size_t batch, const surrogate_record *r,
                         error *err)
{
    char key[SHA256_HEX];
    TRY(surrogate_key(run, batch, "record", key, err));
    return store_memo_put(s, key, r, sizeof *r, err);
}

int surrogate_record_get(store *s, uint64_t run, size_t batch, surrogate_record *out,
                         error *err)
{
    char key[SHA256_HEX], *bytes = NULL;
    size_t n = 0;
    TRY(surrogate_key(run, batch, "record", key, err));
    int rc = store_memo_get(s, key, &bytes, &n, NULL, err);
    if (rc == 1 && n != sizeof *out)
        rc = error_set(err, E_FORMAT,
                       "what the store says of the surrogate after batch %zu is %zu "
                       "bytes long, not %zu",
                       batch, n, sizeof *out);
    if (rc == 1)
        memcpy(out, bytes, sizeof *out);
    free(bytes);
    if (rc == 1 && (unsigned)out->stage >= N_SURROGATE_STAGES)
        rc = error_set(err, E_FORMAT, "the surrogate of batch %zu is in stage %u", batch,
                       (unsigned)out->stage);
    return rc;
}

int surrogate_record_list(store *s, uint64_t run, surrogate_record **out, size_t *n,
                          error *err)
{
    surrogate_record *list = array_new(1, sizeof *list), one;
    size_t count = 0, capacity = 1;
    int rc = list ? 1 : error_memory(err, sizeof *list);
    while (rc == 1 && (rc = surrogate_record_get(s, run, count, &one, err)) == 1) {
        rc = array_grow(&list, &capacity, count, sizeof *list, err);
        if (rc == 0) {
            list[count++] = one;
            rc = 1;
        }
    }
    if (rc < 0) {
        free(list);
        return rc;
    }
    *out = list;
    *n = count;
    return 0;
}
