/* Tasks as HITs. */
#include "mturk_question.h"
#include "mturk_form.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_TITLE = 128,
    MAX_DESCRIPTION = 2000,
    MAX_KEYWORDS = 1000,
    MAX_QUESTION_BYTES = 65535,
    MIN_SECONDS = 30,
    MAX_LIFETIME_SECONDS = 14 * 86400,
    MAX_DURATION_SECONDS = 365 * 86400,
    MAX_APPROVAL_SECONDS = 30 * 86400,
    MAX_REWARD_CENTS = 100000,
};

/* Where a form is sent; Amazon's, one for each place. */
static const char *const submit_urls[N_MTURK_PLACES] = {
    "https://workersandbox.mturk.com/mturk/externalSubmit",
    "https://www.mturk.com/mturk/externalSubmit",
};

/* Qualification types of Amazon's own. */
static const char worker_locale[] = "00000000000000000071";
static const char percent_approved[] = "000000000000000000L0";
static const char hits_approved[] = "00000000000000000040";
static const char *const masters_types[N_MTURK_PLACES] = {
    "2ARFPLSP75KLA8M8DH1HTEQVJT3SY6",
    "2F1QJWKUDD8XADTFD2Q0G6UTO95ALH",
};

/* ---- Terms ---- */

mturk_terms mturk_terms_defaults(void)
{
    return (mturk_terms){
        .title = "Judge short texts",
        .description = "Read a few short texts and answer one question about them.",
        .keywords = "text, opinion, compare, judge",
        .lifetime_seconds = 86400,
        .duration_seconds = 600,
        .auto_approve_seconds = 3 * 86400,
    };
}

static int check_length(const char *name, const char *s, size_t most, error *err)
{
    size_t n = strlen(s), n_chars = 0;
    if (utf8_check(s, n) != n)
        return error_set(err, E_ARGUMENT, "the %s is not UTF-8", name);
    for (size_t i = 0; i < n; i++)
        n_chars += ((unsigned char)s[i] & 0xc0) != 0x80;
    if (n_chars == 0 || n_chars > most)
        return error_set(err, E_ARGUMENT,
                         "the %s has %zu characters; Amazon takes 1 to %zu", name,
                         n_chars, most);
    return 0;
}

static int check_range(const char *name, size_t value, size_t least, size_t most,
                       error *err)
{
    if (value < least || value > most)
        return error_set(err, E_ARGUMENT, "the %s is %zu; it must be from %zu to %zu",
                         name, value, least, most);
    return 0;
}

/* Two capital letters each, commas between. */
static int check_countries(const char *s, error *err)
{
    for (size_t i = 0; s[i]; i++) {
        bool right = i % 3 == 2 ? s[i] == ',' : (s[i] >= 'A' && s[i] <= 'Z');
        if (!right || (!s[i + 1] && i % 3 != 1))
            return error_set(err, E_ARGUMENT,
                             "the countries '%.60s' are not two-letter codes like US,GB",
                             s);
    }
    if (!*s)
        return error_set(err, E_ARGUMENT, "the list of countries is empty");
    return 0;
}

static int check_page(const char *page, error *err)
{
    bool https = strncmp(page, "https://", 8) == 0;
    if (!https || strpbrk(page, " \t\r\n?#"))
        return error_set(err, E_ARGUMENT,
                         "the page '%.200s' is not a URL that begins with https:// and "
                         "has neither ? nor #: browsers show no other in a HIT",
                         page);
    return 0;
}

