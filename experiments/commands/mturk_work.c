/* lamarck rate mturk collect, approve, expire, status, balance. */
#include "../views/json_lines.h"
#include "rate_mturk.h"

#include <stdio.h>
#include <time.h>

/* A hint when the run's HITs are where nobody looked. */
static int hint_elsewhere(mturk *turk, const mturk_flags *flags, error *err)
{
    mturk_counts c;
    size_t here = 0;
    TRY(mturk_store_count(mturk_books(turk), &c, err));
    for (size_t i = 0; i < N_HIT_STATES; i++)
        here += c.hits[i];
    if (here == 0 && c.elsewhere > 0)
        fprintf(stderr, "This run's HITs are in %s: %s --production.\n",
                flags->production ? "the sandbox" : "production",
                flags->production ? "leave out" : "add");
    return 0;
}

/* ---- collect ---- */

static const char collect_usage[] =
    "usage: lamarck rate mturk collect RUN [--production] [--json]\n"
    "\n"
    "Asks Amazon for what workers have sent, and gives it to the crowd as ratings. An\n"
    "answer counts once, however often it is collected; a rating is known by its\n"
    "assignment at Amazon. Nobody is paid by it: see approve.\n";

static int tell_harvest(const mturk_harvest *h, bool json, error *err)
{
    if (json)
        return json_print(
            json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "listed", (json_int_t)h->listed,
                      "recorded", (json_int_t)h->recorded, "late", (json_int_t)h->late,
                      "unusable", (json_int_t)h->unusable, "conflict",
                      (json_int_t)h->conflict, "closed", (json_int_t)h->closed),
            err);
    print_count(h->listed, "new assignment");
    printf(": ");
    print_count(h->recorded, "rating");
    printf(" recorded, %zu late, %zu unusable, %zu in conflict with an earlier answer\n",
           h->late, h->unusable, h->conflict);
    print_count(h->closed, "HIT");
    printf(" closed\n");
    return 0;
}

static int run_collect(int argc, char **argv, error *err)
{
    mturk_flags flags = {0};
    mturk_session s;
    mturk_harvest h;
    const char *run;
    TRY(mturk_parse(argc, argv, NULL, 0, true, &flags, &run, err));
    TRY(mturk_session_open(&s, run, &flags, true, err));
    int rc = hint_elsewhere(s.turk, &flags, err);
    if (rc == 0)
        rc = mturk_collect(s.turk, (int64_t)time(NULL), &h, err);
    if (rc == 0)
        rc = tell_harvest(&h, flags.json, err);
    mturk_session_close(&s);
    return rc;
}

const command mturk_cmd_collect = {
    .name = "collect",
    .group = "people",
    .summary = "turn what workers sent into ratings",
    .usage = collect_usage,
    .run = run_collect,
};

/* ---- approve ---- */

static const char approve_usage[] =
    "usage: lamarck rate mturk approve RUN [OPTIONS]\n"
    "\n"
    "Pays for every assignment that was collected and is not paid yet, whatever was\n"
    "answered.\n"
    "\n"
    "  --reject RULE      do not pay some: 'unusable', whose form has no usable answer,\n"
    "                     or 'excluded', of workers who fail the crowd's rules\n"
    "  --feedback TEXT    what a rejected worker reads; needed with --reject\n"
    "  --production       real money\n"
    "  --json             the payroll as JSON\n";

static const char *const rule_names[] = {"nobody", "unusable", "excluded", NULL};

static int tell_payroll(const mturk_payroll *p, bool json, error *err)
{
    if (json)
        return json_print(json_pack("{s:I,s:I,s:I,s:I,s:I}", "paid", (json_int_t)p->paid,
                                    "rejected", (json_int_t)p->rejected,
                                    "settled_elsewhere", (json_int_t)p->elsewhere,
                                    "reward_cents", (json_int_t)p->reward_cents,
                                    "fee_cents", (json_int_t)p->fee_cents),
                          err);
    print_count(p->paid, "assignment");
    printf(" paid: rewards %s + fees %s = %s\n", dollars_of(p->reward_cents).s,
           dollars_of(p->fee_cents).s, dollars_of(p->reward_cents + p->fee_cents).s);
    if (p->rejected)
        printf("%zu rejected\n", p->rejected);
    if (p->elsewhere)
        printf("%zu were settled already\n", p->elsewhere);
    return 0;
}

