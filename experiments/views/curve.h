/* The losses of a training as a drawing of characters. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_CURVE_H
#define LAMARCK_EXPERIMENTS_VIEWS_CURVE_H

#include "../store/training.h"

/* Append a drawing of `height` lines and one for the axis, at most `width` columns wide:
 * the loss of the batches as dots, of the selection rows as circles, by step. Nothing
 * while there are not two steps to draw, or no room. */
int curve_draw(const training_record *t, size_t width, size_t height, text *out,
               error *err);

#endif
