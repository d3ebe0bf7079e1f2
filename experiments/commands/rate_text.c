/* Aggregated ratings for people to read: tables, the best first. */
#include "rate_aggregate.h"

#include "../views/terminal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_COLUMNS = 32, NUMBER_COLUMNS = 10 };

/* A name on one line, nothing in it that steers the terminal. */
static int plain_name(text *out, const char *name, error *err)
{
    TRY(terminal_printable(out, name, strlen(name), err));
    for (char *s = out->s; s && *s; s++)
        if (*s == '\n' || *s == '\t')
            *s = ' ';
    return 0;
}

/* A name padded to its column. */
static int print_name(const char *name, error *err)
{
    text safe = {0};
    int rc = plain_name(&safe, name, err);
    if (rc == 0) {
        size_t columns = terminal_columns(text_string(&safe), safe.n);
        printf("%s%*s", text_string(&safe),
               (int)(columns < NAME_COLUMNS ? NAME_COLUMNS - columns : 1), "");
    }
    text_free(&safe);
    return rc;
}

/* A name above a column of numbers, cut where it is longer. */
static int print_heading(const char *name, error *err)
{
    text safe = {0}, cut = {0};
    int rc = plain_name(&safe, name, err);
    if (rc == 0)
        rc = terminal_wrap(&cut, text_string(&safe), "", NUMBER_COLUMNS, 1, err);
    if (rc == 0) {
        size_t n = strcspn(text_string(&cut), "\n");
        size_t columns = terminal_columns(text_string(&cut), n);
        printf(" %*s%.*s", (int)(NUMBER_COLUMNS - columns), "", (int)n,
               text_string(&cut));
    }
    text_free(&safe);
    text_free(&cut);
    return rc;
}

static void print_number(double x)
{
    if (isnan(x))
        printf(" %10s", "-");
    else
        printf(" %10.4f", x);
}

/* One line of a table: a name and its numbers. */
static int print_row(const char *name, const double *x, size_t n, error *err)
{
    TRY(print_name(name, err));
    for (size_t i = 0; i < n; i++)
        print_number(x[i]);
    printf("\n");
    return 0;
}

typedef struct ranked {
    double value;
    size_t index;
} ranked;

static int by_value(const void *pa, const void *pb)
{
    const ranked *a = pa, *b = pb;
    int c = (a->value < b->value) - (a->value > b->value);
    return c ? c : (a->index > b->index) - (a->index < b->index);
}

/* A table of value and error, the highest value first. */
static int print_ranked(char *const *names, const double *value, const double *se,
                        size_t n, error *err)
{
    ranked *order = array_new(n, sizeof *order);
    if (!order)
        return error_memory(err, n * sizeof *order);
    for (size_t i = 0; i < n; i++)
        order[i] = (ranked){value[i], i};
    qsort(order, n, sizeof *order, by_value);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t at = order[i].index;
        rc = print_row(names[at], (double[]){value[at], se[at]}, 2, err);
    }
    free(order);
    return rc;
}

int aggregate_alpha_text(const agreement *a, const ratings *r, const agreement_options *o,
                         error *err)
{
    printf("Krippendorff's alpha (%s): %.4f", agreement_level_names[o->level], a->alpha);
    if (!isnan(a->low))
        printf(", 95 %% interval %.4f to %.4f", a->low, a->high);
    printf("\n%zu ratings of %zu items by two raters or more\n\n", a->n_pairable,
           a->n_units);
    printf("%-32s %10s %10s %10s\n", "rater", "ratings", "agreement", "alpha");
    for (size_t i = 0; i < r->raters.n; i++) {
        const rater_agreement *x = &a->raters[i];
        TRY(print_name(r->raters.names[i], err));
        printf(" %10zu", x->n_ratings);
        print_number(x->agreement);
        print_number(x->alpha);
        printf("\n");
    }
    return 0;
}

int aggregate_dawid_skene_text(const dawid_skene *d, const ratings *r, error *err)
{
    size_t c = d->n_classes;
    printf("%-32s %10s  %s\n", "item", "sure", "label");
    for (size_t i = 0; i < r->items.n; i++) {
        const double *q = d->posterior + i * c;
        size_t best = 0;
        for (size_t z = 1; z < c; z++)
            best = q[z] > q[best] ? z : best;
        TRY(print_name(r->items.names[i], err));
        printf(" %10.4f  ", q[best]);
        TRY(print_name(r->labels.names[d->order[best]], err));
        printf("\n");
    }
    printf("\n%-32s", "rater: right, by true label");
    for (size_t z = 0; z < c; z++)
        TRY(print_heading(r->labels.names[d->order[z]], err));
    printf("\n");
    for (size_t k = 0; k < r->raters.n; k++) {
        TRY(print_name(r->raters.names[k], err));
        for (size_t z = 0; z < c; z++)
            print_number(d->confusion[(k * c + z) * c + z]);
        printf("\n");
    }
    if (!d->converged)
        printf("\nnot converged after %zu iterations\n", d->n_iterations);
    return 0;
}

int aggregate_bradley_terry_text(const bradley_terry *b, const comparisons *c, error *err)
{
    printf("%-32s %10s %10s\n", "item", "score", "se");
    TRY(print_ranked(c->items.names, b->score, b->se, c->items.n, err));
    if (b->has_ties || b->no_se || b->reliability || c->n_missing)
        printf("\n");
    if (b->has_ties)
        TRY(print_row("ties (Davidson's nu)", (double[]){b->tie, b->tie_se}, 2, err));
    if (b->no_se)
        printf("no standard errors: %s\n", b->no_se);
    if (c->n_missing)
        printf("rows that compare no two items, left out: %zu\n", c->n_missing);
    if (!b->reliability)
        return 0;
    printf("%-32s %10s %10s\n", "rater", "reliable", "se");
    return print_ranked(c->raters.names, b->reliability, b->reliability_se, c->raters.n,
                        err);
}

int aggregate_mixed_text(const mixed *m, const ratings *r, bool scales, error *err)
{
    printf("mean %.4f (se %.4f); variance of items %.4f, of raters %.4f, of noise %.4f\n",
           m->mean, m->mean_se, m->v_item, m->v_rater, m->v_noise);
    printf("\n%-32s %10s %10s\n", "item", "mean", "se");
    TRY(print_ranked(r->items.names, m->item, m->item_se, r->items.n, err));
    printf("\n%-32s %10s %10s%s\n", "rater", "bias", "se",
           scales ? "      scale      noise" : "");
    for (size_t k = 0; k < r->raters.n; k++) {
        const double x[] = {m->bias[k], m->bias_se[k], m->scale[k], m->noise[k]};
        TRY(print_row(r->raters.names[k], x, scales ? 4 : 2, err));
    }
    return 0;
}
