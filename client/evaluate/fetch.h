/*
 * A download inside a guest, told to it from outside, by one of two ways: a small service in
 * the guest (share/examples/guest has it), or ssh. Both run the same script there,
 * share/examples/guest/fetch, which says how far it is.
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
    char *sum; /* SHA-256 that the guest found; NULL unless done */
    char *why; /* why it is not done; NULL when it is */
} FetchResult;

void fetch_result_clear(FetchResult *result);

/* How a guest can be told, found by trying: the service first, then ssh as `login`. Fails
 * with what each of them answered, and what to do. The result is static: "service", "ssh". */
const char *fetch_find_way(const char *address, const char *login, GError **error);
/* Starts a download; `epoch` as for pingers. (owned; fetch_stop) */
Fetch *fetch_start(const char *way, const char *address, const char *login, const char *url,
                   gint64 epoch, GError **error);
/* Bytes so far; TRUE in `over` when it has ended, well or not. */
double fetch_look(Fetch *fetch, gboolean *over);
/* Ends it, and fills in what it came to. */
void fetch_stop(Fetch *fetch, FetchResult *result);

/* One line of the script, told at a moment. For tests. */
void fetch_take_line(FetchResult *result, const char *line, double at);
