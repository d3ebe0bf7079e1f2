/* Written against oneDNN 2.x; in 3.x primitive descriptors are made from memory
 * descriptors without an operation descriptor between. */
#include "onednn.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>

struct onednn_product {
    size_t n_in, n;
    dnnl_engine_t engine;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t x, plain, packed, y, scratch;
};

static int check(dnnl_status_t status, const char *what, error *err)
{
    if (status == dnnl_success)
        return 0;
    return error_set(err, status == dnnl_out_of_memory ? E_MEMORY : E_EXTERNAL,
                     "oneDNN: %s failed with status %d", what, (int)status);
}

/* dims (rows, columns) with strides. */
static dnnl_status_t describe(dnnl_memory_desc_t *out, size_t rows, size_t columns,
                              size_t row_stride, size_t column_stride)
{
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
    dnnl_dims_t strides = {(dnnl_dim_t)row_stride, (dnnl_dim_t)column_stride};
    return dnnl_memory_desc_init_by_strides(out, 2, dims, dnnl_f32, strides);
}

/* Scratch memory is handed in at each call, so that threads do not share it. */
static dnnl_status_t choose(onednn_product *p, dnnl_primitive_desc_t *out)
{
    dnnl_dims_t dims = {(dnnl_dim_t)p->n_in, (dnnl_dim_t)p->n};
    dnnl_memory_desc_t any;
    dnnl_matmul_desc_t operation;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t status =
        dnnl_memory_desc_init_by_tag(&any, 2, dims, dnnl_f32, dnnl_format_tag_any);
    if (status == dnnl_success)
        status = dnnl_matmul_desc_init(&operation, &p->x, &any, NULL, &p->y);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_create(&attributes);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(attributes,
                                                         dnnl_scratchpad_mode_user);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(out, &operation, attributes, p->engine, NULL);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

static int make_primitive(onednn_product *p, error *err)
{
    dnnl_primitive_desc_t descriptor = NULL;
    TRY(check(choose(p, &descriptor), "choosing a matrix product", err));
    p->packed = *dnnl_primitive_desc_query_md(descriptor, dnnl_query_weights_md, 0);
    p->scratch = *dnnl_primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0);
    dnnl_status_t status = dnnl_primitive_create(&p->primitive, descriptor);
    dnnl_primitive_desc_destroy(descriptor);
    return check(status, "making a matrix product", err);
}

static int make_all(onednn_product *p, error *err)
{
    TRY(check(dnnl_engine_create(&p->engine, dnnl_cpu, 0), "making an engine", err));
    dnnl_status_t status = describe(&p->x, ONEDNN_ROWS, p->n_in, p->n_in, 1);
    if (status == dnnl_success)
        status = describe(&p->plain, p->n_in, p->n, 1, p->n_in);
    if (status == dnnl_success)
        status = describe(&p->y, ONEDNN_ROWS, p->n, p->n, 1);
    TRY(check(status, "describing matrices", err));
    return make_primitive(p, err);
}

/* The library takes as many threads as OpenMP would give the caller: one, from here to
 * the call of the same with what this returned. The setting is the calling thread's own.
 */
static int limit_threads(int n)
{
    int was = omp_get_max_threads();
    omp_set_num_threads(n);
    return was;
}

int onednn_product_new(onednn_product **out, size_t n_in, size_t n, error *err)
{
    onednn_product *p = array_new(1, sizeof(*p));
    if (p == NULL)
        return error_memory(err, sizeof(*p));
    p->n_in = n_in;
    p->n = n;
    int threads = limit_threads(1), rc = make_all(p, err);
    limit_threads(threads);
    if (rc < 0)
        onednn_product_free(p);
    else
        *out = p;
    return rc;
}

void onednn_product_free(onednn_product *p)
{
    if (p == NULL)
        return;
    if (p->primitive != NULL)
        dnnl_primitive_destroy(p->primitive);
    if (p->engine != NULL)
        dnnl_engine_destroy(p->engine);
    free(p);
}

size_t onednn_packed_floats(const onednn_product *p)
{
    return (dnnl_memory_desc_get_size(&p->packed) + sizeof(float) - 1) / sizeof(float);
}

