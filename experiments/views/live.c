/* The block and the lines. */
#include "live.h"
#include "people.h"
#include "summary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    FIXED_LINES = 7, /* the most that stand above the prompt */
    MOST_PROMPT_LINES = 12,
};

static spend spent_so_far(const run_progress *p)
{
    spend sum = {0};
    for (int i = 0; p->point && i < N_PURPOSES; i++) {
        sum.tokens += p->point->spent[i].tokens;
        sum.evaluations += p->point->spent[i].evaluations;
    }
    return sum;
}

/* ---- The block ---- */

static const char *stage_words(const char *stage)
{
    static const char *const words[][2] = {
        {"replaying", "replaying what is already paid for"},
        {"search", "searching"},
        {"selection", "the finalists meet the selection examples"},
        {"final", "seed and winner meet the final examples"},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], stage) == 0)
            return words[i][1];
    return stage;
}

static int add_numbers(block *b, const run_progress *p)
{
    text line = {0};
    const history_point *h = p->point;
    spend spent = spent_so_far(p);
    outlook o = outlook_of_budget(&p->experiment->budget, &spent, p->seconds);
    int rc;
    TRY_OUT(rc, text_add_format(&line, b->err, "generation %zu   %zu candidates alive   ",
                                h->generation, h->n_alive));
    TRY_OUT(rc, summary_duration(&line, p->seconds, b->err));
    TRY_OUT(rc, block_line(b, STYLE_PLAIN, line.s));
    text_clear(&line);
    TRY_OUT(rc, text_add_format(&line, b->err, "best %.4f ± %.4f   median %.4f", h->best,
                                h->best_se, h->median));
    TRY_OUT(rc, block_line(b, STYLE_GOOD, line.s));
    text_clear(&line);
    TRY_OUT(rc, outlook_counts(&spent, p->tokens_per_second, &line, b->err));
    TRY_OUT(rc, block_line(b, STYLE_PLAIN, line.s));
    text_clear(&line);
    TRY_OUT(rc, outlook_bar(&o, p->search != NULL, b->terminal->width, &line, b->err));
    TRY_OUT(rc, block_line(b, STYLE_PLAIN, line.s));
out:
    text_free(&line);
    return rc;
}

/* The reward that chooses what people see. */
static int surrogate_words(const surrogate_record *s, text *out, error *err)
{
    TRY(text_add_format(out, err, "   reward %s", surrogate_stage_names[s->stage]));
    if (s->hand_backs)
        TRY(text_add_format(out, err, ", handed back %zu time%s", s->hand_backs,
                            s->hand_backs == 1 ? "" : "s"));
    if (!isnan(s->tau))
        TRY(text_add_format(out, err, " (tau %.2f)", s->tau));
    TRY(text_add_string(out, ": ", err));
    return people_surrogate_count(s, out, err);
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
        TRY(text_add_format(out, err, "   %zu outputs prepared", p->prepared));
    return p->surrogate ? surrogate_words(p->surrogate, out, err) : 0;
}

static int add_people(block *b, const people_state *p)
{
    text line = {0};
    int rc = people_line(p, &line, b->err);
    if (rc == 0)
        rc = block_line(b, p->waiting ? STYLE_BOLD : STYLE_PLAIN, line.s);
    text_free(&line);
    return rc;
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

int live_block(screen *s, const terminal *t, const run_progress *p, text *out, error *err)
{
    block b = {s, t, out, err};
    text head = {0};
    s->n_lines = 0;
    int rc =
        text_add_format(&head, err, "%s: %s", p->experiment->name, stage_words(p->stage));
    if (rc == 0)
        rc = block_line(&b, STYLE_BOLD, head.s);
    text_free(&head);
    if (rc == 0 && p->point)
        rc = add_numbers(&b, p);
    if (rc == 0 && p->people)
        rc = add_people(&b, p->people);
    if (rc == 0 && p->best_prompt)
        rc = add_prompt(&b, p->best_prompt);
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
        return text_add_format(out, err, "%s\n", stage_words(p->stage));
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
