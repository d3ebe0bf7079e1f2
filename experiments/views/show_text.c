/* Runs in words, wrapped. */
#include "show_text.h"
#include "curve.h"
#include "people.h"
#include "summary.h"
#include "word_diff.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char indent[] = "    ";

static const char *style_of(const sheet *s, style wanted)
{
    return terminal_style(&s->terminal, wanted);
}

static int add_heading(const sheet *s, const char *heading)
{
    return text_add_format(s->out, s->err, "%s%s%s\n", style_of(s, STYLE_BOLD), heading,
                           style_of(s, STYLE_PLAIN));
}

static int add_prompt(const sheet *s, const char *prompt, size_t most_lines)
{
    return terminal_wrap(s->out, prompt ? prompt : "", indent, s->terminal.width,
                         most_lines, s->err);
}

/* ---- Verdict ---- */

static int add_scored_prompt(const sheet *s, const run_record *r, const char *label,
                             uint64_t id, const split_score *score)
{
    const candidate_record *c = summary_candidate(r, id);
    if (!c)
        return 0;
    TRY(text_add_format(s->out, s->err, "\n%s%s%s  #%" PRIu64, style_of(s, STYLE_BOLD),
                        label, style_of(s, STYLE_PLAIN), id));
    if (score)
        TRY(text_add_format(s->out, s->err, "  %.4f ± %.4f on %zu final examples",
                            score->score, score->se, score->n));
    if (score)
        TRY(summary_first_choice(s->out, ", ", score->first_choice, "", s->err));
    if (!score && c->n)
        TRY(text_add_format(s->out, s->err, "  %.4f ± %.4f on %zu search examples",
                            c->value, c->se, c->n));
    TRY(text_add_string(s->out, "\n", s->err));
    return add_prompt(s, c->prompt, 0);
}

static int add_people(const sheet *s, const run_record *r)
{
    text sentence = {0};
    int rc = people_sentence(r, &sentence, s->err);
    if (rc == 0 && sentence.n)
        rc = terminal_wrap(s->out, sentence.s, "", s->terminal.width, 0, s->err);
    text_free(&sentence);
    return rc;
}

int show_verdict(const sheet *s, const run_record *r)
{
    text sentence = {0};
    int rc = summary_sentence(r, &sentence, s->err);
    if (rc == 0 && r->training && r->training->has_bare) {
        rc = text_add_string(&sentence, " ", s->err);
        if (rc == 0)
            rc = summary_bare_sentence(r, &sentence, s->err);
    }
    bool good = summary_conclusion(r) == CONCLUSION_BETTER;
    if (rc == 0)
        rc = text_add_string(s->out, style_of(s, good ? STYLE_GOOD : STYLE_BAD), s->err);
    if (rc == 0)
        rc = terminal_wrap(s->out, text_string(&sentence), "", s->terminal.width, 0,
                           s->err);
    if (rc == 0)
        rc = text_add_string(s->out, style_of(s, STYLE_PLAIN), s->err);
    text_free(&sentence);
    TRY(rc);
    const char *meaning = summary_score_meaning(r);
    if (*meaning)
        TRY(terminal_wrap(s->out, meaning, "", s->terminal.width, 0, s->err));
    TRY(add_people(s, r));
    const verdict *v = r->has_verdict ? &r->verdict : NULL;
    uint64_t seed = summary_seed(r), best = summary_best(r);
    TRY(add_scored_prompt(s, r, "seed", seed, v ? &v->seed : NULL));
    if (best == seed)
        return 0;
    const char *label = r->training ? "learned" : "best";
    TRY(add_scored_prompt(s, r, v || r->training ? label : "best so far", best,
                          v ? &v->best : NULL));
    if (!r->training || !r->training->has_bare)
        return 0;
    return add_scored_prompt(s, r, "no prompt", TRAINING_BARE, &r->training->bare);
}

/* ---- Training ---- */

enum { CURVE_LINES = 10, CURVE_WIDTH = 72 };

int show_training(const sheet *s, const run_record *r)
{
    if (!r->training)
        return 0;
    text facts = {0};
    int rc;
    TRY_OUT(rc, add_heading(s, "training"));
    TRY_OUT(rc, summary_training(r, &facts, s->err));
    TRY_OUT(rc, terminal_wrap(s->out, text_string(&facts), "  ", s->terminal.width, 0,
                              s->err));
    text_clear(&facts);
    size_t width = s->terminal.width < CURVE_WIDTH ? s->terminal.width : CURVE_WIDTH;
    TRY_OUT(rc, curve_draw(r->training, width, CURVE_LINES, s->out, s->err));
    TRY_OUT(rc, text_add_string(s->out, "\n", s->err));
out:
    text_free(&facts);
    return rc;
}

/* ---- Spend ---- */

/* `rated`: people were asked. */
static int add_spend_row(const sheet *s, const char *label, const spend *sp, bool rated)
{
    text tokens = {0}, evaluations = {0}, ratings = {0};
    int rc = summary_count(&tokens, sp->tokens, s->err);
    if (rc == 0)
        rc = summary_count(&evaluations, sp->evaluations, s->err);
    if (rc == 0)
        rc = summary_count(&ratings, sp->ratings, s->err);
    if (rc == 0)
        rc = text_add_format(s->out, s->err, "  %-10s %12s tokens %9s evaluations", label,
                             text_string(&tokens), text_string(&evaluations));
    if (rc == 0 && rated)
        rc = text_add_format(s->out, s->err, " %9s ratings", text_string(&ratings));
    if (rc == 0)
        rc = text_add_string(s->out, "\n", s->err);
    text_free(&tokens);
    text_free(&evaluations);
    text_free(&ratings);
    return rc;
}

