/*
 * A download inside a guest, told to it from outside, by one of two ways: a small service in
 * the guest (share/examples/guest has it), or ssh. Both run the same script there,
 * share/examples/guest/fetch, which says how far it is. A guest that is ended and started anew
 * on the way can go on where it was, when it was told a name to keep what comes by.
 */
#pragma once

#include "client/evaluate/stats.h"

#define FETCH_PORT 8010 /* of the service in the guest */

typedef struct Fetch Fetch;

/* What a download came to. */
typedef struct FetchResult {
    GArray *steps; /* of Progress, from 0 bytes at the start on */
    gboolean done; /* the guest says that it has all of it */
    double bytes;
    gboolean forgotten; /* the guest says that it keeps nothing */
    double from;        /* where the guest says that it began; -1: a guest that does not say */
    char *sum;          /* SHA-256 that the guest found; NULL unless done */
    char *why;          /* why it is not done; NULL when it is */
} FetchResult;

void fetch_result_clear(FetchResult *result);

/* How a guest can be told, found by trying: the service first, then ssh as `login`. Fails
 * with what each of them answered, and what to do. The result is static: "service", "ssh". */
const char *fetch_find_way(const char *address, const char *login, GError **error);
/* A download. Texts are borrowed. */
typedef struct FetchOrder {
    const char *way, *address, *login; /* as fetch_find_way said */
    const char *url;
    const char *keep; /* a UUID, by which the guest keeps what comes; NULL: it keeps nothing */
    gint64 epoch;     /* as for pingers */
} FetchOrder;

/* Starts it, or goes on with what the guest has kept. A guest whose script is older keeps
 * nothing and begins anew. (owned; fetch_stop) */
Fetch *fetch_start(const FetchOrder *order, GError **error);
/* Has the guest remove what it has kept. FALSE: it was not heard to do so, within seconds. */
gboolean fetch_forget(const FetchOrder *order);
/* Bytes so far; TRUE in `over` when it has ended, well or not. */
double fetch_look(Fetch *fetch, gboolean *over);
/* When the guest said anything, such as that it is adding up; 0 when it has not. */
double fetch_heard(Fetch *fetch);
/* Ends it, and fills in what it came to. */
void fetch_stop(Fetch *fetch, FetchResult *result);

/* One line of the script, told at a moment. For tests. */
void fetch_take_line(FetchResult *result, const char *line, double at);
