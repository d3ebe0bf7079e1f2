/* A GGUF file: mapping it, its header, its tensors. Metadata is gguf_metadata.c. */
#include "gguf.h"

#include "gguf_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    VERSION_FIRST = 2, /* version 1 had 32-bit counts and is long gone */
    VERSION_LAST = 3,
    ALIGNMENT_DEFAULT = 32,
    ALIGNMENT_LEAST = 8, /* docs/gguf.md; also lets F32 data be read in place */
    NAME_MAX_BYTES = 64, /* docs/gguf.md */
    TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8, /* the least that a description takes */
};

/* ---- Header ---- */

static int magic_parse(cursor *c, error *err)
{
    const uint8_t *p = cursor_take(c, 4, "the magic \"GGUF\"", err);
    if (!p)
        return E_FORMAT;
    if (memcmp(p, "GGUF", 4) == 0)
        return 0;
    return error_set(err, E_FORMAT,
                     "byte 0: expected the magic \"GGUF\" (47 47 55 46), found "
                     "%02x %02x %02x %02x: this is not a GGUF file",
                     p[0], p[1], p[2], p[3]);
}

static int version_parse(cursor *c, uint32_t *out, error *err)
{
    size_t at = c->at;
    uint32_t version;
    TRY(cursor_u32(c, "the version", &version, err));
    uint32_t swapped = __builtin_bswap32(version);
    if (version > VERSION_LAST && swapped <= VERSION_LAST && swapped > 0)
        return error_set(err, E_UNSUPPORTED,
                         "byte %zu: version %u with its bytes swapped: the file is "
                         "big-endian, expected little-endian",
                         at, swapped);
    if (version < VERSION_FIRST || version > VERSION_LAST)
        return error_set(err, E_UNSUPPORTED,
                         "byte %zu: GGUF version %u, expected %d or %d", at, version,
                         VERSION_FIRST, VERSION_LAST);
    *out = version;
    return 0;
}

/* ---- Tensors ---- */

/* The shape: 1 to 4 dimensions, none 0, a product that fits. */
static int shape_parse(gguf_tensor *t, cursor *c, error *err)
{
    size_t at = c->at;
    uint32_t n_dims;
    TRY(cursor_u32(c, "the number of dimensions", &n_dims, err));
    if (n_dims == 0 || n_dims > GGUF_MAX_DIMS)
        return error_set(err, E_FORMAT, "byte %zu: %u dimensions, expected 1 to %d", at,
                         n_dims, GGUF_MAX_DIMS);
    t->n_dims = n_dims;
    t->n_elements = 1;
    for (size_t i = 0; i < n_dims; i++) {
        uint64_t dim;
        at = c->at;
        TRY(cursor_u64(c, "a dimension", &dim, err));
        if (dim == 0 || dim > SIZE_MAX ||
            !size_mul(t->n_elements, (size_t)dim, &t->n_elements))
            return error_set(err, E_FORMAT,
                             "byte %zu: dimension %zu is %llu, expected at least 1 and a "
                             "product of all below 2^64",
                             at, i, (unsigned long long)dim);
        t->dims[i] = (size_t)dim;
    }
    return 0;
}

static int type_parse(gguf_tensor *t, cursor *c, error *err)
{
    size_t at = c->at;
    uint32_t type;
    TRY(cursor_u32(c, "the type of a tensor", &type, err));
    const char *name = quant_type_name(type);
    if (!name)
        return error_set(err, E_FORMAT,
                         "byte %zu: tensor type %u, which ggml does not define", at,
                         type);
    const quant_format *format = quant_find(type);
    if (!format)
        return error_set(
            err, E_UNSUPPORTED,
            "byte %zu: tensor type %s cannot be read; supported are F32, F16, "
            "BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K",
            at, name);
    t->type = format->type;
    if (t->dims[0] % format->values != 0)
        return error_set(err, E_FORMAT,
                         "byte %zu: rows of %zu values, expected a multiple of %zu, the "
                         "block of %s",
                         at, t->dims[0], format->values, name);
    if (!size_mul(t->n_elements / format->values, format->bytes, &t->bytes))
        return error_set(err, E_FORMAT,
                         "byte %zu: %zu values of %s take more than 2^64 bytes", at,
                         t->n_elements, name);
    return 0;
}

static int tensor_parse(tensor_slot *slot, cursor *c, error *err)
{
    TRY(shape_parse(&slot->tensor, c, err));
    TRY(type_parse(&slot->tensor, c, err));
    return cursor_u64(c, "the offset of a tensor", &slot->offset, err);
}

