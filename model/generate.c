/* Generation: contexts are computed once as a plan whose blocks are kept; from each hang
 * its continuations as lanes, which go on together one token at a time. */
#include "model.h"

#include "sample.h"
#include "walk.h"

#include <stdlib.h>
#include <string.h>

enum { LANE_BLOCK = 32 }; /* tokens by which a lane's keys and values grow */

/* One continuation while it grows. */
typedef struct lane {
    size_t context, sample;
    kv_block *tail;       /* own blocks hang from the context's */
    const kv_block *root; /* the context's last block: not the lane's to free */
    int32_t *history;     /* context, then sampled; owned */
    size_t n_context, n, capacity;
    text text;
    gsl_rng *rng;
    double logprob;
    bool done;
    finish_reason reason;
} lane;

/* One batch of lanes: contexts [0, set->n) x samples [first_sample, + n_samples). */
typedef struct generation {
    walk_visitor visitor;
    session *s;
    const row_set *set;
    size_t first_context; /* of the set in the caller's numbering */
    size_t first_sample, n_samples;
    const sampling *options;
    sampler sampler;
    kv_block **blocks;
    lane *lanes; /* in the plan's depth-first order */
    size_t n_lanes;
} generation;

/* ---- Lanes ---- */

static int lane_open(generation *g, size_t context, size_t sample, kv_block *root,
                     error *err)
{
    const row *r = &g->set->rows[context];
    lane *l = &g->lanes[g->n_lanes++];
    *l = (lane){.context = context,
                .sample = sample,
                .tail = root,
                .root = root,
                .n_context = r->n,
                .n = r->n,
                .capacity = r->n + LANE_BLOCK,
                .history = array_new(r->n + LANE_BLOCK, sizeof(int32_t)),
                .rng = gsl_rng_alloc(gsl_rng_mt19937)};
    if (l->history == NULL || l->rng == NULL)
        return error_memory(err, (r->n + LANE_BLOCK) * sizeof(int32_t));
    memcpy(l->history, r->tokens, r->n * sizeof(int32_t));
    uint64_t stream = seed_mix(g->options->seed, g->first_context + context);
    gsl_rng_set(l->rng, seed_mix(stream, sample));
    return 0;
}

static void lane_close(session *s, lane *l)
{
    while (l->tail != l->root) {
        kv_block *parent = l->tail->parent;
        kv_block_free(s, l->tail);
        l->tail = parent;
    }
    free(l->history);
    text_free(&l->text);
    if (l->rng != NULL)
        gsl_rng_free(l->rng);
    l->history = NULL;
    l->rng = NULL;
}

static void lane_finish(lane *l, finish_reason reason)
{
    l->done = true;
    l->reason = reason;
}

/* Where the first stop text begins that ends in bytes [from, n); false if none does. */
static bool find_stop(const generation *g, const text *t, size_t from, size_t *at)
{
    bool found = false;
    for (size_t i = 0; i < g->options->n_stops; i++) {
        const char *stop = g->options->stops[i];
        size_t n = strlen(stop), begin = from < n ? 0 : from - n + 1;
        if (n == 0 || begin >= t->n)
            continue;
        const char *hit = memmem(t->s + begin, t->n - begin, stop, n);
        if (hit != NULL && (!found || (size_t)(hit - t->s) < *at)) {
            *at = (size_t)(hit - t->s);
            found = true;
        }
    }
    return found;
}

/* Sample the next token of a lane and see whether it ends there. */
static int lane_take(generation *g, lane *l, const float *logits,
                     const logit_stats *stats, error *err)
{
    const tokenizer *t = model_tokenizer(g->s->model);
    int32_t id = sample_token(&g->sampler, logits, l->history, l->n, l->rng);
    g->s->counters.generated++;
    if (!g->options->keep_eos && tokenizer_is_end(t, id)) {
        lane_finish(l, FINISH_EOS);
        return 0;
    }
    TRY(array_grow(&l->history, &l->capacity, l->n, sizeof(*l->history), err));
    l->history[l->n++] = id;
    l->logprob += (double)logits[id] - (double)stats->max - stats->log_sum;
    size_t before = l->text.n, stop = 0;
    /* an embedding may have more rows than the tokenizer has tokens: those have no text
     */
    if (tokenizer_token(t, id, NULL) != NULL)
        TRY(tokenizer_decode(t, &id, 1, false, &l->text, err));
    if (find_stop(g, &l->text, before, &stop)) {
        l->text.n = stop;
        if (l->text.s != NULL)
            l->text.s[stop] = '\0';
        lane_finish(l, FINISH_STOP);
    } else if (l->n - l->n_context >= g->options->max_tokens) {
        lane_finish(l, FINISH_LENGTH);
    } else if (l->n >= session_window(g->s)) {
        lane_finish(l, FINISH_WINDOW);
    }
    return 0;
}

