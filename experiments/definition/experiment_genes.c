/* The genes section of an experiment, and the candidates that it starts from. */
#include <stdlib.h>
#include <string.h>

#include "experiment_read.h"

const char *const gene_names[N_GENE_KINDS] = {"text", "choice", "demos", "number", "soft"};

/* ---- Genes ---- */

/* One word per line; blank lines and what follows a # are not words. */
static int load_lexicon(const experiment_reader *r, const yaml_node *node, gene_source *s,
                        error *err)
{
    enum { LEXICON_BYTES = 16 << 20 };
    char *path, *bytes;
    size_t n, capacity = 0;
    TRY(path_join(r->folder, node->s, &path, err));
    int rc = file_read(path, LEXICON_BYTES, &bytes, &n, err);
    if (rc < 0) {
        free(path);
        return yaml_error_at(node, err);
    }
    size_t bad = utf8_check(bytes, n);
    if (bad < n)
        rc = error_set(err, E_FORMAT, "%s: byte %zu (0x%02x) is not valid UTF-8", path,
                       bad + 1, (unsigned char)bytes[bad]);
    for (char *line = bytes, *next; rc == 0 && line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        line += strspn(line, " \t\r");
        size_t length = strcspn(line, "#\r");
        while (length && (line[length - 1] == ' ' || line[length - 1] == '\t'))
            length--;
        if (!length)
            continue;
        rc = array_grow(&s->lexicon, &capacity, s->n_lexicon, sizeof *s->lexicon, err);
        if (rc == 0 && !(s->lexicon[s->n_lexicon] = bytes_copy(line, length)))
            rc = error_memory(err, length);
        if (rc == 0)
            s->n_lexicon++;
    }
    free(bytes);
    free(path);
    return rc;
}

static int read_lexicon(const experiment_reader *r, const yaml_node *node, gene_source *s,
                        error *err)
{
    if (node->kind == YAML_LIST)
        TRY(read_texts(node, "lexicon", &s->lexicon, &s->n_lexicon, err));
    else if (node->kind == YAML_SCALAR)
        TRY(load_lexicon(r, node, s, err));
    else
        return yaml_error(node, err, E_FORMAT,
                          "lexicon must be a list of words or the path of a file with a "
                          "word per line");
    for (size_t i = 0; i < s->n_lexicon; i++) {
        const char *entry = s->lexicon[i];
        if (!*entry || entry[strcspn(entry, " \t\r\n\v\f")])
            return yaml_error(node, err, E_FORMAT,
                              "\"%.60s\" in the lexicon is not one word", entry);
    }
    return 0;
}

static int read_text_gene(experiment_reader *r, const yaml_node *map, size_t i,
                          error *err)
{
    static const char *const keys[] = {"kind",   "seed",    "more_seeds",
                                       "frozen", "lexicon", "max_words"};
    gene_source *s = &r->e->sources[i];
    gene_spec *g = &r->e->genes[i];
    const yaml_node *node;
    TRY(check_keys(map, keys, sizeof keys / sizeof *keys, "a text gene", err));
    TRY(require_key(map, "seed", "a text gene", &node, err));
    TRY(read_text(node, &s->seed, err));
    if ((node = yaml_get(map, "more_seeds")))
        TRY(read_texts(node, "more_seeds", &s->more_seeds, &s->n_more_seeds, err));
    if ((node = yaml_get(map, "frozen")))
        TRY(read_texts(node, "frozen", &s->frozen, &s->n_frozen, err));
    if ((node = yaml_get(map, "lexicon")))
        TRY(read_lexicon(r, node, s, err));
    if ((node = yaml_get(map, "max_words")))
        TRY(read_size(node, 0, 100000, &g->max_words, err));
    g->lexicon = (const char *const *)s->lexicon;
    g->n_lexicon = s->n_lexicon;
    return 0;
}

