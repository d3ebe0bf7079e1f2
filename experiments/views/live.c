/* The block and the lines. */
#include "live.h"
#include "summary.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    FIXED_LINES = 6, /* the most that stand above the prompt */
    MOST_PROMPT_LINES = 12,
    LEAST_BAR = 8,
    MOST_BAR = 30
};

/* Seconds between two drawings of the same step. */
static const double redraw_after = 0.1;

/* ---- The budget ---- */

typedef struct outlook {
    double share;     /* of the budget, of the limit that is nearest; 0 without limits */
    const char *unit; /* of that limit; NULL: none */
    double limit;
    double seconds_left; /* negative: unknown */
} outlook;

static spend spent_so_far(const run_progress *p)
{
    spend sum = {0};
    for (int i = 0; p->point && i < N_PURPOSES; i++) {
        sum.tokens += p->point->spent[i].tokens;
        sum.evaluations += p->point->spent[i].evaluations;
    }
    return sum;
}

static void consider(outlook *o, const char *unit, double used, double limit,
                     double seconds)
{
    if (limit <= 0 || used / limit < o->share || (o->unit && used / limit == o->share))
        return;
    o->unit = unit;
    o->limit = limit;
    o->share = used < limit ? used / limit : 1;
    o->seconds_left = used > 0 ? seconds * (limit - used) / used : -1;
    if (o->seconds_left < 0 && used > 0)
        o->seconds_left = 0;
}

static outlook look_ahead(const run_progress *p)
{
    const budget *b = &p->experiment->budget;
    spend s = spent_so_far(p);
    outlook o = {.seconds_left = -1};
    consider(&o, "tokens", (double)s.tokens, (double)b->tokens, p->seconds);
    consider(&o, "evaluations", (double)s.evaluations, (double)b->evaluations,
             p->seconds);
    consider(&o, "seconds", p->seconds, b->seconds, p->seconds);
    return o;
}

/* ---- The block ---- */

/* One line in the making, cut to the width when it is added. */
typedef struct block {
    live *live;
    const terminal *terminal;
    text *out;
    error *err;
} block;

static int add_line(block *b, style how, const char *line)
{
    if (b->live->n_lines == LIVE_MAX_LINES)
        return 0;
    text cut = {0};
    int rc = terminal_wrap(&cut, line, "", b->terminal->width - 1, 1, b->err);
    if (rc == 0) {
        cut.n--; /* its newline comes after the style's end */
        b->live->columns[b->live->n_lines++] = terminal_columns(cut.s, cut.n);
        rc = text_add_format(b->out, b->err, "%s%.*s%s\n",
                             terminal_style(b->terminal, how), (int)cut.n, cut.s,
                             terminal_style(b->terminal, STYLE_PLAIN));
    }
    text_free(&cut);
    return rc;
}

static int add_counts(text *line, const run_progress *p, error *err)
{
    spend s = spent_so_far(p);
    TRY(summary_count(line, s.evaluations, err));
    TRY(text_add_string(line, " evaluations   ", err));
    TRY(summary_count(line, s.tokens, err));
    TRY(text_add_string(line, " tokens", err));
    if (p->tokens_per_second > 0) {
        TRY(text_add_string(line, "   ", err));
        TRY(summary_count(line, (uint64_t)(p->tokens_per_second + 0.5), err));
        TRY(text_add_string(line, " tokens/s", err));
    }
    return 0;
}

static int add_bar(text *line, const run_progress *p, size_t width, error *err)
{
    outlook o = look_ahead(p);
    if (!o.unit)
        return text_add_string(line, "no budget: Ctrl-C ends the search", err);
    size_t cells = width > 60 ? MOST_BAR : width > 40 ? width - 40 : LEAST_BAR;
    if (cells > MOST_BAR)
        cells = MOST_BAR;
    size_t full = (size_t)(o.share * (double)cells + 0.5);
    for (size_t i = 0; i < cells; i++)
        TRY(text_add_string(line, i < full ? "█" : "░", err));
    TRY(text_add_format(line, err, " %3.0f %% of ", 100 * o.share));
    TRY(summary_count(line, (uint64_t)o.limit, err));
    TRY(text_add_format(line, err, " %s", o.unit));
    if (o.seconds_left >= 0 && p->search) {
        TRY(text_add_string(line, ", about ", err));
        TRY(summary_duration(line, o.seconds_left, err));
        TRY(text_add_string(line, " left", err));
    }
    return 0;
}

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
    int rc;
    TRY_OUT(rc, text_add_format(&line, b->err, "generation %zu   %zu candidates alive   ",
                                h->generation, h->n_alive));
    TRY_OUT(rc, summary_duration(&line, p->seconds, b->err));
    TRY_OUT(rc, add_line(b, STYLE_PLAIN, line.s));
    text_clear(&line);
    TRY_OUT(rc, text_add_format(&line, b->err, "best %.4f ± %.4f   median %.4f", h->best,
                                h->best_se, h->median));
    TRY_OUT(rc, add_line(b, STYLE_GOOD, line.s));
    text_clear(&line);
    TRY_OUT(rc, add_counts(&line, p, b->err));
    TRY_OUT(rc, add_line(b, STYLE_PLAIN, line.s));
    text_clear(&line);
    TRY_OUT(rc, add_bar(&line, p, b->terminal->width, b->err));
    TRY_OUT(rc, add_line(b, STYLE_PLAIN, line.s));
