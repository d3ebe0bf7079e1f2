#include "gene_rows.h"

#include <stdlib.h>
#include <string.h>

/* Stands for the gene while its place in a prompt is looked for: a private-use character
 * that no text has next to itself in this order. */
static const char mark[] = "\xee\x80\x81\xee\xa0\x82\xee\x80\x83";

void gene_rows_free(gene_rows *r)
{
    for (size_t i = 0; r->places && i < r->rows.n; i++)
        free(r->places[i]);
    free(r->places);
    free(r->examples);
    free(r->sites);
    text_free(&r->gene);
    genome_free(&r->marked);
    row_list_free(&r->rows);
}

/* ---- Where the words are ---- */

static int make_sites(gene_rows *r, error *err)
{
    const gene *g = &r->genome->genes[r->which];
    r->sites = array_new(g->n_words, sizeof *r->sites);
    if (!r->sites)
        return error_memory(err, g->n_words * sizeof *r->sites);
    r->n_sites = g->n_words;
    size_t at = 0;
    for (size_t i = 0; i < g->n_words; i++) {
        at += strlen(g->words[i].space);
        r->sites[i].begin = at;
        at += strlen(g->words[i].s);
        r->sites[i].end = at;
        r->sites[i].id = -1;
        r->sites[i].usable = !g->words[i].frozen;
    }
    return 0;
}

/* The token that is the word at bytes [begin, end) of the row's text, with or without the
 * space before it; SIZE_MAX when it is not exactly one. */
static size_t find_token(const row *r, const size_t *places, const char *joined,
                         size_t begin, size_t end)
{
    for (size_t t = 0; t + 1 < r->n; t++) {
        if (places[t] == ROW_NO_BYTE || places[t] > begin)
            continue;
        bool starts =
            places[t] == begin || (places[t] + 1 == begin && joined[places[t]] == ' ');
        if (starts && places[t + 1] == end)
            return t;
    }
    return SIZE_MAX;
}

/* The gene's text stands at byte `at` of the row's text: note its words' tokens. */
static void note_words(gene_rows *r, const row *x, const size_t *begins,
                       const char *joined, size_t at, uint32_t *places)
{
    for (size_t w = 0; w < r->n_sites; w++) {
        word_site *s = &r->sites[w];
        size_t t = find_token(x, begins, joined, at + s->begin, at + s->end);
        bool same = t != SIZE_MAX && (s->id < 0 || s->id == x->tokens[t]);
        s->usable = s->usable && same;
        if (!s->usable)
            continue;
        s->id = x->tokens[t];
        places[t] = (uint32_t)w;
    }
}

/* Every place of the gene in the context: where the mark stands when it takes the gene's
 * place. A chat format that trims what it is given may have moved it: then what stands
 * there is not the gene, and its words are not usable. */
static void find_gene(gene_rows *r, const row *x, const size_t *begins,
                      const char *context, const char *marked, uint32_t *places)
{
    size_t shift = 0; /* how much longer the context is than the marked one, so far */
    bool found = false;
    for (const char *m = strstr(marked, mark); m; m = strstr(m + sizeof mark - 1, mark)) {
        size_t at = (size_t)(m - marked) + shift;
        shift += r->gene.n - (sizeof mark - 1);
        if (strncmp(context + at, text_string(&r->gene), r->gene.n) != 0)
            return;
        note_words(r, x, begins, context, at, places);
        found = true;
    }
    for (size_t w = 0; !found && w < r->n_sites; w++)
        r->sites[w].usable = false;
}

/* ---- Rows ---- */

static int add_places(gene_rows *r, const row *x, const size_t *begins,
                      const char *context, const char *marked, error *err)
{
    uint32_t *places = array_new(x->n, sizeof *places);
    if (!places)
        return error_memory(err, x->n * sizeof *places);
    for (size_t t = 0; t < x->n; t++)
        places[t] = place_none;
    find_gene(r, x, begins, context, marked, places);
    r->places[r->rows.n - 1] = places;
    return 0;
}

/* What candidate g says for example i, as a row (new); where its tokens begin and its
 * context, if wanted. */
