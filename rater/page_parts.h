/* What the pages share. Only page*.c include this. */
#ifndef LAMARCK_RATER_PAGE_PARTS_H
#define LAMARCK_RATER_PAGE_PARTS_H

#include "html.h"
#include "page.h"

/* From the doctype to the opened <main>; `title` for the tab, escaped. */
int page_open(text *out, const page_place *p, const char *title, error *err);
/* The same with a progress line above. */
int page_open_progress(text *out, const page_place *p, const char *title,
                       const assignment *a, error *err);
int page_close(text *out, error *err);

/* The ways to answer: buttons of one form. */
typedef struct page_form {
    const char *action;
    const char *fields; /* markup: hidden inputs besides the assignment's token */
    bool off;           /* nothing can be chosen */
} page_form;
int page_question(text *out, const assignment *a, const page_form *f, error *err);

/* "The first", "Tie", "4 of 7": an answer in words. */
int page_answer_words(text *out, const assignment *a, int answer, error *err);

#endif
