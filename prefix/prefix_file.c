/* A prefix as a file: adapters, and NumPy's arrays. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "adapter.h"

/* The folder of an adapter that is named by itself or by one of its files. */
static int adapter_folder(const char *path, char **out, error *err)
{
    struct stat st;
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    if (stat(path, &st) < 0)
        return error_set(err, E_IO, "cannot open %s: %s", path, strerror(errno));
    bool is_folder = S_ISDIR(st.st_mode);
    if (!is_folder && strcmp(file, adapter_config_name) != 0 &&
        strcmp(file, adapter_tensors_name) != 0)
        return error_set(err, E_ARGUMENT,
                         "%s is no adapter: wanted is a folder with %s and %s, or one of "
                         "these files",
                         path, adapter_config_name, adapter_tensors_name);
    *out = is_folder ? string_copy(path)
           : slash   ? bytes_copy(path, (size_t)(slash - path))
                     : string_copy(".");
    return *out ? 0 : error_memory(err, strlen(path) + 1);
}

int prefix_load(prefix *out, const char *path, error *err)
{
    char *folder;
    TRY(adapter_folder(path, &folder, err));
    int rc = adapter_read(out, folder, err);
    free(folder);
    return rc;
}

int prefix_save(const prefix *p, const char *folder, error *err)
{
    return adapter_write(p, folder, err);
}

/* Version 1.0 of numpy.lib.format: the magic, the length of the header, a Python literal
 * padded with spaces so that the data begin at a multiple of 64. */
static int npy_header(const prefix *p, text *out, error *err)
{
    enum { MAGIC = 10, ALIGN = 64 };
    const prefix_shape *s = &p->shape;
    char shape[120], head[256];
    if (p->kind == PREFIX_EMBEDDINGS)
        snprintf(shape, sizeof shape, "(%zu, %zu)", p->n, s->width);
    else
        snprintf(shape, sizeof shape, "(%zu, %zu, 2, %zu, %zu)", p->n, s->n_layers,
                 s->n_kv_heads, s->head_size);
    int n = snprintf(head, sizeof head,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", shape);
    size_t whole = (MAGIC + (size_t)n + 1 + ALIGN - 1) / ALIGN * ALIGN;
    size_t length = whole - MAGIC;
    unsigned char magic[MAGIC] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
    magic[8] = (unsigned char)(length & 0xff);
    magic[9] = (unsigned char)(length >> 8);
    TRY(text_add(out, magic, sizeof magic, err));
    return text_add_format(out, err, "%-*s\n", (int)length - 1, head);
}

int prefix_save_npy(const prefix *p, const char *path, error *err)
{
    text file = {0};
    int rc = npy_header(p, &file, err);
    if (rc == 0)
        rc = text_add(&file, p->values, p->n * prefix_floats_per_token(p) * sizeof(float),
                      err);
    if (rc == 0)
        rc = file_write(path, file.s, file.n, err);
    text_free(&file);
    return rc;
}
