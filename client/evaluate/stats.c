#include "client/evaluate/stats.h"

#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    double one = *(const double *)left, other = *(const double *)right;
    return one < other ? -1 : one > other;
}

Spread spread_of(const double *values, guint count)
{
    Spread spread = {0};
    g_autofree double *known = g_new(double, MAX(count, 1));
    double sum = 0;
    for (guint i = 0; i < count; i++) {
        if (values[i] < 0)
            continue;
        known[spread.count++] = values[i];
        sum += values[i];
    }
    if (spread.count == 0)
        return spread;
    qsort(known, spread.count, sizeof *known, compare);
    guint half = spread.count / 2;
    spread.least = known[0];
    spread.most = known[spread.count - 1];
    spread.median = spread.count % 2 == 1 ? known[half] : (known[half - 1] + known[half]) / 2;
    spread.mean = sum / spread.count;
    return spread;
}

PingSummary ping_summary(const GArray *pings, double from, double to)
{
    PingSummary summary = {0};
    g_autofree double *trips = g_new(double, MAX(pings->len, 1));
    g_autofree double *arrivals = g_new(double, MAX(pings->len, 1));
    guint answered = 0, heard = 0;
    for (guint i = 0; i < pings->len; i++) {
        const Ping *ping = &g_array_index(pings, Ping, i);
        gboolean within = ping->sent >= from && ping->sent <= to;
        summary.sent += within;
        summary.lost += within && ping->trip < 0;
        if (ping->trip < 0)
            continue;
        if (within)
            trips[answered++] = ping->trip;
        arrivals[heard++] = ping->sent + ping->trip / 1000;
    }
    Spread spread = spread_of(trips, answered);
    summary.median = spread.median;
    summary.worst = spread.most;
    /* Answers that were held up come all at once, and not always in order. */
    qsort(arrivals, heard, sizeof *arrivals, compare);
    for (guint i = 1; i < heard; i++) {
        gboolean within = arrivals[i] > from && arrivals[i - 1] < to;
        if (!within || arrivals[i] - arrivals[i - 1] <= summary.silence)
            continue;
        summary.silence = arrivals[i] - arrivals[i - 1];
        summary.silence_at = arrivals[i - 1];
    }
    return summary;
}

double progress_bytes(const GArray *steps, double at)
{
    const Progress *before = NULL;
    for (guint i = 0; i < steps->len; i++) {
        const Progress *step = &g_array_index(steps, Progress, i);
        if (step->at >= at) {
            if (before == NULL || step->at <= before->at)
                return before == NULL && step->at > at ? 0 : step->bytes;
            double share = (at - before->at) / (step->at - before->at);
            return before->bytes + share * (step->bytes - before->bytes);
        }
        before = step;
    }
    return before != NULL ? before->bytes : 0;
}

double progress_rate(const GArray *steps, double from, double to)
{
    return to > from ? (progress_bytes(steps, to) - progress_bytes(steps, from)) / (to - from) : 0;
}

GArray *progress_rates(const GArray *steps, guint count)
{
    GArray *rates = g_array_new(FALSE, FALSE, sizeof(Progress));
    if (steps->len < 2 || count == 0)
        return rates;
    double first = g_array_index(steps, Progress, 0).at;
    double part = (g_array_index(steps, Progress, steps->len - 1).at - first) / count;
    for (guint i = 0; part > 0 && i < count; i++) {
        double from = first + i * part;
        Progress rate = {.at = from + part / 2, .bytes = progress_rate(steps, from, from + part)};
        g_array_append_val(rates, rate);
    }
    return rates;
}
