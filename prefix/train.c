/* The trainer: what is due next, and doing it. The steps themselves are in
 * train_step.c, the starts in train_init.c, saved states in train_state.c. */
#include "train_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rates that the probe tries, as multiples of the scale of what is trained: each from the
 * same start, a few steps long. Smith 2017, Cyclical learning rates, section 3.3, with
 * fixed rates in place of a ramp, so that one bad rate cannot spoil the next. */
const double probe_rates[TRAIN_PROBE_RATES] = {0.01, 0.03, 0.1, 0.3};

train_options train_defaults(prefix_kind kind)
{
    return (train_options){.kind = kind,
                           .n_tokens = 20,
                           .init = PREFIX_INIT_TEXT,
                           .schedule = RATE_COSINE,
                           .n_warmup = 5,
                           .n_steps = 500,
                           .batch = 16,
                           .accumulate = 1,
                           .clip = 1,
                           .eval_every = 5,
                           .patience = 6};
}

const char *prefix_init_name(prefix_init init)
{
    static const char *const names[] = {"text", "random", "vocabulary", "labels",
                                        "given"};
    return names[init];
}

/* ---- Life ---- */

static int options_check(const train_options *o, error *err)
{
    if (!(o->lr >= 0 && o->lr < 1e6))
        return error_set(err, E_ARGUMENT, "the learning rate is %g: it must be in 0..1e6",
                         o->lr);
    if (o->n_steps == 0)
        return error_set(err, E_ARGUMENT, "0 training steps: at least 1 is needed");
    if (o->accumulate == 0)
        return error_set(err, E_ARGUMENT, "accumulate is 0: at least 1 is needed");
    if (!(o->weight_decay >= 0 && o->weight_decay < 1e3))
        return error_set(err, E_ARGUMENT, "the weight decay is %g: must be in 0..1000",
                         o->weight_decay);
    if (!(o->clip >= 0))
        return error_set(err, E_ARGUMENT, "the clipping norm is %g: must not be negative",
                         o->clip);
    if (o->reparameterise > 0 && o->kind != PREFIX_KEY_VALUES)
        return error_set(err, E_ARGUMENT,
                         "an MLP reparameterises keys and values only: the method is "
                         "\"%s\"",
                         prefix_kind_name(o->kind));
    return 0;
}

static int copy_rows(trainer *t, error *err)
{
    const train_options *o = &t->options;
    if (t->n_train == 0)
        return error_set(err, E_ARGUMENT, "no rows to train on");
    for (size_t i = 0; i < t->n_train; i++)
        t->longest = t->train[i].n > t->longest ? t->train[i].n : t->longest;
    t->batch = o->batch > 0 && o->batch < t->n_train ? o->batch : t->n_train;
    size_t bytes;
    if (!size_mul(t->n_train, sizeof(size_t), &bytes) ||
        !size_add(bytes, sizeof *t->order, &bytes))
        return error_memory(err, SIZE_MAX);
    t->order = array_new(1, bytes);
    return t->order ? 0 : error_memory(err, bytes);
}

static int make_arrays(trainer *t, error *err)
{
    size_t n = t->n_values;
    t->values = array_new(n, sizeof(float));
    t->start = array_new(n, sizeof(float));
    t->best = array_new(n, sizeof(float));
    t->gradient = array_new(n, sizeof(float));
    t->scales = array_new(n, sizeof(float));
    if (!t->values || !t->start || !t->best || !t->gradient || !t->scales)
        return error_memory(err, 5 * n * sizeof(float));
    return 0;
}

static int make_mlp(trainer *t, error *err)
{
    t->mlp = (reparam){t->n_tokens, t->options.reparameterise, t->options.reparameterise,
                       t->width};
    reparam_parts parts;
    TRY(reparam_layout(&t->mlp, &parts, err));
    t->n_parameters = parts.count;
    t->parameters = array_new(parts.count, sizeof(float));
    t->parameter_start = array_new(parts.count, sizeof(float));
    t->parameter_gradient = array_new(parts.count, sizeof(float));
    t->hidden = array_new(t->n_tokens, t->mlp.n_hidden * sizeof(float));
    if (!t->parameters || !t->parameter_start || !t->parameter_gradient || !t->hidden)
        return error_memory(err, 3 * parts.count * sizeof(float));
    TRY(reparam_init(&t->mlp, t->parameters, t->start, t->rng, err));
    memcpy(t->parameter_start, t->parameters, parts.count * sizeof(float));
    reparam_forward(&t->mlp, t->parameters, t->hidden, t->values);
    return 0;
}

/* Without an MLP the values are the parameters. */
static int make_parameters(trainer *t, error *err)
{
    memcpy(t->values, t->start, t->n_values * sizeof(float));
    if (t->options.reparameterise > 0) {
        TRY(make_mlp(t, err));
    } else {
        t->n_parameters = t->n_values;
        t->parameters = t->values;
        t->parameter_start = t->start;
        t->parameter_gradient = t->gradient;
    }
    memcpy(t->best, t->values, t->n_values * sizeof(float));
    adamw_options a = adamw_defaults();
    return optimizer_new(&t->optimizer, t->n_parameters, &a, err);
}

