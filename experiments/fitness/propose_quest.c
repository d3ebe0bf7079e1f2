#include "propose_quest.h"

#include <stdlib.h>
#include <string.h>

enum {
    BACKWARD_PRICE = 3, /* forward, and backward as two */
    SHARE = 6, /* one kind of text may take this part of the allowance at a time */
};

void quest_free(quest *q)
{
    for (size_t i = 0; q->places && i < q->rows.rows.n; i++)
        free(q->places[i]);
    free(q->places);
    free(q->sites);
    free(q->start);
    free(q->gradient);
    text_free(&q->name);
    gene_rows_free(&q->rows);
}

/* ---- Words ---- */

/* The token as a word in the place of the one that stands at a site: with the space
 * before it where that has one. *n letters, not terminated; NULL if it is none. */
static const char *site_word(const gene_rows *r, size_t site, int32_t id, size_t *n)
{
    const char *now = tokenizer_token(r->tokenizer, r->sites[site].id, NULL);
    const char *s = tokenizer_token(r->tokenizer, id, n);
    if (!s || *n == 0 || (now[0] == ' ') != (s[0] == ' '))
        return NULL;
    size_t skip = s[0] == ' ';
    *n -= skip;
    return id == r->sites[site].id || place_is_word(s + skip, *n) ? s + skip : NULL;
}

static bool allows(const void *context, size_t position, int32_t id)
{
    const quest *q = context;
    size_t n;
    return site_word(&q->rows, q->sites[position], id, &n) != NULL;
}

static token_rule rule_of(const quest *q)
{
    return (token_rule){allows, q};
}

/* ---- Where to look ---- */

static int copy_places(quest *q, const size_t *word_of_site, error *err)
{
    const gene_rows *r = &q->rows;
    q->places = array_new(r->rows.n, sizeof *q->places);
    if (!q->places)
        return error_memory(err, r->rows.n * sizeof *q->places);
    for (size_t i = 0; i < r->rows.n; i++) {
        size_t n = r->rows.rows[i].n;
        q->places[i] = array_new(n, sizeof **q->places);
        if (!q->places[i])
            return error_memory(err, n * sizeof **q->places);
        for (size_t t = 0; t < n; t++) {
            uint32_t site = r->places[i][t];
            bool is_free = site != place_none && r->sites[site].usable;
            q->places[i][t] = is_free ? (uint32_t)word_of_site[site] : place_none;
        }
    }
    q->words = (word_rows){.rows = r->rows.rows,
                           .n_rows = r->rows.n,
                           .places = (const uint32_t *const *)q->places,
                           .n = q->n};
    return 0;
}

static int find_words(quest *q, error *err)
{
    const gene_rows *r = &q->rows;
    size_t n_sites = r->n_sites;
    size_t *word_of_site = array_new(n_sites, sizeof *word_of_site);
    q->sites = array_new(n_sites, sizeof *q->sites);
    q->start = array_new(n_sites, sizeof *q->start);
    q->gradient = array_new(n_sites * q->C, sizeof *q->gradient);
    int rc = word_of_site && q->sites && q->start && q->gradient
                 ? 0
                 : error_memory(err, n_sites * q->C * sizeof *q->gradient);
    for (size_t w = 0; rc == 0 && w < n_sites; w++) {
        if (!r->sites[w].usable || r->sites[w].id < 0)
            continue;
        word_of_site[w] = q->n;
        q->sites[q->n] = w;
        q->start[q->n++] = r->sites[w].id;
    }
    if (rc == 0)
        rc = copy_places(q, word_of_site, err);
    free(word_of_site);
    return rc;
}

int quest_open(quest *q, propose_lm *p, const genome *g, size_t which, error *err)
{
    const experiment *e = p->experiment;
    const model_info *info = model_describe(scorer_model(p->scorer));
    *q = (quest){.proposer = p, .C = info->width};
    if (g->genes[which].n_words == 0)
        return 0;
    int rc = gene_rows_new(&q->rows, e, model_tokenizer(scorer_model(p->scorer)), g,
                           which, e->proposals.gradient_rows, err);
    if (rc == E_LIMIT) /* the candidate cannot be measured either */
        return 0;
    TRY(rc);
    for (size_t i = 0; i < q->rows.rows.n; i++) {
        q->price += BACKWARD_PRICE * q->rows.rows.rows[i].n;
        if (q->rows.rows.rows[i].n > info->window)
            return 0; /* it would have to be cut, and the words would move */
    }
    TRY(find_words(q, err));
    TRY(text_add_format(&q->name, err, "%zu %zu ", which, q->rows.gene.n));
    TRY(text_add(&q->name, q->rows.gene.s, q->rows.gene.n, err));
    return q->n > 0 && q->rows.rows.n > 0;
}

