/* A surrogate's life, what it reads and fits, and its choices on record. */
#include "surrogate_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../rater/linear_fit.h"

/* ---- Life ---- */

static void shelf_free(text_shelf *t)
{
    name_index_free(&t->contexts);
    name_index_free(&t->keys);
    name_index_free(&t->ids);
    free(t->context);
    free(t->row);
    free(t->x);
    free(t->value);
    free(t->of_id);
}

void surrogate_close(surrogate *s)
{
    if (!s)
        return;
    text_reader_close(s->reader);
    reward_guard_free(s->guard);
    reward_free(s->reward);
    shelf_free(&s->texts);
    free(s->bred);
    free(s->ratings);
    free(s->cells);
    free(s->shown);
    free(s->scores);
    free(s);
}

int surrogate_open(surrogate **out, const experiment *e, const scorer *c,
                   const scorer_options *how, error *err)
{
    const split *from = &e->splits[SPLIT_SEARCH];
    surrogate *s = calloc(1, sizeof *s);
    if (!s)
        return error_memory(err, sizeof *s);
    s->experiment = e;
    s->single = question_outputs(e->people.question.kind) == 1;
    s->bred = array_new(e->data->n, sizeof *s->bred);
    int rc = s->bred ? 0 : error_memory(err, e->data->n);
    for (size_t i = 0; rc == 0 && i < from->n; i++)
        s->bred[from->index[i]] = true;
    s->state = surrogate_record_new();
    if (rc == 0)
        rc = reward_guard_new(&s->guard, &e->people.surrogate.guard, err);
    if (rc == 0)
        rc = text_reader_open(&s->reader, e, scorer_model(c), POOLING_MEAN, how, err);
    if (rc < 0)
        surrogate_close(s);
    else
        *out = s;
    return rc;
}

void surrogate_join(surrogate *s, store *st, uint64_t run)
{
    s->store = st;
    s->run = run;
    text_reader_use_store(s->reader, st);
}

const surrogate_record *surrogate_state(const surrogate *s)
{
    return &s->state;
}

/* ---- Prices ---- */

int surrogate_price(const surrogate *s, const outputs *o, const bool *due,
                    uint64_t *tokens, error *err)
{
    for (size_t i = 0; i <= o->n; i++) {
        const sheet_part *part = &o->sheet.parts[i];
        for (size_t k = 0; !part->failed && k < o->of[i].n; k++) {
            size_t at = o->of[i].examples[k];
            if (s->bred[at] && due[part->first_pair + k])
                TRY(text_reader_foretell(s->reader, at, tokens, err));
        }
    }
    return 0;
}

uint64_t surrogate_expects(const surrogate *s, const outputs *o, uint64_t wanted)
{
    size_t bred = 0;
    const measurement *seed = &o->of[o->n];
    for (size_t k = 0; k < seed->n; k++)
        bred += s->bred[seed->examples[k]];
    if (s->state.stage != SURROGATE_TRUSTED || bred == 0)
        return wanted;
    return (uint64_t)ceil(s->experiment->people.surrogate.share * (double)wanted);
}

uint64_t surrogate_ratings(const experiment *e, uint64_t wanted)
{
    const surrogate_plan *p = &e->people.surrogate;
    uint64_t before = p->first + p->guard.least;
    if (!p->on || wanted <= before)
        return wanted;
    return before + (uint64_t)ceil(p->share * (double)(wanted - before));
}

/* ---- Texts ---- */

/* The number of what was said about a data row, given now if it is new. */
static int shelve(surrogate *s, size_t at, const char *said, int64_t *out, error *err)
{
    text_shelf *t = &s->texts;
    text context = {0}, key = {0};
    size_t c = 0, number = 0, before = t->keys.n;
    int rc = experiment_people_context(s->experiment, at, &context, err);
    if (rc == 0)
        rc = name_index_add(&t->contexts, text_string(&context), &c, err);
    if (rc == 0)
        rc = array_grow(&t->context, &t->context_capacity, before, sizeof *t->context,
                        err);
    if (rc == 0)
        rc = array_grow(&t->row, &t->row_capacity, before, sizeof *t->row, err);
    if (rc == 0)
        rc = array_grow(&t->value, &t->value_capacity, before, sizeof *t->value, err);
    if (rc == 0)
        rc = text_add_format(&key, err, "%zu\n", c);
    if (rc == 0)
        rc = panel_clean(said, &key, err);
    if (rc == 0)
        rc = name_index_add(&t->keys, text_string(&key), &number, err);
    if (rc == 0 && number == before) {
        t->context[number] = c;
        t->row[number] = at;
        t->value[number] = (double)NAN;
    }
    *out = (int64_t)number;
    text_free(&context);
    text_free(&key);
    return rc;
}