static int open_trainer(trainer *t, error *err)
{
    const model_info *info = model_describe(t->model);
    TRY(options_check(&t->options, err));
    TRY(copy_rows(t, err));
    t->rng = gsl_rng_alloc(gsl_rng_mt19937);
    if (t->rng == NULL)
        return error_memory(err, sizeof(void *));
    gsl_rng_set(t->rng, (unsigned long)seed_mix(t->options.seed, 0x70726566));
    TRY(train_count_tokens(t, err));
    t->options.n_tokens = t->n_tokens;
    t->width = prefix_width(info, t->options.kind);
    if (t->n_tokens + t->longest > info->window)
        return error_set(err, E_LIMIT,
                         "%zu virtual tokens leave no room for a training row of %zu "
                         "tokens: the model's window is %zu",
                         t->n_tokens, t->longest, info->window);
    if (!size_mul(t->n_tokens, t->width, &t->n_values))
        return error_memory(err, SIZE_MAX);
    TRY(make_arrays(t, err));
    TRY(train_start(t, err));
    train_scales(t);
    TRY(make_parameters(t, err));
    t->lr = t->options.lr;
    t->best_loss = INFINITY;
    t->look_due = t->n_selection > 0;
    return 0;
}

int trainer_new(trainer **out, session *s, const model *m, const train_options *options,
                const row *train, size_t n_train, const row *selection,
                size_t n_selection, error *err)
{
    trainer *t = array_new(1, sizeof *t);
    if (t == NULL)
        return error_memory(err, sizeof *t);
    t->session = s;
    t->model = m;
    t->options = *options;
    t->train = train;
    t->n_train = n_train;
    t->selection = selection;
    t->n_selection = n_selection;
    int rc = open_trainer(t, err);
    if (rc < 0)
        trainer_free(t);
    else
        *out = t;
    return rc;
}

void trainer_free(trainer *t)
{
    if (t == NULL)
        return;
    session_set_prefix(t->session, NULL, NULL);
    if (t->parameters != t->values) {
        free(t->parameters);
        free(t->parameter_start);
        free(t->parameter_gradient);
    }
    float *owned[] = {t->values, t->start, t->best, t->gradient, t->scales, t->hidden};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
    free(t->order);
    gsl_rng_free(t->rng);
    optimizer_free(&t->optimizer);
    free(t);
}

/* ---- What is due ---- */

static uint64_t look_tokens(const trainer *t)
{
    uint64_t tokens = 0;
    for (size_t i = 0; i < t->n_selection; i++)
        tokens += t->selection[i].n + t->n_tokens;
    return tokens;
}

train_action trainer_next(const trainer *t, uint64_t *tokens)
{
    train_action action = TRAIN_STEP;
    if (t->end != TRAIN_GOES_ON)
        action = TRAIN_END;
    else if (t->look_due)
        action = TRAIN_EVALUATE;
    else if (t->lr == 0)
        action = TRAIN_PROBE;
    if (tokens == NULL)
        return action;
    *tokens = 0;
    if (action == TRAIN_EVALUATE)
        *tokens = look_tokens(t);
    if (action == TRAIN_STEP)
        *tokens = train_batch_tokens(t, t->optimizer.n_steps);
    if (action == TRAIN_PROBE)
        *tokens = train_probe_tokens(t);
    return action;
}

train_end trainer_ended(const trainer *t)
{
    return t->end;
}

double trainer_rate(const trainer *t)
{
    return t->lr;
}

const train_options *trainer_options(const trainer *t)
{
    return &t->options;
}

size_t trainer_steps(const trainer *t)
{
    return (size_t)t->optimizer.n_steps;
}

int trainer_advance(trainer *t, train_event *out, error *err)
{
    train_event event = {0};
    int rc = 0;
    event.action = trainer_next(t, &event.tokens);
    switch (event.action) {
    case TRAIN_PROBE:
        rc = train_probe(t, &event, err);
        break;
    case TRAIN_STEP:
        rc = train_step(t, &event, err);
        break;
    case TRAIN_EVALUATE:
        rc = train_look(t, &event, err);
        break;
    case TRAIN_END:
        break;
    }
    session_set_prefix(t->session, NULL, NULL);
    event.step = (size_t)t->optimizer.n_steps;
    if (rc == 0)
        *out = event;
    return rc;
}

/* ---- Results ---- */

static int give(const trainer *t, const float *values, double loss, prefix *out,
                error *err)
{
    prefix p;
    TRY(prefix_new(&p, t->model, t->options.kind, t->n_tokens, values, err));
    p.origin.step = t->optimizer.n_steps;
    p.origin.loss = loss;
    p.origin.init = string_copy(prefix_init_name(t->options.init));
    if (p.origin.init == NULL) {
        prefix_free(&p);
        return error_memory(err, 16);
    }
    *out = p;
    return 0;
}

int trainer_best(const trainer *t, prefix *out, error *err)
{
    bool looked = t->n_selection > 0;
    TRY(give(t, looked ? t->best : t->values, looked ? t->best_loss : (double)NAN, out,
             err));
    if (looked)
        out->origin.step = t->best_step;
    return 0;
}

int trainer_latest(const trainer *t, prefix *out, error *err)
{
    return give(t, t->values, (double)NAN, out, err);
}

int trainer_estimate(trainer *t, gradient_estimate *out, error *err)
{
    row *rows = array_new(t->batch, sizeof *rows);
    if (rows == NULL)
        return error_memory(err, t->batch * sizeof *rows);
    size_t n = (t->batch + t->options.accumulate - 1) / t->options.accumulate;
    /* the longest rows there are: no part of a batch is larger */
    train_longest(t, rows, n);
    prefix_view view = {t->options.kind, t->n_tokens, t->values};
    gradient_request request = {.prefix_gradient = t->gradient};
    int rc = session_set_prefix(t->session, &view, err);
    if (rc == 0)
        rc = model_gradient_estimate(t->session, rows, n, &request, out, err);
    session_set_prefix(t->session, NULL, NULL);
    free(rows);
    return rc;
}
