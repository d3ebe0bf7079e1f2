/* A trainer's state as bytes: everything that its options, rows and model do not say. In
 * this machine's own number format, since a run goes on where it began. */
#include "state_parts.h"
#include "train_parts.h"

#include <stdlib.h>

/* What the state is of; a trainer of other facts must not take it. */
typedef struct state_head {
    char magic[8];
    uint64_t kind, n_tokens, width, n_parameters, n_train, n_selection, batch, seed;
    char of[SHA256_HEX + 7]; /* what the numbers above do not say; padded with nought */
} state_head;

/* The numbers; the arrays follow: parameters, best, both moments. */
typedef struct state_numbers {
    uint64_t n_steps, probed, best_step, n_worse, look_due, end;
    double lr, best_loss, first_loss, probe_losses[TRAIN_PROBE_RATES];
} state_numbers;

int state_hash_rows(sha256 *h, const row *rows, size_t n, error *err)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t sizes[] = {rows[i].n, rows[i].n_context};
        TRY(sha256_add(h, sizes, sizeof sizes, err));
        TRY(sha256_add(h, rows[i].tokens, rows[i].n * sizeof *rows[i].tokens, err));
    }
    return 0;
}

/* Everything that decides where a training goes: its options, where it starts (which the
 * model and the text decide), its rows. */
static int hash_training(const trainer *t, sha256 *h, error *err)
{
    const train_options *o = &t->options;
    const double numbers[] = {o->lr, o->weight_decay, o->clip};
    const uint64_t counts[] = {(uint64_t)o->schedule, o->n_warmup,   o->n_steps,
                               o->accumulate,         o->in_order,   o->decay_to_zero,
                               o->same_rate,          o->eval_every, o->patience,
                               o->reparameterise};
    TRY(sha256_add(h, numbers, sizeof numbers, err));
    TRY(sha256_add(h, counts, sizeof counts, err));
    TRY(sha256_add(h, t->start, t->n_values * sizeof *t->start, err));
    TRY(state_hash_rows(h, t->train, t->n_train, err));
    return state_hash_rows(h, t->selection, t->n_selection, err);
}

static int head_of(const trainer *t, state_head *out, error *err)
{
    sha256 h;
    char of[SHA256_HEX];
    TRY(sha256_begin(&h, err));
    int rc = hash_training(t, &h, err);
    int ended = sha256_end(&h, rc < 0 ? NULL : of, rc < 0 ? NULL : err);
    if (rc < 0 || ended < 0)
        return rc < 0 ? rc : ended;
    *out = (state_head){.magic = "lmkpfx2",
                        .kind = t->options.kind,
                        .n_tokens = t->n_tokens,
                        .width = t->width,
                        .n_parameters = t->n_parameters,
                        .n_train = t->n_train,
                        .n_selection = t->n_selection,
                        .batch = t->batch,
                        .seed = t->options.seed};
    memcpy(out->of, of, sizeof of);
    return 0;
}

int trainer_save_state(const trainer *t, text *out, error *err)
{
    state_head head;
    TRY(head_of(t, &head, err));
    state_numbers x = {.n_steps = t->optimizer.n_steps,
                       .probed = t->probed,
                       .best_step = t->best_step,
                       .n_worse = t->n_worse,
                       .look_due = t->look_due,
                       .end = (uint64_t)t->end,
                       .lr = t->lr,
                       .best_loss = t->best_loss,
                       .first_loss = t->first_loss};
    memcpy(x.probe_losses, t->probe_losses, sizeof x.probe_losses);
    size_t n = t->n_parameters;
    TRY(text_add(out, &head, sizeof head, err));
    TRY(text_add(out, &x, sizeof x, err));
    TRY(text_add(out, t->parameters, n * sizeof(float), err));
    TRY(text_add(out, t->best, t->n_values * sizeof(float), err));
    TRY(text_add(out, t->optimizer.first, n * sizeof(double), err));
    return text_add(out, t->optimizer.second, n * sizeof(double), err);
}

static bool numbers_are_sane(const state_numbers *x)
{
    return x->probed <= TRAIN_PROBE_RATES && x->end <= TRAIN_DIVERGED &&
           x->look_due <= 1 && x->lr >= 0;
}

/* The head, and a size that follows from it. */
static int check_state(const trainer *t, const void *bytes, size_t n, error *err)
{
    state_head head, mine;
    TRY(head_of(t, &mine, err));
    if (n < sizeof head || memcmp(bytes, mine.magic, sizeof mine.magic) != 0)
        return error_set(err, E_FORMAT,
                         "the saved state of a training is %zu bytes that are not ours",
                         n);
    memcpy(&head, bytes, sizeof head);
    if (memcmp(&head, &mine, sizeof head) != 0)
        return error_set(err, E_ARGUMENT,
                         "the saved state is of another training: %llu virtual tokens, "
                         "%llu rows, seed %llu; this one has %zu, %zu and %llu, and "
                         "options, rows and start of its own",
                         (unsigned long long)head.n_tokens,
                         (unsigned long long)head.n_train, (unsigned long long)head.seed,
                         t->n_tokens, t->n_train, (unsigned long long)t->options.seed);
    size_t wanted = sizeof head + sizeof(state_numbers) +
                    t->n_parameters * (sizeof(float) + 2 * sizeof(double)) +
                    t->n_values * sizeof(float);
    if (n != wanted)
        return error_set(err, E_FORMAT,
                         "the saved state of a training has %zu bytes, not %zu", n,
                         wanted);
    return 0;
}

static void take_numbers(trainer *t, const state_numbers *x)
{
    t->optimizer.n_steps = x->n_steps;
    t->probed = (size_t)x->probed;
    t->best_step = x->best_step;
    t->n_worse = (size_t)x->n_worse;
    t->look_due = x->look_due == 1;
    t->end = (train_end)x->end;
    t->lr = x->lr;
    t->best_loss = x->best_loss;
    t->first_loss = x->first_loss;
    memcpy(t->probe_losses, x->probe_losses, sizeof x->probe_losses);
}

int trainer_load_state(trainer *t, const void *bytes, size_t n, error *err)
{
    state_numbers x;
    size_t N = t->n_parameters;
    TRY(check_state(t, bytes, n, err));
    const char *at = (const char *)bytes + sizeof(state_head);
    state_take(&at, &x, sizeof x);
    if (!numbers_are_sane(&x))
        return error_set(err, E_FORMAT, "the saved state of a training is damaged");
    state_take(&at, t->parameters, N * sizeof(float));
    state_take(&at, t->best, t->n_values * sizeof(float));
    state_take(&at, t->optimizer.first, N * sizeof(double));
    state_take(&at, t->optimizer.second, N * sizeof(double));
    take_numbers(t, &x);
    if (t->options.reparameterise > 0)
        reparam_forward(&t->mlp, t->parameters, t->hidden, t->values);
    return 0;
}
