/* Aggregated ratings as JSON. */
#include "rate_aggregate.h"

#include "../views/json_lines.h"

#include <math.h>

const char *const agreement_level_names[] = {"nominal", "ordinal", "interval", "ratio",
                                             NULL};

static json_t *count(size_t n)
{
    return json_integer((json_int_t)n);
}

static int set_real(json_t *o, const char *key, double value)
{
    return json_object_set_new(o, key, json_real_or_null(value));
}

/* Append a new object to a list and put both in place; NULL when out of memory. */
static json_t *append_object(json_t *list)
{
    json_t *o = json_object();
    return json_array_append_new(list, o) == 0 ? o : NULL;
}

static int set_counts(json_t *o, const ratings *r, const aggregate_counts *n)
{
    return json_object_set_new(o, "n_items", count(r->items.n)) ||
           json_object_set_new(o, "n_raters", count(r->raters.n)) ||
           json_object_set_new(o, "n_ratings", count(n->n_ratings)) ||
           json_object_set_new(o, "n_missing", count(n->n_missing)) ||
           json_object_set_new(o, "n_replaced", count(n->n_replaced));
}

/* Give `o` away, or free it if something failed. */
static json_t *finish(json_t *o, bool failed)
{
    if (!failed)
        return o;
    json_decref(o);
    return NULL;
}

json_t *aggregate_alpha_json(const agreement *a, const ratings *r,
                             const agreement_options *o, const aggregate_counts *n)
{
    json_t *top = json_object(), *raters = json_array();
    bool bad =
        json_object_set_new(top, "method", json_string("alpha")) ||
        json_object_set_new(top, "level", json_string(agreement_level_names[o->level])) ||
        set_real(top, "alpha", a->alpha) || set_real(top, "se", a->se) ||
        json_object_set_new(top, "ci95",
                            isnan(a->low) ? json_null()
                                          : json_pack("[f, f]", a->low, a->high)) ||
        set_real(top, "observed_disagreement", a->observed) ||
        set_real(top, "expected_disagreement", a->expected) || set_counts(top, r, n) ||
        json_object_set_new(top, "n_units", count(a->n_units)) ||
        json_object_set_new(top, "n_pairable", count(a->n_pairable)) ||
        json_object_set_new(top, "n_resamples", count(o->n_resamples)) ||
        json_object_set_new(top, "seed", json_integer((json_int_t)o->seed)) ||
        json_object_set_new(top, "raters", raters);
    for (size_t i = 0; !bad && i < r->raters.n; i++) {
        const rater_agreement *x = &a->raters[i];
        json_t *row = append_object(raters);
        bad =
            !row || json_object_set_new(row, "rater", json_string(r->raters.names[i])) ||
            json_object_set_new(row, "n_ratings", count(x->n_ratings)) ||
            json_object_set_new(row, "n_pairs", count(x->n_pairs)) ||
            set_real(row, "agreement", x->agreement) || set_real(row, "alpha", x->alpha);
    }
    return finish(top, bad);
}

/* ---- Dawid-Skene ---- */

static const char *class_name(const dawid_skene *d, const ratings *r, size_t z)
{
    return r->labels.names[d->order[z]];
}

/* {"label": number, …}; new. */
static json_t *by_class(const dawid_skene *d, const ratings *r, const double *x)
{
    json_t *o = json_object();
    for (size_t z = 0; o && z < d->n_classes; z++)
        if (set_real(o, class_name(d, r, z), x[z]) < 0) {
            json_decref(o);
            return NULL;
        }
    return o;
}

/* Of the truths, and in each of the answers; new. */
static json_t *by_truth(const dawid_skene *d, const ratings *r, const double *x)
{
    json_t *o = json_object();
    for (size_t z = 0; o && z < d->n_classes; z++)
        if (json_object_set_new(o, class_name(d, r, z),
                                by_class(d, r, x + z * d->n_classes)) < 0) {
            json_decref(o);
            return NULL;
        }
    return o;
}

static int set_item(json_t *row, const dawid_skene *d, const ratings *r, size_t i)
{
    const double *q = d->posterior + i * d->n_classes;
    size_t best = 0;
    for (size_t z = 1; z < d->n_classes; z++)
        if (q[z] > q[best])
            best = z;
    return !row || json_object_set_new(row, "item", json_string(r->items.names[i])) ||
           json_object_set_new(row, "label", json_string(class_name(d, r, best))) ||
           set_real(row, "probability", q[best]) ||
           set_real(row, "se", sqrt(q[best] * (1 - q[best]))) ||
           json_object_set_new(row, "probabilities", by_class(d, r, q));
}

/* The chance of a right answer to an item of the estimated mix. */
static double accuracy_of(const dawid_skene *d, size_t rater)
{
    size_t c = d->n_classes;
    double sum = 0;
    for (size_t z = 0; z < c; z++)
        sum += d->share[z] * d->confusion[(rater * c + z) * c + z];
    return sum;
}