static int run_approve(int argc, char **argv, error *err)
{
    int rule = REJECT_NOBODY;
    const char *feedback = NULL, *run;
    const option options[] = {
        {"reject", OPTION_CHOICE, &rule, NULL, rule_names},
        {"feedback", OPTION_TEXT, &feedback, NULL, NULL},
    };
    mturk_flags flags = {0};
    mturk_session s;
    mturk_payroll p;
    TRY(mturk_parse(argc, argv, options, 2, true, &flags, &run, err));
    if (rule != REJECT_NOBODY && (!feedback || !*feedback))
        return error_set(err, E_USAGE, "--reject wants --feedback TEXT for the worker");
    TRY(mturk_session_open(&s, run, &flags, true, err));
    int rc = hint_elsewhere(s.turk, &flags, err);
    if (rc == 0) {
        rc = mturk_pay(s.turk, (reject_rule)rule, feedback, &p, err);
        bool some = rc == 0 || p.paid + p.rejected + p.elsewhere > 0;
        int told = some ? tell_payroll(&p, flags.json, rc < 0 ? NULL : err) : 0;
        rc = rc < 0 ? rc : told;
    }
    mturk_session_close(&s);
    return rc;
}

const command mturk_cmd_approve = {
    .name = "approve",
    .group = "people",
    .summary = "pay for what was collected, each assignment once",
    .usage = approve_usage,
    .run = run_approve,
};

/* ---- expire ---- */

static const char expire_usage[] =
    "usage: lamarck rate mturk expire RUN [--delete] [--production] [--json]\n"
    "\n"
    "Withdraws all open HITs: nobody can accept them any more; who has accepted one may\n"
    "finish it. Collect afterwards, to know what is still owed.\n"
    "\n"
    "  --delete    also delete, at Amazon, the HITs that are closed and paid\n";

static int expire(mturk *turk, bool also_delete, bool json, error *err)
{
    size_t expired = 0, deleted = 0;
    TRY(mturk_expire(turk, (int64_t)time(NULL), &expired, err));
    if (also_delete)
        TRY(mturk_delete(turk, &deleted, err));
    if (json)
        return json_print(json_pack("{s:I,s:I}", "expired", (json_int_t)expired,
                                    "deleted", (json_int_t)deleted),
                          err);
    print_count(expired, "HIT");
    printf(" withdrawn, %zu deleted\n", deleted);
    return 0;
}

static int run_expire(int argc, char **argv, error *err)
{
    bool also_delete = false;
    const option options[] = {{"delete", OPTION_FLAG, &also_delete, NULL, NULL}};
    mturk_flags flags = {0};
    mturk_session s;
    const char *run;
    TRY(mturk_parse(argc, argv, options, 1, true, &flags, &run, err));
    TRY(mturk_session_open(&s, run, &flags, true, err));
    int rc = hint_elsewhere(s.turk, &flags, err);
    if (rc == 0)
        rc = expire(s.turk, also_delete, flags.json, err);
    mturk_session_close(&s);
    return rc;
}

const command mturk_cmd_expire = {
    .name = "expire",
    .group = "people",
    .summary = "withdraw all HITs that are open",
    .usage = expire_usage,
    .run = run_expire,
};

/* ---- status ---- */

static const char status_usage[] =
    "usage: lamarck rate mturk status RUN [--production] [--json]\n"
    "\n"
    "HITs, answers and money as the run's file has them. Asks nobody.\n";

static int status_json(const mturk_counts *c, const mturk_money *m, bool production,
                       error *err)
{
    json_t *hits = json_pack(
        "{s:I,s:I,s:I,s:I,s:I}", "sending", (json_int_t)c->hits[HIT_SENDING], "open",
        (json_int_t)c->hits[HIT_OPEN], "refused", (json_int_t)c->hits[HIT_REFUSED],
        "closed", (json_int_t)c->hits[HIT_CLOSED], "deleted",
        (json_int_t)c->hits[HIT_DELETED]);
    json_t *answers = json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "collected", (json_int_t)c->assignments,
        "workers", (json_int_t)c->workers, "unusable", (json_int_t)c->unusable, "unrated",
        (json_int_t)c->unrated, "due",
        (json_int_t)(c->payments[PAYMENT_DUE] + c->payments[PAYMENT_PAYING] +
                     c->payments[PAYMENT_REJECTING]),
        "paid", (json_int_t)c->payments[PAYMENT_PAID], "rejected",
        (json_int_t)c->payments[PAYMENT_REJECTED]);
    json_t *money = json_pack(
        "{s:I,s:I,s:I,s:I,s:I}", "cap_cents", (json_int_t)m->cap_cents, "committed_cents",
        (json_int_t)m->committed_cents, "rewards_paid_cents",
        (json_int_t)m->rewards_cents, "fees_paid_cents", (json_int_t)m->fees_cents,
        "rejected_cents", (json_int_t)m->rejected_cents);
    return json_print(json_pack("{s:s,s:o,s:o,s:o}", "place",
                                mturk_place_names[production], "hits", hits, "answers",
                                answers, "money", money),
                      err);
}

