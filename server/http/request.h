/*
 * One request: from its head to the last byte of its reply.
 *
 * Two hold a request: its connection, until libmicrohttpd says that it is done with it,
 * and its call, until that is finished. Either may come first when oned stops, so it is
 * counted. The connection is put to sleep before the call is handed on; so the reply,
 * which may be there at once, always finds it asleep.
 */
#pragma once

#include "server/http/connection.h"
#include "server/http/http.h"
#include "server/rpc/scan.h"
#include <microhttpd.h>

typedef struct Request Request;

/* What requests share. Each of them holds a reference, since a call may be finished after
 * the listener is gone. */
typedef struct RequestHub {
    gint references;
    HttpOptions options; /* as they were at the start; of the next group these count */
    _Atomic gsize body_bytes;
    _Atomic guint nesting, in_flight_most;
    HttpDispatch dispatch;
    gpointer data;
    Peers *peers;

    _Atomic gint stopping;
    _Atomic guint open;      /* requests that their connection holds */
    _Atomic guint in_flight; /* calls handed on and not finished */
    _Atomic guint relays;    /* consoles that are open */
    _Atomic gsize bodies;    /* bytes held for requests */
    _Atomic guint64 calls, refused;
} RequestHub;

RequestHub *request_hub_new(const HttpOptions *options, HttpDispatch dispatch, gpointer data);
void request_hub_unref(RequestHub *hub);
/* Takes over the limits of requests that http_change_limits() names. From any thread. */
void request_hub_limit(RequestHub *hub, const HttpOptions *options);

/* For libmicrohttpd: the handler of requests and the notice that one is over. `hub` is a
 * RequestHub. */
enum MHD_Result request_handle(void *hub, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_size, void **request);
void request_completed(void *hub, struct MHD_Connection *connection, void **request,
                       enum MHD_RequestTerminationCode reason);

/* What belongs to one thread that serves connections. */
typedef struct RequestThread {
    int wake;              /* eventfd: readable when requests were answered, until read */
    Request *_Atomic done; /* answered by other threads; newest first */
    Request *flying;       /* handed on and not over; the thread's own */
} RequestThread;

/* The requests of the calling thread belong to `thread` from now on. */
void request_thread_enter(RequestThread *thread);
/* Wakes the connections of the requests that were answered; how many. */
guint request_thread_resume(RequestThread *thread);
/* Answers this thread's calls in flight with 503; their finish has no effect any more. */
void request_thread_abandon(RequestThread *thread);

/* Hands on the calls that came in this thread since the last time. They are gathered for one
 * round of its loop: the core then wakes once for all that came together, and can commit them
 * together. Returns how many. */
guint request_hand_on_gathered(RequestHub *hub);
