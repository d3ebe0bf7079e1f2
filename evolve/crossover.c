/* Homologous crossover: what both parents have in common stays, each stretch in which
 * they differ comes from one or the other. */
#include "operators.h"

#include <stdlib.h>
#include <string.h>

#include "variation.h"
#include "words.h"

static bool coin(gsl_rng *rng)
{
    return gsl_rng_uniform(rng) < 0.5;
}

/* ---- Alignment of two stretches of words: Needleman and Wunsch 1970 with equal +2,
 * gap -1, and unequal words never paired, so a path is a list of matches and gaps. ----
 */

enum { EQUAL_SCORE = 2, GAP_SCORE = -1 };
typedef enum step { STEP_MATCH, STEP_A, STEP_B } step;

typedef struct stretch {
    const word *words;
    size_t n;
} stretch;

/* The steps from the start, at most a.n + b.n of them, into path; returns how many. */
static int stretch_align(stretch a, stretch b, step *path, size_t *n_path, error *err)
{
    size_t width = b.n + 1, cells;
    int *score = NULL;
    if (size_mul(a.n + 1, width, &cells))
        score = array_new(cells, sizeof *score);
    if (!score)
        return error_memory(err, (a.n + 1) * width);
    /* score[i * width + j]: the best of the suffixes a[i..], b[j..], so that the path
     * comes out forwards. */
    for (size_t i = a.n + 1; i-- > 0;)
        for (size_t j = b.n + 1; j-- > 0;) {
            int best = GAP_SCORE * (int)(a.n - i + b.n - j);
            bool inside = i < a.n && j < b.n;
            if (i < a.n && score[(i + 1) * width + j] + GAP_SCORE > best)
                best = score[(i + 1) * width + j] + GAP_SCORE;
            if (j < b.n && score[i * width + j + 1] + GAP_SCORE > best)
                best = score[i * width + j + 1] + GAP_SCORE;
            if (inside && strcmp(a.words[i].s, b.words[j].s) == 0 &&
                score[(i + 1) * width + j + 1] + EQUAL_SCORE > best)
                best = score[(i + 1) * width + j + 1] + EQUAL_SCORE;
            score[i * width + j] = best;
        }
    size_t i = 0, j = 0, n = 0;
    while (i < a.n || j < b.n) {
        int now = score[i * width + j];
        bool equal = i < a.n && j < b.n && strcmp(a.words[i].s, b.words[j].s) == 0;
        if (equal && now == score[(i + 1) * width + j + 1] + EQUAL_SCORE) {
            path[n++] = STEP_MATCH;
            i++, j++;
        } else if (i < a.n && now == score[(i + 1) * width + j] + GAP_SCORE) {
            path[n++] = STEP_A;
            i++;
        } else {
            path[n++] = STEP_B;
            j++;
        }
    }
    free(score);
    *n_path = n;
    return 0;
}

/* Append to *out the stretch that two aligned stretches breed. */
static int stretch_cross(gsl_rng *rng, stretch a, stretch b, gene *out, size_t *capacity,
                         error *err)
{
    step *path = array_new(a.n + b.n, sizeof *path);
    if (!path)
        return error_memory(err, (a.n + b.n) * sizeof *path);
    size_t n = 0, i = 0, j = 0;
    int rc = stretch_align(a, b, path, &n, err);
    bool from_a = coin(rng);
    for (size_t k = 0; k < n && rc == 0; k++) {
        bool a_here = path[k] != STEP_B, b_here = path[k] != STEP_A;
        if (from_a ? a_here : b_here)
            rc = words_append(out, capacity, from_a ? &a.words[i] : &b.words[j], err);
        if (path[k] == STEP_MATCH)
            from_a = coin(rng);
        i += a_here;
        j += b_here;
    }
    free(path);
    return rc;
}

/* ---- Text genes: aligned between frozen words, which both parents share ---- */

/* Where the next frozen word at or after `from` is, n_words if nowhere. */
static size_t next_frozen(const gene *g, size_t from)
{
    while (from < g->n_words && !g->words[from].frozen)
        from++;
    return from;
}

