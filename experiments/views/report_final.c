/* The report's final comparison: who did how well on the final split. */
#include "plot.h"
#include "report_parts.h"
#include "summary.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* One line of the interval plot: a point with its error bar, on its own row. */
static void add_interval(page *p, const split_score *s, int place, const char *name,
                         text *data, text *tics)
{
    if (p->rc == 0)
        p->rc = text_add_format(data, p->err, "%.9g %d %.9g\n", s->score, place,
                                1.96 * s->se);
    if (p->rc == 0)
        p->rc =
            text_add_format(tics, p->err, "%s'%s' %d", tics->n ? ", " : "", name, place);
}

static void put_interval_plot(page *p, const run_record *r)
{
    const verdict *v = &r->verdict;
    bool bare = r->training && r->training->has_bare;
    int rows = bare ? 3 : 2;
    text data = {0}, tics = {0}, script = {0};
    if (bare)
        add_interval(p, &r->training->bare, 2, "no prompt", &data, &tics);
    add_interval(p, &v->seed, 1, "seed", &data, &tics);
    add_interval(p, &v->best, 0, r->training ? "learned" : "best", &data, &tics);
    if (p->rc == 0)
        p->rc = text_add_format(
            &script, p->err,
            "unset grid\nset grid xtics lt 1 lw 1 lc rgb '" PLOT_GRID "'\n"
            "set border 1 lc rgb '" PLOT_AXIS "'\nset yrange [-0.6:%d.6]\n"
            "set ytics (%s) scale 0\n"
            "set offsets graph 0.08, graph 0.08, 0, 0\nset xtics autofreq\n"
            "set bars 0\nplot ",
            rows - 1, text_string(&tics));
    for (int i = 0; p->rc == 0 && i < rows; i++) /* the last line is the winner's */
        p->rc = text_add_format(&script, p->err,
                                "%s'data' every ::%d::%d using 1:2:3 with xerrorbars pt "
                                "7 ps 0.8 lw 3 lc rgb '#0a%02x01'",
                                i ? ", " : "", i, i, rows - i);
    put_plot(p, "final", "Scores on the final split, with 95 percent intervals",
             text_string(&script), text_string(&data), rows == 3 ? 170 : 130);
    text_free(&data);
    text_free(&tics);
    text_free(&script);
}

/* Generated texts have no first choice: then there is no column for it. */
static bool has_choice(const run_record *r)
{
    return !isnan(r->verdict.seed.first_choice);
}

static void put_score_head(page *p, const run_record *r)
{
    put(p, "<div class=\"scroll\"><table><tr><th></th><th class=\"n\">id</th>"
           "<th class=\"n\">score</th>");
    if (has_choice(r))
        put(p, "<th class=\"n\">first choice</th>");
    put(p, "<th class=\"n\">examples</th></tr>");
}

/* A row of numbers and, where it is not shown elsewhere, the prompt in a row below. */
static void put_score_row(page *p, const run_record *r, const char *label,
                          const split_score *s, const candidate_record *shown)
{
    put_format(p, "<tr%s><td>%s</td><td class=\"n\">#%" PRIu64 "</td><td class=\"n\">",
               shown ? " class=\"head\"" : "", label, s->candidate);
    put_score(p, s->score, s->se);
    if (has_choice(r))
        put(p, "</td><td class=\"n\">");
    if (has_choice(r) && p->rc == 0)
        p->rc = summary_share(p->out, s->first_choice, p->err);
    put_format(p, "</td><td class=\"n\">%zu</td></tr>", s->n);
    if (!shown)
        return;
    put_format(p, "<tr><td colspan=\"%d\"><div class=\"prompt\">", has_choice(r) ? 5 : 4);
    put_text(p, shown->prompt);
    put(p, "</div></td></tr>");
}

/* How many examples each of the two does better on: what the paired test sees. */
static void put_paired(page *p, const verdict *v)
{
    if (!v->seed.each || !v->best.each || v->seed.n != v->best.n)
        return;
    size_t up = 0, down = 0;
    for (size_t i = 0; i < v->best.n; i++) {
        up += v->best.each[i] > v->seed.each[i];
        down += v->best.each[i] < v->seed.each[i];
    }
    put_format(p,
               "<p class=\"note\">Example by example: better on %zu, worse on %zu, equal "
               "on %zu of %zu.</p>",
               up, down, v->best.n - up - down, v->best.n);
}

void report_comparison(page *p, const run_record *r)
{
    if (!r->has_verdict)
        return;
    const verdict *v = &r->verdict;
    put(p, "<section><h2>Final comparison</h2>");
    put_interval_plot(p, r);
    put_paired(p, v);
    put_score_head(p, r);
    put_score_row(p, r, "seed", &v->seed, NULL);
    put_score_row(p, r, r->training ? "learned" : "best", &v->best, NULL);
    if (r->training && r->training->has_bare)
        put_score_row(p, r, "no prompt", &r->training->bare, NULL);
    put(p,
        "</table></div><p class=\"note\">Points with 95 % intervals, on the final split. "
        "All meet the same examples, so the interval of a difference, not the overlap of "
        "two of these, decides.</p>");
    if (v->n_selection) {
        put(p,
            "<details><summary>the finalists on the selection split, from which the best "
            "was chosen</summary>");
        put_score_head(p, r);
        for (size_t i = 0; i < v->n_selection; i++)
            put_score_row(p, r, i ? "" : "chosen", &v->selection[i],
                          summary_candidate(r, v->selection[i].candidate));
        put(p, "</table></div></details>");
    }
    put(p, "</section>\n");
}
