/* Texts that come into a population from elsewhere: they keep the laws of their gene,
 * race like everybody, and leave searches without them alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../evolve/search.h"
#include "failing_malloc.h"
#include "simulate.h"

enum { EXAMPLES = 20 };

/* ---- One text in the place of another ---- */

static const char *const frozen[] = {"keep this"};

static void check_rewrite(const char *was, const char *offer, int wanted, const char *is)
{
    gene g = {0};
    text t = {0};
    error err = {0};
    assert_int_equal(gene_set_text(&g, was, frozen, strstr(was, frozen[0]) ? 1 : 0, &err),
                     0);
    assert_int_equal(gene_rewrite(&g, offer, &err), wanted);
    assert_int_equal(gene_text(&g, &t, &err), 0);
    assert_string_equal(text_string(&t), is);
    text_free(&t);
    gene_free(&g);
}

static void words_change_one_for_one_and_white_space_stays(void **state)
{
    (void)state;
    check_rewrite(" one\n\ntwo  three ", "four five six", 1, " four\n\nfive  six ");
    check_rewrite("one two", "one two", 0, "one two");
    check_rewrite("one two", "one", 0, "one two");
    check_rewrite("one two", "one two three", 0, "one two");
    check_rewrite("one two", "", 0, "one two");
    check_rewrite("one two", "\xff two", 0, "one two");
    check_rewrite("so keep this now", "how keep this then", 1, "how keep this then");
    check_rewrite("so keep this now", "how keep that then", 0, "so keep this now");
}

/* ---- Guests in a population ---- */

typedef struct host {
    proposer base;
    size_t calls;
    bool good;  /* the text is the best there is */
    bool fails; /* at the next call */
} host;

/* As many words as the gene has: good ones, or bad ones that differ from call to call. */
static int texts(proposer *p, const genome_spec *spec, const genome *g, size_t which,
                 size_t k, proposed_text *out, error *err)
{
    host *self = (host *)(void *)p;
    text t = {0};
    if (self->fails)
        return error_set(err, E_NUMERIC, "no gradient");
    assert_true(k >= 2);
    assert_int_equal(spec->genes[which].kind, GENE_TEXT);
    self->calls++;
    for (size_t i = 0; i < g->genes[which].n_words; i++)
        TRY(text_add_format(&t, err, "%s%s%zu", i ? " " : "", self->good ? "w" : "bad",
                            self->good ? i : self->calls));
    out[0] = (proposed_text){"nearest", t.s};
    out[1] = (proposed_text){"projected", string_copy("far too many words for any gene "
                                                      "of this landscape to have them")};
    return 2;
}

typedef struct trial {
    landscape l;
    host host;
    search *s;
} trial;

static void open_trial(trial *t, bool with_texts, size_t every)
{
    error err = {0};
    search_options options = search_defaults();
    options.guests_every = every;
    landscape_open(&t->l, LANDSCAPE_TEXT, 3, EXAMPLES);
    if (with_texts)
        t->host.base.texts = texts;
    search_problem problem = {.spec = &t->l.spec,
                              .seeds = t->l.seeds,
                              .n_seeds = t->l.n_seeds,
                              .n_examples = EXAMPLES,
                              .random_seed = 4,
                              .proposer = &t->host.base};
    if (search_new(&t->s, search_type_find("ga"), &problem, &options, &err) < 0)
        fail_msg("%s", err.text);
}

static void close_trial(trial *t)
{
    search_free(t->s);
    landscape_close(&t->l);
}

/* The landscape's score; a candidate all of guests' good words gets a point on top. */
static double score(const trial *t, const genome *g, size_t example)
{
    double guest = 0;
    for (size_t i = 0; i < g->genes[0].n_words; i++)
        guest +=
            g->genes[0].words[i].s[0] == 'w' && g->genes[0].words[i].s[1] == '0' + (int)i;
    return landscape_score(&t->l, g, example) + guest;
}

static void run(trial *t, size_t generations)
{
    error err = {0};
    const search_query *q;
    size_t n;
    while (search_generation(t->s) < generations) {
        double scores[EXAMPLES];
        if (search_ask(t->s, &q, &n, &err) < 0)
            fail_msg("%s", err.text);
        assert_true(n > 0);
        for (size_t i = 0; i < q->n_examples; i++)
            scores[i] = score(t, q->genome, q->examples[i]);
        search_answer a = {.id = q->id,
                           .status = FITNESS_DONE,
                           .scores = scores,
                           .n_scores = q->n_examples};
        if (search_tell(t->s, &a, 1, &err) < 0)
            fail_msg("%s", err.text);
    }
}

