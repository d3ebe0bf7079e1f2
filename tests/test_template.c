/* Templates: variables, escapes, the shape of a prompt, rendering as text and as chat. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../experiments/definition/template.h"
#include "tokenizer_fixture.h"

static const binding bindings[] = {{"input", "hot"}, {"who", "Ann"}, {"empty", ""}};
enum { N_BINDINGS = sizeof bindings / sizeof *bindings };

static void assert_renders(const char *source, const char *expected)
{
    template_text t;
    text out = {0};
    error err = {0};
    assert_int_equal(template_parse(&t, source, &err), 0);
    assert_string_equal(t.source, source);
    assert_int_equal(template_render(&t, bindings, N_BINDINGS, &out, &err), 0);
    assert_string_equal(text_string(&out), expected);
    text_free(&out);
    template_free(&t);
}

static void variables_are_filled_in_and_all_else_stays(void **state)
{
    (void)state;
    assert_renders("", "");
    assert_renders("no variable } {x} }}", "no variable } {x} }}");
    assert_renders("{{input}}{{who}}", "hotAnn");
    assert_renders(" {{ input }}\n\t{{\twho }} ", " hot\n\tAnn ");
    assert_renders("{{{{input}} is {{input}}", "{{input}} is hot");
    assert_renders("{\"a\": {{input}}}", "{\"a\": hot}");
    assert_renders("[{{empty}}]", "[]");
}

static void values_are_not_templates(void **state)
{
    (void)state;
    const binding tricky[] = {{"input", "{{who}}"}};
    template_text t;
    text out = {0};
    assert_int_equal(template_parse(&t, "{{input}}", NULL), 0);
    assert_int_equal(template_render(&t, tricky, 1, &out, NULL), 0);
    assert_string_equal(out.s, "{{who}}");
    text_free(&out);
    template_free(&t);
}

static void assert_refused(const char *source, const char *expected)
{
    template_text t;
    error err = {0};
    assert_int_equal(template_parse(&t, source, &err), E_FORMAT);
    assert_string_equal(err.text, expected);
}

static void malformed_variables_are_refused_with_their_line(void **state)
{
    (void)state;
    assert_refused("a\nb {{input", "line 2 of the template: {{ is not followed by a name "
                                   "and }} at \"{{input\"; to write {{ itself, write "
                                   "{{{{");
    assert_refused("{{in}put}}", "line 1 of the template: {{ is not followed by a name "
                                 "and }} at \"{{in}put}}\"; to write {{ itself, write "
                                 "{{{{");
    assert_refused("{{ }}", "line 1 of the template: the name between {{ and }} has 0 "
                            "bytes; 1 to 200 are possible");
}

static void an_unbound_variable_is_an_error(void **state)
{
    (void)state;
    template_text t;
    text out = {0};
    error err = {0};
    assert_int_equal(template_parse(&t, "{{input}} {{nobody}}", &err), 0);
    assert_int_equal(template_render(&t, bindings, N_BINDINGS, &out, &err), E_ARGUMENT);
    assert_string_equal(err.text, "nothing is bound to {{nobody}}");
    text_free(&out);
    template_free(&t);
}

/* ---- Prompts ---- */

static void text_is_split_at_the_target(void **state)
{
    (void)state;
    prompt_template p = {0};
    text context = {0}, tail = {0};
    assert_int_equal(template_parse(&p.body, "{{who}}: {{input}} = {{target}}.\n", NULL),
                     0);
    assert_int_equal(prompt_check(&p, NULL), 0);
    assert_int_equal(
        prompt_render(&p, NULL, bindings, N_BINDINGS, "cold", &context, &tail, NULL), 0);
    assert_string_equal(context.s, "Ann: hot = ");
    assert_string_equal(tail.s, "cold.\n");
    text_free(&context);
    text_free(&tail);
    prompt_template_free(&p);
}

/* A chat of n messages; contents and roles alternate. */
static prompt_template chat_of(const char *const *parts, size_t n)
{
    prompt_template p = {.messages = array_new(n, sizeof *p.messages), .n_messages = n};
    assert_non_null(p.messages);
    for (size_t i = 0; i < n; i++) {
        p.messages[i].role = string_copy(parts[2 * i]);
        assert_non_null(p.messages[i].role);
        assert_int_equal(template_parse(&p.messages[i].content, parts[2 * i + 1], NULL),
                         0);
    }
    return p;
}

static void a_chat_goes_through_the_tokenizers_format(void **state)
{
    (void)state;
    const char *const parts[] = {"system",     "Be {{who}}.", "user",
                                 "{{input}}?", "assistant",   "It is {{target}}!"};
    prompt_template p = chat_of(parts, 3);
    vocabulary_fixture v;
    tokenizer *t;
    vocabulary_fixture_open(&v);
    v.source.chat_template = "{{'<|im_start|>' + message['role']}}<|im_end|>";
    text context = {0}, tail = {0};
    error err = {0};
    if (tokenizer_new(&t, &v.source, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(prompt_check(&p, &err), 0);
    if (prompt_render(&p, t, bindings, N_BINDINGS, "cold", &context, &tail, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(context.s, "<|im_start|>system\nBe Ann.<|im_end|>\n"
                                   "<|im_start|>user\nhot?<|im_end|>\n"
                                   "<|im_start|>assistant\nIt is ");
    assert_string_equal(tail.s, "cold!");
    text_free(&context);
    text_free(&tail);
    tokenizer_free(t);
    vocabulary_fixture_close(&v);
    prompt_template_free(&p);
}

static void a_chat_without_a_tokenizer_is_refused(void **state)
{
    (void)state;
    const char *const parts[] = {"user", "{{input}}", "assistant", "{{target}}"};
    prompt_template p = chat_of(parts, 2);
    text context = {0}, tail = {0};
    assert_int_equal(
        prompt_render(&p, NULL, bindings, N_BINDINGS, "cold", &context, &tail, NULL),
        E_ARGUMENT);
    text_free(&context);
    text_free(&tail);
    prompt_template_free(&p);
}

static void assert_shape(const char *source, const char *expected)
{
    prompt_template p = {0};
    error err = {0};
    assert_int_equal(template_parse(&p.body, source, NULL), 0);
    assert_int_equal(prompt_check(&p, &err), E_FORMAT);
    assert_string_equal(err.text, expected);
    prompt_template_free(&p);
}

static void prompts_without_question_or_answer_are_refused(void **state)
{
    (void)state;
    assert_shape("{{target}}", "the template has no {{input}}: the model would never see "
                               "the question");
    assert_shape("{{input}}",
                 "the template has no {{target}}: it ends where the answer goes");
    assert_shape("{{input}} {{target}} {{target}}",
                 "the template has {{target}} 2 times: the answer must stand in one "
                 "place");
    assert_shape("{{target}} {{input}}",
                 "{{input}} comes after {{target}}: only literal text may, since the "
                 "model has answered by then");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_are_filled_in_and_all_else_stays),
        cmocka_unit_test(values_are_not_templates),
        cmocka_unit_test(malformed_variables_are_refused_with_their_line),
        cmocka_unit_test(an_unbound_variable_is_an_error),
        cmocka_unit_test(text_is_split_at_the_target),
        cmocka_unit_test(a_chat_goes_through_the_tokenizers_format),
        cmocka_unit_test(a_chat_without_a_tokenizer_is_refused),
        cmocka_unit_test(prompts_without_question_or_answer_are_refused),
    };
    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