static int read_choice_gene(experiment_reader *r, const yaml_node *map, size_t i,
                            error *err)
{
    static const char *const keys[] = {"kind", "options", "seed"};
    gene_source *s = &r->e->sources[i];
    gene_spec *g = &r->e->genes[i];
    const yaml_node *list, *seed;
    TRY(check_keys(map, keys, 3, "a choice gene", err));
    TRY(require_key(map, "options", "a choice gene", &list, err));
    TRY(read_texts(list, "options", &s->options, &s->n_options, err));
    if (s->n_options < 2)
        return yaml_error(list, err, E_FORMAT,
                          "options given: %zu; a choice needs 2 or more", s->n_options);
    for (size_t a = 0; a < s->n_options; a++)
        for (size_t b = 0; b < a; b++)
            if (strcmp(s->options[a], s->options[b]) == 0)
                return yaml_error(list->items[a], err, E_FORMAT,
                                  "the option \"%.60s\" is given twice", s->options[a]);
    g->options = (const char *const *)s->options;
    g->n_options = s->n_options;
    seed = yaml_get(map, "seed");
    return seed ? read_word(seed, g->options, g->n_options, &s->seed_choice, err) : 0;
}

static int read_demos_gene(experiment_reader *r, const yaml_node *map, size_t i,
                           error *err)
{
    static const char *const keys[] = {"kind", "max", "each", "separator", "seed"};
    gene_source *s = &r->e->sources[i];
    gene_spec *g = &r->e->genes[i];
    demos_format *format = &r->e->demos[i];
    const yaml_node *node;
    g->n_pool = r->e->splits[SPLIT_SEARCH].n;
    g->max_demos = g->n_pool < 4 ? g->n_pool : 4;
    TRY(check_keys(map, keys, 5, "a demos gene", err));
    TRY(require_key(map, "each", "a demos gene", &node, err));
    TRY(template_parse_at(node, &format->each, err));
    if (!template_uses(&format->each, "input") || !template_uses(&format->each, "target"))
        return yaml_error(node, err, E_FORMAT,
                          "each must have {{input}} and {{target}}: a demonstration "
                          "shows both");
    if ((node = yaml_get(map, "max")))
        TRY(read_size(node, 1, (double)g->n_pool, &g->max_demos, err));
    if ((node = yaml_get(map, "seed")))
        TRY(read_size(node, 0, (double)g->max_demos, &s->seed_demos, err));
    if ((node = yaml_get(map, "separator")))
        return read_text(node, &format->separator, err);
    format->separator = string_copy("\n\n");
    return format->separator ? 0 : error_memory(err, 3);
}

static int read_number_gene(experiment_reader *r, const yaml_node *map, size_t i,
                            error *err)
{
    static const char *const keys[] = {"kind", "from", "to", "whole", "seed"};
    gene_source *s = &r->e->sources[i];
    gene_spec *g = &r->e->genes[i];
    const yaml_node *from, *to, *node;
    TRY(check_keys(map, keys, 5, "a number gene", err));
    TRY(require_key(map, "from", "a number gene", &from, err));
    TRY(require_key(map, "to", "a number gene", &to, err));
    TRY(read_real(from, -1e12, 1e12, &g->lowest, err));
    TRY(read_real(to, -1e12, 1e12, &g->highest, err));
    if (!(g->lowest < g->highest))
        return yaml_error(to, err, E_FORMAT, "to is %s; it must be more than from, %s",
                          to->s, from->s);
    if ((node = yaml_get(map, "whole")))
        TRY(read_switch(node, &g->whole, err));
    s->seed_number = g->lowest;
    if ((node = yaml_get(map, "seed")))
        TRY(read_real(node, g->lowest, g->highest, &s->seed_number, err));
    const yaml_node *bounds[] = {from, to, node};
    const double values[] = {g->lowest, g->highest, s->seed_number};
    for (size_t k = 0; g->whole && k < 3; k++)
        if (bounds[k] && values[k] != (double)(int64_t)values[k])
            return yaml_error(bounds[k], err, E_FORMAT,
                              "%s is %s, but the gene is a whole number",
                              node_name(bounds[k]), bounds[k]->s);
    return 0;
}

