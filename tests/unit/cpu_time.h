/*
 * Processor time of this program in microseconds: what a piece of work costs, however busy the
 * computer is with other things. For tests that something grows no faster than it may.
 */
#pragma once

#include <glib.h>
#include <time.h>

static inline gint64 cpu_time(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}
