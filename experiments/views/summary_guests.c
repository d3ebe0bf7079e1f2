/* What became of the texts that immigrated. */
#include "summary.h"

#include <stdlib.h>
#include <string.h>

static const char *const origins[SUMMARY_GUESTS] = {"nearest", "projected"};
static const char *const meanings[SUMMARY_GUESTS] = {"read back from tuned vectors",
                                                     "passed by a projected descent"};

static bool has_state(const candidate_record *c, const char *state)
{
    return c->state && strcmp(c->state, state) == 0;
}

static bool is_from(const candidate_record *c, const char *origin)
{
    return c && c->operators && strcmp(c->operators, origin) == 0;
}

static void count_guests(const run_record *r, guest_count *g)
{
    for (size_t i = 0; i < r->n_candidates; i++) {
        const candidate_record *c = &r->candidates[i];
        if (!is_from(c, g->origin))
            continue;
        g->entered++;
        g->survived += has_state(c, "alive") || has_state(c, "replaced");
        g->living += has_state(c, "alive");
    }
}

int summary_guests(const run_record *r, guest_count out[SUMMARY_GUESTS], error *err)
{
    uint64_t *ids = NULL;
    size_t n = 0, entered = 0;
    TRY(summary_lineage(r, summary_best(r), &ids, &n, err));
    for (size_t k = 0; k < SUMMARY_GUESTS; k++) {
        out[k] = (guest_count){.origin = origins[k]};
        count_guests(r, &out[k]);
        entered += out[k].entered;
        for (size_t i = 0; i < n; i++)
            out[k].in_lineage += is_from(summary_candidate(r, ids[i]), origins[k]);
    }
    free(ids);
    return entered > 0;
}

int summary_guest_sentence(const run_record *r, text *out, error *err)
{
    guest_count g[SUMMARY_GUESTS];
    int any = summary_guests(r, g, err);
    TRY(any);
    const char *before = "Texts that gradients found: ";
    for (size_t k = 0; any && k < SUMMARY_GUESTS; k++) {
        if (g[k].entered == 0)
            continue;
        TRY(text_add_format(out, err,
                            "%s%zu %s (%s), of which %zu survived the race, %zu live and "
                            "%zu are forebears of the best prompt",
                            before, g[k].entered, meanings[k], g[k].origin, g[k].survived,
                            g[k].living, g[k].in_lineage));
        before = "; ";
    }
    return any ? text_add_string(out, ".", err) : 0;
}
