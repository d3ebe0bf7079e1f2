/* The simulated crowd's side of the API. Each rater is a small machine: what he does next
 * is his step, and he waits either for the server or for a moment. */
#include "simulated_client.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "api_json.h"

enum {
    REPLY_MOST = 32 << 20, /* four outputs of 4 MiB, escaped */
    TOTAL_MS = 30000,      /* of one request */
    POLL_MS = 20,
    LOOK_AGAIN_MS = 500, /* for new tasks */
    BACK_OFF_MS = 20,    /* doubled up to BACK_OFF_MOST_MS */
    BACK_OFF_MOST_MS = 640,
    SECONDS_PER_RATING = 7, /* about what simulated raters take */
};

typedef enum step { STEP_REGISTER, STEP_NEXT, STEP_ANSWER, STEP_GONE } step;

typedef struct crowd_client crowd_client;

typedef struct visitor {
    crowd_client *of;
    CURL *curl;
    simulated_rater is;
    size_t who;
    int64_t id; /* at the server */
    step step;
    bool sent;          /* a request is under way */
    double due;         /* else: when it is to be sent, clock_seconds */
    double away_since;  /* the server is; NaN: it is not */
    double idle_since;  /* no task was left; NaN: there was one */
    size_t failures;    /* in a row */
    bool out_of_memory; /* while the reply came */
    text body, reply, url;
    struct curl_slist *headers;
    char token[ASSIGNMENT_TOKEN], task[SHA256_HEX], key[ASSIGNMENT_TOKEN + 8];
    simulated_answer says;
} visitor;

struct crowd_client {
    const client_options *o;
    client_report *report;
    CURLM *multi;
    gsl_rng *rng;
    visitor *visitors;
    size_t n_here;   /* not gone */
    size_t promised; /* ratings given or under way */
    text authorization;
};

/* ---- Requests ---- */

static size_t on_reply(char *bytes, size_t size, size_t n, void *context)
{
    visitor *v = context;
    if (v->reply.n + size * n > REPLY_MOST)
        return 0;
    v->out_of_memory = text_add(&v->reply, bytes, size * n, NULL) < 0;
    return v->out_of_memory ? 0 : size * n;
}

static int add_header(visitor *v, const char *line, error *err)
{
    struct curl_slist *longer = curl_slist_append(v->headers, line);
    if (!longer)
        return error_memory(err, strlen(line));
    v->headers = longer;
    return 0;
}

static int make_headers(visitor *v, error *err)
{
    char key[40 + sizeof v->key];
    curl_slist_free_all(v->headers);
    v->headers = NULL;
    TRY(add_header(v, v->of->authorization.s, err));
    if (v->step != STEP_NEXT)
        TRY(add_header(v, "Content-Type: application/json", err));
    if (v->step != STEP_ANSWER)
        return 0;
    snprintf(key, sizeof key, "Idempotency-Key: %s", v->key);
    return add_header(v, key, err);
}

static int make_body(visitor *v, error *err)
{
    text_clear(&v->body);
    if (v->step == STEP_REGISTER)
        return api_print(&v->body,
                         json_pack("{s:s, s:s}", "name", v->is.name, "source",
                                   rater_source_names[RATER_SIMULATED]),
                         err);
    if (v->step == STEP_NEXT)
        return 0;
    json_t *answer =
        v->says.answer == ANSWER_TIE ? json_string("tie") : json_integer(v->says.answer);
    return api_print(&v->body,
                     json_pack("{s:s, s:o, s:f, s:s}", "assignment", v->token, "answer",
                               answer, "seconds", v->says.seconds, "source", "simulated"),
                     err);
}

static int make_url(visitor *v, error *err)
{
    text_clear(&v->url);
    TRY(text_add_format(&v->url, err, "%s/api/v1/", v->of->o->url));
    if (v->step == STEP_NEXT)
        return text_add_format(&v->url, err, "next?rater=%lld", (long long)v->id);
    return text_add_string(&v->url, v->step == STEP_REGISTER ? "raters" : "ratings", err);
}

static CURLcode set_options(visitor *v)
{
    CURL *h = v->curl;
    CURLcode rc = CURLE_OK;
#define SET(option, value)                                                               \
    if (rc == CURLE_OK)                                                                  \
    rc = curl_easy_setopt(h, (option), (value))
    SET(CURLOPT_URL, v->url.s);
    SET(CURLOPT_PRIVATE, v);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_USERAGENT, "lamarck-simulated-crowd");
    SET(CURLOPT_HTTPHEADER, v->headers);
    SET(CURLOPT_TIMEOUT_MS, (long)TOTAL_MS);
    SET(CURLOPT_WRITEFUNCTION, on_reply);
    SET(CURLOPT_WRITEDATA, v);
    if (v->step == STEP_NEXT) {
        SET(CURLOPT_HTTPGET, 1L);
    } else {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, v->body.s);
        SET(CURLOPT_POSTFIELDSIZE, (long)v->body.n);
    }
