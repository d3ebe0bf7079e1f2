/* Steps, probes and looks: all that runs the model. */
#include "train_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_randist.h>

/* The rows of a probe: a few tell a rate that diverges from one that does not. */
enum { PROBE_ROWS = 8 };
/* What does best for a few steps on a few rows is too much for many. */
static const double probe_caution = 0.5;
/* An explosion: a loss that is this many nats per token worse than both the start and
 * knowing nothing, ln V; or values that have grown by this factor, behind which a norm in
 * the model hides how far off they are. */
static const double exploded_loss = 10, exploded_growth = 1000;
/* The MLP's own weights are of the order of 1/sqrt(E), whatever it makes. */
static const double mlp_rate = 0.03;

/* ---- Which rows ---- */

/* Shuffle for the epoch: a fresh order drawn from a stream of its own, so that an order
 * can be made again without what came before it. */
static const size_t *order_epoch(const trainer *t, uint64_t epoch)
{
    epoch_order *o = t->order;
    if (o->epoch == epoch + 1)
        return o->rows;
    for (size_t i = 0; i < t->n_train; i++)
        o->rows[i] = i;
    gsl_rng_set(t->rng, (unsigned long)seed_mix(seed_mix(t->options.seed, 1), epoch));
    if (!t->options.in_order)
        gsl_ran_shuffle(t->rng, o->rows, t->n_train, sizeof *o->rows);
    o->epoch = epoch + 1;
    return o->rows;
}

/* Row i of step `step`: steps take rows one after the other, epoch after epoch. */
static const row *batch_row(const trainer *t, uint64_t step, size_t i)
{
    uint64_t at = step * t->batch + i;
    return &t->train[order_epoch(t, at / t->n_train)[at % t->n_train]];
}

uint64_t train_batch_tokens(const trainer *t, uint64_t step)
{
    uint64_t tokens = 0;
    for (size_t i = 0; i < t->batch; i++)
        tokens += 3 * (batch_row(t, step, i)->n + t->n_tokens);
    return tokens;
}

static size_t probe_rows(const trainer *t)
{
    size_t n = t->batch < PROBE_ROWS ? t->batch : PROBE_ROWS;
    return n < t->n_train ? n : t->n_train;
}

uint64_t train_probe_tokens(const trainer *t)
{
    uint64_t tokens = 0;
    for (size_t i = 0; i < probe_rows(t); i++)
        tokens += (3 * PROBE_STEPS + 1) * (t->train[i].n + t->n_tokens);
    return tokens;
}

void train_longest(const trainer *t, row *out, size_t n)
{
    size_t taken = 0;
    for (size_t length = t->longest + 1; taken < n && length-- > 0;)
        for (size_t i = 0; i < t->n_train && taken < n; i++)
            if (t->train[i].n == length)
                out[taken++] = t->train[i];
}

/* ---- Loss and gradient ---- */

static size_t count_targets(const row *rows, size_t n)
{
    size_t targets = 0;
    for (size_t i = 0; i < n; i++)
        targets += rows[i].n - rows[i].n_context;
    return targets;
}

static int put_before(trainer *t, const float *values, error *err)
{
    prefix_view view = {t->options.kind, t->n_tokens, values};
    return session_set_prefix(t->session, &view, err);
}

