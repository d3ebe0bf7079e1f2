/* Data files of hostile bytes, in each format: what is accepted is whole, and splits of
 * it do not leak. The first byte chooses the format. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/definition/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const dataset *d)
{
    if (!d->n || strcmp(d->fields[0], "input") != 0)
        abort();
    for (size_t i = 0; i < d->n; i++) {
        const example *x = &d->examples[i];
        if (!x->n_targets || !*x->values[0] || strlen(x->id) != SHA256_HEX - 1)
            abort();
        for (size_t f = 0; f < d->n_fields; f++)
            if (utf8_check(x->values[f], strlen(x->values[f])) < strlen(x->values[f]))
                abort();
        for (size_t t = 0; t < x->n_targets; t++)
            if (!*x->targets[t])
                abort();
    }
}

static void check_splits(const dataset *d)
{
    const size_t wanted[N_SPLITS] = {d->n / 2, d->n / 4, d->n / 4};
    split splits[N_SPLITS];
    if (dataset_split(d, wanted, d->n, splits, NULL) < 0)
        return;
    if (dataset_check_leaks(d, splits, NULL) < 0)
        abort();
    splits_free(splits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    dataset *d;
    error err = {0};
    if (size == 0)
        return 0;
    dataset_format format = (dataset_format)(data[0] % 3);
    if (dataset_parse(&d, (const char *)data + 1, size - 1, format, "f", NULL, &err) < 0)
        return 0;
    check(d);
    check_splits(d);
    dataset_free(d);
    return 0;
}