int mturk_terms_check(const mturk_terms *t, error *err)
{
    TRY(check_length("title", t->title, MAX_TITLE, err));
    TRY(check_length("description", t->description, MAX_DESCRIPTION, err));
    TRY(check_length("list of keywords", t->keywords, MAX_KEYWORDS, err));
    if (t->reward_cents < 1 || t->reward_cents > MAX_REWARD_CENTS)
        return error_set(err, E_ARGUMENT,
                         "the reward is %lld cents; it must be from 1 to %d",
                         (long long)t->reward_cents, MAX_REWARD_CENTS);
    TRY(check_range("lifetime in seconds", t->lifetime_seconds, MIN_SECONDS,
                    MAX_LIFETIME_SECONDS, err));
    TRY(check_range("duration in seconds", t->duration_seconds, MIN_SECONDS,
                    MAX_DURATION_SECONDS, err));
    TRY(check_range("automatic approval in seconds", t->auto_approve_seconds, 0,
                    MAX_APPROVAL_SECONDS, err));
    TRY(check_range("share of approved work in percent", t->min_approved_percent, 0, 100,
                    err));
    TRY(check_range("number of approved HITs", t->min_approved_hits, 0, 10000000, err));
    if (t->countries)
        TRY(check_countries(t->countries, err));
    if (t->page)
        TRY(check_page(t->page, err));
    for (const char *c = t->only_with; c && *c; c++)
        if (!isupper((unsigned char)*c) && !isdigit((unsigned char)*c))
            return error_set(err, E_ARGUMENT, "'%.70s' is no id of a qualification type",
                             t->only_with);
    return 0;
}

void mturk_task_free(mturk_task *t)
{
    question_free(&t->question);
    free(t->context);
    for (size_t i = 0; i < MAX_OUTPUTS; i++)
        free(t->outputs[i]);
    *t = (mturk_task){0};
}

/* ---- The request ---- */

int mturk_annotation(const char *task, const char *token, text *out, error *err)
{
    return text_add_format(out, err, "lamarck task=%s token=%s", task, token);
}

/* Append a requirement that is given away. */
static int require(json_t *list, json_t *requirement, error *err)
{
    if (!requirement || json_array_append_new(list, requirement) < 0)
        return error_memory(err, 1000);
    return 0;
}

static int require_at_least(json_t *list, const char *type, size_t least, error *err)
{
    return require(list,
                   json_pack("{s:s,s:s,s:[I]}", "QualificationTypeId", type, "Comparator",
                             "GreaterThanOrEqualTo", "IntegerValues", (json_int_t)least),
                   err);
}

static int require_countries(json_t *list, const char *countries, error *err)
{
    json_t *places = json_array();
    int rc = places ? 0 : error_memory(err, 100);
    for (const char *c = countries; rc == 0 && *c; c += c[2] == ',' ? 3 : 2)
        rc = require(places, json_pack("{s:s%}", "Country", c, (size_t)2), err);
    if (rc < 0) {
        json_decref(places);
        return rc;
    }
    return require(list,
                   json_pack("{s:s,s:s,s:o}", "QualificationTypeId", worker_locale,
                             "Comparator", "In", "LocaleValues", places),
                   err);
}

static int require_having(json_t *list, const char *type, error *err)
{
    return require(
        list, json_pack("{s:s,s:s}", "QualificationTypeId", type, "Comparator", "Exists"),
        err);
}

static int add_requirements(json_t *list, const mturk_terms *t, mturk_place place,
                            error *err)
{
    if (t->masters)
        TRY(require_having(list, masters_types[place], err));
    if (t->only_with)
        TRY(require_having(list, t->only_with, err));
    if (t->min_approved_percent)
        TRY(require_at_least(list, percent_approved, t->min_approved_percent, err));
    if (t->min_approved_hits)
        TRY(require_at_least(list, hits_approved, t->min_approved_hits, err));
    if (t->countries)
        TRY(require_countries(list, t->countries, err));
    return 0;
}

