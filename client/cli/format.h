/*
 * How values look: sizes, times, permissions, as OpenNebula's tools print them.
 */
#pragma once

#include <glib.h>

/* 65536 in 'K' is "64M", 15.3 in 'G' is "15.3G"; `unit` is one of K M G T P. (owned) */
char *cli_size(double amount, char unit);
/* "64M" as a number of KiB, "2" as 2, "  0d 01h02m" in minutes; FALSE when it is none. */
gboolean cli_amount(const char *text, double *amount);
/* Seconds as "  0d 00h01m". (owned) */
char *cli_span(gint64 seconds);
/* Seconds as "0h01m05s". (owned) */
char *cli_short_span(gint64 seconds);
/* "11/22 00:31:52" in local time, "-" for 0. (owned) */
char *cli_time(gint64 seconds);
/* "um-" */
char *cli_rights(gint64 use, gint64 manage, gint64 admin);
/* Columns that a text takes on a terminal; and the text cut or padded to a width, to the
 * right when width > 0, to the left when < 0, as printf does. (owned) */
guint cli_columns(const char *text);
char *cli_fit(const char *text, int width);
/* A server's message without the time that stands before it ("Sun Nov 22 02:30:01 2026: "):
 * what repeats itself with another time is no news. (borrowed) */
const char *cli_without_time(const char *message);