static int read_soft_gene(experiment_reader *r, const yaml_node *map, size_t i,
                          error *err)
{
    static const char *const keys[] = {"kind", "init", "tokens", "dimensions", "spread"};
    gene_source *s = &r->e->sources[i];
    gene_spec *g = &r->e->genes[i];
    const yaml_node *node;
    for (size_t k = 0; k < i; k++)
        if (r->e->genes[k].kind == GENE_VECTOR)
            return yaml_key_error(map, err, E_FORMAT,
                                  "a second soft gene: one soft prompt stands before "
                                  "everything, and \"%s\" is it",
                                  r->e->genes[k].name);
    s->n_tokens = 5;
    g->n_dimensions = 50;
    g->spread = 1;
    TRY(check_keys(map, keys, sizeof keys / sizeof *keys, "a soft gene", err));
    TRY(require_key(map, "init", "a soft gene", &node, err));
    TRY(read_text(node, &s->init, err));
    if (!*s->init)
        return yaml_error(
            node, err, E_FORMAT,
            "init is empty: the soft prompt begins as the tokens of a text");
    if ((node = yaml_get(map, "tokens")))
        TRY(read_size(node, 1, 1000, &s->n_tokens, err));
    if ((node = yaml_get(map, "dimensions")))
        TRY(read_size(node, 1, 500, &g->n_dimensions, err));
    if ((node = yaml_get(map, "spread")))
        TRY(read_real(node, 1e-6, 1e6, &g->spread, err));
    return 0;
}

/* Names are written between braces and dotted paths, hence their alphabet. */
static int check_gene_name(const experiment *e, const yaml_node *node, error *err)
{
    const char *name = node->key;
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    size_t n = strlen(name);
    bool begins = n > 0 && strchr(letters, name[0]);
    for (size_t i = 0; begins && i < n; i++)
        if (!strchr(letters, name[i]) && !strchr("0123456789-", name[i]))
            begins = false;
    if (!begins || n > 60)
        return yaml_key_error(node, err, E_FORMAT,
                              "\"%.60s\" cannot name a gene: letters, digits, _ and - "
                              "can, at most 60, beginning with a letter",
                              name);
    if (strcmp(name, "target") == 0 || dataset_field(e->data, name) < e->data->n_fields)
        return yaml_key_error(node, err, E_FORMAT,
                              "\"%s\" is a field of the data and cannot name a gene",
                              name);
    return 0;
}

static int read_gene(experiment_reader *r, const yaml_node *node, size_t i, error *err)
{
    const yaml_node *kind;
    size_t choice;
    TRY(check_gene_name(r->e, node, err));
    TRY(expect_map(node, "a gene", err));
    TRY(require_key(node, "kind", "a gene", &kind, err));
    TRY(read_word(kind, gene_names, N_GENE_KINDS, &choice, err));
    char *name = string_copy(node->key);
    if (!name)
        return error_memory(err, strlen(node->key) + 1);
    r->e->sources[i].name = name;
    r->e->genes[i].name = name;
    r->e->genes[i].kind = (gene_kind)choice;
    switch (r->e->genes[i].kind) {
    case GENE_TEXT:
        return read_text_gene(r, node, i, err);
    case GENE_CHOICE:
        return read_choice_gene(r, node, i, err);
    case GENE_DEMOS:
        return read_demos_gene(r, node, i, err);
    case GENE_NUMBER:
        return read_number_gene(r, node, i, err);
    case GENE_VECTOR:
        return read_soft_gene(r, node, i, err);
    }
    return 0;
}

size_t experiment_soft_gene(const experiment *e)
{
    size_t i = 0;
    while (i < e->spec.n_genes && e->spec.genes[i].kind != GENE_VECTOR)
        i++;
    return i;
}

size_t experiment_virtual_tokens(const experiment *e)
{
    size_t i = experiment_soft_gene(e);
    return i < e->spec.n_genes ? e->sources[i].n_tokens : 0;
}

