/* Any bytes as an adapter's folder: the configuration up to the first NUL, behind it the
 * tensors. What is read can be written and read again. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../prefix/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { PATH_BYTES = 200 };
static char folder[] = "/dev/shm/lamarck-fuzz-XXXXXX",
            again[] = "/dev/shm/lamarck-fuzz-XXXXXX";

static void remove_folder(const char *name)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", name, adapter_config_name);
    (void)unlink(path);
    snprintf(path, sizeof path, "%s/%s", name, adapter_tensors_name);
    (void)unlink(path);
    (void)rmdir(name);
}

static void remove_folders(void)
{
    remove_folder(folder);
    remove_folder(again);
}

static void make_folders(void)
{
    static bool made;
    if (made)
        return;
    made = true;
    if (!mkdtemp(folder) || !mkdtemp(again) || atexit(remove_folders) != 0)
        abort();
}

static void put(const char *name, const uint8_t *bytes, size_t n)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
        abort();
}

static void check_again(const prefix *p)
{
    prefix q = {0};
    error err = {0};
    size_t n = p->n * prefix_floats_per_token(p);
    if (n == 0)
        abort();
    for (size_t i = 0; i < n; i++)
        if (!isfinite(p->values[i]))
            abort();
    if (adapter_write(p, again, &err) < 0 || adapter_read(&q, again, &err) < 0)
        abort();
    if (q.kind != p->kind || q.n != p->n || prefix_floats_per_token(&q) * q.n != n ||
        memcmp(q.values, p->values, n * sizeof *q.values) != 0)
        abort();
    prefix_free(&q);
}

/* What a configuration says keeps to its bounds. */
static void check_config(const uint8_t *bytes, size_t n)
{
    adapter_config c = {0};
    error err = {0};
    int rc = adapter_config_parse(&c, (const char *)bytes, n, "fuzz", &err);
    if (rc < 0 && (err.code != rc || !err.text[0] || c.base_model))
        abort(); /* a failure says why, and hands out nothing */
    if (rc < 0)
        return;
    bool kv = c.kind == PREFIX_KEY_VALUES;
    if (c.n == 0 || (kv && (c.n_heads == 0 || c.token_dim % c.n_heads != 0)))
        abort();
    if (c.projected && (!kv || c.n_hidden == 0))
        abort();
    adapter_config_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const uint8_t *end = n > 0 ? memchr(bytes, 0, n) : NULL;
    size_t n_config = end ? (size_t)(end - bytes) : n;
    size_t from = n_config < n ? n_config + 1 : n;
    prefix p = {0};
    error err = {0};
    check_config(bytes, n_config);
    make_folders();
    put(adapter_config_name, bytes, n_config);
    put(adapter_tensors_name, bytes + from, n - from);
    int rc = adapter_read(&p, folder, &err);
    if (rc == 0)
        check_again(&p);
    else if (p.values || p.origin.base_model || err.code != rc || !err.text[0])
        abort();
    prefix_free(&p);
    return 0;
}