#undef SET
    return rc;
}

static int send_request(visitor *v, error *err)
{
    text_clear(&v->reply);
    TRY(make_url(v, err));
    TRY(make_body(v, err));
    TRY(make_headers(v, err));
    CURLcode rc = set_options(v);
    if (rc != CURLE_OK || curl_multi_add_handle(v->of->multi, v->curl) != CURLM_OK)
        return error_set(err, E_EXTERNAL, "cannot prepare a request to %s: %s", v->url.s,
                         curl_easy_strerror(rc));
    v->sent = true;
    return 0;
}

/* ---- What comes of an answer ---- */

static int senseless(const visitor *v, long status, error *err)
{
    return error_set(err, E_EXTERNAL,
                     "%s answers %ld and \"%.200s\", which makes no sense", v->url.s,
                     status, text_string(&v->reply));
}

static void leave(visitor *v, size_t *why)
{
    ++*why;
    v->step = STEP_GONE;
    v->of->n_here--;
}

static int registered(visitor *v, const json_t *reply, error *err)
{
    if (api_get_whole(reply, "rater", 1, INT64_MAX, &v->id, err) != 1)
        return senseless(v, 201, err);
    v->step = STEP_NEXT;
    return 0;
}

static int question_kind_of(const json_t *q, question_kind *out, error *err)
{
    const char *kind = NULL;
    TRY(api_get_text(q, "kind", &kind, err));
    for (size_t i = 0; kind && i < N_QUESTION_KINDS; i++)
        if (strcmp(kind, question_names[i]) == 0) {
            *out = (question_kind)i;
            return 0;
        }
    return error_set(err, E_EXTERNAL, "the server asks a question of unknown kind");
}

/* As a run's own simulated crowd has it: on who he is and the task, and, should he see it
 * again, on how much he has done by then. */
static uint64_t stream_of(const visitor *v, bool repeat, int64_t done)
{
    char digits[17] = "";
    memcpy(digits, v->task, 16);
    uint64_t stream =
        seed_mix(seed_mix(v->of->o->seed, v->who), strtoull(digits, NULL, 16));
    return repeat ? seed_mix(stream, (uint64_t)done + 1) : stream;
}

/* Look at a task and make up his mind. */
static int consider(visitor *v, const json_t *a, error *err)
{
    const json_t *asked = json_object_get(a, "question");
    const json_t *outputs = json_object_get(a, "outputs");
    const json_t *labels = json_object_get(asked, "labels");
    char *shown[MAX_OUTPUTS];
    const char *context = "";
    size_t n = json_array_size(outputs);
    bool repeat = json_is_true(json_object_get(a, "repeat"));
    question q = {.ties = json_is_true(json_object_get(asked, "ties")),
                  .n_labels = json_array_size(labels)};
    TRY(question_kind_of(asked, &q.kind, err));
    TRY(api_get_text(a, "context", &context, err));
    if (n != question_outputs(q.kind) || (q.kind == QUESTION_SCALE && q.n_labels < 2))
        return senseless(v, 200, err);
    for (size_t i = 0; i < n; i++) {
        const char *s = json_string_value(json_array_get(outputs, i));
        if (!s)
            return senseless(v, 200, err);
        shown[i] = (char *)(uintptr_t)s;
    }
    int64_t done = json_integer_value(json_object_get(a, "done"));
    gsl_rng_set(v->of->rng, (unsigned long)stream_of(v, repeat, done));
    return simulated_rater_answer(&v->is, v->of->o->taste, &q, context, shown, n,
                                  v->of->rng, &v->says, err);
}

static int given(visitor *v, const json_t *a, error *err)
{
    const client_options *o = v->of->o;
    const char *token = NULL, *task = NULL;
    if (api_get_text(a, "assignment", &token, err) != 1 ||
        api_get_text(a, "task", &task, err) != 1 ||
        strlen(token) != ASSIGNMENT_TOKEN - 1 || strlen(task) != SHA256_HEX - 1)
        return senseless(v, 200, err);
    if (o->n_ratings && v->of->promised >= o->n_ratings) {
        leave(v, &v->of->report->limit);
        return 0;
    }
    memcpy(v->token, token, sizeof v->token);
    memcpy(v->task, task, sizeof v->task);
    snprintf(v->key, sizeof v->key, "sim-%s", token);
    TRY(consider(v, a, err));
    v->of->promised++;
    v->step = STEP_ANSWER;
    v->idle_since = NAN;
    v->due = clock_seconds() + (o->speed > 0 ? v->says.seconds / o->speed : 0);
    return 0;
}

