/* Whole texts for a gene, found by gradients of the answers' likelihood at its words:
 * those that a projected descent passes, and what vectors in the words' places, tuned
 * and read back, turn out to say (prefix/project.h, prefix/readback.h).
 *
 * A text is offered only if the rows that its candidate will be measured on are, token by
 * token, those that the gradient was taken for: what is tokenised otherwise is dropped.
 *
 * Every step is a question of its own to the scorer, so that a run that is killed finds
 * its steps again, and one short of budget stops between two. The projection of a point,
 * a product with the embedding matrix as in the swaps, is not charged; a gradient is,
 * once: while the point stays with the same words, it moves on for nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "propose_quest.h"

enum {
    OFFERS = 2, /* texts of one kind at a time */
    MOVES_PER_LOOK = 10,
};
/* Of a move, in units of the size of the embeddings. A projected point has to leave the
 * neighbourhood of a word before anything changes, and moves between looks; vectors make
 * all their way in a few looks. Chosen on the search splits of experiments/. */
static const double projected_rate = 0.1, softened_rate = 0.3;

/* ---- What is found ---- */

/* Sequences of tokens for the words, the best first. */
typedef struct finds {
    int32_t *ids; /* (capacity, n) */
    double *losses;
    size_t n, capacity;
} finds;

static int finds_new(finds *f, size_t capacity, size_t n_words, error *err)
{
    *f = (finds){.ids = array_new(capacity * n_words, sizeof *f->ids),
                 .losses = array_new(capacity, sizeof *f->losses),
                 .capacity = capacity};
    return f->ids && f->losses ? 0
                               : error_memory(err, capacity * n_words * sizeof *f->ids);
}

static void finds_free(finds *f)
{
    free(f->ids);
    free(f->losses);
}

/* Where it belongs, unless it is there already; of equal losses the first found leads. */
static void finds_add(finds *f, const int32_t *ids, size_t n_words, double loss)
{
    size_t bytes = n_words * sizeof *ids, at = 0;
    for (size_t i = 0; i < f->n; i++)
        if (memcmp(f->ids + i * n_words, ids, bytes) == 0)
            return;
    if (f->n == f->capacity)
        return;
    while (at < f->n && f->losses[at] <= loss)
        at++;
    memmove(f->ids + (at + 1) * n_words, f->ids + at * n_words, (f->n - at) * bytes);
    memmove(f->losses + at + 1, f->losses + at, (f->n - at) * sizeof *f->losses);
    memcpy(f->ids + at * n_words, ids, bytes);
    f->losses[at] = loss;
    f->n++;
}

/* ---- Projected ---- */

/* All words that the point passes, each looked at once. */
static int descend_projected(quest *q, size_t n_looks, finds *f, error *err)
{
    descent d;
    const model *m = scorer_model(q->proposer->scorer);
    int32_t *ids = array_new(q->n, sizeof *ids);
    if (!ids)
        return error_memory(err, q->n * sizeof *ids);
    int rc = descent_new(&d, m, q->start, q->n, projected_rate, err);
    if (rc < 0) {
        free(ids);
        return rc;
    }
    rc = 1;
    for (size_t i = 0; rc == 1 && f->n < f->capacity && i < n_looks * MOVES_PER_LOOK;
         i++) {
        double loss = 0;
        rc = quest_words(q, d.point, ids, err);
        if (rc == 1)
            rc = quest_gradient(q, ids, NULL, &loss, err);
        if (rc != 1)
            break;
        finds_add(f, ids, q->n, loss);
        descent_step(&d, q->gradient);
    }
    descent_free(&d);
    free(ids);
    return rc < 0 ? rc : 0;
}

/* Those of less loss than the text that they come from. */
static int find_projected(quest *q, finds *f, error *err)
{
    size_t n_looks = q->proposer->experiment->proposals.gradient_looks;
    TRY(finds_new(f, n_looks, q->n, err));
    TRY(descend_projected(q, n_looks, f, err));
    for (size_t i = 0; i < f->n; i++)
        if (memcmp(f->ids + i * q->n, q->start, q->n * sizeof *q->start) == 0)
            f->n = i;
    return 0;
}

