/* Experiment files and kept experiments of hostile bytes: what loads dumps, and the dump
 * restores to itself. The first byte chooses which of the two the rest is.
 *
 * Data come from tests/valid beside the file, so run it in the repository's root. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/definition/experiment.h"
#include "../experiments/definition/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 itself loses a buffer on some malformed texts. What we forget to give
 * back to it is for the tests to find, which suppress nothing of it. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml";
}

static void check_dump(experiment *e)
{
    char *first, *second;
    experiment *again;
    error err = {0};
    if (experiment_dump(e, &first, &err) < 0 ||
        experiment_restore(&again, first, &err) < 0 ||
        experiment_dump(again, &second, &err) < 0 || strcmp(first, second) != 0)
        abort();
    experiment_free(again);
    free(first);
    free(second);
    text t = {0};
    for (size_t i = 0; i < e->n_seeds; i++)
        if (experiment_prompt_text(e, &e->seeds[i], &t, &err) < 0)
            abort();
    text_free(&t);
    experiment_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    experiment *e = NULL;
    error err = {0};
    if (size == 0)
        return 0;
    char *bytes = bytes_copy(data + 1, size - 1);
    int rc;
    if (!bytes)
        return 0;
    if (data[0] % 2)
        rc = experiment_restore(&e, bytes, &err);
    else
        rc = experiment_parse(&e, bytes, size - 1, "tests/valid/fuzz.yaml", NULL, &err);
    free(bytes);
    if (rc == 0)
        check_dump(e);
    else if (!err.text[0])
        abort();
    return 0;
}
