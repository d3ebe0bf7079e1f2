/* Terminals: how wide they are and what may be printed on them. */
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DEFAULT_WIDTH = 80, DEFAULT_HEIGHT = 24, LEAST_WIDTH = 20, TAB_COLUMNS = 4 };

#define ELLIPSIS "\xe2\x80\xa6" /* U+2026 */

terminal terminal_look(int fd)
{
    terminal t = {.width = DEFAULT_WIDTH, .height = DEFAULT_HEIGHT};
    const char *kind = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    struct winsize size;
    if (!isatty(fd))
        return t;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        t.width = size.ws_col < LEAST_WIDTH ? LEAST_WIDTH : size.ws_col;
        t.height = size.ws_row;
    }
    t.live = kind && *kind && strcmp(kind, "dumb") != 0;
    t.colour = t.live && !(no_colour && *no_colour);
    return t;
}

const char *terminal_style(const terminal *t, style s)
{
    static const char *const sequences[] = {
        [STYLE_PLAIN] = "\x1b[0m",      [STYLE_BOLD] = "\x1b[1m",
        [STYLE_DIM] = "\x1b[2m",        [STYLE_GOOD] = "\x1b[32m",
        [STYLE_BAD] = "\x1b[33m",       [STYLE_ADDED] = "\x1b[32m",
        [STYLE_REMOVED] = "\x1b[31;9m",
    };
    return t->colour ? sequences[s] : "";
}

/* ---- Characters ---- */

/* The code point of a well-formed sequence, and its length. */
static uint32_t code_point(const char *s, size_t *length)
{
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80) {
        *length = 1;
        return u[0];
    }
    *length = u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
    uint32_t c = u[0] & (0x7fu >> *length);
    for (size_t i = 1; i < *length; i++)
        c = c << 6 | (u[i] & 0x3fu);
    return c;
}

typedef struct range {
    uint32_t first, last;
} range;

static bool in_ranges(uint32_t c, const range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

/* The large blocks of Unicode's East Asian Width W and F, and of combining marks: enough
 * to keep a block of text in its columns. */
static size_t columns_of(uint32_t c)
{
    static const range wide[] = {
        {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xac00, 0xd7a3},
        {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
        {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd},
    };
    static const range none[] = {
        {0x0300, 0x036f}, {0x200b, 0x200f}, {0x202a, 0x202e},
        {0x2060, 0x2064}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f},
    };
    if (in_ranges(c, none, sizeof none / sizeof *none))
        return 0;
    return in_ranges(c, wide, sizeof wide / sizeof *wide) ? 2 : 1;
}

size_t terminal_columns(const char *s, size_t n)
{
    size_t columns = 0;
    for (size_t i = 0, length; i < n; i += length)
        columns += columns_of(code_point(s + i, &length));
    return columns;
}

/* Controls, and the marks that turn the direction of what follows. */
static bool is_steering(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

static int add_well_formed(text *out, const char *s, size_t n, error *err)
{
    for (size_t i = 0, length; i < n; i += length) {
        uint32_t c = code_point(s + i, &length);
        if (is_steering(c) && c != '\n' && c != '\t')
            TRY(text_add_string(out, UTF8_REPLACEMENT, err));
        else
            TRY(text_add(out, s + i, length, err));
    }
    return 0;
}

int terminal_printable(text *out, const char *s, size_t n, error *err)
{
    text clean = {0};
    int rc = utf8_mend(&clean, s, n, err);
    if (rc == 0)
        rc = add_well_formed(out, text_string(&clean), clean.n, err);
    text_free(&clean);
    return rc;
}

/* ---- Wrapping ---- */

/* Where to break s (printable, no newline inside n bytes) so that it takes at most
 * `columns`: after the last space that fits, else inside the word, at least one
 * character. */
static size_t break_point(const char *s, size_t n, size_t columns)
{
    size_t used = 0, last_space = 0, i = 0, length;
    for (; i < n; i += length) {
        used += columns_of(code_point(s + i, &length));
        if (used > columns)
            break;
        if (s[i] == ' ')
            last_space = i + 1;
    }
    if (i == n)
        return n;
    if (last_space)
        return last_space;
    if (i == 0)
        code_point(s, &i);
    return i;
}

static int add_line(text *out, const char *indent, const char *s, size_t n, bool cut,
                    error *err)
{
    while (n && s[n - 1] == ' ')
        n--;
    if (n)
        TRY(text_add_string(out, indent, err));
    TRY(text_add(out, s, n, err));
    return text_add_string(out, cut ? ELLIPSIS "\n" : "\n", err);
}

/* s is printable and without tabs. */
static int wrap_printable(text *out, const char *s, const char *indent, size_t columns,
                          size_t most, error *err)
{
    size_t lines = 0;
    for (bool more = true; more;) {
        size_t line = strcspn(s, "\n");
        bool last = most && ++lines == most;
        size_t n = break_point(s, line, columns);
        if (last && (n < line || s[line])) {
            n = break_point(s, line, columns > 1 ? columns - 1 : 1);
            return add_line(out, indent, s, n, true, err);
        }
        TRY(add_line(out, indent, s, n, false, err));
        s += n;
        more = *s != '\0';
        if (*s == '\n')
            s++;
    }
    return 0;
}

int terminal_wrap(text *out, const char *s, const char *indent, size_t width, size_t most,
                  error *err)
{
    text clean = {0}, spaced = {0};
    int rc = terminal_printable(&clean, s, strlen(s), err);
    for (size_t i = 0; rc == 0 && i < clean.n; i++)
        rc = clean.s[i] == '\t' ? text_add(&spaced, "    ", TAB_COLUMNS, err)
                                : text_add(&spaced, clean.s + i, 1, err);
    size_t used = terminal_columns(indent, strlen(indent));
    if (rc == 0)
        rc = wrap_printable(out, text_string(&spaced), indent,
                            width > used + 1 ? width - used : 1, most, err);
    text_free(&clean);
    text_free(&spaced);
    return rc;
}