/* ---- Steps ---- */

/* The plan's logits: the first token of every lane of the contexts that end here. */
static int first_visit(walk_visitor *v, const plan_want *wants, size_t n,
                       const float *logits, const logit_stats *stats, error *err)
{
    generation *g = (generation *)v;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < g->n_samples; j++) {
            TRY(lane_open(g, wants[i].row, g->first_sample + j,
                          g->blocks[wants[i].segment], err));
            TRY(lane_take(g, &g->lanes[g->n_lanes - 1], logits, stats, err));
        }
    return 0;
}

static int lane_room(generation *g, lane *l, error *err)
{
    if (l->tail != l->root && l->tail->n < l->tail->capacity)
        return 0;
    size_t position = g->s->prefix.n + l->n - 1;
    return kv_block_new(g->s, &l->tail, l->tail, position, LANE_BLOCK, err);
}

/* Run the last token of lanes[0..n), sample the next. */
static int step_lanes(generation *g, lane **lanes, size_t n, forward_run *runs,
                      const size_t *wanted, error *err)
{
    session *s = g->s;
    for (size_t i = 0; i < n; i++) {
        TRY(lane_room(g, lanes[i], err));
        runs[i] = (forward_run){.block = lanes[i]->tail,
                                .tokens = &lanes[i]->history[lanes[i]->n - 1],
                                .n = 1};
    }
    TRY(forward(s, runs, n, wanted, n, err));
    for (size_t done = 0; done < n; done += s->max_logits) {
        size_t rows = n - done < s->max_logits ? n - done : s->max_logits;
        TRY(forward_logits(s, done, rows, err));
        for (size_t i = 0; i < rows; i++) {
            lane *l = lanes[done + i];
            if (!s->stats[i].finite)
                return error_set(err, E_NUMERIC,
                                 "row %zu: the logits after token %zu are not numbers",
                                 g->first_context + l->context, l->n - 1);
            TRY(lane_take(g, l, s->logits + i * s->weights->shape.V, &s->stats[i], err));
        }
    }
    return 0;
}

static int run_lanes(generation *g, error *err)
{
    size_t most = g->s->max_chunk, n = 0;
    lane **live = array_new(g->n_lanes, sizeof(*live));
    forward_run *runs = array_new(most, sizeof(*runs));
    size_t *wanted = array_new(most, sizeof(*wanted));
    int rc = 0;
    if (live == NULL || runs == NULL || wanted == NULL)
        rc = error_memory(err, most * sizeof(*runs));
    for (size_t i = 0; rc == 0 && i < most; i++)
        wanted[i] = i;
    do {
        n = 0;
        for (size_t i = 0; rc == 0 && i < g->n_lanes; i++)
            if (!g->lanes[i].done)
                live[n++] = &g->lanes[i];
        for (size_t i = 0; rc == 0 && i < n; i += most)
            rc = step_lanes(g, live + i, n - i < most ? n - i : most, runs, wanted, err);
    } while (rc == 0 && n > 0);
    free(live);
    free(runs);
    free(wanted);
    return rc;
}

/* ---- Batches ---- */

/* Take what a lane has made. */
static int give(lane *l, continuation *out, error *err)
{
    size_t n = l->n - l->n_context;
    *out = (continuation){.n = n,
                          .ids = array_new(n, sizeof(int32_t)),
                          .text = bytes_copy(text_string(&l->text), l->text.n),
                          .n_text = l->text.n,
                          .logprob = l->logprob,
                          .reason = l->reason};
    if (out->ids == NULL || out->text == NULL) {
        continuation_free(out);
        return error_memory(err, n * sizeof(int32_t) + l->text.n);
    }
    memcpy(out->ids, l->history + l->n_context, n * sizeof(int32_t));
    return 0;
}

static int plan_contexts(plan *p, const session *s, const row_set *set, error *err)
{
    plan_row *rows = array_new(set->n, sizeof(*rows));
    if (rows == NULL)
        return error_memory(err, set->n * sizeof(*rows));
    for (size_t i = 0; i < set->n; i++)
        rows[i] = (plan_row){set->rows[i].tokens, set->rows[i].n, 1};
    int rc = plan_make(p, rows, set->n, walk_cuts(s, true), err);
    free(rows);
    return rc;
}

/* Keys and values that a batch may come to hold. */
static double batch_bytes(const session *s, const plan *p, size_t n_lanes,
                          size_t max_tokens)
{
    double bytes = 0;
    for (size_t i = 0; i < p->n_segments; i++)
        bytes += (double)kv_block_bytes(s, p->segments[i].n);
    size_t window = session_window(s);
    size_t tokens = max_tokens < window ? max_tokens : window;
    return bytes + (double)n_lanes * (double)(tokens / LANE_BLOCK + 1) *
                       (double)kv_block_bytes(s, LANE_BLOCK);
}

