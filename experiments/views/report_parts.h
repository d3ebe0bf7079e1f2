/* The parts of the report, private to it: a page that remembers the first failure, so
 * that markup reads as markup. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_REPORT_PARTS_H
#define LAMARCK_EXPERIMENTS_VIEWS_REPORT_PARTS_H

#include "../store/store.h"

typedef struct page {
    text *out;
    error *err;
    int rc;          /* 0, or the first failure: everything after it does nothing */
    bool no_gnuplot; /* said once */
} page;

/* Markup of our own. */
void put(page *p, const char *markup);
void put_format(page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Texts of others, escaped. NULL is nothing. */
void put_text(page *p, const char *s);
void put_count(page *p, uint64_t n);
/* "0.4321 ± 0.0123" */
void put_score(page *p, double value, double se);
/* What changed from one prompt to the next, as <del> and <ins>; long unchanged stretches
 * are cut. */
void put_difference(page *p, const char *old_text, const char *new_text);

/* Draw by gnuplot and embed; without gnuplot the page says so, once. Returns whether
 * there is a drawing: else the caller's table has to do. */
bool put_plot(page *p, const char *name, const char *label, const char *script,
              const char *data, size_t height);

/* An entry of a drawing's legend: the colour of a series, and what it is. */
void put_legend(page *p, int series, const char *what);

void report_progress(page *p, const run_record *r);
void report_operators(page *p, const run_record *r);
/* The curves of a training. */
void report_curves(page *p, const run_record *r);
void report_comparison(page *p, const run_record *r);
void report_lineage(page *p, const run_record *r);
void report_guests(page *p, const run_record *r);
void report_candidates(page *p, const run_record *r);
void report_spend(page *p, const run_record *r);
void report_settings(page *p, const run_record *r);

/* The page's style sheet. Static. */
const char *report_style(void);

#endif