int experiment_read_genes(experiment_reader *r, error *err)
{
    experiment *e = r->e;
    const yaml_node *map = yaml_get(r->root, "genes");
    size_t n = 0;
    if (map) {
        TRY(expect_map(map, "genes", err));
        n = map->n;
    }
    e->genes = array_new(n, sizeof *e->genes);
    e->sources = array_new(n, sizeof *e->sources);
    e->demos = array_new(n, sizeof *e->demos);
    if (!e->genes || !e->sources || !e->demos)
        return error_memory(err, n * sizeof *e->sources);
    e->spec = (genome_spec){.genes = e->genes, .n_genes = n};
    for (size_t i = 0; i < n; i++)
        TRY(read_gene(r, map->items[i], i, err));
    return 0;
}

/* ---- Seeds ---- */

/* Set text gene i; `at` is where the text was written. */
static int set_text_gene(const experiment *e, genome *g, size_t i, const char *s,
                         const yaml_node *at, error *err)
{
    const gene_source *source = &e->sources[i];
    int rc = gene_set_text(&g->genes[i], s, (const char *const *)source->frozen,
                           source->n_frozen, err);
    if (rc < 0)
        return rc == E_MEMORY ? rc : yaml_error_at(at, err);
    size_t most = e->genes[i].max_words;
    if (most && g->genes[i].n_words > most)
        return yaml_error(at, err, E_FORMAT,
                          "the text has %zu words, more than its max_words of %zu",
                          g->genes[i].n_words, most);
    return 0;
}

static int set_gene(const experiment *e, genome *g, size_t i, const yaml_node *map,
                    error *err)
{
    const gene_source *source = &e->sources[i];
    gene *out = &g->genes[i];
    switch (e->genes[i].kind) {
    case GENE_TEXT:
        return set_text_gene(e, g, i, source->seed, yaml_get(map, "seed"), err);
    case GENE_CHOICE:
        out->choice = source->seed_choice;
        return 0;
    case GENE_NUMBER:
        out->number = source->seed_number;
        return 0;
    case GENE_DEMOS:
        out->demos = array_new(source->seed_demos, sizeof *out->demos);
        if (!out->demos)
            return error_memory(err, source->seed_demos * sizeof *out->demos);
        for (size_t k = 0; k < source->seed_demos; k++)
            out->demos[k] = k;
        out->n_demos = source->seed_demos;
        return 0;
    case GENE_VECTOR:
        return 0; /* zeros: the text that it begins as */
    }
    return 0;
}

/* A further seed is the first one with another text in one gene. */
static int make_more_seeds(experiment *e, size_t i, const yaml_node *map, error *err)
{
    const gene_source *source = &e->sources[i];
    const yaml_node *list = yaml_get(map, "more_seeds");
    for (size_t k = 0; k < source->n_more_seeds; k++) {
        genome *g = &e->seeds[e->n_seeds];
        TRY(genome_copy(g, &e->seeds[0], err));
        e->n_seeds++;
        TRY(set_text_gene(e, g, i, source->more_seeds[k], list->items[k], err));
    }
    return 0;
}

int experiment_make_seeds(experiment_reader *r, error *err)
{
    experiment *e = r->e;
    const yaml_node *genes = yaml_get(r->root, "genes");
    size_t n = 1;
    for (size_t i = 0; i < e->spec.n_genes; i++)
        n += e->sources[i].n_more_seeds;
    e->seeds = array_new(n, sizeof *e->seeds);
    if (!e->seeds)
        return error_memory(err, n * sizeof *e->seeds);
    TRY(genome_new(&e->seeds[0], &e->spec, err));
    e->n_seeds = 1;
    for (size_t i = 0; i < e->spec.n_genes; i++)
        TRY(set_gene(e, &e->seeds[0], i, genes->items[i], err));
    for (size_t i = 0; i < e->spec.n_genes; i++)
        TRY(make_more_seeds(e, i, genes->items[i], err));
    return 0;
}