void quest_limit(quest *q)
{
    uint64_t spent = q->proposer->base.spent.tokens, most = q->proposer->base.allowance;
    q->limit = spent + (most > spent ? (most - spent) / SHARE : 0);
}

/* ---- Questions ---- */

/* One question about the rows; what its answer depends on besides them is what[0..n).
 * 1: answered, 0: too dear. */
typedef struct inquiry {
    const char *kind;
    const void *what;
    size_t n_bytes;
    uint64_t tokens;
    int (*compute)(void *context, session *s, text *out, error *err);
    void *context;
} inquiry;

static int inquire(quest *q, const inquiry *i, text *answer, error *err)
{
    char hex[SHA256_HEX];
    text name = {0};
    propose_lm *p = q->proposer;
    uint64_t spent = p->base.spent.tokens;
    TRY(sha256_hex(i->what, i->n_bytes, hex, err));
    int rc =
        text_add_format(&name, err, "%s\n%s\n%s", i->kind, hex, text_string(&q->name));
    scorer_question asked = {.name = text_string(&name),
                             .rows = q->rows.rows.rows,
                             .n = q->rows.rows.n,
                             .tokens = i->tokens,
                             .compute = i->compute,
                             .context = i->context};
    if (rc == 0)
        rc = scorer_remember(p->scorer, &asked, q->limit > spent ? q->limit - spent : 0,
                             answer, &p->base.spent, err);
    text_free(&name);
    return rc;
}

typedef struct look {
    quest *quest;
    const float *point;
    const int32_t *ids;
} look;

static int compute_words(void *context, session *s, text *out, error *err)
{
    const look *l = context;
    size_t n = l->quest->n;
    token_rule rule = rule_of(l->quest);
    int32_t *ids = array_new(n, sizeof *ids);
    int rc =
        ids ? readback_nearest(s, l->point, n, MEASURE_COSINE, &rule, 1, ids, NULL, err)
            : error_memory(err, n * sizeof *ids);
    if (rc == 0)
        rc = text_add(out, ids, n * sizeof *ids, err);
    free(ids);
    return rc;
}

/* The loss, then the gradient. Where they are no numbers, nothing: then the descent ends,
 * and has been paid for. */
static int compute_gradient(void *context, session *s, text *out, error *err)
{
    const look *l = context;
    quest *q = l->quest;
    double loss = 0;
    int rc = l->ids ? project_gradient(s, &q->words, l->ids, q->gradient, &loss, err)
                    : soften_gradient(s, &q->words, l->point, q->gradient, &loss, err);
    if (rc == E_NUMERIC)
        return 0;
    if (rc == 0)
        rc = text_add(out, &loss, sizeof loss, err);
    if (rc == 0)
        rc = text_add(out, q->gradient, q->n * q->C * sizeof *q->gradient, err);
    return rc;
}

int quest_words(quest *q, const float *point, int32_t *ids, error *err)
{
    look l = {.quest = q, .point = point};
    text answer = {0};
    inquiry i = {.kind = "words next to a point",
                 .what = point,
                 .n_bytes = q->n * q->C * sizeof *point,
                 .compute = compute_words,
                 .context = &l};
    int rc = inquire(q, &i, &answer, err);
    if (rc == 1 && answer.n != q->n * sizeof *ids)
        rc = 0;
    if (rc == 1)
        memcpy(ids, answer.s, answer.n);
    text_free(&answer);
    return rc;
}

int quest_gradient(quest *q, const int32_t *ids, const float *point, double *loss,
                   error *err)
{
    look l = {.quest = q, .point = point, .ids = ids};
    text answer = {0};
    size_t floats = q->n * q->C * sizeof *q->gradient;
    inquiry i = {.kind = ids ? "gradient at words" : "gradient at vectors",
                 .what = ids ? (const void *)ids : point,
                 .n_bytes = ids ? q->n * sizeof *ids : floats,
                 .tokens = q->price,
                 .compute = compute_gradient,
                 .context = &l};
    int rc = inquire(q, &i, &answer, err);
    if (rc == 1 && answer.n != sizeof *loss + floats)
        rc = 0;
    if (rc == 1) {
        memcpy(loss, answer.s, sizeof *loss);
        memcpy(q->gradient, answer.s + sizeof *loss, floats);
    }
    text_free(&answer);
    return rc;
}

