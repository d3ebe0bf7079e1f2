/* What `show --json` prints. */
#include "json_lines.h"
#include "people.h"
#include "summary.h"

#include <stdlib.h>

static json_t *text_or_null(const char *s)
{
    return s ? json_string(s) : json_null();
}

static json_t *prompt_json(const run_record *r, uint64_t id, const split_score *final)
{
    const candidate_record *c = summary_candidate(r, id);
    if (!c)
        return json_null();
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:I}", "id",
                     (json_int_t)c->id, "prompt", text_or_null(c->prompt), "final_score",
                     final ? json_real_or_null(final->score) : json_null(), "final_se",
                     final ? json_real_or_null(final->se) : json_null(), "final_examples",
                     final ? json_integer((json_int_t) final->n) : json_null(),
                     "final_first_choice",
                     final ? json_real_or_null(final->first_choice) : json_null(),
                     "operators", c->operators ? c->operators : "", "search_score",
                     c->n ? json_real_or_null(c->value) : json_null(), "search_se",
                     c->n ? json_real_or_null(c->se) : json_null(), "search_examples",
                     (json_int_t)c->n);
}

static json_t *spend_json(const spend *s)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "tokens", (json_int_t)s->tokens,
                     "evaluations", (json_int_t)s->evaluations, "reused",
                     (json_int_t)s->reused, "ratings", (json_int_t)s->ratings);
}

static json_t *spent_json(const run_record *r)
{
    spend all = summary_spent(r);
    json_t *by = json_object();
    for (int p = 0; by && p < N_PURPOSES; p++)
        if (summary_has_purpose(r, (purpose)p) &&
            json_object_set_new(by, purpose_name((purpose)p), spend_json(&r->spent[p])) <
                0) {
            json_decref(by);
            by = NULL;
        }
    return json_pack("{s:I, s:I, s:I, s:o, s:I, s:o}", "tokens", (json_int_t)all.tokens,
                     "evaluations", (json_int_t)all.evaluations, "ratings",
                     (json_int_t)all.ratings, "seconds", json_real_or_null(r->seconds),
                     "reused", (json_int_t)all.reused, "by_purpose", by);
}

static json_t *point_json(const history_point *h)
{
    spend all = {0};
    for (int p = 0; p < N_PURPOSES; p++)
        spend_add(&all, &h->spent[p]);
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "step",
                     (json_int_t)h->step, "generation", (json_int_t)h->generation, "best",
                     json_real_or_null(h->best), "best_se", json_real_or_null(h->best_se),
                     "median", json_real_or_null(h->median), "best_id",
                     (json_int_t)h->best_id, "alive", (json_int_t)h->n_alive, "tokens",
                     (json_int_t)all.tokens, "evaluations", (json_int_t)all.evaluations,
                     "ratings", (json_int_t)all.ratings);
}

/* Append, or drop the whole list: a NULL list makes json_pack give NULL. */
static json_t *append(json_t *list, json_t *item)
{
    if (list && item && json_array_append_new(list, item) == 0)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *history_json(const run_record *r)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < r->n_history; i++)
        list = append(list, point_json(&r->history[i]));
    return list;
}

static json_t *lineage_json(const run_record *r)
{
    uint64_t *ids = NULL;
    size_t n = 0;
    if (summary_lineage(r, summary_best(r), &ids, &n, NULL) < 0)
        return NULL;
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++)
        list = append(list, prompt_json(r, ids[i], NULL));
    free(ids);
    return list;
}

static json_t *guests_json(const run_record *r)
{
    guest_count g[SUMMARY_GUESTS];
    if (summary_guests(r, g, NULL) < 0)
        return NULL;
    json_t *list = json_array();
    for (size_t i = 0; list && i < SUMMARY_GUESTS; i++)
        if (g[i].entered > 0)
            list =
                append(list, json_pack("{s:s, s:I, s:I, s:I, s:I}", "origin", g[i].origin,
                                       "entered", (json_int_t)g[i].entered, "survived",
                                       (json_int_t)g[i].survived, "living",
                                       (json_int_t)g[i].living, "in_lineage",
                                       (json_int_t)g[i].in_lineage));
    return list;
}

static json_t *finalists_json(const run_record *r)
{
    json_t *list = json_array();
    for (size_t i = 0; list && r->has_verdict && i < r->verdict.n_selection; i++) {
        const split_score *s = &r->verdict.selection[i];
        list = append(list,
                      json_pack("{s:I, s:o, s:o, s:I}", "id", (json_int_t)s->candidate,
                                "score", json_real_or_null(s->score), "se",
                                json_real_or_null(s->se), "examples", (json_int_t)s->n));
    }
    return list;
}

