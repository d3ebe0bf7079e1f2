/* lamarck rate mturk post: open tasks as HITs. */
#include "../views/json_lines.h"
#include "rate_mturk.h"

#include <stdio.h>
#include <time.h>

static const char usage[] =
    "usage: lamarck rate mturk post RUN --reward CENTS --cap CENTS [OPTIONS]\n"
    "\n"
    "Offers every open task of the run that lacks ratings as one HIT, for as many "
    "workers\n"
    "as ratings are missing. Running it again posts only what is missing then.\n"
    "\n"
    "  --reward CENTS        what a worker gets for one answer\n"
    "  --cap CENTS           never promise more than that, Amazon's fees included; kept\n"
    "                        with the run, so that it need be given only once. Fees are\n"
    "                        20 % of the reward, 40 % with 10 or more workers per HIT, 5 "
    "%\n"
    "                        more for Masters, at least 1 cent per answer, rounded up\n"
    "  --dry-run             only say what it would cost; asks nobody\n"
    "  --production          real money: says what it costs and does nothing else, "
    "unless\n"
    "  --yes                 is given, too\n"
    "  --page URL            show the tasks on our own page ('lamarck rate serve') at "
    "this\n"
    "                        https address; without, each HIT brings its own form\n"
    "  --max-hits N          post at most N\n"
    "  --assignments N       at most N workers per task, however many ratings are "
    "missing\n"
    "  --gold                gold tasks, too, each once\n"
    "  --title, --description, --keywords TEXT    what workers see in the list\n"
    "  --lifetime SECONDS    how long a HIT is offered (86400)\n"
    "  --duration SECONDS    how long a worker may take (600)\n"
    "  --auto-approve SECONDS    Amazon pays by itself after that (259200)\n"
    "  --countries CODES     only workers there, as US,GB\n"
    "  --min-approved PERCENT    only workers with that much approved work\n"
    "  --min-approved-hits N     and so many approved HITs\n"
    "  --masters             only workers with the Masters qualification\n"
    "  --qualification ID    only workers who have this qualification\n"
    "  --json                the bill as JSON\n";

typedef struct request {
    mturk_post_options post;
    mturk_flags flags;
    const char *run;
    size_t reward, cap;
    bool has_cap, has_reward, dry_run, yes;
} request;

static int parse(int argc, char **argv, request *q, error *err)
{
    mturk_terms *t = &q->post.terms;
    const option options[] = {
        {"reward", OPTION_SIZE, &q->reward, &q->has_reward, NULL},
        {"cap", OPTION_SIZE, &q->cap, &q->has_cap, NULL},
        {"dry-run", OPTION_FLAG, &q->dry_run, NULL, NULL},
        {"yes", OPTION_FLAG, &q->yes, NULL, NULL},
        {"page", OPTION_TEXT, &t->page, NULL, NULL},
        {"max-hits", OPTION_SIZE, &q->post.max_hits, NULL, NULL},
        {"assignments", OPTION_SIZE, &q->post.assignments, NULL, NULL},
        {"gold", OPTION_FLAG, &q->post.gold, NULL, NULL},
        {"title", OPTION_TEXT, &t->title, NULL, NULL},
        {"description", OPTION_TEXT, &t->description, NULL, NULL},
        {"keywords", OPTION_TEXT, &t->keywords, NULL, NULL},
        {"lifetime", OPTION_SIZE, &t->lifetime_seconds, NULL, NULL},
        {"duration", OPTION_SIZE, &t->duration_seconds, NULL, NULL},
        {"auto-approve", OPTION_SIZE, &t->auto_approve_seconds, NULL, NULL},
        {"countries", OPTION_TEXT, &t->countries, NULL, NULL},
        {"min-approved", OPTION_SIZE, &t->min_approved_percent, NULL, NULL},
        {"min-approved-hits", OPTION_SIZE, &t->min_approved_hits, NULL, NULL},
        {"masters", OPTION_FLAG, &t->masters, NULL, NULL},
        {"qualification", OPTION_TEXT, &t->only_with, NULL, NULL},
    };
    TRY(mturk_parse(argc, argv, options, sizeof options / sizeof *options, true,
                    &q->flags, &q->run, err));
    if (!q->has_reward)
        return error_set(err, E_USAGE, "post wants --reward CENTS");
    if (q->cap > 1000000000 || q->reward > 1000000000)
        return error_set(err, E_USAGE, "that is more than ten million dollars");
    if (q->has_cap && q->cap == 0)
        return error_set(err, E_USAGE, "--cap 0 leaves nothing to be posted");
    t->reward_cents = (int64_t)q->reward;
    q->post.plan_cap_cents = (int64_t)q->cap;
    return mturk_terms_check(t, err);
}

/* ---- What it costs, or did ---- */

