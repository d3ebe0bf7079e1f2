/* Another prompt in the place of an experiment's own: for scoring what was exported, and
 * for comparing prompts on one data set. */
#include <stdlib.h>
#include <string.h>

#include "experiment_read.h"

enum { PROMPT_MAX_BYTES = 16 << 20 };

/* The file as a YAML value: a plain text, or the messages that a JSON list holds. */
static int load_prompt(const char *path, yaml_document **out, error *err)
{
    char *bytes;
    size_t n;
    TRY(file_read(path, PROMPT_MAX_BYTES, &bytes, &n, err));
    int rc = 0;
    size_t bad = memchr(bytes, '\0', n) ? strlen(bytes) : utf8_check(bytes, n);
    if (bad < n) {
        rc = error_set(err, E_FORMAT, "%s: byte %zu (0x%02x) is NUL or not valid UTF-8",
                       path, bad + 1, (unsigned char)bytes[bad]);
    } else if (bytes[strspn(bytes, " \t\r\n")] == '[') {
        rc = yaml_from_json(out, bytes, path, err);
    } else {
        if (n && bytes[n - 1] == '\n')
            bytes[--n] = '\0';
        json_t *string = json_stringn(bytes, n);
        char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
        rc = quoted ? yaml_from_json(out, quoted, path, err) : error_memory(err, n);
        free(quoted);
        json_decref(string);
    }
    free(bytes);
    return rc;
}

int template_check_bare(const experiment *e, const prompt_template *t,
                        const yaml_node *at, error *err)
{
    experiment bare = {.data = e->data};
    TRY(template_check_variables(&bare, &t->body, at, false, err));
    for (size_t i = 0; i < t->n_messages; i++)
        TRY(template_check_variables(&bare, &t->messages[i].content, at, false, err));
    return 0;
}

int experiment_take_template(experiment *e, prompt_template *t, error *err)
{
    genome *seed = calloc(1, sizeof *seed);
    int rc =
        seed ? genome_new(seed, &(genome_spec){0}, err) : error_memory(err, sizeof *seed);
    if (rc < 0) {
        free(seed);
        return rc;
    }
    experiment_free_genes(e);
    prompt_template_free(&e->prompt);
    e->prompt = *t;
    *t = (prompt_template){0};
    e->seeds = seed;
    e->n_seeds = 1;
    return 0;
}

int experiment_replace_prompt(experiment *e, const char *path, error *err)
{
    yaml_document *d;
    prompt_template t = {0};
    TRY(load_prompt(path, &d, err));
    int rc = template_read(d->root, &t, err);
    if (rc == 0)
        rc = template_check_bare(e, &t, d->root, err);
    if (rc == 0)
        rc = experiment_take_template(e, &t, err);
    yaml_free(d);
    prompt_template_free(&t);
    return rc;
}
