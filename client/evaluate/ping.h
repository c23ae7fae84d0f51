/*
 * Echo requests to a guest from a thread of their own, at one or more paces at once, so that
 * a trace goes on while the rest of the program asks the server. Linux gives an ICMP datagram
 * socket to every user in net.ipv4.ping_group_range, and a raw one to root.
 */
#pragma once

#include "client/evaluate/stats.h"

typedef struct Pinger Pinger;

/* `address`: IPv4 or IPv6 in numbers. `paces`: requests a second of each trace. `epoch`: the
 * monotonic time, in µs, that counts as 0. Fails when no socket can be had, with what to do.
 * (owned; pinger_stop) */
Pinger *pinger_start(const char *address, const guint *paces, guint count, gint64 epoch,
                     GError **error);
/* Answers that have come so far, to all paces. */
guint pinger_answers(Pinger *pinger);
/* Waits `patience` ms for answers still under way, ends the thread and frees the pinger.
 * Fills traces[i] with the trace of paces[i]. (owned, each of Ping) */
void pinger_stop(Pinger *pinger, guint patience, GArray **traces);

/* Does it answer within so many ms? */
gboolean ping_answers(const char *address, guint patience);
