/* Experiment files in three suites: the interface, files that must load (and survive
 * being dumped), and files that must be refused, each with its exact error beside it. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../experiments/definition/experiment.h"
#include "scratch.h"

static const char *tests_folder(void)
{
    const char *given = getenv("LAMARCK_TESTS");
    return given ? given : "tests";
}

static experiment *load_with(const char *name, const experiment_overrides *overrides)
{
    char path[4096];
    experiment *e = NULL;
    error err = {0};
    snprintf(path, sizeof path, "%s/valid/%s", tests_folder(), name);
    if (experiment_load(&e, path, overrides, &err) < 0)
        fail_msg("%s", err.text);
    return e;
}

static experiment *load(const char *name)
{
    return load_with(name, NULL);
}

/* The error of loading `name` with one override. */
static void assert_override_refused(const char *name, const char *set,
                                    const char *expected)
{
    char path[4096];
    experiment *e = NULL;
    error err = {0};
    snprintf(path, sizeof path, "%s/valid/%s", tests_folder(), name);
    experiment_overrides o = {.set = &set, .n_set = 1};
    assert_true(experiment_load(&e, path, &o, &err) < 0);
    assert_null(e);
    assert_string_equal(err.text, expected);
}

static void assert_rendered(const experiment *e, const genome *g, size_t i,
                            const char *target, const char *context, const char *tail)
{
    text c = {0}, t = {0};
    error err = {0};
    if (experiment_render(e, NULL, g, i, target, &c, &t, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(text_string(&c), context);
    assert_string_equal(text_string(&t), tail);
    text_free(&c);
    text_free(&t);
}

static void assert_prompt(const experiment *e, const genome *g, const char *expected)
{
    text t = {0};
    assert_int_equal(experiment_prompt_text(e, g, &t, NULL), 0);
    assert_string_equal(text_string(&t), expected);
    text_free(&t);
}

/* ---- What is read ---- */

static void every_key_is_read(void **state)
{
    (void)state;
    experiment *e = load("every_key.yaml");
    char path[4096];
    snprintf(path, sizeof path, "%s/valid/models/tiny.gguf", tests_folder());
    assert_string_equal(e->name, "every key");
    assert_string_equal(e->description, "Everything that can be said is said here.");
    assert_string_equal(e->model, "models/tiny.gguf");
    assert_string_equal(e->model_path, path);
    assert_int_equal(e->data->n, 7);
    assert_int_equal(e->splits[SPLIT_SEARCH].n, 3);
    assert_int_equal(e->splits[SPLIT_SELECTION].n, 1);
    assert_int_equal(e->splits[SPLIT_FINAL].n, 2);
    assert_int_equal(e->fitness.kind, FITNESS_F1);
    assert_false(e->fitness.per_token);
    assert_true(e->fitness.calibrate);
    assert_int_equal(e->fitness.n_labels, 3);
    assert_string_equal(e->fitness.labels[2], "12.0");
    assert_true(e->fitness.length_weight == 0.001);
    assert_true(e->fitness.fluency_weight == 0.25);
    assert_int_equal(e->fitness.generation.max_tokens, 7);
    assert_int_equal(e->fitness.generation.n_stops, 2);
    assert_string_equal(e->fitness.generation.stops[0], "\n");
    assert_string_equal(e->search->name, "random");
    const search_options *s = &e->search_options;
    assert_int_equal(s->population, 6);
    assert_int_equal(s->elites, 1);
    assert_int_equal(s->tournament, 0);
    assert_true(s->crossover_rate == 0.5);
    assert_int_equal(s->max_edits, 2);
    assert_true(s->niche_radius == 0);
    assert_int_equal(s->stall_restart, 0);
    assert_false(s->racing);
    assert_int_equal(s->block, 2);
    assert_int_equal(s->first_blocks, 2);
    assert_true(s->race_alpha == 0.05);
    assert_int_equal(s->guests_every, 7);
    assert_int_equal(e->proposals.words, 0);
    assert_true(e->proposals.swaps && e->proposals.projected && !e->proposals.nearest);
    assert_int_equal(e->proposals.gradient_rows, 3);
    assert_int_equal(e->proposals.gradient_looks, 9);
    assert_int_equal(e->budget.tokens, 1234);
    assert_int_equal(e->budget.evaluations, 99);
    assert_true(e->budget.seconds == 30);
    assert_int_equal(e->finalists, 2);
    assert_true(e->seed == 9007199254740992u);
    assert_int_equal(e->overflow, OVERFLOW_LEFT);
    assert_string_equal(e->session.backend, "ref");
    assert_int_equal(e->session.n_threads, 1);
    assert_true(e->session.memory_bytes == (uint64_t)64 << 20);
    assert_int_equal(e->session.overflow, OVERFLOW_LEFT);
    experiment_free(e);
}

static void every_key_of_the_prefix_section_is_read(void **state)
{
    (void)state;
    experiment *e = load("every_key.yaml");
    const train_options *t = &e->prefix.train;
    assert_int_equal(t->kind, PREFIX_KEY_VALUES);
    assert_int_equal(t->n_tokens, 7);
    assert_int_equal(t->init, PREFIX_INIT_TEXT);
    assert_string_equal(e->prefix.text, "Say the opposite.");
    assert_int_equal(t->reparameterise, 12);
    assert_true(t->lr == 2.5e-3);
    assert_int_equal(t->schedule, RATE_CONSTANT);
    assert_int_equal(t->n_warmup, 3);
    assert_int_equal(t->n_steps, 41);
    assert_int_equal(t->batch, 2);
    assert_int_equal(t->accumulate, 2);
    assert_true(t->in_order && t->decay_to_zero && t->same_rate);
    assert_true(t->weight_decay == 0.125);
    assert_true(t->clip == 0.5);
    assert_int_equal(t->eval_every, 4);
    assert_int_equal(t->patience, 6);
    experiment_free(e);
}

static void without_a_prefix_section_the_trainer_has_its_own_defaults(void **state)
{
    (void)state;
    experiment *e = load("least.yaml");
    train_options own = train_defaults(PREFIX_EMBEDDINGS);
    const train_options *t = &e->prefix.train;
    assert_int_equal(t->kind, own.kind);
    assert_int_equal(t->n_tokens, own.n_tokens);
    assert_int_equal(t->n_steps, own.n_steps);
    assert_true(t->lr == own.lr);
    assert_null(e->prefix.text);
    experiment_free(e);
    const char *set = "prefix.method=prefix"; /* the other method has other defaults */
    own = train_defaults(PREFIX_KEY_VALUES);
    e = load_with("least.yaml", &(experiment_overrides){.set = &set, .n_set = 1});
    assert_int_equal(e->prefix.train.kind, PREFIX_KEY_VALUES);
    assert_true(e->prefix.train.lr == own.lr);
    assert_int_equal(e->prefix.train.n_steps, own.n_steps);
    experiment_free(e);
}

/* ---- What stands behind a learned prefix ---- */

static void assert_bare(const experiment *e, const genome *g, const char *rows,
                        const char *head)
{
    experiment *bare;
    error err = {0};
    text t = {0};
    if (experiment_bare(&bare, e, g, &err) < 0 || experiment_head(e, g, &t, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(bare->spec.n_genes, 0);
    assert_int_equal(bare->n_seeds, 1);
    assert_prompt(bare, &bare->seeds[0], rows);
    assert_string_equal(text_string(&t), head);
    text_free(&t);
    experiment_free(bare);
}

static void bare_rows_have_no_words_and_the_head_is_what_went(void **state)
{
    (void)state;
    const char *set[] = {
        "prefix={method: prompt}",
        "template=\"{{instruction}}\\n\\n{{demos}}{{label}} {{{{b}} {{k}} {{share}} "
        "{{input}} => {{target}}\""};
    experiment *e =
        load_with("every_key.yaml", &(experiment_overrides){.set = set, .n_set = 2});
    char rows[] = "Input {{b}} 3 0.25 {{input}} => {{target}}";
    text whole = {0};
    assert_int_equal(experiment_prompt_text(e, &e->seeds[0], &whole, NULL), 0);
    size_t n = whole.n - strlen(rows);
    assert_string_equal(whole.s + n, rows);
    whole.s[n] = '\0';
    assert_memory_equal(whole.s, "Say the opposite of the word\n\n", 30);
    assert_bare(e, &e->seeds[0], rows, whole.s);
    text_free(&whole);
    experiment_free(e);
}

static void words_behind_the_rows_are_the_head_all_the_same(void **state)
{
    (void)state;
    const char *set[] = {"prefix={method: prompt}",
                         "template=\"{{label}} {{k}} {{share}} {{demos}}{{input}}, "
                         "{{instruction}}: {{target}}\""};
    experiment *e =
        load_with("every_key.yaml", &(experiment_overrides){.set = set, .n_set = 2});
    assert_bare(e, &e->seeds[0], "Input 3 0.25 {{input}}, : {{target}}",
                "Say the opposite of the word");
    experiment_free(e);
}

static void the_sections_own_template_are_the_rows(void **state)
{
    (void)state;
    experiment *e = load("every_key.yaml");
    assert_bare(e, &e->seeds[0], "Q {{input}} {{hint}} A {{target}}.",
                "Say the opposite of the word");
    experiment_free(e);
}

static void messages_of_words_alone_are_gone(void **state)
{
    (void)state;
    const char *set =
        "template=[{role: system, content: \"{{instruction}}\"}, {role: user, content: "
        "\"{{demos}} {{label}} {{k}} {{share}} {{input}}\"}, {role: assistant, content: "
        "\"{{target}}\"}]";
    const char *sets[] = {"prefix={method: prompt}", set};
    experiment *e =
        load_with("every_key.yaml", &(experiment_overrides){.set = sets, .n_set = 2});
    assert_bare(e, &e->seeds[0],
                "[user]\nInput 3 0.25 {{input}}\n\n[assistant]\n{{target}}",
                "Say the opposite of the word");
    experiment_free(e);
}

static void genes_are_read_with_their_laws(void **state)
{
    (void)state;
    experiment *e = load("every_key.yaml");
    assert_int_equal(e->spec.n_genes, 5);
    const gene_spec *g = e->spec.genes;
    assert_string_equal(g[0].name, "instruction");
    assert_int_equal(g[0].kind, GENE_TEXT);
    assert_int_equal(g[0].max_words, 12);
    assert_int_equal(g[0].n_lexicon, 3);
    assert_string_equal(g[0].lexicon[1], "antonym");
    assert_int_equal(g[1].kind, GENE_DEMOS);
    assert_int_equal(g[1].n_pool, 3);
    assert_int_equal(g[1].max_demos, 3);
    assert_int_equal(g[2].kind, GENE_CHOICE);
    assert_int_equal(g[2].n_options, 3);
    assert_string_equal(g[2].options[2], "on");
    assert_true(g[3].whole);
    assert_true(g[4].lowest == -0.5);
    assert_true(g[4].highest == 10);
    /* Seeds: the user's own, then each further text with the rest as in the first. */
    assert_int_equal(e->n_seeds, 3);
    const gene *first = e->seeds[0].genes;
    assert_int_equal(first[0].n_words, 6);
    assert_false(first[0].words[2].frozen);
    assert_true(first[0].words[3].frozen && first[0].words[5].frozen);
    assert_int_equal(first[1].n_demos, 2);
    assert_int_equal(first[2].choice, 1);
    assert_true(first[3].number == 3);
    assert_true(first[4].number == 0.25);
    assert_string_equal(e->seeds[1].genes[0].words[0].s, "Opposites:");
    assert_int_equal(e->seeds[2].genes[1].n_demos, 2);
    experiment_free(e);
}

static void what_is_left_out_has_its_default(void **state)
{
    (void)state;
    experiment *e = load("least.yaml");
    search_options s = search_defaults();
    assert_string_equal(e->name, "least");
    assert_string_equal(e->description, "");
    assert_int_equal(e->splits[SPLIT_SEARCH].n, 2);
    assert_int_equal(e->splits[SPLIT_SELECTION].n, 1);
    assert_int_equal(e->splits[SPLIT_FINAL].n, 4);
    assert_int_equal(e->fitness.kind, FITNESS_LOGPROB);
    assert_true(e->fitness.per_token);
    assert_false(e->fitness.calibrate);
    assert_int_equal(e->fitness.generation.max_tokens, 16);
    assert_string_equal(e->fitness.generation.stops[0], "\n");
    assert_string_equal(e->search->name, "ga");
    assert_int_equal(e->search_options.population, s.population);
    assert_int_equal(e->proposals.words, 8);
    assert_int_equal(e->budget.tokens, 100000);
    assert_int_equal(e->finalists, 4);
    assert_true(e->seed == 0);
    assert_int_equal(e->overflow, OVERFLOW_ERROR);
    assert_int_equal(e->n_seeds, 1);
    experiment_free(e);
}

static void the_search_seed_does_not_move_the_splits(void **state)
{
    (void)state;
    const uint64_t seed = 7;
    const char *const other[] = {"data.split_seed=1"};
    experiment *a = load("least.yaml");
    experiment *b = load_with("least.yaml", &(experiment_overrides){.seed = &seed});
    experiment *c =
        load_with("least.yaml", &(experiment_overrides){.set = other, .n_set = 1});
    assert_true(b->seed == 7);
    size_t bytes = a->splits[SPLIT_FINAL].n * sizeof(size_t);
    assert_memory_equal(a->splits[SPLIT_FINAL].index, b->splits[SPLIT_FINAL].index,
                        bytes);
    assert_memory_not_equal(a->splits[SPLIT_FINAL].index, c->splits[SPLIT_FINAL].index,
                            bytes);
    experiment_free(a);
    experiment_free(b);
    experiment_free(c);
}

/* ---- Rendering ---- */

static void candidates_render_with_genes_and_demonstrations(void **state)
{
    (void)state;
    experiment *e = load("every_key.yaml");
    /* Line 6 of the file, "wet": not in the search split. */
    assert_rendered(e, &e->seeds[0], 4, "dry",
                    "Say the opposite of the word\n\n"
                    "Input: hot (heat) = cold | Input: big () = small | "
                    "Input (3, water) {{braces}}: wet\n0.25 => ",
                    "dry.");
    assert_prompt(e, &e->seeds[0],
                  "Say the opposite of the word\n\n"
                  "Input: hot (heat) = cold | Input: big () = small | "
                  "Input (3, {{hint}}) {{braces}}: {{input}}\n0.25 => {{target}}.");
    experiment_free(e);
}

static void an_example_never_sees_itself(void **state)
{
    (void)state;
    experiment *e = load("every_key.yaml");
    assert_rendered(e, &e->seeds[0], 0, "cold",
                    "Say the opposite of the word\n\nInput: big () = small | "
                    "Input (3, heat) {{braces}}: hot\n0.25 => ",
                    "cold.");
    experiment_free(e);
}

static void an_empty_example_leaves_fields_empty(void **state)
{
    (void)state;
    experiment *e = load("least.yaml");
    assert_rendered(e, &e->seeds[0], EXAMPLE_EMPTY, "x", " ", "x");
    text c = {0}, t = {0};
    error err = {0};
    assert_int_equal(experiment_render(e, NULL, &e->seeds[0], 7, "x", &c, &t, &err),
                     E_ARGUMENT);
    assert_string_equal(err.text, "there is no example 7: there are 7");
    text_free(&c);
    text_free(&t);
    experiment_free(e);
}

static void a_chat_reads_as_headed_messages(void **state)
{
    (void)state;
    experiment *e = load("chat.yaml");
    gene *demos = &e->seeds[0].genes[1];
    assert_int_equal(demos->n_demos, 3);
    demos->n_demos = 0;
    assert_prompt(e, &e->seeds[0],
                  "[system]\n\n\n[user]\nWhat is the opposite of {{input}}?\n\n"
                  "[assistant]\nIt is {{target}}.");
    experiment_free(e);
}

static void a_block_scalars_last_newline_is_dropped_and_a_quoted_one_kept(void **state)
{
    (void)state;
    experiment *e = load("json.yaml");
    assert_rendered(e, &e->seeds[0], 0, "cold", "caf\xc3\xa9 \xf0\x9f\x98\x80\tx: hot\n",
                    "cold\n");
    experiment_free(e);
}

/* ---- Another prompt ---- */

static void write_file(const char *folder, const char *name, const char *bytes,
                       char path[4096])
{
    snprintf(path, 4096, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(bytes, f);
    assert_int_equal(fclose(f), 0);
}

static void a_prompt_file_takes_the_place_of_template_and_genes(void **state)
{
    (void)state;
    experiment *e = load("every_key.yaml");
    char *folder = scratch_new(), path[4096];
    error err = {0};
    write_file(folder, "bad.txt", "{{instruction}} {{input}} {{target}}\n", path);
    assert_int_equal(experiment_replace_prompt(e, path, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "bad.txt: {{instruction}} is neither a gene nor"));
    assert_int_equal(e->spec.n_genes, 5); /* as it was */
    write_file(folder, "p.txt", "\"{{hint}}\"\n {{input}} ->{{target}}\n", path);
    assert_int_equal(experiment_replace_prompt(e, path, &err), 0);
    assert_int_equal(e->spec.n_genes, 0);
    assert_int_equal(e->n_seeds, 1);
    assert_rendered(e, &e->seeds[0], 0, "cold", "\"heat\"\n hot ->", "cold");
    write_file(folder, "p.json",
               "[{\"role\": \"user\", \"content\": \"{{input}}\"},"
               " {\"role\": \"assistant\", \"content\": \"{{target}}\"}]",
               path);
    assert_int_equal(experiment_replace_prompt(e, path, &err), 0);
    assert_prompt(e, &e->seeds[0], "[user]\n{{input}}\n\n[assistant]\n{{target}}");
    experiment_free(e);
    scratch_remove(folder);
}

/* ---- Models by name ---- */

static void known_models_are_found_by_name(void **state)
{
    (void)state;
    const char *given = getenv("LAMARCK_MODEL");
    char *kept = given ? string_copy(given) : NULL, *path;
    assert_int_equal(setenv("LAMARCK_MODEL", "/m/x.gguf", 1), 0);
    assert_int_equal(model_locate("smollm2", "f/", &path, NULL), 0);
    assert_string_equal(path, "/m/x.gguf");
    free(path);
    assert_int_equal(unsetenv("LAMARCK_MODEL"), 0);
    assert_int_equal(model_locate("smollm2", "f/", &path, NULL), 0);
    assert_non_null(strstr(path, "/lamarck/SmolLM2-135M-Instruct-Q4_1.gguf"));
    free(path);
    assert_int_equal(model_locate("m/x.gguf", "f/", &path, NULL), 0);
    assert_string_equal(path, "f/m/x.gguf");
    free(path);
    assert_int_equal(model_locate("/m/x.gguf", "f/", &path, NULL), 0);
    assert_string_equal(path, "/m/x.gguf");
    free(path);
    if (kept)
        assert_int_equal(setenv("LAMARCK_MODEL", kept, 1), 0);
    free(kept);
}

/* ---- Overrides ---- */

static void overrides_change_add_and_reach_into_lists(void **state)
{
    (void)state;
    const char *const set[] = {
        "search.population=40", "genes.label.options=[Word, Q]",
        "genes.label.seed=Q",   "genes.instruction.more_seeds.1=Say of the word",
        "fitness.stop.0=\"!\"", "budget.minutes=",
        "engine.threads=3"};
    experiment *e =
        load_with("every_key.yaml", &(experiment_overrides){.set = set, .n_set = 7});
    assert_int_equal(e->search_options.population, 40);
    assert_int_equal(e->spec.genes[2].n_options, 2);
    assert_int_equal(e->seeds[0].genes[2].choice, 1);
    assert_int_equal(e->seeds[2].genes[0].n_words, 4);
    assert_string_equal(e->fitness.generation.stops[0], "!");
    assert_true(e->budget.seconds == 0);
    assert_int_equal(e->session.n_threads, 3);
    experiment_free(e);
}

static void errors_in_overrides_name_them(void **state)
{
    (void)state;
    assert_override_refused("least.yaml", "search.population=x",
                            "--set search.population=x: population is x; it must be a "
                            "whole number from 2 to 10000");
    assert_override_refused("least.yaml", "serach.population=4",
                            "--set serach.population=4: an experiment has no key "
                            "\"serach\"; did you mean \"search\"?");
    assert_override_refused("least.yaml", "model.name=4",
                            "--set model.name=4: \"name\" cannot be set inside a single "
                            "value");
    assert_override_refused("every_key.yaml", "fitness.stop.2=x",
                            "--set fitness.stop.2=x: \"2\" is no item of a list of 2 "
                            "(counted from 0)");
    assert_override_refused("least.yaml", "seed",
                            "--set seed: write it as key=value or key.key=value");
    assert_override_refused("least.yaml", "seed=[1",
                            "--set seed=[1: flow sequence without a closing bracket");
}

/* ---- Valid and invalid files ---- */

/* Every file matching tests/`pattern`, to be freed with globfree. */
static glob_t files_of(const char *pattern, size_t least)
{
    char path[4096];
    glob_t g = {0};
    snprintf(path, sizeof path, "%s/%s", tests_folder(), pattern);
    assert_int_equal(glob(path, 0, NULL, &g), 0);
    assert_true(g.gl_pathc >= least);
    return g;
}

static void assert_dump_returns(const char *path)
{
    experiment *e, *again;
    char *first, *second;
    error err = {0};
    if (experiment_load(&e, path, NULL, &err) < 0)
        fail_msg("%s", err.text);
    if (experiment_dump(e, &first, &err) < 0 ||
        experiment_restore(&again, first, &err) < 0 ||
        experiment_dump(again, &second, &err) < 0)
        fail_msg("%s: %s", path, err.text);
    assert_string_equal(first, second);
    assert_int_equal(e->n_seeds, again->n_seeds);
    for (size_t i = 0; i < e->n_seeds; i++) {
        text a = {0}, b = {0};
        assert_int_equal(genome_serialise(&e->spec, &e->seeds[i], &a, NULL), 0);
        assert_int_equal(genome_serialise(&again->spec, &again->seeds[i], &b, NULL), 0);
        assert_string_equal(text_string(&a), text_string(&b));
        text_free(&a);
        text_free(&b);
    }
    for (size_t i = 0; i < e->data->n; i++)
        assert_string_equal(e->data->examples[i].id, again->data->examples[i].id);
    free(first);
    free(second);
    experiment_free(e);
    experiment_free(again);
}

static void valid_files_load_and_survive_a_dump(void **state)
{
    (void)state;
    glob_t g = files_of("valid/*.yaml", 5);
    for (size_t i = 0; i < g.gl_pathc; i++)
        assert_dump_returns(g.gl_pathv[i]);
    globfree(&g);
}

static void shipped_experiments_load_and_survive_a_dump(void **state)
{
    (void)state;
    glob_t g = files_of("../experiments/*/experiment.yaml", 7);
    for (size_t i = 0; i < g.gl_pathc; i++)
        assert_dump_returns(g.gl_pathv[i]);
    globfree(&g);
    g = files_of("../experiments/ablation/*.yaml", 2);
    for (size_t i = 0; i < g.gl_pathc; i++)
        assert_dump_returns(g.gl_pathv[i]);
    globfree(&g);
}

static void shipped_data_say_nothing_twice(void **state)
{
    (void)state;
    glob_t g = files_of("../experiments/*/experiment.yaml", 7);
    for (size_t k = 0; k < g.gl_pathc; k++) {
        experiment *e;
        assert_int_equal(experiment_load(&e, g.gl_pathv[k], NULL, NULL), 0);
        const example *x = e->data->examples;
        bool people = experiment_asks_people(e); /* their time is what counts */
        assert_true(e->data->n >= (people ? 25 : 200));
        for (size_t i = 0; i < e->data->n; i++)
            for (size_t j = 0; j < i; j++) {
                assert_string_not_equal(x[i].values[0], x[j].values[0]);
                /* Nor the other way round: it would give an answer away. */
                assert_false(!people && strcmp(x[i].values[0], x[j].targets[0]) == 0 &&
                             strcmp(x[j].values[0], x[i].targets[0]) == 0);
            }
        experiment_free(e);
    }
    globfree(&g);
}

static void a_damaged_dump_is_refused(void **state)
{
    (void)state;
    experiment *e = load("least.yaml"), *again = NULL;
    char *dump;
    error err = {0};
    assert_int_equal(experiment_dump(e, &dump, &err), 0);
    experiment_free(e);
    char *splits = strstr(dump, "\"search\":[");
    assert_non_null(splits);
    splits[strlen("\"search\":[")] = '9'; /* row 9 of 7 */
    assert_int_equal(experiment_restore(&again, dump, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "must be a whole number from 0 to 6"));
    dump[strlen(dump) / 2] = '\0';
    assert_int_equal(experiment_restore(&again, dump, &err), E_FORMAT);
    assert_null(again);
    free(dump);
}

/* Replace the folder in front of file names, so that it does not matter where tests are.
 */
static void strip_folder(char *s, const char *folder)
{
    size_t n = strlen(folder);
    for (char *at; (at = strstr(s, folder)) != NULL;)
        memmove(at, at + n, strlen(at + n) + 1);
}

static void invalid_files_are_refused_with_their_exact_error(void **state)
{
    (void)state;
    glob_t g = files_of("invalid/experiment/*.yaml", 80);
    char folder[4096];
    size_t wrong = 0;
    snprintf(folder, sizeof folder, "%s/invalid/experiment/", tests_folder());
    for (size_t i = 0; i < g.gl_pathc; i++) {
        char path[4200], *expected;
        size_t n;
        experiment *e = NULL;
        error err = {0};
        snprintf(path, sizeof path, "%.*s.error", (int)strlen(g.gl_pathv[i]) - 5,
                 g.gl_pathv[i]);
        assert_int_equal(file_read(path, 4096, &expected, &n, NULL), 0);
        expected[strcspn(expected, "\n")] = '\0';
        int rc = experiment_load(&e, g.gl_pathv[i], NULL, &err);
        strip_folder(err.text, folder);
        if (rc >= 0 || strcmp(err.text, expected) != 0) {
            print_error("%s\n  says      %s\n  should be %s\n", g.gl_pathv[i], err.text,
                        expected);
            wrong++;
        }
        free(expected);
    }
    globfree(&g);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest api[] = {
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(every_key_of_the_prefix_section_is_read),
        cmocka_unit_test(without_a_prefix_section_the_trainer_has_its_own_defaults),
        cmocka_unit_test(bare_rows_have_no_words_and_the_head_is_what_went),
        cmocka_unit_test(words_behind_the_rows_are_the_head_all_the_same),
        cmocka_unit_test(the_sections_own_template_are_the_rows),
        cmocka_unit_test(messages_of_words_alone_are_gone),
        cmocka_unit_test(genes_are_read_with_their_laws),
        cmocka_unit_test(what_is_left_out_has_its_default),
        cmocka_unit_test(the_search_seed_does_not_move_the_splits),
        cmocka_unit_test(candidates_render_with_genes_and_demonstrations),
        cmocka_unit_test(an_example_never_sees_itself),
        cmocka_unit_test(an_empty_example_leaves_fields_empty),
        cmocka_unit_test(a_chat_reads_as_headed_messages),
        cmocka_unit_test(a_block_scalars_last_newline_is_dropped_and_a_quoted_one_kept),
        cmocka_unit_test(a_prompt_file_takes_the_place_of_template_and_genes),
        cmocka_unit_test(known_models_are_found_by_name),
        cmocka_unit_test(overrides_change_add_and_reach_into_lists),
        cmocka_unit_test(errors_in_overrides_name_them),
    };
    const struct CMUnitTest valid[] = {
        cmocka_unit_test(valid_files_load_and_survive_a_dump),
        cmocka_unit_test(shipped_experiments_load_and_survive_a_dump),
        cmocka_unit_test(shipped_data_say_nothing_twice),
    };
    const struct CMUnitTest invalid[] = {
        cmocka_unit_test(invalid_files_are_refused_with_their_exact_error),
        cmocka_unit_test(a_damaged_dump_is_refused),
    };
    int failed = cmocka_run_group_tests_name("experiment: api", api, NULL, NULL);
    failed += cmocka_run_group_tests_name("experiment: valid", valid, NULL, NULL);
    failed += cmocka_run_group_tests_name("experiment: invalid", invalid, NULL, NULL);
    return failed != 0;
}
