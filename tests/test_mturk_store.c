/* Mechanical Turk's books: money, the cap, places, plans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../rater/mturk.h"
#include "mturk_fixture.h"
#include "scratch.h"

static void fees_are_amazons_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(mturk_fee_cents(1, 1, false), 1);
    assert_int_equal(mturk_fee_cents(5, 9, false), 1);
    assert_int_equal(mturk_fee_cents(5, 10, false), 2);
    assert_int_equal(mturk_fee_cents(100, 9, false), 20);
    assert_int_equal(mturk_fee_cents(100, 10, false), 40);
    assert_int_equal(mturk_fee_cents(100, 9, true), 25);
    assert_int_equal(mturk_fee_cents(7, 3, false), 2); /* 1.4 */
    int64_t cents;
    error err;
    assert_int_equal(mturk_read_money("12.3", &cents, &err), 0);
    assert_int_equal(cents, 1230);
    assert_int_equal(mturk_read_money("0.05", &cents, &err), 0);
    assert_int_equal(cents, 5);
    static const char *const wrong[] = {"",    ".",  "1.234", "-1",
                                        "1e3", "$1", "1,00",  "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(mturk_read_money(wrong[i], &cents, &err), E_FORMAT);
}

static void open_books(mturk_store **s, char *path, size_t n, mturk_place place)
{
    error err = {0};
    if (access(path, F_OK) != 0)
        assert_int_equal(mturk_fixture_run(path, n, 3, &err), 0);
    assert_int_equal(mturk_store_open(s, path, place, &err), 0);
}

static hit_row row_for(mturk_store *s, const char *task, size_t batches, size_t n)
{
    error err = {0};
    hit_row h = {.assignments = n, .reward_cents = 5, .fee_cents = 1};
    static char request[] = "{}";
    h.request = request;
    snprintf(h.task, sizeof h.task, "%s", task);
    assert_int_equal(mturk_store_token(s, task, batches, h.token, &err), 0);
    return h;
}

static void the_cap_holds_in_the_transaction_that_reserves(void **state)
{
    (void)state;
    char *dir = scratch_new(), path[500];
    mturk_store *a, *b;
    mturk_money m;
    error err = {0};
    assert_non_null(dir);
    snprintf(path, sizeof path, "%s/lamarck.sqlite", dir);
    open_books(&a, path, 1, MTURK_SANDBOX);
    open_books(&b, path, 1, MTURK_SANDBOX);
    task_view none = {0};
    hit_row h = row_for(a, "t1", 0, 3), i = row_for(b, "t2", 0, 3);
    assert_int_equal(mturk_store_reserve(a, &h, &none, 1, &err), RESERVE_OVER_CAP);
    assert_int_equal(mturk_store_set_cap(a, 35, &err), 0);
    assert_int_equal(mturk_store_reserve(a, &h, &none, 1, &err), RESERVED);
    assert_int_equal(mturk_store_reserve(b, &i, &none, 1, &err), RESERVE_OVER_CAP);
    assert_int_equal(mturk_store_reserve(b, &h, &none, 1, &err), RESERVE_CHANGED);
    assert_int_equal(mturk_store_set_cap(b, 17, &err), E_LIMIT);
    assert_int_equal(mturk_store_set_cap(b, 36, &err), 0);
    assert_int_equal(mturk_store_reserve(b, &i, &none, 1, &err), RESERVED);
    /* A refusal gives the money back; a HIT that is found is never refused. */
    assert_int_equal(mturk_store_refused(a, i.token, "no", &err), 0);
    assert_int_equal(mturk_store_money(a, &m, &err), 0);
    assert_int_equal(m.committed_cents, 18);
    assert_int_equal(mturk_store_opened(a, h.token, "HIT1", &err), 0);
    assert_int_equal(mturk_store_refused(a, h.token, "no", &err), 0);
    assert_int_equal(mturk_store_money(a, &m, &err), 0);
    assert_int_equal(m.committed_cents, 18);
    /* Of a closed HIT only what was answered and not rejected is owed. */
    size_t n_new;
    static char nothing[] = "";
    listed_assignment listed[] = {{.id = "A1",
                                   .worker = "W1",
                                   .status = "Submitted",
                                   .answer = nothing,
                                   .seconds = 3},
                                  {.id = "A2",
                                   .worker = "W2",
                                   .status = "Approved",
                                   .answer = nothing,
                                   .seconds = 3}};
    for (size_t k = 0; k < 2; k++)
        assert_int_equal(mturk_store_put_listed(a, h.token, listed, 2, &n_new, &err), 0);
    assert_int_equal(n_new, 0); /* the second time */
    assert_int_equal(mturk_store_closed(a, h.token, &err), 0);
    assert_int_equal(mturk_store_money(a, &m, &err), 0);
    assert_int_equal(m.committed_cents, 12);
    assert_int_equal(m.rewards_cents, 5);
    assert_int_equal(m.fees_cents, 1);
    assert_int_equal(mturk_store_payment(a, "A1", PAYMENT_REJECTED, &err), 0);
    assert_int_equal(mturk_store_payment(a, "A2", PAYMENT_REJECTED, &err), 0); /* paid */
    assert_int_equal(mturk_store_money(a, &m, &err), 0);
    assert_int_equal(m.committed_cents, 6);
    assert_int_equal(m.rejected_cents, 6);
    mturk_store_close(a);
    mturk_store_close(b);
    scratch_remove(dir);
}

