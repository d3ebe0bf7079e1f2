/* Scores are what the model says of exactly the right tokens; prices are exact; what was
 * computed is not computed again, and what was charged is not charged again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/fitness/answer.h"
#include "../experiments/fitness/lm_row.h"
#include "../experiments/fitness/propose_lm.h"
#include "fixture.h"
#include "scratch.h"
#include "small_lm.h"

typedef struct bench {
    char *dir;
    experiment *e;
    store *store; /* NULL: nothing is kept */
    judge j;
} bench;

static void open_bench(bench *w, const char *file, const char *const *set, size_t n,
                       bool keep)
{
    error err = {0};
    w->store = NULL;
    w->dir = scratch_new();
    w->e = small_lm_experiment(w->dir, file, set, n);
    if (keep)
        assert_int_equal(store_open(&w->store, w->dir, true, &err), 0);
    small_lm_judge(&w->j, w->e, w->store);
}

static void close_bench(bench *w)
{
    judge_close(&w->j);
    store_close(w->store);
    experiment_free(w->e);
    scratch_remove(w->dir);
}

static void assert_bits(double a, double b)
{
    assert_memory_equal(&a, &b, sizeof a);
}

/* ---- Rows ---- */

static void encode(const tokenizer *t, const char *context, const char *target,
                   const char *rest, row *r)
{
    char tail[200];
    error err = {0};
    snprintf(tail, sizeof tail, "%s%s", target, rest);
    row_text x = {.context = context,
                  .n_context = strlen(context),
                  .tail = tail,
                  .n_tail = strlen(tail),
                  .n_target = strlen(target)};
    if (row_encode(r, t, &x, &err) < 0)
        fail_msg("%s", err.text);
}

static void free_row(row *r)
{
    free((int32_t *)(uintptr_t)r->tokens);
}

/* The bytes of the row's tokens [from, to). */
static void assert_spells(const tokenizer *t, const row *r, size_t from, size_t to,
                          const char *expected)
{
    text s = {0};
    error err = {0};
    assert_int_equal(tokenizer_decode(t, r->tokens + from, to - from, true, &s, &err), 0);
    assert_string_equal(text_string(&s), expected);
    text_free(&s);
}

static void test_every_token_that_covers_a_target_byte_is_a_target(void **state)
{
    (void)state;
    bench w;
    row r;
    open_bench(&w, "tiny-f32.gguf", NULL, 0, false);
    const tokenizer *t = model_tokenizer(w.j.model);
    encode(t, "the opposite of hot is ", "cold", "\nmore text", &r);
    assert_spells(t, &r, 0, r.n_context, "the opposite of hot is");
    assert_spells(t, &r, r.n_context, r.n, " cold"); /* begins with a context byte */
    free_row(&r);
    encode(t, "the opposite of hot is", " cold", "", &r);
    assert_spells(t, &r, r.n_context, r.n, " cold");
    free_row(&r);
    encode(t, "the op", "pos", "ite", &r); /* one token covers all three */
    text all = {0};
    error err = {0};
    assert_int_equal(tokenizer_decode(t, r.tokens, r.n, true, &all, &err), 0);
    assert_true(strlen(all.s) >= strlen("the oppos"));
    assert_int_equal(strncmp(all.s, "the oppos", 9), 0);
    text_free(&all);
    free_row(&r);
    close_bench(&w);
}

static void test_a_row_begins_as_the_models_policy_says(void **state)
{
    (void)state;
    bench w;
    row r;
    open_bench(&w, "tiny-q8_0.gguf", NULL, 0, false); /* a model that adds a BOS */
    const tokenizer *t = model_tokenizer(w.j.model);
    const tokenizer_info *info = tokenizer_describe(t);
    assert_true(info->add_bos);
    encode(t, "", "cold", "", &r);
    assert_int_equal(r.tokens[0], info->bos);
    assert_int_equal(r.n_context, 1);
    assert_spells(t, &r, 1, r.n, "cold");
    free_row(&r);
    close_bench(&w);

    open_bench(&w, "tiny-f32.gguf", NULL, 0, false);
    t = model_tokenizer(w.j.model);
    row_text x = {.context = "", .tail = "t", .n_tail = 1, .n_target = 1};
    error err = {0};
    assert_int_equal(row_encode(&r, t, &x, &err), E_LIMIT); /* nothing predicts it */
    close_bench(&w);
}

