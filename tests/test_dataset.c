/* Data files: what is read, what is refused and how it is said, splits and leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "../experiments/definition/dataset.h"
#include "scratch.h"

static dataset *parse(const char *bytes, dataset_format format,
                      const dataset_fields *fields)
{
    dataset *d = NULL;
    error err = {0};
    if (dataset_parse(&d, bytes, strlen(bytes), format, "f", fields, &err) < 0)
        fail_msg("%s", err.text);
    return d;
}

static void assert_row(const dataset *d, size_t i, size_t line, const char *input,
                       const char *target)
{
    assert_true(i < d->n);
    assert_int_equal(d->examples[i].line, line);
    assert_string_equal(d->examples[i].values[0], input);
    assert_string_equal(d->examples[i].targets[0], target);
}

static const char *value_of(const dataset *d, size_t i, const char *field)
{
    size_t f = dataset_field(d, field);
    assert_true(f < d->n_fields);
    return d->examples[i].values[f];
}

/* ---- What is read ---- */

static void jsonl_rows_keep_lines_fields_and_all_targets(void **state)
{
    (void)state;
    dataset *d = parse("\xef\xbb\xbf{\"input\":\"a\\u00e9\",\"target\":\"b\"}\r\n"
                       "\n"
                       "{\"label\":7,\"input\":true,\"extra\":-3}\n"
                       "{\"targets\":[\"x\",\"y\"],\"input\":\" c \",\"meta\":{\"z\":1}}",
                       DATASET_JSONL, NULL);
    assert_int_equal(d->n, 3);
    assert_int_equal(d->n_fields, 2); /* objects are no fields */
    assert_row(d, 0, 1, "a\xc3\xa9", "b");
    assert_row(d, 1, 3, "true", "7");
    assert_row(d, 2, 4, " c ", "x");
    assert_int_equal(d->examples[2].n_targets, 2);
    assert_string_equal(d->examples[2].targets[1], "y");
    assert_string_equal(value_of(d, 0, "extra"), "");
    assert_string_equal(value_of(d, 1, "extra"), "-3");
    dataset_free(d);
}

static void csv_follows_rfc_4180(void **state)
{
    (void)state;
    dataset *d = parse("\xef\xbb\xbfinput,note,target\r\n"
                       "\"a, \"\"b\"\"\",,\"two\r\nlines\"\r\n"
                       "\r\n"
                       "plain, spaced ,t",
                       DATASET_CSV, NULL);
    assert_int_equal(d->n, 2);
    assert_row(d, 0, 2, "a, \"b\"", "two\r\nlines");
    assert_row(d, 1, 5, "plain", "t");
    assert_string_equal(value_of(d, 1, "note"), " spaced ");
    dataset_free(d);
}

static void tsv_has_no_quoting(void **state)
{
    (void)state;
    dataset *d = parse("input\tlabel\n\"a\tb, \"\"c\r\n", DATASET_TSV, NULL);
    assert_int_equal(d->n, 1);
    assert_row(d, 0, 2, "\"a", "b, \"\"c");
    dataset_free(d);
}

static void columns_can_be_mapped(void **state)
{
    (void)state;
    const dataset_fields fields = {.input = "word", .target = "opposite"};
    dataset *d = parse("{\"word\":\"hot\",\"opposite\":\"cold\",\"target\":\"t\"}",
                       DATASET_JSONL, &fields);
    assert_row(d, 0, 1, "hot", "cold");
    assert_string_equal(value_of(d, 0, "target"), "t");
    dataset_free(d);
    d = parse("opposite,word\ncold,hot\n", DATASET_CSV, &fields);
    assert_row(d, 0, 2, "hot", "cold");
    dataset_free(d);
}

