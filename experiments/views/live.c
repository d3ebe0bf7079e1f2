/* The block and the lines. */
#include "live.h"
#include "people.h"
#include "summary.h"

#include <stdio.h>
#include <string.h>

enum {
    FIXED_LINES = 7, /* the most that stand above the prompt */
    MOST_PROMPT_LINES = 12,
};

static spend spent_so_far(const run_progress *p)
{
    spend sum = {0};
    for (int i = 0; p->point && i < N_PURPOSES; i++)
        spend_add(&sum, &p->point->spent[i]);
    if (p->people && p->people->taken > sum.ratings)
        sum.ratings = p->people->taken; /* of the step that people are at work on */
    return sum;
}

/* ---- The block ---- */

static const char *words_of(const char *stage)
{
    static const stage_word all[] = {
        {"replaying", "replaying what is already paid for"},
        {"search", "searching"},
        {"selection", "the finalists meet the selection examples"},
        {"final", "seed and winner meet the final examples"},
    };
    return stage_words(all, sizeof all / sizeof *all, stage);
}

static int add_numbers(block *b, const run_progress *p)
{
    const history_point *h = p->point;
    spend spent = spent_so_far(p);
    outlook o = outlook_of_budget(&p->experiment->budget, &spent, p->seconds);
    TRY(text_add_format(&b->line, b->err, "generation %zu   %zu candidates alive   ",
                        h->generation, h->n_alive));
    TRY(summary_duration(&b->line, p->seconds, b->err));
    TRY(block_end_line(b, STYLE_PLAIN));
    TRY(text_add_format(&b->line, b->err, "best %.4f ± %.4f   median %.4f", h->best,
                        h->best_se, h->median));
    TRY(block_end_line(b, STYLE_GOOD));
    TRY(outlook_counts(&spent, p->tokens_per_second, &b->line, b->err));
    TRY(block_end_line(b, STYLE_PLAIN));
    TRY(outlook_bar(&o, p->search != NULL, b->terminal->width, &b->line, b->err));
    return block_end_line(b, STYLE_PLAIN);
}

/* Who is asked, and what is still missing before the step is decided. */
static int people_line(const people_state *p, text *out, error *err)
{
    TRY(text_add_string(out, p->simulated ? "SIMULATED raters: " : "people: ", err));
    if (p->missing)
        TRY(text_add_format(out, err, "%zu of %zu answers missing   ", p->missing,
                            p->asked));
    TRY(summary_count(out, p->ratings, err));
    TRY(text_add_format(out, err, " ratings by %zu raters", p->raters));
    if (p->excluded)
        TRY(text_add_format(out, err, " (%zu excluded)", p->excluded));
    if (p->cents > 0) {
        TRY(text_add_string(out, "   cost ", err));
        TRY(people_money(out, p->cents, err));
    }
    if (p->prepared)
        return text_add_format(out, err, "   %zu outputs prepared", p->prepared);
    return 0;
}

static int add_people(block *b, const people_state *p)
{
    TRY(people_line(p, &b->line, b->err));
    return block_end_line(b, p->waiting ? STYLE_BOLD : STYLE_PLAIN);
}

/* The best prompt, as many lines of it as there is room for. */
static int add_prompt(block *b, const char *prompt)
{
    size_t height = b->terminal->height, room = MOST_PROMPT_LINES;
    if (height < FIXED_LINES + 3)
        return 0;
    if (room > height - FIXED_LINES - 2)
        room = height - FIXED_LINES - 2;
    TRY(block_line(b, STYLE_DIM, "best prompt so far"));
    return block_lines(b, prompt, room);
}

static int add_all(block *b, const run_progress *p)
{
    TRY(block_begin(b, p->experiment->name, words_of(p->stage)));
    if (p->point)
        TRY(add_numbers(b, p));
    if (p->people)
        TRY(add_people(b, p->people));
    return p->best_prompt ? add_prompt(b, p->best_prompt) : 0;
}

int live_block(screen *s, const terminal *t, const run_progress *p, text *out, error *err)
{
    block b = {.screen = s, .terminal = t, .out = out, .err = err};
    int rc = add_all(&b, p);
    block_end(&b);
    return rc;
}

/* ---- Lines ---- */

int live_line(const run_progress *p, text *out, error *err)
{
    if (p->people && p->people->waiting) {
        TRY(text_add_format(out, err, "%s   ", p->stage));
        TRY(people_line(p->people, out, err));
        return text_add_string(out, "\n", err);
    }
    if (!p->point)
        return text_add_format(out, err, "%s\n", words_of(p->stage));
    const history_point *h = p->point;
    spend spent = spent_so_far(p);
    TRY(text_add_format(out, err, "%s generation %zu   best %.4f ± %.4f   median %.4f   ",
                        p->stage, h->generation, h->best, h->best_se, h->median));
    TRY(outlook_counts(&spent, p->tokens_per_second, out, err));
    return text_add_string(out, "\n", err);
}

/* ---- Watching ---- */

static int draw(screen *s, const terminal *t, const void *what, text *out, error *err)
{
    return live_block(s, t, what, out, err);
}

static int tell(const void *what, text *out, error *err)
{
    return live_line(what, out, err);
}

void live_watch(void *context, const run_progress *p)
{
    screen *s = context;
    bool news = screen_is_news(s, p->point ? p->point->step : 0, p->stage);
    if (p->people && p->people->waiting) /* every look at the crowd would be one */
        news = news || p->people->fresh;
    screen_show(s, news, p, draw, tell);
}
