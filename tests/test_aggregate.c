/* Aggregation held to krippendorff, crowd-kit, choix, statsmodels and scipy
 * (tests/fixtures/make_ratings.py), through the reader of ratings files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_errno.h>
#include <jansson.h>

#include "../experiments/definition/ratings_file.h"
#include "../rater/agreement.h"
#include "../rater/bradley_terry.h"
#include "../rater/dawid_skene.h"
#include "../rater/mixed.h"

static json_t *fixture;

static int load(void **state)
{
    (void)state;
    gsl_set_error_handler_off();
    fixture = json_load_file("tests/data/ratings.json", 0, NULL);
    return fixture ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(fixture);
    return 0;
}

/* cmocka's own compares floats. */
static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.15g and %.15g differ", a, b);
}

static const json_t *expected(const char *method, const char *part)
{
    const json_t *x = json_object_get(json_object_get(fixture, method), part);
    assert_non_null(x);
    return x;
}

static void check(const char *what, double mine, const json_t *theirs, double tolerance)
{
    assert_true(json_is_number(theirs));
    double x = json_number_value(theirs);
    if (!(fabs(mine - x) <= tolerance))
        fail_msg("%s is %.12g, expected %.12g", what, mine, x);
}

/* {"name": [value, se]} */
static void check_pairs(const name_index *names, const double *value, const double *se,
                        const json_t *theirs, double tolerance)
{
    assert_int_equal(names->n, json_object_size(theirs));
    for (size_t i = 0; i < names->n; i++) {
        const json_t *x = json_object_get(theirs, names->names[i]);
        check(names->names[i], value[i], json_array_get(x, 0), tolerance);
        if (json_is_null(json_array_get(x, 1)))
            assert_true(isnan(se[i]));
        else
            check(names->names[i], se[i], json_array_get(x, 1), tolerance);
    }
}