static void ids_tell_contents_apart(void **state)
{
    (void)state;
    dataset *d = parse("{\"input\":\"ab\",\"target\":\"c\"}\n"
                       "{\"input\":\"a\",\"target\":\"bc\"}\n"
                       "{\"input\":\"ab\",\"target\":\"c\"}\n"
                       "{\"input\":\"ab\",\"targets\":[\"c\",\"d\"]}\n"
                       "{\"input\":\"ab\",\"target\":\"c\",\"x\":\"y\"}\n"
                       "{\"input\":\"ab\",\"target\":\"c\",\"x\":\"\"}\n",
                       DATASET_JSONL, NULL);
    assert_string_equal(d->examples[0].id, d->examples[2].id);
    assert_string_equal(d->examples[0].id, d->examples[5].id);
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < i; j++)
            if (!(i == 2 && j == 0))
                assert_string_not_equal(d->examples[i].id, d->examples[j].id);
    dataset_free(d);
}

static void the_format_goes_by_suffix(void **state)
{
    (void)state;
    char *folder = scratch_new(), path[4096];
    snprintf(path, sizeof path, "%s/rows.csv", folder);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("input,target\na,b\n", f);
    assert_int_equal(fclose(f), 0);
    dataset *d;
    error err = {0};
    assert_int_equal(dataset_load(&d, path, NULL, &err), 0);
    assert_string_equal(d->path, path);
    assert_row(d, 0, 2, "a", "b");
    dataset_free(d);
    assert_int_equal(dataset_load(&d, "rows.txt", NULL, &err), E_UNSUPPORTED);
    assert_string_equal(err.text, "rows.txt: data is read by suffix, which must be "
                                  ".jsonl, .ndjson, .csv or .tsv");
    assert_int_equal(dataset_load(&d, "/nowhere/rows.csv", NULL, &err), E_IO);
    scratch_remove(folder);
}

/* ---- What is refused ---- */

typedef struct refusal {
    dataset_format format;
    const char *bytes;
    size_t n; /* 0: up to the NUL */
    int code;
    const char *expected;
} refusal;