/* ---- Scores ---- */

static void measure(bench *w, const genome *g, const size_t *examples, size_t n,
                    double *scores, double *penalty, expense *spent)
{
    error err = {0};
    measurement m = {.genome = g, .examples = examples, .n = n, .scores = scores};
    expense price = {0};
    if (w->j.objective->cost(w->j.objective, &m, 1, &price, &err) < 0 ||
        w->j.objective->measure(w->j.objective, &m, 1, spent, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(m.status, FITNESS_DONE);
    if (w->e->fitness.kind == FITNESS_LOGPROB || fitness_chooses(w->e->fitness.kind))
        assert_int_equal(price.tokens, spent->tokens);
    else
        assert_true(price.tokens >= spent->tokens);
    assert_int_equal(price.evaluations, spent->evaluations);
    if (penalty)
        *penalty = m.penalty;
}

/* ln p of a text after another, straight from the session. */
static row_score score_text(bench *w, const char *context, const char *target)
{
    row r;
    row_score x;
    error err = {0};
    encode(model_tokenizer(w->j.model), context, target, "", &r);
    if (model_score(w->j.session, &r, 1, &x, NULL, &err) < 0)
        fail_msg("%s", err.text);
    free_row(&r);
    return x;
}

static const size_t some_examples[] = {0, 1, 2, 5, 7};

static void test_logprob_is_the_models_for_the_rendered_text(void **state)
{
    (void)state;
    const char *set[2][1] = {{"fitness.per_token=true"}, {"fitness.per_token=false"}};
    for (size_t k = 0; k < 2; k++) {
        bench w;
        double scores[5];
        expense spent = {0};
        open_bench(&w, "tiny-f32.gguf", set[k], 1, false);
        measure(&w, &w.e->seeds[0], some_examples, 5, scores, NULL, &spent);
        for (size_t i = 0; i < 5; i++) {
            char context[100];
            const example *x = &w.e->data->examples[some_examples[i]];
            snprintf(context, sizeof context, "the opposite of: %s ", x->values[0]);
            row_score alone = score_text(&w, context, x->targets[0]);
            assert_true(alone.n_targets > 0);
            assert_bits(scores[i],
                        k ? alone.logprob : alone.logprob / (double)alone.n_targets);
        }
        assert_int_equal(spent.evaluations, 5);
        close_bench(&w);
    }
}

static void test_the_best_of_several_targets_counts(void **state)
{
    (void)state;
    bench w;
    double both, first, second;
    expense spent = {0};
    open_bench(&w, "tiny-f32.gguf", NULL, 0, false);
    example *x = &w.e->data->examples[0];
    char cold[] = "cold", hill[] = "hill", *one[] = {cold}, *other[] = {hill},
         *two[] = {cold, hill}, **own = x->targets;
    x->targets = one;
    measure(&w, &w.e->seeds[0], some_examples, 1, &first, NULL, &spent);
    x->targets = other;
    measure(&w, &w.e->seeds[0], some_examples, 1, &second, NULL, &spent);
    x->targets = two;
    x->n_targets = 2;
    measure(&w, &w.e->seeds[0], some_examples, 1, &both, NULL, &spent);
    assert_int_equal(spent.tokens, 0); /* both rows were paid for */
    assert_int_equal(spent.evaluations, 0);
    assert_true(first != second);
    assert_bits(both, first > second ? first : second);
    x->targets = own;
    x->n_targets = 1;
    close_bench(&w);
}

/* ln p of a label of the example, less what it has under an empty input. */
static double score_label(bench *w, const example *x, const char *label, bool calibrate)
{
    char context[100];
    snprintf(context, sizeof context, "the opposite of: %s ", x->values[0]);
    double p = score_text(w, context, label).logprob;
    return calibrate ? p - score_text(w, "the opposite of:  ", label).logprob : p;
}

static void test_accuracy_takes_the_likeliest_label_calibrated_or_not(void **state)
{
    (void)state;
    for (int calibrate = 0; calibrate < 2; calibrate++) {
        const char *set[] = {"fitness={kind: accuracy, labels: [cold, tall, hill]}",
                             calibrate ? "fitness.calibrate=true"
                                       : "fitness.calibrate=false"};
        static const char *const labels[] = {"cold", "tall", "hill"};
        bench w;
        double scores[5];
        expense spent = {0};
        open_bench(&w, "tiny-f32.gguf", set, 2, false);
        measure(&w, &w.e->seeds[0], some_examples, 5, scores, NULL, &spent);
        for (size_t i = 0; i < 5; i++) {
            const example *x = &w.e->data->examples[some_examples[i]];
            size_t best = 0;
            double most = -INFINITY;
            for (size_t l = 0; l < 3; l++) {
                double p = score_label(&w, x, labels[l], calibrate);
                if (p > most) {
                    most = p;
                    best = l;
                }
            }
            assert_bits(scores[i], strcmp(labels[best], x->targets[0]) == 0);
        }
        close_bench(&w);
    }
}

static void test_label_logprob_is_the_share_of_the_right_labels(void **state)
{
    (void)state;
    static const char *const labels[] = {"cold", "tall", "hill"};
    for (int calibrate = 0; calibrate < 2; calibrate++) {
        const char *set[] = {"fitness={kind: label_logprob, labels: [cold, tall, hill]}",
                             calibrate ? "fitness.calibrate=true"
                                       : "fitness.calibrate=false"};
        bench w;
        double scores[5], hits = 0;
        expense spent = {0};
        error err = {0};
        open_bench(&w, "tiny-f32.gguf", set, 2, false);
        measurement m = {.genome = &w.e->seeds[0],
                         .examples = some_examples,
                         .n = 5,
                         .scores = scores};
        example *two = &w.e->data->examples[some_examples[0]];
        char cold[] = "cold", hill[] = "hill", *both[] = {cold, hill};
        char **own = two->targets;
        two->targets = both;
        two->n_targets = 2;
        assert_int_equal(w.j.objective->measure(w.j.objective, &m, 1, &spent, &err), 0);
        for (size_t i = 0; i < 5; i++) {
            const example *x = &w.e->data->examples[some_examples[i]];
            double all = 0, right = 0, most = 0;
            bool is_most_right = false;
            for (size_t l = 0; l < 3; l++) {
                double p = exp(score_label(&w, x, labels[l], calibrate));
                bool is_right = strcmp(labels[l], x->targets[0]) == 0 ||
                                (i == 0 && strcmp(labels[l], hill) == 0);
                all += p;
                right += is_right ? p : 0;
                if (p > most) {
                    most = p;
                    is_most_right = is_right;
                }
            }
            assert_true(fabs(scores[i] - log(right / all)) < 1e-9);
            hits += is_most_right;
        }
        assert_bits(m.first_choice, hits / 5);
        two->targets = own;
        two->n_targets = 1;
        close_bench(&w);
    }
}

static void test_generated_text_is_compared_and_remembered(void **state)
{
    (void)state;
    const char *set[] = {"fitness={kind: exact, max_tokens: 6}"};
    bench w;
    double score;
    error err = {0};
    expense spent = {0};
    open_bench(&w, "tiny-f32.gguf", set, 1, true);
    example *x = &w.e->data->examples[0];
    row r;
    char *said = NULL;
    const char context[] = "the opposite of: thing 0"; /* without its last space */
    assert_int_equal(row_encode_context(&r, model_tokenizer(w.j.model), context,
                                        strlen(context), false, &err),
                     0);
    sampling g = w.e->fitness.generation;
    assert_int_equal(scorer_generate(w.j.scorer, &r, 1, &g, &said, &spent, &err), 0);
    assert_true(spent.tokens >= r.n);
    char *own = x->targets[0];
    x->targets[0] = said;
    measure(&w, &w.e->seeds[0], some_examples, 1, &score, NULL, &spent);
    assert_bits(score, 1);
    assert_int_equal(spent.tokens, 0);
    char other[] = "something else";
    x->targets[0] = other;
    measure(&w, &w.e->seeds[0], some_examples, 1, &score, NULL, &spent);
    assert_bits(score, 0);
    x->targets[0] = own;
    free(said);
    free_row(&r);
    close_bench(&w);
}

static void test_length_and_fluency_are_taken_off(void **state)
{
    (void)state;
    const char *set[] = {"fitness.length_weight=0.5", "fitness.fluency_weight=0.25"};
    bench w;
    double scores[5], penalty = 0;
    error err = {0};
    expense spent = {0};
    row r;
    row_score x;
    open_bench(&w, "tiny-f32.gguf", set, 2, false);
    const tokenizer *t = model_tokenizer(w.j.model);
    measure(&w, &w.e->seeds[0], some_examples, 5, scores, &penalty, &spent);
    assert_int_equal(row_encode_context(&r, t, "the opposite of", 15, false, &err), 0);
    r.n_context = 1;
    assert_int_equal(model_score(w.j.session, &r, 1, &x, NULL, &err), 0);
    double expected = 0.5 * (double)r.n + 0.25 * (-x.logprob / (double)(r.n - 1));
    assert_true(fabs(penalty - expected) < 1e-12);
    free_row(&r);
    close_bench(&w);
}

/* ---- The window ---- */

static void test_a_candidate_that_does_not_fit_fails_with_the_reason(void **state)
{
    (void)state;
    bench w;
    error err = {0};
    double scores[2];
    genome g;
    open_bench(&w, "tiny-f32.gguf", NULL, 0, false);
    assert_int_equal(genome_copy(&g, &w.e->seeds[0], &err), 0);
    text much = {0};
    for (int i = 0; i < 80; i++)
        assert_int_equal(text_add_string(&much, "hot ", &err), 0);
    assert_int_equal(gene_set_text(&g.genes[0], much.s, NULL, 0, &err), 0);
    measurement m[2] = {
        {.genome = &g, .examples = some_examples, .n = 1, .scores = scores},
        {.genome = &w.e->seeds[0],
         .examples = some_examples,
         .n = 1,
         .scores = scores + 1}};
    expense spent = {0};
    assert_int_equal(w.j.objective->measure(w.j.objective, m, 2, &spent, &err), 0);
    assert_int_equal(m[0].status, FITNESS_FAILED);
    assert_non_null(strstr(m[0].reason, "window of 64"));
    assert_non_null(strstr(m[0].reason, "line 1"));
    assert_int_equal(m[1].status, FITNESS_DONE);
    assert_int_equal(spent.evaluations, 1);

    genome own = w.e->seeds[0];
    assert_int_equal(fitness_lm_check_seeds(w.e, w.j.model, &err), 0);
    w.e->seeds[0] = g;
    assert_int_equal(fitness_lm_check_seeds(w.e, w.j.model, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "seed prompt 1"));
    assert_non_null(strstr(err.text, "window of 64"));
    w.e->seeds[0] = own;
    genome_free(&g);
    text_free(&much);
    close_bench(&w);
}

/* ---- Memory and money ---- */

static void test_the_store_gives_the_same_bits_and_the_same_charge(void **state)
{
    (void)state;
    char *dir = scratch_new();
    experiment *e = small_lm_experiment(dir, "tiny-q4_1.gguf", NULL, 0);
    double scores[3][5];
    expense spent[3] = {{0}};
    for (int round = 0; round < 3; round++) {
        error err = {0};
        store *s = NULL;
        judge j;
        assert_int_equal(store_open(&s, dir, true, &err), 0);
        small_lm_judge(&j, e, s);
        measurement m = {.genome = &e->seeds[0],
                         .examples = some_examples,
                         .n = 5,
                         .scores = scores[round]};
        double before = session_spent(j.session).multiply_adds;
        assert_int_equal(j.objective->measure(j.objective, &m, 1, &spent[round], &err),
                         0);
        assert_int_equal(session_spent(j.session).multiply_adds == before, round > 0);
        expense again = {0};
        assert_int_equal(j.objective->measure(j.objective, &m, 1, &again, &err), 0);
        assert_int_equal(again.tokens + again.evaluations, 0);
        judge_close(&j);
        store_close(s);
    }
    assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
    assert_memory_equal(scores[0], scores[2], sizeof scores[0]);
    assert_int_equal(spent[0].tokens, spent[1].tokens);
    assert_int_equal(spent[0].evaluations, 5);
    assert_int_equal(spent[1].evaluations, 5);
    experiment_free(e);
    scratch_remove(dir);
}

static void test_company_slices_and_threads_change_no_bit(void **state)
{
    (void)state;
    double alone[12], together[12], slow[12];
    size_t all[12];
    const char *one[] = {"engine.threads=1"}, *two[] = {"engine.threads=2"};
    for (size_t i = 0; i < 12; i++)
        all[i] = i;
    bench w;
    expense spent = {0};
    open_bench(&w, "tiny-f32.gguf", one, 1, false);
    measure(&w, &w.e->seeds[0], all, 12, together, NULL, &spent);
    close_bench(&w);
    open_bench(&w, "tiny-f32.gguf", one, 1, false);
    for (size_t i = 12; i-- > 0;)
        measure(&w, &w.e->seeds[0], &all[i], 1, &alone[i], NULL, &spent);
    close_bench(&w);
    open_bench(&w, "tiny-f32.gguf", two, 1, false);
    measure(&w, &w.e->seeds[0], all, 12, slow, NULL, &spent);
    close_bench(&w);
    assert_memory_equal(together, alone, sizeof alone);
    assert_memory_equal(together, slow, sizeof slow);
}

/* ---- Proposals ---- */

static void free_words(char **words, int n)
{
    for (int i = 0; i < n; i++)
        free(words[i]);
}

static void test_proposals_are_words_that_fit_ranked_and_charged(void **state)
{
    (void)state;
    bench w;
    error err = {0};
    open_bench(&w, "tiny-f32.gguf", NULL, 0, false);
    paid_proposer *p = w.j.proposer;
    const genome *g = &w.e->seeds[0];
    char *words[8], *again[8];
    for (size_t begin = 0; begin < 3; begin++)
        for (size_t end = begin; end < 3; end++) {
            p->spent = (expense){0};
            p->allowance = UINT64_MAX;
            int n = p->proposer.words(&p->proposer, &w.e->spec, g, 0, begin, end, 8,
                                      words, &err);
            if (n < 0)
                fail_msg("%s", err.text);
            assert_true(n <= 4); /* model_words */
            for (int i = 0; i < n; i++) {
                assert_null(strpbrk(words[i], " \n\t"));
                if (end == begin + 1)
                    assert_string_not_equal(words[i], g->genes[0].words[begin].s);
            }
            p->spent = (expense){0};
            int m = p->proposer.words(&p->proposer, &w.e->spec, g, 0, begin, end, 8,
                                      again, &err);
            assert_int_equal(m, n);
            for (int i = 0; i < n; i++)
                assert_string_equal(words[i], again[i]);
            assert_int_equal(p->spent.tokens, 0); /* paid for already */
            free_words(words, n);
            free_words(again, m);
        }
    close_bench(&w);
}

static void test_proposals_stay_within_their_allowance(void **state)
{
    (void)state;
    error err = {0};
    char *words[8];
    bool offered = false;
    for (uint64_t allowance = 0; allowance < 120; allowance += 9) {
        bench w;
        open_bench(&w, "tiny-f32.gguf", NULL, 0, false);
        paid_proposer *p = w.j.proposer;
        p->allowance = allowance;
        int n = p->proposer.words(&p->proposer, &w.e->spec, &w.e->seeds[0], 0, 1, 2, 8,
                                  words, &err);
        assert_true(n >= 0);
        assert_true(p->spent.tokens <= allowance);
        if (n > 0) /* ranked, hence charged for more than the first look */
            assert_true(p->spent.tokens > 5);
        offered = offered || n > 0;
        free_words(words, n);
        close_bench(&w);
    }
    assert_true(offered);
}

/* ---- Answers ---- */

static void test_exact_answers_are_trimmed_and_case_counts(void **state)
{
    (void)state;
    char a[] = " cold\n", b[] = "very cold", *targets[] = {a, b};
    assert_true(answer_exact("cold", targets, 2) == 1);
    assert_true(answer_exact("\t very cold  ", targets, 2) == 1);
    assert_true(answer_exact("Cold", targets, 2) == 0);
    assert_true(answer_exact("very  cold", targets, 2) == 0);
    assert_true(answer_exact("", targets, 2) == 0);
}

static double f1_of(const char *answer, const char *target)
{
    double x = -1;
    error err = {0};
    char *copy = string_copy(target), *targets[] = {copy};
    assert_int_equal(answer_f1(answer, targets, 1, &x, &err), 0);
    free(copy);
    return x;
}

static void test_token_f1_is_that_of_squad(void **state)
{
    (void)state;
    assert_true(f1_of("The cat, sat!", "a cat sat") == 1);
    assert_true(f1_of("", "") == 1);
    assert_true(f1_of("the", "") == 1); /* nothing is left of an article */
    assert_true(f1_of("", "cat") == 0);
    assert_true(f1_of("cat cat", "cat") == 2.0 / 3); /* a bag: one in common */
    assert_true(fabs(f1_of("big red dog", "small red dog runs") - 4.0 / 7) < 1e-15);
    assert_true(f1_of("well-known", "wellknown") == 1); /* punctuation goes, no space */
    double x = 0;
    error err = {0};
    char a[] = "no", b[] = "red dog", *targets[] = {a, b};
    assert_int_equal(answer_f1("red", targets, 2, &x, &err), 0);
    assert_true(fabs(x - 2.0 / 3) < 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_token_that_covers_a_target_byte_is_a_target),
        cmocka_unit_test(test_a_row_begins_as_the_models_policy_says),
        cmocka_unit_test(test_logprob_is_the_models_for_the_rendered_text),
        cmocka_unit_test(test_the_best_of_several_targets_counts),
        cmocka_unit_test(test_accuracy_takes_the_likeliest_label_calibrated_or_not),
        cmocka_unit_test(test_label_logprob_is_the_share_of_the_right_labels),
        cmocka_unit_test(test_generated_text_is_compared_and_remembered),
        cmocka_unit_test(test_length_and_fluency_are_taken_off),
        cmocka_unit_test(test_a_candidate_that_does_not_fit_fails_with_the_reason),
        cmocka_unit_test(test_the_store_gives_the_same_bits_and_the_same_charge),
        cmocka_unit_test(test_company_slices_and_threads_change_no_bit),
        cmocka_unit_test(test_proposals_are_words_that_fit_ranked_and_charged),
        cmocka_unit_test(test_proposals_stay_within_their_allowance),
        cmocka_unit_test(test_exact_answers_are_trimmed_and_case_counts),
        cmocka_unit_test(test_token_f1_is_that_of_squad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
