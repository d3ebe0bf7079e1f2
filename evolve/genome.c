/* Genomes as values: making, copying, checking, measuring how far apart they are. Their
 * JSON form is in genome_json.c, edits of their words in words.c. */
#include "genome.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

/* ---- Life ---- */

void gene_free(gene *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_words; i++) {
        free(g->words[i].space);
        free(g->words[i].s);
    }
    free(g->words);
    free(g->trail);
    free(g->demos);
    free(g->vector);
    *g = (gene){0};
}

void genome_free(genome *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n_genes; i++)
        gene_free(&g->genes[i]);
    free(g->genes);
    *g = (genome){0};
}

static int vector_new(gene *g, size_t n, error *err)
{
    g->vector = array_new(n, sizeof *g->vector);
    if (!g->vector)
        return error_memory(err, n * sizeof *g->vector);
    g->n_vector = n;
    return 0;
}

static int gene_begin(const gene_spec *spec, gene *g, error *err)
{
    if (spec->kind == GENE_NUMBER)
        g->number = spec->whole ? ceil(spec->lowest) : spec->lowest;
    return spec->kind == GENE_VECTOR ? vector_new(g, spec->n_dimensions, err) : 0;
}

int genome_new(genome *out, const genome_spec *spec, error *err)
{
    genome g = {.genes = array_new(spec->n_genes, sizeof *g.genes),
                .n_genes = spec->n_genes};
    if (!g.genes)
        return error_memory(err, spec->n_genes * sizeof *g.genes);
    int rc = 0;
    for (size_t i = 0; i < spec->n_genes && rc == 0; i++)
        rc = gene_begin(&spec->genes[i], &g.genes[i], err);
    if (rc < 0)
        genome_free(&g);
    else
        *out = g;
    return rc;
}

int gene_copy(gene *out, const gene *from, error *err)
{
    gene g = {.choice = from->choice, .number = from->number};
    size_t capacity = from->n_words;
    int rc = 0;
    if (from->n_words && !(g.words = array_new(from->n_words, sizeof *g.words)))
        TRY_OUT(rc, error_memory(err, from->n_words * sizeof *g.words));
    for (size_t i = 0; i < from->n_words; i++)
        TRY_OUT(rc, words_append(&g, &capacity, &from->words[i], err));
    if (from->trail && !(g.trail = string_copy(from->trail)))
        TRY_OUT(rc, error_memory(err, strlen(from->trail) + 1));
    if (from->n_demos) {
        g.demos = array_new(from->n_demos, sizeof *g.demos);
        if (!g.demos)
            TRY_OUT(rc, error_memory(err, from->n_demos * sizeof *g.demos));
        memcpy(g.demos, from->demos, from->n_demos * sizeof *g.demos);
        g.n_demos = from->n_demos;
    }
    if (from->n_vector) {
        TRY_OUT(rc, vector_new(&g, from->n_vector, err));
        memcpy(g.vector, from->vector, from->n_vector * sizeof *g.vector);
    }
out:
    if (rc < 0) {
        gene_free(&g);
        return rc;
    }
    *out = g;
    return 0;
}

int genome_copy(genome *out, const genome *from, error *err)
{
    genome g = {.genes = array_new(from->n_genes, sizeof *g.genes),
                .n_genes = from->n_genes};
    if (!g.genes)
        return error_memory(err, from->n_genes * sizeof *g.genes);
    for (size_t i = 0; i < from->n_genes; i++) {
        int rc = gene_copy(&g.genes[i], &from->genes[i], err);
        if (rc < 0) {
            genome_free(&g);
            return rc;
        }
    }
    *out = g;
    return 0;
}

/* ---- Text ---- */

/* Freeze every place where the phrase's words stand in a row; false if there is none. */
static bool phrase_freeze(gene *g, const gene *phrase)
{
    bool found = false;
    for (size_t i = 0; i + phrase->n_words <= g->n_words; i++) {
        size_t k = 0;
        while (k < phrase->n_words && strcmp(g->words[i + k].s, phrase->words[k].s) == 0)
            k++;
        if (k < phrase->n_words)
            continue;
        for (size_t j = 0; j < k; j++)
            g->words[i + j].frozen = true;
        found = true;
    }
    return found;
}

static int phrase_freeze_text(gene *g, const char *s, error *err)
{
    gene phrase = {0};
    TRY(words_split(&phrase, s, strlen(s), err));
    int rc = 0;
    if (phrase.n_words == 0)
        rc = error_set(err, E_ARGUMENT, "the frozen phrase \"%s\" has no words", s);
    else if (!phrase_freeze(g, &phrase))
        rc = error_set(err, E_ARGUMENT,
                       "the frozen phrase \"%s\" does not occur in the text as whole "
                       "words",
                       s);
    gene_free(&phrase);
    return rc;
}

int gene_set_text(gene *g, const char *s, const char *const *frozen, size_t n_frozen,
                  error *err)
{
    size_t n = strlen(s), bad = utf8_check(s, n);
    if (bad < n)
        return error_set(err, E_FORMAT, "the text is not UTF-8 at byte %zu (0x%02x)", bad,
                         (unsigned char)s[bad]);
    gene fresh = {0};
    TRY(words_split(&fresh, s, n, err));
    for (size_t i = 0; i < n_frozen; i++) {
        int rc = phrase_freeze_text(&fresh, frozen[i], err);
        if (rc < 0) {
            gene_free(&fresh);
            return rc;
        }
    }
    gene_free(g);
    *g = fresh;
    return 0;
}

int gene_text(const gene *g, text *out, error *err)
{
    for (size_t i = 0; i < g->n_words; i++) {
        TRY(text_add_string(out, g->words[i].space, err));
        TRY(text_add_string(out, g->words[i].s, err));
    }
    return text_add_string(out, g->trail ? g->trail : "", err);
}

