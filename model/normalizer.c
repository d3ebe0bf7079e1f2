/* Repair and composition of UTF-8, each with its map back to the source. */
#include "normalizer.h"

#include <stdlib.h>
#include <string.h>

#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

/* Bytes and origins while they are written. */
typedef struct writer {
    text s;
    size_t *origin;
    size_t capacity;
} writer;

static int write_byte(writer *w, char byte, size_t origin, error *err)
{
    TRY(array_grow(&w->origin, &w->capacity, w->s.n, sizeof *w->origin, err));
    w->origin[w->s.n] = origin;
    return text_add(&w->s, &byte, 1, err);
}

static void writer_free(writer *w)
{
    text_free(&w->s);
    free(w->origin);
}

static mapped_text writer_take(writer *w)
{
    return (mapped_text){.s = text_string(&w->s),
                         .n = w->s.n,
                         .origin = w->origin,
                         .owned_s = w->s.s,
                         .owned_origin = w->origin};
}

mapped_text mapped_part(const mapped_text *m, size_t begin, size_t n)
{
    return (mapped_text){.s = m->s + begin,
                         .n = n,
                         .origin = m->origin ? m->origin + begin : NULL,
                         .base = m->base + begin};
}

size_t mapped_origin(const mapped_text *m, size_t i)
{
    return m->origin ? m->origin[i] : m->base + i;
}

void mapped_free(mapped_text *m)
{
    free(m->owned_s);
    free(m->owned_origin);
    *m = (mapped_text){0};
}

/* ---- Repair ---- */

/* How many bytes of ill-formed UTF-8 at s make one U+FFFD: the longest start of a
 * sequence that could have been well-formed, at least one byte. */
static size_t ill_formed_part(const unsigned char *s, size_t n)
{
    unsigned char c = s[0];
    if (c < 0xc2 || c > 0xf4 || n < 2)
        return 1;
    size_t want = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high)
        return 1;
    size_t i = 2;
    while (i < want && i < n && (s[i] & 0xc0) == 0x80)
        i++;
    return i;
}

static int repair(writer *w, const char *bytes, size_t n, error *err)
{
    static const char replacement[] = "\xef\xbf\xbd";
    for (size_t i = 0; i < n;) {
        for (size_t end = i + utf8_check(bytes + i, n - i); i < end; i++)
            TRY(write_byte(w, bytes[i], i, err));
        if (i == n)
            break;
        for (size_t k = 0; k < 3; k++)
            TRY(write_byte(w, replacement[k], i, err));
        i += ill_formed_part((const unsigned char *)bytes + i, n - i);
    }
    return 0;
}

int mapped_repair(mapped_text *out, const char *bytes, size_t n, error *err)
{
    if (utf8_check(bytes, n) == n) {
        *out = (mapped_text){.s = bytes, .n = n};
        return 0;
    }
    writer w = {0};
    int rc = repair(&w, bytes, n, err);
    if (rc < 0)
        writer_free(&w);
    else
        *out = writer_take(&w);
    return rc;
}

/* ---- The reference composes by the tables of Unicode 9: what came with 10 to 16 stays
 * as and where it stands. Measured over all code points against libunistring 1.0 (Unicode
 * 14); what came with 15 and 16 is from the standard, for later versions of the library.
 * ---- */

typedef struct code_range {
    ucs4_t first, last;
} code_range;

static const code_range later_marks[] = {
    {0x07fd, 0x07fd},   {0x0897, 0x0897},   {0x0898, 0x089f},   {0x08ca, 0x08d3},
    {0x09fe, 0x09fe},   {0x0c3c, 0x0c3c},   {0x0d3b, 0x0d3c},   {0x0eba, 0x0eba},
    {0x1715, 0x1715},   {0x1abf, 0x1ace},   {0x1df6, 0x1dfa},   {0xa82c, 0xa82c},
    {0x10d24, 0x10d27}, {0x10d69, 0x10d6d}, {0x10eab, 0x10eac}, {0x10efa, 0x10eff},
    {0x10f46, 0x10f50}, {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b},
    {0x113ce, 0x113d0}, {0x113e1, 0x113e2}, {0x1145e, 0x1145e}, {0x11839, 0x1183a},
    {0x1193d, 0x1193e}, {0x11943, 0x11943}, {0x119e0, 0x119e0}, {0x11a34, 0x11a34},
    {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d42}, {0x11d44, 0x11d45},
    {0x11d97, 0x11d97}, {0x11f41, 0x11f42}, {0x1612f, 0x1612f}, {0x16ff0, 0x16ff1},
    {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136}, {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef},
    {0x1e4ec, 0x1e4ef}, {0x1e5ee, 0x1e5ef}};

static const code_range later_composites[] = {
    {0x105c9, 0x105c9}, {0x105e4, 0x105e4}, {0x11383, 0x11383}, {0x11385, 0x11385},
    {0x1138e, 0x1138e}, {0x11391, 0x11391}, {0x113c5, 0x113c8}, {0x11938, 0x11938},
    {0x16121, 0x16128}, {0x16d68, 0x16d6a}};

