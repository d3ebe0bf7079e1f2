/* Gradients of a weighted loss at the inputs: rows to parts, parts to passes, and between
 * the two ways of a pass the loss, whose logits are only ever there for a few rows. */
#include "gradient_parts.h"
#include "resident.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A call. Outputs are gathered here and handed over when nothing can fail any more. */
typedef struct job {
    session *s;
    const row *asked;
    const gradient_request *request;
    row_set set;
    gradient_parts parts;
    size_t n_place_sums, n_prefix_sums;
    double *place_sums;  /* (n_places, C); owned */
    double *prefix_sums; /* as the prefix; owned */
    row_score *scores;   /* (n); owned */
} job;

/* ---- The request ---- */

static int check_places(const gradient_request *q, const row *rows, size_t i, error *err)
{
    for (size_t t = 0; q->places[i] != NULL && t < rows[i].n; t++)
        if (q->places[i][t] != place_none && q->places[i][t] >= q->n_places)
            return error_set(err, E_ARGUMENT,
                             "row %zu: the place of token %zu is %lu of %zu", i, t,
                             (unsigned long)q->places[i][t], q->n_places);
    return 0;
}

static int check_request(const job *j, size_t n, error *err)
{
    const gradient_request *q = j->request;
    if (q->prefix_gradient != NULL && j->s->prefix.n == 0)
        return error_set(err, E_ARGUMENT,
                         "the gradient of a prefix is wanted, but the session has none");
    if (q->n_places > 0 && q->place_gradients == NULL)
        return error_set(err, E_ARGUMENT, "%zu places without place_gradients",
                         q->n_places);
    for (size_t i = 0; q->weights != NULL && i < n; i++)
        if (!isfinite(q->weights[i]))
            return error_set(err, E_ARGUMENT, "row %zu: its weight is %f", i,
                             q->weights[i]);
    for (size_t i = 0; q->places != NULL && i < n; i++)
        TRY(check_places(q, j->asked, i, err));
    return 0;
}

/* What the sums take, and thereby what is left for passes. */
static int plan_memory(job *j, uint64_t *sums, uint64_t *left, error *err)
{
    const session *s = j->s;
    const gradient_request *q = j->request;
    size_t width = prefix_width(model_describe(s->model), s->prefix.kind), total;
    if (!size_mul(q->n_places, s->weights->shape.C, &j->n_place_sums))
        return error_memory(err, SIZE_MAX);
    j->n_prefix_sums = q->prefix_gradient != NULL ? s->prefix.n * width : 0;
    if (!size_add(j->n_place_sums, j->n_prefix_sums, &total) ||
        !size_mul(total, sizeof(double), &total))
        return error_memory(err, SIZE_MAX);
    *sums = total;
    *left = s->kv_limit - s->kv_bytes;
    if (*sums > *left)
        return error_set(err, E_MEMORY,
                         "sums of %zu places take %llu bytes; %llu of the session's %llu "
                         "are left",
                         q->n_places, (unsigned long long)*sums,
                         (unsigned long long)*left,
                         (unsigned long long)s->options.memory_bytes);
    *left -= *sums;
    return 0;
}

static int job_open(job *j, size_t n, uint64_t *sums, error *err)
{
    uint64_t left = 0;
    TRY(check_request(j, n, err));
    TRY(row_set_make(&j->set, j->s, j->asked, n, true, 0, err));
    TRY(plan_memory(j, sums, &left, err));
    return gradient_parts_make(&j->parts, j->s, &j->set, j->request->separate, left, err);
}

static void job_close(job *j)
{
    gradient_parts_free(&j->parts);
    row_set_free(&j->set);
    free(j->place_sums);
    free(j->prefix_sums);
    free(j->scores);
}

/* ---- The loss ---- */

/* A part being run. */
typedef struct part_run {
    job *j;
    const gradient_part *part;
    gradient_pass pass;
    uint32_t *places; /* (pass.n_positions); owned */
    double *weights;  /* (max_logits): of the positions with logits at hand; owned */
} part_run;

