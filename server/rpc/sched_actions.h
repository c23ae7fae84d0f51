/*
 * Scheduled actions as calls make them: what ACTION and ARGS may be for machines, SCHED_ACTION in
 * templates of machines, and what is shared with other owners.
 */
#pragma once

#include "server/model/machine/sched_action.h"
#include "server/rpc/method.h"

/* Whether the owner can have this action; the request's error when not. */
typedef gboolean (*SchedFits)(Request *request, const Object *owner, const SchedAction *action);

/* The methods schedadd, schedupdate and scheddelete of request->object: the vector is argument 2 or
 * 3, the id of an action argument 2. `origin` as in sched_action_parse(). */
RpcReply *request_sched_add(Request *request, gint64 origin, SchedFits fits);
RpcReply *request_sched_update(Request *request, gint64 origin, SchedFits fits);
RpcReply *request_sched_delete(Request *request);

/* Takes the vectors SCHED_ACTION out of a template: for a new machine (`vm` NULL), or for one that
 * has some: those with the ID of one of its own change it. Nothing is done to the machine yet. NULL
 * with the request's error. (owned, of SchedAction; new ones have the id -1) */
GPtrArray *request_take_sched_actions(Request *request, const Vm *vm, Template *template);
/* Gives them to the machine. */
void request_give_sched_actions(Request *request, Vm *vm, GPtrArray *actions);

/* The call that an action is, in the name of that user; `arguments` as for rpc_run_as(). */
StartResult sched_action_call(RpcServer *server, const SchedAction *action, gint32 uid,
                              const char *method, GPtrArray *arguments, GError **error);
/* Has the life cycles start scheduled actions of machines by calls in their owners' names. */
void sched_actions_connect(RpcServer *server);
