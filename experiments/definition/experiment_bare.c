/* What is left of a prompt when a learned prefix takes the place of its words, and what
 * it is that the prefix takes the place of. */
#include <stdlib.h>
#include <string.h>

#include "experiment_read.h"

/* ---- Templates without their words ---- */

/* Append a text so that the template parser reads it back as it is. */
static int add_escaped(text *out, const char *s, error *err)
{
    while (*s) {
        const char *open = strstr(s, "{{");
        TRY(text_add(out, s, open ? (size_t)(open - s) : strlen(s), err));
        if (!open)
            break;
        TRY(text_add_string(out, "{{{{", err));
        s = open + 2;
    }
    return 0;
}

static int add_variable(const experiment *e, const genome *g, const char *name, text *out,
                        error *err)
{
    size_t i = 0;
    while (i < e->spec.n_genes && strcmp(e->genes[i].name, name) != 0)
        i++;
    if (i == e->spec.n_genes)
        return text_add_format(out, err, "{{%s}}", name);
    const gene_spec *spec = &e->spec.genes[i];
    if (spec->kind == GENE_CHOICE)
        return add_escaped(out, spec->options[g->genes[i].choice], err);
    if (spec->kind == GENE_NUMBER)
        return gene_number_text(spec, g->genes[i].number, out, err);
    return 0; /* words and demonstrations are what goes */
}

/* The text as candidate g says it, without its words; white space that would begin it
 * only stood after them. */
static int strip_text(const experiment *e, const genome *g, const template_text *t,
                      template_text *out, error *err)
{
    text source = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < t->n; i++)
        rc = t->pieces[i].variable
                 ? add_variable(e, g, t->pieces[i].variable, &source, err)
                 : add_escaped(&source, t->pieces[i].literal, err);
    const char *s = text_string(&source);
    if (rc == 0)
        rc = template_parse(out, s + strspn(s, " \t\r\n"), err);
    text_free(&source);
    return rc;
}

/* A message that only held words is gone with them. */
static int strip_messages(const experiment *e, const genome *g, prompt_template *out,
                          error *err)
{
    const prompt_template *t = &e->prompt;
    out->messages = array_new(t->n_messages, sizeof *out->messages);
    if (!out->messages)
        return error_memory(err, t->n_messages * sizeof *out->messages);
    for (size_t i = 0; i < t->n_messages; i++) {
        template_message *m = &out->messages[out->n_messages];
        *m = (template_message){0};
        TRY(strip_text(e, g, &t->messages[i].content, &m->content, err));
        if (m->content.n == 0) {
            template_free(&m->content);
            continue;
        }
        out->n_messages++;
        m->role = string_copy(t->messages[i].role);
        if (!m->role)
            return error_memory(err, strlen(t->messages[i].role));
    }
    return 0;
}

static int strip_template(const experiment *e, const genome *g, prompt_template *out,
                          error *err)
{
    int rc = e->prompt.n_messages ? strip_messages(e, g, out, err)
                                  : strip_text(e, g, &e->prompt.body, &out->body, err);
    if (rc < 0)
        prompt_template_free(out);
    return rc;
}

/* ---- The experiment ---- */

/* The template of the prefix section moves into the place of the prompt. */
static int take_rows(experiment *bare, const experiment *e, const genome *g, error *err)
{
    prompt_template rows = bare->prefix.rows;
    bare->prefix.rows = (prompt_template){0};
    int rc = 0;
    if (!rows.n_messages && !rows.body.source)
        rc = strip_template(e, g, &rows, err);
    if (rc == 0)
        rc = experiment_take_template(bare, &rows, err);
    prompt_template_free(&rows);
    return rc;
}

int experiment_bare(experiment **out, const experiment *e, const genome *g, error *err)
{
    char *json;
    experiment *bare;
    TRY(experiment_dump(e, &json, err));
    int rc = experiment_restore(&bare, json, err);
    free(json);
    TRY(rc);
    rc = take_rows(bare, e, g, err);
    if (rc < 0)
        experiment_free(bare);
    else
        *out = bare;
    return rc;
}

static int check_fields(const experiment *e, const template_text *t, error *err)
{
    for (size_t i = 0; i < t->n; i++) {
        const char *name = t->pieces[i].variable;
        if (name && strcmp(name, "target") != 0 &&
            dataset_field(e->data, name) == e->data->n_fields)
            return error_set(
                err, E_FORMAT,
                "the prompt of the run names {{%.60s}}, which the data of %s "
                "lack",
                name, e->path);
    }
    return 0;
}

int experiment_take_rows(experiment *e, const experiment *theirs, const genome *g,
                         error *err)
{
    prompt_template rows = {0};
    TRY(strip_template(theirs, g, &rows, err));
    int rc = check_fields(e, &rows.body, err);
    if (rc == 0 && !prompt_uses(&rows, "target"))
        rc = error_set(
            err, E_UNSUPPORTED,
            "the prompt of the run has no {{target}}, so nothing can be learned "
            "behind it: people judged what followed");
    for (size_t i = 0; rc == 0 && i < rows.n_messages; i++)
        rc = check_fields(e, &rows.messages[i].content, err);
    if (rc < 0) {
        prompt_template_free(&rows);
        return rc;
    }
    prompt_template_free(&e->prefix.rows);
    e->prefix.rows = rows;
    return 0;
}

/* ---- What it takes the place of ---- */

static int add_text_genes(const experiment *e, const genome *g, text *out, error *err)
{
    bool any = false;
    for (size_t i = 0; i < e->spec.n_genes; i++) {
        if (e->spec.genes[i].kind != GENE_TEXT)
            continue;
        if (any)
            TRY(text_add_string(out, "\n", err));
        TRY(gene_text(&g->genes[i], out, err));
        any = true;
    }
    return 0;
}

int experiment_head(const experiment *e, const genome *g, text *out, error *err)
{
    text whole = {0}, rows = {0};
    experiment *bare = NULL;
    int rc;
    TRY_OUT(rc, experiment_bare(&bare, e, g, err));
    TRY_OUT(rc, experiment_prompt_text(e, g, &whole, err));
    TRY_OUT(rc, experiment_prompt_text(bare, &bare->seeds[0], &rows, err));
    /* What stands before the words of a soft prompt is no text. */
    bool plain = !e->prompt.n_messages && experiment_soft_gene(e) == e->spec.n_genes;
    bool ends = plain && whole.n > rows.n &&
                memcmp(whole.s + whole.n - rows.n, text_string(&rows), rows.n) == 0;
    rc = ends ? text_add(out, whole.s, whole.n - rows.n, err)
              : add_text_genes(e, g, out, err);
out:
    text_free(&whole);
    text_free(&rows);
    experiment_free(bare);
    return rc;
}