int show_spend(const sheet *s, const run_record *r)
{
    spend all = summary_spent(r);
    TRY(add_heading(s, "spent"));
    for (int p = 0; p < N_PURPOSES; p++)
        if (summary_has_purpose(r, (purpose)p))
            TRY(add_spend_row(s, purpose_name((purpose)p), &r->spent[p],
                              all.ratings > 0));
    TRY(add_spend_row(s, "all", &all, all.ratings > 0));
    TRY(text_add_string(s->out, "  in ", s->err));
    TRY(summary_duration(s->out, r->seconds, s->err));
    if (all.reused) {
        TRY(text_add_string(s->out, "; ", s->err));
        TRY(summary_count(s->out, all.reused, s->err));
        TRY(text_add_string(s->out, " tokens had been computed by other runs", s->err));
    }
    return text_add_string(s->out, "\n", s->err);
}

/* ---- Lineage ---- */

/* Plain texts mark changes as [-removed-] and {+added+}; colours need no brackets. */
static int add_changed(const sheet *s, text *t, const diff_part *part)
{
    bool added = part->kind == DIFF_ADDED, colour = s->terminal.colour;
    size_t words = part->n;
    while (words && strchr(" \n\t\r", part->s[words - 1]))
        words--;
    TRY(text_add_string(t,
                        colour  ? style_of(s, added ? STYLE_ADDED : STYLE_REMOVED)
                        : added ? "{+"
                                : "[-",
                        s->err));
    TRY(terminal_printable(t, part->s, words, s->err));
    TRY(text_add_string(t,
                        colour  ? style_of(s, STYLE_PLAIN)
                        : added ? "+}"
                                : "-]",
                        s->err));
    if (!added || words == part->n)
        return text_add_string(t, " ", s->err);
    return terminal_printable(t, part->s + words, part->n - words, s->err);
}

/* Lines are indented, not wrapped: colours must not be counted or cut. */
static int add_indented(const sheet *s, const char *lines)
{
    while (*lines) {
        size_t n = strcspn(lines, "\n");
        TRY(text_add_string(s->out, n ? indent : "", s->err));
        TRY(text_add(s->out, lines, n, s->err));
        TRY(text_add_string(s->out, "\n", s->err));
        lines += n + (lines[n] == '\n');
    }
    return 0;
}

static int add_difference(const sheet *s, const char *old_text, const char *new_text)
{
    diff_part *parts = NULL;
    size_t n = 0;
    text t = {0};
    int rc =
        word_diff(old_text ? old_text : "", new_text ? new_text : "", &parts, &n, s->err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = parts[i].kind == DIFF_SAME
                 ? terminal_printable(&t, parts[i].s, parts[i].n, s->err)
                 : add_changed(s, &t, &parts[i]);
    if (rc == 0)
        rc = add_indented(s, text_string(&t));
    text_free(&t);
    free(parts);
    return rc;
}

static int add_ancestor(const sheet *s, const candidate_record *c,
                        const candidate_record *parent)
{
    TRY(text_add_format(s->out, s->err, "  #%-5" PRIu64 " generation %zu, ", c->id,
                        c->generation));
    const char *made_by = c->operators ? c->operators : "";
    TRY(terminal_printable(s->out, made_by, strlen(made_by), s->err));
    if (c->parents[1])
        TRY(text_add_format(s->out, s->err, " with #%" PRIu64, c->parents[1]));
    if (c->n)
        TRY(text_add_format(s->out, s->err, ", %.4f ± %.4f on %zu", c->value, c->se,
                            c->n));
    TRY(text_add_string(s->out, "\n", s->err));
    return parent ? add_difference(s, parent->prompt, c->prompt)
                  : add_prompt(s, c->prompt, 0);
}

int show_lineage(const sheet *s, const run_record *r)
{
    uint64_t *ids = NULL;
    size_t n = 0;
    TRY(summary_lineage(r, summary_best(r), &ids, &n, s->err));
    int rc = n > 1 ? add_heading(s, "lineage of the best prompt, edit by edit") : 0;
    for (size_t i = 0; rc == 0 && n > 1 && i < n; i++)
        rc = add_ancestor(s, summary_candidate(r, ids[i]),
                          i ? summary_candidate(r, ids[i - 1]) : NULL);
    if (rc == 0 && n > 1)
        rc = text_add_string(s->out, "\n", s->err);
    free(ids);
    return rc;
}

int show_guests(const sheet *s, const run_record *r)
{
    text sentence = {0};
    int rc = summary_guest_sentence(r, &sentence, s->err);
    if (rc == 0 && sentence.n > 0)
        rc = terminal_wrap(s->out, text_string(&sentence), "", s->terminal.width, 0,
                           s->err);
    if (rc == 0 && sentence.n > 0)
        rc = text_add_string(s->out, "\n", s->err);
    text_free(&sentence);
    return rc;
}

/* ---- The best ---- */

enum { PROMPT_LINES = 8 };

int show_top(const sheet *s, const run_record *r, size_t k)
{
    if (k > r->n_candidates)
        k = r->n_candidates;
    uint64_t *ids = array_new(k, sizeof *ids);
    if (!ids)
        return error_memory(s->err, k * sizeof *ids);
    size_t n = summary_top(r, k, ids);
    int rc = n ? add_heading(s, "best candidates of the search") : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const candidate_record *c = summary_candidate(r, ids[i]);
        rc = text_add_format(s->out, s->err, "  #%-5" PRIu64 " %.4f ± %.4f on %zu, %s\n",
                             c->id, c->value, c->se, c->n, c->state ? c->state : "");
        if (rc == 0)
            rc = add_prompt(s, c->prompt, PROMPT_LINES);
    }
    if (rc == 0 && n)
        rc = text_add_string(s->out, "\n", s->err);
    free(ids);
    return rc;
}
