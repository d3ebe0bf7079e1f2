/* The two ways in which Amazon shows a task: a form of ours that it keeps itself, or a
 * page of ours in a frame. Both as the XML that CreateHIT takes.
 *
 * Strings of others are escaped wherever they stand; no state. */
#ifndef LAMARCK_RATER_MTURK_FORM_H
#define LAMARCK_RATER_MTURK_FORM_H

#include "mturk_question.h"

/* An HTMLQuestion: one self-contained page whose form goes to `submit_url`. It works with
 * the keyboard and with screen readers, and cannot be sent in a preview. */
int mturk_form(const mturk_task *task, const char *submit_url, text *out, error *err);
/* The page alone, as it is inside of the HTMLQuestion. */
int mturk_form_html(const mturk_task *task, const char *submit_url, text *out,
                    error *err);
/* An ExternalQuestion: the page's URL with "/mturk?task=" and the task. */
int mturk_external(const char *page, const char *task, text *out, error *err);

#endif