static size_t count_guests(const trial *t, bool living)
{
    size_t n = 0;
    for (size_t i = 0; i < search_candidate_count(t->s); i++) {
        const candidate *c = search_candidate(t->s, i);
        n += strcmp(c->operators, "nearest") == 0 && (c->alive || !living);
        assert_null(strstr(c->operators, "projected")); /* it fits no gene */
    }
    return n;
}

static void good_guests_win_and_bad_ones_race_in_vain(void **state)
{
    (void)state;
    for (int good = 0; good < 2; good++) {
        trial t = {.host.good = good};
        uint64_t best;
        open_trial(&t, true, 3);
        run(&t, 10);
        assert_int_equal(t.host.calls, 3); /* in generations 1, 4 and 7 */
        assert_int_equal(search_best(t.s, 1, &best), 1);
        const candidate *c = search_find(t.s, best);
        assert_true(count_guests(&t, false) > 0);
        if (good) {
            while (c && strcmp(c->operators, "nearest") != 0)
                c = search_find(t.s, c->parents[0]);
            assert_non_null(c); /* the winner comes from a guest */
            assert_true(c && c->parents[0] > 0 && c->parents[1] == 0);
        } else {
            assert_int_equal(count_guests(&t, true), 0);
        }
        close_trial(&t);
    }
}

static bool same_history(const trial *a, const trial *b)
{
    bool same = search_candidate_count(a->s) == search_candidate_count(b->s);
    for (size_t i = 0; same && i < search_candidate_count(a->s); i++) {
        const candidate *x = search_candidate(a->s, i), *y = search_candidate(b->s, i);
        same = strcmp(x->operators, y->operators) == 0 &&
               genome_distance(&a->l.spec, x->genome, y->genome) == 0 &&
               x->fitness.value == y->fitness.value;
    }
    return same;
}

static void without_texts_nothing_changes(void **state)
{
    (void)state;
    trial plain = {0}, never = {0}, with = {0};
    open_trial(&plain, false, 3);
    open_trial(&never, true, 0);
    open_trial(&with, true, 3);
    run(&plain, 9);
    run(&never, 9);
    run(&with, 9);
    assert_int_equal(never.host.calls, 0);
    assert_true(same_history(&plain, &never));
    assert_false(same_history(&plain, &with));
    close_trial(&plain);
    close_trial(&never);
    close_trial(&with);
}

static void a_restart_happens_although_guests_came(void **state)
{
    (void)state;
    trial t = {0};
    open_trial(&t, true, 1);
    run(&t, 60);
    assert_true(search_restarts(t.s) > 0);
    close_trial(&t);
}

static void a_proposer_that_fails_stops_the_ask(void **state)
{
    (void)state;
    trial t = {0};
    error err = {0};
    const search_query *q;
    size_t n;
    open_trial(&t, true, 1);
    run(&t, 1);
    t.host.fails = true;
    assert_int_equal(search_ask(t.s, &q, &n, &err), E_NUMERIC);
    assert_string_equal(err.text, "no gradient");
    t.host.fails = false;
    run(&t, 4);
    close_trial(&t);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    if (!can_fail_allocations())
        return;
    gene g = {0};
    error err = {0};
    assert_int_equal(gene_set_text(&g, "one two three", NULL, 0, &err), 0);
    long failures = 0;
    for (int rc = -1; rc < 0; failures++) {
        long before = allocations_held();
        set_allocations_left(failures + 1);
        rc = gene_rewrite(&g, "four five six", &err);
        set_allocations_left(-1);
        assert_true(rc == 1 || rc == E_MEMORY);
        assert_int_equal(allocations_held(), before);
    }
    assert_true(failures > 5);
    assert_string_equal(g.words[2].s, "six");
    gene_free(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_change_one_for_one_and_white_space_stays),
        cmocka_unit_test(good_guests_win_and_bad_ones_race_in_vain),
        cmocka_unit_test(without_texts_nothing_changes),
        cmocka_unit_test(a_restart_happens_although_guests_came),
        cmocka_unit_test(a_proposer_that_fails_stops_the_ask),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
