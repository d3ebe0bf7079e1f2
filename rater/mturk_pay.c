/* Workers are paid: every assignment once, whatever was answered, unless a rule was asked
 * for by name. */
#include "mturk_jobs.h"

#include <stdlib.h>
#include <string.h>

/* Workers who fail the crowd's rules. */
typedef struct excluded {
    rater_quality *raters;
    size_t n;
} excluded;

typedef struct payday {
    mturk *m;
    reject_rule rule;
    const char *feedback;
    excluded excluded;
    mturk_payroll *out;
} payday;

static bool is_excluded(const excluded *x, const char *worker)
{
    for (size_t i = 0; i < x->n; i++)
        if (x->raters[i].source == RATER_MTURK && x->raters[i].excluded &&
            strcmp(x->raters[i].name, worker) == 0)
            return true;
    return false;
}

static bool is_rejected(const payday *p, const work_row *w)
{
    switch (p->rule) {
    case REJECT_UNUSABLE:
        return strncmp(w->rating, "unusable", 8) == 0;
    case REJECT_EXCLUDED:
        return is_excluded(&p->excluded, w->worker);
    case REJECT_NOBODY:
    case N_REJECT_RULES:
        break;
    }
    return false;
}

/* Does the list, read anew, say that the assignment is settled? */
static int is_settled(mturk *m, const work_row *w, bool *settled, error *err)
{
    work_row *due;
    size_t n;
    TRY(mturk_list(m, w->token, w->hit, NULL, err));
    TRY(mturk_store_due(m->books, &due, &n, err));
    *settled = true;
    for (size_t i = 0; i < n; i++)
        if (strcmp(due[i].id, w->id) == 0)
            *settled = false;
    work_rows_free(due, n);
    return 0;
}

/* What became of one assignment. */
typedef enum settlement {
    SETTLED_NOW,
    SETTLED_ELSEWHERE, /* before, by a request whose answer was lost, or by Amazon */
    SETTLED_NOT,       /* Amazon refuses this one; the error says why */
} settlement;

/* Amazon pays an assignment once and refuses to do it again: then an earlier request,
 * whose answer was lost, or Amazon itself has done it, and the list says so. Returns a
 * settlement. */
static int settle(const payday *p, const work_row *w, bool reject, error *err)
{
    mturk *m = p->m;
    mturk_fault fault;
    bool settled = false;
    TRY(mturk_store_payment(m->books, w->id, reject ? PAYMENT_REJECTING : PAYMENT_PAYING,
                            err));
    int rc = reject ? mturk_reject_assignment(m->api, w->id, p->feedback, &fault, err)
                    : mturk_approve_assignment(m->api, w->id, &fault, err);
    if (rc == 0)
        return mturk_store_payment(m->books, w->id,
                                   reject ? PAYMENT_REJECTED : PAYMENT_PAID, err);
    if (strcmp(fault.type, "RequestError") != 0)
        return rc;
    error why = {0};
    int read = is_settled(m, w, &settled, &why);
    return read == 0 && settled ? SETTLED_ELSEWHERE : SETTLED_NOT;
}

static int pay_one(const payday *p, const work_row *w, error *err)
{
    bool reject = is_rejected(p, w);
    TRY(mturk_check_interrupt(p->m, err));
    int rc = settle(p, w, reject, err);
    p->out->elsewhere += rc == SETTLED_ELSEWHERE;
    if (rc != SETTLED_NOW)
        return rc;
    p->out->rejected += reject;
    p->out->paid += !reject;
    if (!reject) {
        p->out->reward_cents += w->reward_cents;
        p->out->fee_cents += w->fee_cents;
    }
    return rc;
}

/* Nobody waits for his money because Amazon refuses to pay another: the first refusal is
 * told when all have had their turn. */
static int pay_all(const payday *p, const work_row *rows, size_t n, error *err)
{
    error first = {0};
    size_t refused = 0;
    for (size_t i = 0; i < n; i++) {
        error why = {0};
        int rc = pay_one(p, &rows[i], &why);
        if (rc < 0) {
            if (err)
                *err = why;
            return rc;
        }
        if (rc == SETTLED_NOT && refused++ == 0)
            first = why;
    }
    if (refused == 0)
        return 0;
    error_prefix(&first, "%zu of %zu assignments could not be settled", refused, n);
    if (err)
        *err = first;
    return first.code;
}

int mturk_pay(mturk *m, reject_rule rule, const char *feedback, mturk_payroll *out,
              error *err)
{
    work_row *rows = NULL;
    size_t n = 0;
    payday p = {.m = m, .rule = rule, .feedback = feedback, .out = out};
    *out = (mturk_payroll){0};
    if (rule != REJECT_NOBODY && (!feedback || !*feedback))
        return error_set(err, E_ARGUMENT,
                         "a rejected worker has to be told why: feedback is missing");
    int rc = mturk_store_due(m->books, &rows, &n, err);
    if (rc == 0 && rule == REJECT_EXCLUDED)
        rc = crowd_raters(m->people, &p.excluded.raters, &p.excluded.n, err);
    if (rc == 0)
        rc = pay_all(&p, rows, n, err);
    rater_quality_free(p.excluded.raters, p.excluded.n);
    work_rows_free(rows, n);
    return rc;
}
