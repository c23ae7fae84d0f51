/* What takes calls from the front (or from the simulation) and has them handled. */
#pragma once

#include "server/auth/session.h"
#include "server/lifecycle/lifecycle.h"
#include "server/rpc/call.h"
#include "server/rpc/consoles.h"
#include "server/store/store_sqlite.h"

typedef struct RpcServer RpcServer;

/* `sessions` and `history` may be NULL (simulation). All stay the caller's. (owned) */
RpcServer *rpc_server_new(World *world, Lifecycle *lifecycle, Sessions *sessions, History *history);
void rpc_server_free(RpcServer *server);
/* Whom the listener may connect to a console. (borrowed until the server is freed) */
Consoles *rpc_server_consoles(RpcServer *server);
/* Takes an authenticated call; call->finish is called when it is answered. Any thread. */
void rpc_dispatch(RpcServer *server, RpcCall *call);
/* Whether the method's answer needs nothing of the model. Any thread. */
gboolean rpc_is_stateless(const RpcServer *server, const char *method);
/* The answer to an authenticated call of such a method, given by the calling thread; NULL: it
 * must go by rpc_dispatch() after all, since its arguments do not fit. (owned) */
RpcReply *rpc_answer_now(RpcServer *server, RpcCall *call);
/* Tells the table of sessions about every user; at the start. */
void rpc_server_publish_users(RpcServer *server);
