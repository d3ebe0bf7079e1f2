/* What the operator files share: random picks, and the operators themselves, which
 * operators.c puts in its table. Private to evolve/. */
#ifndef LAMARCK_EVOLVE_VARIATION_H
#define LAMARCK_EVOLVE_VARIATION_H

#include "operators.h"

/* Uniform in [0, n); n > 0. */
size_t pick_below(gsl_rng *rng, size_t n);

/* A span of `length` words that holds no frozen word and, with `removable`, may be taken
 * away by the laws of words.h; uniform over all such places. Where there is none, one of
 * fewer words; false when there is none at all. */
bool pick_span(gsl_rng *rng, const gene *g, size_t length, bool removable, size_t *begin,
               size_t *end);
/* 1, 2 or 3 words: 0.6, 0.25, 0.15. */
size_t pick_length(gsl_rng *rng);
/* A place where words may be inserted; false when there is none. */
bool pick_place(gsl_rng *rng, const gene *g, size_t *at);
/* How many words the gene may still grow by, given that `removed` go. */
size_t words_room(const gene_spec *spec, const gene *g, size_t removed);

/* operators_order.c: the gene's own words, rearranged */
int operator_delete(const variation *v, genome *g, size_t which, error *err);
int operator_swap(const variation *v, genome *g, size_t which, error *err);
int operator_duplicate(const variation *v, genome *g, size_t which, error *err);
int operator_move(const variation *v, genome *g, size_t which, error *err);
/* operators_words.c: words from elsewhere */
int operator_insert(const variation *v, genome *g, size_t which, error *err);
int operator_borrow(const variation *v, genome *g, size_t which, error *err);
int operator_lexicon(const variation *v, genome *g, size_t which, error *err);
int operator_lexicon_insert(const variation *v, genome *g, size_t which, error *err);
int operator_model(const variation *v, genome *g, size_t which, error *err);
int operator_model_insert(const variation *v, genome *g, size_t which, error *err);
int operator_gradient(const variation *v, genome *g, size_t which, error *err);
/* operators_values.c: choices, demonstrations, numbers, vectors */
int operator_choice_flip(const variation *v, genome *g, size_t which, error *err);
int operator_demo_add(const variation *v, genome *g, size_t which, error *err);
int operator_demo_drop(const variation *v, genome *g, size_t which, error *err);
int operator_demo_swap(const variation *v, genome *g, size_t which, error *err);
int operator_demo_reorder(const variation *v, genome *g, size_t which, error *err);
int operator_number_step(const variation *v, genome *g, size_t which, error *err);
int operator_vector_step(const variation *v, genome *g, size_t which, error *err);

/* operators_able.c: could they, here and now? */
bool able_always(const variation *v, size_t which, const gene *g);
bool able_to_lose_words(const variation *v, size_t which, const gene *g);
bool able_to_swap_words(const variation *v, size_t which, const gene *g);
bool able_to_change_words(const variation *v, size_t which, const gene *g);
bool able_to_gain_words(const variation *v, size_t which, const gene *g);
bool able_to_duplicate_words(const variation *v, size_t which, const gene *g);
bool able_to_borrow_words(const variation *v, size_t which, const gene *g);
bool able_to_add_demos(const variation *v, size_t which, const gene *g);
bool able_to_drop_demos(const variation *v, size_t which, const gene *g);
bool able_to_swap_demos(const variation *v, size_t which, const gene *g);
bool able_to_reorder_demos(const variation *v, size_t which, const gene *g);

/* A gene at its initial step: `size` distinct random demonstrations. */
int demos_draw(gsl_rng *rng, const gene_spec *spec, gene *g, size_t size, error *err);

#endif