json_t *aggregate_dawid_skene_json(const dawid_skene *d, const ratings *r,
                                   const aggregate_counts *n)
{
    size_t cells = d->n_classes * d->n_classes;
    json_t *top = json_object(), *items = json_array(), *raters = json_array();
    bool bad = json_object_set_new(top, "method", json_string("dawid-skene")) ||
               set_counts(top, r, n) ||
               set_real(top, "log_likelihood", d->log_likelihood) ||
               json_object_set_new(top, "iterations", count(d->n_iterations)) ||
               json_object_set_new(top, "converged", json_boolean(d->converged)) ||
               json_object_set_new(top, "classes", by_class(d, r, d->share)) ||
               json_object_set_new(top, "classes_se", by_class(d, r, d->share_se)) ||
               json_object_set_new(top, "se_missing_because",
                                   d->no_se ? json_string(d->no_se) : json_null()) ||
               json_object_set_new(top, "items", items) ||
               json_object_set_new(top, "raters", raters);
    for (size_t i = 0; !bad && i < r->items.n; i++)
        bad = set_item(append_object(items), d, r, i);
    for (size_t i = 0; !bad && i < r->raters.n; i++) {
        json_t *row = append_object(raters);
        bad = !row ||
              json_object_set_new(row, "rater", json_string(r->raters.names[i])) ||
              set_real(row, "accuracy", accuracy_of(d, i)) ||
              json_object_set_new(row, "confusion",
                                  by_truth(d, r, d->confusion + i * cells)) ||
              json_object_set_new(row, "confusion_se",
                                  by_truth(d, r, d->confusion_se + i * cells));
    }
    return finish(top, bad);
}

/* ---- Bradley-Terry ---- */

json_t *aggregate_bradley_terry_json(const bradley_terry *b, const comparisons *c)
{
    json_t *top = json_object(), *items = json_array(), *raters = json_array();
    size_t n_ties = 0;
    for (size_t i = 0; i < c->n; i++)
        n_ties += c->list[i].tie;
    bool bad = json_object_set_new(top, "method", json_string("bradley-terry")) ||
               json_object_set_new(top, "ties", json_string("davidson")) ||
               json_object_set_new(top, "n_items", count(c->items.n)) ||
               json_object_set_new(top, "n_raters", count(c->raters.n)) ||
               json_object_set_new(top, "n_comparisons", count(c->n)) ||
               json_object_set_new(top, "n_ties", count(n_ties)) ||
               json_object_set_new(top, "n_missing", count(c->n_missing)) ||
               set_real(top, "tie", b->tie) || set_real(top, "tie_se", b->tie_se) ||
               set_real(top, "log_likelihood", b->log_likelihood) ||
               json_object_set_new(top, "iterations", count(b->n_iterations)) ||
               json_object_set_new(top, "se_missing_because",
                                   b->no_se ? json_string(b->no_se) : json_null()) ||
               json_object_set_new(top, "items", items) ||
               json_object_set_new(top, "raters", raters);
    for (size_t i = 0; !bad && i < c->items.n; i++) {
        json_t *row = append_object(items);
        bad = !row || json_object_set_new(row, "item", json_string(c->items.names[i])) ||
              set_real(row, "score", b->score[i]) || set_real(row, "se", b->se[i]);
    }
    for (size_t k = 0; !bad && b->reliability && k < c->raters.n; k++) {
        json_t *row = append_object(raters);
        bad = !row ||
              json_object_set_new(row, "rater", json_string(c->raters.names[k])) ||
              set_real(row, "reliability", b->reliability[k]) ||
              set_real(row, "se", b->reliability_se[k]);
    }
    return finish(top, bad);
}

/* ---- Mixed ---- */

json_t *aggregate_mixed_json(const mixed *m, const ratings *r, bool scales,
                             const aggregate_counts *n)
{
    json_t *top = json_object(), *items = json_array(), *raters = json_array();
    bool bad =
        json_object_set_new(top, "method", json_string("mixed")) ||
        set_counts(top, r, n) || set_real(top, "mean", m->mean) ||
        set_real(top, "mean_se", m->mean_se) ||
        json_object_set_new(top, "variance",
                            json_pack("{s:f, s:f, s:f}", "item", m->v_item, "rater",
                                      m->v_rater, "residual", m->v_noise)) ||
        set_real(top, "log_likelihood", m->log_likelihood) ||
        json_object_set_new(top, "iterations", count(m->n_iterations)) ||
        json_object_set_new(top, "items", items) ||
        json_object_set_new(top, "raters", raters);
    for (size_t i = 0; !bad && i < r->items.n; i++) {
        json_t *row = append_object(items);
        bad = !row || json_object_set_new(row, "item", json_string(r->items.names[i])) ||
              set_real(row, "mean", m->item[i]) || set_real(row, "se", m->item_se[i]);
    }
    for (size_t k = 0; !bad && k < r->raters.n; k++) {
        json_t *row = append_object(raters);
        bad = !row ||
              json_object_set_new(row, "rater", json_string(r->raters.names[k])) ||
              set_real(row, "bias", m->bias[k]) || set_real(row, "se", m->bias_se[k]) ||
              (scales && (set_real(row, "scale", m->scale[k]) ||
                          set_real(row, "noise", m->noise[k])));
    }
    return finish(top, bad);
}
