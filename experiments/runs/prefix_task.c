#include "prefix_task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../evolve/stats.h"
#include "../fitness/sheet.h"
#include "finish.h"

/* ---- Rows ---- */

/* The right answer of each example of a split behind the bare prompt. Vectors take room
 * from the window that each row is in. */
static int make_rows(prefix_task *t, split_name name, row_list *out, error *err)
{
    const experiment *e = t->bare;
    const split *s = &e->splits[name];
    size_t window = model_describe(t->judge.model)->window;
    sheet_maker maker = {e, model_tokenizer(t->judge.model), window};
    text context = {0}, tail = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->n; i++) {
        const example *x = &e->data->examples[s->index[i]];
        row r;
        rc = sheet_row(&maker, &e->seeds[0], s->index[i], x->targets[0], &context, &tail,
                       &r, err);
        if (rc < 0)
            error_prefix(err, "data line %zu", x->line);
        else
            rc = row_list_add(out, r, err);
    }
    text_free(&context);
    text_free(&tail);
    return rc;
}

/* E_LIMIT for a row that does not fit behind the vectors and is not to be cut. */
static int check_rows(const prefix_task *t, split_name name, const row_list *rows,
                      error *err)
{
    size_t window = model_describe(t->judge.model)->window;
    for (size_t i = 0; i < rows->n; i++) {
        size_t line = t->bare->data->examples[t->bare->splits[name].index[i]].line;
        if (t->n_tokens >= window || (t->bare->overflow == OVERFLOW_ERROR &&
                                      rows->rows[i].n > window - t->n_tokens))
            return error_set(err, E_LIMIT,
                             "data line %zu: a row of %zu tokens behind %zu virtual ones "
                             "is over the model's window of %zu: take fewer with "
                             "prefix.tokens",
                             line, rows->rows[i].n, t->n_tokens, window);
    }
    return 0;
}

static int check_all_rows(const prefix_task *t, error *err)
{
    TRY(check_rows(t, SPLIT_SEARCH, &t->train, err));
    return check_rows(t, SPLIT_SELECTION, &t->selection, err);
}

/* ---- How it begins ---- */

static int set_start(prefix_task *t, const char *what, const char *said, error *err)
{
    enum { SHOWN = 60 };
    text words = {0};
    size_t n = said ? strlen(said) : 0;
    while (n > 0 && strchr(" \n\r\t", said[n - 1])) /* what stands before the rows */
        n--;
    size_t shown = n < SHOWN ? n : SHOWN;
    while (shown < n && shown > 0 && (said[shown] & 0xc0) == 0x80)
        shown--;
    int rc = text_add_string(&words, what, err);
    if (rc == 0 && said)
        rc = text_add_format(&words, err, " \"%.*s%s\"", (int)shown, said,
                             shown < n ? "…" : "");
    for (char *c = words.s; rc == 0 && c && *c; c++)
        if (*c == '\n' || *c == '\r' || *c == '\t')
            *c = ' ';
    t->start = words.s;
    return rc;
}

static int choose_text(prefix_task *t, error *err)
{
    const prefix_plan *p = &t->experiment->prefix;
    TRY(experiment_head(t->experiment, &t->experiment->seeds[0], &t->head, err));
    t->options.text = p->text ? p->text : text_string(&t->head);
    if (!*t->options.text)
        return error_set(err, E_ARGUMENT,
                         "%s has no words that the vectors could begin as: give "
                         "prefix.init_text, or another prefix.init",
                         t->experiment->path);
    return set_start(t, p->run ? "the best prompt of a run," : "the text",
                     t->options.text, err);
}

static int choose_start(prefix_task *t, error *err)
{
    const prefix_plan *p = &t->experiment->prefix;
    switch (t->options.init) {
    case PREFIX_INIT_TEXT:
        return choose_text(t, err);
    case PREFIX_INIT_LABELS:
        t->options.labels = (const char *const *)p->labels;
        t->options.n_labels = p->n_labels;
        return set_start(t, "labels, first", p->labels[0], err);
    case PREFIX_INIT_VOCABULARY:
        return set_start(t, "tokens drawn from the vocabulary", NULL, err);
    case PREFIX_INIT_RANDOM:
    case PREFIX_INIT_GIVEN:
        break;
    }
    return set_start(t, "random numbers", NULL, err);
}

/* ---- Prices ---- */

/* What a list of rows costs to read once behind the vectors. */
static uint64_t row_tokens(const prefix_task *t, const row_list *rows)
{
    size_t window = model_describe(t->judge.model)->window;
    uint64_t sum = 0;
    for (size_t i = 0; i < rows->n; i++) {
        size_t n = rows->rows[i].n + t->n_tokens;
        sum += n < window ? n : window;
    }
    return sum;
}

static size_t batch_rows(const prefix_task *t)
{
    size_t batch = t->options.batch, n = t->train.n;
    return batch && batch < n ? batch : n;
}

expense prefix_task_price(const prefix_task *t, train_action action, uint64_t tokens)
{
    size_t rows = action == TRAIN_EVALUATE ? t->selection.n : batch_rows(t);
    return (expense){.tokens = tokens, .evaluations = action == TRAIN_END ? 0 : rows};
}