/* Nats per target token of rows behind the session's prefix. */
static int rows_loss(session *s, const row *rows, size_t n, double *loss, error *err)
{
    double sum = 0;
    row_score *scores = array_new(n, sizeof *scores);
    if (scores == NULL)
        return error_memory(err, n * sizeof *scores);
    int rc = model_score(s, rows, n, scores, NULL, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        sum -= scores[i].logprob;
    if (rc == 0)
        *loss = sum / (double)count_targets(rows, n);
    free(scores);
    return rc;
}

/* The same behind `values`. */
static int measure(trainer *t, const float *values, const row *rows, size_t n,
                   double *loss, error *err)
{
    TRY(put_before(t, values, err));
    return rows_loss(t->session, rows, n, loss, err);
}

/* One part of a batch: adds to t->gradient, and to *loss. */
static int part_gradient(trainer *t, const row *rows, size_t n, double each, float *part,
                         double *loss, error *err)
{
    row_score *scores = array_new(n, sizeof *scores);
    double *weights = array_new(n, sizeof *weights);
    int rc = scores && weights ? 0 : error_memory(err, n * sizeof *scores);
    for (size_t i = 0; rc == 0 && i < n; i++)
        weights[i] = each;
    gradient_request request = {.weights = weights, .prefix_gradient = part};
    if (rc == 0)
        rc = model_gradient(t->session, rows, n, &request, scores, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        *loss -= scores[i].logprob * each;
    for (size_t i = 0; rc == 0 && i < t->n_values; i++)
        t->gradient[i] += part[i];
    free(scores);
    free(weights);
    return rc;
}

/* t->gradient of the mean loss of rows behind t->values. */
static int batch_gradient(trainer *t, const row *rows, size_t n, double *loss, error *err)
{
    size_t parts = t->options.accumulate < n ? t->options.accumulate : n;
    double each = 1 / (double)count_targets(rows, n);
    float *part = array_new(t->n_values, sizeof *part);
    int rc = part ? put_before(t, t->values, err)
                  : error_memory(err, t->n_values * sizeof *part);
    *loss = 0;
    memset(t->gradient, 0, t->n_values * sizeof *t->gradient);
    for (size_t p = 0; rc == 0 && p < parts; p++) {
        size_t first = n * p / parts, end = n * (p + 1) / parts;
        rc = part_gradient(t, rows + first, end - first, each, part, loss, err);
    }
    free(part);
    return rc;
}

/* ---- Moving ---- */

/* Decoupled decay towards where the training began: that is a text that means something,
 * while nought is no embedding at all. */
static void decay(trainer *t, double lr)
{
    double keep = lr * t->options.weight_decay;
    for (size_t i = 0; keep > 0 && i < t->n_parameters; i++) {
        double x = (double)t->parameters[i];
        double home = t->options.decay_to_zero ? 0 : (double)t->parameter_start[i];
        t->parameters[i] = (float)(x - keep * (x - home));
    }
}

/* One optimiser step along t->gradient. */
static int move(trainer *t, double lr, double *norm, error *err)
{
    bool mlp = t->options.reparameterise > 0;
    if (mlp)
        TRY(reparam_backward(&t->mlp, t->parameters, t->hidden, t->gradient,
                             t->parameter_gradient, err));
    *norm = gradient_clip(t->parameter_gradient, t->n_parameters, t->options.clip);
    if (!isfinite(*norm))
        return 0; /* the caller says what that is */
    decay(t, lr);
    optimizer_step(&t->optimizer, t->parameters, t->parameter_gradient,
                   mlp ? NULL : t->scales, mlp ? lr * mlp_rate : lr);
    if (mlp)
        reparam_forward(&t->mlp, t->parameters, t->hidden, t->values);
    return 0;
}

/* ---- Steps ---- */

static bool has_exploded(const trainer *t, double loss)
{
    double ignorance = log((double)model_describe(t->model)->n_vocabulary);
    double was = gradient_norm(t->start, t->n_values);
    double is = gradient_norm(t->values, t->n_values);
    return !isfinite(loss) || loss > fmax(t->first_loss, ignorance) + exploded_loss ||
           is > exploded_growth * was;
}

/* The training ends here; what was best stays. */
static int diverge(trainer *t, double loss, double norm, error *err)
{
    t->end = TRAIN_DIVERGED;
    if (t->n_selection == 0)
        memcpy(t->values, t->best, t->n_values * sizeof(float));
    return error_set(err, E_NUMERIC,
                     "step %llu: the loss is %g, the gradient's norm %g, at a learning "
                     "rate of %g: the training has diverged; the best prefix before it "
                     "is kept. A smaller rate may help",
                     (unsigned long long)(t->optimizer.n_steps + 1), loss, norm, t->lr);
}

int train_step(trainer *t, train_event *e, error *err)
{
    const train_options *o = &t->options;
    uint64_t step = t->optimizer.n_steps;
    row *rows = array_new(t->batch, sizeof *rows);
    if (rows == NULL)
        return error_memory(err, t->batch * sizeof *rows);
    for (size_t i = 0; i < t->batch; i++)
        rows[i] = *batch_row(t, step, i);
    int rc = batch_gradient(t, rows, t->batch, &e->loss, err);
    free(rows);
    if (rc == E_NUMERIC)
        return diverge(t, (double)NAN, (double)NAN, err);
    TRY(rc);
    e->gradient_norm = gradient_norm(t->gradient, t->n_values);
    if (step == 0)
        t->first_loss = e->loss;
    if (has_exploded(t, e->loss) || !isfinite(e->gradient_norm))
        return diverge(t, e->loss, e->gradient_norm, err);
    if (t->n_selection == 0) /* the last state that had a sane loss */
        memcpy(t->best, t->values, t->n_values * sizeof(float));
    e->lr = t->lr * rate_factor(o->schedule, (size_t)step, o->n_warmup, o->n_steps);
    TRY(move(t, e->lr, &e->gradient_norm, err));
    bool last = t->optimizer.n_steps >= o->n_steps;
    bool look = o->eval_every > 0 && t->optimizer.n_steps % o->eval_every == 0;
    t->look_due = t->n_selection > 0 && (last || look);
    if (last && !t->look_due)
        t->end = TRAIN_ALL_STEPS;
    return 0;
}

int train_look(trainer *t, train_event *e, error *err)
{
    int rc = measure(t, t->values, t->selection, t->n_selection, &e->loss, err);
    if (rc == E_NUMERIC)
        return diverge(t, (double)NAN, (double)NAN, err);
    TRY(rc);
    t->look_due = false;
    e->best = e->loss < t->best_loss;
    if (e->best) {
        memcpy(t->best, t->values, t->n_values * sizeof(float));
        t->best_loss = e->loss;
        t->best_step = t->optimizer.n_steps;
        t->n_worse = 0;
    } else {
        t->n_worse++;
    }
    if (t->optimizer.n_steps >= t->options.n_steps)
        t->end = TRAIN_ALL_STEPS;
    else if (t->options.patience > 0 && t->n_worse >= t->options.patience)
        t->end = TRAIN_NO_BETTER;
    return 0;
}

/* ---- The probe ---- */

/* Back to the start, with an optimiser that has seen nothing. */
static int rewind_start(trainer *t, error *err)
{
    adamw_options a = adamw_defaults();
    optimizer fresh;
    TRY(optimizer_new(&fresh, t->n_parameters, &a, err));
    optimizer_free(&t->optimizer);
    t->optimizer = fresh;
    memcpy(t->parameters, t->parameter_start, t->n_parameters * sizeof(float));
    if (t->options.reparameterise > 0)
        reparam_forward(&t->mlp, t->parameters, t->hidden, t->values);
    return 0;
}

/* A few steps at one rate; *loss is what they lead to, infinite when nowhere. */
static int try_rate(trainer *t, double lr, double *loss, error *err)
{
    size_t n = probe_rows(t);
    double norm = 0, before;
    for (size_t k = 0; k < PROBE_STEPS; k++) {
        TRY(batch_gradient(t, t->train, n, &before, err));
        TRY(move(t, lr, &norm, err));
    }
    return measure(t, t->values, t->train, n, loss, err);
}

int train_probe(trainer *t, train_event *e, error *err)
{
    double rate = probe_rates[t->probed], loss = INFINITY;
    int rc = try_rate(t, rate, &loss, err);
    if (rc == E_NUMERIC) {
        loss = INFINITY;
        rc = 0;
    }
    int back = rewind_start(t, rc == 0 ? err : NULL);
    if (rc < 0 || back < 0)
        return rc < 0 ? rc : back;
    t->probe_losses[t->probed++] = isfinite(loss) ? loss : (double)INFINITY;
    e->loss = loss;
    e->lr = rate;
    if (t->probed < TRAIN_PROBE_RATES)
        return 0;
    size_t best = 0;
    for (size_t i = 1; i < TRAIN_PROBE_RATES; i++)
        if (t->probe_losses[i] < t->probe_losses[best])
            best = i;
    t->lr = probe_rates[best] * probe_caution;
    return 0;
}

/* ---- Others ---- */

int train_loss(session *s, const prefix *p, const row *rows, size_t n, double *out,
               error *err)
{
    prefix_view view = {0};
    if (p != NULL)
        view = prefix_view_of(p);
    int rc = session_set_prefix(s, p != NULL ? &view : NULL, err);
    if (rc == 0)
        rc = rows_loss(s, rows, n, out, err);
    session_set_prefix(s, NULL, NULL);
    return rc;
}
