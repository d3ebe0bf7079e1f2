/* Opening all that a model needs to judge candidates. */
#include "fitness_lm.h"

#include <string.h>

#include "fitness_human.h"
#include "fitness_reward.h"
#include "fitness_soft.h"
#include "propose_lm.h"

static int check_hash(const experiment *e, const model *m, const char *wanted, error *err)
{
    const char *hash;
    if (!wanted)
        return 0;
    TRY(model_hash(m, &hash, err));
    if (strcmp(hash, wanted) == 0)
        return 0;
    return error_set(err, E_FORMAT,
                     "%s is not the model that the run began with: its SHA-256 is %s, "
                     "the run's %s",
                     e->model_path, hash, wanted);
}

static int use_prefix(judge *j, const experiment *e, const prefix *p, error *err)
{
    if (experiment_virtual_tokens(e) > 0)
        return error_set(err, E_ARGUMENT,
                         "the prompt has a soft prompt of its own: no other vectors can "
                         "stand before it");
    TRY(prefix_check_model(p, j->model, err));
    prefix_view view = prefix_view_of(p);
    return scorer_use_prefix(j->scorer, &view, err);
}

static int open_objective(judge *j, const experiment *e, const judge_options *options,
                          const scorer_options *scoring, error *err)
{
    if (e->fitness.kind == FITNESS_REWARD)
        return fitness_reward_new(&j->objective, e, j->scorer, scoring, err);
    if (!experiment_asks_people(e))
        return fitness_lm_new(&j->objective, e, j->scorer, err);
    if (!options->people)
        return error_set(err, E_UNSUPPORTED,
                         "%s is judged by people, whom only a run of lamarck evolve can "
                         "ask; --set fitness.kind=logprob (or accuracy, exact, f1) lets "
                         "the model judge, where the rows have targets",
                         e->path);
    return fitness_human_new(&j->objective, e, j->scorer, scoring, err);
}

static int open_parts(judge *j, const experiment *e, const judge_options *options,
                      error *err)
{
    session_options how = e->session;
    how.overflow = e->overflow;
    TRY(experiment_open_model(e, &j->model, err));
    TRY(check_hash(e, j->model, options->model_hash, err));
    TRY(session_open(&j->session, j->model, &how, err));
    session_set_interrupt(j->session, options->interrupt);
    scorer_options scoring = {.store = options->store,
                              .backend = options->backend,
                              .overflow = e->overflow,
                              .interrupt = options->interrupt,
                              .ticker = options->ticker};
    TRY(scorer_open(&j->scorer, j->model, j->session, &scoring, err));
    if (options->prefix)
        TRY(use_prefix(j, e, options->prefix, err));
    TRY(open_objective(j, e, options, &scoring, err));
    if (experiment_soft_gene(e) < e->spec.n_genes) {
        objective *inner = j->objective;
        j->objective = NULL;
        TRY(fitness_soft_new(&j->objective, inner, e, j->scorer, err));
    }
    const proposal_options *o = &e->proposals;
    bool by_gradient = o->swaps || o->nearest || o->projected;
    bool asked = o->words || (by_gradient && o->gradient_rows);
    return asked ? propose_lm_new(&j->proposer, j->scorer, e, err) : 0;
}

int judge_open(judge *out, const experiment *e, const judge_options *options, error *err)
{
    judge j = {0};
    int rc = open_parts(&j, e, options, err);
    if (rc < 0)
        judge_close(&j);
    else
        *out = j;
    return rc;
}

void judge_close(judge *j)
{
    if (j->proposer)
        j->proposer->free(j->proposer);
    if (j->objective)
        j->objective->free(j->objective);
    scorer_close(j->scorer);
    session_close(j->session);
    model_close(j->model);
    *j = (judge){0};
}
