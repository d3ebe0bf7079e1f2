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

static bool is_excluded(const excluded *x, const char *worker)
{
    for (size_t i = 0; i < x->n; i++)
        if (x->raters[i].source == RATER_MTURK && x->raters[i].excluded &&
            strcmp(x->raters[i].name, worker) == 0)
            return true;
    return false;
}

static bool is_rejected(reject_rule rule, const work_row *w, const excluded *x)
{
    switch (rule) {
    case REJECT_UNUSABLE:
        return strncmp(w->rating, "unusable", 8) == 0;
    case REJECT_EXCLUDED:
        return is_excluded(x, w->worker);
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

/* Amazon pays an assignment once and refuses to do it again: then an earlier request,
 * whose answer was lost, or Amazon itself has done it, and the list says so. */
static int settle(mturk *m, const work_row *w, bool reject, const char *feedback,
                  bool *elsewhere, error *err)
{
    mturk_fault fault;
    bool settled = false;
    *elsewhere = false;
    TRY(mturk_store_payment(m->books, w->id, reject ? PAYMENT_REJECTING : PAYMENT_PAYING,
                            err));
    int rc = reject ? mturk_reject_assignment(m->api, w->id, feedback, &fault, err)
                    : mturk_approve_assignment(m->api, w->id, &fault, err);
    if (rc == 0)
        return mturk_store_payment(m->books, w->id,
                                   reject ? PAYMENT_REJECTED : PAYMENT_PAID, err);
    if (strcmp(fault.type, "RequestError") != 0)
        return rc;
    error why = {0};
    int read = is_settled(m, w, &settled, &why);
    *elsewhere = settled;
    return read == 0 && settled ? 0 : rc;
}

static int pay_one(mturk *m, const work_row *w, bool reject, const char *feedback,
                   mturk_payroll *out, error *err)
{
    bool elsewhere;
    TRY(mturk_check_interrupt(m, err));
    TRY(settle(m, w, reject, feedback, &elsewhere, err));
    out->elsewhere += elsewhere;
    if (elsewhere)
        return 0;
    out->rejected += reject;
    out->paid += !reject;
    if (!reject) {
        out->reward_cents += w->reward_cents;
        out->fee_cents += w->fee_cents;
    }
    return 0;
}

int mturk_pay(mturk *m, reject_rule rule, const char *feedback, mturk_payroll *out,
              error *err)
{
    work_row *rows = NULL;
    size_t n = 0;
    excluded x = {0};
    *out = (mturk_payroll){0};
    if (rule != REJECT_NOBODY && (!feedback || !*feedback))
        return error_set(err, E_ARGUMENT,
                         "a rejected worker has to be told why: feedback is missing");
    int rc = mturk_store_due(m->books, &rows, &n, err);
    if (rc == 0 && rule == REJECT_EXCLUDED)
        rc = crowd_raters(m->people, &x.raters, &x.n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = pay_one(m, &rows[i], is_rejected(rule, &rows[i], &x), feedback, out, err);
    rater_quality_free(x.raters, x.n);
    work_rows_free(rows, n);
    return rc;
}
