/*
 * When something that repeats is due: pure arithmetic in local time, so that what runs at 02:00
 * does so in summer and in winter. Times are seconds since the epoch. Words and numbers are those
 * of OpenNebula's SCHED_ACTION.
 */
#pragma once

#include <glib.h>

typedef enum {
    SCHED_ONCE = -1,
    SCHED_WEEKLY = 0,  /* days 0 (Sunday) to 6 */
    SCHED_MONTHLY = 1, /* days 1 to 31; past the end of a month: its last day */
    SCHED_YEARLY = 2,  /* days 0 (January 1st) to 365; past the end of a year: its last day */
    SCHED_HOURLY = 3,  /* one number: every so many hours, 1 to 168 */
} SchedRepeat;

/* The last second of the year 9999: no time is later. */
#define SCHED_TIME_MAX G_GINT64_CONSTANT(253402300799)

/* The list of days, such as "1,3,5", fits the way it repeats. FALSE with an error of
 * ONE_ERROR_INTERNAL. */
gboolean sched_days_fit(SchedRepeat repeat, const char *days, GError **error);
/* The first moment later than `after` at which what was first due at `first` is due again, at the
 * same time of day; -1 when it does not repeat, or not before the year 10000. A time of day that
 * the clocks leap over is as many minutes later; one that comes twice is the first of both. */
gint64 sched_next(SchedRepeat repeat, const char *days, gint64 first, gint64 after);