static size_t row_of(const part_run *r, const plan_want *want)
{
    return r->j->parts.order[r->part->begin + want->row];
}

static double weight_of(const part_run *r, const plan_want *want)
{
    const double *given = r->j->request->weights;
    return given == NULL ? 1 : given[row_of(r, want)];
}

/* Score what the logits after wanted position w serve; returns the sum of the weights. */
static double score_wants(part_run *r, size_t w, const float *logits,
                          const logit_stats *stats)
{
    const gradient_pass *p = &r->pass;
    double sum = 0;
    for (size_t i = p->first_want[w]; i < p->first_want[w + 1]; i++) {
        const plan_want *want = &p->plan.wants[i];
        size_t i_row = row_of(r, want);
        size_t id = (size_t)r->j->set.rows[i_row].tokens[want->position + 1];
        row_score *score = &r->j->scores[i_row];
        score->logprob += (double)logits[id] - (double)stats->max - stats->log_sum;
        score->n_first += id == stats->argmax;
        score->n_targets++;
        sum += weight_of(r, want);
    }
    return sum;
}

/* From weighted probabilities to the gradient: -ln p(t) gives p - [t]. */
static void subtract_targets(part_run *r, size_t w, float *logits)
{
    const gradient_pass *p = &r->pass;
    for (size_t i = p->first_want[w]; i < p->first_want[w + 1]; i++) {
        const plan_want *want = &p->plan.wants[i];
        const row *scored = &r->j->set.rows[row_of(r, want)];
        float *at = &logits[scored->tokens[want->position + 1]];
        *at = (float)((double)*at - weight_of(r, want));
    }
}

/* Wanted positions [first, first + n): scores, and d_out from out. */
static int loss_chunk(part_run *r, size_t first, size_t n, error *err)
{
    session *s = r->j->s;
    const weights *w = s->weights;
    gradient_pass *p = &r->pass;
    size_t C = w->shape.C, V = w->shape.V;
    s->backend->norm(s->context, p->out + first * C, w->final_norm, n, s->x);
    TRY(forward_logits(s, 0, n, err));
    for (size_t i = 0; i < n; i++) {
        const plan_want *want = &p->plan.wants[p->first_want[first + i]];
        if (!s->stats[i].finite)
            return error_set(err, E_NUMERIC,
                             "row %zu: the logits after token %zu are not numbers",
                             row_of(r, want), want->position);
        r->weights[i] = score_wants(r, first + i, s->logits + i * V, &s->stats[i]);
    }
    s->backend->softmax_rows(s->context, s->logits, s->stats, r->weights, n);
    for (size_t i = 0; i < n; i++)
        subtract_targets(r, first + i, s->logits + i * V);
    forward_count(s, &w->head, n);
    TRY(s->backend->product_back(s->context, s->packed->head, s->logits, n, s->normed,
                                 false, err));
    memset(p->d_out + first * C, 0, n * C * sizeof(float));
    s->backend->norm_back(s->context, p->out + first * C, w->final_norm, s->normed, n,
                          p->d_out + first * C);
    return 0;
}

static int loss(part_run *r, error *err)
{
    const session *s = r->j->s;
    size_t most = s->max_logits < s->max_chunk ? s->max_logits : s->max_chunk;
    size_t m = r->pass.n_wanted, n;
    for (size_t first = 0; first < m; first += n) {
        n = m - first < most ? m - first : most;
        TRY(loss_chunk(r, first, n, err));
    }
    return 0;
}

/* ---- Places ---- */

/* Row r of the part in its plan: segments from the last one up. */
typedef struct row_path {
    size_t row;     /* of the set */
    size_t segment; /* where it ends */
    size_t n;       /* positions */
} row_path;

static int refuse_places(size_t a, size_t b, size_t t, error *err)
{
    return error_set(err, E_ARGUMENT,
                     "rows %zu and %zu share token %zu but not its place: name the same "
                     "place, or run them separately",
                     a < b ? a : b, a < b ? b : a, t);
}