/* The head of the rows, with vectors. */
static vector_text head_of(const quest *q, const float *vectors)
{
    return (vector_text){.ids = q->words.rows[0].tokens,
                         .places = q->words.places[0],
                         .m = soften_common(&q->words),
                         .vectors = vectors,
                         .n = q->n};
}

/* The beam's best, the nearest by cosine and by dot product, the beam's others. */
static int compute_readings(void *context, session *s, text *out, error *err)
{
    const look *l = context;
    const quest *q = l->quest;
    token_rule rule = rule_of(q);
    vector_text head = head_of(q, l->point);
    beam_options o = beam_defaults();
    double scores[QUEST_READINGS];
    int32_t *ids = array_new((o.width + 2) * q->n, sizeof *ids);
    if (!ids)
        return error_memory(err, (o.width + 2) * q->n * sizeof *ids);
    int n = readback_beam(s, &head, &rule, &o, ids, scores, err);
    int32_t *others = ids + o.width * q->n;
    int rc = n < 0 ? n
                   : readback_nearest(s, l->point, q->n, MEASURE_COSINE, &rule, 1, others,
                                      NULL, err);
    if (rc == 0)
        rc = readback_nearest(s, l->point, q->n, MEASURE_DOT, &rule, 1, others + q->n,
                              NULL, err);
    size_t bytes = q->n * sizeof *ids;
    if (rc == 0 && n > 0)
        rc = text_add(out, ids, bytes, err);
    if (rc == 0)
        rc = text_add(out, others, 2 * bytes, err);
    if (rc == 0 && n > 1)
        rc = text_add(out, ids + q->n, (size_t)(n - 1) * bytes, err);
    free(ids);
    return rc;
}

int quest_readings(quest *q, const float *point, int32_t *ids, error *err)
{
    look l = {.quest = q, .point = point};
    text answer = {0};
    vector_text head = head_of(q, point);
    beam_options o = beam_defaults();
    size_t bytes = q->n * sizeof *ids, n = 0;
    inquiry i = {.kind = "words of vectors",
                 .what = point,
                 .n_bytes = q->n * q->C * sizeof *point,
                 .tokens = readback_beam_tokens(&head, &o),
                 .compute = compute_readings,
                 .context = &l};
    int rc = inquire(q, &i, &answer, err);
    if (rc == 1)
        n = answer.n / bytes < QUEST_READINGS ? answer.n / bytes : QUEST_READINGS;
    if (n > 0)
        memcpy(ids, answer.s, n * bytes);
    text_free(&answer);
    return rc < 0 ? rc : (int)n;
}

/* ---- Texts ---- */

/* The gene's text with these tokens for its free words. */
static int write_text(const quest *q, const int32_t *ids, text *out, error *err)
{
    const gene *g = &q->rows.genome->genes[q->rows.which];
    size_t at = 0;
    for (size_t i = 0; i < g->n_words; i++) {
        if (i > 0)
            TRY(text_add(out, " ", 1, err));
        if (at < q->n && q->sites[at] == i) {
            size_t n = 0;
            const char *s = site_word(&q->rows, i, ids[at++], &n);
            if (!s)
                return 0;
            TRY(text_add(out, s, n, err));
        } else {
            TRY(text_add_string(out, g->words[i].s, err));
        }
    }
    return 1;
}

/* 1: a candidate with this text is tokenised as it was meant. */
static int survives(const quest *q, const int32_t *ids, const char *s, error *err)
{
    genome variant = {0};
    int32_t *by_site = array_new(q->rows.n_sites, sizeof *by_site);
    if (!by_site)
        return error_memory(err, q->rows.n_sites * sizeof *by_site);
    for (size_t i = 0; i < q->n; i++)
        by_site[q->sites[i]] = ids[i];
    int rc = genome_copy(&variant, q->rows.genome, err);
    if (rc == 0)
        rc = gene_rewrite(&variant.genes[q->rows.which], s, err);
    if (rc == 1)
        rc = gene_rows_match(&q->rows, &variant, by_site, err);
    genome_free(&variant);
    free(by_site);
    return rc;
}

int quest_text(const quest *q, const int32_t *ids, text *out, error *err)
{
    text t = {0};
    int rc = write_text(q, ids, &t, err);
    if (rc == 1)
        rc = survives(q, ids, text_string(&t), err);
    if (rc == 1 && text_add(out, t.s, t.n, err) < 0)
        rc = E_MEMORY;
    text_free(&t);
    return rc;
}
