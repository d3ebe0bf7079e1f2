#include "crowd_throng.h"
#include "expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static size_t below(throng *t, size_t n)
{
    t->random = seed_mix(t->random, 1);
    return (size_t)(t->random % n);
}

void throng_gather(throng *t, const char *dir, uint64_t seed)
{
    *t = (throng){.c = crowd_in(dir), .now = 2000, .random = seed};
    put_question(t->c, QUESTION_COMPARE, t->asked);
    for (size_t i = 0; i < N_TASKS; i++)
        if (i < N_GOLD)
            put_gold(t->c, t->asked, QUESTION_COMPARE, i, t->tasks[i]);
        else
            put_task(t->c, t->asked, QUESTION_COMPARE, i, 1 + i % 3, t->tasks[i]);
    for (size_t i = 0; i < N_RATERS; i++) {
        char name[20];
        snprintf(name, sizeof name, "rater %zu", i);
        t->raters[i] = rater_named(t->c, name);
    }
}

static void keep(throng *t, int rc, assignment *a)
{
    if (rc != ASSIGN_GIVEN)
        return;
    memcpy(t->tokens[t->n_tokens++ % N_TOKENS], a->token, sizeof a->token);
    assignment_free(a);
}

static void change_rules(throng *t)
{
    quality_rules r = {.gold_share = (double)below(t, 6) / 10,
                       .repeat_share = (double)below(t, 5) / 10,
                       .min_seconds = (double)below(t, 3),
                       .max_ratings = below(t, 4) == 0 ? 10 : 0,
                       .min_checks = 1 + below(t, 4),
                       .min_right = (double)below(t, 10) / 10,
                       .lease_seconds = 1 + (int64_t)below(t, 50)};
    set_rules(t->c, &r);
}

void throng_happen(throng *t)
{
    error err = {0};
    assignment a = {0};
    int64_t rater = t->raters[below(t, N_RATERS)];
    size_t task = below(t, N_TASKS);
    size_t n = t->n_tokens < N_TOKENS ? t->n_tokens : N_TOKENS;
    t->now += (int64_t)below(t, 20);
    switch (below(t, 16)) {
    case 0:
        must(crowd_leave(t->c, rater, &err), &err);
        break;
    case 1:
        if (crowd_undo(t->c, rater, t->now, &a, &err) == 1)
            assignment_free(&a);
        break;
    case 2:
        must(crowd_close_task(t->c, t->tasks[task], &err), &err);
        break;
    case 3:
        if (task >= N_GOLD)
            put_task(t->c, t->asked, QUESTION_COMPARE, task, below(t, 5), t->tasks[task]);
        break;
    case 4:
        if (below(t, 5) == 0)
            change_rules(t);
        break;
    case 5:
        must(crowd_set_open(t->c, below(t, 4) > 0, &err), &err);
        break;
    case 6:
        keep(t, crowd_assign_task(t->c, rater, t->tasks[task], t->now, &a, &err), &a);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
        keep(t, crowd_assign(t->c, rater, t->now, &a, &err), &a);
        break;
    default:
        if (n)
            submit(t->c,
                   t->tokens[below(t, 3) ? (t->n_tokens - 1) % N_TOKENS : below(t, n)],
                   (int)below(t, 3) - 1, t->now);
    }
}