/* What the request says of token t of a row of the set. */
static uint32_t place_of(const part_run *r, size_t i, size_t t)
{
    const job *j = r->j;
    const uint32_t *const *places = j->request->places;
    if (places == NULL || places[i] == NULL)
        return place_none;
    return places[i][row_set_origin(&j->set, j->s, i, &j->asked[i], t)];
}

/* Name the places of a row's positions; owners (N) says which row named one first. */
static int name_places(part_run *r, row_path path, size_t *owners, error *err)
{
    const gradient_pass *p = &r->pass;
    size_t before = p->n_embedded > 0;
    for (size_t i = path.segment; i != plan_none; i = p->plan.segments[i].parent) {
        const plan_segment *seg = &p->plan.segments[i];
        for (size_t t = seg->start; t < seg->start + seg->n && t < path.n; t++) {
            size_t at = p->starts[before + i] + t - seg->start;
            uint32_t place = place_of(r, path.row, t);
            if (owners[at] == plan_none) {
                owners[at] = path.row;
                r->places[at] = place;
            } else if (r->places[at] != place) {
                return refuse_places(owners[at], path.row, t, err);
            }
        }
    }
    return 0;
}

static int find_places(part_run *r, error *err)
{
    const gradient_pass *p = &r->pass;
    size_t *owners = array_new(p->n_positions, sizeof(*owners));
    int rc = 0;
    r->places = array_new(p->n_positions, sizeof(*r->places));
    if (owners == NULL || r->places == NULL)
        rc = error_memory(err, p->n_positions * sizeof(*owners));
    for (size_t i = 0; rc == 0 && i < p->n_positions; i++) {
        owners[i] = plan_none;
        r->places[i] = place_none;
    }
    for (size_t i = 0; rc == 0 && i < p->plan.n_wants; i++) {
        const plan_want *want = &p->plan.wants[i];
        row_path path = {row_of(r, want), want->segment, want->position + 1};
        if (path.n + 1 == r->j->set.rows[path.row].n)
            rc = name_places(r, path, owners, err);
    }
    free(owners);
    return rc;
}

/* ---- Sums ---- */

static int check_numbers(const float *x, size_t n, const char *what, size_t at,
                         error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return error_set(err, E_NUMERIC, "the gradient at %s %zu is not a number",
                             what, at);
    return 0;
}

static int add_places(const part_run *r, error *err)
{
    const gradient_pass *p = &r->pass;
    size_t C = r->j->s->weights->shape.C;
    for (size_t at = 0; at < p->n_positions; at++) {
        const float *dx = p->dx + at * C;
        if (r->places[at] == place_none)
            continue;
        TRY(check_numbers(dx, C, "place", r->places[at], err));
        double *sum = r->j->place_sums + r->places[at] * C;
        for (size_t c = 0; c < C; c++)
            sum[c] += (double)dx[c];
    }
    return 0;
}

static int add_embedded_prefix(const part_run *r, error *err)
{
    const gradient_pass *p = &r->pass;
    size_t C = r->j->s->weights->shape.C;
    if (r->j->prefix_sums == NULL)
        return 0;
    for (size_t i = 0; i < p->n_embedded; i++) {
        TRY(check_numbers(p->dx + i * C, C, "virtual token", i, err));
        for (size_t c = 0; c < C; c++)
            r->j->prefix_sums[i * C + c] += (double)p->dx[i * C + c];
    }
    return 0;
}

/* ---- Running ---- */

static int run_pass(part_run *r, error *err)
{
    session *s = r->j->s;
    gradient_pass *p = &r->pass;
    TRY(find_places(r, err));
    r->weights = array_new(s->max_logits, sizeof(*r->weights));
    if (r->weights == NULL)
        return error_memory(err, s->max_logits * sizeof(*r->weights));
    TRY(pass_take_memory(p, r->part->n_kept, err));
    p->prefix_sums = p->n_prefix_kv > 0 ? r->j->prefix_sums : NULL;
    TRY(pass_forward(p, err));
    TRY(loss(r, err));
    TRY(pass_backward(p, err));
    TRY(add_places(r, err));
    return add_embedded_prefix(r, err);
}