static int tensors_parse(gguf *g, cursor *c, size_t n, error *err)
{
    for (size_t i = 0; i < n; i++) {
        TRY(array_grow(&g->tensors, &g->tensor_capacity, i, sizeof(tensor_slot), err));
        tensor_slot *slot = &g->tensors[i];
        *slot = (tensor_slot){.at = c->at};
        TRY(cursor_name(c, "the name of a tensor", NAME_MAX_BYTES, &slot->name, err));
        g->n_tensors = i + 1;
        slot->tensor.name = slot->name;
        int rc = tensor_parse(slot, c, err);
        if (rc < 0) {
            error_prefix(err, "tensor \"%s\"", slot->name);
            return rc;
        }
    }
    return 0;
}

/* ---- Where the data is ---- */

static int alignment_find(const gguf *g, size_t *out, error *err)
{
    uint64_t alignment = ALIGNMENT_DEFAULT;
    TRY(gguf_get_uint(g, "general.alignment", &alignment, err));
    if (alignment < ALIGNMENT_LEAST || alignment > UINT32_MAX ||
        (alignment & (alignment - 1)))
        return error_set(err, E_FORMAT,
                         "byte %zu: general.alignment is %llu, expected a power of two "
                         "from %d to 2^31",
                         metadata_find(g, "general.alignment")->at,
                         (unsigned long long)alignment, ALIGNMENT_LEAST);
    *out = (size_t)alignment;
    return 0;
}

/* Point the tensor at its data, which lies inside [data, n) of the file. */
static int tensor_place(const gguf *g, tensor_slot *slot, size_t data, size_t alignment,
                        error *err)
{
    if (slot->offset % alignment != 0)
        return error_set(
            err, E_FORMAT,
            "byte %zu: tensor \"%s\" has the offset %llu, expected a multiple "
            "of the alignment %zu",
            slot->at, slot->name, (unsigned long long)slot->offset, alignment);
    size_t begin, end;
    if (slot->offset > SIZE_MAX || !size_add(data, (size_t)slot->offset, &begin) ||
        !size_add(begin, slot->tensor.bytes, &end) || end > g->n_bytes)
        return error_set(err, E_FORMAT,
                         "byte %zu: tensor \"%s\" needs %zu bytes at offset %llu of the "
                         "data, which begins at byte %zu; the file ends at byte %zu",
                         slot->at, slot->name, slot->tensor.bytes,
                         (unsigned long long)slot->offset, data, g->n_bytes);
    slot->tensor.data = g->bytes + begin;
    return 0;
}

static int tensors_place(gguf *g, size_t metadata_end, error *err)
{
    size_t alignment = ALIGNMENT_DEFAULT, data;
    TRY(alignment_find(g, &alignment, err));
    if (!size_add(metadata_end, alignment - 1, &data))
        return error_set(err, E_FORMAT, "byte %zu: no room for an alignment of %zu",
                         metadata_end, alignment);
    data &= ~(alignment - 1);
    for (size_t i = 0; i < g->n_tensors; i++)
        TRY(tensor_place(g, &g->tensors[i], data, alignment, err));
    return 0;
}

static int compare_places(const void *a, const void *b)
{
    const tensor_slot *const *x = a, *const *y = b;
    if ((*x)->offset != (*y)->offset)
        return (*x)->offset < (*y)->offset ? -1 : 1;
    return (*x)->at < (*y)->at ? -1 : 1;
}

static int compare_names(const void *a, const void *b)
{
    const tensor_slot *const *x = a, *const *y = b;
    int order = strcmp((*x)->name, (*y)->name);
    return order ? order : (*x)->at < (*y)->at ? -1 : (*x)->at > (*y)->at;
}

/* No two tensors share bytes: a small file must not turn into large weights. */
static int check_overlaps(const tensor_slot *const *by_place, size_t n, error *err)
{
    for (size_t i = 1; i < n; i++) {
        const tensor_slot *a = by_place[i - 1], *b = by_place[i];
        if (b->offset - a->offset < a->tensor.bytes)
            return error_set(
                err, E_FORMAT,
                "byte %zu: tensor \"%s\" at offset %llu of the data overlaps "
                "\"%s\", which takes %zu bytes from offset %llu",
                b->at, b->name, (unsigned long long)b->offset, a->name, a->tensor.bytes,
                (unsigned long long)a->offset);
    }
    return 0;
}

static int check_names(const tensor_slot *const *by_name, size_t n, error *err)
{
    for (size_t i = 1; i < n; i++)
        if (strcmp(by_name[i - 1]->name, by_name[i]->name) == 0)
            return error_set(err, E_FORMAT,
                             "byte %zu: a second tensor named \"%s\" (the first is at "
                             "byte %zu)",
                             by_name[i]->at, by_name[i]->name, by_name[i - 1]->at);
    return 0;
}

