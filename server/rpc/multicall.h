/*
 * system.multicall: one call that holds many, each an element {methodName, params} of an
 * array. They are split into calls of their own, each with its own session; their answers
 * are gathered in order. A call that fails does not stop the others.
 */
#pragma once

#include "server/rpc/call.h"

typedef struct Multicall Multicall;

/* Splits the call. NULL: it has no right form or too many elements, and `*fault` is the
 * answer (owned). The result lives until rpc_multicall_release() was called and every inner
 * call is finished; then the outer call is finished with the answers. */
Multicall *rpc_multicall_split(RpcCall *outer, guint most, RpcReply **fault);

/* The next inner call, to be finished by whoever gets it; NULL: no more. Elements without
 * the right form are answered with a fault here. (borrowed until it is finished) */
RpcCall *rpc_multicall_next(Multicall *multicall);

/* No more calls will be asked for. */
void rpc_multicall_release(Multicall *multicall);
