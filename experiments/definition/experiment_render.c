/* What a candidate says: values for the template's variables, and the prompt as a person
 * reads it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "experiment_read.h"

/* Bindings for one rendering. Values of genes are made and kept here; those of fields are
 * borrowed from the data. */
typedef struct scope {
    binding *bindings;
    text *values; /* one per gene */
    size_t n, n_genes;
} scope;

static int scope_begin(scope *s, const experiment *e, error *err)
{
    size_t most = e->spec.n_genes + e->data->n_fields + 1;
    *s = (scope){.bindings = array_new(most, sizeof *s->bindings),
                 .values = array_new(e->spec.n_genes, sizeof *s->values),
                 .n_genes = e->spec.n_genes};
    return s->bindings && s->values ? 0 : error_memory(err, most * sizeof *s->bindings);
}

static void scope_end(scope *s)
{
    for (size_t i = 0; s->values && i < s->n_genes; i++)
        text_free(&s->values[i]);
    free(s->values);
    free(s->bindings);
}

static void bind(scope *s, const char *name, const char *value)
{
    s->bindings[s->n++] = (binding){name, value};
}

/* Bind the fields of example i, or empty texts. */
static void bind_fields(scope *s, const experiment *e, size_t i)
{
    for (size_t f = 0; f < e->data->n_fields; f++)
        bind(s, e->data->fields[f],
             i == EXAMPLE_EMPTY ? "" : e->data->examples[i].values[f]);
}

int gene_number_text(const gene_spec *spec, double value, text *out, error *err)
{
    if (spec->whole)
        return text_add_format(out, err, "%lld", (long long)value);
    return text_add_format(out, err, "%.6g", value);
}

/* Genes that are one short value: these may stand in demonstrations too. */
static int bind_short_genes(scope *s, const experiment *e, const genome *g, error *err)
{
    for (size_t i = 0; i < e->spec.n_genes; i++) {
        const gene_spec *spec = &e->spec.genes[i];
        if (spec->kind == GENE_CHOICE) {
            bind(s, spec->name, spec->options[g->genes[i].choice]);
        } else if (spec->kind == GENE_NUMBER) {
            TRY(gene_number_text(spec, g->genes[i].number, &s->values[i], err));
            bind(s, spec->name, text_string(&s->values[i]));
        }
    }
    return 0;
}

/* One demonstration, the example `i`, appended to *out. */
static int render_demo(const experiment *e, const genome *g, const demos_format *format,
                       size_t i, text *out, error *err)
{
    scope s;
    int rc = scope_begin(&s, e, err);
    if (rc == 0)
        rc = bind_short_genes(&s, e, g, err);
    if (rc == 0) {
        bind_fields(&s, e, i);
        const example *x = &e->data->examples[i];
        bind(&s, "target", x->n_targets ? x->targets[0] : "");
        rc = template_render(&format->each, s.bindings, s.n, out, err);
    }
    scope_end(&s);
    return rc;
}

/* The demonstrations of gene `at`, but for the example that is being asked about: it
 * would be given its own answer. Rows with the same input count as the same. */
static int render_demos(const experiment *e, const genome *g, size_t at, size_t asked,
                        text *out, error *err)
{
    const demos_format *format = &e->demos[at];
    const gene *demos = &g->genes[at];
    const split *pool = &e->splits[SPLIT_SEARCH];
    for (size_t k = 0; k < demos->n_demos; k++) {
        if (demos->demos[k] >= pool->n)
            return error_set(err, E_ARGUMENT,
                             "demonstration %zu is not in the pool of %zu examples",
                             demos->demos[k], pool->n);
        size_t i = pool->index[demos->demos[k]];
        const example *x = e->data->examples;
        if (asked != EXAMPLE_EMPTY && strcmp(x[i].values[0], x[asked].values[0]) == 0)
            continue;
        TRY(render_demo(e, g, format, i, out, err));
        TRY(text_add_string(out, format->separator, err));
    }
    return 0;
}

/* Bind every gene, for the example `asked` or for none. */
static int bind_genes(scope *s, const experiment *e, const genome *g, size_t asked,
                      error *err)
{
    if (g->n_genes != e->spec.n_genes)
        return error_set(err, E_ARGUMENT, "the candidate has %zu genes, not %zu",
                         g->n_genes, e->spec.n_genes);
    TRY(bind_short_genes(s, e, g, err));
    for (size_t i = 0; i < e->spec.n_genes; i++) {
        const gene_spec *spec = &e->spec.genes[i];
        if (spec->kind == GENE_TEXT)
            TRY(gene_text(&g->genes[i], &s->values[i], err));
        else if (spec->kind == GENE_DEMOS)
            TRY(render_demos(e, g, i, asked, &s->values[i], err));
        else
            continue;
        bind(s, spec->name, text_string(&s->values[i]));
    }
    return 0;
}

int experiment_render(const experiment *e, const tokenizer *t, const genome *g, size_t i,
                      const char *target, text *context, text *tail, error *err)
{
    if (i != EXAMPLE_EMPTY && i >= e->data->n)
        return error_set(err, E_ARGUMENT, "there is no example %zu: there are %zu", i,
                         e->data->n);
    scope s;
    int rc = scope_begin(&s, e, err);
    if (rc == 0)
        rc = bind_genes(&s, e, g, i, err);
    if (rc == 0) {
        bind_fields(&s, e, i);
        rc = prompt_render(&e->prompt, t, s.bindings, s.n, target, context, tail, err);
    }
    scope_end(&s);
    return rc;
}

/* ---- For people ---- */

/* A text with genes filled in and everything else left as {{name}}. */
static int show_text(const template_text *t, const scope *s, text *out, error *err)
{
    for (size_t i = 0; i < t->n; i++) {
        const char *name = t->pieces[i].variable, *value = t->pieces[i].literal;
        for (size_t k = 0; name && !value && k < s->n; k++)
            if (strcmp(s->bindings[k].name, name) == 0)
                value = s->bindings[k].value;
        if (value)
            TRY(text_add_string(out, value, err));
        else
            TRY(text_add_format(out, err, "{{%s}}", name));
    }
    return 0;
}

static int show_messages(const prompt_template *t, const scope *s, text *out, error *err)
{
    for (size_t i = 0; i < t->n_messages; i++) {
        TRY(text_add_format(out, err, "%s[%s]\n", i ? "\n\n" : "", t->messages[i].role));
        TRY(show_text(&t->messages[i].content, s, out, err));
    }
    return 0;
}

/* What no text can show. */
static int show_soft(const experiment *e, const genome *g, text *out, error *err)
{
    size_t i = experiment_soft_gene(e);
    if (i == e->spec.n_genes)
        return 0;
    double squares = 0;
    for (size_t k = 0; k < g->genes[i].n_vector; k++)
        squares += g->genes[i].vector[k] * g->genes[i].vector[k];
    return text_add_format(out, err, "[%zu virtual tokens, %.3g away from \"%s\"]\n",
                           e->sources[i].n_tokens, sqrt(squares), e->sources[i].init);
}

int experiment_prompt_text(const experiment *e, const genome *g, text *out, error *err)
{
    scope s;
    TRY(show_soft(e, g, out, err));
    int rc = scope_begin(&s, e, err);
    if (rc == 0)
        rc = bind_genes(&s, e, g, EXAMPLE_EMPTY, err);
    if (rc == 0 && e->prompt.n_messages)
        rc = show_messages(&e->prompt, &s, out, err);
    else if (rc == 0)
        rc = show_text(&e->prompt.body, &s, out, err);
    scope_end(&s);
    return rc;
}