/* ---- Law ---- */

static int demos_check(const gene_spec *spec, const gene *g, error *err)
{
    if (g->n_demos > spec->max_demos)
        return error_set(err, E_ARGUMENT,
                         "gene \"%s\" has %zu demonstrations, over its limit of %zu",
                         spec->name, g->n_demos, spec->max_demos);
    for (size_t i = 0; i < g->n_demos; i++) {
        if (g->demos[i] >= spec->n_pool)
            return error_set(err, E_ARGUMENT,
                             "gene \"%s\" shows example %zu of a pool of %zu", spec->name,
                             g->demos[i], spec->n_pool);
        for (size_t j = 0; j < i; j++)
            if (g->demos[j] == g->demos[i])
                return error_set(err, E_ARGUMENT, "gene \"%s\" shows example %zu twice",
                                 spec->name, g->demos[i]);
    }
    return 0;
}

static int vector_check(const gene_spec *spec, const gene *g, error *err)
{
    if (g->n_vector != spec->n_dimensions)
        return error_set(err, E_ARGUMENT, "gene \"%s\" has %zu numbers, not %zu",
                         spec->name, g->n_vector, spec->n_dimensions);
    for (size_t i = 0; i < g->n_vector; i++)
        if (!isfinite(g->vector[i]))
            return error_set(err, E_ARGUMENT, "gene \"%s\" holds %g at %zu: no number",
                             spec->name, g->vector[i], i);
    return 0;
}

static int gene_check(const gene_spec *spec, const gene *g, error *err)
{
    switch (spec->kind) {
    case GENE_TEXT:
        if (spec->max_words && g->n_words > spec->max_words)
            return error_set(err, E_ARGUMENT,
                             "gene \"%s\" has %zu words, over its limit of %zu",
                             spec->name, g->n_words, spec->max_words);
        return 0;
    case GENE_CHOICE:
        if (g->choice >= spec->n_options)
            return error_set(err, E_ARGUMENT, "gene \"%s\" is option %zu of %zu",
                             spec->name, g->choice, spec->n_options);
        return 0;
    case GENE_DEMOS:
        return demos_check(spec, g, err);
    case GENE_NUMBER:
        if (!(g->number >= spec->lowest && g->number <= spec->highest))
            return error_set(err, E_ARGUMENT, "gene \"%s\" is %g, outside [%g, %g]",
                             spec->name, g->number, spec->lowest, spec->highest);
        if (spec->whole && g->number != rint(g->number))
            return error_set(err, E_ARGUMENT, "gene \"%s\" is %g, not a whole number",
                             spec->name, g->number);
        return 0;
    case GENE_VECTOR:
        return vector_check(spec, g, err);
    }
    return error_set(err, E_ARGUMENT, "gene \"%s\" is of unknown kind %d", spec->name,
                     (int)spec->kind);
}

int genome_check(const genome_spec *spec, const genome *g, error *err)
{
    if (g->n_genes != spec->n_genes)
        return error_set(err, E_ARGUMENT, "a genome has %zu genes, its spec %zu",
                         g->n_genes, spec->n_genes);
    for (size_t i = 0; i < g->n_genes; i++)
        TRY(gene_check(&spec->genes[i], &g->genes[i], err));
    return 0;
}

/* ---- Distance ---- */

enum { DEMOS_ROW = 256 };

/* Levenshtein distance of two lists of indices; beyond 256 of them, the rest counts as
 * changed. */
static size_t demos_distance(const gene *a, const gene *b)
{
    size_t row[DEMOS_ROW + 1], n = a->n_demos, m = b->n_demos, cut = 0;
    if (n > DEMOS_ROW || m > DEMOS_ROW) {
        cut = (n > m ? n : m) - DEMOS_ROW;
        n = n > DEMOS_ROW ? DEMOS_ROW : n;
        m = m > DEMOS_ROW ? DEMOS_ROW : m;
    }
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + (a->demos[i - 1] != b->demos[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m] + cut;
}

static double share(size_t part, size_t a, size_t b)
{
    size_t whole = a > b ? a : b;
    double s = whole ? (double)part / (double)whole : 0;
    return s < 1 ? s : 1;
}

static double vector_distance(const gene_spec *spec, const gene *a, const gene *b)
{
    double squares = 0;
    for (size_t i = 0; i < spec->n_dimensions; i++)
        squares += pow(a->vector[i] - b->vector[i], 2);
    if (spec->n_dimensions == 0 || !(spec->spread > 0))
        return 0;
    return fmin(1, sqrt(squares / (double)spec->n_dimensions) / spec->spread);
}

static double gene_distance(const gene_spec *spec, const gene *a, const gene *b)
{
    double range = spec->highest - spec->lowest;
    switch (spec->kind) {
    case GENE_TEXT:
        return share(words_distance(a, b), a->n_words, b->n_words);
    case GENE_DEMOS:
        return share(demos_distance(a, b), a->n_demos, b->n_demos);
    case GENE_CHOICE:
        return a->choice != b->choice;
    case GENE_NUMBER:
        return range > 0 ? fabs(a->number - b->number) / range : 0;
    case GENE_VECTOR:
        return vector_distance(spec, a, b);
    }
    return 0;
}

double genome_distance(const genome_spec *spec, const genome *a, const genome *b)
{
    double sum = 0;
    for (size_t i = 0; i < spec->n_genes; i++)
        sum += gene_distance(&spec->genes[i], &a->genes[i], &b->genes[i]);
    return spec->n_genes ? sum / (double)spec->n_genes : 0;
}