static void status_text(const mturk_counts *c, const mturk_money *m, bool production)
{
    printf("%s\n", mturk_place_names[production]);
    printf("  HITs     %zu open, %zu closed, %zu deleted, %zu refused, %zu of unknown "
           "fate\n",
           c->hits[HIT_OPEN], c->hits[HIT_CLOSED], c->hits[HIT_DELETED],
           c->hits[HIT_REFUSED], c->hits[HIT_SENDING]);
    printf("  answers  %zu collected from ", c->assignments);
    print_count(c->workers, "worker");
    printf(", %zu unusable, %zu not rated yet\n", c->unusable, c->unrated);
    printf("  payment  %zu paid, %zu due, %zu rejected (%s not paid)\n",
           c->payments[PAYMENT_PAID],
           c->payments[PAYMENT_DUE] + c->payments[PAYMENT_PAYING] +
               c->payments[PAYMENT_REJECTING],
           c->payments[PAYMENT_REJECTED], dollars_of(m->rejected_cents).s);
    printf("  money    rewards %s + fees %s paid; %s paid and promised, ",
           dollars_of(m->rewards_cents).s, dollars_of(m->fees_cents).s,
           dollars_of(m->committed_cents).s);
    if (m->cap_cents < 0)
        printf("no cap yet\n");
    else
        printf("cap %s\n", dollars_of(m->cap_cents).s);
}

static int run_status(int argc, char **argv, error *err)
{
    mturk_flags flags = {0};
    mturk_session s;
    mturk_counts c;
    mturk_money m;
    const char *run;
    TRY(mturk_parse(argc, argv, NULL, 0, true, &flags, &run, err));
    TRY(mturk_session_open(&s, run, &flags, false, err));
    int rc = hint_elsewhere(s.turk, &flags, err);
    if (rc == 0)
        rc = mturk_store_count(mturk_books(s.turk), &c, err);
    if (rc == 0)
        rc = mturk_store_money(mturk_books(s.turk), &m, err);
    if (rc == 0 && flags.json)
        rc = status_json(&c, &m, flags.production, err);
    else if (rc == 0)
        status_text(&c, &m, flags.production);
    mturk_session_close(&s);
    return rc;
}

const command mturk_cmd_status = {
    .name = "status",
    .group = "people",
    .summary = "HITs, answers and money as the run's file has them",
    .usage = status_usage,
    .run = run_status,
};

/* ---- balance ---- */

static const char balance_usage[] =
    "usage: lamarck rate mturk balance [--production] [--json]\n"
    "\n"
    "The money in the account, of the sandbox (which is none) or of production.\n";

static int run_balance(int argc, char **argv, error *err)
{
    mturk_flags flags = {0};
    aws_credentials keys = {0};
    mturk_api *api;
    const char *run;
    int64_t available, held;
    TRY(mturk_parse(argc, argv, NULL, 0, false, &flags, &run, err));
    TRY(mturk_session_api(&keys, &flags, &api, err));
    int rc = mturk_account_balance(api, &available, &held, err);
    mturk_api_close(api);
    aws_credentials_free(&keys);
    TRY(rc);
    if (flags.json)
        return json_print(
            json_pack("{s:s,s:I,s:o}", "place", mturk_place_names[flags.production],
                      "available_cents", (json_int_t)available, "on_hold_cents",
                      held < 0 ? json_null() : json_integer((json_int_t)held)),
            err);
    printf("%s: %s available", mturk_place_names[flags.production],
           dollars_of(available).s);
    if (held >= 0)
        printf(", %s on hold", dollars_of(held).s);
    printf("\n");
    return 0;
}

const command mturk_cmd_balance = {
    .name = "balance",
    .group = "people",
    .summary = "money in the account",
    .usage = balance_usage,
    .run = run_balance,
};
