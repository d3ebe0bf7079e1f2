/* The report's drawings: progress and the operators' shares, each drawn twice, for wide
 * and narrow screens, so that letters keep their size. */
#include "plot.h"
#include "report_parts.h"
#include "summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char color1[] = "#0a0101", color2[] = "#0a0201";

bool put_plot(page *p, const char *name, const char *label, const char *script,
              const char *data, size_t height)
{
    char id[40];
    text wide = {0}, narrow = {0};
    error why = {0}; /* a report without drawings is no failure */
    snprintf(id, sizeof id, "%swide", name);
    plot drawing = {id, script, data, 880, height};
    int rc = p->rc == 0 && !p->no_gnuplot ? plot_svg(&drawing, &wide, &why) : p->rc;
    snprintf(id, sizeof id, "%snarrow", name);
    drawing.width = 380;
    if (rc == 0 && wide.n)
        rc = plot_svg(&drawing, &narrow, &why);
    bool drawn = rc == 0 && narrow.n;
    if (drawn) {
        put_format(p,
                   "<figure class=\"plot\" role=\"img\" aria-label=\"%s\">"
                   "<div class=\"wide\">",
                   label);
        put(p, text_string(&wide));
        put(p, "</div><div class=\"narrow\">");
        put(p, text_string(&narrow));
        put(p, "</div></figure>");
    } else if (p->rc == 0 && !p->no_gnuplot) {
        put(p, "<p class=\"note\">There are no drawings in this report: ");
        put_text(p, why.text);
        put(p, ". The numbers are in the tables.</p>");
        p->no_gnuplot = true;
    }
    text_free(&wide);
    text_free(&narrow);
    return drawn;
}

void put_legend(page *p, int series, const char *what)
{
    put_format(p,
               "<span><i class=\"swatch\" style=\"background:var(--series%d)\"></i>%s"
               "</span>",
               series, what);
}

static uint64_t tokens_until(const history_point *h)
{
    uint64_t sum = 0;
    for (int i = 0; i < N_PURPOSES; i++)
        sum += h->spent[i].tokens;
    return sum;
}

/* ---- Progress ---- */

/* A unit in which tics of the axis are short, and none is rounded. */
typedef struct token_unit {
    const char *suffix;
    double tokens;
} token_unit;

static token_unit unit_of(uint64_t most_tokens)
{
    if (most_tokens < 10000)
        return (token_unit){"", 1};
    return most_tokens < 10000000 ? (token_unit){"k", 1e3} : (token_unit){"M", 1e6};
}

static void put_history_table(page *p, const run_record *r)
{
    put(p,
        "<div class=\"scroll\"><table><tr><th class=\"n\">generation</th>"
        "<th class=\"n\">tokens</th><th class=\"n\">best</th><th class=\"n\">median</th>"
        "<th class=\"n\">alive</th></tr>");
    for (size_t i = 0; i < r->n_history; i++) {
        const history_point *h = &r->history[i];
        put_format(p, "<tr><td class=\"n\">%zu</td><td class=\"n\">", h->generation);
        put_count(p, tokens_until(h));
        put(p, "</td><td class=\"n\">");
        put_score(p, h->best, h->best_se);
        put_format(p, "</td><td class=\"n\">%.4f</td><td class=\"n\">%zu</td></tr>",
                   h->median, h->n_alive);
    }
    put(p, "</table></div>");
}

static int progress_lines(const run_record *r, double unit, text *data, error *err)
{
    for (size_t i = 0; i < r->n_history; i++) {
        const history_point *h = &r->history[i];
        double margin = 1.96 * h->best_se;
        TRY(text_add_format(data, err, "%.9g %.9g %.9g %.9g %.9g\n",
                            (double)tokens_until(h) / unit, h->best, h->best - margin,
                            h->best + margin, h->median));
    }
    return 0;
}

static bool put_progress_plot(page *p, const run_record *r)
{
    text data = {0}, script = {0};
    token_unit unit = unit_of(tokens_until(&r->history[r->n_history - 1]));
    if (p->rc == 0)
        p->rc = progress_lines(r, unit.tokens, &data, p->err);
    if (p->rc == 0)
        p->rc = text_add_format(
            &script, p->err,
            "set format x '%%g%s'\nset xtics add ('0' 0)\nset offsets 0,0,graph "
            "0.05,graph 0.05\n"
            "plot 'data' using 1:3:4 with filledcurves fs transparent solid "
            "0.16 noborder lc rgb '%s', "
            "'' using 1:2 with linespoints lw 2 pt 7 ps 0.35 lc rgb '%s', "
            "'' using 1:5 with lines lw 2 dt '-' lc rgb '%s'",
            unit.suffix, color1, color1, color2);
    bool drawn = put_plot(p, "progress",
                          "Score of the best candidate and of the median, by "
                          "model tokens spent",
                          text_string(&script), text_string(&data), 300);
    text_free(&data);
    text_free(&script);
    return drawn;
}

void report_progress(page *p, const run_record *r)
{
    if (r->n_history == 0)
        return;
    put(p, "<section><h2>Progress</h2><div class=\"legend\">");
    put_legend(p, 1, "best candidate, with its 95 % band");
    put_legend(p, 2, "median of the population");
    put(p, "</div>");
    bool drawn = put_progress_plot(p, r);
    put(p,
        drawn ? "<p class=\"note\">Score on the search split, by model tokens spent. The "
                "best of many noisy scores flatters itself: the verdict above comes from "
                "examples that the search never saw.</p><details><summary>as a "
                "table</summary>"
              : "");
    put_history_table(p, r);
    put(p, drawn ? "</details></section>\n" : "</section>\n");
}

