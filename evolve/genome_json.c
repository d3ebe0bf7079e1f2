/* The canonical JSON form of genomes, and its hostile reverse. */
#include "genome.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "words.h"

/* Moves `value` (stolen, NULL allowed) to the end of `array`. */
static int array_put(json_t *array, json_t *value, error *err)
{
    if (!value || json_array_append_new(array, value) < 0)
        return error_set(err, E_MEMORY, "out of memory while writing a genome as JSON");
    return 0;
}

/* ---- Out ---- */

/* Append the runs of frozen words as begin, end pairs; *any tells whether there is one.
 */
static int frozen_put(const gene *g, json_t *array, bool *any, error *err)
{
    *any = false;
    for (size_t i = 0; i < g->n_words;) {
        size_t begin = i;
        while (i < g->n_words && g->words[i].frozen)
            i++;
        if (i == begin) {
            i++;
            continue;
        }
        *any = true;
        TRY(array_put(array, json_integer((json_int_t)begin), err));
        TRY(array_put(array, json_integer((json_int_t)i), err));
    }
    return 0;
}

static int text_gene_put(const gene *g, json_t *out, error *err)
{
    text t = {0};
    bool any = false;
    json_t *marked = json_array();
    int rc = marked ? gene_text(g, &t, err) : error_memory(err, sizeof(void *));
    json_t *s = rc == 0 ? json_stringn(text_string(&t), t.n) : NULL;
    if (rc == 0 && !s)
        rc = utf8_check(text_string(&t), t.n) < t.n
                 ? error_set(err, E_ARGUMENT, "a gene's text is not UTF-8")
                 : error_memory(err, t.n);
    if (rc == 0)
        rc = array_put(marked, json_incref(s), err);
    if (rc == 0)
        rc = frozen_put(g, marked, &any, err);
    if (rc == 0)
        rc = array_put(out, json_incref(any ? marked : s), err);
    json_decref(s);
    json_decref(marked);
    text_free(&t);
    return rc;
}

static int demos_put(const gene *g, json_t *out, error *err)
{
    json_t *list = json_array();
    TRY(array_put(out, list, err));
    for (size_t i = 0; i < g->n_demos; i++)
        TRY(array_put(list, json_integer((json_int_t)g->demos[i]), err));
    return 0;
}

static int vector_put(const gene *g, json_t *out, error *err)
{
    json_t *list = json_array();
    TRY(array_put(out, list, err));
    for (size_t i = 0; i < g->n_vector; i++)
        TRY(array_put(list, json_real(g->vector[i] + 0.0), err));
    return 0;
}

static int gene_put(const gene_spec *spec, const gene *g, json_t *out, error *err)
{
    switch (spec->kind) {
    case GENE_TEXT:
        return text_gene_put(g, out, err);
    case GENE_CHOICE:
        return array_put(out, json_integer((json_int_t)g->choice), err);
    case GENE_DEMOS:
        return demos_put(g, out, err);
    case GENE_NUMBER:
        /* + 0.0 makes one zero of the two */
        return array_put(out, json_real(g->number + 0.0), err);
    case GENE_VECTOR:
        return vector_put(g, out, err);
    }
    return error_set(err, E_ARGUMENT, "gene \"%s\" is of unknown kind", spec->name);
}

int genome_serialise(const genome_spec *spec, const genome *g, text *out, error *err)
{
    TRY(genome_check(spec, g, err));
    json_t *array = json_array();
    if (!array)
        return error_memory(err, sizeof(void *));
    int rc = 0;
    for (size_t i = 0; i < g->n_genes && rc == 0; i++)
        rc = gene_put(&spec->genes[i], &g->genes[i], array, err);
    char *s = NULL;
    if (rc == 0) {
        s = json_dumps(array, JSON_COMPACT | JSON_REAL_PRECISION(17));
        rc = s ? text_add_string(out, s, err) : error_memory(err, sizeof(void *));
    }
    free(s);
    json_decref(array);
    return rc;
}

/* ---- In ---- */

static int gene_wrong(const gene_spec *spec, const char *wanted, error *err)
{
    return error_set(err, E_FORMAT, "gene \"%s\" of a genome: %s", spec->name, wanted);
}

/* A whole number in [lowest, highest], or E_FORMAT. */
static int index_get(const gene_spec *spec, const json_t *value, size_t lowest,
                     size_t highest, size_t *out, error *err)
{
    json_int_t v = json_is_integer(value) ? json_integer_value(value) : -1;
    if (v < 0 || (uint64_t)v < lowest || (uint64_t)v > highest)
        return gene_wrong(spec, "a whole number is missing or out of range", err);
    *out = (size_t)v;
    return 0;
}

