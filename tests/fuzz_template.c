/* Templates of hostile text: what parses renders, and the parts of a prompt put together
 * are its text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../experiments/definition/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const binding bindings[] = {{"input", "I"}, {"target", "T"}, {"gene", "G g"}};
enum { N_BINDINGS = sizeof bindings / sizeof *bindings };

static void check_prompt(prompt_template *p)
{
    text context = {0}, tail = {0}, whole = {0};
    if (prompt_check(p, NULL) == 0 &&
        prompt_render(p, NULL, bindings, N_BINDINGS, "T", &context, &tail, NULL) == 0) {
        if (template_render(&p->body, bindings, N_BINDINGS, &whole, NULL) < 0 ||
            whole.n != context.n + tail.n || memcmp(whole.s, context.s, context.n) != 0 ||
            memcmp(whole.s + context.n, tail.s, tail.n) != 0)
            abort();
    }
    text_free(&context);
    text_free(&tail);
    text_free(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *source = bytes_copy(data, size);
    prompt_template p = {0};
    error err = {0};
    if (source && template_parse(&p.body, source, &err) == 0) {
        for (size_t i = 0; i < p.body.n; i++)
            if (!p.body.pieces[i].literal == !p.body.pieces[i].variable)
                abort();
        check_prompt(&p);
    } else if (source && err.code != E_FORMAT) {
        abort();
    }
    prompt_template_free(&p);
    free(source);
    return 0;
}
