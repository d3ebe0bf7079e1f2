/* Penalised logistic and ridge regression against scikit-learn. */
#include "fixture.h"

#include "../rater/linear_fit.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct fit_case {
    double *x, *y;
    fit_rows rows;
} fit_case;

static double *read_numbers(const json_t *list, size_t n)
{
    double *out = array_new(n, sizeof *out);
    assert_int_equal(json_array_size(list), n);
    for (size_t i = 0; i < n; i++)
        out[i] = json_number_value(json_array_get(list, i));
    return out;
}

static void case_open(fit_case *c, const json_t *of)
{
    size_t n = (size_t)json_integer_value(json_object_get(of, "n"));
    size_t p = (size_t)json_integer_value(json_object_get(of, "p"));
    c->x = read_numbers(json_object_get(of, "x"), n * p);
    c->y = read_numbers(json_object_get(of, "y"), n);
    c->rows = (fit_rows){.x = c->x, .y = c->y, .n = n, .p = p, .stride = p};
}

static void case_close(fit_case *c)
{
    free(c->x);
    free(c->y);
}

static int fit(bool ridge, const fit_rows *r, double lambda, double *w, double *b,
               error *err)
{
    *b = 0;
    return ridge ? ridge_fit(r, lambda, w, b, err) : logistic_fit(r, lambda, w, err);
}

static void check_case(bool ridge, const json_t *of, double begin)
{
    fit_case c;
    size_t i;
    const json_t *want;
    case_open(&c, of);
    double *w = array_new(c.rows.p, sizeof *w), b;
    json_array_foreach(json_object_get(of, "fits"), i, want)
    {
        error err = {0};
        const json_t *list = json_object_get(want, "w");
        double lambda = json_number_value(json_object_get(want, "lambda"));
        double intercept = json_number_value(json_object_get(want, "intercept"));
        for (size_t j = 0; j < c.rows.p; j++)
            w[j] = begin;
        if (fit(ridge, &c.rows, lambda, w, &b, &err) < 0)
            fail_msg("%s", err.text);
        for (size_t j = 0; j < c.rows.p; j++) {
            double known = json_number_value(json_array_get(list, j));
            if (!(fabs(w[j] - known) < 1e-4))
                fail_msg("%zu rows of %zu, lambda %g: weight %zu is %.9g, not %.9g",
                         c.rows.n, c.rows.p, lambda, j, w[j], known);
        }
        assert_true(fabs(b - intercept) < 1e-4);
    }
    free(w);
    case_close(&c);
}

static void check_cases(const char *name, bool ridge)
{
    size_t i;
    const json_t *of;
    char path[FIXTURE_PATH_BYTES];
    json_t *file = json_load_file(fixture_path(path, "linear-fits.json"), 0, NULL);
    assert_true(json_array_size(json_object_get(file, name)) >= 3);
    json_array_foreach(json_object_get(file, name), i, of)
    {
        check_case(ridge, of, 0);
        check_case(ridge, of, 2); /* wherever the search begins */
    }
    json_decref(file);
}

static void logistic_fits_equal_scikit_learn(void **state)
{
    (void)state;
    check_cases("logistic", false);
}

static void ridge_fits_equal_scikit_learn(void **state)
{
    (void)state;
    check_cases("ridge", true);
}

static void the_two_forms_agree(void **state)
{
    (void)state;
    /* columns of zeros change nothing but which form is used */
    enum { N = 7, P = 3, WIDE = 20 };
    double x[N * P], wide[N * WIDE] = {0}, y[N];
    for (size_t i = 0; i < N; i++) {
        y[i] = (double)(i % 3) / 2;
        for (size_t j = 0; j < P; j++)
            x[i * P + j] = wide[i * WIDE + j] = sin((double)(i * 5 + j * 3 + 1));
    }
    const fit_rows rows[] = {{x, y, N, P, P}, {wide, y, N, WIDE, WIDE}};
    for (int ridge = 0; ridge < 2; ridge++) {
        double w[WIDE] = {0}, v[WIDE] = {0}, b, c;
        assert_int_equal(fit(ridge, &rows[0], 0.7, w, &b, NULL), 0);
        assert_int_equal(fit(ridge, &rows[1], 0.7, v, &c, NULL), 0);
        for (size_t j = 0; j < P; j++)
            assert_true(fabs(w[j] - v[j]) < 1e-7);
        for (size_t j = P; j < WIDE; j++)
            assert_true(v[j] == 0);
        assert_true(fabs(b - c) < 1e-9);
    }
}

static void only_the_first_columns_of_a_stride_count(void **state)
{
    (void)state;
    const double x[] = {1, 99, 2, NAN, -1, 7}, y[] = {1, 1, 0}, dense[] = {1, 2, -1};
    double w = 0, v = 0;
    assert_int_equal(logistic_fit(&(fit_rows){x, y, 3, 1, 2}, 1, &w, NULL), 0);
    assert_int_equal(logistic_fit(&(fit_rows){dense, y, 3, 1, 1}, 1, &v, NULL), 0);
    assert_true(w == v && w > 0);
}

static void the_logistic_function_has_no_overflow(void **state)
{
    (void)state;
    assert_true(logistic(0) == 0.5 && logistic(1000) == 1 && logistic(-1000) == 0);
    assert_true(log_logistic(-1000) == -1000 && log_logistic(1000) == 0);
    assert_true(fabs(log_logistic(-0.3) - log(logistic(-0.3))) < 1e-15);
}

static void fits_of_nothing_are_refused(void **state)
{
    (void)state;
    error err = {0};
    double x[] = {1, NAN}, y[] = {1, 0}, w = 7, b = 7;
    for (int ridge = 0; ridge < 2; ridge++) {
        assert_int_equal(fit(ridge, &(fit_rows){x, y, 0, 1, 1}, 1, &w, &b, &err),
                         E_ARGUMENT);
        assert_int_equal(fit(ridge, &(fit_rows){x, y, 1, 1, 1}, 0, &w, &b, &err),
                         E_ARGUMENT);
        assert_int_equal(fit(ridge, &(fit_rows){x, y, 1, 1, 1}, NAN, &w, &b, &err),
                         E_ARGUMENT);
        assert_int_equal(fit(ridge, &(fit_rows){x, y, 2, 1, 1}, 1, &w, &b, &err),
                         E_NUMERIC);
        assert_non_null(strstr(err.text, "row 1"));
        assert_true(w == 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logistic_fits_equal_scikit_learn),
        cmocka_unit_test(ridge_fits_equal_scikit_learn),
        cmocka_unit_test(the_two_forms_agree),
        cmocka_unit_test(only_the_first_columns_of_a_stride_count),
        cmocka_unit_test(the_logistic_function_has_no_overflow),
        cmocka_unit_test(fits_of_nothing_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