static int told_next(visitor *v, const json_t *reply, error *err)
{
    client_report *r = v->of->report;
    const char *result = NULL;
    TRY(api_get_text(reply, "result", &result, err));
    if (!result)
        return senseless(v, 200, err);
    if (strcmp(result, "given") == 0)
        return given(v, json_object_get(reply, "assignment"), err);
    double now = clock_seconds();
    if (isnan(v->idle_since))
        v->idle_since = now;
    v->due = now + LOOK_AGAIN_MS / 1e3;
    if (strcmp(result, "limit") == 0)
        leave(v, &r->limit);
    else if (strcmp(result, "excluded") == 0)
        leave(v, &r->excluded);
    else if (now - v->idle_since >= v->of->o->wait_seconds)
        leave(v, strcmp(result, "closed") == 0 ? &r->closed : &r->nothing);
    return 0;
}

static int told_rating(visitor *v, const json_t *reply, error *err)
{
    const client_options *o = v->of->o;
    client_report *r = v->of->report;
    const char *result = NULL;
    TRY(api_get_text(reply, "result", &result, err));
    if (!result)
        return senseless(v, 201, err);
    r->recorded += strcmp(result, "recorded") == 0;
    r->late += strcmp(result, "late") == 0;
    r->same += strcmp(result, "same") == 0;
    r->by_manner[v->is.manner]++;
    v->step = STEP_NEXT;
    const client_rating rating = {.key = v->key,
                                  .assignment = v->token,
                                  .task = v->task,
                                  .result = result,
                                  .rater = v->id,
                                  .answer = v->says.answer};
    return o->acknowledged ? o->acknowledged(o->context, &rating, err) : 0;
}

static int understand(visitor *v, long status, error *err)
{
    json_t *reply;
    if (status == 401)
        return error_set(err, E_ARGUMENT, "%s does not know the API key", v->of->o->url);
    if ((status != 200 && status != 201) ||
        api_parse(&reply, text_string(&v->reply), v->reply.n, NULL) < 0)
        return senseless(v, status, err);
    int rc = v->step == STEP_REGISTER ? registered(v, reply, err)
             : v->step == STEP_NEXT   ? told_next(v, reply, err)
                                      : told_rating(v, reply, err);
    json_decref(reply);
    return rc;
}

/* The server is away, or busy: again, later. */
static int try_later(visitor *v, const char *why, error *err)
{
    double now = clock_seconds();
    if (isnan(v->away_since))
        v->away_since = now;
    if (now - v->away_since > v->of->o->patience_seconds)
        return error_set(err, E_EXTERNAL, "no answer from %s for %.0f seconds: %s",
                         v->url.s, now - v->away_since, why);
    size_t doublings = v->failures < 6 ? v->failures : 6;
    double wait = (double)(BACK_OFF_MS << doublings) / 1e3;
    /* Raters come back at moments of their own. */
    wait *= 0.5 + 0.5 * (double)(seed_mix(v->who, v->failures) >> 11) / 9007199254740992;
    v->due = now + fmin(wait, BACK_OFF_MOST_MS / 1e3);
    v->failures++;
    v->of->report->retries++;
    return 0;
}

static int finish_request(visitor *v, CURLcode code, error *err)
{
    long status = 0;
    curl_off_t took_us = 0;
    step was = v->step;
    client_report *r = v->of->report;
    curl_multi_remove_handle(v->of->multi, v->curl);
    v->sent = false;
    if (v->out_of_memory)
        return error_memory(err, v->reply.n);
    if (code == CURLE_OK)
        curl_easy_getinfo(v->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status == 503 || status == 429)
        return try_later(v, code == CURLE_OK ? "it is busy" : curl_easy_strerror(code),
                         err);
    bool at_once = v->failures == 0;
    v->failures = 0;
    v->away_since = NAN;
    curl_easy_getinfo(v->curl, CURLINFO_TOTAL_TIME_T, &took_us);
    TRY(understand(v, status, err));
    if (was == STEP_REGISTER || !at_once)
        return 0;
    return client_latency_add(was == STEP_NEXT ? &r->asking : &r->answering,
                              (double)took_us / 1e6, err);
}

