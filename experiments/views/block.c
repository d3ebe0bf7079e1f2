#include "block.h"
#include "summary.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LEAST_BAR = 8, MOST_BAR = 30 };

/* Seconds between two drawings of the same step. */
static const double redraw_after = 0.1;

/* ---- Lines ---- */

int block_line(block *b, style how, const char *line)
{
    screen *s = b->screen;
    if (s->n_lines == BLOCK_MAX_LINES)
        return 0;
    text cut = {0};
    int rc = terminal_wrap(&cut, line, "", b->terminal->width - 1, 1, b->err);
    if (rc == 0) {
        cut.n--; /* its newline comes after the style's end */
        s->columns[s->n_lines++] = terminal_columns(cut.s, cut.n);
        rc = text_add_format(b->out, b->err, "%s%.*s%s\n",
                             terminal_style(b->terminal, how), (int)cut.n, cut.s,
                             terminal_style(b->terminal, STYLE_PLAIN));
    }
    text_free(&cut);
    return rc;
}

int block_begin(block *b, const char *name, const char *stage)
{
    b->screen->n_lines = 0;
    TRY(text_add_format(&b->line, b->err, "%s: %s", name, stage));
    return block_end_line(b, STYLE_BOLD);
}

void block_end(block *b)
{
    text_free(&b->line);
}

int block_end_line(block *b, style how)
{
    TRY(block_line(b, how, text_string(&b->line)));
    text_clear(&b->line);
    return 0;
}

int block_drawing(block *b, text *drawing)
{
    for (char *line = drawing->s, *end; line && *line; line = end + 1) {
        end = strchr(line, '\n');
        *end = '\0';
        TRY(block_line(b, STYLE_PLAIN, line));
    }
    return 0;
}

int block_lines(block *b, const char *s, size_t most)
{
    text lines = {0};
    int rc = terminal_wrap(&lines, s, "  ", b->terminal->width - 1, most, b->err);
    if (rc == 0)
        rc = block_drawing(b, &lines);
    text_free(&lines);
    return rc;
}

const char *stage_words(const stage_word *all, size_t n, const char *stage)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i].stage, stage) == 0)
            return all[i].words;
    return stage;
}

/* ---- The screen ---- */

bool screen_is_news(screen *s, size_t step, const char *stage)
{
    bool news = strncmp(s->last_stage, stage, sizeof s->last_stage - 1) != 0 ||
                step != s->last_step;
    s->last_step = step;
    snprintf(s->last_stage, sizeof s->last_stage, "%s", stage);
    return news;
}

/* Back to the first column of the block's first line, and clear from there. A window that
 * has become narrower has broken its lines. */
static int add_return(const screen *s, const terminal *t, text *out, error *err)
{
    size_t rows = 0;
    for (size_t i = 0; i < s->n_lines; i++)
        rows += s->columns[i] > t->width ? (s->columns[i] + t->width - 1) / t->width : 1;
    if (rows == 0)
        return 0;
    if (rows >= t->height) /* what has scrolled away cannot be reached */
        rows = t->height - 1;
    return text_add_format(out, err, "\r\x1b[%zuA\x1b[J", rows);
}

/* Progress that cannot be shown is no reason to stop. */
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

void screen_show(screen *s, bool news, const void *what,
                 int (*draw)(screen *s, const terminal *t, const void *what, text *out,
                             error *err),
                 int (*tell)(const void *what, text *out, error *err))
{
    terminal t = terminal_look(STDERR_FILENO);
    text out = {0};
    if (t.live && (news || clock_seconds() - s->drawn_at >= redraw_after)) {
        int rc = add_return(s, &t, &out, NULL);
        s->n_lines = 0;
        if (rc == 0 && draw(s, &t, what, &out, NULL) == 0)
            write_out(&out);
        s->drawn_at = clock_seconds();
    } else if (!t.live && news && tell(what, &out, NULL) == 0) {
        write_out(&out);
    }
    text_free(&out);
}

/* ---- The budget ---- */

outlook outlook_begin(void)
{
    return (outlook){.seconds_left = -1};
}

void outlook_consider(outlook *o, const char *unit, double used, double limit,
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

outlook outlook_of_budget(const budget *b, const spend *spent, double seconds)
{
    outlook o = outlook_begin();
    outlook_consider(&o, "tokens", (double)spent->tokens, (double)b->tokens, seconds);
    outlook_consider(&o, "evaluations", (double)spent->evaluations,
                     (double)b->evaluations, seconds);
    outlook_consider(&o, "ratings", (double)spent->ratings, (double)b->ratings, seconds);
    outlook_consider(&o, "seconds", seconds, b->seconds, seconds);
    return o;
}

int outlook_bar(const outlook *o, bool left, size_t width, text *line, error *err)
{
    if (!o->unit)
        return text_add_string(line, "no budget: Ctrl-C ends the search", err);
    size_t cells = width > 60 ? MOST_BAR : width > 40 ? width - 40 : LEAST_BAR;
    if (cells > MOST_BAR)
        cells = MOST_BAR;
    size_t full = (size_t)(o->share * (double)cells + 0.5);
    for (size_t i = 0; i < cells; i++)
        TRY(text_add_string(line, i < full ? "█" : "░", err));
    TRY(text_add_format(line, err, " %3.0f %% of ", 100 * o->share));
    TRY(summary_count(line, (uint64_t)o->limit, err));
    TRY(text_add_format(line, err, " %s", o->unit));
    if (o->seconds_left >= 0 && left) {
        TRY(text_add_string(line, ", about ", err));
        TRY(summary_duration(line, o->seconds_left, err));
        TRY(text_add_string(line, " left", err));
    }
    return 0;
}

int outlook_counts(const spend *s, double tokens_per_second, text *line, error *err)
{
    TRY(summary_count(line, s->evaluations, err));
    TRY(text_add_string(line, " evaluations   ", err));
    TRY(summary_count(line, s->tokens, err));
    TRY(text_add_string(line, " tokens", err));
    if (tokens_per_second > 0) {
        TRY(text_add_string(line, "   ", err));
        TRY(summary_count(line, (uint64_t)(tokens_per_second + 0.5), err));
        TRY(text_add_string(line, " tokens/s", err));
    }
    return 0;
}
