#include "sheet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Rows ---- */

typedef struct builder {
    const sheet_maker *maker;
    sheet *sheet;
    text context, tail;
} builder;

static bool generates(const experiment *e)
{
    return e->fitness.kind == FITNESS_EXACT || e->fitness.kind == FITNESS_F1 ||
           experiment_is_open(e);
}

/* A chat is written with special tokens; a plain text has none. */
static bool is_chat(const experiment *e)
{
    return e->prompt.n_messages > 0;
}

/* E_LIMIT when the model cannot read the row whole and is not to cut it; `room` tokens
 * are to follow. */
static int check_window(const sheet_maker *m, const row *r, size_t room, error *err)
{
    if (m->experiment->overflow != OVERFLOW_ERROR || r->n + room <= m->window)
        return 0;
    return error_set(err, E_LIMIT, "a row of %zu tokens, over the model's window of %zu",
                     r->n, m->window);
}

static int add_row(const sheet_maker *m, row_list *to, row r, size_t room, error *err)
{
    TRY(row_list_add(to, r, err));
    return check_window(m, &r, room, err);
}

int sheet_row(const sheet_maker *m, const genome *g, size_t i, const char *target,
              text *context, text *tail, row *out, error *err)
{
    const experiment *e = m->experiment;
    text_clear(context);
    text_clear(tail);
    TRY(experiment_render(e, m->tokenizer, g, i, target, context, tail, err));
    row_text x = {.context = text_string(context),
                  .n_context = context->n,
                  .tail = text_string(tail),
                  .n_tail = tail->n,
                  .n_target = strlen(target),
                  .special = is_chat(e)};
    return row_encode(out, m->tokenizer, &x, err);
}

static int add_scored(builder *b, const genome *g, size_t i, const char *target,
                      error *err)
{
    row r;
    TRY(sheet_row(b->maker, g, i, target, &b->context, &b->tail, &r, err));
    return add_row(b->maker, &b->sheet->rows, r, 0, err);
}

/* The length of a context to go on from, without its last spaces. Tokens bring the space
 * before them ("Answer:" " cold"), so a context that ends in one is nothing that a model
 * has seen; scoring is not touched by this, it tokenises context and target as one. */
static size_t without_spaces(const text *context)
{
    size_t n = context->n;
    while (n > 0 && context->s[n - 1] == ' ')
        n--;
    return n;
}

static int add_context(builder *b, const genome *g, size_t i, error *err)
{
    const experiment *e = b->maker->experiment;
    row r;
    text_clear(&b->context);
    text_clear(&b->tail);
    TRY(experiment_render(e, b->maker->tokenizer, g, i, "", &b->context, &b->tail, err));
    TRY(row_encode_context(&r, b->maker->tokenizer, text_string(&b->context),
                           without_spaces(&b->context), is_chat(e), err));
    if (r.n == 0) {
        free((int32_t *)(uintptr_t)r.tokens);
        return error_set(err, E_LIMIT, "the prompt is empty: nothing to go on from");
    }
    return add_row(b->maker, &b->sheet->contexts, r, 1, err);
}

static int add_pair(builder *b, const genome *g, size_t i, error *err)
{
    const experiment *e = b->maker->experiment;
    const example *x = &e->data->examples[i];
    bool labels = fitness_chooses(e->fitness.kind);
    char *const *targets = labels ? e->fitness.labels : x->targets;
    size_t n = labels ? e->fitness.n_labels : x->n_targets;
    sheet_pair *pair = &b->sheet->pairs[b->sheet->n_pairs++];
    *pair = (sheet_pair){.first = b->sheet->rows.n};
    if (generates(e))
        return add_context(b, g, i, err);
    for (; pair->n < n; pair->n++)
        TRY(add_scored(b, g, i, targets[pair->n], err));
    return 0;
}

/* The text genes: counted for length, and rows of their own where fluency counts. */
static int add_genes(builder *b, const genome *g, sheet_part *p, error *err)
{
    const experiment *e = b->maker->experiment;
    if (e->fitness.length_weight == 0 && e->fitness.fluency_weight == 0)
        return 0;
    for (size_t i = 0; i < e->spec.n_genes; i++) {
        row r;
        if (e->spec.genes[i].kind != GENE_TEXT)
            continue;
        text_clear(&b->context);
        TRY(gene_text(&g->genes[i], &b->context, err));
        TRY(row_encode_context(&r, b->maker->tokenizer, text_string(&b->context),
                               b->context.n, false, err));
        p->prompt_tokens += r.n;
        r.n_context = 1;
        if (r.n < 2 || e->fitness.fluency_weight == 0) {
            free((int32_t *)(uintptr_t)r.tokens);
            continue;
        }
        TRY(add_row(b->maker, &b->sheet->rows, r, 0, err));
        p->n_fluency++;
    }
    return 0;
}

static int add_blank(builder *b, const genome *g, sheet_part *p, error *err)
{
    const fitness_options *f = &b->maker->experiment->fitness;
    if (!fitness_chooses(f->kind) || !f->calibrate)
        return 0;
    for (; p->n_blank < f->n_labels; p->n_blank++)
        TRY(add_scored(b, g, EXAMPLE_EMPTY, f->labels[p->n_blank], err));
    return 0;
}

static int add_part(builder *b, const measurement *of, sheet_part *p, error *err)
{
    p->fluency = b->sheet->rows.n;
    TRY(add_genes(b, of->genome, p, err));
    p->blank = b->sheet->rows.n;
    TRY(add_blank(b, of->genome, p, err));
    p->first_pair = b->sheet->n_pairs;
    for (size_t i = 0; i < of->n; i++) {
        int rc = add_pair(b, of->genome, of->examples[i], err);
        if (rc == E_LIMIT)
            return error_prefix(
                err, "data line %zu",
                b->maker->experiment->data->examples[of->examples[i]].line);
        TRY(rc);
    }
    return 0;
}

/* As add_part; a candidate that does not fit fails, and its rows go. */
static int try_part(builder *b, const measurement *of, sheet_part *p, error *err)
{
    sheet *s = b->sheet;
    size_t rows = s->rows.n, contexts = s->contexts.n, pairs = s->n_pairs;
    error why = {0};
    *p = (sheet_part){0};
    int rc = add_part(b, of, p, &why);
    if (rc == 0)
        return 0;
    if (rc != E_LIMIT)
        return error_set(err, rc, "%s", why.text);
    row_list_cut(&s->rows, rows);
    row_list_cut(&s->contexts, contexts);
    s->n_pairs = pairs;
    *p = (sheet_part){.failed = true};
    snprintf(p->reason, sizeof p->reason, "%.*s", (int)sizeof p->reason - 1, why.text);
    return 0;
}

int sheet_new(sheet *out, const sheet_maker *m, const measurement *batch, size_t n,
              error *err)
{
    size_t pairs = 0;
    for (size_t i = 0; i < n; i++)
        pairs += batch[i].n;
    sheet s = {.parts = array_new(n, sizeof *s.parts),
               .n_parts = n,
               .pairs = array_new(pairs, sizeof *s.pairs)};
    builder b = {.maker = m, .sheet = &s};
    int rc = s.parts && s.pairs ? 0 : error_memory(err, pairs * sizeof *s.pairs);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = try_part(&b, &batch[i], &s.parts[i], err);
    text_free(&b.context);
    text_free(&b.tail);
    if (rc < 0)
        sheet_free(&s);
    else
        *out = s;
    return rc;
}

void sheet_free(sheet *s)
{
    row_list_free(&s->rows);
    row_list_free(&s->contexts);
    free(s->parts);
    free(s->pairs);
    *s = (sheet){0};
}