/* Those that are new. */
static int read_texts(surrogate *s, expense *spent, error *err)
{
    text_shelf *t = &s->texts;
    size_t n = t->keys.n - t->n_read, width = text_reader_width(s->reader);
    const char **said = array_new(n, sizeof *said);
    if (!said)
        return error_memory(err, n * sizeof *said);
    for (size_t i = 0; i < n; i++)
        said[i] = strchr(t->keys.names[t->n_read + i], '\n') + 1;
    int rc = 0;
    while (rc == 0 && t->x_capacity < t->keys.n)
        rc = array_grow(&t->x, &t->x_capacity, t->x_capacity, width * sizeof *t->x, err);
    if (rc == 0)
        rc = text_reader_read(s->reader, t->row + t->n_read, said, n,
                              t->x + t->n_read * width, spent, err);
    if (rc == 0)
        t->n_read = t->keys.n;
    free(said);
    return rc;
}

/* ---- The batch ---- */

bool surrogate_is_open(const surrogate_cell *c)
{
    return c->text != NO_TEXT && c->text != c->anchor;
}

double surrogate_rise(const surrogate *s, const surrogate_cell *c)
{
    double above = c->value - c->level;
    return s->single ? above : preference_odds(above, c->doubt * c->doubt);
}

static int add_cell(surrogate *s, const outputs *o, size_t i, size_t k, error *err)
{
    const sheet_part *part = &o->sheet.parts[i], *seed = &o->sheet.parts[o->n];
    size_t at = o->of[i].examples[k];
    surrogate_cell c = {.candidate = i,
                        .text = NO_TEXT,
                        .anchor = NO_TEXT,
                        .penalty = s->experiment->fitness.length_weight *
                                   (double)part->prompt_tokens,
                        .value = (double)NAN,
                        .level = (double)NAN,
                        .doubt = (double)NAN,
                        .score = 0.5,
                        .shown = true};
    if (s->bred[at]) {
        if (!s->single)
            TRY(shelve(s, at, o->texts[seed->first_pair + o->seed_at[at]], &c.anchor,
                       err));
        TRY(shelve(s, at, o->texts[part->first_pair + k], &c.text, err));
        s->open = true;
    }
    TRY(array_grow(&s->cells, &s->cells_capacity, s->n_cells, sizeof c, err));
    s->cells[s->n_cells++] = c;
    return 0;
}

static int list_cells(surrogate *s, const outputs *o, error *err)
{
    s->n_cells = 0;
    s->open = false;
    for (size_t i = 0; i < s->texts.keys.n; i++)
        s->texts.value[i] = (double)NAN;
    for (size_t i = 0; i < o->n; i++)
        for (size_t k = 0; !o->sheet.parts[i].failed && k < o->of[i].n; k++)
            TRY(add_cell(s, o, i, k, err));
    return 0;
}

/* ---- The reward ---- */

static int fit(surrogate *s, error *err)
{
    const text_shelf *t = &s->texts;
    reward_rating *list = array_new(s->n_ratings, sizeof *list);
    reward_options how = reward_defaults();
    reward_facts facts = {.pooling = POOLING_MEAN,
                          .model = "",
                          .model_hash = "",
                          .question = "",
                          .source = ""};
    if (!list)
        return error_memory(err, s->n_ratings * sizeof *list);
    for (size_t i = 0; i < s->n_ratings; i++)
        list[i] =
            (reward_rating){s->ratings[i].a, s->ratings[i].b, s->ratings[i].outcome};
    reward_data d = {.head = s->single ? HEAD_SCALAR : HEAD_PAIRWISE,
                     .x = t->x,
                     .n_items = t->n_read,
                     .n_features = text_reader_width(s->reader),
                     .context = t->context,
                     .n_contexts = t->contexts.n,
                     .ratings = list,
                     .n = s->n_ratings};
    how.judge.seed = s->experiment->seed;
    int rc = reward_fit(&s->reward, &d, &facts, &how, err);
    free(list);
    return rc;
}

/* What people gave on the average, from 0 to 1. */
static double level_of_ratings(const surrogate *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->n_ratings; i++)
        sum += s->ratings[i].outcome;
    return sum / (double)s->n_ratings;
}

static void predict_single(surrogate *s, surrogate_cell *c, const double *said)
{
    reward_score(s->reward, said, 1, &c->value, &c->doubt);
    c->level = level_of_ratings(s);
    double score = c->level + s->state.slope * surrogate_rise(s, c);
    c->score = fmin(1, fmax(0, score));
}

