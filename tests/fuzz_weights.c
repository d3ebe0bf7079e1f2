/* Any bytes as a model: what a sound GGUF file says about its shape and tensors is either
 * a model that holds together or an error that says why. */
#include "../model/weights.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Every row of every matrix lies in the file: widening them reads it all. */
static void read_source(const weight_source *s)
{
    float *row = malloc(s->n_in * sizeof(*row));
    for (size_t r = 0; row != NULL && r < s->n_out; r++)
        weight_source_row(s, r, row);
    free(row);
}

static void read_all(const weights *w)
{
    for (size_t l = 0; l < w->shape.L; l++) {
        if (w->layers[l].reach >= w->shape.window)
            abort(); /* such a window is none */
        read_source(&w->layers[l].qkv);
        read_source(&w->layers[l].output);
        read_source(&w->layers[l].gate_up);
        read_source(&w->layers[l].down);
    }
    read_source(&w->embedding);
    read_source(&w->head);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    gguf *g = NULL;
    weights w;
    error err = {0};
    if (gguf_parse(&g, bytes, n, &err) < 0)
        return 0;
    int rc = weights_find(&w, g, &err);
    if (rc == 0) {
        read_all(&w);
        weights_free(&w);
    } else if (err.code != rc || err.text[0] == '\0') {
        abort();
    }
    gguf_close(g);
    return 0;
}
