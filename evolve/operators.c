/* The table of operators, and the random picks that they share. */
#include "operators.h"

#include "variation.h"
#include "words.h"

const variation_operator variation_operators[] = {
    {"delete", GENE_TEXT, NEEDS_NOTHING, operator_delete, able_to_lose_words},
    {"swap", GENE_TEXT, NEEDS_NOTHING, operator_swap, able_to_swap_words},
    {"duplicate", GENE_TEXT, NEEDS_NOTHING, operator_duplicate, able_to_duplicate_words},
    {"move", GENE_TEXT, NEEDS_NOTHING, operator_move, able_to_lose_words},
    {"insert", GENE_TEXT, NEEDS_NOTHING, operator_insert, able_to_gain_words},
    {"borrow", GENE_TEXT, NEEDS_NOTHING, operator_borrow, able_to_borrow_words},
    {"lexicon", GENE_TEXT, NEEDS_LEXICON, operator_lexicon, able_to_change_words},
    {"lexicon_insert", GENE_TEXT, NEEDS_LEXICON, operator_lexicon_insert,
     able_to_gain_words},
    {"model", GENE_TEXT, NEEDS_PROPOSER, operator_model, able_to_change_words},
    {"model_insert", GENE_TEXT, NEEDS_PROPOSER, operator_model_insert,
     able_to_gain_words},
    {"gradient", GENE_TEXT, NEEDS_GRADIENT, operator_gradient, able_to_change_words},
    {"choice_flip", GENE_CHOICE, NEEDS_NOTHING, operator_choice_flip, able_always},
    {"demo_add", GENE_DEMOS, NEEDS_NOTHING, operator_demo_add, able_to_add_demos},
    {"demo_drop", GENE_DEMOS, NEEDS_NOTHING, operator_demo_drop, able_to_drop_demos},
    {"demo_swap", GENE_DEMOS, NEEDS_NOTHING, operator_demo_swap, able_to_swap_demos},
    {"demo_reorder", GENE_DEMOS, NEEDS_NOTHING, operator_demo_reorder,
     able_to_reorder_demos},
    {"number_step", GENE_NUMBER, NEEDS_NOTHING, operator_number_step, able_always},
    {"vector_step", GENE_VECTOR, NEEDS_NOTHING, operator_vector_step, able_always},
};
const size_t n_variation_operators =
    sizeof variation_operators / sizeof variation_operators[0];

bool operator_suits(const variation_operator *op, const gene_spec *spec,
                    const proposer *from)
{
    if (op->kind != spec->kind)
        return false;
    if (op->needs == NEEDS_LEXICON && spec->n_lexicon == 0)
        return false;
    if (op->needs == NEEDS_PROPOSER && !(from && from->words))
        return false;
    if (op->needs == NEEDS_GRADIENT && !(from && from->swaps))
        return false;
    switch (spec->kind) {
    case GENE_TEXT:
        return true;
    case GENE_CHOICE:
        return spec->n_options > 1;
    case GENE_DEMOS:
        if (op->apply == operator_demo_reorder)
            return spec->n_pool > 1 && spec->max_demos > 1;
        return spec->n_pool > 0 && spec->max_demos > 0;
    case GENE_NUMBER:
        return spec->lowest < spec->highest;
    case GENE_VECTOR:
        return spec->n_dimensions > 0 && spec->spread > 0;
    }
    return false;
}

/* ---- Picks ---- */

size_t pick_below(gsl_rng *rng, size_t n)
{
    unsigned long range = gsl_rng_max(rng) - gsl_rng_min(rng);
    return gsl_rng_uniform_int(rng, n < range ? (unsigned long)n : range);
}

size_t pick_length(gsl_rng *rng)
{
    double u = gsl_rng_uniform(rng);
    return u < 0.6 ? 1 : u < 0.85 ? 2 : 3;
}

bool pick_span(gsl_rng *rng, const gene *g, size_t length, bool removable, size_t *begin,
               size_t *end)
{
    for (; length > 0; length--) {
        size_t seen = 0, at = 0;
        for (size_t i = 0; i + length <= g->n_words; i++) {
            bool fits = removable ? words_may_remove(g, i, i + length)
                                  : words_free_span(g, i, i + length);
            if (fits && pick_below(rng, ++seen) == 0)
                at = i;
        }
        if (seen) {
            *begin = at;
            *end = at + length;
            return true;
        }
    }
    return false;
}

bool pick_place(gsl_rng *rng, const gene *g, size_t *at)
{
    size_t seen = 0;
    for (size_t i = 0; i <= g->n_words; i++)
        if (words_may_insert(g, i) && pick_below(rng, ++seen) == 0)
            *at = i;
    return seen > 0;
}

size_t words_room(const gene_spec *spec, const gene *g, size_t removed)
{
    size_t left = g->n_words - removed;
    if (!spec->max_words)
        return SIZE_MAX - left;
    return spec->max_words > left ? spec->max_words - left : 0;
}
