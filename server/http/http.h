/*
 * The listener of oned: HTTP by libmicrohttpd, epoll and a few threads.
 *
 * A POST to /RPC2 (XML-RPC) or /api/<method> (JSON) is gathered, decoded and handed on as an
 * RpcCall; its connection sleeps, without a thread, until the call is finished from any thread.
 * Everything that a peer can make grow has a limit here. Knows neither users nor the model.
 */
#pragma once

#include "server/rpc/call.h"
#include <glib.h>

typedef struct HttpOptions {
    const char *address; /* to listen on: an IPv4 or IPv6 address */
    guint16 port;        /* 0: any free one, see http_port() */
    guint threads;       /* that serve connections; 0: as many as there are processors, up to 4 */

    gsize body_bytes;   /* of one request */
    gsize bodies_bytes; /* of all requests being received or worked on, together */
    guint nesting;      /* arrays and structs inside each other in a call */
    guint elements;     /* XML elements in a call */

    guint connections;             /* open at a time */
    guint connections_per_address; /* the same for one peer that is not this computer; 0: no limit.
                                    * An IPv6 network of 64 bits counts as one peer. */
    guint in_flight;               /* calls being worked on; more are answered 503 */
    guint request_seconds;         /* to send a request, from its first byte to its last */
    guint reply_seconds;           /* to take a reply; a large one gets more, see connection.h */
    guint idle_seconds;            /* until a silent connection is closed */
    guint stop_seconds;            /* that http_stop() waits for calls in flight */

    /* Asked first, in a thread of the listener, with the data of HttpDispatch: the answer to a call
     * that nobody else is needed for (owned), or NULL to have it dispatched. May be NULL. */
    RpcReply *(*answer_now)(RpcCall *call, gpointer data);

    const char *tls_certificate; /* PEM files; NULL: plain HTTP */
    const char *tls_key;

    struct Consoles *consoles; /* whose tokens are honoured; NULL: none. Stays the caller's. */
} HttpOptions;

/* Defaults for everything; 127.0.0.1:2633, no TLS. */
HttpOptions http_options_default(void);

/* Is given each call, in a thread of the listener; must not block. The call is answered by
 * its `finish`, at once or later, exactly once, and is gone then. */
typedef void (*HttpDispatch)(RpcCall *call, gpointer data);

typedef struct Http Http;

/* Listens. Raises the limit on open files as far as the options need and the system allows;
 * with fewer the number of connections is lowered, with a warning. (owned)
 * Errors: ONE_ERROR_INTERNAL, saying what to do. */
Http *http_start(const HttpOptions *options, HttpDispatch dispatch, gpointer data, GError **error);

/* The port listened on. */
guint16 http_port(const Http *http);

/* Takes over body_bytes, nesting, connections_per_address, in_flight and request_seconds; the
 * rest of the options stays. For what comes from now on: nothing that is open or at work is ended
 * because a number has become smaller, but what is being received is measured anew. */
void http_change_limits(Http *http, const HttpOptions *options);

/* Takes no more connections, waits a little for the calls in flight, answers the rest with
 * 503, and ends. A call may still be finished afterwards; its reply goes nowhere. */
void http_stop(Http *http);

/* How the listener is doing. */
typedef struct HttpFigures {
    guint connections; /* open now */
    guint in_flight;   /* calls being worked on now */
    guint64 calls;     /* handed on since the start */
    guint64 refused;   /* requests answered with an error before they became calls */
    guint64 cut;       /* connections cut off: too slow, or too many of one peer */
} HttpFigures;
HttpFigures http_figures(const Http *http);
