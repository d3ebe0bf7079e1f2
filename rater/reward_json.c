/* Facts and judgements as JSON; judgements back. */
#include "reward_parts.h"

#include <math.h>
#include <string.h>

/* ---- Out ---- */

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *interval_json(const reward_interval *x)
{
    return json_pack("{s:o, s:[o, o]}", "value", number(x->value), "ci95", number(x->low),
                     number(x->high));
}

static json_t *bins_json(const reward_judgement *j)
{
    json_t *list = json_array();
    for (size_t b = 0; list && b < REWARD_BINS; b++) {
        json_t *bin =
            json_pack("{s:I, s:o, s:o}", "n", (json_int_t)j->bins[b].n, "chance",
                      number(j->bins[b].chance), "right", number(j->bins[b].right));
        if (json_array_append_new(list, bin) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *curve_json(const reward_judgement *j)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < j->n_sizes; i++) {
        json_t *point = json_pack("{s:o, s:o}", "ratings", number(j->curve[i].n_ratings),
                                  "accuracy", interval_json(&j->curve[i].accuracy));
        if (json_array_append_new(list, point) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *reward_judgement_json(const reward_judgement *j)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o}",
        "ratings", (json_int_t)j->n_ratings, "contexts", (json_int_t)j->n_contexts,
        "pairs", (json_int_t)j->n_pairs, "ties", (json_int_t)j->n_ties, "accuracy",
        interval_json(&j->accuracy), "length", interval_json(&j->length), "likelihood",
        interval_json(&j->likelihood), "over_length", interval_json(&j->over_length),
        "over_likelihood", interval_json(&j->over_likelihood), "bins", bins_json(j),
        "calibration_error", number(j->calibration_error), "log_loss",
        number(j->log_loss), "correlation", number(j->correlation), "curve",
        curve_json(j));
}

json_t *reward_facts_json(const reward_facts *f)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:I}", "head",
        reward_head_names[f->head], "pooling", pooling_names[f->pooling], "model",
        f->model, "model_sha256", f->model_hash, "question", f->question, "source",
        f->source, "ratings", (json_int_t)f->n_ratings, "contexts",
        (json_int_t)f->n_contexts, "texts", (json_int_t)f->n_texts, "simulated",
        (json_int_t)f->n_simulated, "components", (json_int_t)f->n_components, "lambda",
        f->lambda, "seed", (json_int_t)f->seed);
}

/* ---- In ---- */

static int read_number(const json_t *from, const char *key, double *out, error *err)
{
    const json_t *x = json_object_get(from, key);
    if (!json_is_number(x) && !json_is_null(x))
        return error_set(err, E_FORMAT, "\"%s\" is not a number", key);
    *out = json_is_null(x) ? (double)NAN : json_number_value(x);
    return 0;
}

static int read_count(const json_t *from, const char *key, size_t *out, error *err)
{
    const json_t *x = json_object_get(from, key);
    if (!json_is_integer(x) || json_integer_value(x) < 0)
        return error_set(err, E_FORMAT, "\"%s\" is not a count", key);
    *out = (size_t)json_integer_value(x);
    return 0;
}

static double number_of(const json_t *x)
{
    return json_is_number(x) ? json_number_value(x) : (double)NAN;
}

static int read_interval(const json_t *from, const char *key, reward_interval *out,
                         error *err)
{
    const json_t *x = json_object_get(from, key), *ends = json_object_get(x, "ci95");
    if (!json_is_object(x) || json_array_size(ends) != 2)
        return error_set(err, E_FORMAT, "\"%s\" is not a value with an interval", key);
    TRY(read_number(x, "value", &out->value, err));
    out->low = number_of(json_array_get(ends, 0));
    out->high = number_of(json_array_get(ends, 1));
    return 0;
}

static int read_bins(const json_t *from, reward_judgement *out, error *err)
{
    const json_t *list = json_object_get(from, "bins");
    if (json_array_size(list) != REWARD_BINS)
        return error_set(err, E_FORMAT, "\"bins\" is not a list of %d", REWARD_BINS);
    for (size_t b = 0; b < REWARD_BINS; b++) {
        const json_t *x = json_array_get(list, b);
        TRY(read_count(x, "n", &out->bins[b].n, err));
        TRY(read_number(x, "chance", &out->bins[b].chance, err));
        TRY(read_number(x, "right", &out->bins[b].right, err));
    }
    return 0;
}

static int read_curve(const json_t *from, reward_judgement *out, error *err)
{
    const json_t *list = json_object_get(from, "curve");
    if (!json_is_array(list) || json_array_size(list) > REWARD_SIZES)
        return error_set(err, E_FORMAT, "\"curve\" is not a list of %d at most",
                         REWARD_SIZES);
    out->n_sizes = json_array_size(list);
    for (size_t i = 0; i < out->n_sizes; i++) {
        const json_t *x = json_array_get(list, i);
        TRY(read_number(x, "ratings", &out->curve[i].n_ratings, err));
        TRY(read_interval(x, "accuracy", &out->curve[i].accuracy, err));
    }
    return 0;
}

int reward_judgement_read(const json_t *from, reward_judgement *out, error *err)
{
    reward_judgement j = {0};
    TRY(read_count(from, "ratings", &j.n_ratings, err));
    TRY(read_count(from, "contexts", &j.n_contexts, err));
    TRY(read_count(from, "pairs", &j.n_pairs, err));
    TRY(read_count(from, "ties", &j.n_ties, err));
    TRY(read_interval(from, "accuracy", &j.accuracy, err));
    TRY(read_interval(from, "length", &j.length, err));
    TRY(read_interval(from, "likelihood", &j.likelihood, err));
    TRY(read_interval(from, "over_length", &j.over_length, err));
    TRY(read_interval(from, "over_likelihood", &j.over_likelihood, err));
    TRY(read_number(from, "calibration_error", &j.calibration_error, err));
    TRY(read_number(from, "log_loss", &j.log_loss, err));
    TRY(read_number(from, "correlation", &j.correlation, err));
    TRY(read_bins(from, &j, err));
    TRY(read_curve(from, &j, err));
    *out = j;
    return 0;
}
