/*
 * The gate between the listener and the core: says who calls, before anyone works for them.
 *
 * A call arrives with a session as its first argument and leaves with `caller` filled, or
 * is answered here: wrong session, no session, too many failed attempts. Introspection needs
 * no session. system.multicall is taken apart, and each inner call goes through the gate,
 * in order. Passwords in arguments are hashed here (RpcCall.verifier), since that is slow.
 */
#pragma once

#include "server/auth/session.h"
#include "server/rpc/call.h"

typedef struct GateOptions {
    Sessions *sessions;                             /* stays the caller's */
    void (*dispatch)(RpcCall *call, gpointer data); /* where calls go; any thread */
    gpointer data;
    /* Is there such a method? Calls of others go on without a caller, to be answered
     * "not defined" rather than "not authenticated". NULL: all exist. Any thread. */
    gboolean (*exists)(const char *method);
    /* Calls that need nothing of the model are answered by the thread that took them; NULL: none
     * are. `answer_now` may leave a call to `dispatch` by NULL. Any thread. */
    gboolean (*is_stateless)(const char *method, gpointer data);
    RpcReply *(*answer_now)(RpcCall *call, gpointer data);
    guint multicall_most; /* inner calls of one system.multicall; 0: 1000 */
} GateOptions;

typedef struct Gate Gate;
Gate *gate_new(const GateOptions *options); /* (owned) */
/* No calls come any more, and the sessions are freed already. */
void gate_free(Gate *gate);

/* Takes a call; `gate` is a Gate, so that this is the dispatch function of http_start(). */
void gate_dispatch(RpcCall *call, gpointer gate);

/* The answer to a call that can be given here and now, or NULL: then it must be dispatched. The
 * call stays the caller's either way. `gate` is a Gate, for HttpOptions.answer_now. (owned) */
RpcReply *gate_answer_now(RpcCall *call, gpointer gate);

/* The answer to a call whose session is not valid, as the caller's generation reads it. `why`: a
 * sentence more, or NULL. */
RpcReply *gate_refusal(const char *method, gboolean old_form, const char *why);