static int add_cost(objective *o, const experiment *e, expense *sum, error *err)
{
    const split *s = &e->splits[SPLIT_FINAL];
    measurement m = {.genome = &e->seeds[0], .examples = s->index, .n = s->n};
    expense x = {0};
    TRY(o->cost(o, &m, 1, &x, err));
    sum->tokens += x.tokens;
    sum->evaluations += x.evaluations;
    return 0;
}

/* The vectors cost the same whatever they are: the first ones stand for the last. */
static int price_finish(prefix_task *t, error *err)
{
    prefix first = {0};
    scorer *c = t->judge.scorer;
    TRY(add_cost(t->judge.objective, t->experiment, &t->finish, err));
    TRY(scorer_use_prefix(c, NULL,
                          err)); /* a soft prompt of the user's own is not theirs */
    TRY(add_cost(t->bare_objective, t->bare, &t->finish, err));
    TRY(trainer_latest(t->trainer, &first, err));
    prefix_view view = prefix_view_of(&first);
    int rc = scorer_use_prefix(c, &view, err);
    if (rc == 0)
        rc = add_cost(t->bare_objective, t->bare, &t->finish, err);
    int back = scorer_use_prefix(c, NULL, rc == 0 ? err : NULL);
    prefix_free(&first);
    return rc < 0 ? rc : back;
}

/* ---- How many steps ---- */

static double step_tokens(const prefix_task *t)
{
    const train_options *o = &t->options;
    double step = 3.0 * (double)row_tokens(t, &t->train) * (double)batch_rows(t) /
                  (double)t->train.n;
    double every = o->eval_every ? (double)o->eval_every : 1;
    return step + (double)row_tokens(t, &t->selection) / every;
}

/* Beside the steps: a probe of the rate where none is given, the looks at the selection
 * rows before the first step and after the last, the finish. */
static double other_tokens(const prefix_task *t)
{
    return (double)t->probe_tokens + 2 * (double)row_tokens(t, &t->selection) +
           (double)t->finish.tokens;
}

uint64_t prefix_task_step_tokens(const prefix_task *t)
{
    return (uint64_t)(step_tokens(t) + 0.5);
}

uint64_t prefix_task_tokens(const prefix_task *t)
{
    return (uint64_t)(other_tokens(t) + (double)t->options.n_steps * step_tokens(t));
}

/* A schedule that comes to its end is worth more than steps that are cut off. So where
 * the budget of tokens is not enough for all the steps that are wanted, as many as it is
 * enough for are planned. Batches differ a little in length, so the last step or two may
 * still be refused. */
static size_t affordable_steps(const prefix_task *t)
{
    double left = (double)t->experiment->budget.tokens - other_tokens(t);
    double steps = floor(left / step_tokens(t));
    size_t wanted = t->options.n_steps;
    return steps < 1 ? 1 : steps < (double)wanted ? (size_t)steps : wanted;
}

static int make_trainer(prefix_task *t, size_t n_selection, error *err)
{
    trainer_free(t->trainer);
    t->trainer = NULL;
    return trainer_new(&t->trainer, t->judge.session, t->judge.model, &t->options,
                       t->train.rows, t->train.n, t->selection.rows, n_selection, err);
}

/* A trainer without selection rows begins with the probe, if there is to be one, and so
 * tells what that costs. */
static int price_probe(prefix_task *t, error *err)
{
    uint64_t tokens = 0;
    TRY(make_trainer(t, 0, err));
    if (trainer_next(t->trainer, &tokens) == TRAIN_PROBE)
        t->probe_tokens = TRAIN_PROBE_RATES * tokens;
    prefix start = {0};
    TRY(trainer_latest(t->trainer, &start, err));
    t->n_tokens = t->options.n_tokens = start.n;
    prefix_free(&start);
    return 0;
}

/* Once for what it costs, then with as many steps as that allows. */
static int plan_trainer(prefix_task *t, error *err)
{
    train_options *o = &t->options;
    t->n_tokens = o->n_tokens; /* 0: a trainer has to count them first */
    TRY(check_all_rows(t, err));
    TRY(price_probe(t, err));
    TRY(check_all_rows(t, err));
    TRY(price_finish(t, err));
    if (t->experiment->budget.tokens)
        o->n_steps = affordable_steps(t);
    if (o->n_warmup > o->n_steps / 2)
        o->n_warmup = o->n_steps / 2;
    return make_trainer(t, t->selection.n, err);
}

/* ---- Opening ---- */

