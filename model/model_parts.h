/* What the files of the engine share about a model. Not for other folders. */
#ifndef LAMARCK_MODEL_MODEL_PARTS_H
#define LAMARCK_MODEL_MODEL_PARTS_H

#include "backend.h"
#include "model.h"
#include "weights.h"

/* Borrowed from the model. */
const weights *model_weights(const model *m);

/* The weights as packed for a backend: made at the first call for it, then shared. Any
 * thread. Borrowed from the model. */
int model_packed(const model *m, const backend *b, size_t n_threads,
                 const packed_weights **out, error *err);

#endif
