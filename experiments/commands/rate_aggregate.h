/* lamarck rate aggregate: one number per item from what people said. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_RATE_AGGREGATE_H
#define LAMARCK_EXPERIMENTS_COMMANDS_RATE_AGGREGATE_H

#include "../../rater/agreement.h"
#include "../../rater/bradley_terry.h"
#include "../../rater/dawid_skene.h"
#include "../../rater/mixed.h"
#include "command.h"

#include <jansson.h>

/* What became of the rows of a table of ratings. */
typedef struct aggregate_counts {
    size_t n_ratings, n_missing, n_replaced;
} aggregate_counts;

/* Each answer is told in two ways: as JSON (new; NULL when out of memory) and as text on
 * standard output. */
json_t *aggregate_alpha_json(const agreement *a, const ratings *r,
                             const agreement_options *o, const aggregate_counts *n);
json_t *aggregate_dawid_skene_json(const dawid_skene *d, const ratings *r,
                                   const aggregate_counts *n);
json_t *aggregate_bradley_terry_json(const bradley_terry *b, const comparisons *c);
json_t *aggregate_mixed_json(const mixed *m, const ratings *r, bool scales,
                             const aggregate_counts *n);

int aggregate_alpha_text(const agreement *a, const ratings *r, const agreement_options *o,
                         error *err);
int aggregate_dawid_skene_text(const dawid_skene *d, const ratings *r, error *err);
int aggregate_bradley_terry_text(const bradley_terry *b, const comparisons *c,
                                 error *err);
int aggregate_mixed_text(const mixed *m, const ratings *r, bool scales, error *err);

extern const command rate_aggregate;

extern const char *const agreement_level_names[]; /* in the order of agreement_level */

#endif