static int run_part(job *j, const gradient_part *part, error *err)
{
    part_run r = {.j = j, .part = part};
    TRY(gradient_parts_plan(&j->parts, j->s, part, &r.pass, err));
    int rc = run_pass(&r, err);
    pass_close(&r.pass);
    free(r.places);
    free(r.weights);
    return rc;
}

/* float from double sums; all of them or none. */
static int round_sums(const double *sums, size_t n, float *out, const char *what,
                      size_t width, error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite((float)sums[i]))
            return error_set(err, E_NUMERIC, "the gradient at %s %zu is not a number",
                             what, i / width);
    for (size_t i = 0; out != NULL && i < n; i++)
        out[i] = (float)sums[i];
    return 0;
}

static int hand_over(const job *j, row_score *out, error *err)
{
    const gradient_request *q = j->request;
    const session *s = j->s;
    size_t C = s->weights->shape.C;
    size_t width = prefix_width(model_describe(s->model), s->prefix.kind);
    TRY(round_sums(j->prefix_sums, j->n_prefix_sums, NULL, "virtual token", width, err));
    TRY(round_sums(j->place_sums, j->n_place_sums, q->place_gradients, "place", C, err));
    TRY(round_sums(j->prefix_sums, j->n_prefix_sums, q->prefix_gradient, "virtual token",
                   width, err));
    for (size_t i = 0; i < j->set.n; i++)
        out[i] = j->scores[i];
    return 0;
}

static int run_parts(job *j, row_score *out, error *err)
{
    size_t n = j->set.n;
    j->place_sums = array_new(j->n_place_sums, sizeof(double));
    j->scores = array_new(n, sizeof(*j->scores));
    if (j->n_prefix_sums > 0)
        j->prefix_sums = array_new(j->n_prefix_sums, sizeof(double));
    if (j->place_sums == NULL || j->scores == NULL ||
        (j->n_prefix_sums > 0 && j->prefix_sums == NULL))
        return error_memory(err, (j->n_place_sums + j->n_prefix_sums) * sizeof(double));
    for (size_t i = 0; i < n; i++)
        j->s->counters.row_tokens += 3 * (j->s->prefix.n + j->set.rows[i].n);
    for (size_t i = 0; i < j->parts.n_parts; i++)
        TRY(run_part(j, &j->parts.parts[i], err));
    return hand_over(j, out, err);
}

static int run_job(job *j, size_t n, row_score *out, error *err)
{
    uint64_t sums = 0;
    TRY(job_open(j, n, &sums, err));
    TRY(session_charge(j->s, sums, "sums of gradients", err));
    int rc = run_parts(j, out, err);
    session_discharge(j->s, sums);
    return rc;
}

int model_gradient(session *s, const row *rows, size_t n, const gradient_request *request,
                   row_score *out, error *err)
{
    double began = clock_seconds();
    job j = {.s = s, .asked = rows, .request = request};
    resident_begin(s);
    int rc = run_job(&j, n, out, err);
    job_close(&j);
    s->counters.seconds += clock_seconds() - began;
    return rc;
}

int model_gradient_estimate(session *s, const row *rows, size_t n,
                            const gradient_request *request, gradient_estimate *out,
                            error *err)
{
    job j = {.s = s, .asked = rows, .request = request};
    gradient_estimate e = {.n_kept_layers = s->weights->shape.L};
    uint64_t sums = 0;
    int rc = job_open(&j, n, &sums, err);
    for (size_t i = 0; rc == 0 && i < j.parts.n_parts; i++) {
        const gradient_part *part = &j.parts.parts[i];
        e.n_positions += part->n_positions;
        if (part->bytes > e.peak_bytes)
            e.peak_bytes = part->bytes;
        if (part->n_kept < e.n_kept_layers)
            e.n_kept_layers = part->n_kept;
    }
    e.n_parts = j.parts.n_parts;
    e.peak_bytes += s->options.memory_bytes - s->kv_limit + s->kv_bytes + sums;
    job_close(&j);
    if (rc == 0)
        *out = e;
    return rc;
}
