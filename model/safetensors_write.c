/* Writing safetensors files, whole or not at all. */
#include "safetensors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

/* Data begin at a multiple of this, so that readers may map arrays in place. */
enum { ALIGNMENT_BYTES = 8 };

static size_t type_bytes(safetensor_type type)
{
    return type == SAFETENSOR_F64 ? 8 : type == SAFETENSOR_F32 ? 4 : 2;
}

static const char *type_name(safetensor_type type)
{
    switch (type) {
    case SAFETENSOR_F32:
        return "F32";
    case SAFETENSOR_F64:
        return "F64";
    case SAFETENSOR_F16:
        return "F16";
    case SAFETENSOR_BF16:
        return "BF16";
    case SAFETENSOR_OTHER:
        break;
    }
    return NULL;
}

static size_t tensor_bytes(const safetensor *t)
{
    return safetensor_elements(t) * type_bytes(t->type);
}

/* Append `value` (stolen) to an array or object, NULL included: 0 or E_MEMORY. */
static int json_put(json_t *object, const char *key, json_t *value, error *err)
{
    int failed = key ? json_object_set_new(object, key, value)
                     : json_array_append_new(object, value);
    return failed ? error_memory(err, sizeof(json_int_t)) : 0;
}

static int add_entry(json_t *header, const safetensor *t, size_t *offset, error *err)
{
    json_t *entry = json_object(), *shape = json_array(), *places = json_array();
    int rc = 0;
    for (size_t i = 0; i < t->n_dims && rc == 0; i++)
        rc = json_put(shape, NULL, json_integer((json_int_t)t->dims[i]), err);
    size_t end = *offset + tensor_bytes(t);
    if (rc == 0)
        rc = json_put(places, NULL, json_integer((json_int_t)*offset), err);
    if (rc == 0)
        rc = json_put(places, NULL, json_integer((json_int_t)end), err);
    if (rc == 0)
        rc = json_put(entry, "dtype", json_string(type_name(t->type)), err);
    if (rc == 0)
        rc = json_put(entry, "shape", json_incref(shape), err);
    if (rc == 0)
        rc = json_put(entry, "data_offsets", json_incref(places), err);
    if (rc == 0)
        rc = json_put(header, t->name, json_incref(entry), err);
    if (rc == 0)
        *offset = end;
    json_decref(entry);
    json_decref(shape);
    json_decref(places);
    return rc;
}

static int add_notes(json_t *header, const safetensors_note *notes, size_t n, error *err)
{
    if (!n)
        return 0;
    json_t *metadata = json_object();
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (utf8_check(notes[i].value, strlen(notes[i].value)) != strlen(notes[i].value))
            rc = error_set(err, E_ARGUMENT, "the note \"%s\" is not UTF-8", notes[i].key);
        else
            rc = json_put(metadata, notes[i].key, json_string(notes[i].value), err);
    }
    if (rc == 0)
        rc = json_put(header, "__metadata__", json_incref(metadata), err);
    json_decref(metadata);
    return rc;
}

static int check_tensor(const json_t *header, const safetensor *t, error *err)
{
    if (utf8_check(t->name, strlen(t->name)) != strlen(t->name))
        return error_set(err, E_ARGUMENT, "a tensor's name is not UTF-8");
    if (json_object_get(header, t->name) || strcmp(t->name, "__metadata__") == 0)
        return error_set(err, E_ARGUMENT, "there is already a tensor \"%s\"", t->name);
    if (!type_name(t->type))
        return error_set(err, E_ARGUMENT, "tensor \"%s\" is of a type not written here",
                         t->name);
    return 0;
}

/* *out: the header's text, new. */
static int make_header(char **out, const safetensor *tensors, size_t n,
                       const safetensors_note *notes, size_t n_notes, error *err)
{
    json_t *header = json_object();
    size_t offset = 0;
    int rc = add_notes(header, notes, n_notes, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = check_tensor(header, &tensors[i], err);
        if (rc == 0)
            rc = add_entry(header, &tensors[i], &offset, err);
    }
    if (rc == 0) {
        *out = json_dumps(header, JSON_COMPACT);
        if (!*out)
            rc = error_memory(err, offset);
    }
    json_decref(header);
    return rc;
}

static bool put(FILE *f, const void *bytes, size_t n)
{
    return !n || fwrite(bytes, 1, n, f) == n;
}

static bool put_all(FILE *f, const char *header, const safetensor *tensors, size_t n)
{
    static const char spaces[ALIGNMENT_BYTES + 1] = "        ";
    size_t length = strlen(header);
    size_t padding = (ALIGNMENT_BYTES - length % ALIGNMENT_BYTES) % ALIGNMENT_BYTES;
    unsigned char count[8];
    for (size_t i = 0; i < sizeof count; i++)
        count[i] = (unsigned char)((uint64_t)(length + padding) >> (8 * i));
    bool ok =
        put(f, count, sizeof count) && put(f, header, length) && put(f, spaces, padding);
    for (size_t i = 0; i < n && ok; i++)
        ok = put(f, tensors[i].bytes, tensor_bytes(&tensors[i]));
    return ok;
}

static int write_file(const char *path, const char *header, const safetensor *tensors,
                      size_t n, error *err)
{
    FILE *f = fopen(path, "wbe");
    if (!f)
        return error_set(err, E_IO, "cannot write %s: %s", path, strerror(errno));
    bool ok = put_all(f, header, tensors, n) && fflush(f) == 0 && fsync(fileno(f)) == 0;
    int problem = errno;
    if (fclose(f) != 0 && ok) {
        ok = false;
        problem = errno;
    }
    return ok ? 0 : error_set(err, E_IO, "cannot write %s: %s", path, strerror(problem));
}

int safetensors_write(const char *path, const safetensor *tensors, size_t n,
                      const safetensors_note *notes, size_t n_notes, error *err)
{
    char *header = NULL;
    text part = {0};
    TRY(make_header(&header, tensors, n, notes, n_notes, err));
    int rc = text_add_format(&part, err, "%s.part", path);
    if (rc == 0) {
        rc = write_file(part.s, header, tensors, n, err);
        if (rc == 0 && rename(part.s, path) != 0)
            rc = error_set(err, E_IO, "cannot write %s: %s", path, strerror(errno));
        if (rc < 0)
            unlink(part.s);
    }
    text_free(&part);
    free(header);
    return rc;
}
