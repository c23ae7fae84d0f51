/*
 * The client's end of the wire: one XML-RPC call, coded by xmlrpc-c, carried by
 * libcurl over one kept connection. For the command line, the scheduler and tests
 * in C. Not safe for use by two threads at once.
 */
#pragma once

#include <glib.h>

typedef struct WireClient WireClient;

/* NULL endpoint: ONE_XMLRPC, ~/.one/one_endpoint, http://localhost:2633/RPC2.
 * NULL session: the file named by ONE_AUTH, or ~/.one/one_auth, or
 * $ONE_LOCATION/var/.one/one_auth, or /var/lib/one/.one/one_auth.
 * Fails when there is no session to be found, and says where it looked. (owned) */
WireClient *wire_client_new(const char *endpoint, const char *session, GError **error);
void wire_client_free(WireClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireClient, wire_client_free)
const char *wire_client_endpoint(const WireClient *client);
const char *wire_client_session(const WireClient *client);
/* Longest wait for an answer, in seconds; 0 means for ever. Default: ONE_XMLRPC_TIMEOUT or 60. */
void wire_client_set_timeout(WireClient *client, guint seconds);

/* What a successful call brought: text or a number. A list (system.listMethods) comes as
 * text with an item a line. */
typedef struct WireReply {
    char *text; /* NULL when the answer is a number */
    gint64 number;
} WireReply;
void wire_reply_clear(WireReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WireReply, wire_reply_clear)

/* Calls `method`; the session goes first by itself, except for system.*, which take none.
 * `reply` may be NULL. `format` has a letter for each
 * argument: i (int), b (gboolean), s (const char *), A (const gint32 *, guint: array of int).
 * FALSE with an error of domain ONE_ERROR: the server's own code and text,
 * ONE_ERROR_UNREACHABLE, ONE_ERROR_TIMEOUT, or for an XML-RPC fault
 * ONE_ERROR_RPC_API with "fault -506: ..."; wire_fault_code() then gives the number. */
gboolean wire_call(WireClient *client, WireReply *reply, GError **error, const char *method,
                   const char *format, ...);
/* The fault code of the last call (such as -506 for an unknown method), 0 for none. */
gint wire_fault_code(const WireClient *client);
