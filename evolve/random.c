/* Random search: the genetic algorithm's initial step, for ever. The baseline: same
 * genome, same first operators, same racing, no inheritance. */
#include "search_state.h"

#include <stdlib.h>

enum { BARREN_MOST = 10 };

typedef struct random_search {
    record **batch; /* [0] is for the best so far, the fresh ones follow */
    size_t n_batch;
    size_t barren;
} random_search;

static int random_init(search *s, error *err)
{
    random_search *self = s->state;
    size_t most = s->options.population + s->problem.n_seeds + 1;
    self->batch = array_new(most, sizeof(void *));
    s->population = array_new(1, sizeof(void *));
    return self->batch && s->population ? 0 : error_memory(err, most * sizeof(void *));
}

static void random_free(search *s)
{
    random_search *self = s->state;
    free(self->batch);
}

static int random_ask(search *s, error *err)
{
    random_search *self = s->state;
    if (!s->heat.open && self->barren < BARREN_MOST) {
        while (self->n_batch < s->options.population) {
            record *r = NULL;
            TRY(breed_initial(s, &r, err));
            if (!r)
                break;
            self->batch[++self->n_batch] = r;
        }
        if (self->n_batch == 0)
            return 0;
        size_t veterans = s->n_population; /* of equals, the elder leads */
        if (veterans)
            self->batch[0] = s->population[0];
        TRY(heat_begin(s, self->batch + 1 - veterans, self->n_batch + veterans, err));
    }
    return heat_ask(s, err);
}

static int random_tell(search *s, error *err)
{
    random_search *self = s->state;
    TRY(heat_tell(s, err));
    if (s->heat.open)
        return 0;
    search_crown(s, self->batch + 1, self->n_batch);
    self->barren = s->n_population ? 0 : self->barren + 1;
    self->n_batch = 0;
    s->generation++;
    return 0;
}

const search_type search_random = {
    .name = "random",
    .summary = "random search: fresh candidates by the same first step, for ever",
    .state_size = sizeof(random_search),
    .init = random_init,
    .ask = random_ask,
    .tell = random_tell,
    .free = random_free,
};
