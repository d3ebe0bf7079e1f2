/* Texts that a policy writes, what they are worth, and how likely they are behind the
 * prefix and behind nothing. */
#include "policy_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void policy_draw_free(policy_draw *d)
{
    for (size_t i = 0; d->rows && i < d->n * d->k; i++)
        free((int32_t *)(uintptr_t)d->rows[i].tokens);
    for (size_t i = 0; d->strings && i < d->n * d->k; i++)
        free(d->strings[i]);
    free(d->rows);
    free(d->texts);
    free(d->strings);
    free(d->worths);
    free(d->ratios);
    free(d->k3);
    *d = (policy_draw){0};
}

static int make_room(policy_draw *d, error *err)
{
    size_t n = d->n * d->k;
    d->rows = array_new(n, sizeof *d->rows);
    d->texts = array_new(n, sizeof *d->texts);
    d->strings = array_new(n, sizeof *d->strings);
    d->worths = array_new(n, sizeof(double));
    d->ratios = array_new(n, sizeof(double));
    d->k3 = array_new(n, sizeof(double));
    if (!d->rows || !d->texts || !d->strings || !d->worths || !d->ratios || !d->k3)
        return error_memory(err, n * sizeof *d->rows);
    return 0;
}

/* ---- Where a text ends ---- */

/* The first place of a stop in s, or its end. A model may write NUL bytes. */
static size_t stop_place(const policy_options *o, const text *s)
{
    size_t end = s->n;
    for (size_t k = 0; k < o->n_stops; k++) {
        const char *at = memmem(text_string(s), s->n, o->stops[k], strlen(o->stops[k]));
        if (at && (size_t)(at - s->s) < end)
            end = (size_t)(at - s->s);
    }
    return end;
}

/* How many of the tokens are the text's, the one that ends it included, and what they
 * spell without it: *spelled is new. */
static int end_text(const policy *p, const continuation *c, size_t *n, char **spelled,
                    error *err)
{
    const tokenizer *t = model_tokenizer(p->model);
    const tokenizer_info *info = tokenizer_describe(t);
    text s = {0};
    int rc = 0;
    for (*n = 0; rc == 0 && *n < c->n;) {
        int32_t id = c->ids[(*n)++];
        if (id == info->eos || id == info->eot)
            break;
        rc = tokenizer_decode(t, &id, 1, true, &s, err);
        if (rc == 0 && stop_place(&p->options, &s) < s.n)
            break;
    }
    if (rc == 0) {
        *spelled = bytes_copy(text_string(&s), stop_place(&p->options, &s));
        if (!*spelled)
            rc = error_memory(err, s.n);
    }
    text_free(&s);
    return rc;
}

static int take_text(policy *p, policy_draw *d, size_t at, const continuation *c,
                     error *err)
{
    const row *context = &d->contexts[at / d->k];
    size_t n;
    if (c->n == 0)
        return error_set(err, E_LIMIT, "context %zu: no room for a text", at / d->k);
    TRY(end_text(p, c, &n, &d->strings[at], err));
    int32_t *tokens = array_new(context->n + n, sizeof *tokens);
    if (!tokens)
        return error_memory(err, (context->n + n) * sizeof *tokens);
    memcpy(tokens, context->tokens, context->n * sizeof *tokens);
    memcpy(tokens + context->n, c->ids, n * sizeof *tokens);
    d->rows[at] = (row){.tokens = tokens, .n = context->n + n, .n_context = context->n};
    d->texts[at] =
        (policy_text){.ids = tokens + context->n, .n = n, .text = d->strings[at]};
    return 0;
}

/* ---- Writing ---- */

/* Exactly what the policy is: temperature 1, nothing cut off, and the end token a token
 * like others, so that ending is something it can learn. */
static int write_texts(policy *p, policy_draw *d, uint64_t seed, error *err)
{
    size_t n = d->n * d->k;
    sampling how = {.temperature = 1,
                    .max_tokens = p->options.max_tokens,
                    .keep_eos = true,
                    .seed = seed};
    continuation *c = array_new(n, sizeof *c);
    if (!c)
        return error_memory(err, n * sizeof *c);
    int rc = model_generate(p->session, d->contexts, d->n, d->k, &how, c, err);
    bool made = rc == 0;
    for (size_t i = 0; made && i < n; i++) {
        if (rc == 0)
            rc = take_text(p, d, i, &c[i], err);
        continuation_free(&c[i]);
    }
    free(c);
    return rc;
}

static int put_before(policy *p, const prefix *before, error *err)
{
    if (!before)
        return session_set_prefix(p->session, NULL, err);
    prefix_view view = prefix_view_of(before);
    return session_set_prefix(p->session, &view, err);
}

