/* The HTTP client against a server of canned answers on loopback: what is tried again,
 * what is not, and what may have been done. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../rater/http_client.h"

/* One answer per connection, in turn; NULL closes the connection without any. */
typedef struct canned {
    int fd;
    char url[60];
    const char *const *answers;
    size_t n, n_served;
    char last[4096]; /* the latest request */
    pthread_t thread;
} canned;

static void read_request(canned *c, int fd)
{
    size_t n = 0;
    while (n + 1 < sizeof c->last) {
        ssize_t got = read(fd, c->last + n, sizeof c->last - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
        c->last[n] = '\0';
        const char *end = strstr(c->last, "\r\n\r\n"),
                   *length = strstr(c->last, "Content-Length: ");
        if (end && (!length || strlen(end + 4) >= strtoul(length + 16, NULL, 10)))
            break;
    }
}

static void *serve(void *context)
{
    canned *c = context;
    for (; c->n_served < c->n; c->n_served++) {
        int fd = accept(c->fd, NULL, NULL);
        const char *answer = c->answers[c->n_served];
        read_request(c, fd);
        if (answer && write(fd, answer, strlen(answer)) < 0)
            perror("write");
        close(fd);
    }
    return NULL;
}

static void canned_start(canned *c, const char *const *answers, size_t n)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    *c = (canned){.answers = answers, .n = n};
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(c->fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(c->fd, 10), 0);
    assert_int_equal(getsockname(c->fd, (struct sockaddr *)&a, &length), 0);
    snprintf(c->url, sizeof c->url, "http://127.0.0.1:%d/x?y", ntohs(a.sin_port));
    assert_int_equal(pthread_create(&c->thread, NULL, serve, c), 0);
}

static void canned_stop(canned *c)
{
    pthread_join(c->thread, NULL);
    close(c->fd);
    assert_int_equal(c->n_served, c->n);
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
#define FAILED(code, headers)                                                            \
    "HTTP/1.1 " code " Bad\r\n" headers "Content-Length: 0\r\nConnection: close\r\n\r\n"

static const http_retry quick = {.max_tries = 4, .first_ms = 1, .most_ms = 2};

/* Send to a server with these answers; the client's own result. */
static int exchange(const char *const *answers, size_t n, http_request q,
                    const http_retry *retry, http_response *r, error *err)
{
    canned c;
    http_client *client;
    canned_start(&c, answers, n);
    assert_int_equal(http_client_new(&client, err), 0);
    q.url = c.url;
    int rc = http_send(client, &q, retry, r, err);
    http_client_free(client);
    canned_stop(&c);
    return rc;
}

static void what_passes_is_tried_again(void **state)
{
    (void)state;
    const char *const answers[] = {NULL, FAILED("503", ""), FAILED("429", ""), OK};
    http_response r;
    error err = {0};
    assert_int_equal(exchange(answers, 4, (http_request){0}, &quick, &r, &err), 0);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.n_tries, 4);
    assert_true(r.maybe_done);
    assert_string_equal(text_string(&r.body), "hi");
    http_response_free(&r);
}

static void tries_have_an_end(void **state)
{
    (void)state;
    const char *const answers[] = {NULL, NULL, NULL, NULL};
    http_response r;
    error err = {0};
    assert_int_equal(exchange(answers, 4, (http_request){0}, &quick, &r, &err),
                     E_EXTERNAL);
    assert_non_null(strstr(err.text, "after 4 tries"));
    assert_true(r.maybe_done);
    http_response_free(&r);
}

static void a_refusal_is_final_and_nothing_was_done(void **state)
{
    (void)state;
    const char *const answers[] = {
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nDate: Sun, 06 Nov 1994 "
        "08:49:37 GMT\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"};
    http_response r;
    error err = {0};
    assert_int_equal(exchange(answers, 1, (http_request){0}, &quick, &r, &err), 0);
    assert_int_equal(r.status, 302); /* not followed */
    assert_int_equal(r.date, 784111777);
    assert_false(r.maybe_done);
    http_response_free(&r);
}

