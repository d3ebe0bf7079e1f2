/* What a surrogate learns from: the ratings that a decision saw. */
#include "surrogate_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Whom the crowd's outputs belong to ---- */

static int add_id(text_shelf *t, const char *id, int64_t of, error *err)
{
    size_t number;
    TRY(name_index_add(&t->ids, id, &number, err));
    TRY(array_grow(&t->of_id, &t->of_id_capacity, number, sizeof *t->of_id, err));
    t->of_id[number] = (size_t)of;
    return 0;
}

/* The panel's cells are those of the batch that are shown, in order. */
static int add_ids(surrogate *s, const panel *p, error *err)
{
    size_t at = 0;
    for (size_t k = 0; k < s->n_cells; k++) {
        const surrogate_cell *c = &s->cells[k];
        if (!c->shown)
            continue;
        const panel_cell *x = &p->cells[at++];
        if (c->text == NO_TEXT)
            continue;
        TRY(add_id(&s->texts, panel_item_at(p, x->group, x->item)->id, c->text, err));
        if (!s->single)
            TRY(add_id(&s->texts, panel_item_at(p, x->group, x->anchor)->id, c->anchor,
                       err));
    }
    return 0;
}

/* ---- What a decision saw ---- */

typedef struct listener {
    surrogate *s;
    const panel *panel;
    bool *still; /* (n_ratings) it is there, and counts */
    text lesson;
} listener;