static const refusal refusals[] = {
    {DATASET_JSONL, "", 0, E_FORMAT, "f has no rows"},
    {DATASET_JSONL, "\n \n", 0, E_FORMAT, "f has no rows"},
    {DATASET_JSONL, "{\"target\":\"b\"}", 0, E_FORMAT,
     "f:1: no field \"input\" in this row"},
    {DATASET_JSONL, "{\"input\":\"a\"}", 0, E_FORMAT,
     "f:1: no field \"target\" (nor \"targets\" or \"label\") in this row"},
    {DATASET_JSONL, "{\"input\":null,\"target\":\"b\"}", 0, E_FORMAT,
     "f:1: no field \"input\" in this row"},
    {DATASET_JSONL,
     "{\"input\":\"a\",\"target\":\"b\"}\n{\"input\":\"a\",\"target\":\" \"}", 0,
     E_FORMAT, "f:2: the target is empty"},
    {DATASET_JSONL, "{\"input\":\"a\",\"targets\":[]}", 0, E_FORMAT,
     "f:1: \"targets\" is an empty list"},
    {DATASET_JSONL, "{\"input\":\"a\",\"targets\":[\"b\",{}]}", 0, E_FORMAT,
     "f:1: \"targets\" is not a text"},
    {DATASET_JSONL, "{\"input\":\"\",\"target\":\"b\"}", 0, E_FORMAT,
     "f:1: the input (\"input\") is empty"},
    {DATASET_JSONL, "{\"input\":[\"a\"],\"target\":\"b\"}", 0, E_FORMAT,
     "f:1: \"input\" is not a text"},
    {DATASET_JSONL, "{\"input\":1.50,\"target\":\"b\"}", 0, E_FORMAT,
     "f:1: \"input\" is a fractional number: put it in quotes, so that it is read digit "
     "for digit"},
    {DATASET_JSONL, "[1]", 0, E_FORMAT,
     "f:1: not a JSON object such as {\"input\": …, \"target\": …}"},
    {DATASET_JSONL, "{\"input\":\"a\",}", 0, E_FORMAT,
     "f:1:14: not a JSON object: string or '}' expected near '}'"},
    {DATASET_JSONL, "{\"input\":\"a\",\"input\":\"b\",\"target\":\"c\"}", 0, E_FORMAT,
     "f:1:20: not a JSON object: duplicate object key near '\"input\"'"},
    {DATASET_JSONL, "{\"input\":\"\xc3(\",\"target\":\"b\"}", 0, E_FORMAT,
     "f:1: byte 11 of the row (0xc3) is not valid UTF-8"},
    {DATASET_JSONL, "{\"input\":\"a\0\"}", 14, E_FORMAT,
     "f:1: byte 12 of the row is NUL"},
    {DATASET_CSV, "", 0, E_FORMAT, "f is empty: it needs a header"},
    {DATASET_CSV, "input,target\n", 0, E_FORMAT, "f has no rows"},
    {DATASET_CSV, "inptu,target\na,b\n", 0, E_FORMAT,
     "f:1: the header has no column \"input\", but \"inptu\", \"target\"; did you mean "
     "\"inptu\"?"},
    {DATASET_CSV, "input,answer\na,b\n", 0, E_FORMAT,
     "f:1: the header has no column \"target\" (nor \"label\"), but \"input\", "
     "\"answer\""},
    {DATASET_CSV, "input,,target\na,b,c\n", 0, E_FORMAT,
     "f:1: column 2 of the header has no name"},
    {DATASET_CSV, "input,target,input\na,b,c\n", 0, E_FORMAT,
     "f:1: the header names column \"input\" twice"},
    {DATASET_CSV, "input,target\na,b\na\n", 0, E_FORMAT,
     "f:3: the row has 1 columns, the header has 2"},
    {DATASET_CSV, "input,target\na,b,c\n", 0, E_FORMAT,
     "f:2: the row has 3 columns, the header has 2"},
    {DATASET_CSV, "input,target\n\"a\n\nb,c\n", 0, E_FORMAT,
     "f:2: the quote that opens here is never closed"},
    {DATASET_CSV, "input,target\n\"a\"b,c\n", 0, E_FORMAT,
     "f:2: column 1 goes on after its closing quote: a quote inside a quoted cell is "
     "written twice"},
    {DATASET_CSV, "input,target\na,b\"c\n", 0, E_FORMAT,
     "f:2: a quote inside column 2, which does not begin with one: quote the whole cell "
     "and double its quotes"},
    {DATASET_CSV, "input,target\na,\n", 0, E_FORMAT, "f:2: the target is empty"},
    {DATASET_CSV, "input,target\n,a\n", 0, E_FORMAT,
     "f:2: the input (\"input\") is empty"},
    {DATASET_CSV, "input,target\na\0,b\n", 18, E_FORMAT, "f:2: a NUL byte"},
    {DATASET_CSV, "input,target\n\xff,b\n", 0, E_FORMAT,
     "f:2: byte 1 of the row (0xff) is not valid UTF-8"},
};

static void bad_rows_are_refused_by_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const refusal *r = &refusals[i];
        dataset *d = NULL;
        error err = {0};
        size_t n = r->n ? r->n : strlen(r->bytes);
        int rc = dataset_parse(&d, r->bytes, n, r->format, "f", NULL, &err);
        if (rc != r->code || strcmp(err.text, r->expected) != 0)
            fail_msg("case %zu: %d \"%s\", expected %d \"%s\"", i, rc, err.text, r->code,
                     r->expected);
        assert_null(d);
    }
}

static void a_mapped_column_that_is_missing_is_named(void **state)
{
    (void)state;
    dataset *d;
    error err = {0};
    const dataset_fields fields = {.input = "wrod", .target = NULL};
    const char row[] = "{\"word\":\"a\",\"target\":\"b\"}";
    assert_int_equal(
        dataset_parse(&d, row, strlen(row), DATASET_JSONL, "f", &fields, &err), E_FORMAT);
    assert_string_equal(err.text,
                        "f:1: no field \"wrod\" in this row; did you mean \"word\"?");
}

