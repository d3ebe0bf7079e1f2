/* What people had to do with a run: as its crowd stands at the moment of looking. Of the
 * whole folder, since the runs of one folder share their crowd. */
#ifndef LAMARCK_EXPERIMENTS_STORE_PEOPLE_H
#define LAMARCK_EXPERIMENTS_STORE_PEOPLE_H

#include "../../rater/crowd.h"
#include "store.h"
#include "surrogate_record.h"

struct people_record {
    char *question, *ask; /* ask: the kind, as in the file */
    crowd_counts counts;
    double cents; /* of a rating */
    double alpha; /* Krippendorff's, nominal, over the ratings that count; NaN unknown */
    bool has_surrogate;         /* a reward chooses what people see: */
    surrogate_record surrogate; /* how it stood after the latest batch of this run */
};
void people_record_free(people_record *p);

#endif