static int run_batch(generation *g, const plan *p, continuation *out, size_t all_samples,
                     error *err)
{
    session *s = g->s;
    size_t n_lanes = g->set->n * g->n_samples;
    int rc;
    g->lanes = array_new(n_lanes, sizeof(*g->lanes));
    g->blocks = array_new(p->n_segments, sizeof(*g->blocks));
    if (g->lanes == NULL || g->blocks == NULL)
        TRY_OUT(rc, error_memory(err, n_lanes * sizeof(*g->lanes)));
    TRY_OUT(rc, plan_walk(s, p, &g->visitor, g->blocks, err));
    TRY_OUT(rc, run_lanes(g, err));
    for (size_t i = 0; i < g->n_lanes; i++) {
        lane *l = &g->lanes[i];
        TRY_OUT(rc, give(l, &out[l->context * all_samples + l->sample], err));
    }
out:
    for (size_t i = 0; i < g->n_lanes; i++)
        lane_close(s, &g->lanes[i]);
    for (size_t i = 0; g->blocks != NULL && i < p->n_segments; i++)
        kv_block_free(s, g->blocks[i]);
    free(g->lanes);
    free(g->blocks);
    g->lanes = NULL;
    g->blocks = NULL;
    g->n_lanes = 0;
    return rc;
}

/* Run contexts [0, set->n) x samples of g, in halves when all at once would not fit the
 * memory: first fewer contexts, then fewer samples. */
static int run_fitting(generation *g, continuation *out, size_t all_samples, error *err)
{
    plan p = {0};
    const row_set whole = *g->set;
    generation half = *g;
    TRY(plan_contexts(&p, g->s, g->set, err));
    double bytes = batch_bytes(g->s, &p, whole.n * g->n_samples, g->options->max_tokens);
    bool fits = bytes <= (double)(g->s->kv_limit - g->s->kv_bytes);
    if (fits || (whole.n == 1 && g->n_samples == 1)) {
        int rc = run_batch(g, &p, out, all_samples, err);
        plan_free(&p);
        return rc;
    }
    plan_free(&p);
    if (whole.n > 1) {
        size_t n = whole.n / 2;
        row_set part = {.rows = whole.rows, .n = n};
        half.set = &part;
        TRY(run_fitting(&half, out, all_samples, err));
        part = (row_set){.rows = whole.rows + n, .n = whole.n - n};
        half.first_context += n;
        half.visitor.first_row = half.first_context;
        return run_fitting(&half, out + n * all_samples, all_samples, err);
    }
    half.n_samples = g->n_samples / 2;
    TRY(run_fitting(&half, out, all_samples, err));
    half.first_sample += half.n_samples;
    half.n_samples = g->n_samples - half.n_samples;
    return run_fitting(&half, out, all_samples, err);
}

static int generate(session *s, const row_set *set, size_t n_samples,
                    const sampling *options, continuation *out, error *err)
{
    size_t total;
    if (!size_mul(set->n, n_samples, &total))
        return error_memory(err, SIZE_MAX);
    generation g = {.visitor = {.visit = first_visit},
                    .s = s,
                    .set = set,
                    .n_samples = n_samples,
                    .options = options};
    continuation *made = array_new(total, sizeof(*made));
    if (made == NULL)
        return error_memory(err, total * sizeof(*made));
    int rc = sampler_open(&g.sampler, options, s->weights->shape.V, err);
    if (rc == 0)
        rc = run_fitting(&g, made, n_samples, err);
    if (rc == 0)
        memcpy(out, made, total * sizeof(*made));
    for (size_t i = 0; rc < 0 && i < total; i++)
        continuation_free(&made[i]);
    free(made);
    sampler_close(&g.sampler);
    return rc;
}

int model_generate(session *s, const row *contexts, size_t n, size_t n_samples,
                   const sampling *options, continuation *out, error *err)
{
    double began = clock_seconds();
    row_set set = {0};
    size_t room = 1;
    if (n == 0 || n_samples == 0)
        return 0;
    if (options->max_tokens == 0)
        return error_set(err, E_ARGUMENT, "max_tokens is 0: must be at least 1");
    if (s->options.overflow != OVERFLOW_ERROR) {
        size_t half = session_window(s) / 2;
        room = options->max_tokens < half ? options->max_tokens : half;
    }
    int rc = row_set_make(&set, s, contexts, n, false, room, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        s->counters.row_tokens += (s->prefix.n + set.rows[i].n) * n_samples;
    if (rc == 0)
        rc = generate(s, &set, n_samples, options, out, err);
    row_set_free(&set);
    s->counters.seconds += clock_seconds() - began;
    return rc;
}

void continuation_free(continuation *c)
{
    if (c == NULL)
        return;
    free(c->ids);
    free(c->text);
    *c = (continuation){0};
}