static ratings read_ratings(const char *path, const ratings_columns *columns)
{
    ratings r = {0};
    error err = {0};
    size_t missing, dropped;
    if (ratings_load(&r, path, columns, false, &missing, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(ratings_finish(&r, REPEAT_ERROR, &dropped, &err), 0);
    assert_true(missing == 0 && dropped == 0);
    return r;
}

static comparisons read_comparisons(const char *path)
{
    comparisons c = {0};
    error err = {0};
    if (comparisons_load(&c, path, &(ratings_columns){0}, &err) < 0)
        fail_msg("%s", err.text);
    return c;
}

/* ---- Alpha ---- */

static void alpha_is_that_of_krippendorff(void **state)
{
    (void)state;
    ratings r = read_ratings("tests/data/ratings-scale.csv", &(ratings_columns){0});
    static const char *const names[] = {"nominal", "ordinal", "interval", "ratio"};
    for (int level = LEVEL_NOMINAL; level <= LEVEL_RATIO; level++) {
        agreement a, again;
        const agreement_options o = {(agreement_level)level, 500, 3};
        assert_int_equal(agreement_measure(&a, &r, &o, NULL), 0);
        assert_int_equal(agreement_measure(&again, &r, &o, NULL), 0);
        check(names[level], a.alpha, expected("alpha", names[level]), 1e-9);
        assert_true(a.low < a.alpha && a.alpha < a.high && a.se > 0);
        assert_true(a.low == again.low && a.se == again.se);
        /* A normal interval is about as wide. */
        assert_true(fabs((a.high - a.low) / (2 * 1.96 * a.se) - 1) < 0.15);
        agreement_free(&a);
        agreement_free(&again);
    }
    ratings_free(&r);
}

/* With one pair of raters, each one's alpha against the other is alpha itself. */
static void raters_alphas_are_alpha_for_two_raters(void **state)
{
    (void)state;
    ratings r = {0};
    size_t dropped;
    const char *const a[] = {"1", "2", "3", "3", "2", "1", "4", "1", "2"};
    const char *const b[] = {"1", "2", "3", "3", "2", "2", "4", "1", "2"};
    char item[] = "a";
    for (size_t i = 0; i < 9; i++, item[0]++) {
        assert_int_equal(ratings_add(&r, item, "x", a[i], 0, NULL), 0);
        assert_int_equal(ratings_add(&r, item, "y", b[i], 0, NULL), 0);
    }
    assert_int_equal(ratings_finish(&r, REPEAT_LAST, &dropped, NULL), 0);
    for (int level = LEVEL_NOMINAL; level <= LEVEL_RATIO; level++) {
        agreement m;
        const agreement_options o = {(agreement_level)level, 0, 1};
        assert_int_equal(agreement_measure(&m, &r, &o, NULL), 0);
        for (size_t k = 0; k < 2; k++) {
            assert_near(m.raters[k].alpha, m.alpha, 1e-12);
            assert_near(m.raters[k].agreement, 8.0 / 9, 1e-12);
        }
        assert_true(isnan(m.low));
        agreement_free(&m);
    }
    ratings_free(&r);
}

/* ---- More items than a matrix holds ---- */

/* 5,100 items in a ring: each meets the next four, who win and tie by turns. */
static comparisons make_ring(bool ties)
{
    enum { N = 5100 };
    comparisons c = {0};
    for (size_t i = 0; i < N; i++)
        for (size_t k = 1; k <= 4; k++) {
            char a[16], b[16];
            bool turned = (i * i + k) % 5 < 2;
            snprintf(a, sizeof a, "%zu", i);
            snprintf(b, sizeof b, "%zu", (i + k) % N);
            assert_int_equal(comparisons_add(&c, turned ? b : a, turned ? a : b, "",
                                             ties && (i + k) % 3 == 0, NULL),
                             0);
        }
    return c;
}

/* At the maximum, what each item won is what it should have won, and so are all ties. */
static void many_items_are_at_the_maximum(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        bool ties = kind % 2;
        const bradley_terry_options o = {kind < 2 ? 0 : 0.3, false, 0, 100};
        comparisons c = make_ring(ties);
        bradley_terry b;
        error err = {0};
        if (bradley_terry_fit(&b, &c, &o, &err) < 0)
            fail_msg("%s", err.text);
        double *excess = calloc(c.items.n, sizeof *excess), all_ties = 0;
        for (size_t i = 0; i < c.n; i++) {
            const comparison *x = &c.list[i];
            double won = exp(b.score[x->winner]), lost = exp(b.score[x->loser]);
            double tied = b.tie * sqrt(won * lost), sum = won + lost + tied;
            double points = x->tie ? 0.5 : 1, expected = (won + tied / 2) / sum;
            excess[x->winner] += points - expected;
            excess[x->loser] -= points - expected;
            all_ties += x->tie - tied / sum;
        }
        for (size_t i = 0; i < c.items.n; i++)
            assert_near(excess[i] - o.prior * b.score[i], 0, 1e-6);
        assert_near(all_ties, 0, 1e-4);
        assert_true(isnan(b.se[0]));
        assert_non_null(strstr(b.no_se, "too many items"));
        free(excess);
        bradley_terry_free(&b);
        comparisons_free(&c);
    }
    const bradley_terry_options o = {0, true, 0, 100};
    comparisons c = make_ring(false);
    bradley_terry b;
    assert_int_equal(bradley_terry_fit(&b, &c, &o, NULL), E_LIMIT);
    comparisons_free(&c);
}

/* ---- Dawid-Skene ---- */

static void dawid_skene_is_that_of_crowd_kit(void **state)
{
    (void)state;
    ratings r = read_ratings("tests/data/ratings-labels.csv",
                             &(ratings_columns){"task", "worker", "label", 0, 0, 0});
    dawid_skene d;
    const dawid_skene_options o = {0, 20000, 1e-12};
    assert_int_equal(dawid_skene_fit(&d, &r, &o, NULL), 0);
    assert_true(d.converged);
    size_t c = d.n_classes;
    assert_int_equal(c, 4);
    for (size_t z = 0; z < c; z++) {
        const char *truth = r.labels.names[d.order[z]];
        check(truth, d.share[z],
              json_object_get(expected("dawid-skene", "classes"), truth), 1e-6);
        for (size_t i = 0; i < r.items.n; i++)
            check(r.items.names[i], d.posterior[i * c + z],
                  json_object_get(
                      json_object_get(expected("dawid-skene", "items"), r.items.names[i]),
                      truth),
                  1e-6);
        for (size_t k = 0; k < r.raters.n; k++)
            for (size_t l = 0; l < c; l++) {
                char key[80];
                snprintf(key, sizeof key, "%s/%s", r.raters.names[k],
                         r.labels.names[d.order[l]]);
                const json_t *row =
                    json_object_get(expected("dawid-skene", "confusion"), key);
                if (row)
                    check(key, d.confusion[(k * c + z) * c + l],
                          json_object_get(row, truth), 1e-6);
            }
    }
    dawid_skene_free(&d);
    ratings_free(&r);
}

static double small_uniform(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (double)(*seed >> 33) / 2147483648.0;
}

/* Three raters who hardly know: EM needs tens of thousands of iterations here. */
static ratings hard_ratings(void)
{
    ratings r = {0};
    size_t dropped;
    uint64_t seed = 5;
    char item[16], rater[2] = "a";
    for (int i = 0; i < 300; i++) {
        int truth = small_uniform(&seed) < 0.4;
        snprintf(item, sizeof item, "%d", i);
        for (int k = 0; k < 3; k++) {
            int said = small_uniform(&seed) < 0.55 ? truth : !truth;
            rater[0] = (char)('a' + k);
            assert_int_equal(ratings_add(&r, item, rater, said ? "1" : "0", 0, NULL), 0);
        }
    }
    assert_int_equal(ratings_finish(&r, REPEAT_LAST, &dropped, NULL), 0);
    return r;
}

/* One plain step of EM from the fit's own numbers moves no posterior. */
static void check_fixed_point(const ratings *r, const dawid_skene *d, double tolerance)
{
    for (size_t i = 0, end; i < r->n; i = end) {
        double q[2] = {d->share[0], d->share[1]};
        const double *fitted = d->posterior + r->list[i].item * 2;
        for (end = i; end < r->n && r->list[end].item == r->list[i].item; end++)
            for (size_t z = 0; z < 2; z++)
                q[z] *= d->confusion[r->list[end].rater * 4 + z * 2 +
                                     (d->order[1] == r->list[end].label)];
        assert_near(q[0] / (q[0] + q[1]), fitted[0], tolerance);
    }
}

static void slow_labels_converge_to_a_maximum_and_never_fall(void **state)
{
    (void)state;
    ratings r = hard_ratings();
    for (size_t s = 0; s < 2; s++) {
        dawid_skene d;
        double last = -INFINITY;
        const double smoothing = s ? 1 : 0;
        /* Where longer steps begin. With smoothing it is not the likelihood
         * that never falls, but the likelihood with the prior. */
        for (size_t n = 2490; s == 0 && n < 2560; n += 3) {
            const dawid_skene_options o = {smoothing, n, 1e-8};
            assert_int_equal(dawid_skene_fit(&d, &r, &o, NULL), 0);
            assert_true(d.log_likelihood >= last - 1e-9);
            last = d.log_likelihood;
            dawid_skene_free(&d);
        }
        const dawid_skene_options o = {smoothing, 10000, 1e-8};
        assert_int_equal(dawid_skene_fit(&d, &r, &o, NULL), 0);
        assert_true(d.converged);
        assert_true(s == 1 || d.log_likelihood > last);
        check_fixed_point(&r, &d, 1e-7);
        dawid_skene_free(&d);
    }
    ratings_free(&r);
}

static void errors_of_dawid_skene_are_those_of_the_likelihood(void **state)
{
    (void)state;
    ratings r = read_ratings("tests/data/ratings-two.csv", &(ratings_columns){0});
    static const char *const names[] = {"ml", "smooth"};
    for (size_t s = 0; s < 2; s++) {
        dawid_skene d;
        const dawid_skene_options o = {s ? 2 : 0, 100000, 1e-13};
        assert_int_equal(dawid_skene_fit(&d, &r, &o, NULL), 0);
        assert_null(d.no_se);
        const json_t *x = json_object_get(expected("two", names[s]), "x");
        const json_t *se = json_object_get(expected("two", names[s]), "se");
        check("share", d.share[1], json_array_get(x, 0), 1e-5);
        check("share's se", d.share_se[1], json_array_get(se, 0), 1e-5);
        for (size_t z = 0; z < 2; z++)
            for (size_t k = 0; k < 4; k++) {
                check("yes", d.confusion[k * 4 + z * 2 + 1],
                      json_array_get(x, 1 + 4 * z + k), 1e-5);
                check("its se", d.confusion_se[k * 4 + z * 2 + 1],
                      json_array_get(se, 1 + 4 * z + k), 1e-5);
                assert_near(d.confusion_se[k * 4 + z * 2],
                            d.confusion_se[k * 4 + z * 2 + 1], 1e-12);
            }
        dawid_skene_free(&d);
    }
    ratings_free(&r);
}

/* ---- Bradley-Terry ---- */

static void scores_are_those_of_choix(void **state)
{
    (void)state;
    comparisons c = read_comparisons("tests/data/ratings-pairs.csv");
    static const char *const names[] = {"ml", "prior"};
    for (size_t i = 0; i < 2; i++) {
        bradley_terry b;
        const bradley_terry_options o = {i ? 0.5 : 0, false, 0, 100};
        assert_int_equal(bradley_terry_fit(&b, &c, &o, NULL), 0);
        check_pairs(&c.items, b.score, b.se, expected("bradley-terry", names[i]), 1e-6);
        assert_false(b.has_ties);
        bradley_terry_free(&b);
    }
    comparisons_free(&c);
}

static void ties_are_those_of_davidson_as_a_log_linear_model(void **state)
{
    (void)state;
    comparisons c = read_comparisons("tests/data/ratings-ties.csv");
    bradley_terry b;
    const bradley_terry_options o = {0, false, 0, 100};
    assert_int_equal(bradley_terry_fit(&b, &c, &o, NULL), 0);
    check_pairs(&c.items, b.score, b.se, expected("davidson", "items"), 1e-6);
    check("nu", b.tie, json_array_get(expected("davidson", "tie"), 0), 1e-6);
    check("se of nu", b.tie_se, json_array_get(expected("davidson", "tie"), 1), 1e-6);
    bradley_terry_free(&b);
    comparisons_free(&c);
}

static void reliabilities_are_those_of_scipy(void **state)
{
    (void)state;
    static const char *const names[] = {"pairs", "ties"};
    for (size_t i = 0; i < 2; i++) {
        comparisons c = read_comparisons(i ? "tests/data/ratings-ties.csv"
                                           : "tests/data/ratings-pairs.csv");
        bradley_terry b;
        error err = {0};
        const bradley_terry_options o = {0.2, true, 1, 10000};
        if (bradley_terry_fit(&b, &c, &o, &err) < 0)
            fail_msg("%s", err.text);
        const json_t *x = expected("crowd", names[i]);
        /* Second derivatives by differences carry about 1e-6 of the errors. */
        check_pairs(&c.items, b.score, b.se, json_object_get(x, "items"), 1e-4);
        check_pairs(&c.raters, b.reliability, b.reliability_se,
                    json_object_get(x, "raters"), 1e-4);
        bradley_terry_free(&b);
        comparisons_free(&c);
    }
}

static int fit_text(const char *csv, double prior, error *err)
{
    comparisons c = {0};
    bradley_terry b;
    const bradley_terry_options o = {prior, false, 0, 200};
    int rc = comparisons_parse(&c, csv, strlen(csv), "f", &(ratings_columns){0}, err);
    if (rc == 0)
        rc = bradley_terry_fit(&b, &c, &o, err);
    if (rc == 0)
        bradley_terry_free(&b);
    comparisons_free(&c);
    return rc;
}

static void scores_that_do_not_exist_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"winner,loser\na,b\nb,a\nc,d\nd,c\n", "never met"},
        {"winner,loser\na,b\nb,c\nc,b\n", "(\"a\") never lost"},
        {"winner,loser\na,b\nb,a\nc,a\nc,b\n", "1 of 3 items (\"c\") never lost"},
        {"winner,loser\na,b\nc,a\n", "1 of 3 items (\"c\") never lost"},
        {"winner,loser\na,b\nb,a\na,c\nb,c\n", "1 of 3 items (\"c\") never beat"},
        /* Ties join all three, and yet a may run away with nu. */
        {"winner,loser,tie\na,b,0\nb,c,1\na,c,1\n", "run apart"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        error err = {0};
        assert_int_equal(fit_text(cases[i].text, 0, &err), E_NUMERIC);
        if (!strstr(err.text, cases[i].said))
            fail_msg("case %zu: %s", i, err.text);
        if (i < 5)
            assert_int_equal(fit_text(cases[i].text, 0.1, &err), 0);
    }
    error err = {0};
    assert_int_equal(fit_text("winner,loser,tie\na,b,1\nb,a,1\n", 1, &err), E_FORMAT);
}