/* ---- Likelihoods ---- */

/* ln p of every token, row after row: new. */
static int token_logprobs(policy *p, const policy_draw *d, double **out, error *err)
{
    size_t n = d->n * d->k, total = 0;
    for (size_t i = 0; i < n; i++)
        total += d->texts[i].n;
    row_score *scores = array_new(n, sizeof *scores);
    double *each = array_new(total, sizeof *each);
    int rc = scores && each ? model_score(p->session, d->rows, n, scores, each, err)
                            : error_memory(err, total * sizeof *each);
    free(scores);
    if (rc < 0)
        free(each);
    else
        *out = each;
    return rc;
}

static void compare(policy_draw *d, const double *mine, const double *frozen)
{
    size_t at = 0;
    for (size_t i = 0; i < d->n * d->k; i++)
        for (size_t t = 0; t < d->texts[i].n; t++, at++) {
            double ratio = mine[at] - frozen[at];
            d->ratios[i] += ratio;
            d->k3[i] += expm1(-ratio) + ratio;
        }
}

static int check_worths(const policy_draw *d, error *err)
{
    for (size_t i = 0; i < d->n * d->k; i++)
        if (!isfinite(d->worths[i]))
            return error_set(err, E_NUMERIC, "the worth of \"%.60s\" is %g",
                             d->texts[i].text, d->worths[i]);
    return 0;
}

/* Behind nothing: what the frozen model thinks of them, and what they are worth. */
static int judge_texts(policy *p, policy_draw *d, double **frozen, error *err)
{
    TRY(put_before(p, NULL, err));
    TRY(token_logprobs(p, d, frozen, err));
    TRY(p->judge.judge(p->judge.context, d->texts, d->n * d->k, d->worths, err));
    return check_worths(d, err);
}

static int draw(policy *p, policy_draw *d, const prefix *before, uint64_t seed,
                error *err)
{
    double *mine = NULL, *frozen = NULL;
    TRY(make_room(d, err));
    int rc = put_before(p, before, err);
    if (rc == 0)
        rc = write_texts(p, d, seed, err);
    if (rc == 0)
        rc = token_logprobs(p, d, &mine, err);
    if (rc == 0)
        rc = judge_texts(p, d, &frozen, err);
    if (rc == 0)
        compare(d, mine, frozen);
    free(mine);
    free(frozen);
    session_set_prefix(p->session, NULL, NULL); /* to none: cannot fail */
    return rc;
}

int policy_draw_new(policy_draw *out, policy *p, const prefix *before,
                    const row *contexts, const size_t *index, size_t n, uint64_t seed,
                    error *err)
{
    policy_draw d = {.contexts = contexts, .n = n, .k = p->options.n_samples};
    row *chosen = NULL;
    if (index) {
        chosen = array_new(n, sizeof *chosen);
        if (!chosen)
            return error_memory(err, n * sizeof *chosen);
        for (size_t i = 0; i < n; i++)
            chosen[i] = contexts[index[i]];
        d.contexts = chosen;
    }
    int rc = draw(p, &d, before, seed, err);
    for (size_t i = 0; rc == 0 && i < n * d.k; i++)
        d.texts[i].context = index ? index[i / d.k] : i / d.k;
    d.contexts = NULL; /* the rows have copies */
    free(chosen);
    if (rc < 0)
        policy_draw_free(&d);
    else
        *out = d;
    return rc;
}

/* ---- Telling ---- */

void policy_draw_report(const policy_draw *d, size_t n_virtual, policy_report *out)
{
    size_t n = d->n * d->k;
    double targets = 0, squares = 0, k3 = 0;
    policy_report r = {.n_texts = n};
    for (size_t i = 0; i < n; i++) {
        r.worth += d->worths[i] / (double)n;
        r.kl += d->ratios[i] / (double)n;
        k3 += d->k3[i];
        targets += (double)d->texts[i].n;
        r.tokens += 2 * (d->rows[i].n + n_virtual) + d->rows[i].n;
    }
    for (size_t c = 0; c < d->n; c++) {
        double mean = 0;
        for (size_t j = 0; j < d->k; j++)
            mean += d->worths[c * d->k + j] / (double)d->k;
        squares += (mean - r.worth) * (mean - r.worth);
    }
    double m = (double)d->n;
    r.worth_se = d->n > 1 ? sqrt(squares / (m - 1) / m) : (double)NAN;
    r.kl_token = k3 / targets;
    r.n_tokens = targets / (double)n;
    *out = r;
}
