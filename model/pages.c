#include "pages.h"

#include <sys/mman.h>

int pages_map(pages *out, size_t n_rows, size_t n_columns, error *err)
{
    size_t n, bytes;
    if (!size_mul(n_rows, n_columns, &n) || !size_mul(n, sizeof(float), &bytes))
        return error_memory(err, SIZE_MAX);
    bytes = bytes > 0 ? bytes : sizeof(float);
    void *p =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return error_memory(err, bytes);
    (void)madvise(p, bytes, MADV_HUGEPAGE); /* a wish: without it only speed is lost */
    *out = (pages){p, bytes};
    return 0;
}

int pages_resize(pages *p, size_t n_floats, error *err)
{
    size_t bytes;
    if (p->floats == NULL)
        return pages_map(p, n_floats, 1, err);
    if (!size_mul(n_floats > 0 ? n_floats : 1, sizeof(float), &bytes))
        return error_memory(err, SIZE_MAX);
    void *at = mremap(p->floats, p->bytes, bytes, MREMAP_MAYMOVE);
    if (at == MAP_FAILED)
        return error_memory(err, bytes);
    *p = (pages){at, bytes};
    return 0;
}

void pages_unmap(pages *p)
{
    if (p->floats != NULL)
        munmap(p->floats, p->bytes);
    *p = (pages){0};
}