/* ---- Mixed ---- */

static void the_mixed_model_is_the_restricted_maximum(void **state)
{
    (void)state;
    ratings r = read_ratings("tests/data/ratings-scale.csv", &(ratings_columns){0});
    mixed m;
    const mixed_options o = {false, 10000};
    assert_int_equal(mixed_fit(&m, &r, &o, NULL), 0);
    assert_true(m.n_iterations < 500);
    check("mean", m.mean, expected("mixed", "mean"), 1e-5);
    check("its se", m.mean_se, expected("mixed", "mean_se"), 1e-5);
    check("log-likelihood", m.log_likelihood, expected("mixed", "log_likelihood"), 1e-7);
    const json_t *v = expected("mixed", "variance"),
                 *peer = expected("mixed", "statsmodels");
    check("items", m.v_item, json_object_get(v, "item"), 1e-5);
    check("raters", m.v_rater, json_object_get(v, "rater"), 1e-5);
    check("noise", m.v_noise, json_object_get(v, "residual"), 1e-5);
    check("items, statsmodels", m.v_item, json_object_get(peer, "item"), 1e-3);
    check("raters, statsmodels", m.v_rater, json_object_get(peer, "rater"), 1e-3);
    check("noise, statsmodels", m.v_noise, json_object_get(peer, "residual"), 1e-3);
    check_pairs(&r.items, m.item, m.item_se, expected("mixed", "items"), 1e-5);
    check_pairs(&r.raters, m.bias, m.bias_se, expected("mixed", "raters"), 1e-5);
    mixed_free(&m);
    ratings_free(&r);
}

