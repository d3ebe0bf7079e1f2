/* Standard errors of a fitted Dawid-Skene model. Private to dawid_skene*.c. */
#ifndef LAMARCK_RATER_DAWID_SKENE_SE_H
#define LAMARCK_RATER_DAWID_SKENE_SE_H

#include "dawid_skene.h"

/* Fill share_se and confusion_se, or say in no_se why that cannot be. */
int dawid_skene_errors(dawid_skene *d, const ratings *r, const size_t *class_of,
                       double smoothing, error *err);

#endif
