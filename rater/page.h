/* What a rater sees, as HTML: pure functions of an assignment. Every page works without
 * JavaScript; page.js adds keys. Links are relative, so that a proxy may put the server
 * under any path.
 *
 * Each function appends a whole document to `out`. Nothing is kept. */
#ifndef LAMARCK_RATER_PAGE_H
#define LAMARCK_RATER_PAGE_H

#include "crowd.h"

/* Where a page stands, and what is told once. */
typedef struct page_place {
    const char *root;  /* "../../": how the style is reached from here */
    const char *rater; /* where this rater's forms go: "" or "TOKEN/" */
    const char *note;  /* said once, above everything else; NULL */
} page_place;

/* The question with its outputs and the ways to answer. An answered assignment is shown
 * with its answer and cannot be answered again. */
int page_task(text *out, const page_place *p, const assignment *a, error *err);
/* The same for Mechanical Turk: `fields` (markup) go along with the answer. A preview
 * cannot be answered. */
int page_mturk_task(text *out, const page_place *p, const assignment *a, bool preview,
                    const char *fields, error *err);
/* What is sent where to hand a HIT's assignment in. */
typedef struct page_hand_in {
    const char *action, *assignment_id;
    const char *token; /* of the crowd's assignment */
    const char *answer, *comment;
} page_hand_in;
/* The answer is one; a form hands it in. It counts when it is listed. */
int page_mturk_done(text *out, const page_place *p, const page_hand_in *h, error *err);
/* No answers are taken, or not from this worker. */
int page_mturk_closed(text *out, const page_place *p, error *err);
/* What is asked and how, before the first task. */
int page_intro(text *out, const page_place *p, const assignment *a, error *err);
/* Nothing to do, and why. */
int page_thanks(text *out, const page_place *p, assign_result why, error *err);
/* The rater has left. */
int page_bye(text *out, const page_place *p, error *err);
/* The front door: with a button when the page is open to everybody. */
int page_home(text *out, const page_place *p, bool open, error *err);
/* An answer that cannot be taken since the assignment has another one. */
int page_conflict(text *out, const page_place *p, const assignment *a, error *err);
int page_error(text *out, const char *root, int status, const char *detail, error *err);

/* An answer as forms send it: "tie", or a number. E_ARGUMENT for one that the question
 * does not have. */
int page_answer(const assignment *a, const char *s, int *answer, error *err);

#endif
