/* Reading data and kept experiments, and writing them, when memory runs out: at every
 * single allocation, in turn. YAML is left out: what libfyaml does then is not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../experiments/definition/experiment.h"
#include "survive.h"

static int read_rows(const char *input, dataset_format format, error *err)
{
    static const size_t wanted[N_SPLITS] = {2, 1, 1};
    dataset *d;
    split splits[N_SPLITS];
    TRY(dataset_parse(&d, input, strlen(input), format, "f", NULL, err));
    int rc = dataset_split(d, wanted, 0, splits, err);
    if (rc == 0) {
        rc = dataset_check_leaks(d, splits, err);
        splits_free(splits);
    }
    dataset_free(d);
    return rc;
}

static int read_rows_of_jsonl(const char *input, error *err)
{
    return read_rows(input, DATASET_JSONL, err);
}

static int read_rows_of_csv(const char *input, error *err)
{
    return read_rows(input, DATASET_CSV, err);
}

static int restore_render_and_dump(const char *input, error *err)
{
    experiment *e;
    char *dump;
    text context = {0}, tail = {0};
    TRY(experiment_restore(&e, input, err));
    int rc = experiment_dump(e, &dump, err);
    if (rc == 0) {
        free(dump);
        rc = experiment_render(e, NULL, &e->seeds[0], 0, "x", &context, &tail, err);
    }
    text_free(&context);
    text_free(&tail);
    experiment_free(e);
    return rc;
}

static bool is_memory(int rc)
{
    return rc == E_MEMORY || rc == E_EXTERNAL || rc == E_IO;
}

/* jansson takes some failures for bad syntax. */
static bool is_memory_or_format(int rc)
{
    return is_memory(rc) || rc == E_FORMAT;
}

static void data_files_survive(void **state)
{
    (void)state;
    assert_survives(read_rows_of_jsonl,
                    "{\"input\":\"a\",\"targets\":[\"b\",\"c\"],\"x\":1}\n"
                    "{\"input\":\"b\",\"target\":\"c\",\"y\":\"z\"}\n"
                    "{\"input\":\"c\",\"target\":\"d\"}\n"
                    "{\"input\":\"d\",\"target\":\"e\"}\n",
                    is_memory_or_format, 60);
    assert_survives(read_rows_of_csv,
                    "input,target,note\n\"a\",b,\nc,d,e\nf,g,h\ni,j,k\nl,m,n\n",
                    is_memory, 40);
}

static void kept_experiments_survive(void **state)
{
    (void)state;
    const char *tests = getenv("LAMARCK_TESTS");
    char path[4096], *dump;
    experiment *e;
    error err = {0};
    snprintf(path, sizeof path, "%s/valid/every_key.yaml", tests ? tests : "tests");
    if (experiment_load(&e, path, NULL, &err) < 0 || experiment_dump(e, &dump, &err) < 0)
        fail_msg("%s", err.text);
    experiment_free(e);
    assert_survives(restore_render_and_dump, dump, is_memory_or_format, 400);
    free(dump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_files_survive),
        cmocka_unit_test(kept_experiments_survive),
    };
    return cmocka_run_group_tests_name("experiment memory", tests, NULL, NULL);
}
