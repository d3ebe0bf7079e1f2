/* What the record of a run says, in words and as JSON: shared by the end of a search,
 * show, list and the report, so that they cannot disagree.
 *
 * Everything here only reads the record; strings are borrowed from it. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_SUMMARY_H
#define LAMARCK_EXPERIMENTS_VIEWS_SUMMARY_H

#include "../store/store.h"
#include "../store/training.h"

#include <jansson.h>

/* Two-sided level of "better": the interval is 95 %, the test the same. */
#define SUMMARY_ALPHA 0.05

typedef enum conclusion {
    CONCLUSION_NONE,      /* no verdict yet */
    CONCLUSION_SAME,      /* the seed prompt itself won */
    CONCLUSION_BETTER,    /* interval above 0 and p below 0.05 */
    CONCLUSION_WORSE,     /* interval below 0 */
    CONCLUSION_NOT_SHOWN, /* anything else: nothing is claimed */
} conclusion;
conclusion summary_conclusion(const run_record *r);

/* The conclusion in one or two plain sentences with its numbers. Appended to *out. */
int summary_sentence(const run_record *r, text *out, error *err);

/* Of a training with a verdict: how the vectors compare with nothing at all. Appended to
 * *out; nothing for other runs. */
int summary_bare_sentence(const run_record *r, text *out, error *err);
/* Of a training: "20 vectors, begun as the text of the prompt; 80 steps of at most 100,
 * learning rate 0.02; the best after step 60". Appended to *out. */
int summary_training(const run_record *r, text *out, error *err);

/* The candidates of a training. */
enum { TRAINING_SEED = 1, TRAINING_LEARNED, TRAINING_BARE };

/* What a score of this run is: "mean ln p of the right answer; 0 would be certainty,
 * higher is better". Static; "" when the record does not say. What people had to do with
 * it is said by people.h. */
const char *summary_score_meaning(const run_record *r);

/* NULL when there is none of that id. */
const candidate_record *summary_candidate(const run_record *r, uint64_t id);
/* The candidate to show as the best: the verdict's, else the search's latest; 0 if none.
 */
uint64_t summary_best(const run_record *r);
/* The prompt that the user wrote: the verdict's seed, else the first candidate; 0 if
 * none.
 */
uint64_t summary_seed(const run_record *r);

/* The line of first parents from a seed down to `id`, oldest first; *ids new, free(). */
int summary_lineage(const run_record *r, uint64_t id, uint64_t **ids, size_t *n,
                    error *err);
/* The k best by value among those measured on the most examples, failed ones left out. */
size_t summary_top(const run_record *r, size_t k, uint64_t *ids);

/* What became of the texts of one origin that immigrated. */
typedef struct guest_count {
    const char *origin; /* as operators call it: "nearest", "projected" */
    size_t entered;
    size_t survived;   /* the race that they came into */
    size_t living;     /* in the population at the end */
    size_t in_lineage; /* of the best */
} guest_count;
enum { SUMMARY_GUESTS = 2 };
/* Fills out; 1, or 0 where none came. */
int summary_guests(const run_record *r, guest_count out[SUMMARY_GUESTS], error *err);
/* The same as a sentence, appended to *out; nothing where none came. */
int summary_guest_sentence(const run_record *r, text *out, error *err);

/* All purposes together. */
spend summary_spent(const run_record *r);
/* In words: "search", "proposals of the model"… Static. */
const char *summary_purpose(const run_record *r, purpose p);
/* Is it something that a run of this kind spends tokens on? */
bool summary_has_purpose(const run_record *r, purpose p);

/* What `show --json` prints: stable keys, null where unknown. New; NULL without memory.
 */
json_t *summary_json(const run_record *r);

/* "12 s", "3 min 20 s", "2 h 05 min". */
int summary_duration(text *out, double seconds, error *err);
/* A share as "40 %"; nothing where it is unknown (NaN). */
int summary_share(text *out, double share, error *err);
/* `before`, "first choice on 40 %", `after`; nothing at all where it is unknown. */
int summary_first_choice(text *out, const char *before, double share, const char *after,
                         error *err);
/* 1234567 as "1,234,567". */
int summary_count(text *out, uint64_t n, error *err);

#endif