out:
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
    text lines = {0};
    int rc = add_line(b, STYLE_DIM, "best prompt so far");
    if (rc == 0)
        rc = terminal_wrap(&lines, prompt, "  ", b->terminal->width - 1, room, b->err);
    for (char *s = lines.s, *end; rc == 0 && s && *s; s = end + 1) {
        end = strchr(s, '\n');
        *end = '\0';
        rc = add_line(b, STYLE_PLAIN, s);
    }
    text_free(&lines);
    return rc;
}

int live_block(live *l, const terminal *t, const run_progress *p, text *out, error *err)
{
    block b = {l, t, out, err};
    text head = {0};
    l->n_lines = 0;
    int rc =
        text_add_format(&head, err, "%s: %s", p->experiment->name, stage_words(p->stage));
    if (rc == 0)
        rc = add_line(&b, STYLE_BOLD, head.s);
    text_free(&head);
    if (rc == 0 && p->point)
        rc = add_numbers(&b, p);
    if (rc == 0 && p->best_prompt)
        rc = add_prompt(&b, p->best_prompt);
    return rc;
}

/* Back to the first column of the block's first line, and clear from there. A window that
 * has become narrower has broken its lines. */
static int add_return(const live *l, const terminal *t, text *out, error *err)
{
    size_t rows = 0;
    for (size_t i = 0; i < l->n_lines; i++)
        rows += l->columns[i] > t->width ? (l->columns[i] + t->width - 1) / t->width : 1;
    if (rows == 0)
        return 0;
    if (rows >= t->height) /* what has scrolled away cannot be reached */
        rows = t->height - 1;
    return text_add_format(out, err, "\r\x1b[%zuA\x1b[J", rows);
}

/* ---- Lines ---- */

int live_line(const run_progress *p, text *out, error *err)
{
    if (!p->point)
        return text_add_format(out, err, "%s\n", stage_words(p->stage));
    const history_point *h = p->point;
    TRY(text_add_format(out, err, "%s generation %zu   best %.4f ± %.4f   median %.4f   ",
                        p->stage, h->generation, h->best, h->best_se, h->median));
    TRY(add_counts(out, p, err));
    return text_add_string(out, "\n", err);
}

/* ---- Watching ---- */

/* Progress that cannot be shown is no reason to stop a search. */
static void write_out(const text *t)
{
    const char *s = t->s;
    size_t n = t->n;
    while (n) {
        ssize_t wrote = write(STDERR_FILENO, s, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return;
        s += wrote;
        n -= (size_t)wrote;
    }
}

/* Whether this is news: another step or another stage. */
static bool is_news(live *l, const run_progress *p)
{
    bool news = strncmp(l->last_stage, p->stage, sizeof l->last_stage - 1) != 0;
    size_t step = p->point ? p->point->step : 0;
    news = news || step != l->last_step;
    l->last_step = step;
    snprintf(l->last_stage, sizeof l->last_stage, "%s", p->stage);
    return news;
}

void live_watch(void *context, const run_progress *p)
{
    live *l = context;
    terminal t = terminal_look(STDERR_FILENO);
    bool news = is_news(l, p);
    text out = {0};
    if (t.live && (news || clock_seconds() - l->drawn_at >= redraw_after)) {
        if (add_return(l, &t, &out, NULL) == 0 && live_block(l, &t, p, &out, NULL) == 0)
            write_out(&out);
        l->drawn_at = clock_seconds();
    } else if (!t.live && news && live_line(p, &out, NULL) == 0) {
        write_out(&out);
    }
    text_free(&out);
}
