/* Which operators can do something to a gene as it is now. Each answer is exact where it
 * says no: an operator that is called able may still find nothing to do. */
#include "variation.h"

#include "words.h"

static bool has_free_words(const gene *g, size_t n)
{
    size_t free_words = 0;
    for (size_t i = 0; i < g->n_words; i++)
        free_words += !g->words[i].frozen;
    return free_words >= n;
}

bool able_always(const variation *v, size_t which, const gene *g)
{
    (void)v, (void)which, (void)g;
    return true;
}

bool able_to_lose_words(const variation *v, size_t which, const gene *g)
{
    (void)v, (void)which;
    for (size_t i = 0; i < g->n_words; i++)
        if (words_may_remove(g, i, i + 1))
            return true;
    return false;
}

bool able_to_swap_words(const variation *v, size_t which, const gene *g)
{
    (void)v, (void)which;
    return has_free_words(g, 2);
}

bool able_to_change_words(const variation *v, size_t which, const gene *g)
{
    (void)v, (void)which;
    return has_free_words(g, 1);
}

/* There always is a place, before the first word. */
bool able_to_gain_words(const variation *v, size_t which, const gene *g)
{
    return words_room(&v->spec->genes[which], g, 0) > 0;
}

bool able_to_duplicate_words(const variation *v, size_t which, const gene *g)
{
    return able_to_gain_words(v, which, g) && has_free_words(g, 1);
}

bool able_to_borrow_words(const variation *v, size_t which, const gene *g)
{
    return v->n_others > 0 && (able_to_gain_words(v, which, g) || has_free_words(g, 1));
}

bool able_to_add_demos(const variation *v, size_t which, const gene *g)
{
    const gene_spec *spec = &v->spec->genes[which];
    return g->n_demos < spec->max_demos && g->n_demos < spec->n_pool;
}

bool able_to_drop_demos(const variation *v, size_t which, const gene *g)
{
    (void)v, (void)which;
    return g->n_demos > 0;
}

bool able_to_swap_demos(const variation *v, size_t which, const gene *g)
{
    return g->n_demos > 0 && g->n_demos < v->spec->genes[which].n_pool;
}

bool able_to_reorder_demos(const variation *v, size_t which, const gene *g)
{
    (void)v, (void)which;
    return g->n_demos > 1;
}

bool operator_able(const variation_operator *op, const variation *v, size_t which,
                   const genome *g)
{
    return operator_suits(op, &v->spec->genes[which], v->proposer) &&
           op->able(v, which, &g->genes[which]);
}