/* The first of the known pairs whose rating is not before this one. */
static size_t place_of(const surrogate *s, int64_t id)
{
    size_t low = 0, high = s->n_ratings;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->ratings[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* From 0, the worst that can be said, to 1. */
static double worth_of(const question *q, int answer)
{
    return q->kind == QUESTION_SCALE ? (double)(answer - 1) / (double)(q->n_labels - 1)
                                     : answer;
}

/* What one text was given. */
static int add_value(listener *l, const crowd_rating *r, size_t of, error *err)
{
    rated_texts p = {.id = r->id,
                     .outcome = worth_of(&l->s->experiment->people.question, r->answer),
                     .predicted = l->s->texts.value[of],
                     .a = of,
                     .b = of};
    return text_add(&l->lesson, &p, sizeof p, err);
}

static int add_choice(listener *l, const crowd_rating *r, const size_t *texts, error *err)
{
    const double *value = l->s->texts.value;
    for (size_t i = 0; i < r->n_outputs; i++)
        for (size_t j = i + 1; j < r->n_outputs; j++) {
            bool tie = r->answer == ANSWER_TIE, first = r->answer == (int)i;
            rated_texts p = {.id = r->id,
                             .outcome = tie ? 0.5 : first,
                             .predicted = value[texts[i]] - value[texts[j]],
                             .a = texts[i],
                             .b = texts[j]};
            if (tie || first || r->answer == (int)j)
                TRY(text_add(&l->lesson, &p, sizeof p, err));
        }
    return 0;
}

/* Of those that count, about outputs that this run has shown. */
static int hear(void *context, const crowd_rating *r, error *err)
{
    listener *l = context;
    surrogate *s = l->s;
    size_t texts[MAX_OUTPUTS], at = place_of(s, r->id);
    bool mine = strcmp(r->question, l->panel->question) == 0 ||
                strcmp(r->question, l->panel->pair_question) == 0;
    if (!r->counts || r->practice || !mine)
        return 0;
    if (at < s->n_ratings && s->ratings[at].id == r->id) {
        for (; at < s->n_ratings && s->ratings[at].id == r->id; at++)
            l->still[at] = true;
        return 0;
    }
    for (size_t i = 0; i < r->n_outputs; i++) {
        size_t number = name_index_find(&s->texts.ids, r->outputs[i]);
        if (number == s->texts.ids.n)
            return 0;
        texts[i] = s->texts.of_id[number];
    }
    return l->s->single ? add_value(l, r, texts[0], err) : add_choice(l, r, texts, err);
}

/* A rater was excluded, or took it back. */
static int add_gone(listener *l, error *err)
{
    const surrogate *s = l->s;
    for (size_t i = 0; i < s->n_ratings; i++) {
        rated_texts p = {
            .id = s->ratings[i].id, .outcome = (double)NAN, .predicted = (double)NAN};
        if (!l->still[i] && (i == 0 || s->ratings[i - 1].id != p.id))
            TRY(text_add(&l->lesson, &p, sizeof p, err));
    }
    return 0;
}

int surrogate_witness(surrogate *s, crowd *c, const panel *p, error *err)
{
    listener l = {.s = s, .panel = p};
    char key[SHA256_HEX];
    if (!s->open)
        return 0;
    TRY(surrogate_key(s->run, s->state.batches, "lesson", key, err));
    TRY(add_ids(s, p, err));
    l.still = array_new(s->n_ratings, sizeof *l.still);
    if (!l.still)
        return error_memory(err, s->n_ratings);
    int rc = crowd_each_rating(c, 0, hear, &l, err);
    if (rc == 0)
        rc = add_gone(&l, err);
    if (rc == 0)
        rc = store_memo_put(s->store, key, text_string(&l.lesson), l.lesson.n, err);
    text_free(&l.lesson);
    free(l.still);
    return rc;
}

/* ---- Learning ---- */

static void forget(surrogate *s, int64_t id)
{
    size_t at = place_of(s, id), end = at;
    while (end < s->n_ratings && s->ratings[end].id == id)
        end++;
    memmove(s->ratings + at, s->ratings + end, (s->n_ratings - end) * sizeof *s->ratings);
    s->n_ratings -= end - at;
}

static int keep(surrogate *s, const rated_texts *p, error *err)
{
    size_t at = place_of(s, p->id + 1);
    if (p->a >= s->texts.n_read || p->b >= s->texts.n_read)
        return error_set(
            err, E_FORMAT, "a remembered lesson is about text %llu of %zu: not ours",
            (unsigned long long)(p->a > p->b ? p->a : p->b), s->texts.n_read);
    TRY(array_grow(&s->ratings, &s->ratings_capacity, s->n_ratings, sizeof *p, err));
    memmove(s->ratings + at + 1, s->ratings + at,
            (s->n_ratings - at) * sizeof *s->ratings);
    s->ratings[at] = *p;
    s->n_ratings++;
    if (isnan(p->predicted))
        return 0;
    return reward_guard_see(s->guard, p->predicted, p->outcome, err);
}

static int take_lesson(surrogate *s, const char *bytes, size_t n, error *err)
{
    rated_texts p;
    if (n % sizeof p)
        return error_set(err, E_FORMAT,
                         "the remembered lesson of batch %zu is %zu bytes long: not ours",
                         s->state.batches, n);
    if (n > 0) {
        reward_free(s->reward);
        s->reward = NULL;
    }
    for (size_t at = 0; at < n; at += sizeof p) {
        memcpy(&p, bytes + at, sizeof p);
        if (isnan(p.outcome))
            forget(s, p.id);
        else
            TRY(keep(s, &p, err));
    }
    return 0;
}

static int recall_lesson(surrogate *s, error *err)
{
    char key[SHA256_HEX], *bytes = NULL;
    size_t n = 0;
    TRY(surrogate_key(s->run, s->state.batches, "lesson", key, err));
    int rc = store_memo_get(s->store, key, &bytes, &n, NULL, err);
    if (rc == 0)
        rc = error_set(err, E_FORMAT,
                       "the store has the decision of batch %zu, but not what the reward "
                       "was to learn from it",
                       s->state.batches);
    else if (rc == 1)
        rc = take_lesson(s, bytes, n, err);
    free(bytes);
    return rc;
}

/* How far people's scores follow the reward's. Scores of few answers keep to the middle,
 * and a reward that was learned from few ratings exaggerates. Older batches fade, and as
 * long as there are few a slope of a half is presumed, as if by five outputs one log odds
 * from the seed's, or a fifth of the scale from the mean. The line goes through the seed,
 * or the mean. */
static void calibrate(surrogate *s, const double *of_people)
{
    static const double fade = 0.9, presumed = 0.5;
    double presumed_squares = s->single ? 5 * 0.2 * 0.2 : 5;
    s->squares *= fade;
    s->products *= fade;
    for (size_t k = 0, at = 0; k < s->n_cells; k++) {
        const surrogate_cell *c = &s->cells[k];
        double p = c->shown ? of_people[at++] : 0;
        if (!c->shown || !surrogate_is_open(c) || isnan(c->value))
            continue;
        double rise = surrogate_rise(s, c);
        s->squares += rise * rise;
        s->products += rise * (s->single ? p - c->level : log(p / (1 - p)));
    }
    double slope =
        (s->products + presumed * presumed_squares) / (s->squares + presumed_squares);
    s->state.slope = fmax(0, slope);
}

/* Contexts that ratings are about. */
static int count_contexts(const surrogate *s, size_t *out, error *err)
{
    bool *met = array_new(s->texts.contexts.n, sizeof *met);
    if (!met)
        return error_memory(err, s->texts.contexts.n);
    *out = 0;
    for (size_t i = 0; i < s->n_ratings; i++) {
        bool *x = &met[s->texts.context[s->ratings[i].a]];
        *out += !*x;
        *x = true;
    }
    free(met);
    return 0;
}

/* What it is to the next batch. */
static int move_on(surrogate *s, error *err)
{
    enum { LEAST_CONTEXTS = 2 }; /* of which one can be held out */
    surrogate_record *r = &s->state;
    guard_state g = reward_guard_state(s->guard);
    size_t contexts = 0;
    r->ratings = s->n_ratings;
    r->predicted = g.n;
    r->tau = g.tau;
    r->low = g.low;
    r->high = g.high;
    TRY(count_contexts(s, &contexts, err));
    bool enough = s->n_ratings >= s->experiment->people.surrogate.first &&
                  contexts >= LEAST_CONTEXTS;
    if (!enough) {
        r->stage = SURROGATE_LEARNS;
    } else if (g.handed_back) {
        r->hand_backs += r->stage == SURROGATE_TRUSTED;
        r->stage = SURROGATE_TRIAL;
        reward_guard_refitted(s->guard);
    } else if (r->stage != SURROGATE_TRUSTED) {
        r->stage = g.agrees ? SURROGATE_TRUSTED : SURROGATE_TRIAL;
    }
    return 0;
}

int surrogate_learn(surrogate *s, const panel *p, const double *of_people, error *err)
{
    if (!s->open)
        return 0;
    surrogate_record *r = &s->state;
    TRY(add_ids(s, p, err));
    TRY(recall_lesson(s, err));
    calibrate(s, of_people);
    for (size_t k = 0; k < s->n_cells; k++) {
        r->by_people += surrogate_is_open(&s->cells[k]) && s->cells[k].shown;
        r->by_reward += surrogate_is_open(&s->cells[k]) && !s->cells[k].shown;
    }
    TRY(move_on(s, err));
    size_t batch = r->batches++;
    s->open = false;
    return surrogate_record_put(s->store, s->run, batch, r, err);
}
