/* What people said, in numbers: who rated what how, and who preferred what to what. The
 * input of every aggregation; where it comes from (a table, a store) is not known here.
 *
 * Ownership: a name_index and the two lists own copies of all names. One thread while it
 * is filled, read-only and shared after. */
#ifndef LAMARCK_RATER_RATINGS_H
#define LAMARCK_RATER_RATINGS_H

#include "../model/base.h"

/* Names numbered in the order in which they were first seen. {0} is empty. */
typedef struct name_index {
    char **names;
    size_t n, capacity;
    size_t *slots; /* open addressing; index + 1, 0 is free */
    size_t n_slots;
} name_index;

/* The number of this name, given now if it is new. */
int name_index_add(name_index *x, const char *name, size_t *number, error *err);
/* The number of this name, or n. */
size_t name_index_find(const name_index *x, const char *name);
void name_index_free(name_index *x);

/* ---- Ratings: one value per item and rater ---- */

typedef struct rating {
    size_t item, rater, label; /* indices into the names */
    double value;              /* the label as a number; NaN where it is none */
    size_t place;              /* where it was read: a line; 0 unknown */
} rating;

typedef struct ratings {
    name_index items, raters, labels;
    rating *list;
    size_t n, capacity;
} ratings;

/* What counts when a rater rated an item twice. */
typedef enum repeat_rule {
    REPEAT_LAST, /* people change their minds: the later row */
    REPEAT_FIRST,
    REPEAT_ERROR, /* E_FORMAT */
} repeat_rule;

/* Append. A label that reads as a finite number (C locale, whole text) has that value. */
int ratings_add(ratings *r, const char *item, const char *rater, const char *label,
                size_t place, error *err);
/* To be called once, when all is there: applies the rule, sorts by item, then rater.
 * *n_dropped: rows that do not count. */
int ratings_finish(ratings *r, repeat_rule rule, size_t *n_dropped, error *err);
/* E_FORMAT, naming the first label that is no number. */
int ratings_check_numbers(const ratings *r, error *err);
/* The labels' order: by value if all are numbers, else by their bytes. order[rank] is a
 * label; new, n = labels.n. */
int ratings_label_order(const ratings *r, size_t **order, error *err);
void ratings_free(ratings *r);

/* ---- Comparisons: any number per pair and rater ---- */

typedef struct comparison {
    size_t winner, loser, rater;
    bool tie; /* then winner and loser only say who met */
} comparison;

typedef struct comparisons {
    name_index items, raters;
    comparison *list;
    size_t n, capacity;
    size_t n_missing; /* rows of a table that compare nothing, and are not in the list */
} comparisons;

/* E_FORMAT if an item meets itself. */
int comparisons_add(comparisons *c, const char *winner, const char *loser,
                    const char *rater, bool tie, error *err);
void comparisons_free(comparisons *c);

#endif
