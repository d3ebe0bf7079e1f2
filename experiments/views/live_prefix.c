#include "live_prefix.h"
#include "curve.h"
#include "summary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    FIXED_LINES = 7, /* that stand above the curve, and its axis below */
    MOST_CURVE_LINES = 12,
    LEAST_CURVE_LINES = 3,
    MOST_CURVE_WIDTH = 80,
};

static const char *words_of(const char *stage)
{
    static const stage_word all[] = {
        {"replaying", "doing again what is already paid for"},
        {"rate", "looking for a learning rate"},
        {"training", "training"},
        {"final", "seed, vectors and no prompt meet the final examples"},
    };
    return stage_words(all, sizeof all / sizeof *all, stage);
}

/* The selection loss of the best vectors, or nothing yet. */
static int add_losses(text *line, const training_record *t, error *err)
{
    if (t->n_steps) {
        const training_step *x = &t->steps[t->n_steps - 1];
        TRY(text_add_format(line, err, "loss %.4f   ", x->loss));
    }
    if (t->n_evaluations)
        TRY(text_add_format(line, err, "selection %.4f   ",
                            t->evaluations[t->n_evaluations - 1].loss));
    if (t->has_prefix)
        TRY(text_add_format(line, err, "best %.4f at step %zu   ", t->best_loss,
                            t->best_step));
    return 0;
}

/* ---- The block ---- */

static size_t steps_done(const training_record *t)
{
    return t->n_steps ? t->steps[t->n_steps - 1].step : 0;
}

static outlook look_ahead(const prefix_progress *p)
{
    outlook o = outlook_of_budget(&p->experiment->budget, &p->spent, p->seconds);
    outlook_consider(&o, "steps", (double)steps_done(p->so_far),
                     (double)p->so_far->facts.planned, p->seconds);
    return o;
}

static int add_head(const prefix_progress *p, text *line, error *err)
{
    const training_facts *f = &p->so_far->facts;
    TRY(text_add_format(line, err, "%zu virtual tokens, ", f->n_tokens));
    TRY(summary_count(line, f->parameters, err));
    return text_add_format(line, err, " numbers; at most %.0f MiB beside the weights",
                           (double)f->peak_bytes / (1 << 20));
}

static int add_step(const prefix_progress *p, text *line, error *err)
{
    const training_record *t = p->so_far;
    TRY(text_add_format(line, err, "step %zu of %zu   ", steps_done(t),
                        t->facts.planned));
    if (p->rate > 0)
        TRY(text_add_format(line, err, "rate %.3g   ", p->rate));
    if (t->n_steps)
        TRY(text_add_format(line, err, "gradient %.3g   ",
                            t->steps[t->n_steps - 1].grad_norm));
    return summary_duration(line, p->seconds, err);
}

static int add_numbers(block *b, const prefix_progress *p)
{
    outlook o = look_ahead(p);
    bool left = strcmp(p->stage, "final") != 0;
    TRY(add_head(p, &b->line, b->err));
    TRY(block_end_line(b, STYLE_DIM));
    TRY(add_step(p, &b->line, b->err));
    TRY(block_end_line(b, STYLE_PLAIN));
    TRY(add_losses(&b->line, p->so_far, b->err));
    TRY(block_end_line(b, STYLE_GOOD));
    TRY(outlook_counts(&p->spent, p->tokens_per_second, &b->line, b->err));
    TRY(block_end_line(b, STYLE_PLAIN));
    TRY(outlook_bar(&o, left, b->terminal->width, &b->line, b->err));
    return block_end_line(b, STYLE_PLAIN);
}

static int add_curve(block *b, const training_record *t)
{
    size_t height = b->terminal->height, room = MOST_CURVE_LINES;
    size_t width = b->terminal->width - 1;
    text drawing = {0};
    if (height < FIXED_LINES + 1 + LEAST_CURVE_LINES)
        return 0;
    if (room > height - FIXED_LINES - 1)
        room = height - FIXED_LINES - 1;
    int rc = curve_draw(t, width < MOST_CURVE_WIDTH ? width : MOST_CURVE_WIDTH, room,
                        &drawing, b->err);
    if (rc == 0)
        rc = block_drawing(b, &drawing);
    text_free(&drawing);
    return rc;
}

int live_prefix_block(screen *s, const terminal *t, const prefix_progress *p, text *out,
                      error *err)
{
    block b = {.screen = s, .terminal = t, .out = out, .err = err};
    int rc = block_begin(&b, p->experiment->name, words_of(p->stage));
    if (rc == 0)
        rc = add_numbers(&b, p);
    if (rc == 0)
        rc = add_curve(&b, p->so_far);
    block_end(&b);
    return rc;
}

/* ---- Lines ---- */

int live_prefix_line(const prefix_progress *p, text *out, error *err)
{
    const training_record *t = p->so_far;
    if (t->n_steps == 0 && t->n_evaluations == 0 && strcmp(p->stage, "rate") != 0) {
        TRY(text_add_format(out, err, "%s: ", p->stage));
        TRY(add_head(p, out, err));
        return text_add_string(out, "\n", err);
    }
    TRY(text_add_format(out, err, "%s ", p->stage));
    if (strcmp(p->stage, "rate") == 0)
        TRY(text_add_format(out, err, "%.3g   ", p->rate));
    else
        TRY(text_add_format(out, err, "step %zu   ", steps_done(t)));
    TRY(add_losses(out, t, err));
    TRY(outlook_counts(&p->spent, p->tokens_per_second, out, err));
    return text_add_string(out, "\n", err);
}

/* ---- Watching ---- */

static int draw(screen *s, const terminal *t, const void *what, text *out, error *err)
{
    return live_prefix_block(s, t, what, out, err);
}

static int tell(const void *what, text *out, error *err)
{
    return live_prefix_line(what, out, err);
}

/* A line for each look at the selection rows is enough, where lines stay. */
void live_prefix_watch(void *context, const prefix_progress *p)
{
    screen *s = context;
    bool news = screen_is_news(s, p->so_far->n_evaluations, p->stage);
    screen_show(s, news, p, draw, tell);
}