/* Same frozen words in the same order, neighbours where the other has neighbours. */
static bool same_skeleton(const gene *a, const gene *b)
{
    size_t i = next_frozen(a, 0), j = next_frozen(b, 0);
    while (i < a->n_words && j < b->n_words) {
        size_t ni = next_frozen(a, i + 1), nj = next_frozen(b, j + 1);
        if (strcmp(a->words[i].s, b->words[j].s) != 0)
            return false;
        if (ni < a->n_words && nj < b->n_words && (ni == i + 1) != (nj == j + 1))
            return false;
        i = ni;
        j = nj;
    }
    return i == a->n_words && j == b->n_words;
}

static int words_cross(gsl_rng *rng, const gene *a, const gene *b, gene *out, error *err)
{
    size_t capacity = 0, i = 0, j = 0;
    for (;;) {
        size_t ni = next_frozen(a, i), nj = next_frozen(b, j);
        stretch sa = {a->words ? a->words + i : NULL, ni - i};
        stretch sb = {b->words ? b->words + j : NULL, nj - j};
        TRY(stretch_cross(rng, sa, sb, out, &capacity, err));
        if (ni == a->n_words)
            break;
        TRY(words_append(out, &capacity, &a->words[ni], err));
        i = ni + 1;
        j = nj + 1;
    }
    TRY(words_mend_spaces(out, a->n_words ? a->words[0].space : "", err));
    out->trail = string_copy(a->trail ? a->trail : "");
    return out->trail ? 0 : error_memory(err, 1);
}

static int text_cross(const variation *v, const gene_spec *spec, const gene *a,
                      const gene *b, gene *out, error *err)
{
    gene child = {0};
    int rc = 0;
    if (same_skeleton(a, b))
        rc = words_cross(v->rng, a, b, &child, err);
    bool fits = !spec->max_words || child.n_words <= spec->max_words;
    if (rc == 0 && child.n_words > 0 && fits) {
        *out = child;
        return 0;
    }
    gene_free(&child);
    return rc < 0 ? rc : gene_copy(out, coin(v->rng) ? a : b, err);
}

/* ---- Demonstrations: walk both lists together, the next one from either; what is left
 * over of the longer is taken or not. No repeats, within the limit. ---- */

static void demos_take(gene *out, size_t limit, size_t demo)
{
    for (size_t i = 0; i < out->n_demos; i++)
        if (out->demos[i] == demo)
            return;
    if (out->n_demos < limit)
        out->demos[out->n_demos++] = demo;
}

static int demos_cross(const variation *v, const gene_spec *spec, const gene *a,
                       const gene *b, gene *out, error *err)
{
    size_t longest = a->n_demos > b->n_demos ? a->n_demos : b->n_demos;
    out->demos = array_new(longest, sizeof *out->demos);
    if (!out->demos)
        return error_memory(err, longest * sizeof *out->demos);
    for (size_t i = 0; i < longest; i++) {
        const gene *from = coin(v->rng) ? a : b;
        if (i < from->n_demos)
            demos_take(out, spec->max_demos, from->demos[i]);
    }
    return 0;
}

/* ---- All genes ---- */

static int gene_cross(const variation *v, const gene_spec *spec, const gene *a,
                      const gene *b, gene *out, error *err)
{
    switch (spec->kind) {
    case GENE_TEXT:
        return text_cross(v, spec, a, b, out, err);
    case GENE_DEMOS:
        return demos_cross(v, spec, a, b, out, err);
    case GENE_CHOICE:
        out->choice = (coin(v->rng) ? a : b)->choice;
        return 0;
    case GENE_NUMBER:
        out->number = (coin(v->rng) ? a : b)->number;
        return 0;
    case GENE_VECTOR:
        for (size_t i = 0; i < spec->n_dimensions; i++)
            out->vector[i] = (coin(v->rng) ? a : b)->vector[i];
        return 0;
    }
    return error_set(err, E_ARGUMENT, "gene \"%s\" is of unknown kind", spec->name);
}

int genome_crossover(const variation *v, const genome *a, const genome *b, genome *out,
                     error *err)
{
    genome child;
    TRY(genome_new(&child, v->spec, err));
    for (size_t i = 0; i < v->spec->n_genes; i++) {
        int rc = gene_cross(v, &v->spec->genes[i], &a->genes[i], &b->genes[i],
                            &child.genes[i], err);
        if (rc < 0) {
            genome_free(&child);
            return rc;
        }
    }
    *out = child;
    return 0;
}