static int print_json(const request *q, const mturk_bill *b, const mturk_money *m,
                      bool sent, error *err)
{
    return json_print(
        json_pack("{s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "place",
                  mturk_place_names[q->flags.production], "sent", sent, "hits",
                  (json_int_t)b->hits, "assignments", (json_int_t)b->assignments,
                  "reward_cents", (json_int_t)b->reward_cents, "fee_cents",
                  (json_int_t)b->fee_cents, "cost_cents",
                  (json_int_t)(b->reward_cents + b->fee_cents), "over_cap",
                  (json_int_t)b->over_cap, "too_long", (json_int_t)b->too_long, "busy",
                  (json_int_t)b->busy, "committed_cents", (json_int_t)m->committed_cents,
                  "cap_cents", (json_int_t)m->cap_cents),
        err);
}

static void print_text(const request *q, const mturk_bill *b, const mturk_money *m,
                       bool sent)
{
    printf("%s: ", mturk_place_names[q->flags.production]);
    print_count(b->hits, "HIT");
    printf(" %s, ", sent ? "posted" : "to be posted");
    print_count(b->assignments, "answer");
    printf(" at most: rewards %s + fees %s = %s\n", dollars_of(b->reward_cents).s,
           dollars_of(b->fee_cents).s, dollars_of(b->reward_cents + b->fee_cents).s);
    printf("paid and promised so far: %s of the cap of %s\n",
           dollars_of(m->committed_cents).s, dollars_of(m->cap_cents).s);
    if (b->over_cap)
        printf("not posted, since the cap leaves no room: %zu\n", b->over_cap);
    if (b->too_long)
        printf("not posted, since Amazon takes no form that long (use --page): %zu\n",
               b->too_long);
    if (b->busy)
        printf("not posted, since another command is at it: %zu\n", b->busy);
    if (!b->hits && !b->over_cap && !b->too_long && !b->busy)
        printf("no task here wants answers that are not posted already\n");
}

static int tell(const request *q, mturk *turk, const mturk_bill *b, bool sent, error *err)
{
    mturk_money m;
    TRY(mturk_store_money(mturk_books(turk), &m, err));
    if (q->has_cap && !sent)
        m.cap_cents = (int64_t)q->cap;
    if (q->flags.json)
        return print_json(q, b, &m, sent, err);
    print_text(q, b, &m, sent);
    return 0;
}

/* There must be a cap: on the line, or in the books. */
static int check_cap(const request *q, mturk *turk, error *err)
{
    mturk_money m;
    if (q->has_cap)
        return 0;
    TRY(mturk_store_money(mturk_books(turk), &m, err));
    if (m.cap_cents < 0)
        return error_set(err, E_USAGE,
                         "the run has no cap for the %s yet: post wants --cap CENTS",
                         mturk_place_names[q->flags.production]);
    return 0;
}

/* ---- Posting ---- */

static int plan(const request *q, error *err)
{
    mturk_session s;
    mturk_bill bill;
    TRY(mturk_session_open(&s, q->run, &q->flags, false, err));
    int rc = check_cap(q, s.turk, err);
    if (rc == 0)
        rc = mturk_plan(s.turk, &q->post, &bill, err);
    if (rc == 0)
        rc = tell(q, s.turk, &bill, false, err);
    mturk_session_close(&s);
    return rc;
}

static int post(const request *q, error *err)
{
    mturk_session s;
    mturk_bill bill = {0};
    TRY(mturk_session_open(&s, q->run, &q->flags, true, err));
    int rc = check_cap(q, s.turk, err);
    if (rc == 0 && q->has_cap)
        rc = mturk_store_set_cap(mturk_books(s.turk), (int64_t)q->cap, err);
    if (rc == 0) {
        rc = mturk_post(s.turk, &q->post, (int64_t)time(NULL), &bill, err);
        int told = rc == 0 || bill.hits > 0
                       ? tell(q, s.turk, &bill, true, rc < 0 ? NULL : err)
                       : 0;
        rc = rc < 0 ? rc : told;
    }
    mturk_session_close(&s);
    return rc;
}

static int run(int argc, char **argv, error *err)
{
    request q = {.post = {.terms = mturk_terms_defaults()}};
    TRY(parse(argc, argv, &q, err));
    if (q.dry_run)
        return plan(&q, err);
    if (q.flags.production && !q.yes) {
        TRY(plan(&q, err));
        return error_set(err, E_ARGUMENT,
                         "nothing was sent: --production spends real money, add --yes to "
                         "do it");
    }
    return post(&q, err);
}

const command mturk_cmd_post = {
    .name = "post",
    .group = "people",
    .summary = "offer open tasks as HITs, under a cap of money",
    .usage = usage,
    .run = run,
};
