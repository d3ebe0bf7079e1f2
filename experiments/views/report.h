/* report.html: a run as one self-contained page, for a phone or a laptop, light or dark.
 */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_REPORT_H
#define LAMARCK_EXPERIMENTS_VIEWS_REPORT_H

#include "../store/store.h"

/* Append the whole page to *out. Without gnuplot the page says so and gives the numbers
 * as tables. */
int report_render(const run_record *r, text *out, error *err);

/* Write DIR/report.html at once: readers see the old page or the new one. */
int report_write(const run_record *r, const char *dir, error *err);

/* Read run `id` (0: the latest) of DIR and write its report. */
int report_run(const char *dir, uint64_t id, error *err);

#endif