static int encode(const gene_rows *r, const genome *g, size_t i, row *x, size_t **begins,
                  text *context, error *err)
{
    const experiment *e = r->experiment;
    const char *target = e->data->examples[i].targets[0];
    text tail = {0};
    int rc = experiment_render(e, r->tokenizer, g, i, target, context, &tail, err);
    row_text t = {.context = text_string(context),
                  .n_context = context->n,
                  .tail = text_string(&tail),
                  .n_tail = tail.n,
                  .n_target = strlen(target),
                  .special = e->prompt.n_messages > 0};
    if (rc == 0)
        rc = row_encode_places(x, begins, r->tokenizer, &t, err);
    text_free(&tail);
    return rc;
}

static int add_example(gene_rows *r, size_t i, error *err)
{
    const experiment *e = r->experiment;
    text context = {0}, marked = {0}, ignored = {0};
    size_t *begins = NULL;
    row x = {0};
    int rc = encode(r, r->genome, i, &x, &begins, &context, err);
    if (rc == 0)
        rc = row_list_add(&r->rows, x, err);
    if (rc == 0)
        rc = experiment_render(e, r->tokenizer, &r->marked, i,
                               e->data->examples[i].targets[0], &marked, &ignored, err);
    if (rc == 0)
        rc = add_places(r, &x, begins, text_string(&context), text_string(&marked), err);
    free(begins);
    text *texts[] = {&context, &marked, &ignored};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
        text_free(texts[k]);
    return rc;
}

/* Where in the search split the rows are taken from: all over it, but the same for the
 * same candidate. */
static int first_example(const genome_spec *spec, const genome *g, size_t n, size_t *out,
                         error *err)
{
    char hex[SHA256_HEX], digits[16] = "";
    text key = {0};
    int rc = genome_serialise(spec, g, &key, err);
    if (rc == 0)
        rc = sha256_hex(text_string(&key), key.n, hex, err);
    text_free(&key);
    TRY(rc);
    memcpy(digits, hex, 15);
    *out = (size_t)(strtoull(digits, NULL, 16) % n);
    return 0;
}

static int fill(gene_rows *r, size_t n, error *err)
{
    const experiment *e = r->experiment;
    const split *from = &e->splits[SPLIT_SEARCH];
    size_t first = 0;
    n = n < from->n ? n : from->n;
    TRY(genome_copy(&r->marked, r->genome, err));
    TRY(gene_set_text(&r->marked.genes[r->which], mark, NULL, 0, err));
    TRY(gene_text(&r->genome->genes[r->which], &r->gene, err));
    TRY(make_sites(r, err));
    TRY(first_example(&e->spec, r->genome, from->n, &first, err));
    r->places = array_new(n, sizeof *r->places);
    r->examples = array_new(n, sizeof *r->examples);
    if (!r->places || !r->examples)
        return error_memory(err, n * sizeof *r->places);
    for (size_t i = 0; i < n; i++) {
        r->examples[i] = from->index[(first + i) % from->n];
        TRY(add_example(r, r->examples[i], err));
    }
    return 0;
}

int gene_rows_new(gene_rows *out, const experiment *e, const tokenizer *t,
                  const genome *g, size_t which, size_t n, error *err)
{
    gene_rows r = {.experiment = e, .tokenizer = t, .genome = g, .which = which};
    int rc = fill(&r, n, err);
    if (rc < 0)
        gene_rows_free(&r);
    else
        *out = r;
    return rc;
}

/* ---- Variants ---- */

static bool same_row(const gene_rows *r, size_t i, const row *x, const int32_t *ids)
{
    const row *was = &r->rows.rows[i];
    bool same = x->n == was->n && x->n_context == was->n_context;
    for (size_t t = 0; same && t < x->n; t++) {
        uint32_t w = r->places[i][t];
        bool free_word = w != place_none && r->sites[w].usable;
        same = x->tokens[t] == (free_word ? ids[w] : was->tokens[t]);
    }
    return same;
}

int gene_rows_match(const gene_rows *r, const genome *g, const int32_t *ids, error *err)
{
    bool same = true;
    int rc = 0;
    for (size_t i = 0; rc == 0 && same && i < r->rows.n; i++) {
        text context = {0};
        size_t *begins = NULL;
        row x = {0};
        rc = encode(r, g, r->examples[i], &x, &begins, &context, err);
        same = rc == 0 && same_row(r, i, &x, ids);
        free((int32_t *)(uintptr_t)x.tokens);
        free(begins);
        text_free(&context);
    }
    return rc == E_LIMIT ? 0 : rc < 0 ? rc : same;
}
