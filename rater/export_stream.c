#include "export_stream.h"
#include "api_json.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 64 << 10, PIECE_FULL = -1000 };

struct export_stream {
    crowd *c;
    int64_t after; /* the last rating in the piece */
    bool csv, ended;
    text piece;
    size_t taken; /* of the piece */
};

int export_open(export_stream **out, const char *database, bool csv, int64_t after,
                error *err)
{
    export_stream *x = calloc(1, sizeof *x);
    if (!x)
        return error_memory(err, sizeof *x);
    x->csv = csv;
    x->after = after;
    int rc = crowd_open(&x->c, database, err);
    if (rc == 0 && csv)
        rc = api_rating_csv_head(&x->piece, err);
    if (rc < 0)
        export_close(x);
    else
        *out = x;
    return rc;
}

void export_close(export_stream *x)
{
    if (!x)
        return;
    crowd_close(x->c);
    text_free(&x->piece);
    free(x);
}

static int add_rating(void *context, const crowd_rating *r, error *err)
{
    export_stream *x = context;
    TRY(x->csv ? api_rating_csv(&x->piece, r, err) : api_rating_jsonl(&x->piece, r, err));
    x->after = r->id;
    return x->piece.n < PIECE_BYTES ? 0 : PIECE_FULL;
}

static int next_piece(export_stream *x, error *err)
{
    text_clear(&x->piece);
    x->taken = 0;
    int rc = crowd_each_rating(x->c, x->after, add_rating, x, err);
    if (rc == PIECE_FULL)
        return 0;
    x->ended = true;
    return rc < 0 ? rc : 0;
}

int64_t export_read(export_stream *x, char *bytes, size_t n, error *err)
{
    if (x->taken == x->piece.n && !x->ended)
        TRY(next_piece(x, err));
    size_t left = x->piece.n - x->taken;
    n = n < left ? n : left;
    if (n)
        memcpy(bytes, x->piece.s + x->taken, n);
    x->taken += n;
    return (int64_t)n;
}
