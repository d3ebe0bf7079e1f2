/* Workers' answers become ratings of the crowd. */
#include "mturk_jobs.h"
#include "page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WHY = 120 };

/* ---- Listing ---- */

typedef struct listing {
    listed_assignment *items;
    size_t n, capacity;
} listing;

static void listing_free(listing *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i].answer);
    free(l->items);
}

static int add_listed(void *context, const mturk_assignment *x, error *err)
{
    listing *l = context;
    TRY(array_grow(&l->items, &l->capacity, l->n, sizeof *l->items, err));
    double seconds = x->submitted - x->accepted;
    listed_assignment item = {.answer = string_copy(x->answer ? x->answer : ""),
                              .seconds =
                                  seconds >= 0 && seconds < 1e9 ? seconds : (double)NAN};
    if (!item.answer)
        return error_memory(err, strlen(x->answer));
    memcpy(item.id, x->id, sizeof item.id);
    memcpy(item.worker, x->worker, sizeof item.worker);
    memcpy(item.status, x->status, sizeof item.status);
    l->items[l->n++] = item;
    return 0;
}

int mturk_list(mturk *m, const char *token, const char *hit, size_t *n_new, error *err)
{
    listing l = {0};
    size_t added = 0;
    int rc = mturk_each_assignment(m->api, hit, add_listed, &l, err);
    if (rc == 0)
        rc = mturk_store_put_listed(m->books, token, l.items, l.n, &added, err);
    listing_free(&l);
    if (rc == 0 && n_new)
        *n_new = added;
    return rc;
}

/* ---- Rating ---- */

/* What the crowd shows of a task, as the form showed it: what was shown takes over. */
static int task_shown(mturk *m, assignment *shown, mturk_task *out, error *err)
{
    *out = (mturk_task){.n_outputs = shown->n_shown};
    memcpy(out->id, shown->task, SHA256_HEX);
    for (size_t i = 0; i < shown->n_shown; i++) {
        TRY(crowd_put_output(m->people, shown->context, shown->shown[i],
                             out->output_ids[i], err));
        out->outputs[i] = shown->shown[i];
    }
    out->question = shown->question;
    return 0;
}

/* The form's answer to the crowd; a submit_result, or E_FORMAT for a useless one. */
static int submit_form(mturk *m, const work_row *w, const mturk_answers *form,
                       assignment *shown, int64_t now, error *err)
{
    mturk_task task; /* borrows from `shown` */
    int answer;
    TRY(task_shown(m, shown, &task, err));
    TRY(mturk_rating(&task, form, shown, &answer, err));
    return crowd_submit(m->people,
                        &(submission){.token = shown->token,
                                      .answer = answer,
                                      .seconds = w->seconds,
                                      .comment = mturk_answers_get(form, "comment"),
                                      .source = "mturk",
                                      .key = w->id},
                        now, err);
}

static const char *word_for(int result)
{
    switch (result) {
    case SUBMIT_LATE:
        return "late";
    case SUBMIT_CONFLICT:
        return "conflict: the worker had answered otherwise before";
    default:
        return "recorded";
    }
}

static int mark(mturk *m, const work_row *w, const char *word, mturk_harvest *h,
                error *err)
{
    h->recorded += strcmp(word, "recorded") == 0;
    h->late += strcmp(word, "late") == 0;
    h->conflict += strncmp(word, "conflict", 8) == 0;
    h->unusable += strncmp(word, "unusable", 8) == 0;
    return mturk_store_rated(m->books, w->id, word, err);
}

static int mark_unusable(mturk *m, const work_row *w, const char *why, mturk_harvest *h,
                         error *err)
{
    text word = {0};
    TRY(text_add_format(&word, err, "unusable: %.*s", MAX_WHY, why));
    text sound = {0};
    int rc = utf8_mend(&sound, text_string(&word), word.n, err);
    if (rc == 0)
        rc = mark(m, w, text_string(&sound), h, err);
    text_free(&word);
    text_free(&sound);
    return rc;
}

/* What our own page let the worker hand in: the token of the crowd's assignment, and the
 * place of what he chose. NULL, or why it is none of his answers to this task. */
static const char *wrong_page(const work_row *w, const assignment *a, int64_t rater,
                              const mturk_answers *form, int *answer)
{
    const char *chosen = mturk_answers_get(form, "answer");
    if (a->rater != rater)
        return "the answer on our page is another worker's";
    if (strcmp(a->task, w->task) != 0)
        return "the answer on our page is one to another task";
    if (!chosen || page_answer(a, chosen, answer, NULL) < 0)
        return "handed in without an answer on our page";
    return NULL;
}

/* Who the worker is, only Amazon knows for sure: so this is the first that the crowd
 * hears of the answer. */
