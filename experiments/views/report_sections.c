/* The report's lists and tables: lineage, candidates, spend, settings. */
#include "../../rater/html.h"
#include "report_parts.h"
#include "summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* ---- Lineage ---- */

/* "demo_add+swap+…", which may be broken after each plus. */
static void put_chain(page *p, const char *operators)
{
    for (const char *s = operators; s && *s;) {
        size_t n = strcspn(s, "+");
        n += s[n] == '+';
        if (p->rc == 0)
            p->rc = html_escape(p->out, s, n, p->err);
        put(p, "<wbr>");
        s += n;
    }
}

static void put_ancestor(page *p, const candidate_record *c,
                         const candidate_record *parent)
{
    put_format(p, "<li><div class=\"step chain\"><b>#%" PRIu64 "</b> · generation %zu · ",
               c->id, c->generation);
    put_chain(p, c->operators);
    if (c->parents[1])
        put_format(p, " · other parent #%" PRIu64, c->parents[1]);
    if (c->n) {
        put(p, " · ");
        put_score(p, c->value, c->se);
        put_format(p, " on %zu", c->n);
    }
    put(p, "</div>");
    if (parent) {
        put_difference(p, parent->prompt, c->prompt);
    } else {
        put(p, "<div class=\"prompt\">");
        put_text(p, c->prompt);
        put(p, "</div>");
    }
    put(p, "</li>");
}

void report_lineage(page *p, const run_record *r)
{
    uint64_t *ids = NULL;
    size_t n = 0;
    if (p->rc == 0)
        p->rc = summary_lineage(r, summary_best(r), &ids, &n, p->err);
    if (p->rc == 0 && n > 1) {
        put_format(
            p,
            "<section><h2>How the best prompt came to be</h2><p class=\"note\">%zu "
            "generation%s of parents, edit by edit; scores on the search split.</p>"
            "<ol class=\"line\">",
            n - 1, n == 2 ? "" : "s");
        for (size_t i = 0; i < n; i++)
            put_ancestor(p, summary_candidate(r, ids[i]),
                         i ? summary_candidate(r, ids[i - 1]) : NULL);
        put(p, "</ol></section>\n");
    }
    free(ids);
}

void report_guests(page *p, const run_record *r)
{
    text sentence = {0};
    if (p->rc == 0)
        p->rc = summary_guest_sentence(r, &sentence, p->err);
    if (p->rc == 0 && sentence.n > 0) {
        put(p, "<section><h2>Who came from elsewhere</h2><p>");
        put_text(p, text_string(&sentence));
        put(p, "</p></section>\n");
    }
    text_free(&sentence);
}

/* ---- Candidates ---- */

enum { TOP = 20 };

void report_candidates(page *p, const run_record *r)
{
    uint64_t ids[TOP];
    size_t n = summary_top(r, TOP, ids);
    if (n == 0)
        return;
    put(p, "<section><h2>Best candidates of the search</h2><p class=\"note\">Of ");
    put_count(p, r->n_candidates);
    put(p,
        " candidates, the best among those measured on the most examples of the search "
        "split.</p><div class=\"scroll\"><table><tr><th class=\"n\">id</th><th "
        "class=\"n\">score</th><th class=\"n\">examples</th><th>made by</th></tr>");
    for (size_t i = 0; i < n; i++) {
        const candidate_record *c = summary_candidate(r, ids[i]);
        put_format(p,
                   "<tr class=\"head\"><td class=\"n\">#%" PRIu64 "</td><td class=\"n\">",
                   c->id);
        put_score(p, c->value, c->se);
        put_format(p, "</td><td class=\"n\">%zu</td><td class=\"chain\">", c->n);
        put_chain(p, c->operators);
        put(p, "</td></tr><tr><td colspan=\"4\"><div class=\"prompt\">");
        put_text(p, c->prompt);
        put(p, "</div></td></tr>");
    }
    put(p, "</table></div></section>\n");
}

/* ---- Spend ---- */

static void put_bar(page *p, const run_record *r, uint64_t total)
{
    put(p,
        "<div class=\"bar\" role=\"img\" aria-label=\"Share of the tokens by purpose\">");
    for (int i = 0; i < N_PURPOSES; i++)
        put_format(p, "<div style=\"width:%.3f%%;background:var(--series%d)\"></div>",
                   100 * (double)r->spent[i].tokens / (double)total, i + 1);
    put(p, "</div>");
}

/* `all`: of which it is a part. */
/* "search: candidates on …", of which a phone shows the first word. */
static void put_purpose(page *p, const char *label)
{
    size_t n = strcspn(label, ":");
    if (p->rc == 0)
        p->rc = html_escape(p->out, label, n, p->err);
    put(p, "<span class=\"wide\">");
    put_text(p, label + n);
    put(p, "</span>");
}

