/*
 * Hooks that wait for calls. When a call has succeeded, the hooks that wait for its name are run
 * after the commit; the caller does not wait for them. While nobody waits for a call nothing of it
 * is looked at.
 */
#pragma once

#include "server/rpc/method.h"

/* Hooks may wait for it: there is such a method, and it changes something. */
gboolean call_can_have_hooks(const RpcServer *server, const char *method);
/* Before the call is handled: what it is about to delete, as XML. NULL: nothing, or no hook asks.
 * (owned) */
char *call_hooks_before(Request *request);
/* The call is answered: runs its hooks, when it succeeded. `gone`: what call_hooks_before() said.
 */
void call_hooks_after(RpcServer *server, const RpcCall *call, const RpcReply *reply,
                      const char *gone);
