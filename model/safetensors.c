/* Reading safetensors files: the header's JSON, checked against the bytes behind it. */
#include "safetensors.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "quant.h"

/* The reference implementation's own limit on headers. */
static const uint64_t header_limit_bytes = 100000000;
/* Far above any prefix or gradient; keeps a mistaken path from filling the memory. */
static const size_t file_limit_bytes = (size_t)1 << 32;
enum { LENGTH_BYTES = 8 };

struct safetensors {
    char *bytes;
    json_t *header; /* names, dtypes and metadata are borrowed from it */
    safetensor *tensors;
    size_t n;
};

/* What is known while a file is parsed. */
typedef struct parse {
    safetensors *s;
    const char *name; /* of the file */
    const char *data;
    size_t n_data;
    error *err;
} parse;

static const struct dtype {
    const char *name;
    safetensor_type type;
    size_t bits; /* of an element; a tensor has whole bytes */
} dtypes[] = {
    {"F32", SAFETENSOR_F32, 32},          {"F64", SAFETENSOR_F64, 64},
    {"F16", SAFETENSOR_F16, 16},          {"BF16", SAFETENSOR_BF16, 16},
    {"BOOL", SAFETENSOR_OTHER, 8},        {"U8", SAFETENSOR_OTHER, 8},
    {"I8", SAFETENSOR_OTHER, 8},          {"F8_E5M2", SAFETENSOR_OTHER, 8},
    {"F8_E4M3", SAFETENSOR_OTHER, 8},     {"F8_E8M0", SAFETENSOR_OTHER, 8},
    {"F8_E5M2FNUZ", SAFETENSOR_OTHER, 8}, {"F8_E4M3FNUZ", SAFETENSOR_OTHER, 8},
    {"F6_E2M3", SAFETENSOR_OTHER, 6},     {"F6_E3M2", SAFETENSOR_OTHER, 6},
    {"F4", SAFETENSOR_OTHER, 4},          {"U16", SAFETENSOR_OTHER, 16},
    {"I16", SAFETENSOR_OTHER, 16},        {"U32", SAFETENSOR_OTHER, 32},
    {"I32", SAFETENSOR_OTHER, 32},        {"U64", SAFETENSOR_OTHER, 64},
    {"I64", SAFETENSOR_OTHER, 64},        {"C64", SAFETENSOR_OTHER, 64},
};

static const struct dtype *dtype_find(const char *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return &dtypes[i];
    return NULL;
}

/* ---- One entry of the header ---- */

static int wrong_entry(const parse *p, const char *tensor, const char *what)
{
    return error_set(p->err, E_FORMAT, "%s: tensor \"%s\": %s", p->name, tensor, what);
}

/* A size in JSON: an integer that is not negative. */
static bool size_read(const json_t *value, size_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (size_t)json_integer_value(value);
    return true;
}

static int read_dtype(const parse *p, const json_t *entry, safetensor *t, size_t *bits)
{
    t->dtype = json_string_value(json_object_get(entry, "dtype"));
    if (!t->dtype)
        return wrong_entry(p, t->name, "no \"dtype\" that is a string");
    const struct dtype *d = dtype_find(t->dtype);
    if (!d)
        return error_set(p->err, E_UNSUPPORTED,
                         "%s: tensor \"%s\" has dtype %.40s, which is not known here",
                         p->name, t->name, t->dtype);
    t->type = d->type;
    *bits = d->bits;
    return 0;
}

/* t's dims, and from the bits of one element the bytes of all. */
static int read_shape(const parse *p, const json_t *entry, safetensor *t, size_t bits,
                      size_t *bytes)
{
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape))
        return wrong_entry(p, t->name, "no \"shape\" that is an array");
    t->n_dims = json_array_size(shape);
    if (t->n_dims > SAFETENSOR_DIMS)
        return error_set(p->err, E_UNSUPPORTED,
                         "%s: tensor \"%s\" has %zu dimensions, the limit is %d", p->name,
                         t->name, t->n_dims, SAFETENSOR_DIMS);
    for (size_t i = 0; i < t->n_dims; i++) {
        if (!size_read(json_array_get(shape, i), &t->dims[i]))
            return wrong_entry(p, t->name, "a dimension is not a size");
        if (!size_mul(bits, t->dims[i], &bits))
            return wrong_entry(p, t->name, "its shape has more bits than 64 bits count");
    }
    if (bits % 8 != 0)
        return wrong_entry(p, t->name, "its dtype and shape make no whole bytes");
    *bytes = bits / 8;
    return 0;
}

