#include "client_report.h"

#include <math.h>
#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int client_latency_add(client_latency *l, double seconds, error *err)
{
    TRY(array_grow(&l->seconds, &l->capacity, l->n + 1, sizeof *l->seconds, err));
    l->seconds[l->n++] = seconds;
    return 0;
}

void client_report_sort(client_report *r)
{
    client_latency *const both[] = {&r->asking, &r->answering};
    for (size_t i = 0; i < 2; i++)
        if (both[i]->n)
            qsort(both[i]->seconds, both[i]->n, sizeof *both[i]->seconds,
                  compare_doubles);
}

double client_quantile(const client_latency *l, double q)
{
    double at = ceil(q * (double)l->n) - 1;
    if (l->n == 0)
        return (double)NAN;
    return l->seconds[at > 0 ? (size_t)at : 0];
}

void client_report_free(client_report *r)
{
    free(r->asking.seconds);
    free(r->answering.seconds);
    *r = (client_report){0};
}