static int frozen_get(const gene_spec *spec, const json_t *array, gene *g, error *err)
{
    size_t n = json_array_size(array), last = 0;
    if (n % 2 == 0)
        return gene_wrong(spec, "a frozen run has a begin and no end", err);
    for (size_t i = 1; i < n; i += 2) {
        size_t begin = 0, end = 0, gap = i > 1; /* runs are maximal: never touch */
        TRY(index_get(spec, json_array_get(array, i), last + gap, g->n_words, &begin,
                      err));
        TRY(index_get(spec, json_array_get(array, i + 1), begin + 1, g->n_words, &end,
                      err));
        for (size_t k = begin; k < end; k++)
            g->words[k].frozen = true;
        last = end;
    }
    return 0;
}

static int text_gene_get(const gene_spec *spec, const json_t *value, gene *g, error *err)
{
    bool marked = json_is_array(value) && json_array_size(value) > 1;
    const json_t *s = marked ? json_array_get(value, 0) : value;
    if (!json_is_string(s))
        return gene_wrong(spec, "a text, or [text, begin, end, …], was expected", err);
    TRY(words_split(g, json_string_value(s), json_string_length(s), err));
    return marked ? frozen_get(spec, value, g, err) : 0;
}

static int demos_get(const gene_spec *spec, const json_t *value, gene *g, error *err)
{
    size_t n = json_array_size(value);
    if (!json_is_array(value) || n > spec->max_demos)
        return gene_wrong(spec, "a list of demonstrations within its limit was expected",
                          err);
    if (n && !(g->demos = array_new(n, sizeof *g->demos)))
        return error_memory(err, n * sizeof *g->demos);
    g->n_demos = n;
    for (size_t i = 0; i < n; i++)
        TRY(index_get(spec, json_array_get(value, i), 0, SIZE_MAX, &g->demos[i], err));
    return 0;
}

static int vector_get(const gene_spec *spec, const json_t *value, gene *g, error *err)
{
    if (!json_is_array(value) || json_array_size(value) != spec->n_dimensions)
        return gene_wrong(spec, "as many numbers as it has dimensions were expected",
                          err);
    for (size_t i = 0; i < spec->n_dimensions; i++) {
        const json_t *x = json_array_get(value, i);
        if (!json_is_number(x))
            return gene_wrong(spec, "a number was expected", err);
        g->vector[i] = json_number_value(x) + 0.0;
    }
    return 0;
}

static int gene_get(const gene_spec *spec, const json_t *value, gene *g, error *err)
{
    switch (spec->kind) {
    case GENE_TEXT:
        return text_gene_get(spec, value, g, err);
    case GENE_CHOICE:
        return index_get(spec, value, 0, SIZE_MAX, &g->choice, err);
    case GENE_DEMOS:
        return demos_get(spec, value, g, err);
    case GENE_NUMBER:
        if (!json_is_number(value))
            return gene_wrong(spec, "a number was expected", err);
        g->number = json_number_value(value) + 0.0;
        return 0;
    case GENE_VECTOR:
        return vector_get(spec, value, g, err);
    }
    return gene_wrong(spec, "its kind is unknown", err);
}

int genome_parse(genome *out, const genome_spec *spec, const char *s, size_t n,
                 error *err)
{
    json_error_t why;
    json_t *array = json_loadb(s, n, JSON_REJECT_DUPLICATES, &why);
    if (!array)
        return error_set(err, E_FORMAT, "a genome is not JSON at byte %d: %s",
                         why.position, why.text);
    genome g = {0};
    int rc = genome_new(&g, spec, err);
    if (rc == 0 && (!json_is_array(array) || json_array_size(array) != spec->n_genes))
        rc = error_set(err, E_FORMAT,
                       "a genome has %zu values where its spec has %zu genes",
                       json_array_size(array), spec->n_genes);
    for (size_t i = 0; i < spec->n_genes && rc == 0; i++)
        rc = gene_get(&spec->genes[i], json_array_get(array, i), &g.genes[i], err);
    if (rc == 0 && (rc = genome_check(spec, &g, err)) < 0) {
        rc = E_FORMAT;
        if (err)
            err->code = rc;
    }
    json_decref(array);
    if (rc < 0) {
        genome_free(&g);
        return rc;
    }
    *out = g;
    return 0;
}
