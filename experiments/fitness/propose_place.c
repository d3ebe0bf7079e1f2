/* A place in a text, what may stand there, and the rows that tell how well it fits. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "propose_parts.h"

/* What is looked at around the place: enough to be fluent, little enough to be cheap. */
enum { LEFT_WORDS = 24, RIGHT_WORDS = 4 };

void place_free(place *p)
{
    text_free(&p->left);
    text_free(&p->right);
    text_free(&p->gap);
}

static int add_words(text *out, const gene *g, size_t begin, size_t end, error *err)
{
    for (size_t i = begin; i < end; i++) {
        TRY(text_add_string(out, g->words[i].space, err));
        TRY(text_add_string(out, g->words[i].s, err));
    }
    return 0;
}

/* A text that begins or ends here is taken to begin or end a line. */
int place_read(place *p, error *err)
{
    const gene *g = p->gene;
    size_t from = p->begin > LEFT_WORDS ? p->begin - LEFT_WORDS : 0;
    size_t to = g->n_words - p->end > RIGHT_WORDS ? p->end + RIGHT_WORDS : g->n_words;
    p->opens = p->begin == 0;
    TRY(add_words(&p->left, g, from, p->begin, err));
    if (p->opens)
        TRY(text_add_string(&p->left, "\n", err));
    else
        TRY(text_add_string(&p->gap,
                            p->begin < g->n_words ? g->words[p->begin].space : " ", err));
    if (p->end < to && g->words[p->end].space[0] == '\0')
        TRY(text_add_string(&p->right, " ", err));
    TRY(add_words(&p->right, g, p->end, to, err));
    return p->end < to ? 0 : text_add_string(&p->right, "\n", err);
}

bool place_is_word(const char *s, size_t n)
{
    bool letter = n && ((s[0] >= 'a' && s[0] <= 'z') || (s[0] >= 'A' && s[0] <= 'Z') ||
                        (unsigned char)s[0] >= 0x80);
    for (size_t i = 0; letter && i < n; i++)
        if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f)
            return false;
    return letter && utf8_check(s, n) == n;
}

/* Is it what stands there already? */
static bool is_old_word(const place *p, const char *s)
{
    return p->end - p->begin == 1 && strcasecmp(p->gene->words[p->begin].s, s) == 0;
}

char *place_token_word(const place *p, const tokenizer *t, int32_t id)
{
    size_t n = 0;
    const char *s = tokenizer_token(t, id, &n);
    if (!s || tokenizer_is_special(t, id))
        return NULL;
    if (!p->opens) { /* inside a text, words begin with their space */
        if (n == 0 || s[0] != ' ')
            return NULL;
        s++;
        n--;
    }
    char *copy = place_is_word(s, n) ? bytes_copy(s, n) : NULL;
    if (copy && is_old_word(p, copy)) {
        free(copy);
        copy = NULL;
    }
    return copy;
}

int place_row(const place *p, const tokenizer *t, const char *s, row_list *to, error *err)
{
    row r;
    text tail = {0};
    int rc = text_add(&tail, p->gap.s, p->gap.n, err);
    if (rc == 0)
        rc = text_add_string(&tail, s, err);
    if (rc == 0)
        rc = text_add(&tail, p->right.s, p->right.n, err);
    row_text x = {.context = p->left.s,
                  .n_context = p->left.n,
                  .tail = tail.s,
                  .n_tail = tail.n,
                  .n_target = tail.n};
    if (rc == 0)
        rc = row_encode(&r, t, &x, err);
    text_free(&tail);
    return rc < 0 ? rc : row_list_add(to, r, err);
}
