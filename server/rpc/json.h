/*
 * The same calls as JSON: bodies to arguments, replies to bodies. The rules are told in
 * share/doc/using-the-api.md. The reader is strict (RFC 8259), and bounded by the limits of calls:
 * nothing that is nested deeper than they allow is descended into. Safe in any number of threads.
 */
#pragma once

#include "server/rpc/call.h"
#include "server/rpc/scan.h"

/* Reads a body, an array (arguments by position) or an object (by name), or nothing: no arguments.
 * NULL on success: `*arguments` (of RpcValue *) is the caller's, `session` its first element unless
 * the method takes none. Otherwise the fault to answer with (owned): -503 no JSON, -509 a limit,
 * -501 an argument that the method does not have, -506 no such method. `session` NULL: the caller
 * gave none, which is answered as a wrong one. */
RpcReply *rpc_json_decode(const char *method, const char *session, const char *body, gsize length,
                          const RpcLimits *limits, GPtrArray **arguments);

/* The reply as JSON, and the status of HTTP that says the same. (owned) */
GString *rpc_json_encode(const RpcReply *reply, guint *status);
/* {"error": ...} for a fault; for refusals made before there is a call. (owned) */
GString *rpc_json_encode_fault(gint code, const char *text);

/* A text in quotes, with what JSON wants escaped. */
void rpc_json_append_text(GString *out, const char *text);

/* ---- json_read.c, json_names.c; for tests ---- */

/* A value from a text, or NULL with the reason, "at byte N: ..." (owned). */
RpcValue *rpc_json_read(const char *body, gsize length, const RpcLimits *limits, gint *code,
                        char **problem);
/* Names of a method's arguments after the session (owned), or NULL: they are given by position
 * only. `*otherwise` (owned; or NULL, not asked for): for each what it is when it is left out, as
 * JSON; "" of those that may not be, or not of today's shape. */
char **rpc_json_names(const char *method, char ***otherwise);