static void places_have_books_of_their_own(void **state)
{
    (void)state;
    char *dir = scratch_new(), path[500];
    mturk_store *a, *b;
    mturk_money m;
    mturk_counts c;
    error err = {0};
    assert_non_null(dir);
    snprintf(path, sizeof path, "%s/lamarck.sqlite", dir);
    open_books(&a, path, 1, MTURK_SANDBOX);
    open_books(&b, path, 1, MTURK_PRODUCTION);
    assert_int_equal(mturk_store_set_cap(a, 100, &err), 0);
    hit_row h = row_for(a, "t1", 0, 3), i = row_for(b, "t1", 0, 3);
    assert_string_not_equal(h.token, i.token);
    assert_int_equal(mturk_store_reserve(a, &h, &(task_view){0}, 1, &err), RESERVED);
    assert_int_equal(mturk_store_money(b, &m, &err), 0);
    assert_int_equal(m.cap_cents, -1);
    assert_int_equal(m.committed_cents, 0);
    assert_int_equal(mturk_store_count(b, &c, &err), 0);
    assert_int_equal(c.elsewhere, 1);
    mturk_store_close(a);
    mturk_store_close(b);
    scratch_remove(dir);
}

static void a_plan_counts_what_is_missing_and_asks_nobody(void **state)
{
    (void)state;
    char *dir = scratch_new(), path[500];
    mturk *m;
    mturk_bill bill;
    error err = {0};
    mturk_post_options o = {.terms = mturk_terms_defaults(), .plan_cap_cents = 100};
    o.terms.reward_cents = 5;
    assert_non_null(dir);
    snprintf(path, sizeof path, "%s/lamarck.sqlite", dir);
    assert_int_equal(mturk_fixture_run(path, 8, 3, &err), 0);
    assert_int_equal(mturk_open(&m, path, MTURK_SANDBOX, NULL, &err), 0);
    assert_int_equal(mturk_plan(m, &o, &bill, &err), 0);
    assert_int_equal(bill.hits, 5);
    assert_int_equal(bill.assignments, 15);
    assert_int_equal(bill.reward_cents, 75);
    assert_int_equal(bill.fee_cents, 15);
    assert_int_equal(bill.over_cap, 3);
    o.assignments = 1;
    assert_int_equal(mturk_plan(m, &o, &bill, &err), 0);
    assert_int_equal(bill.hits, 8);
    o.max_hits = 2;
    assert_int_equal(mturk_plan(m, &o, &bill, &err), 0);
    assert_int_equal(bill.hits, 2);
    mturk_close(m);
    scratch_remove(dir);
}

static void gold_is_posted_when_asked_for_and_once(void **state)
{
    (void)state;
    char *dir = scratch_new(), path[500], question_id[SHA256_HEX], output[SHA256_HEX],
         id[SHA256_HEX];
    const char *outputs[] = {output};
    crowd *c;
    mturk *m;
    mturk_bill bill;
    error err = {0};
    mturk_post_options o = {.terms = mturk_terms_defaults(), .plan_cap_cents = 1000};
    o.terms.reward_cents = 5;
    assert_non_null(dir);
    snprintf(path, sizeof path, "%s/lamarck.sqlite", dir);
    assert_int_equal(mturk_fixture_run(path, 1, 3, &err), 0);
    assert_int_equal(crowd_open(&c, path, &err), 0);
    static char text_of[] = "Good?", nothing[] = "";
    const question q = {
        .kind = QUESTION_ACCEPT, .text = text_of, .instructions = nothing};
    assert_int_equal(crowd_put_question(c, &q, question_id, &err), 0);
    assert_int_equal(crowd_put_output(c, "", "yes", output, &err), 0);
    const task_request gold = {
        .question = question_id, .outputs = outputs, .wanted = 4, .gold = "1"};
    assert_int_equal(crowd_put_task(c, &gold, id, &err), 0);
    crowd_close(c);
    assert_int_equal(mturk_open(&m, path, MTURK_SANDBOX, NULL, &err), 0);
    assert_int_equal(mturk_plan(m, &o, &bill, &err), 0);
    assert_int_equal(bill.assignments, 3);
    o.gold = true;
    assert_int_equal(mturk_plan(m, &o, &bill, &err), 0);
    assert_int_equal(bill.assignments, 7);
    hit_row h = row_for(mturk_books(m), id, 0, 4);
    assert_int_equal(mturk_store_set_cap(mturk_books(m), 1000, &err), 0);
    assert_int_equal(mturk_store_reserve(mturk_books(m), &h, &(task_view){0}, 1, &err),
                     RESERVED);
    assert_int_equal(mturk_plan(m, &o, &bill, &err), 0);
    assert_int_equal(bill.assignments, 3);
    mturk_close(m);
    scratch_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fees_are_amazons_rounded_up),
        cmocka_unit_test(the_cap_holds_in_the_transaction_that_reserves),
        cmocka_unit_test(places_have_books_of_their_own),
        cmocka_unit_test(a_plan_counts_what_is_missing_and_asks_nobody),
        cmocka_unit_test(gold_is_posted_when_asked_for_and_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
