/* Operators that rearrange a text gene's own words. */
#include "variation.h"

#include <strings.h>

#include "words.h"

int operator_delete(const variation *v, genome *g, size_t which, error *err)
{
    gene *t = &g->genes[which];
    size_t begin, end;
    if (!pick_span(v->rng, t, pick_length(v->rng), true, &begin, &end))
        return 0;
    TRY(words_splice(t, begin, end, NULL, 0, err));
    return 1;
}

/* Two spans of n words each: anything between them, nothing frozen, some word
 * different. */
static bool spans_differ(const gene *t, size_t a, size_t b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(t->words[a + i].s, t->words[b + i].s) != 0)
            return true;
    return false;
}

int operator_swap(const variation *v, genome *g, size_t which, error *err)
{
    gene *t = &g->genes[which];
    size_t a, b = 0, end, seen = 0;
    if (!pick_span(v->rng, t, pick_length(v->rng), false, &a, &end))
        return 0;
    size_t n = end - a;
    for (size_t i = 0; i + n <= t->n_words; i++) {
        bool apart = i + n <= a || i >= end;
        if (apart && words_free_span(t, i, i + n) && spans_differ(t, a, i, n) &&
            pick_below(v->rng, ++seen) == 0)
            b = i;
    }
    if (!seen)
        return 0;
    TRY(words_exchange(t, a < b ? a : b, a < b ? b : a, n, err));
    return 1;
}

int operator_duplicate(const variation *v, genome *g, size_t which, error *err)
{
    gene *t = &g->genes[which];
    size_t begin, end, at, room = words_room(&v->spec->genes[which], t, 0);
    size_t length = pick_length(v->rng);
    if (length > room)
        length = room;
    if (!pick_span(v->rng, t, length, false, &begin, &end) || !pick_place(v->rng, t, &at))
        return 0;
    TRY(words_splice(t, at, at, t->words + begin, end - begin, err));
    return 1;
}

/* Whether moving words [begin, end) to stand before word `at` changes the order. */
static bool move_changes(const gene *t, size_t begin, size_t end, size_t at)
{
    size_t low = at < begin ? at : begin, high = at > end ? at : end;
    size_t shift = at < begin ? begin - at : end - begin;
    for (size_t i = low; i < high; i++) {
        size_t from = low + (i - low + shift) % (high - low);
        if (strcasecmp(t->words[i].s, t->words[from].s) != 0)
            return true;
    }
    return false;
}

int operator_move(const variation *v, genome *g, size_t which, error *err)
{
    gene *t = &g->genes[which];
    size_t begin, end, at = 0, seen = 0;
    if (!pick_span(v->rng, t, pick_length(v->rng), true, &begin, &end))
        return 0;
    size_t n = end - begin;
    for (size_t i = 0; i <= t->n_words; i++)
        if ((i < begin || i > end) && words_may_insert(t, i) &&
            move_changes(t, begin, end, i) && pick_below(v->rng, ++seen) == 0)
            at = i;
    if (!seen)
        return 0;
    TRY(words_splice(t, at, at, t->words + begin, n, err));
    if (at < begin)
        begin += n;
    TRY(words_splice(t, begin, begin + n, NULL, 0, err));
    return 1;
}
