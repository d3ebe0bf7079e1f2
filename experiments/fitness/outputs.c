#include "outputs.h"

#include <stdlib.h>

void outputs_free(outputs *o)
{
    for (size_t i = 0; o->texts && i < o->sheet.contexts.n; i++)
        free(o->texts[i]);
    free(o->texts);
    sheet_free(&o->sheet);
    free(o->of);
    free(o->examples);
    free(o->seed_at);
}

static int list_outputs(const experiment *e, const measurement *batch, size_t n,
                        outputs *o, error *err)
{
    size_t rows = e->data->n, count = 0;
    o->n = n;
    o->of = array_new(n + 1, sizeof *o->of);
    o->examples = array_new(rows, sizeof *o->examples);
    o->seed_at = array_new(rows, sizeof *o->seed_at);
    if (!o->of || !o->examples || !o->seed_at)
        return error_memory(err, rows * sizeof *o->examples);
    for (size_t i = 0; i < n; i++) {
        o->of[i] = batch[i];
        for (size_t k = 0; k < batch[i].n; k++)
            o->seed_at[batch[i].examples[k]] = 1;
    }
    for (size_t x = 0; x < rows; x++)
        if (o->seed_at[x]) {
            o->seed_at[x] = count;
            o->examples[count++] = x;
        }
    o->of[n] = (measurement){.genome = &e->seeds[0], .examples = o->examples, .n = count};
    return 0;
}

int outputs_new(const experiment *e, const scorer *c, const measurement *batch, size_t n,
                outputs *o, error *err)
{
    sheet_maker maker = {e, model_tokenizer(scorer_model(c)), scorer_window(c)};
    *o = (outputs){0};
    int rc = list_outputs(e, batch, n, o, err);
    if (rc == 0)
        rc = sheet_new(&o->sheet, &maker, o->of, n + 1, err);
    if (rc == 0 && o->sheet.parts[n].failed)
        rc = error_set(err, E_LIMIT, "the seed prompt cannot answer: %s",
                       o->sheet.parts[n].reason);
    if (rc < 0)
        outputs_free(o);
    return rc;
}

int outputs_price(const experiment *e, scorer *c, const outputs *o, bool *charged,
                  expense *out, error *err)
{
    size_t n = o->sheet.contexts.n;
    *out = (expense){0};
    TRY(scorer_price(c, o->sheet.contexts.rows, n, &e->fitness.generation, &out->tokens,
                     charged, err));
    for (size_t i = 0; i < n; i++)
        out->evaluations += charged[i];
    return 0;
}

int outputs_show(const outputs *o, const bool *shown, panel *p, error *err)
{
    const sheet_part *parts = o->sheet.parts;
    for (size_t i = 0, at = 0; i < o->n; i++)
        for (size_t k = 0; !parts[i].failed && k < o->of[i].n; k++, at++) {
            size_t x = o->of[i].examples[k];
            const char *said = o->texts[parts[i].first_pair + k];
            const char *anchor = o->texts[parts[o->n].first_pair + o->seed_at[x]];
            if (!shown || shown[at])
                TRY(panel_add(p, i, x, said, anchor, err));
        }
    return 0;
}