static int pack_request(const mturk_terms *t, mturk_place place, size_t assignments,
                        const char *token, const char *xml, const char *annotation,
                        json_t **out, error *err)
{
    char reward[32];
    snprintf(reward, sizeof reward, "%lld.%02lld", (long long)t->reward_cents / 100,
             (long long)t->reward_cents % 100);
    json_t *list = json_array();
    int rc = list ? add_requirements(list, t, place, err) : error_memory(err, 100);
    json_t *request =
        rc < 0 ? NULL
               : json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I}", "Title",
                           t->title, "Description", t->description, "Keywords",
                           t->keywords, "Reward", reward, "Question", xml,
                           "RequesterAnnotation", annotation, "UniqueRequestToken", token,
                           "MaxAssignments", (json_int_t)assignments, "LifetimeInSeconds",
                           (json_int_t)t->lifetime_seconds, "AssignmentDurationInSeconds",
                           (json_int_t)t->duration_seconds, "AutoApprovalDelayInSeconds",
                           (json_int_t)t->auto_approve_seconds);
    if (rc == 0 && request && json_array_size(list) > 0 &&
        json_object_set(request, "QualificationRequirements", list) < 0) {
        json_decref(request);
        request = NULL;
    }
    json_decref(list);
    if (rc == 0 && !request)
        rc = error_memory(err, 70000);
    if (rc == 0)
        *out = request;
    return rc;
}

int mturk_hit_request(const mturk_task *task, const mturk_terms *terms, mturk_place place,
                      size_t assignments, const char *token, json_t **out, error *err)
{
    text xml = {0}, annotation = {0};
    int rc = terms->page ? mturk_external(terms->page, task->id, &xml, err)
                         : mturk_form(task, submit_urls[place], &xml, err);
    if (rc == 0 && xml.n > MAX_QUESTION_BYTES)
        rc = error_set(err, E_LIMIT,
                       "task %.12s… makes a form of %zu bytes, Amazon takes %d; serve it "
                       "from a page of your own (--page)",
                       task->id, xml.n, MAX_QUESTION_BYTES);
    if (rc == 0)
        rc = mturk_annotation(task->id, token, &annotation, err);
    if (rc == 0)
        rc = pack_request(terms, place, assignments, token, text_string(&xml),
                          text_string(&annotation), out, err);
    text_free(&xml);
    text_free(&annotation);
    return rc;
}

/* ---- Answers ---- */

static int number_of(const char *s, int least, int most, int *out, error *err)
{
    char *end;
    long x = strtol(s, &end, 10);
    if (!isdigit((unsigned char)*s) || *end || x < least || x > most)
        return error_set(err, E_FORMAT, "the answer '%.20s' is not from %d to %d", s,
                         least, most);
    *out = (int)x;
    return 0;
}

/* The place at which the chosen output is shown. */
static int place_of(const mturk_task *task, const char *id, const assignment *shown,
                    int *out, error *err)
{
    for (size_t i = 0; i < task->n_outputs; i++)
        for (size_t k = 0; strcmp(task->output_ids[i], id) == 0 && k < shown->n_shown;
             k++)
            if (strcmp(shown->shown[k], task->outputs[i]) == 0) {
                *out = (int)k;
                return 0;
            }
    return error_set(err, E_FORMAT, "the answer '%.20s' is none of the outputs shown",
                     id);
}

int mturk_rating(const mturk_task *task, const mturk_answers *answers,
                 const assignment *shown, int *out, error *err)
{
    const char *of = mturk_answers_get(answers, "task");
    const char *answer = mturk_answers_get(answers, "answer");
    if (!of || strcmp(of, task->id) != 0)
        return error_set(err, E_FORMAT,
                         of ? "the form is one of another task"
                            : "the form does not say of which task it is");
    if (!answer)
        return error_set(err, E_FORMAT, "the form came without an answer");
    switch (task->question.kind) {
    case QUESTION_SCALE:
        return number_of(answer, 1, (int)task->question.n_labels, out, err);
    case QUESTION_ACCEPT:
        return number_of(answer, 0, 1, out, err);
    case QUESTION_COMPARE:
    case QUESTION_BEST:
    case N_QUESTION_KINDS:
        break;
    }
    if (task->question.ties && strcmp(answer, "tie") == 0) {
        *out = ANSWER_TIE;
        return 0;
    }
    return place_of(task, answer, shown, out, err);
}
