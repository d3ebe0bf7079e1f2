/* Collecting texts and judgements. */
#include "reward_texts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The number of this text in this context, given now if it is new. */
static int add_item(reward_texts *t, const char *context, const char *output, size_t *out,
                    error *err)
{
    size_t c, item = 0;
    text key = {0};
    TRY(name_index_add(&t->contexts, context, &c, err));
    TRY(array_grow(&t->context, &t->context_capacity, t->keys.n, sizeof *t->context,
                   err));
    int rc = text_add_format(&key, err, "%zu\n%s", c, output);
    if (rc == 0)
        rc = name_index_add(&t->keys, text_string(&key), &item, err);
    text_free(&key);
    TRY(rc);
    t->context[item] = c;
    *out = item;
    return 0;
}

static int add_rating(reward_judgements *j, reward_rating r, bool simulated, error *err)
{
    TRY(array_grow(&j->list, &j->capacity, j->n, sizeof *j->list, err));
    j->list[j->n++] = r;
    j->n_simulated += simulated;
    return 0;
}

int reward_texts_compare(reward_texts *t, const char *context, const char *a,
                         const char *b, double outcome, bool simulated, error *err)
{
    reward_rating r = {.outcome = outcome};
    if (strcmp(a, b) == 0)
        return error_set(err, E_FORMAT, "the text \"%.60s\" is compared with itself", a);
    TRY(add_item(t, context, a, &r.a, err));
    TRY(add_item(t, context, b, &r.b, err));
    return add_rating(&t->by_head[HEAD_PAIRWISE], r, simulated, err);
}

int reward_texts_value(reward_texts *t, const char *context, const char *output,
                       double value, bool simulated, error *err)
{
    reward_rating r = {.outcome = value};
    if (!isfinite(value))
        return error_set(err, E_FORMAT, "the value %g is not a number", value);
    TRY(add_item(t, context, output, &r.a, err));
    r.b = r.a;
    return add_rating(&t->by_head[HEAD_SCALAR], r, simulated, err);
}

void reward_texts_free(reward_texts *t)
{
    name_index_free(&t->contexts);
    name_index_free(&t->keys);
    free(t->context);
    for (size_t h = 0; h < N_REWARD_HEADS; h++)
        free(t->by_head[h].list);
    *t = (reward_texts){0};
}

size_t reward_texts_count(const reward_texts *t)
{
    return t->keys.n;
}

const char *reward_texts_context(const reward_texts *t, size_t item)
{
    return t->contexts.names[t->context[item]];
}

const char *reward_texts_output(const reward_texts *t, size_t item)
{
    return strchr(t->keys.names[item], '\n') + 1;
}

reward_data reward_texts_data(const reward_texts *t, reward_head head, const double *x,
                              size_t n_features)
{
    return (reward_data){.head = head,
                         .x = x,
                         .n_items = t->keys.n,
                         .n_features = n_features,
                         .context = t->context,
                         .n_contexts = t->contexts.n,
                         .ratings = t->by_head[head].list,
                         .n = t->by_head[head].n};
}
