/* The small vocabulary and the hostile texts of tests/data/tokenizer
 * (tests/fixtures/make_tokenizer.py says how they are made and written). */
#ifndef LAMARCK_TESTS_TOKENIZER_FIXTURE_H
#define LAMARCK_TESTS_TOKENIZER_FIXTURE_H

#include "../model/tokenizer.h"

typedef struct vocabulary_fixture {
    void *json; /* owns the strings */
    const char **tokens, **merges;
    int32_t *types;
    tokenizer_source source; /* without special ids; pre is "gpt-2" */
} vocabulary_fixture;

void vocabulary_fixture_open(vocabulary_fixture *f);
void vocabulary_fixture_close(vocabulary_fixture *f);

/* One line of cases.txt. */
typedef struct tokenizer_case {
    size_t line;
    bool special;
    text bytes;
    int32_t *ids; /* (n) what the reference gives in the column asked for */
    size_t n;
} tokenizer_case;

/* Columns of cases.txt. */
enum { CASE_GPT2 = 1, CASE_SMOLLM, CASE_LLAMA_BPE, CASE_QWEN2, CASE_SMOLLM2 };

/* Call `each` for every case of a column; returns how many there were. Those that the
 * column leaves out ("-") are not counted. */
size_t tokenizer_cases(int column,
                       void (*each)(const tokenizer_case *c, const tokenizer *t),
                       const tokenizer *t);

#endif
