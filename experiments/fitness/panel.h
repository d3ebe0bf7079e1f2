/* What a batch of candidates said, sorted by what people see beside it: which outputs
 * there are, which are the same, and which cell of the batch said which. An output is
 * known by what it says and where (its content's SHA-256), so two candidates that say the
 * same are judged once, and a rating finds its output whoever asked for it.
 *
 * Then what people said of them. The output of the seed on the same example is the anchor
 * that every score is relative to. One thread. */
#ifndef LAMARCK_EXPERIMENTS_FITNESS_PANEL_H
#define LAMARCK_EXPERIMENTS_FITNESS_PANEL_H

#include "../../rater/crowd.h"
#include "../../rater/preference.h"
#include "../../rater/ratings.h"
#include "../definition/experiment.h"

typedef struct panel_item {
    char id[SHA256_HEX];
    bool anchor;    /* a seed's output */
    size_t answers; /* that count and it was part of */
    double sum;     /* of those, for one output at a time (scale, accept) */
} panel_item;

/* All outputs shown with one context. */
typedef struct panel_group {
    char *context;
    panel_item
        *items; /* [0, n_live) of this batch, then others they were compared with */
    size_t n, capacity, n_live;
    size_t *met; /* (n_live, n_live) answers that count, by pair, i < j */
} panel_group;

/* What one candidate said on one example. */
typedef struct panel_cell {
    size_t candidate, group, item, anchor;
} panel_cell;

typedef struct panel {
    const experiment *experiment; /* borrowed, as the crowd */
    crowd *crowd;
    char question[SHA256_HEX];      /* as asked */
    char pair_question[SHA256_HEX]; /* BEST, where there are fewer than four outputs */
    panel_group *groups;
    size_t n_groups, groups_capacity;
    panel_cell *cells;
    size_t n_cells, cells_capacity;
    name_index contexts, ids; /* numbers: of a group; of a place */
    struct panel_place {
        size_t group, item;
    } * places; /* where an output id is */
    size_t places_capacity;
    preference_group *models; /* one per group, once ratings were read */
    ratings scale;            /* SCALE: what was said, for the mixed model */
    name_index raters, tasks;
    size_t *task_answers; /* by task, those that count */
    size_t tasks_capacity;
} panel;

/* An empty one; puts the question into the crowd. */
int panel_new(panel *p, const experiment *e, crowd *c, error *err);
void panel_free(panel *p);
/* One more cell: what candidate number `who` and the seed said on a row of the data.
 * Both are put into the crowd, white space at their ends aside, bytes that are
 * not UTF-8 mended. All cells come before the first panel_read. */
int panel_add(panel *p, size_t who, size_t at, const char *said, const char *anchor,
              error *err);

/* What people are shown of a text, appended to *out: as it is put above. */
int panel_clean(const char *said, text *out, error *err);

/* Read what people said, and fit. May be called again. */
int panel_read(panel *p, error *err);
/* Answers that are still wanted before the batch is decided. */
size_t panel_missing(const panel *p);
/* Put the tasks that would decide most, for so many answers; their ids go into *open (a
 * set). */
int panel_ask(panel *p, size_t most, name_index *open, error *err);
/* Close all other tasks about outputs of this batch: those of an earlier plan, or of a
 * process that was killed. */
int panel_close_others(panel *p, const name_index *open, error *err);
/* The score of every cell: for COMPARE and BEST the probability that people prefer it to
 * the seed's output, 0.5 for the same text; SCALE: the output's mean in the mixed model,
 * 0 for the lowest label and 1 for the highest; ACCEPT: (yes + 1) / (answers + 2). */
int panel_scores(panel *p, double *scores, error *err);

/* Private to panel*.c. */
panel_item *panel_item_at(const panel *p, size_t group, size_t item);
int panel_add_item(panel *p, size_t group, const char id[SHA256_HEX], size_t *item,
                   error *err);
/* Of a pair of live items. */
size_t *panel_met(const panel_group *g, size_t i, size_t j);

#endif