static int rate_page(mturk *m, const work_row *w, const mturk_answers *form, int64_t now,
                     mturk_harvest *h, error *err)
{
    int64_t rater;
    assignment a;
    const char *token = mturk_answers_get(form, "token"), *why;
    TRY(crowd_rater(m->people, RATER_MTURK, w->worker, now, &rater, err));
    int rc = crowd_assignment(m->people, token, &a, err);
    TRY(rc);
    if (rc == 0)
        return mark_unusable(m, w, "handed in without having been on our page", h, err);
    submission given = {.token = a.token,
                        .seconds = w->seconds,
                        .comment = mturk_answers_get(form, "comment"),
                        .source = "mturk",
                        .key = w->id};
    why = wrong_page(w, &a, rater, form, &given.answer);
    rc = why ? mark_unusable(m, w, why, h, err)
             : crowd_submit(m->people, &given, now, err);
    if (!why && rc >= 0)
        rc = mark(m, w, word_for(rc), h, err);
    assignment_free(&a);
    return rc;
}

/* Answers are ratings whatever became of the crowd or the worker meanwhile; which count
 * is the crowd's to say. The assignment for this worker and task is written down before
 * the answer is given, so that a process killed in between goes on with the same one. */
static int rate_form(mturk *m, const work_row *w, const mturk_answers *form, int64_t now,
                     mturk_harvest *h, error *err)
{
    int64_t rater;
    assignment shown;
    TRY(crowd_rater(m->people, RATER_MTURK, w->worker, now, &rater, err));
    TRY(crowd_assign_answered(m->people, rater, w->task, now, &shown, err));
    error why = {0};
    int rc = mturk_store_assigned(m->books, w->id, shown.token, err);
    if (rc == 0) {
        rc = submit_form(m, w, form, &shown, now, &why);
        if (rc == E_FORMAT)
            rc = mark_unusable(m, w, why.text, h, err);
        else if (rc >= 0)
            rc = mark(m, w, word_for(rc), h, err);
        else if (err)
            *err = why;
    }
    assignment_free(&shown);
    return rc;
}

static int rate_one(mturk *m, const work_row *w, int64_t now, mturk_harvest *h,
                    error *err)
{
    mturk_answers form;
    error why = {0};
    int rc = mturk_answers_parse(&form, w->answer, strlen(w->answer), &why);
    if (rc == E_FORMAT)
        return mark_unusable(m, w, why.text, h, err);
    if (rc < 0) {
        if (err)
            *err = why;
        return rc;
    }
    if (mturk_answers_get(&form, "token"))
        rc = rate_page(m, w, &form, now, h, err);
    else if (!mturk_answers_get(&form, "answer"))
        rc = mark_unusable(m, w, "the form came without an answer", h, err);
    else
        rc = rate_form(m, w, &form, now, h, err);
    mturk_answers_free(&form);
    return rc;
}

static int rate_all(mturk *m, int64_t now, mturk_harvest *h, error *err)
{
    work_row *rows;
    size_t n;
    TRY(mturk_store_new(m->books, &rows, &n, err));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = mturk_check_interrupt(m, err);
        if (rc == 0)
            rc = rate_one(m, &rows[i], now, h, err);
    }
    work_rows_free(rows, n);
    return rc;
}

/* ---- Collecting ---- */

/* Can the HIT bring no more? Reviewable: it has expired, or everybody has answered. */
static bool is_over(const mturk_hit *hit)
{
    return hit->pending == 0 && (strcmp(hit->status, "Reviewable") == 0 ||
                                 strcmp(hit->status, "Reviewing") == 0 ||
                                 strcmp(hit->status, "Disposed") == 0);
}

/* Whether it is over is asked before the list, so that the list is whole; what it brings
 * is with the crowd before it is closed, so that nobody asks for the same again. */
static int collect_one(mturk *m, const hit_row *hit, int64_t now, mturk_harvest *h,
                       error *err)
{
    mturk_hit stands;
    size_t n_new = 0;
    TRY(mturk_check_interrupt(m, err));
    int there = mturk_get_hit(m->api, hit->id, &stands, err);
    TRY(there);
    if (there == 1)
        TRY(mturk_list(m, hit->token, hit->id, &n_new, err));
    h->listed += n_new;
    if (n_new > 0)
        TRY(rate_all(m, now, h, err));
    if (there == 1 && !is_over(&stands))
        return 0;
    h->closed++;
    return mturk_store_closed(m->books, hit->token, err);
}

int mturk_collect(mturk *m, int64_t now, mturk_harvest *out, error *err)
{
    hit_row *rows;
    size_t n;
    *out = (mturk_harvest){0};
    TRY(rate_all(m, now, out, err)); /* what an earlier process left */
    TRY(mturk_store_hits(m->books, HIT_OPEN, &rows, &n, err));
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = collect_one(m, &rows[i], now, out, err);
    hit_rows_free(rows, n);
    return rc;
}