static int open_parts(prefix_task *t, const judge_options *options, error *err)
{
    const experiment *e = t->experiment;
    if (e->fitness.kind == FITNESS_REWARD)
        return error_set(err, E_UNSUPPORTED,
                         "%s is judged by a reward: lamarck reward tune learns vectors "
                         "from that; --set fitness.kind=logprob learns them from right "
                         "answers, where the rows have them",
                         e->path);
    TRY(judge_open(&t->judge, e, options, err));
    TRY(fitness_lm_check_seeds(e, t->judge.model, err));
    TRY(experiment_bare(&t->bare, e, &e->seeds[0], err));
    TRY(fitness_lm_new(&t->bare_objective, t->bare, t->judge.scorer, err));
    TRY(make_rows(t, SPLIT_SEARCH, &t->train, err));
    TRY(make_rows(t, SPLIT_SELECTION, &t->selection, err));
    t->options = e->prefix.train;
    t->options.seed = e->seed;
    TRY(choose_start(t, err));
    return plan_trainer(t, err);
}

int prefix_task_open(prefix_task *t, const experiment *e, const judge_options *options,
                     error *err)
{
    *t = (prefix_task){.experiment = e};
    int rc = open_parts(t, options, err);
    if (rc < 0)
        prefix_task_close(t);
    return rc;
}

void prefix_task_close(prefix_task *t)
{
    trainer_free(t->trainer);
    row_list_free(&t->train);
    row_list_free(&t->selection);
    if (t->bare_objective)
        t->bare_objective->free(t->bare_objective);
    judge_close(&t->judge);
    experiment_free(t->bare);
    text_free(&t->head);
    free(t->start);
    *t = (prefix_task){0};
}

int prefix_task_check_budget(const prefix_task *t, error *err)
{
    const budget *b = &t->experiment->budget;
    uint64_t tokens = 0;
    train_action action = trainer_next(t->trainer, &tokens);
    expense first = prefix_task_price(t, action, tokens);
    uint64_t all = first.tokens + t->finish.tokens;
    if (b->tokens && all > b->tokens)
        return error_set(err, E_LIMIT,
                         "the budget of %llu tokens is too small: the first step takes "
                         "%llu and the finish %llu, so %llu would be just enough",
                         (unsigned long long)b->tokens, (unsigned long long)first.tokens,
                         (unsigned long long)t->finish.tokens, (unsigned long long)all);
    all = first.evaluations + t->finish.evaluations;
    if (b->evaluations && all > b->evaluations)
        return error_set(err, E_LIMIT,
                         "the budget of %llu evaluations is too small: the first step "
                         "takes %llu and the finish %llu",
                         (unsigned long long)b->evaluations,
                         (unsigned long long)first.evaluations,
                         (unsigned long long)t->finish.evaluations);
    return 0;
}

/* ---- The final comparison ---- */

static int measure(objective *o, const experiment *e, uint64_t id, split_score *out,
                   expense *spent, error *err)
{
    const split *s = &e->splits[SPLIT_FINAL];
    measurement m = {.genome = &e->seeds[0],
                     .examples = s->index,
                     .n = s->n,
                     .scores = array_new(s->n, sizeof(double))};
    expense x = {0};
    int rc = m.scores ? o->measure(o, &m, 1, &x, err)
                      : error_memory(err, s->n * sizeof(double));
    if (rc == 0 && m.status != FITNESS_DONE)
        rc = error_set(err, E_LIMIT, "cannot measure on the final split: %s", m.reason);
    if (rc < 0) {
        free(m.scores);
        return rc;
    }
    spent->tokens += x.tokens;
    spent->evaluations += x.evaluations;
    spent->reused += x.reused;
    *out = split_score_of(&m, id, 0);
    return 0;
}

static int measure_behind(prefix_task *t, const prefix *learned, split_score *out,
                          expense *spent, error *err)
{
    scorer *c = t->judge.scorer;
    prefix_view view = prefix_view_of(learned);
    TRY(scorer_use_prefix(c, &view, err));
    int rc = measure(t->bare_objective, t->bare, 2, out, spent, err);
    int back = scorer_use_prefix(c, NULL, rc == 0 ? err : NULL);
    return rc < 0 ? rc : back;
}

int prefix_task_finish(prefix_task *t, const prefix *learned, verdict *v,
                       training_record *bare, expense *spent, error *err)
{
    paired_comparison c;
    uint64_t seed = t->experiment->seed;
    TRY(scorer_use_prefix(t->judge.scorer, NULL, err));
    TRY(measure(t->judge.objective, t->experiment, 1, &v->seed, spent, err));
    TRY(measure_behind(t, learned, &v->best, spent, err));
    TRY(measure(t->bare_objective, t->bare, 3, &bare->bare, spent, err));
    TRY(verdict_compare(v, seed, err));
    TRY(stats_compare(bare->bare.each, v->best.each, v->best.n, seed, &c, err));
    bare->has_bare = true;
    bare->difference = c.difference;
    bare->ci_low = c.ci.low;
    bare->ci_high = c.ci.high;
    bare->p = c.p;
    return 0;
}

int prefix_task_prompt(const prefix_task *t, uint64_t id, text *out, error *err)
{
    if (id == 1)
        return experiment_prompt_text(t->experiment, &t->experiment->seeds[0], out, err);
    if (id == 2)
        TRY(text_add_format(out, err, "[%zu learned vectors]\n", t->n_tokens));
    return experiment_prompt_text(t->bare, &t->bare->seeds[0], out, err);
}