/* ---- Operators ---- */

enum { SHOWN = PLOT_SERIES - 1, MAX_OPERATORS = 64 };

/* An operator over all steps. */
typedef struct operator_total {
    const char *name;
    uint64_t tries, wins;
    double rate; /* at the last step */
    double sum;  /* of its rates at all steps: what it fills in the drawing */
} operator_total;

static size_t find_operator(operator_total *totals, size_t *n, const char *name)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(totals[i].name, name) == 0)
            return i;
    if (*n == MAX_OPERATORS)
        return MAX_OPERATORS;
    totals[*n] = (operator_total){.name = name};
    return (*n)++;
}

static int by_share(const void *a, const void *b)
{
    const operator_total *x = a, *y = b;
    if (x->sum < y->sum || x->sum > y->sum)
        return x->sum < y->sum ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* Points are cumulative: the last one of a name is its total. */
static size_t total_operators(const run_record *r, operator_total *totals)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n_operators; i++) {
        const operator_point *o = &r->operators[i];
        size_t at = find_operator(totals, &n, o->name);
        if (at == MAX_OPERATORS)
            continue;
        totals[at].tries = o->tries;
        totals[at].wins = o->wins;
        totals[at].rate = o->rate;
        totals[at].sum += o->rate;
    }
    qsort(totals, n, sizeof *totals, by_share);
    return n;
}

/* Where operator `name` is drawn: its own series, or the last one for all the rest. */
static size_t series_of(const operator_total *totals, size_t n, const char *name)
{
    for (size_t i = 0; i < n && i < SHOWN; i++)
        if (strcmp(totals[i].name, name) == 0)
            return i;
    return SHOWN;
}

/* One line per step: the step and the series' cumulated shares. */
static int share_lines(const run_record *r, const operator_total *totals, size_t n,
                       text *data, error *err)
{
    for (size_t i = 0; i < r->n_operators;) {
        size_t step = r->operators[i].step;
        double share[PLOT_SERIES] = {0}, sum = 0, below = 0;
        for (; i < r->n_operators && r->operators[i].step == step; i++) {
            share[series_of(totals, n, r->operators[i].name)] += r->operators[i].rate;
            sum += r->operators[i].rate;
        }
        TRY(text_add_format(data, err, "%zu 0", step));
        for (size_t k = 0; k < PLOT_SERIES; k++) {
            below += sum > 0 ? share[k] / sum : 0;
            TRY(text_add_format(data, err, " %.6g", below));
        }
        TRY(text_add_string(data, "\n", err));
    }
    return 0;
}

static int share_script(size_t n_series, size_t last_step, text *script, error *err)
{
    TRY(text_add_format(script, err,
                        "set yrange [0:1]\nset ytics 0.25\nset format y '%%.2g'\n"
                        "set grid noytics\nset xtics %s\nset autoscale xfix\nplot ",
                        last_step < 10 ? "1" : "autofreq")); /* no half steps */
    for (size_t k = 0; k < n_series; k++)
        TRY(text_add_format(script, err,
                            "%s'data' using 1:%zu:%zu with filledcurves fs solid 0.85 "
                            "noborder lc rgb '#0a%02zx01'",
                            k ? ", " : "", k + 2, k + 3, k + 1));
    return 0;
}

static void put_operator_table(page *p, const operator_total *totals, size_t n)
{
    put(p,
        "<div class=\"scroll\"><table><tr><th>operator</th><th class=\"n\">children</th>"
        "<th class=\"n\">better than parent</th><th class=\"n\">share at end"
        "</th></tr>");
    for (size_t i = 0; i < n; i++) {
        put_format(p,
                   "<tr><td class=\"name\"><i class=\"swatch\" "
                   "style=\"background:var(--series%zu)\">"
                   "</i>",
                   i < SHOWN ? i + 1 : (size_t)PLOT_SERIES);
        put_text(p, totals[i].name);
        put(p, "</td><td class=\"n\">");
        put_count(p, totals[i].tries);
        put(p, "</td><td class=\"n\">");
        put_count(p, totals[i].wins);
        put_format(p, "</td><td class=\"n\">%.1f %%</td></tr>", 100 * totals[i].rate);
    }
    put(p, "</table></div>");
}

void report_operators(page *p, const run_record *r)
{
    operator_total totals[MAX_OPERATORS];
    size_t n = total_operators(r, totals);
    if (n == 0)
        return;
    text data = {0}, script = {0};
    int rc = share_lines(r, totals, n, &data, p->err);
    if (rc == 0)
        rc = share_script(n <= SHOWN ? n : PLOT_SERIES,
                          r->operators[r->n_operators - 1].step, &script, p->err);
    if (rc < 0)
        p->rc = rc;
    put(p,
        "<section><h2>What the edits earned</h2><p class=\"note\">Each operator's share "
        "of "
        "the edits, step by step: those whose children beat their parents are tried more "
        "often, none falls below its floor; those that have nothing to act on, such as "
        "demonstrations to drop, have no share.");
    put(p, n > SHOWN ? " Grey: all the rest.</p>" : "</p>");
    if (r->n_operators > n)
        put_plot(p, "operators", "Shares of the operators over the steps of the search",
                 text_string(&script), text_string(&data), 240);
    put_operator_table(p, totals, n);
    put(p, "</section>\n");
    text_free(&data);
    text_free(&script);
}
