/* Random search: the genetic algorithm's initial step, for ever. The baseline: same
 * genome, same first operators, same racing, no inheritance. */
#include "search_state.h"

#include <stdlib.h>

enum { BARREN_MOST = 10 };

typedef struct random_search {
    record **batch; /* (population): the fresh ones */
    size_t n_batch;
    size_t barren;
} random_search;

static int random_init(search *s, error *err)
{
    random_search *self = s->state;
    size_t most = s->options.population;
    self->batch = array_new(most, sizeof(void *));
    s->population = array_new(1, sizeof(void *));
    return self->batch && s->population ? 0 : error_memory(err, most * sizeof(void *));
}

static void random_free(search *s)
{
    random_search *self = s->state;
    free(self->batch);
}

static int random_breed(search *s, error *err)
{
    random_search *self = s->state;
    if (self->barren == BARREN_MOST)
        return 0;
    while (self->n_batch < s->options.population) {
        record *r = NULL;
        TRY(breed_initial(s, &r, err));
        if (!r)
            break;
        self->batch[self->n_batch++] = r;
    }
    return self->n_batch ? heat_begin(s, s->n_population, self->batch, self->n_batch, err)
                         : 0;
}

static int random_select(search *s, error *err)
{
    random_search *self = s->state;
    (void)err;
    search_crown(s, self->batch, self->n_batch);
    self->barren = s->n_population ? 0 : self->barren + 1;
    self->n_batch = 0;
    return 0;
}

const search_type search_random = {
    .name = "random",
    .summary = "random search: fresh candidates by the same first step, for ever",
    .state_size = sizeof(random_search),
    .init = random_init,
    .breed = random_breed,
    .select = random_select,
    .free = random_free,
};
