/*
 * Plain calls, read in one pass.
 *
 * Nearly every call has the same plain form: no comments, no attributes, strings, integers,
 * booleans and arrays of them. Building xmlrpc-c's tree for such a call takes longer than
 * all the rest of it; reading it here takes a tenth of that, and makes the difference
 * between half and two thirds of what the HTTP library can do. Whatever is not plain, or
 * not right, is left to xmlrpc-c to read or to refuse; where this says yes, xmlrpc-c would
 * have read the very same values (tests/fuzz/fuzz_http_body.c holds the two against each
 * other).
 */
#pragma once

#include "server/rpc/call.h"
#include "server/rpc/scan.h"

/* TRUE: read; `*method` and `*arguments` (of RpcValue *) are the caller's. FALSE: not plain.
 * Needs no rpc_scan() before. */
gboolean rpc_read_plain(const char *body, gsize length, const RpcLimits *limits, char **method,
                        GPtrArray **arguments);
