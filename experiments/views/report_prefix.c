/* The report's curves of a training: losses, rate and gradient by step. */
#include "report_parts.h"
#include "summary.h"

#include <math.h>
#include <stdlib.h>

static int add_losses(const training_record *t, text *data, error *err)
{
    for (size_t i = 0; i < t->n_steps; i++)
        TRY(text_add_format(data, err, "%zu %.9g %.9g %.9g\n", t->steps[i].step,
                            t->steps[i].loss, t->steps[i].rate, t->steps[i].grad_norm));
    TRY(text_add_string(data, "\n\n", err));
    for (size_t i = 0; i < t->n_evaluations; i++)
        TRY(text_add_format(data, err, "%zu %.9g\n", t->evaluations[i].step,
                            t->evaluations[i].loss));
    TRY(text_add_string(data, "\n\n", err));
    return t->has_prefix
               ? text_add_format(data, err, "%zu %.9g\n", t->best_step, t->best_loss)
               : 0;
}

static void put_loss_plot(page *p, const training_record *t, const char *data)
{
    text script = {0};
    if (p->rc == 0)
        p->rc = text_add_string(
            &script, "set xtics autofreq\nset offsets 0,0,graph 0.05,graph 0.05\nplot ",
            p->err);
    if (p->rc == 0 && t->n_steps)
        p->rc = text_add_string(&script,
                                "'data' index 0 using 1:2 with lines lw 1.5 lc rgb "
                                "'#0a0101'",
                                p->err);
    if (p->rc == 0 && t->n_evaluations)
        p->rc = text_add_format(&script, p->err,
                                "%s'data' index 1 using 1:2 with linespoints lw 2 pt 7 "
                                "ps 0.5 lc rgb '#0a0201'",
                                t->n_steps ? ", " : "");
    if (p->rc == 0 && t->has_prefix && t->n_evaluations)
        p->rc = text_add_string(&script,
                                ", 'data' index 2 using 1:2 with points pt 6 ps 1.6 lw 2 "
                                "lc rgb '#0a0301'",
                                p->err);
    put_plot(p, "loss", "Loss of the batches and on the selection split, by step",
             text_string(&script), data, 300);
    text_free(&script);
}

static void put_rate_plot(page *p, const char *data)
{
    put_plot(p, "rate", "Learning rate and norm of the gradient, by step",
             "set xtics autofreq\nset logscale y\nset format y '%g'\n"
             "unset mytics\nset offsets 0,0,0,0\n"
             "plot 'data' index 0 using 1:3 with lines lw 2 lc rgb '#0a0401', "
             "'' index 0 using 1:4 with lines lw 1.5 lc rgb '#0a0501'",
             data, 200);
}

static void put_table(page *p, const training_record *t)
{
    put(p, "<div class=\"scroll\"><table><tr><th class=\"n\">after step</th>"
           "<th class=\"n\">loss on the selection split</th><th class=\"n\">tokens</th>"
           "<th class=\"n\">seconds</th></tr>");
    for (size_t i = 0; i < t->n_evaluations; i++) {
        const training_evaluation *e = &t->evaluations[i];
        put_format(p,
                   "<tr><td class=\"n\">%zu%s</td><td class=\"n\">%.4f</td>"
                   "<td class=\"n\">",
                   e->step, e->step == t->best_step && t->has_prefix ? " (best)" : "",
                   e->loss);
        put_count(p, e->tokens);
        put_format(p, "</td><td class=\"n\">%.1f</td></tr>", e->seconds);
    }
    put(p, "</table></div>");
}

void report_curves(page *p, const run_record *r)
{
    const training_record *t = r->training;
    if (!t)
        return;
    text data = {0}, facts = {0};
    if (p->rc == 0)
        p->rc = add_losses(t, &data, p->err);
    if (p->rc == 0)
        p->rc = summary_training(r, &facts, p->err);
    put(p, "<section><h2>Training</h2><p>");
    put_text(p, text_string(&facts));
    put_format(p, ".</p><p class=\"note\">At most %.0f MiB of memory beside the weights.",
               (double)t->facts.peak_bytes / (1 << 20));
    put(p,
        " Losses are mean nats per token of the right answer.</p><div class=\"legend\">");
    put_legend(p, 1, "loss of the batch");
    put_legend(p, 2, "loss on the selection split");
    put_legend(p, 3, "the vectors that were kept");
    put(p, "</div>");
    if (t->n_steps || t->n_evaluations)
        put_loss_plot(p, t, text_string(&data));
    if (t->n_steps > 1) {
        put(p, "<div class=\"legend\">");
        put_legend(p, 4, "learning rate");
        put_legend(p, 5, "norm of the gradient");
        put(p, "</div>");
        put_rate_plot(p, text_string(&data));
    }
    put(p, "<details><summary>the looks at the selection split, as a table</summary>");
    put_table(p, t);
    put(p, "</details></section>\n");
    text_free(&data);
    text_free(&facts);
}
