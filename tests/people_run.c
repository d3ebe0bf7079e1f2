#include "people_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "child.h"
#include "crowd_fixture.h"
#include "toy.h"

const int64_t morning = 1800000000;

const char *const other_questions[OTHER_QUESTIONS][2] = {
    {"fitness.ask=best", "seed=0"},
    {"fitness.ask=accept", "seed=0"},
    {"fitness.ask=scale", "fitness.scale=[bad, poor, fair, good, great]"}};

void people_begin(const char *dir, const char *const *set, size_t n,
                  const run_options *options)
{
    error err = {0};
    uint64_t id = 0;
    experiment *e = small_people_experiment(dir, set, n);
    if (run_start(e, dir, options, &id, &err) < 0)
        fail_msg("%s", err.text);
    experiment_free(e);
}

void people_go_on(const char *dir)
{
    error err = {0};
    uint64_t id = 0;
    if (run_resume(dir, 0, NULL, &id, &err) < 0)
        fail_msg("%s", err.text);
}

run_record *people_whole_run(const char *dir, const char *const *set, size_t n,
                             size_t *waits)
{
    size_t count = 0;
    people_begin(dir, set, n, NULL);
    for (; run_state_of(dir) == 1; count++) {
        run_record *r = read_run(dir, 0);
        assert_int_equal(r->status, RUN_WAITING);
        assert_string_equal(r->stop_reason, "answers are pending");
        run_record_free(r);
        assert_true(scripted_crowd(dir, morning) > 0);
        people_go_on(dir);
    }
    if (waits)
        *waits = count;
    return read_run(dir, 0);
}

size_t people_killed_run(const char *dir, gsl_rng *rng, double least, double most)
{
    size_t kills = 0;
    for (int i = 0; run_state_of(dir) != 2; i++) {
        double moment = least + (most - least) * gsl_rng_uniform(rng);
        bool may_die = i % 3 != 2; /* so that it gets on */
        const char *words[] = {dir, run_state_of(dir) > 0 ? "1" : "0", NULL};
        bool done = child_run(may_die ? moment : 0, words);
        kills += !done;
        if (done && run_state_of(dir) == 1)
            scripted_crowd(dir, morning);
    }
    return kills;
}

bool people_is_child(int argc, char **argv)
{
    return argc == 4 && strcmp(argv[1], "child") == 0;
}

int people_child(char **argv, const char *const *set, size_t n)
{
    if (argv[3][0] == '1')
        people_go_on(argv[2]);
    else
        people_begin(argv[2], set, n, NULL);
    return 0;
}

size_t people_ratings(const char *dir)
{
    crowd *c = crowd_in(dir);
    size_t n = counts_of(c).ratings;
    crowd_close(c);
    return n;
}
