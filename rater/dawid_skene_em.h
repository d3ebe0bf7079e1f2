/* Inside Dawid-Skene: the iterations. Only dawid_skene*.c include this. */
#ifndef LAMARCK_RATER_DAWID_SKENE_EM_H
#define LAMARCK_RATER_DAWID_SKENE_EM_H

#include "dawid_skene.h"

/* From the votes to the maximum: shares, posteriors, confusion matrices, log-likelihood
 * and the iterations of *d, whose arrays are there. `class_of`: (labels). */
int dawid_skene_iterate(dawid_skene *d, const ratings *r, const dawid_skene_options *o,
                        const size_t *class_of, error *err);

#endif
