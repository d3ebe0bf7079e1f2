/* A policy's state as bytes: everything that its options, contexts and start do not say.
 * In this machine's own number format, since a tuning goes on where it began. */
#include "policy_parts.h"
#include "state_parts.h"

static const char magic[8] = "lmkpol1";

/* The arrays follow: values, both moments. */
typedef struct state_head {
    char magic[8];
    uint64_t n_values, n_steps;
    char of[SHA256_HEX + 7]; /* padded with nought */
} state_head;

static int hash_string(sha256 *h, const char *s, error *err)
{
    return sha256_add(h, s ? s : "", s ? strlen(s) + 1 : 1, err);
}

/* Everything that decides where a tuning goes, but for how long it does. */
static int hash_policy(const policy *p, sha256 *h, error *err)
{
    const policy_options *o = &p->options;
    const double numbers[] = {o->beta, o->lr, o->clip};
    const uint64_t counts[] = {o->n_samples, o->batch, o->max_tokens,
                               o->n_stops,   o->seed,  (uint64_t)p->prefix.kind};
    TRY(sha256_add(h, numbers, sizeof numbers, err));
    TRY(sha256_add(h, counts, sizeof counts, err));
    for (size_t i = 0; i < o->n_stops; i++)
        TRY(hash_string(h, o->stops[i], err));
    TRY(hash_string(h, p->judge.name, err));
    TRY(hash_string(h, p->prefix.origin.model_hash, err));
    TRY(sha256_add(h, p->prefix.values, p->n_values * sizeof(float), err));
    return state_hash_rows(h, p->contexts, p->n_contexts, err);
}

int policy_identify(policy *p, error *err)
{
    sha256 h;
    TRY(sha256_begin(&h, err));
    int rc = hash_policy(p, &h, err);
    int ended = sha256_end(&h, rc < 0 ? NULL : p->of, rc < 0 ? NULL : err);
    return rc < 0 ? rc : ended;
}

static state_head head_of(const policy *p)
{
    state_head head = {.n_values = p->n_values, .n_steps = p->optimizer.n_steps};
    memcpy(head.magic, magic, sizeof magic);
    memcpy(head.of, p->of, sizeof p->of);
    return head;
}

int policy_save_state(const policy *p, text *out, error *err)
{
    size_t n = p->n_values;
    state_head head = head_of(p);
    TRY(text_add(out, &head, sizeof head, err));
    TRY(text_add(out, p->prefix.values, n * sizeof(float), err));
    TRY(text_add(out, p->optimizer.first, n * sizeof(double), err));
    return text_add(out, p->optimizer.second, n * sizeof(double), err);
}

int policy_load_state(policy *p, const void *bytes, size_t n, error *err)
{
    state_head head, mine = head_of(p);
    const char *at = bytes;
    size_t wanted = sizeof head + p->n_values * (sizeof(float) + 2 * sizeof(double));
    if (n < sizeof head || memcmp(bytes, magic, sizeof magic) != 0)
        return error_set(err, E_FORMAT,
                         "the saved state of a tuning is %zu bytes that are not ours", n);
    state_take(&at, &head, sizeof head);
    if (head.n_values != mine.n_values || memcmp(head.of, mine.of, sizeof mine.of) != 0)
        return error_set(
            err, E_ARGUMENT,
            "the saved state is of another tuning: its reward, model, text, rows or "
            "options were others");
    if (n != wanted)
        return error_set(err, E_FORMAT,
                         "the saved state of a tuning has %zu bytes, not %zu", n, wanted);
    state_take(&at, p->prefix.values, p->n_values * sizeof(float));
    state_take(&at, p->optimizer.first, p->n_values * sizeof(double));
    state_take(&at, p->optimizer.second, p->n_values * sizeof(double));
    p->optimizer.n_steps = head.n_steps;
    return 0;
}
