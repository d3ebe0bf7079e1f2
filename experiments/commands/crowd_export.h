/* A crowd's tasks and ratings as CSV (RFC 4180) or JSON Lines, in the form that
 * crowd_import.h reads: importing what was exported gives the same crowd again. Ratings
 * have the columns of the page's /api/v1/export, and the key. */
#ifndef LAMARCK_EXPERIMENTS_COMMANDS_CROWD_EXPORT_H
#define LAMARCK_EXPERIMENTS_COMMANDS_CROWD_EXPORT_H

#include "../../rater/crowd.h"

/* Append to *out. */
int crowd_export_tasks(crowd *c, bool csv, text *out, error *err);
int crowd_export_ratings(crowd *c, bool csv, text *out, error *err);

/* The ratings that count as what `lamarck rate aggregate` reads: winner, loser, rater,
 * tie and the rater's weight; item, rater, value. Items are ids of outputs. */
int crowd_export_comparisons(crowd *c, bool csv, text *out, error *err);
int crowd_export_values(crowd *c, bool csv, text *out, error *err);

#endif