/* ---- All of them ---- */

static int start_due(crowd_client *c, error *err)
{
    double now = clock_seconds();
    for (size_t i = 0; i < c->o->n_raters; i++) {
        visitor *v = &c->visitors[i];
        if (v->step == STEP_GONE || v->sent || v->due > now)
            continue;
        if (v->step == STEP_NEXT && c->o->n_ratings && c->promised >= c->o->n_ratings)
            leave(v, &c->report->limit);
        else
            TRY(send_request(v, err));
    }
    return 0;
}

static int take_answers(crowd_client *c, error *err)
{
    int left, running;
    if (curl_multi_perform(c->multi, &running) != CURLM_OK)
        return error_set(err, E_EXTERNAL, "libcurl cannot go on");
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
        char *private = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        if (m->msg == CURLMSG_DONE)
            TRY(finish_request((visitor *)(void *)private, code, err));
    }
    return 0;
}

/* Until something comes, or somebody has made up his mind. */
static void wait_a_little(crowd_client *c)
{
    double now = clock_seconds(), wait = POLL_MS / 1e3;
    for (size_t i = 0; i < c->o->n_raters; i++) {
        const visitor *v = &c->visitors[i];
        if (v->step != STEP_GONE && !v->sent)
            wait = fmin(wait, v->due - now);
    }
    if (wait > 0)
        curl_multi_poll(c->multi, NULL, 0, (int)ceil(wait * 1e3), NULL);
}

static int work(crowd_client *c, error *err)
{
    while (c->n_here) {
        TRY(start_due(c, err));
        TRY(take_answers(c, err));
        wait_a_little(c);
        if (c->o->interrupt && *c->o->interrupt)
            return error_set(err, E_INTERRUPTED, "the simulated crowd was interrupted");
    }
    return 0;
}

/* Raters who take their time do not come all at one moment. */
static double arrival(const client_options *o, size_t who)
{
    double share = (double)(seed_mix(o->seed, who) >> 11) / 9007199254740992;
    return o->speed > 0 ? share * SECONDS_PER_RATING / o->speed : 0;
}

static int open_client(crowd_client *c, error *err)
{
    const client_options *o = c->o;
    c->multi = curl_multi_init();
    c->rng = gsl_rng_alloc(gsl_rng_mt19937);
    c->visitors = array_new(o->n_raters, sizeof *c->visitors);
    if (!c->multi || !c->rng || !c->visitors)
        return error_memory(err, o->n_raters * sizeof *c->visitors);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)o->n_raters);
    TRY(text_add_format(&c->authorization, err, "Authorization: Bearer %s", o->api_key));
    double now = clock_seconds();
    for (; c->n_here < o->n_raters; c->n_here++) {
        visitor *v = &c->visitors[c->n_here];
        *v = (visitor){.of = c, .who = c->n_here, .due = now + arrival(o, c->n_here)};
        v->away_since = v->idle_since = NAN;
        simulated_rater_make(&v->is, o->seed, v->who);
        v->curl = curl_easy_init();
        if (!v->curl)
            return error_memory(err, sizeof *v);
    }
    return 0;
}

static void close_client(crowd_client *c)
{
    for (size_t i = 0; c->visitors && i < c->o->n_raters; i++) {
        visitor *v = &c->visitors[i];
        if (v->sent)
            curl_multi_remove_handle(c->multi, v->curl);
        curl_easy_cleanup(v->curl);
        curl_slist_free_all(v->headers);
        text_free(&v->body);
        text_free(&v->reply);
        text_free(&v->url);
    }
    free(c->visitors);
    text_free(&c->authorization);
    if (c->multi)
        curl_multi_cleanup(c->multi);
    if (c->rng)
        gsl_rng_free(c->rng);
}

int simulated_client_run(const client_options *o, client_report *out, error *err)
{
    crowd_client c = {.o = o, .report = out};
    *out = (client_report){0};
    if (o->n_raters < 1 || o->n_raters > CLIENT_RATERS_MOST)
        return error_set(err, E_ARGUMENT, "%zu simulated raters; 1 to %d can come",
                         o->n_raters, CLIENT_RATERS_MOST);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(err, E_EXTERNAL, "cannot set up libcurl");
    double began = clock_seconds();
    int rc = open_client(&c, err);
    if (rc == 0)
        rc = work(&c, err);
    close_client(&c);
    curl_global_cleanup();
    out->seconds = clock_seconds() - began;
    client_report_sort(out);
    return rc;
}