static void put_spend_row(page *p, const char *label, int series, const spend *s,
                          const spend *all)
{
    put(p, "<tr><td>");
    if (series)
        put_format(p, "<i class=\"swatch\" style=\"background:var(--series%d)\"></i>",
                   series);
    put_purpose(p, label);
    put(p, "</td><td class=\"n\">");
    put_count(p, s->tokens);
    put_format(p, "</td><td class=\"n\">%.1f %%</td><td class=\"n\">",
               all->tokens ? 100 * (double)s->tokens / (double)all->tokens : 0.0);
    put_count(p, s->evaluations);
    if (all->ratings) {
        put(p, "</td><td class=\"n\">");
        put_count(p, s->ratings);
    }
    put(p, "</td></tr>");
}

void report_spend(page *p, const run_record *r)
{
    spend all = summary_spent(r);
    put(p, "<section><h2>Where the tokens went</h2>");
    if (all.tokens)
        put_bar(p, r, all.tokens);
    put(p, "<div class=\"scroll\"><table><tr><th></th><th class=\"n\">tokens</th><th "
           "class=\"n\">share</th><th class=\"n\">evaluations</th>");
    put(p, all.ratings ? "<th class=\"n\">ratings</th></tr>" : "</tr>");
    for (int i = 0; i < N_PURPOSES; i++)
        if (summary_has_purpose(r, (purpose)i))
            put_spend_row(p, summary_purpose(r, (purpose)i), i + 1, &r->spent[i], &all);
    put_spend_row(p, "all", 0, &all, &all);
    put(p, "</table></div><p class=\"note\">");
    text duration = {0};
    if (p->rc == 0)
        p->rc = summary_duration(&duration, r->seconds, p->err);
    put(p, text_string(&duration));
    text_free(&duration);
    if (r->seconds > 0) {
        put(p, " of work, ");
        put_count(p, (uint64_t)((double)all.tokens / r->seconds));
        put(p, " tokens per second");
    }
    if (all.reused) {
        put(p, "; ");
        put_count(p, all.reused);
        put(p, " of these tokens had been computed by other runs of the folder");
    }
    put(p, ".</p></section>\n");
}

/* ---- Settings ---- */

enum { MAX_DEPTH = 4, MAX_ITEMS = 12, KEY_BYTES = 200 };

static void put_scalar(page *p, const json_t *value)
{
    if (json_is_string(value))
        put_text(p, json_string_value(value));
    else if (json_is_integer(value))
        put_format(p, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        put_format(p, "%.10g", json_real_value(value));
    else
        put(p, json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "–");
}

/* A list of a few plain values in full, anything else by its length. */
static void put_list(page *p, const json_t *list)
{
    size_t n = json_array_size(list);
    bool plain = n <= MAX_ITEMS;
    for (size_t i = 0; plain && i < n; i++) {
        const json_t *item = json_array_get(list, i);
        plain = !json_is_array(item) && !json_is_object(item);
    }
    if (!plain) {
        put_format(p, "%zu items", n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        put(p, i ? ", " : "");
        put_scalar(p, json_array_get(list, i));
    }
}

static void put_setting(page *p, const char *key, const json_t *value, int depth)
{
    if (json_is_object(value) && depth < MAX_DEPTH) {
        const char *name;
        const json_t *member;
        json_object_foreach((json_t *)(uintptr_t)value, name, member)
        {
            char path[KEY_BYTES];
            snprintf(path, sizeof path, "%s%s%s", key, *key ? "." : "", name);
            put_setting(p, path, member, depth + 1);
        }
        return;
    }
    put(p, "<tr><td>");
    put_text(p, key);
    put(p, "</td><td class=\"fill\"><div class=\"prompt\">");
    if (json_is_array(value))
        put_list(p, value);
    else
        put_scalar(p, value);
    put(p, "</div></td></tr>");
}

void report_settings(page *p, const run_record *r)
{
    put(p,
        "<section><h2>Settings</h2><details><summary>everything that this run was made of"
        "</summary><div class=\"scroll\"><table>");
    json_t *experiment =
        r->experiment ? json_loads(r->experiment, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (experiment)
        put_setting(p, "", experiment, 0);
    json_decref(experiment);
    put(p, "<tr><td>model sha256</td><td class=\"fill\"><div class=\"prompt\">");
    put_text(p, r->model_hash);
    put(p,
        "</div></td></tr><tr><td>backend</td><td class=\"fill\"><div class=\"prompt\">");
    put_text(p, r->backend);
    put(p, "</div></td></tr></table></div></details></section>\n");
}
