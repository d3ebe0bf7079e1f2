/* The report's frame: head, verdict, the two prompts, and the order of the sections. */
#include "report.h"
#include "../../rater/html.h"
#include "people.h"
#include "plot.h"
#include "report_parts.h"
#include "summary.h"
#include "word_diff.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Writing ---- */

void put(page *p, const char *markup)
{
    if (p->rc == 0)
        p->rc = text_add_string(p->out, markup, p->err);
}

void put_format(page *p, const char *format, ...)
{
    char line[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    put(p, line);
}

void put_text(page *p, const char *s)
{
    if (p->rc == 0 && s)
        p->rc = html_escape_string(p->out, s, p->err);
}

void put_count(page *p, uint64_t n)
{
    if (p->rc == 0)
        p->rc = summary_count(p->out, n, p->err);
}

void put_score(page *p, double value, double se)
{
    put_format(p, "%.4f&nbsp;±&nbsp;%.4f", value, se);
}

/* ---- Differences ---- */

enum { KEPT_BYTES = 160 }; /* of an unchanged stretch, at each end */

/* An unchanged stretch; the middle of a long one says only how long it is. */
static void put_same(page *p, const char *s, size_t n)
{
    size_t head = KEPT_BYTES, tail = n > KEPT_BYTES ? n - KEPT_BYTES : 0;
    while (head < n && s[head] != ' ')
        head++;
    while (tail > 0 && s[tail] != ' ')
        tail--;
    if (head + KEPT_BYTES > tail) {
        if (p->rc == 0)
            p->rc = html_escape(p->out, s, n, p->err);
        return;
    }
    if (p->rc == 0)
        p->rc = html_escape(p->out, s, head, p->err);
    put_format(p, " <span class=\"cut\">[… %zu unchanged characters …]</span>",
               tail - head);
    if (p->rc == 0)
        p->rc = html_escape(p->out, s + tail, n - tail, p->err);
}

/* Bytes of a stretch up to the white space at its end. */
static size_t words_of(const diff_part *d)
{
    size_t n = d->n;
    while (n && strchr(" \n\t\r", d->s[n - 1]))
        n--;
    return n;
}

/* White space between two stretches: as it is in the text, or one space. */
static void put_gap(page *p, const char *s, size_t n)
{
    if (n == 0)
        put(p, " ");
    else if (p->rc == 0)
        p->rc = html_escape(p->out, s, n, p->err);
}

static void put_marked(page *p, const char *tag, const char *s, size_t n)
{
    put_format(p, "<%s>", tag);
    if (p->rc == 0)
        p->rc = html_escape(p->out, s, n, p->err);
    put_format(p, "</%s>", tag);
}

/* Does the next part say that words are gone which did not begin a line? They stand
 * before the white space that follows them, which is kept. */
static bool gone_from_line(const diff_part *next, const char *old_text)
{
    return next->kind == DIFF_REMOVED && next->s != old_text && next->s[-1] != '\n';
}

/* Marks cover words, not the white space after them; what is removed takes no line breaks
 * with it. */
static void put_parts(page *p, const diff_part *parts, size_t n, const char *old_text)
{
    const char *held = NULL; /* white space that is still to come */
    size_t n_held = 0;
    for (size_t i = 0; i < n; i++) {
        const diff_part *d = &parts[i];
        size_t words = words_of(d);
        bool hold =
            d->kind == DIFF_SAME && i + 1 < n && gone_from_line(&parts[i + 1], old_text);
        if (d->kind == DIFF_SAME)
            put_same(p, d->s, hold ? words : d->n);
        else
            put_marked(p, d->kind == DIFF_ADDED ? "ins" : "del", d->s, words);
        if (hold)
            put(p, " ");
        else if (d->kind == DIFF_ADDED)
            put_gap(p, d->s + words, d->n - words);
        else if (d->kind == DIFF_REMOVED)
            put_gap(p, held, n_held);
        held = d->s + words;
        n_held = hold ? d->n - words : 0;
    }
}

void put_difference(page *p, const char *old_text, const char *new_text)
{
    diff_part *parts = NULL;
    size_t n = 0;
    if (p->rc == 0)
        p->rc = word_diff(old_text ? old_text : "", new_text ? new_text : "", &parts, &n,
                          p->err);
    put(p, "<div class=\"prompt\">");
    put_parts(p, parts, p->rc == 0 ? n : 0, old_text);
    put(p, "</div>");
    free(parts);
}

/* ---- Head and verdict ---- */

static void put_head(page *p, const run_record *r)
{
    put(p, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
           "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
           "<title>");
    put_text(p, r->name);
    put(p, " – Lamarck</title>\n<style>\n");
    put(p, report_style());
    if (p->rc == 0)
        p->rc = plot_style(p->out, p->err);
    put(p, "</style></head>\n<body><main>\n<p class=\"meta\">Lamarck run ");
    put_format(p, "%" PRIu64 "</p><h1>", r->id);
    put_text(p, r->name);
    put(p, "</h1>\n<p class=\"meta\">started ");
    put_text(p, r->started);
    put_format(p, " · seed %" PRIu64 " · %s", r->seed, run_status_name(r->status));
    if (r->stop_reason && *r->stop_reason) {
        put(p, " (");
        put_text(p, r->stop_reason);
        put(p, ")");
    }
    put(p, "</p>\n");
}

static const char *badge(const run_record *r)
{
    switch (summary_conclusion(r)) {
    case CONCLUSION_NONE:
        return "<span class=\"badge\">no verdict yet</span>";
    case CONCLUSION_SAME:
        return "<span class=\"badge\">the seed prompt stands</span>";
    case CONCLUSION_BETTER:
        return "<span class=\"badge good\">better</span>";
    case CONCLUSION_WORSE:
        return "<span class=\"badge\">worse on new examples</span>";
    case CONCLUSION_NOT_SHOWN:
        break;
    }
    return "<span class=\"badge\">not shown to be better</span>";
}

static void put_paragraph(page *p, const text *t)
{
    if (!t->n)
        return;
    put(p, "<p>");
    put_text(p, t->s);
    put(p, "</p>");
}

static void put_verdict(page *p, const run_record *r)
{
    put(p, "<section class=\"card\">");
    put(p, badge(r));
    put(p, "<p class=\"sentence\">");
    text sentence = {0};
    if (p->rc == 0)
        p->rc = summary_sentence(r, &sentence, p->err);
    put_text(p, text_string(&sentence));
    text_clear(&sentence);
    put(p, "</p>");
    if (p->rc == 0)
        p->rc = summary_bare_sentence(r, &sentence, p->err);
    put_paragraph(p, &sentence);
    text_clear(&sentence);
    if (p->rc == 0)
        p->rc = people_sentence(r, &sentence, p->err);
    put_paragraph(p, &sentence);
    text_free(&sentence);
    if (r->has_verdict) {
        const verdict *v = &r->verdict;
        put_format(p,
                   "<div class=\"numbers\"><div><span>seed prompt</span><b>%.4f</b>"
                   "<span>± %.4f</span></div><div><span>%s</span><b>%.4f</b>"
                   "<span>± %.4f</span></div><div><span>difference</span><b>%+.4f</b>"
                   "<span>95 %%: %+.4f to %+.4f</span></div></div>",
                   v->seed.score, v->seed.se,
                   r->training ? "learned prefix" : "best prompt", v->best.score,
                   v->best.se, v->difference, v->ci_low, v->ci_high);
    }
    put(p, "<p class=\"meta\">");
    put_text(p, summary_score_meaning(r));
    put(p, r->has_verdict ? " ± is one standard error.</p></section>\n"
                          : "</p></section>\n");
}

static void put_prompts(page *p, const run_record *r)
{
    const candidate_record *seed = summary_candidate(r, summary_seed(r));
    const candidate_record *best = summary_candidate(r, summary_best(r));
    if (!seed || !best)
        return;
    put(p,
        "<div class=\"pair\"><div class=\"card\"><div class=\"label\">Seed prompt</div>"
        "<div class=\"prompt\">");
    put_text(p, seed->prompt);
    put(p, "</div></div><div class=\"card\"><div class=\"label\">");
    put(p, r->training ? "Learned prefix" : "Best prompt");
    put(p, r->has_verdict ? "</div>" : " so far</div>");
    put(p, "<div class=\"prompt\">");
    put_text(p, best->prompt);
    put(p, "</div></div></div>\n");
}

int report_render(const run_record *r, text *out, error *err)
{
    page p = {.out = out, .err = err};
    put_head(&p, r);
    put_verdict(&p, r);
    put_prompts(&p, r);
    report_progress(&p, r);
    report_curves(&p, r);
    report_comparison(&p, r);
    report_lineage(&p, r);
    report_guests(&p, r);
    report_operators(&p, r);
    report_spend(&p, r);
    report_candidates(&p, r);
    report_settings(&p, r);
    put(&p, "</main></body></html>\n");
    return p.rc;
}

int report_write(const run_record *r, const char *dir, error *err)
{
    text html = {0}, path = {0};
    int rc = report_render(r, &html, err);
    if (rc == 0)
        rc = text_add_format(&path, err, "%s/report.html", dir);
    if (rc == 0)
        rc = file_write(path.s, html.s, html.n, err);
    text_free(&html);
    text_free(&path);
    return rc;
}

int report_run(const char *dir, uint64_t id, error *err)
{
    store *s = NULL;
    run_record *r = NULL;
    TRY(store_open_readonly(&s, dir, err));
    int rc = store_run_read(s, id, &r, err);
    if (rc == 0)
        rc = people_look(r, dir, err);
    if (rc == 0)
        rc = report_write(r, dir, err);
    run_record_free(r);
    store_close(s);
    return rc;
}