static int read_offsets(const parse *p, const json_t *entry, safetensor *t, size_t bytes)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    size_t begin, end;
    if (json_array_size(offsets) != 2 || !size_read(json_array_get(offsets, 0), &begin) ||
        !size_read(json_array_get(offsets, 1), &end))
        return wrong_entry(p, t->name, "no \"data_offsets\" of two sizes");
    if (begin > end || end > p->n_data)
        return error_set(p->err, E_FORMAT,
                         "%s: tensor \"%s\" lies at bytes %zu to %zu of %zu: the file is "
                         "cut short, or the header wrong",
                         p->name, t->name, begin, end, p->n_data);
    if (end - begin != bytes)
        return error_set(p->err, E_FORMAT,
                         "%s: tensor \"%s\" has %zu bytes, but its dtype and shape make "
                         "%zu",
                         p->name, t->name, end - begin, bytes);
    t->bytes = p->data + begin;
    t->n_bytes = bytes;
    return 0;
}

static int read_entry(const parse *p, const char *name, const json_t *entry,
                      safetensor *out)
{
    safetensor t = {.name = name};
    size_t bits = 0, bytes = 0;
    if (!json_is_object(entry))
        return wrong_entry(p, name, "its entry is not an object");
    TRY(read_dtype(p, entry, &t, &bits));
    TRY(read_shape(p, entry, &t, bits, &bytes));
    TRY(read_offsets(p, entry, &t, bytes));
    *out = t;
    return 0;
}

/* ---- The whole header ---- */

static int check_metadata(const parse *p, json_t *metadata)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return error_set(p->err, E_FORMAT, "%s: __metadata__ is not an object", p->name);
    json_object_foreach(
        (json_t *)(uintptr_t)metadata, key,
        value) if (!json_is_string(value)) return error_set(p->err, E_FORMAT,
                                                            "%s: __metadata__ \"%s\" is "
                                                            "not a string",
                                                            p->name, key);
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const safetensor *x = a, *y = b;
    const char *xb = x->bytes, *yb = y->bytes;
    if (xb != yb)
        return xb < yb ? -1 : 1;
    if (x->n_bytes != y->n_bytes)
        return x->n_bytes < y->n_bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Tensors in order must fill the data exactly. */
static int check_places(const parse *p)
{
    const char *at = p->data;
    for (size_t i = 0; i < p->s->n; i++) {
        const safetensor *t = &p->s->tensors[i];
        if (t->bytes != at)
            return error_set(
                p->err, E_FORMAT,
                "%s: tensor \"%s\" begins at byte %zu of the data, where the "
                "one before it ends at %zu",
                p->name, t->name, (size_t)((const char *)t->bytes - p->data),
                (size_t)(at - p->data));
        at += t->n_bytes;
    }
    if (at != p->data + p->n_data)
        return error_set(p->err, E_FORMAT,
                         "%s: %zu bytes of data, but its tensors end at %zu", p->name,
                         p->n_data, (size_t)(at - p->data));
    return 0;
}

static int read_entries(const parse *p)
{
    safetensors *s = p->s;
    const char *key;
    json_t *value;
    size_t n = json_object_size(s->header);
    s->tensors = array_new(n, sizeof *s->tensors);
    if (!s->tensors)
        return error_memory(p->err, n * sizeof *s->tensors);
    json_object_foreach(s->header, key, value)
    {
        if (strcmp(key, "__metadata__") == 0) {
            TRY(check_metadata(p, value));
            continue;
        }
        TRY(read_entry(p, key, value, &s->tensors[s->n]));
        s->n++;
    }
    if (s->n)
        qsort(s->tensors, s->n, sizeof *s->tensors, by_place);
    return check_places(p);
}

static uint64_t read_length(const char *bytes)
{
    uint64_t length = 0;
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        length |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    return length;
}

