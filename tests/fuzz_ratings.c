/* Tables of hostile bytes as ratings and comparisons: what is accepted is whole, and what
 * aggregation makes of it is a result or an error. The first byte chooses. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include <gsl/gsl_errno.h>

#include "../experiments/definition/ratings_file.h"
#include "../rater/agreement.h"
#include "../rater/bradley_terry.h"
#include "../rater/dawid_skene.h"
#include "../rater/mixed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 64 }; /* names, so that every input is quick */

static void use_comparisons(const char *bytes, size_t n, bool reliability)
{
    comparisons c = {0};
    bradley_terry b;
    error err = {0};
    if (comparisons_parse(&c, bytes, n, "f", &(ratings_columns){0}, &err) < 0)
        return;
    const bradley_terry_options o = {reliability ? 0.1 : 0, reliability, 1, 100};
    if (c.items.n <= MOST && bradley_terry_fit(&b, &c, &o, &err) == 0) {
        for (size_t i = 0; i < c.items.n; i++)
            if (!isfinite(b.score[i]))
                abort();
        bradley_terry_free(&b);
    } else if (c.items.n <= MOST && !err.code) {
        abort();
    }
    comparisons_free(&c);
}

static void use_ratings(const ratings *r, unsigned method)
{
    agreement a;
    dawid_skene d;
    mixed m;
    const agreement_options alpha = {(agreement_level)(method % 4), 10, 1};
    const dawid_skene_options skene = {method % 2, 50, 1e-6};
    if (agreement_measure(&a, r, &alpha, NULL) == 0) {
        if (!(a.alpha <= 1 + 1e-9))
            abort();
        agreement_free(&a);
    }
    if (dawid_skene_fit(&d, r, &skene, NULL) == 0) {
        for (size_t i = 0; i < r->items.n * d.n_classes; i++)
            if (!(d.posterior[i] >= 0 && d.posterior[i] <= 1))
                abort();
        dawid_skene_free(&d);
    }
    if (mixed_fit(&m, r, &(mixed_options){method % 2, 20}, NULL) == 0)
        mixed_free(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    gsl_set_error_handler_off();
    const char *bytes = (const char *)data + 1;
    if (data[0] % 3 == 0) {
        use_comparisons(bytes, size - 1, data[0] & 1);
        return 0;
    }
    ratings r = {0};
    size_t missing, dropped;
    if (ratings_parse(&r, bytes, size - 1, "f", &(ratings_columns){0}, false, &missing,
                      NULL) < 0)
        return 0;
    size_t n = r.n;
    if (ratings_finish(&r, REPEAT_LAST, &dropped, NULL) < 0 || r.n + dropped != n || !r.n)
        abort();
    if (r.items.n <= MOST && r.raters.n <= MOST && r.labels.n <= MOST)
        use_ratings(&r, data[0] / 3);
    ratings_free(&r);
    return 0;
}