/* ---- Nearest ---- */

/* *best (n, C) is the point of least loss. 1, or 0: there is none beyond the start. */
static int descend_softened(quest *q, float *best, error *err)
{
    descent d;
    double least = INFINITY;
    size_t at = 0, n_looks = q->proposer->experiment->proposals.gradient_looks;
    TRY(descent_new(&d, scorer_model(q->proposer->scorer), q->start, q->n, softened_rate,
                    err));
    int rc = 1;
    for (size_t i = 0; rc == 1 && i < n_looks; i++) {
        double loss = 0;
        rc = quest_gradient(q, NULL, d.point, &loss, err);
        if (rc == 1 && loss < least) {
            least = loss;
            at = i;
            memcpy(best, d.point, q->n * q->C * sizeof *best);
        }
        if (rc == 1)
            descent_step(&d, q->gradient);
    }
    descent_free(&d);
    return rc < 0 ? rc : at > 0;
}

static int read_point(quest *q, const float *point, finds *f, error *err)
{
    int32_t *ids = array_new(QUEST_READINGS * q->n, sizeof *ids);
    if (!ids)
        return error_memory(err, QUEST_READINGS * q->n * sizeof *ids);
    int n = quest_readings(q, point, ids, err);
    for (int i = 0; i < n; i++)
        if (memcmp(ids + (size_t)i * q->n, q->start, q->n * sizeof *ids) != 0)
            finds_add(f, ids + (size_t)i * q->n, q->n, 0);
    free(ids);
    return n < 0 ? n : 0;
}

static int find_nearest(quest *q, finds *f, error *err)
{
    if (soften_common(&q->words) == 0) /* nothing but words can stand there */
        return 0;
    float *best = array_new(q->n * q->C, sizeof *best);
    if (!best)
        return error_memory(err, q->n * q->C * sizeof *best);
    int rc = finds_new(f, QUEST_READINGS, q->n, err);
    if (rc == 0)
        rc = descend_softened(q, best, err);
    if (rc == 1)
        rc = read_point(q, best, f, err);
    free(best);
    return rc;
}

/* The best that survive; how many, or an error. */
static int offer(const quest *q, const finds *f, const char *origin, size_t k,
                 proposed_text *out, error *err)
{
    size_t given = 0;
    for (size_t i = 0; i < f->n && given < k; i++) {
        const int32_t *ids = f->ids + i * q->n;
        text t = {0};
        int rc = quest_text(q, ids, &t, err);
        if (rc == 1) {
            out[given++] = (proposed_text){origin, t.s};
            continue;
        }
        text_free(&t);
        TRY(rc);
    }
    return (int)given;
}

typedef int finder(quest *q, finds *f, error *err);

static int offer_kind(quest *q, finder *find, const char *origin, size_t k,
                      proposed_text *out, error *err)
{
    finds f = {0};
    quest_limit(q);
    int rc = find(q, &f, err);
    if (rc == 0)
        rc = offer(q, &f, origin, k < OFFERS ? k : OFFERS, out, err);
    finds_free(&f);
    return rc;
}

int propose_texts(proposer *base, const genome_spec *spec, const genome *g, size_t which,
                  size_t k, proposed_text *out, error *err)
{
    propose_lm *p = (propose_lm *)base;
    const proposal_options *o = &p->experiment->proposals;
    const struct {
        bool wanted;
        finder *find;
        const char *origin;
    } kinds[] = {{o->nearest, find_nearest, "nearest"},
                 {o->projected, find_projected, "projected"}};
    quest q;
    size_t given = 0;
    (void)spec;
    int rc = quest_open(&q, p, g, which, err);
    for (size_t i = 0; rc > 0 && i < sizeof kinds / sizeof *kinds; i++) {
        if (!kinds[i].wanted)
            continue;
        int n =
            offer_kind(&q, kinds[i].find, kinds[i].origin, k - given, out + given, err);
        rc = n < 0 ? n : 1;
        given += n > 0 ? (size_t)n : 0;
    }
    quest_free(&q);
    return rc < 0 ? rc : (int)given;
}