static int read_header(safetensors *s, size_t n, const char *name, error *err)
{
    if (n < LENGTH_BYTES)
        return error_set(err, E_FORMAT,
                         "%s: %zu bytes are too few for a safetensors file", name, n);
    uint64_t length = read_length(s->bytes);
    if (length > header_limit_bytes)
        return error_set(err, E_FORMAT,
                         "%s: a header of %llu bytes, the limit is %llu: not a "
                         "safetensors file",
                         name, (unsigned long long)length,
                         (unsigned long long)header_limit_bytes);
    if (length > n - LENGTH_BYTES)
        return error_set(err, E_FORMAT,
                         "%s: its header should have %llu bytes, but only %zu follow: "
                         "the file is cut short",
                         name, (unsigned long long)length, n - LENGTH_BYTES);
    json_error_t problem;
    s->header = json_loadb(s->bytes + LENGTH_BYTES, (size_t)length,
                           JSON_REJECT_DUPLICATES, &problem);
    if (!s->header)
        return error_set(err, E_FORMAT, "%s: its header is not JSON: %s", name,
                         problem.text);
    if (!json_is_object(s->header))
        return error_set(err, E_FORMAT, "%s: its header is not a JSON object", name);
    const parse p = {s, name, s->bytes + LENGTH_BYTES + length,
                     n - LENGTH_BYTES - (size_t)length, err};
    return read_entries(&p);
}

/* Parse `bytes`, taken over in any case. */
static int adopt_bytes(safetensors **out, char *bytes, size_t n, const char *name,
                       error *err)
{
    safetensors *s = array_new(1, sizeof *s);
    if (!s) {
        free(bytes);
        return error_memory(err, sizeof *s);
    }
    s->bytes = bytes;
    int rc = read_header(s, n, name, err);
    if (rc < 0)
        safetensors_close(s);
    else
        *out = s;
    return rc;
}

int safetensors_open(safetensors **out, const char *path, error *err)
{
    char *bytes;
    size_t n;
    TRY(file_read(path, file_limit_bytes, &bytes, &n, err));
    return adopt_bytes(out, bytes, n, path, err);
}

int safetensors_parse(safetensors **out, const void *bytes, size_t n, const char *name,
                      error *err)
{
    char *copy = bytes_copy(bytes, n);
    if (!copy)
        return error_memory(err, n);
    return adopt_bytes(out, copy, n, name, err);
}

void safetensors_close(safetensors *s)
{
    if (!s)
        return;
    json_decref(s->header);
    free(s->tensors);
    free(s->bytes);
    free(s);
}

/* ---- What it holds ---- */

size_t safetensors_count(const safetensors *s)
{
    return s->n;
}

const safetensor *safetensors_at(const safetensors *s, size_t i)
{
    return &s->tensors[i];
}

const safetensor *safetensors_find(const safetensors *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->tensors[i].name, name) == 0)
            return &s->tensors[i];
    return NULL;
}

const char *safetensors_metadata(const safetensors *s, const char *key)
{
    return json_string_value(
        json_object_get(json_object_get(s->header, "__metadata__"), key));
}

size_t safetensor_elements(const safetensor *t)
{
    size_t n = 1;
    for (size_t i = 0; i < t->n_dims; i++)
        n *= t->dims[i];
    return n;
}

int safetensor_to_f32(const safetensor *t, float *out, error *err)
{
    size_t n = safetensor_elements(t);
    const char *bytes = t->bytes;
    switch (t->type) {
    case SAFETENSOR_F32:
        if (n)
            memcpy(out, bytes, n * sizeof *out);
        return 0;
    case SAFETENSOR_F16:
        quant_find(QUANT_F16)->widen(bytes, n, out);
        return 0;
    case SAFETENSOR_BF16:
        quant_find(QUANT_BF16)->widen(bytes, n, out);
        return 0;
    case SAFETENSOR_F64:
        for (size_t i = 0; i < n; i++) {
            double value;
            memcpy(&value, bytes + i * sizeof value, sizeof value);
            out[i] = (float)value;
        }
        return 0;
    case SAFETENSOR_OTHER:
        break;
    }
    return error_set(err, E_UNSUPPORTED,
                     "tensor \"%s\" has dtype %s, where F32, F64, F16 or BF16 is needed",
                     t->name, t->dtype);
}
