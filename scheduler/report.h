/*
 * Why a machine waits, in words for its owner, kept with the machine as SCHED_MESSAGE:
 * how many hosts failed each test, with what was needed.
 */
#pragma once

#include "scheduler/place.h"

/* The reason, without a date. (owned) */
char *sched_reason(SchedMatcher *matcher, const SchedPools *pools, const SchedStranded *stranded);

/* "Sun Nov 22 00:31:52 2026: text", as OpenNebula's users know it. (owned) */
char *sched_message(const char *text, gint64 now);
/* The text behind the date, if there is one. (borrowed) */
const char *sched_without_date(const char *message);
/* Whether two messages say the same; dates are not compared. With `but_numbers` also
 * when they differ in numbers alone. */
gboolean sched_same_message(const char *a, const char *b, gboolean but_numbers);
/* The template text that sets SCHED_MESSAGE. (owned) */
char *sched_message_template(const char *message);
