/* A surrogate's insides: what it knows, and the batch at hand. Only surrogate*.c include
 * this. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_SURROGATE_PARTS_H
#define LAMARCK_EXPERIMENTS_FITNESS_SURROGATE_PARTS_H

#include "../../rater/reward_guard.h"
#include "surrogate.h"
#include "text_reader.h"

/* What was said in what context: numbered as it was first read. */
typedef struct text_shelf {
    name_index contexts;
    name_index keys; /* the context's number, a newline, the text as people see it */
    size_t *context, *row; /* (keys.n) a data row that shows the context */
    double *x;             /* (n_read, width) features */
    double *value;         /* (keys.n) what the reward of the batch gives; NaN */
    size_t n_read, context_capacity, row_capacity, x_capacity, value_capacity;
    name_index ids; /* as the crowd knows them: of texts that people were shown */
    size_t *of_id, of_id_capacity;
} text_shelf;

/* What a rating says of two texts or of one, as a lesson has it. */
typedef struct rated_texts {
    int64_t id;       /* of the rating; a choice among four is several pairs */
    double outcome;   /* of two, 1: a, 0: b, 1/2: a tie; of one, from 0 to 1; NaN: the
                         rating does not count any more */
    double predicted; /* margin of a over b, or value, before it came; NaN: by nobody */
    uint64_t a, b;    /* texts; of one b is a */
} rated_texts;

/* What one candidate said on one example; as the choice on record has it, but for the
 * first four members. */
enum { NO_TEXT = -1 };
typedef struct surrogate_cell {
    size_t candidate;
    int64_t text, anchor;       /* NO_TEXT: of another split; no anchor for single ones */
    double penalty;             /* of the candidate */
    double value, level, doubt; /* NaN where nothing was predicted. level: what the value
                                   is relative to, that of the seed's text, or, of single
                                   texts, the mean of what was given so far */
    double score;               /* from that, on people's scale */
    bool shown;
} surrogate_cell;

struct surrogate {
    const experiment *experiment;
    text_reader *reader;
    reward_guard *guard;
    bool *bred;  /* (data rows) of the search split */
    bool single; /* people judge one text at a time, and do not compare */
    store *store;
    uint64_t run;
    text_shelf texts;
    rated_texts *ratings; /* that count, by id */
    size_t n_ratings, ratings_capacity;
    reward *reward;           /* of the ratings as they are; NULL: not fitted yet */
    double squares, products; /* of what was predicted; with people's scores */
    surrogate_record state;
    surrogate_cell *cells; /* of the batch at hand */
    size_t n_cells, cells_capacity;
    bool open;   /* it has examples of the search split */
    bool *shown; /* (n_cells), and scores: what was handed out */
    double *scores;
};

/* A cell that is open to choice: of the search split, and not what the seed says. */
bool surrogate_is_open(const surrogate_cell *c);
/* How far the reward says that it is above its level: of a comparison as log odds of
 * being preferred, doubt included. */
double surrogate_rise(const surrogate *s, const surrogate_cell *c);
/* Keep `shown` of a trusted reward's choice: see surrogate_pick.c. */
int surrogate_pick(const surrogate_plan *how, surrogate_cell *cells, size_t n,
                   error *err);

#endif
