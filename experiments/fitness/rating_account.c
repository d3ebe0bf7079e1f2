#include "rating_account.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Forecasts ---- */

uint64_t fitness_human_ratings(const experiment *e, uint64_t evaluations)
{
    uint64_t most;
    return __builtin_mul_overflow(evaluations, (uint64_t)e->people.ratings, &most)
               ? UINT64_MAX
               : most;
}

static bool same_row(const row *a, const row *b)
{
    return a->n == b->n &&
           (a->n == 0 || memcmp(a->tokens, b->tokens, a->n * sizeof *a->tokens) == 0);
}

/* Outputs of candidates that are not what the seed is to say in the same place. */
static uint64_t count_unlike_seed(const outputs *o)
{
    const sheet_part *parts = o->sheet.parts;
    const row *rows = o->sheet.contexts.rows, *seed = rows + parts[o->n].first_pair;
    uint64_t n = 0;
    for (size_t i = 0; i < o->n; i++)
        for (size_t k = 0; !parts[i].failed && k < o->of[i].n; k++)
            n += !same_row(&rows[parts[i].first_pair + k],
                           &seed[o->seed_at[o->of[i].examples[k]]]);
    return n;
}

uint64_t ratings_forecast(const experiment *e, const outputs *o)
{
    const people_plan *p = &e->people;
    bool alone =
        p->question.kind == QUESTION_SCALE || p->question.kind == QUESTION_ACCEPT;
    /* One at a time the seed's are judged too, else they are what others stand beside. */
    uint64_t judged = count_unlike_seed(o) + (alone ? o->of[o->n].n : 0);
    double checks = p->rules.repeat_share + (p->gold ? p->rules.gold_share : 0);
    double answers = ceil((double)fitness_human_ratings(e, judged) / (1 - checks));
    return answers < 9e15 ? (uint64_t)answers : (uint64_t)9e15;
}

/* ---- The account ---- */

static int base_key(uint64_t run, char key[SHA256_HEX], error *err)
{
    text t = {0};
    int rc =
        text_add_format(&t, err, "ratings before run %llu\n", (unsigned long long)run);
    if (rc == 0)
        rc = sha256_hex(text_string(&t), t.n, key, err);
    text_free(&t);
    return rc;
}

int rating_account_open(rating_account *a, store *s, uint64_t run, size_t now, error *err)
{
    char key[SHA256_HEX], *bytes = NULL;
    size_t n = 0;
    double before = (double)now;
    TRY(base_key(run, key, err));
    int found = store_memo_get(s, key, &bytes, &n, NULL, err);
    TRY(found);
    if (found && n == sizeof before)
        memcpy(&before, bytes, n);
    free(bytes);
    if (!found)
        TRY(store_memo_put(s, key, &before, sizeof before, err));
    *a = (rating_account){.base = (size_t)before};
    return 0;
}

size_t rating_account_taken(const rating_account *a, size_t now)
{
    return now > a->base ? now - a->base : 0;
}

uint64_t rating_account_limit(const rating_account *a, uint64_t may_take)
{
    uint64_t used = (uint64_t)a->base + a->charged;
    return may_take >= UINT64_MAX - used ? 0 : used + may_take;
}

size_t rating_account_room(const rating_account *a, size_t now, uint64_t may_take)
{
    uint64_t used = (uint64_t)a->base + a->charged;
    if (may_take >= UINT64_MAX - used)
        return SIZE_MAX;
    return used + may_take > now ? (size_t)(used + may_take - now) : 0;
}

size_t rating_account_charge(rating_account *a, size_t now)
{
    size_t taken = rating_account_taken(a, now);
    size_t mine = taken > a->charged ? taken - a->charged : 0;
    a->charged += mine;
    return mine;
}
