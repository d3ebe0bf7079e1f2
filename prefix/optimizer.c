#include "optimizer.h"

#include <math.h>
#include <stdlib.h>

adamw_options adamw_defaults(void)
{
    return (adamw_options){.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
}

int optimizer_new(optimizer *out, size_t n, const adamw_options *options, error *err)
{
    optimizer o = {.options = *options,
                   .n = n,
                   .first = array_new(n, sizeof *o.first),
                   .second = array_new(n, sizeof *o.second)};
    if (o.first == NULL || o.second == NULL) {
        optimizer_free(&o);
        return error_memory(err, 2 * n * sizeof *o.first);
    }
    *out = o;
    return 0;
}

void optimizer_free(optimizer *o)
{
    free(o->first);
    free(o->second);
    *o = (optimizer){0};
}

void optimizer_step(optimizer *o, float *parameters, const float *gradient,
                    const float *rates, double lr)
{
    const adamw_options *a = &o->options;
    double t = (double)++o->n_steps;
    double unbias1 = 1 - pow(a->beta1, t), unbias2 = 1 - pow(a->beta2, t);
    for (size_t i = 0; i < o->n; i++) {
        double g = (double)gradient[i], rate = rates ? lr * (double)rates[i] : lr;
        double *m = &o->first[i], *v = &o->second[i];
        *m = a->beta1 * *m + (1 - a->beta1) * g;
        *v = a->beta2 * *v + (1 - a->beta2) * g * g;
        double x = (double)parameters[i] * (1 - rate * a->weight_decay);
        parameters[i] =
            (float)(x - rate * (*m / unbias1) / (sqrt(*v / unbias2) + a->epsilon));
    }
}

double gradient_norm(const float *gradient, size_t n)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (double)gradient[i] * (double)gradient[i];
    return sqrt(squares);
}

double gradient_clip(float *gradient, size_t n, double limit)
{
    double norm = gradient_norm(gradient, n);
    double factor = limit / (norm + 1e-6); /* torch's epsilon */
    for (size_t i = 0; limit > 0 && factor < 1 && i < n; i++)
        gradient[i] = (float)((double)gradient[i] * factor);
    return norm;
}

double rate_factor(rate_schedule schedule, size_t step, size_t n_warmup, size_t n_steps)
{
    if (step < n_warmup)
        return ((double)step + 1) / ((double)n_warmup + 1);
    if (schedule == RATE_CONSTANT || n_steps <= n_warmup)
        return 1;
    double done = (double)(step - n_warmup) / (double)(n_steps - n_warmup);
    return done < 1 ? 0.5 * (1 + cos(M_PI * done)) : 0;
}
