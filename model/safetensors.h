/* Safetensors: named arrays in one file, as other programs exchange them.
 *
 * A file is eight bytes of header length (little endian), a JSON header (name -> dtype,
 * shape, data_offsets; "__metadata__": strings) and the bytes of all arrays. Reading
 * trusts nothing: offsets must lie inside the file, agree with dtype and shape, and leave
 * neither gaps nor overlaps.
 *
 * Ownership: a `safetensors` owns its bytes, names and metadata; what it returns is
 * borrowed from it. Threads: read-only once open. */
#ifndef LAMARCK_MODEL_SAFETENSORS_H
#define LAMARCK_MODEL_SAFETENSORS_H

#include "base.h"

typedef enum safetensor_type {
    SAFETENSOR_F32,
    SAFETENSOR_F64,
    SAFETENSOR_F16,
    SAFETENSOR_BF16,
    SAFETENSOR_OTHER, /* integers, booleans, small floats: listed, not converted */
} safetensor_type;

enum { SAFETENSOR_DIMS = 8 };

typedef struct safetensor {
    const char *name;
    safetensor_type type;
    const char *dtype; /* as the file has it: "F32"; not read by the writer */
    size_t n_dims;     /* 0: a scalar */
    size_t dims[SAFETENSOR_DIMS];
    const void *bytes; /* little endian, row-major, perhaps not aligned */
    size_t n_bytes;    /* not read by the writer */
} safetensor;

typedef struct safetensors safetensors;

/* Read a file. E_IO; E_FORMAT names the file, the tensor, the value and the limit. */
int safetensors_open(safetensors **out, const char *path, error *err);
/* The same of n bytes, which are copied; `name` stands for the file in errors. */
int safetensors_parse(safetensors **out, const void *bytes, size_t n, const char *name,
                      error *err);
void safetensors_close(safetensors *s);

size_t safetensors_count(const safetensors *s);
/* In the order of their bytes. */
const safetensor *safetensors_at(const safetensors *s, size_t i);
const safetensor *safetensors_find(const safetensors *s, const char *name); /* or NULL */
/* A string of the file's metadata, or NULL. */
const char *safetensors_metadata(const safetensors *s, const char *key);

/* Elements: the product of the dims. */
size_t safetensor_elements(const safetensor *t);
/* Widen to float (F64 is rounded). E_UNSUPPORTED names tensor and dtype otherwise. */
int safetensor_to_f32(const safetensor *t, float *out, error *err);

typedef struct safetensors_note {
    const char *key, *value;
} safetensors_note;

/* Write tensors (F32, F64, F16, BF16) in the given order, with notes as metadata. The
 * file appears whole or not at all (a neighbour `path`.part is renamed). E_ARGUMENT for
 * names that are equal or not UTF-8; E_IO. */
int safetensors_write(const char *path, const safetensor *tensors, size_t n,
                      const safetensors_note *notes, size_t n_notes, error *err);

#endif
