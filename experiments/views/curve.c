#include "curve.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A cell is a braille character: two columns of four dots (Unicode 2800-28FF), so that a
 * few lines show a curve; selection losses are whole cells. */
enum {
    LABEL = 8, /* columns of the axis' numbers */
    LEAST_WIDTH = LABEL + 16,
    MOST_CELLS = 200,
    MOST_LINES = 30,
    CIRCLE = 0xff + 1,
};

typedef struct canvas {
    unsigned cells[MOST_LINES][MOST_CELLS]; /* bits of dots, or CIRCLE */
    size_t width, height;                   /* cells */
    double low, high;                       /* of losses */
    double last;                            /* step at the right edge */
} canvas;

static void consider(canvas *c, double loss, bool *any)
{
    if (!isfinite(loss))
        return;
    c->low = *any && c->low < loss ? c->low : loss;
    c->high = *any && c->high > loss ? c->high : loss;
    *any = true;
}

/* Steps from 0 to the last one, losses from the least to the largest. */
static bool find_ranges(canvas *c, const training_record *t)
{
    bool any = false;
    for (size_t i = 0; i < t->n_steps; i++)
        consider(c, t->steps[i].loss, &any);
    for (size_t i = 0; i < t->n_evaluations; i++)
        consider(c, t->evaluations[i].loss, &any);
    if (t->n_steps < 2 || !any || !isfinite(c->high - c->low))
        return false;
    c->last = (double)t->steps[t->n_steps - 1].step;
    if (c->high - c->low < 1e-9) { /* a flat line in the middle */
        c->high += 0.5;
        c->low -= 0.5;
    }
    return true;
}

/* The place of a value on a scale of n dots. */
static size_t place(double x, double from, double to, size_t n)
{
    double at = to > from ? (x - from) / (to - from) : 0;
    at = at < 0 ? 0 : at > 1 ? 1 : at;
    return (size_t)(at * (double)(n - 1) + 0.5);
}

static void put_dot(canvas *c, double step, double loss)
{
    /* The bit of each dot of a cell, by its row and column. */
    static const unsigned bits[4][2] = {
        {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    size_t x = place(step, 0, c->last, 2 * c->width);
    size_t y = 4 * c->height - 1 - place(loss, c->low, c->high, 4 * c->height);
    c->cells[y / 4][x / 2] |= bits[y % 4][x % 2];
}

/* From one step to the next, where they are further apart than dots. */
static void put_line(canvas *c, const training_step *a, const training_step *b)
{
    if (!isfinite(a->loss) || !isfinite(b->loss))
        return;
    double from = (double)a->step, to = (double)b->step;
    double across = 2 * (double)c->width * (to - from) / c->last;
    double up = 4 * (double)c->height * fabs(b->loss - a->loss) / (c->high - c->low);
    size_t n = 1 + (size_t)(across > up ? across : up);
    for (size_t k = 1; k <= n; k++) {
        double share = (double)k / (double)n;
        put_dot(c, from + share * (to - from), a->loss + share * (b->loss - a->loss));
    }
}

static void put_circle(canvas *c, double step, double loss)
{
    size_t x = place(step, 0, c->last, 2 * c->width) / 2;
    size_t y = 4 * c->height - 1 - place(loss, c->low, c->high, 4 * c->height);
    c->cells[y / 4][x] = CIRCLE;
}

static int add_cell(unsigned cell, text *out, error *err)
{
    if (cell >= CIRCLE)
        return text_add_string(out, "●", err);
    if (cell == 0)
        return text_add_string(out, " ", err);
    unsigned code = 0x2800 + cell;
    char bytes[3] = {(char)(0xe0 | code >> 12), (char)(0x80 | (code >> 6 & 0x3f)),
                     (char)(0x80 | (code & 0x3f))};
    return text_add(out, bytes, sizeof bytes, err);
}

static int add_lines(const canvas *c, text *out, error *err)
{
    for (size_t y = 0; y < c->height; y++) {
        bool labelled = y == 0 || y + 1 == c->height || y == c->height / 2;
        double share = (double)y / (double)(c->height - 1);
        double value = c->high - share * (c->high - c->low);
        if (labelled)
            TRY(text_add_format(out, err, "%*.3f ┤", LABEL - 2, value));
        else
            TRY(text_add_format(out, err, "%*s │", LABEL - 2, ""));
        size_t last = c->width;
        while (last > 0 && c->cells[y][last - 1] == 0)
            last--;
        for (size_t x = 0; x < last; x++)
            TRY(add_cell(c->cells[y][x], out, err));
        TRY(text_add_string(out, "\n", err));
    }
    return text_add_format(out, err,
                           "%*s 0 … step %.0f; ⠒ loss of the batch, ● on the selection "
                           "split\n",
                           LABEL - 2, "", c->last);
}

int curve_draw(const training_record *t, size_t width, size_t height, text *out,
               error *err)
{
    if (width < LEAST_WIDTH || height < 3)
        return 0;
    canvas *c = calloc(1, sizeof *c);
    if (!c)
        return error_memory(err, sizeof *c);
    c->width = width - LABEL < MOST_CELLS ? width - LABEL : MOST_CELLS;
    c->height = height < MOST_LINES ? height : MOST_LINES;
    int rc = 0;
    if (find_ranges(c, t)) {
        for (size_t i = 0; i < t->n_steps; i++)
            put_line(c, &t->steps[i ? i - 1 : 0], &t->steps[i]);
        for (size_t i = 0; i < t->n_evaluations; i++)
            if (isfinite(t->evaluations[i].loss))
                put_circle(c, (double)t->evaluations[i].step, t->evaluations[i].loss);
        rc = add_lines(c, out, err);
    }
    free(c);
    return rc;
}
