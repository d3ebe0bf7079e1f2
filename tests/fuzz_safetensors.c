/* Any bytes as a safetensors file: what parses is read whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Every byte that the tensors claim is touched. */
static void walk(const safetensors *s)
{
    error err = {0};
    for (size_t i = 0; i < safetensors_count(s); i++) {
        const safetensor *t = safetensors_at(s, i);
        if (safetensors_find(s, t->name) != t)
            abort();
        float *values = array_new(safetensor_elements(t), sizeof *values);
        if (!values)
            continue; /* elements of no bytes may be many */
        int rc = safetensor_to_f32(t, values, &err);
        if ((rc == 0) != (t->type != SAFETENSOR_OTHER))
            abort();
        free(values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    safetensors *s = NULL;
    error err = {0};
    int rc = safetensors_parse(&s, bytes, n, "fuzz", &err);
    if (rc == 0)
        walk(s);
    else if (s || err.code != rc || !err.text[0])
        abort(); /* a failure says why, and hands out nothing */
    if (s)
        (void)safetensors_metadata(s, "format");
    safetensors_close(s);
    return 0;
}
