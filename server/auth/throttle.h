/*
 * How long must the next attempt wait? Counts failures by key (a user, an address) in a
 * table of fixed size; when it is full, the key with the fewest failures is forgotten.
 * Failures are halved each minute. Not locked: the owner does that.
 */
#pragma once

#include <glib.h>

typedef struct Throttle Throttle;

/* The first `free` failures cost nothing, the next `delay_usec`, then twice as much each
 * time, `most_usec` at most. */
Throttle *throttle_new(guint free_failures, gint64 delay_usec, gint64 most_usec);
void throttle_free(Throttle *throttle);

/* Delay for an attempt now, in microseconds. */
gint64 throttle_delay(Throttle *throttle, const char *key, gint64 now);
/* The same, one after the other: attempts at the same time wait for each other. -1: more
 * wait than are let wait. */
gint64 throttle_queue(Throttle *throttle, const char *key, gint64 now);
void throttle_failed(Throttle *throttle, const char *key, gint64 now);
void throttle_forgive(Throttle *throttle, const char *key);
