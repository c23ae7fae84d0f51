/*
 * Looking for the next piece of work for a moment before one sleeps.
 *
 * A client that makes one call after the other sends the next as soon as it has the answer. The
 * threads that a call goes through would each be asleep by then, and to be woken costs 10 to 50
 * microseconds of the processor and of the client's time: as much as the call itself, and three
 * times a call. So a thread that had a single piece of work looks for the next a little longer
 * than the way back and forth takes. It gives the processor away after each look, so that it only
 * takes what nobody else wants, and it sleeps as ever when more than one piece came (there will be
 * work when it looks) or none (it lingered once already).
 */
#pragma once

#include <glib.h>

/* The moment at which one who begins to look now gives up; in microseconds. */
gint64 linger_until(gint64 usec);
/* Lets others have the processor. FALSE: the time is over. */
gboolean linger_on(gint64 until);
