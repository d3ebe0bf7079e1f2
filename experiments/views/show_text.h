/* A run as a person reads it in a terminal: the parts of `lamarck show`, some of which a
 * search also prints at its end. Each appends to *out. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_SHOW_TEXT_H
#define LAMARCK_EXPERIMENTS_VIEWS_SHOW_TEXT_H

#include "../store/store.h"
#include "terminal.h"

/* Where it is appended, and for what kind of terminal. */
typedef struct sheet {
    text *out;
    terminal terminal;
    error *err;
} sheet;

/* The conclusion, the seed and the best prompt with their final scores. */
int show_verdict(const sheet *s, const run_record *r);
/* Facts and loss curve; nothing for a search. */
int show_training(const sheet *s, const run_record *r);
int show_spend(const sheet *s, const run_record *r);
/* From the seed to the best prompt, what each edit changed. */
int show_lineage(const sheet *s, const run_record *r);
/* What became of texts that immigrated; nothing where none did. */
int show_guests(const sheet *s, const run_record *r);
/* The k best of the search. */
int show_top(const sheet *s, const run_record *r, size_t k);

#endif
