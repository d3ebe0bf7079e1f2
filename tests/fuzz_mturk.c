/* Bytes from Amazon and its workers: answers in XML, HITs, assignments and money in JSON,
 * and credentials files. The first byte chooses. What is accepted is sound. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../rater/aws_credentials.h"
#include "../rater/mturk_answer.h"
#include "../rater/mturk_api.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int holds)
{
    if (!holds)
        abort();
}

static void read_answers(const char *bytes, size_t n)
{
    mturk_answers a;
    if (mturk_answers_parse(&a, bytes, n, NULL) < 0)
        return;
    need(a.n <= MTURK_MAX_FIELDS);
    for (size_t i = 0; i < a.n; i++) {
        const char *name = a.fields[i].name, *value = a.fields[i].value;
        need(*name && utf8_check(name, strlen(name)) == strlen(name) &&
             utf8_check(value, strlen(value)) == strlen(value) &&
             mturk_answers_get(&a, name) == value);
    }
    mturk_answers_free(&a);
}

static void read_json(const char *bytes, size_t n)
{
    json_t *value = json_loadb(bytes, n, JSON_DECODE_ANY, NULL);
    mturk_hit hit;
    mturk_assignment x;
    int64_t cents;
    if (mturk_read_hit(value, &hit, NULL) == 0)
        need(hit.id[0] && strlen(hit.id) < sizeof hit.id &&
             strlen(hit.annotation) < sizeof hit.annotation);
    if (mturk_read_assignment(value, &x, NULL) == 0)
        need(x.id[0] && x.worker[0] && !strchr(x.worker, '\n'));
    if (json_is_string(value) &&
        mturk_read_money(json_string_value(value), &cents, NULL) == 0)
        need(cents >= 0);
    json_decref(value);
}

static void read_keys(const char *bytes, size_t n)
{
    aws_credentials c;
    error err = {0};
    if (aws_credentials_parse(&c, bytes, n, "file", "default", &err) < 0) {
        need(err.code < 0 && err.text[0]);
        return;
    }
    need(c.key[0] && c.secret[0] && !strpbrk(c.key, " \r\n") &&
         !strpbrk(c.secret, " \r\n"));
    aws_credentials_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *bytes = (const char *)data + 1;
    if (data[0] == 'x')
        read_answers(bytes, size - 1);
    else if (data[0] == 'j')
        read_json(bytes, size - 1);
    else if (data[0] == 'k')
        read_keys(bytes, size - 1);
    return 0;
}
