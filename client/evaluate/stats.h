/*
 * Figures from samples: what a trace of pings, a download and a series of moves come to.
 * All times are seconds since the evaluation began, unless a name says otherwise.
 */
#pragma once

#include <glib.h>

/* One echo request. */
typedef struct Ping {
    double sent;
    double trip; /* ms until its answer came; < 0: none came */
} Ping;

typedef struct PingSummary {
    guint sent;
    guint lost;
    double median;     /* ms; of those answered; 0 when there are none */
    double worst;      /* ms */
    double silence;    /* s, longest time between two answers, one of which may be before or after
                          the time that is asked for; 0 with fewer than two */
    double silence_at; /* when it began */
} PingSummary;

/* Of the requests (array of Ping, in the order of sending) sent from `from` up to `to`. */
PingSummary ping_summary(const GArray *pings, double from, double to);

/* How far a download was at a moment. */
typedef struct Progress {
    double at;
    double bytes;
} Progress;

/* Bytes that had come at a moment, between the steps by a straight line. */
double progress_bytes(const GArray *steps, double at);
/* Bytes a second between two moments; 0 when there is no time between them. */
double progress_rate(const GArray *steps, double from, double to);
/* The whole download in `count` parts of equal time: (middle of the part, bytes a second).
 * (owned, of Progress) */
GArray *progress_rates(const GArray *steps, guint count);

typedef struct Spread {
    guint count;
    double least, median, mean, most; /* 0 when there is no value */
} Spread;

/* Of the values that are not negative: a figure that nobody knows is -1. */
Spread spread_of(const double *values, guint count);