/* The library's memory objects take untyped handles even for what they only read. */
static void *handle(const float *p)
{
    union {
        const float *in;
        void *out;
    } cast = {.in = p};
    return cast.out;
}

/* From one of the product's two layouts of W to the other. */
static int turn_layout(const onednn_product *p, const dnnl_memory_desc_t *from_layout,
                       const float *from_floats, const dnnl_memory_desc_t *to_layout,
                       float *to_floats, const char *doing, error *err)
{
    dnnl_primitive_desc_t descriptor = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_memory_t from = NULL, to = NULL;
    dnnl_status_t status = dnnl_stream_create(&stream, p->engine, 0);
    if (status == dnnl_success)
        status = dnnl_memory_create(&from, from_layout, p->engine, handle(from_floats));
    if (status == dnnl_success)
        status = dnnl_memory_create(&to, to_layout, p->engine, to_floats);
    if (status == dnnl_success)
        status = dnnl_reorder_primitive_desc_create(&descriptor, from_layout, p->engine,
                                                    to_layout, p->engine, NULL);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&reorder, descriptor);
    int threads = limit_threads(1);
    if (status == dnnl_success) {
        dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
        status = dnnl_primitive_execute(reorder, stream, 2, args);
    }
    if (status == dnnl_success)
        status = dnnl_stream_wait(stream);
    limit_threads(threads);
    dnnl_primitive_destroy(reorder);
    dnnl_primitive_desc_destroy(descriptor);
    dnnl_memory_destroy(from);
    dnnl_memory_destroy(to);
    dnnl_stream_destroy(stream);
    return check(status, doing, err);
}

int onednn_pack(const onednn_product *p, const float *plain, float *packed, error *err)
{
    return turn_layout(p, &p->plain, plain, &p->packed, packed, "packing weights", err);
}

int onednn_unpack(const onednn_product *p, const float *packed, float *plain, error *err)
{
    return turn_layout(p, &p->packed, packed, &p->plain, plain, "unpacking weights", err);
}

/* What one thread executes with. */
typedef struct execution {
    dnnl_stream_t stream;
    dnnl_memory_t x, w, y, scratch;
} execution;

static dnnl_status_t execution_open(execution *e, const onednn_product *p, const float *x,
                                    const float *packed, float *y)
{
    dnnl_status_t status = dnnl_stream_create(&e->stream, p->engine, 0);
    if (status == dnnl_success)
        status = dnnl_memory_create(&e->x, &p->x, p->engine, handle(x));
    if (status == dnnl_success)
        status = dnnl_memory_create(&e->w, &p->packed, p->engine, handle(packed));
    if (status == dnnl_success)
        status = dnnl_memory_create(&e->y, &p->y, p->engine, y);
    if (status == dnnl_success)
        status =
            dnnl_memory_create(&e->scratch, &p->scratch, p->engine, DNNL_MEMORY_ALLOCATE);
    return status;
}

static void execution_close(execution *e)
{
    dnnl_memory_destroy(e->x);
    dnnl_memory_destroy(e->w);
    dnnl_memory_destroy(e->y);
    dnnl_memory_destroy(e->scratch);
    dnnl_stream_destroy(e->stream);
}

int onednn_run(const onednn_product *p, const float *x, const float *packed, float *y,
               error *err)
{
    execution e = {0};
    int threads = limit_threads(1);
    dnnl_status_t status = execution_open(&e, p, x, packed, y);
    if (status == dnnl_success) {
        dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, e.x},
                                  {DNNL_ARG_WEIGHTS, e.w},
                                  {DNNL_ARG_DST, e.y},
                                  {DNNL_ARG_SCRATCHPAD, e.scratch}};
        status = dnnl_primitive_execute(p->primitive, e.stream, 4, args);
    }
    if (status == dnnl_success)
        status = dnnl_stream_wait(e.stream);
    execution_close(&e);
    limit_threads(threads);
    return check(status, "a matrix product", err);
}

const char *onednn_version(char out[32])
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(out, 32, "%d.%d.%d", v->major, v->minor, v->patch);
    return out;
}
