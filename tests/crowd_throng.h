/* A crowd in which anything happens in any order: random histories for tests. */
#ifndef LAMARCK_TESTS_CROWD_THRONG_H
#define LAMARCK_TESTS_CROWD_THRONG_H

#include "crowd_fixture.h"

enum { N_TASKS = 12, N_GOLD = 4, N_RATERS = 5, N_TOKENS = 200 };

/* A crowd with compare tasks and gold, and people who do anything in any order. */
typedef struct throng {
    crowd *c;
    char asked[SHA256_HEX], tasks[12][SHA256_HEX];
    char tokens[200][ASSIGNMENT_TOKEN];
    size_t n_tokens;
    int64_t raters[5], now;
    uint64_t random;
} throng;

/* Tasks and raters in the run folder `dir`, all from one seed. */
void throng_gather(throng *t, const char *dir, uint64_t seed);
/* One thing that somebody does. */
void throng_happen(throng *t);

#endif
