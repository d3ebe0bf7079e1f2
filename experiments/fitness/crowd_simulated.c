#include "crowd_simulated.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What he says depends on who he is and on the task, and, should he see it again, on how
 * much he has done by then; never on who came before him. */
static uint64_t stream_of(const assignment *a, uint64_t seed, size_t who)
{
    char digits[17] = "";
    memcpy(digits, a->task, 16);
    uint64_t stream = seed_mix(seed_mix(seed, who), strtoull(digits, NULL, 16));
    return a->repeat ? seed_mix(stream, a->n_done + 1) : stream;
}

static int answer(crowd *c, const experiment *e, const assignment *a, size_t who,
                  gsl_rng *rng, int64_t now, error *err)
{
    simulated_rater r;
    simulated_answer said;
    simulated_rater_make(&r, e->seed, who);
    gsl_rng_set(rng, (unsigned long)stream_of(a, e->seed, who));
    TRY(simulated_rater_answer(&r, e->people.taste, &a->question, a->context, a->shown,
                               a->n_shown, rng, &said, err));
    submission s = {.token = a->token,
                    .answer = said.answer,
                    .seconds = said.seconds,
                    .source = "simulated"};
    int rc = crowd_submit(c, &s, now, err);
    return rc < 0 ? rc : 0;
}

/* 1: he gave an answer. 0: there is nothing for him. */
static int take_turn(crowd *c, const experiment *e, size_t who, gsl_rng *rng, error *err)
{
    simulated_rater r;
    assignment a = {0};
    int64_t id, now = (int64_t)time(NULL);
    simulated_rater_make(&r, e->seed, who);
    TRY(crowd_rater(c, RATER_SIMULATED, r.name, now, &id, err));
    int got = crowd_assign(c, id, now, &a, err);
    if (got != ASSIGN_GIVEN)
        return got < 0 ? got : 0;
    int rc = answer(c, e, &a, who, rng, now, err);
    assignment_free(&a);
    return rc < 0 ? rc : 1;
}

/* Whoever has had least to do so far comes first: turns go on where they ended. */
static int work(crowd *c, const experiment *e, size_t most, gsl_rng *rng, size_t *given,
                error *err)
{
    size_t n = e->people.crowd_size, idle = 0;
    crowd_counts counts;
    TRY(crowd_count(c, &counts, err));
    for (size_t who = counts.ratings % n; *given < most && idle < n;
         who = (who + 1) % n) {
        int rc = take_turn(c, e, who, rng, err);
        TRY(rc);
        *given += (size_t)rc;
        idle = rc ? 0 : idle + 1;
    }
    return 0;
}

int crowd_simulated_work(crowd *c, const experiment *e, size_t most, size_t *given,
                         error *err)
{
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    if (!rng)
        return error_memory(err, sizeof(void *));
    *given = 0;
    int rc = crowd_begin(c, err);
    if (rc == 0)
        rc = work(c, e, most, rng, given, err);
    if (rc == 0)
        rc = crowd_commit(c, err);
    else
        crowd_rollback(c);
    gsl_rng_free(rng);
    return rc;
}
