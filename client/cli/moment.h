/*
 * Moments as people write them on the command line.
 */
#pragma once

#include <glib.h>

/* What moment() takes, for error texts and help. */
#define CLI_MOMENTS                                                                                \
    "\"2027-01-31 18:00\", \"01/31 18:00\", \"18:00\", now, now+2h, or seconds since 1970"

/* Seconds since 1970 of a moment in local time; without a date the next such time, without a year
 * the next such day. `now` is asked for by tests. FALSE: it is none. */
gboolean cli_moment(const char *text, gint64 now, gint64 *moment);
/* "10/2026" or "2026-10". */
gboolean cli_month(const char *text, gint32 *month, gint32 *year);