static void predict_against(surrogate *s, surrogate_cell *c, const double *said,
                            const double *anchor)
{
    double margin;
    reward_score(s->reward, said, 1, &c->value, NULL);
    reward_score(s->reward, anchor, 1, &c->level, NULL);
    reward_margin(s->reward, said, anchor, &margin, &c->doubt);
    c->score = logistic(s->state.slope * surrogate_rise(s, c));
}

static void predict(surrogate *s, surrogate_cell *c)
{
    const double *x = s->texts.x;
    size_t width = text_reader_width(s->reader);
    if (s->single)
        predict_single(s, c, x + (size_t)c->text * width);
    else
        predict_against(s, c, x + (size_t)c->text * width, x + (size_t)c->anchor * width);
}

/* ---- Choices on record ---- */

typedef struct choice_record {
    double value, level, doubt, score;
    uint64_t shown;
} choice_record;

static int remember_choice(const surrogate *s, const char *key, error *err)
{
    text t = {0};
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < s->n_cells; k++) {
        const surrogate_cell *c = &s->cells[k];
        choice_record r = {c->value, c->level, c->doubt, c->score, c->shown};
        rc = text_add(&t, &r, sizeof r, err);
    }
    if (rc == 0)
        rc = store_memo_put(s->store, key, text_string(&t), t.n, err);
    text_free(&t);
    return rc;
}

static int recall_choice(surrogate *s, const char *key, error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    int rc = store_memo_get(s->store, key, &bytes, &n, NULL, err);
    if (rc == 1 && n != s->n_cells * sizeof(choice_record))
        rc = error_set(err, E_FORMAT,
                       "the remembered choice of batch %zu is about %zu outputs, not %zu",
                       s->state.batches, n / sizeof(choice_record), s->n_cells);
    for (size_t k = 0; rc == 1 && k < s->n_cells; k++) {
        surrogate_cell *c = &s->cells[k];
        choice_record r;
        memcpy(&r, bytes + k * sizeof r, sizeof r);
        c->value = r.value;
        c->level = r.level;
        c->doubt = r.doubt;
        c->score = r.score;
        c->shown = r.shown != 0;
    }
    free(bytes);
    return rc;
}

/* A reward predicts, and, once it is trusted, decides. */
static int make_choice(surrogate *s, error *err)
{
    if (!s->reward)
        TRY(fit(s, err));
    for (size_t k = 0; k < s->n_cells; k++)
        if (s->cells[k].text != NO_TEXT)
            predict(s, &s->cells[k]);
    if (s->state.stage != SURROGATE_TRUSTED)
        return 0;
    return surrogate_pick(&s->experiment->people.surrogate, s->cells, s->n_cells, err);
}

/* What was predicted, text by text: what fresh ratings are compared with. */
static void value_texts(surrogate *s)
{
    for (size_t k = 0; k < s->n_cells; k++) {
        const surrogate_cell *c = &s->cells[k];
        if (c->text == NO_TEXT)
            continue;
        s->texts.value[c->text] = c->value;
        if (!s->single)
            s->texts.value[c->anchor] = c->level;
    }
}

static int hand_out(surrogate *s, surrogate_choice *out, error *err)
{
    size_t n = s->n_cells;
    free(s->shown);
    free(s->scores);
    s->shown = array_new(n, sizeof *s->shown);
    s->scores = array_new(n, sizeof *s->scores);
    if (!s->shown || !s->scores)
        return error_memory(err, n * sizeof *s->scores);
    for (size_t k = 0; k < n; k++) {
        s->shown[k] = s->cells[k].shown;
        s->scores[k] = s->cells[k].score;
    }
    *out = (surrogate_choice){s->shown, s->scores, n};
    return 0;
}

int surrogate_choose(surrogate *s, const outputs *o, surrogate_choice *out,
                     expense *spent, error *err)
{
    char key[SHA256_HEX];
    TRY(list_cells(s, o, err));
    TRY(read_texts(s, spent, err));
    if (s->open && s->state.stage != SURROGATE_LEARNS) {
        TRY(surrogate_key(s->run, s->state.batches, "choice", key, err));
        int rc = recall_choice(s, key, err);
        if (rc == 0)
            rc = make_choice(s, err);
        if (rc == 0)
            rc = remember_choice(s, key, err);
        if (rc < 0)
            return rc;
        value_texts(s);
    }
    return hand_out(s, out, err);
}