/* Items and raters are treated alike but for the side that is eliminated. */
static void more_raters_than_items_is_the_same_model(void **state)
{
    (void)state;
    ratings r = read_ratings("tests/data/ratings-scale.csv", &(ratings_columns){0});
    ratings turned = read_ratings("tests/data/ratings-scale.csv",
                                  &(ratings_columns){"rater", "item", 0, 0, 0, 0});
    mixed a, b;
    const mixed_options o = {false, 10000};
    assert_int_equal(mixed_fit(&a, &r, &o, NULL), 0);
    assert_int_equal(mixed_fit(&b, &turned, &o, NULL), 0);
    assert_near(a.log_likelihood, b.log_likelihood, 1e-8);
    assert_near(a.mean_se, b.mean_se, 1e-5);
    for (size_t i = 0; i < r.items.n; i++)
        for (size_t k = 0; k < turned.raters.n; k++)
            if (strcmp(r.items.names[i], turned.raters.names[k]) == 0)
                assert_near(a.item[i] - a.mean, b.bias[k], 1e-5);
    mixed_free(&a);
    mixed_free(&b);
    ratings_free(&r);
    ratings_free(&turned);
}

/* Of five raters, one doubles differences and one is noisy: deterministic "noise" from
 * waves that no item shares. */
static void scales_and_noises_of_raters_are_found(void **state)
{
    (void)state;
    ratings r = {0};
    size_t dropped;
    static const double scale[] = {1, 1, 1, 2, 1}, noise[] = {0.2, 0.2, 0.2, 0.2, 1};
    char item[16], rater[2] = "a", value[32];
    for (int i = 0; i < 200; i++)
        for (int k = 0; k < 5; k++) {
            double u = sin(1.0 + 7.7 * i) * 1.4, e = sin(i * i * 1.3 + 17.0 * k * i + k);
            snprintf(item, sizeof item, "%d", i);
            rater[0] = (char)('a' + k);
            snprintf(value, sizeof value, "%.6f",
                     3 + 0.3 * k + scale[k] * u + noise[k] * 1.4 * e);
            assert_int_equal(ratings_add(&r, item, rater, value, 0, NULL), 0);
        }
    assert_int_equal(ratings_finish(&r, REPEAT_LAST, &dropped, NULL), 0);
    mixed m, plain;
    assert_int_equal(mixed_fit(&m, &r, &(mixed_options){true, 10000}, NULL), 0);
    assert_int_equal(mixed_fit(&plain, &r, &(mixed_options){false, 10000}, NULL), 0);
    for (size_t k = 0; k < 5; k++) {
        assert_near(m.scale[k] / m.scale[0], scale[k], 0.1);
        assert_near(m.noise[k], noise[k], 0.1);
        assert_near(m.bias[k] - m.bias[0], 0.3 * (double)k, 0.1);
    }
    assert_true(m.log_likelihood > plain.log_likelihood + 100);
    mixed_free(&m);
    mixed_free(&plain);
    ratings_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alpha_is_that_of_krippendorff),
        cmocka_unit_test(raters_alphas_are_alpha_for_two_raters),
        cmocka_unit_test(dawid_skene_is_that_of_crowd_kit),
        cmocka_unit_test(slow_labels_converge_to_a_maximum_and_never_fall),
        cmocka_unit_test(errors_of_dawid_skene_are_those_of_the_likelihood),
        cmocka_unit_test(scores_are_those_of_choix),
        cmocka_unit_test(ties_are_those_of_davidson_as_a_log_linear_model),
        cmocka_unit_test(reliabilities_are_those_of_scipy),
        cmocka_unit_test(scores_that_do_not_exist_are_refused_with_the_reason),
        cmocka_unit_test(the_mixed_model_is_the_restricted_maximum),
        cmocka_unit_test(scales_and_noises_of_raters_are_found),
        cmocka_unit_test(more_raters_than_items_is_the_same_model),
        cmocka_unit_test(many_items_are_at_the_maximum),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