static void a_server_may_ask_for_patience_within_limits(void **state)
{
    (void)state;
    const char *const answers[] = {FAILED("429", "Retry-After: 3600\r\n"), OK};
    http_response r;
    error err = {0};
    double start = clock_seconds();
    const http_retry retry = {.max_tries = 2, .first_ms = 1, .most_ms = 120};
    assert_int_equal(exchange(answers, 2, (http_request){0}, &retry, &r, &err), 0);
    assert_true(clock_seconds() - start >= 0.11); /* most_ms, not an hour, not 1 ms */
    assert_int_equal(r.status, 200);
    http_response_free(&r);
}

static void long_answers_are_cut_off(void **state)
{
    (void)state;
    const char *const answers[] = {OK};
    http_response r;
    error err = {0};
    assert_int_equal(
        exchange(answers, 1, (http_request){.max_bytes = 1}, &quick, &r, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "longer than 1 bytes"));
    http_response_free(&r);
}

static void a_silent_server_is_given_up(void **state)
{
    (void)state;
    canned c = {0};
    http_client *client;
    http_response r;
    error err = {0};
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    c.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(c.fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(c.fd, 1), 0); /* connects, but nobody accepts */
    assert_int_equal(getsockname(c.fd, (struct sockaddr *)&a, &length), 0);
    snprintf(c.url, sizeof c.url, "http://127.0.0.1:%d/", ntohs(a.sin_port));
    assert_int_equal(http_client_new(&client, &err), 0);
    http_request q = {.url = c.url, .total_ms = 50};
    assert_int_equal(http_send(client, &q, NULL, &r, &err), E_EXTERNAL);
    assert_true(r.maybe_done);
    /* An interruption ends it at once, however patient it would be. */
    const volatile int stop = 1;
    q = (http_request){.url = c.url, .interrupt = &stop};
    assert_int_equal(http_send(client, &q, &quick, &r, &err), E_INTERRUPTED);
    http_response_free(&r);
    close(c.fd);
    /* Nobody there at all: certainly nothing was done. */
    q = (http_request){.url = c.url};
    assert_int_equal(http_send(client, &q, &quick, &r, &err), E_EXTERNAL);
    assert_int_equal(r.n_tries, 4);
    assert_false(r.maybe_done);
    q.url = "file:///etc/passwd";
    assert_int_equal(http_send(client, &q, &quick, &r, &err), E_EXTERNAL);
    assert_int_equal(r.n_tries, 1);
    http_response_free(&r);
    http_client_free(client);
}

static void requests_are_sent_as_they_are_given(void **state)
{
    (void)state;
    const char *const answers[] = {OK}, *headers[] = {"X-One: a b", "X-Two: c"};
    canned c;
    http_client *client;
    http_response r;
    error err = {0};
    canned_start(&c, answers, 1);
    assert_int_equal(http_client_new(&client, &err), 0);
    const http_signature signature = {"aws:amz:us-east-1:mturk-requester", "KEY",
                                      "topsecret", "token"};
    http_request q = {.url = c.url,
                      .method = "PUT",
                      .headers = headers,
                      .n_headers = 2,
                      .body = "{\"a\":1}",
                      .n_body = 7,
                      .signature = &signature};
    assert_int_equal(http_send(client, &q, NULL, &r, &err), 0);
    http_client_free(client);
    canned_stop(&c);
    assert_true(strncmp(c.last, "PUT /x?y HTTP/1.1\r\n", 19) == 0);
    assert_non_null(strstr(c.last, "\r\nX-One: a b\r\n"));
    assert_non_null(strstr(c.last, "\r\nX-Amz-Security-Token: token\r\n"));
    assert_non_null(strstr(c.last, "Credential=KEY/"));
    assert_non_null(strstr(c.last, "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(c.last, "topsecret"));
    http_response_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_passes_is_tried_again),
        cmocka_unit_test(tries_have_an_end),
        cmocka_unit_test(a_refusal_is_final_and_nothing_was_done),
        cmocka_unit_test(a_server_may_ask_for_patience_within_limits),
        cmocka_unit_test(long_answers_are_cut_off),
        cmocka_unit_test(a_silent_server_is_given_up),
        cmocka_unit_test(requests_are_sent_as_they_are_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
