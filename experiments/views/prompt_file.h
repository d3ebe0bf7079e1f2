/* A prompt taken out of a run: one JSON file with everything that is needed to score it
 * again anywhere, the examples included. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_PROMPT_FILE_H
#define LAMARCK_EXPERIMENTS_VIEWS_PROMPT_FILE_H

#include "../definition/experiment.h"
#include "../store/store.h"

#include <jansson.h>

/* The file's content. New. E_ARGUMENT when the run has no such candidate. */
int prompt_file_json(const run_record *r, uint64_t id, json_t **out, error *err);

/* What a file holds; owned. */
typedef struct prompt_file {
    experiment *experiment;
    genome genome;
    char *model_hash;
} prompt_file;

/* Whether the bytes look like such a file at all. */
bool prompt_file_is(const char *path);
int prompt_file_read(prompt_file *out, const char *path, error *err);
void prompt_file_free(prompt_file *p);

#endif
