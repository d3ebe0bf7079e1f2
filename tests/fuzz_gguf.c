/* Any bytes as a GGUF file: parsed, and everything in it read. */
#include "gguf_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    gguf *g = NULL;
    error err = {0};
    int rc = gguf_parse(&g, bytes, n, &err);
    if (rc == 0)
        walk_gguf(g);
    else if (g || err.code != rc || !err.text[0])
        abort(); /* a failure says why, and hands out nothing */
    gguf_close(g);
    return 0;
}