static json_t *better_json(const run_record *r)
{
    conclusion c = summary_conclusion(r);
    return c == CONCLUSION_NONE ? json_null() : json_boolean(c == CONCLUSION_BETTER);
}

/* ---- Trainings ---- */

static json_t *steps_json(const training_record *t)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < t->n_steps; i++) {
        const training_step *x = &t->steps[i];
        list = append(
            list, json_pack("{s:I, s:o, s:o, s:o, s:I}", "step", (json_int_t)x->step,
                            "loss", json_real_or_null(x->loss), "grad_norm",
                            json_real_or_null(x->grad_norm), "lr",
                            json_real_or_null(x->rate), "tokens", (json_int_t)x->tokens));
    }
    return list;
}

static json_t *evaluations_json(const training_record *t)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < t->n_evaluations; i++) {
        const training_evaluation *x = &t->evaluations[i];
        list = append(list, json_pack("{s:I, s:o, s:b, s:I}", "step", (json_int_t)x->step,
                                      "loss", json_real_or_null(x->loss), "best", x->best,
                                      "tokens", (json_int_t)x->tokens));
    }
    return list;
}

static json_t *training_json(const training_record *t)
{
    const training_facts *f = &t->facts;
    return json_pack(
        "{s:o, s:I, s:I, s:o, s:I, s:o, s:I, s:o, s:o, s:o, s:o}", "method",
        text_or_null(f->method), "virtual_tokens", (json_int_t)f->n_tokens, "parameters",
        (json_int_t)f->parameters, "start", text_or_null(f->start), "planned_steps",
        (json_int_t)f->planned, "lr", json_real_or_null(f->rate), "peak_bytes",
        (json_int_t)f->peak_bytes, "best_step",
        t->has_prefix ? json_integer((json_int_t)t->best_step) : json_null(), "best_loss",
        t->has_prefix ? json_real_or_null(t->best_loss) : json_null(), "steps",
        steps_json(t), "evaluations", evaluations_json(t));
}

/* What only a training has: put into `head`, which is taken; NULL without memory. */
static json_t *add_training(json_t *head, const run_record *r)
{
    const training_record *t = r->training;
    bool bare = t->has_bare;
    json_t *more = json_pack(
        "{s:o, s:o, s:o, s:o, s:o}", "bare",
        prompt_json(r, TRAINING_BARE, bare ? &t->bare : NULL), "difference_to_bare",
        bare ? json_real_or_null(t->difference) : json_null(), "ci95_to_bare",
        bare ? json_pack("[o, o]", json_real_or_null(t->ci_low),
                         json_real_or_null(t->ci_high))
             : json_null(),
        "p_to_bare", bare ? json_real_or_null(t->p) : json_null(), "training",
        training_json(t));
    if (!head || !more || json_object_update(head, more) < 0) {
        json_decref(head);
        head = NULL;
    }
    json_decref(more);
    return head;
}

json_t *summary_json(const run_record *r)
{
    const verdict *v = r->has_verdict ? &r->verdict : NULL;
    json_t *interval = v ? json_pack("[o, o]", json_real_or_null(v->ci_low),
                                     json_real_or_null(v->ci_high))
                         : json_null();
    json_t *head = json_pack(
        "{s:I, s:o, s:I, s:s, s:o, s:o, s:o, s:o}", "run", (json_int_t)r->id, "name",
        text_or_null(r->name), "random_seed", (json_int_t)r->seed, "status",
        run_status_name(r->status), "stop_reason", text_or_null(r->stop_reason),
        "started", text_or_null(r->started), "model_hash", text_or_null(r->model_hash),
        "backend", text_or_null(r->backend));
    json_t *body =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "seed",
                  prompt_json(r, summary_seed(r), v ? &v->seed : NULL), "best",
                  prompt_json(r, summary_best(r), v ? &v->best : NULL), "difference",
                  v ? json_real_or_null(v->difference) : json_null(), "ci95", interval,
                  "p", v ? json_real_or_null(v->p) : json_null(), "better",
                  better_json(r), "spent", spent_json(r), "finalists", finalists_json(r),
                  "lineage", lineage_json(r), "immigrants", guests_json(r), "history",
                  history_json(r), "people", people_json(r));
    if (!head || !body || json_object_update(head, body) < 0) {
        json_decref(head);
        head = NULL;
    }
    json_decref(body);
    return r->training ? add_training(head, r) : head;
}