static void too_many_columns_are_refused(void **state)
{
    (void)state;
    text t = {0};
    for (int i = 0; i < 70; i++)
        assert_int_equal(text_add_format(&t, NULL,
                                         "{\"input\":\"a\",\"target\":\"b\",\"c%d\":1}\n",
                                         i),
                         0);
    dataset *d;
    error err = {0};
    assert_int_equal(dataset_parse(&d, t.s, t.n, DATASET_JSONL, "f", NULL, &err),
                     E_LIMIT);
    assert_string_equal(err.text,
                        "f:64: column \"c63\" is one more than the limit of 64");
    text_free(&t);
}

static long peak_kib(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

static void a_line_of_100_mb_is_refused_without_reading_it_all(void **state)
{
    (void)state;
    static const struct {
        const char *name, *begin;
    } files[] = {{"long.jsonl", "{\"input\":\""}, {"long.csv", "input,target\n\""}};
    char *folder = scratch_new();
    for (size_t i = 0; i < 2; i++) {
        char path[4096], expected[4200];
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        fputs(files[i].begin, f);
        static char part[1 << 16];
        memset(part, 'x', sizeof part);
        for (int k = 0; k < 1600; k++)
            assert_int_equal(fwrite(part, sizeof part, 1, f), 1);
        assert_int_equal(fclose(f), 0);
        long before = peak_kib();
        dataset *d;
        error err = {0};
        assert_int_equal(dataset_load(&d, path, NULL, &err), E_LIMIT);
        snprintf(expected, sizeof expected,
                 "%s:%d: the %s is longer than the limit of "
                 "16777216 bytes%s",
                 path, i ? 2 : 1, i ? "row" : "line",
                 i ? " (is a closing quote missing?)" : "");
        assert_string_equal(err.text, expected);
        assert_true(peak_kib() - before < 64 << 10);
    }
    scratch_remove(folder);
}

/* ---- Splits ---- */

/* n rows; row i has input i / twins. */
static dataset *numbered(size_t n, size_t twins)
{
    text t = {0};
    for (size_t i = 0; i < n; i++)
        assert_int_equal(text_add_format(&t, NULL,
                                         "{\"input\":\"%zu\",\"target\":\"%zu\"}\n",
                                         i / twins, i),
                         0);
    dataset *d = parse(t.s, DATASET_JSONL, NULL);
    text_free(&t);
    return d;
}

static void splits_are_disjoint_full_and_keep_equal_inputs_together(void **state)
{
    (void)state;
    for (size_t twins = 1; twins <= 4; twins++) {
        dataset *d = numbered(60, twins);
        const size_t wanted[N_SPLITS] = {24, 12, 24};
        for (uint64_t seed = 0; seed < 20; seed++) {
            split splits[N_SPLITS];
            error err = {0};
            if (dataset_split(d, wanted, seed, splits, &err) < 0)
                fail_msg("%s", err.text);
            size_t place[60] = {0}, place_of_input[60] = {0};
            for (size_t s = 0; s < N_SPLITS; s++) {
                assert_int_equal(splits[s].n, wanted[s]);
                for (size_t i = 0; i < splits[s].n; i++) {
                    size_t row = splits[s].index[i], input = row / twins;
                    assert_int_equal(place[row], 0);
                    place[row] = s + 1;
                    assert_true(!place_of_input[input] || place_of_input[input] == s + 1);
                    place_of_input[input] = s + 1;
                }
            }
            assert_int_equal(dataset_check_leaks(d, splits, &err), 0);
            splits_free(splits);
        }
        dataset_free(d);
    }
}

static void splits_depend_on_their_seed_alone(void **state)
{
    (void)state;
    dataset *d = numbered(50, 1);
    const size_t wanted[N_SPLITS] = {20, 10, 20};
    split a[N_SPLITS], b[N_SPLITS], c[N_SPLITS];
    assert_int_equal(dataset_split(d, wanted, 0, a, NULL), 0);
    assert_int_equal(dataset_split(d, wanted, 0, b, NULL), 0);
    assert_int_equal(dataset_split(d, wanted, 1, c, NULL), 0);
    assert_memory_equal(a[0].index, b[0].index, 20 * sizeof(size_t));
    assert_memory_not_equal(a[0].index, c[0].index, 20 * sizeof(size_t));
    /* Recorded, so that splits never change under anybody's results. */
    static const size_t first[] = {18, 39, 45};
    assert_memory_equal(a[0].index, first, sizeof first);
    splits_free(a);
    splits_free(b);
    splits_free(c);
    dataset_free(d);
}

static void impossible_splits_say_why(void **state)
{
    (void)state;
    dataset *d = numbered(12, 4);
    split splits[N_SPLITS];
    error err = {0};
    const size_t large[N_SPLITS] = {5, 5, 5}, odd[N_SPLITS] = {4, 4, 3},
                 huge[N_SPLITS] = {SIZE_MAX, 1, 1};
    assert_int_equal(dataset_split(d, large, 0, splits, &err), E_LIMIT);
    assert_string_equal(err.text, "splits of 5 (search), 5 (selection) and 5 (final) "
                                  "rows do not fit into the 12 rows of f");
    assert_int_equal(dataset_split(d, huge, 0, splits, &err), E_LIMIT);
    assert_int_equal(dataset_split(d, odd, 0, splits, &err), E_FORMAT);
    assert_string_equal(err.text,
                        "f: the 12 rows have only 3 different inputs, and equal inputs "
                        "must stay in one split: splits of 4, 4 and 3 rows cannot be "
                        "filled so; ask for fewer, or remove rows");
    dataset_free(d);
}

static void leaks_name_both_lines(void **state)
{
    (void)state;
    dataset *d = numbered(6, 2);
    size_t a[] = {0, 2}, b[] = {4}, c[] = {5}, same[] = {2};
    const split input_in_two[N_SPLITS] = {{a, 2}, {b, 1}, {c, 1}};
    const split row_in_two[N_SPLITS] = {{a, 2}, {b, 1}, {same, 1}};
    error err = {0};
    assert_int_equal(dataset_check_leaks(d, input_in_two, &err), E_FORMAT);
    assert_string_equal(err.text, "f: the input \"2\" of line 5 (selection split) is "
                                  "also on line 6 (final split): what is judged on one "
                                  "split must not be known from another");
    assert_int_equal(dataset_check_leaks(d, row_in_two, &err), E_FORMAT);
    dataset_free(d);
}

static void a_column_can_name_the_splits(void **state)
{
    (void)state;
    dataset *d = parse("input,target,part\na,1,final\nb,1,search\nc,1,\nd,1,selection\n"
                       "e,1,search\n",
                       DATASET_CSV, NULL);
    split splits[N_SPLITS];
    assert_int_equal(dataset_split_by_field(d, dataset_field(d, "part"), splits, NULL),
                     0);
    assert_int_equal(splits[SPLIT_SEARCH].n, 2);
    assert_int_equal(splits[SPLIT_SEARCH].index[0], 1);
    assert_int_equal(splits[SPLIT_SEARCH].index[1], 4);
    assert_int_equal(splits[SPLIT_SELECTION].index[0], 3);
    assert_int_equal(splits[SPLIT_FINAL].index[0], 0);
    splits_free(splits);
    dataset_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jsonl_rows_keep_lines_fields_and_all_targets),
        cmocka_unit_test(csv_follows_rfc_4180),
        cmocka_unit_test(tsv_has_no_quoting),
        cmocka_unit_test(columns_can_be_mapped),
        cmocka_unit_test(ids_tell_contents_apart),
        cmocka_unit_test(the_format_goes_by_suffix),
        cmocka_unit_test(bad_rows_are_refused_by_line),
        cmocka_unit_test(a_mapped_column_that_is_missing_is_named),
        cmocka_unit_test(too_many_columns_are_refused),
        cmocka_unit_test(a_line_of_100_mb_is_refused_without_reading_it_all),
        cmocka_unit_test(splits_are_disjoint_full_and_keep_equal_inputs_together),
        cmocka_unit_test(splits_depend_on_their_seed_alone),
        cmocka_unit_test(impossible_splits_say_why),
        cmocka_unit_test(leaks_name_both_lines),
        cmocka_unit_test(a_column_can_name_the_splits),
    };
    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
