/*
 * XML-RPC as bytes: bodies of calls to values, replies to bodies.
 *
 * Calls are parsed by xmlrpc-c after scan.h has looked at them; plain.h reads the plain
 * ones, which are nearly all, without that. Replies are written here:
 * xmlrpc-c's serializer takes 55 ms for a string of 6 MB, and text from the core is escaped
 * already. Safe in any number of threads: xmlrpc-c keeps no state between calls but its
 * limits, which are set once.
 */
#pragma once

#include "server/rpc/call.h"
#include "server/rpc/scan.h"
#include <sys/uio.h>

/* Parses a body. NULL on success: `*method` and `*arguments` (of RpcValue *) are the
 * caller's. Otherwise the fault to answer with (owned): -503 not XML-RPC, -509 a limit,
 * -501 a value of a type that no method takes. */
RpcReply *rpc_decode(const char *body, gsize length, const RpcLimits *limits, char **method,
                     GPtrArray **arguments);

/* The same by xmlrpc-c alone, without the quick way for plain calls; for tests. */
RpcReply *rpc_decode_any(const char *body, gsize length, const RpcLimits *limits, char **method,
                         GPtrArray **arguments);

/* Bytes of text in a reply, as far as they are known without writing it. */
gsize rpc_reply_size(const RpcReply *reply);

/* The whole reply as one text (owned). For all but large ones. */
GString *rpc_encode(const RpcReply *reply);

/* The same bytes as pieces that point into the reply's fragments; nothing large is copied. */
typedef struct RpcPieces {
    GArray *pieces; /* of struct iovec */
    gsize length;   /* of all together */
    RpcReply *reply;
    GPtrArray *glue; /* of char *: what stands between fragments */
} RpcPieces;
RpcPieces *rpc_encode_pieces(RpcReply *reply); /* takes ownership */
void rpc_pieces_free(RpcPieces *pieces);

/* A fault as a body, for refusals made before there is a call (owned). */
GString *rpc_encode_fault(gint code, const char *text);
