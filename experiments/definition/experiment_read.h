/* What the parts of the experiment reader share. Private to experiment*.c.
 *
 * Files and dumps are read by the same code: a dump is an experiment file with nothing
 * left to default, whose data stand inside it. */
#ifndef LAMARCK_EXPERIMENTS_DEFINITION_EXPERIMENT_READ_H
#define LAMARCK_EXPERIMENTS_DEFINITION_EXPERIMENT_READ_H

#include "experiment.h"
#include "setting.h"

typedef struct experiment_reader {
    experiment *e;
    const yaml_node *root;
    const char *folder; /* that relative paths start from */
    bool dump;          /* restoring: the data and resolved paths are in the tree */
} experiment_reader;

/* Tables shared by reading and dumping. */
extern const setting search_settings[], proposal_settings[], fitness_settings[],
    budget_settings[];
extern const size_t n_search_settings, n_proposal_settings, n_fitness_settings,
    n_budget_settings;
/* The words of search.hybrid, and the bool of proposal_options that each stands for. */
typedef struct hybrid_part {
    const char *name;
    size_t offset;
} hybrid_part;
extern const hybrid_part hybrid_parts[];
extern const size_t n_hybrid_parts;
extern const char *const fitness_names[N_FITNESS_KINDS];
extern const char *const overflow_words[3];
extern const char *const gene_names[N_GENE_KINDS];

int experiment_read_data(experiment_reader *r, error *err);
int experiment_read_genes(experiment_reader *r, error *err);
int experiment_read_template(experiment_reader *r, error *err);
/* One text with variables. */
int template_parse_at(const yaml_node *node, template_text *out, error *err);
/* A template (a text, or a list of messages), checked for its shape. */
int template_read(const yaml_node *node, prompt_template *out, error *err);
/* E_FORMAT for a variable that is neither a field, {{target}} nor (not `in_demos`: there
 * only choices and numbers) a gene. */
int template_check_variables(const experiment *e, const template_text *t,
                             const yaml_node *at, bool in_demos, error *err);
/* A number gene's value as prompts show it. Appended to *out. */
int gene_number_text(const gene_spec *spec, double value, text *out, error *err);
/* A template without genes: E_FORMAT for a variable that is neither field nor target. */
int template_check_bare(const experiment *e, const prompt_template *t,
                        const yaml_node *at, error *err);
/* Let the template take the place of the experiment's prompt and genes (steals *t). */
int experiment_take_template(experiment *e, prompt_template *t, error *err);
int experiment_read_prefix(experiment_reader *r, error *err);
/* The section as JSON, nothing left to default. */
int experiment_dump_prefix(json_t *map, const prefix_plan *p, error *err);
int template_dump(json_t *object, const prompt_template *t, error *err);
void prefix_plan_free(prefix_plan *p);
/* Release genes, their sources and the candidates made of them. */
void experiment_free_genes(experiment *e);
/* First of all, since it decides whether rows need targets. */
int experiment_read_fitness_kind(experiment_reader *r, error *err);
int experiment_read_fitness(experiment_reader *r, error *err);
/* The list of possible answers, where the model judges by one. */
int experiment_read_labels(experiment *e, const yaml_node *map, fitness_kind kind,
                           error *err);
int experiment_read_people(experiment_reader *r, const yaml_node *map, error *err);
/* Into people.shown. */
int experiment_read_shown(experiment_reader *r, const yaml_node *map, error *err);
int experiment_read_reward(experiment_reader *r, const yaml_node *map, error *err);
int experiment_dump_reward(json_t *map, const experiment *e, error *err);
/* After search and budget: what does not go together with people, or without answers. */
int experiment_check_open(const experiment_reader *r, error *err);
int experiment_dump_people(json_t *map, const experiment *e, error *err);
void people_plan_free(people_plan *p);
int json_put_texts(json_t *object, const char *key, char *const *texts, size_t n,
                   error *err);
/* After genes and template: every variable known, every gene used, seeds made. */
int experiment_check_variables(const experiment_reader *r, error *err);
int experiment_make_seeds(experiment_reader *r, error *err);

/* The name of the model that ./setup fetches. */
extern const char model_known_name[];

/* folder/path, or path when it is absolute. New. */
int path_join(const char *folder, const char *path, char **out, error *err);

#endif
