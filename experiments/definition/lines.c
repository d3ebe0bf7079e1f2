#include "lines.h"

#include <errno.h>
#include <string.h>

void skip_mark(FILE *f)
{
    static const unsigned char mark[3] = {0xef, 0xbb, 0xbf};
    unsigned char start[3];
    size_t got = fread(start, 1, sizeof start, f);
    if (got == sizeof mark && memcmp(start, mark, sizeof mark) == 0)
        return;
    /* A pipe cannot be rewound; pushing back is portable for one byte only, which is all
     * that is needed unless the file really began with part of a mark. */
    if (fseek(f, 0, SEEK_SET) != 0)
        while (got > 0)
            ungetc(start[--got], f);
}

int read_line(FILE *f, const char *path, size_t number, text *line, error *err)
{
    char part[1 << 14];
    size_t n = 0;
    int c;
    bool any = false;
    while ((c = getc_unlocked(f)) != EOF) {
        any = true;
        if (c == '\n')
            break;
        part[n++] = (char)c;
        if (n == sizeof part) {
            if (line->n + n > LINE_MOST)
                return error_set(err, E_LIMIT,
                                 "%s:%zu: the line is longer than the limit of %d bytes",
                                 path, number, LINE_MOST);
            TRY(text_add(line, part, n, err));
            n = 0;
        }
    }
    if (c == EOF && ferror(f))
        return error_set(err, E_IO, "cannot read %s: %s", path, strerror(errno));
    TRY(text_add(line, part, n, err));
    if (line->n && line->s[line->n - 1] == '\r')
        line->s[--line->n] = '\0';
    return any;
}

int check_bytes(const char *path, size_t line, const char *s, size_t n, error *err)
{
    const char *zero = n ? memchr(s, '\0', n) : NULL;
    if (zero)
        return error_set(err, E_FORMAT, "%s:%zu: byte %zu of the row is NUL", path, line,
                         (size_t)(zero - s) + 1);
    size_t bad = utf8_check(s, n);
    if (bad < n)
        return error_set(err, E_FORMAT,
                         "%s:%zu: byte %zu of the row (0x%02x) is not valid UTF-8", path,
                         line, bad + 1, (unsigned char)s[bad]);
    return 0;
}