static bool is_among(const code_range *ranges, size_t n, ucs4_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

static bool is_later_composite(ucs4_t c)
{
    return is_among(later_composites, sizeof later_composites / sizeof(code_range), c);
}

static int combining_class(ucs4_t c)
{
    int combining = uc_combining_class(c);
    bool later =
        combining && is_among(later_marks, sizeof later_marks / sizeof(code_range), c);
    return later ? 0 : combining;
}

/* 0 when the two do not compose. */
static ucs4_t composition(ucs4_t a, ucs4_t b)
{
    ucs4_t c = uc_composition(a, b);
    return c && is_later_composite(c) ? 0 : c;
}

/* ---- Composition of one run ---- */

typedef struct mark {
    ucs4_t c;
    int combining; /* canonical combining class */
    size_t source; /* byte of the text where it, or what it was part of, begins */
    size_t order;
} mark;

/* The characters between two places that composition cannot cross. */
typedef struct run {
    mark *marks;
    size_t n, capacity;
} run;

static int add_mark(run *r, ucs4_t c, size_t source, error *err)
{
    TRY(array_grow(&r->marks, &r->capacity, r->n, sizeof *r->marks, err));
    r->marks[r->n] =
        (mark){.c = c, .combining = combining_class(c), .source = source, .order = r->n};
    r->n++;
    return 0;
}

/* Add the full canonical decomposition of one character. */
static int add_decomposed(run *r, ucs4_t c, size_t source, error *err)
{
    ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];
    int n = uc_canonical_decomposition(c, parts);
    if (n <= 0 || is_later_composite(c))
        return add_mark(r, c, source, err);
    for (int i = 0; i < n; i++)
        TRY(add_decomposed(r, parts[i], source, err));
    return 0;
}

static int compare_marks(const void *a, const void *b)
{
    const mark *x = a, *y = b;
    if (x->combining != y->combining)
        return x->combining < y->combining ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Canonical ordering: each stretch of combining marks by class, otherwise as it stood. */
static void order_marks(run *r)
{
    for (size_t i = 0; i < r->n;) {
        size_t end = i;
        while (end < r->n && r->marks[end].combining)
            end++;
        if (end > i + 1)
            qsort(r->marks + i, end - i, sizeof *r->marks, compare_marks);
        i = end + 1;
    }
}

/* Canonical composition (Unicode 3.11, D117): a mark joins the last starter unless one of
 * the same or a higher class stands between. */
static void compose_marks(run *r)
{
    mark *m = r->marks;
    size_t kept = 0, starter = SIZE_MAX;
    for (size_t i = 0; i < r->n; i++) {
        bool adjacent = starter != SIZE_MAX && kept == starter + 1;
        bool open = starter != SIZE_MAX &&
                    (adjacent || (m[kept - 1].combining && m[i].combining &&
                                  m[kept - 1].combining < m[i].combining));
        ucs4_t joined = open ? composition(m[starter].c, m[i].c) : 0;
        if (joined) {
            m[starter].c = joined;
            continue;
        }
        m[kept] = m[i];
        if (!m[kept].combining)
            starter = kept;
        kept++;
    }
    r->n = kept;
}

/* Write one character that stands for in->s[source..end), or for the first byte of it
 * when that is empty. */
static int write_mark(writer *w, const mapped_text *in, const mark *m, size_t end,
                      error *err)
{
    uint8_t bytes[6];
    int n = u8_uctomb(bytes, m->c, sizeof bytes);
    for (int i = 0; i < n; i++) {
        size_t source = m->source + (size_t)i;
        if (source >= end)
            source = end > m->source ? end - 1 : m->source;
        TRY(write_byte(w, (char)bytes[i], mapped_origin(in, source), err));
    }
    return 0;
}

/* Compose and write the run, which ends before in->s[end]. */
static int flush_run(run *r, writer *w, const mapped_text *in, size_t end, error *err)
{
    mark *m = r->marks;
    order_marks(r);
    compose_marks(r);
    for (size_t i = r->n; i-- > 1;) /* reordering must not make the map fall */
        if (m[i - 1].source > m[i].source)
            m[i - 1].source = m[i].source;
    for (size_t i = 0; i < r->n; i++)
        TRY(write_mark(w, in, &m[i], i + 1 < r->n ? m[i + 1].source : end, err));
    r->n = 0;
    return 0;
}

/* Characters below U+0300 are composed already, combine with nothing before them and are
 * no combining marks. */
static bool starts_run(unsigned char lead)
{
    return lead < 0xcc;
}

static int compose(const mapped_text *in, run *r, writer *w, error *err)
{
    for (size_t i = 0; i < in->n;) {
        ucs4_t c;
        int n = u8_mbtouc_unsafe(&c, (const uint8_t *)in->s + i, in->n - i);
        if (starts_run((unsigned char)in->s[i]))
            TRY(flush_run(r, w, in, i, err));
        TRY(add_decomposed(r, c, i, err));
        i += (size_t)n;
    }
    return flush_run(r, w, in, in->n, err);
}

int mapped_compose(mapped_text *out, const mapped_text *in, error *err)
{
    size_t i = 0;
    while (i < in->n && (unsigned char)in->s[i] < 0xcc)
        i++;
    if (i == in->n) {
        *out = mapped_part(in, 0, in->n);
        return 0;
    }
    run r = {0};
    writer w = {0};
    int rc = compose(in, &r, &w, err);
    free(r.marks);
    if (rc < 0)
        writer_free(&w);
    else
        *out = writer_take(&w);
    return rc;
}