static int tensors_index(gguf *g, error *err)
{
    g->by_name = array_new(g->n_tensors, sizeof(tensor_slot *));
    if (!g->by_name)
        return error_memory(err, g->n_tensors * sizeof(tensor_slot *));
    for (size_t i = 0; i < g->n_tensors; i++)
        g->by_name[i] = &g->tensors[i];
    qsort(g->by_name, g->n_tensors, sizeof(tensor_slot *), compare_places);
    TRY(check_overlaps(g->by_name, g->n_tensors, err));
    qsort(g->by_name, g->n_tensors, sizeof(tensor_slot *), compare_names);
    return check_names(g->by_name, g->n_tensors, err);
}

/* ---- The file ---- */

static int file_parse(gguf *g, error *err)
{
    cursor c = {.bytes = g->bytes, .n = g->n_bytes};
    size_t n_tensors, n_entries;
    TRY(magic_parse(&c, err));
    TRY(version_parse(&c, &g->version, err));
    TRY(cursor_count(&c, "the number of tensors", TENSOR_BYTES, &n_tensors, err));
    TRY(cursor_count(&c, "the number of keys", METADATA_ENTRY_BYTES, &n_entries, err));
    TRY(metadata_parse(g, &c, n_entries, err));
    TRY(tensors_parse(g, &c, n_tensors, err));
    TRY(tensors_place(g, c.at, err));
    return tensors_index(g, err);
}

int gguf_parse(gguf **out, const void *bytes, size_t n, error *err)
{
    gguf *g = calloc(1, sizeof *g);
    if (!g)
        return error_memory(err, sizeof *g);
    g->bytes = bytes;
    g->n_bytes = n;
    int rc = file_parse(g, err);
    if (rc < 0) {
        gguf_close(g);
        return rc;
    }
    *out = g;
    return 0;
}

/* Map the whole of a regular file, read-only, sharing the page cache with every other
 * process that does. */
static int file_map(int fd, const void **bytes, size_t *n, error *err)
{
    struct stat about;
    if (fstat(fd, &about) < 0)
        return error_set(err, E_IO, "cannot stat: %s", strerror(errno));
    if (!S_ISREG(about.st_mode))
        return error_set(err, E_IO, "not a regular file");
    if (about.st_size == 0)
        return error_set(err, E_FORMAT,
                         "byte 0: the file is empty, expected the magic \"GGUF\"");
    void *map = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return error_set(err, E_IO, "cannot map %lld bytes: %s", (long long)about.st_size,
                         strerror(errno));
    *bytes = map;
    *n = (size_t)about.st_size;
    return 0;
}

static int map_parse(gguf **out, int fd, error *err)
{
    const void *bytes = NULL;
    size_t n = 0;
    TRY(file_map(fd, &bytes, &n, err));
    int rc = gguf_parse(out, bytes, n, err);
    if (rc < 0)
        munmap((void *)(uintptr_t)bytes, n);
    else
        (*out)->mapped = true;
    return rc;
}

int gguf_open(gguf **out, const char *path, error *err)
{
    /* O_NONBLOCK: a FIFO is to be refused, not waited for */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set(err, E_IO, "cannot open %s: %s", path, strerror(errno));
    int rc = map_parse(out, fd, err);
    close(fd);
    if (rc < 0)
        error_prefix(err, "%s", path);
    return rc;
}

void gguf_close(gguf *g)
{
    if (!g)
        return;
    metadata_free(g);
    for (size_t i = 0; i < g->n_tensors; i++)
        free(g->tensors[i].name);
    free(g->tensors);
    free(g->by_name);
    if (g->mapped)
        munmap((void *)(uintptr_t)g->bytes, g->n_bytes);
    free(g);
}

uint32_t gguf_version(const gguf *g)
{
    return g->version;
}

uint64_t gguf_file_bytes(const gguf *g)
{
    return g->n_bytes;
}

const void *gguf_file_data(const gguf *g)
{
    return g->bytes;
}

size_t gguf_tensor_count(const gguf *g)
{
    return g->n_tensors;
}

const gguf_tensor *gguf_tensor_at(const gguf *g, size_t i)
{
    return i < g->n_tensors ? &g->tensors[i].tensor : NULL;
}

const gguf_tensor *gguf_tensor_find(const gguf *g, const char *name)
{
    size_t low = 0, high = g->n_tensors;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, g->by_name[middle]->name);
        if (order == 0)
            return &g->by_name[middle]->tensor;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
