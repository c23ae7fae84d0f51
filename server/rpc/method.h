/*
 * The method table: a row a method and client generation. From a row come the checks of
 * arguments and rights, introspection, and the page of methods in share/doc.
 */
#pragma once

#include "lib/base/error.h"
#include "server/auth/access.h"
#include "server/lifecycle/lifecycle.h"
#include "server/model/network/vrouter.h"
#include "server/model/world.h"
#include "server/rpc/call.h"
#include "server/store/store_sqlite.h"

typedef struct RpcServer RpcServer;
typedef struct RpcMethod RpcMethod;

/* A call on its way through its handler. */
typedef struct Request {
    RpcServer *server;
    World *world;
    Lifecycle *lifecycle;
    RpcCall *call;
    const RpcMethod *method;
    User *caller;
    User bound;     /* the caller, when a token restricts them to one group; else empty */
    Object *object; /* of methods that name one */
    gboolean old;   /* the caller is of a generation whose replies have no codes */
    guint64 seen;   /* for readers: newest batch whose changes the answer shows */
    GError *error;  /* set by a handler that fails */
    char *gone;     /* for hooks: what the call deletes, as XML; or NULL */
    char *asks;     /* a driver must agree to this first; the error is only for now */
} Request;

/* Which right a method needs; there is no value for "forgotten". */
typedef enum {
    NEED_NOTHING = 1, /* introspection: not even a session */
    NEED_SESSION,     /* any user */
    NEED_USE,
    NEED_USE_LOCKED, /* use, and a lock does not matter: info */
    NEED_MANAGE,
    NEED_MANAGE_LOCKED, /* lock and unlock themselves */
    NEED_ADMIN,
    NEED_CREATE,    /* on the kind */
    NEED_LISTED,    /* pools: each member is filtered */
    NEED_OWN_CHECK, /* the handler asks for what depends on its arguments */
    NEED_ONEADMIN,  /* user 0 and members of group 0 */
} Need;

/* Flags of a row. */
enum {
    ROW_EXACT = 1 << 0,  /* only when the number of arguments is exactly this */
    ROW_OLD = 1 << 1,    /* a shape of 1.2 to 2.2: replies without codes */
    ROW_HIDDEN = 1 << 2, /* not listed by introspection beside the present shape */
    /* The answer depends on nothing but the arguments and this table: the thread that took the
     * call gives it. Its handler must not touch the world, which is NULL then. */
    ROW_STATELESS = 1 << 3,
};

struct RpcMethod {
    const char *name;
    /* Letters of the arguments after the session: i int, b boolean, s string, A array of int;
     * those after '|' may be left out. More than these are ignored, as clients expect. */
    const char *arguments;
    const char *result; /* "int", "string": for introspection */
    Kind kind;          /* of the object or pool; KIND_NONE */
    Need need;
    /* NULL: answered later, or an error in request->error. */
    RpcReply *(*handle)(Request *request);
    const char *help;
    guint flags;
    /* Place of the object's id among the arguments after the session, from 1; 0: none. */
    guint id_at;
    const char *operation; /* word of VM_ADMIN_OPERATIONS and its like, which may change `need` */
};

const RpcMethod *rpc_methods(guint *count);

/* ---- for handlers ---- */

/* Arguments after the session, from 1; those left out give `otherwise`. */
gint32 arg_int(const Request *request, guint at, gint32 otherwise);
gboolean arg_bool(const Request *request, guint at, gboolean otherwise);
const char *arg_text(const Request *request, guint at, const char *otherwise);
guint arg_count(const Request *request);
const RpcValue *arg_value(const Request *request, guint at);

RpcReply *reply_int(Request *request, gint64 number);
RpcReply *reply_text(Request *request, const char *text);
RpcReply *reply_done(Request *request); /* 1.2: only "true" */
/* The failure of request->error, or of the code and text given; always returns NULL. */
RpcReply *reply_error(Request *request, OneError code, const char *format, ...) G_GNUC_PRINTF(3, 4);
RpcReply *reply_failure(Request *request); /* request->error is set */
/* Answers a call whose handler returned NULL without an error, later. */
void request_finish_later(RpcCall *call, RpcReply *reply);
/* The same with a text, and with a failure. */
void request_answer_later(RpcCall *call, const char *text);
void request_fail_later(RpcCall *call, const GError *error);

/* Handles a call whose handler returned NULL without an error from its beginning: caller, rights,
 * arguments, and the handler again. In the core thread. */
void request_handle_again(RpcCall *call);

VmAsker request_asker(const Request *request);
/* The object, or an error in the words of the wire. */
Object *request_object(Request *request, Kind kind, gint32 id);
gboolean request_may(Request *request, Right right, Kind kind, Object *object);
/* The right that an operation on machines needs: as the user's template says, else that of the
 * primary group, else the configuration; else `otherwise`. */
Right operation_right(World *world, const User *user, const char *operation, Right otherwise);
/* Template argument; a parse error becomes the request's. (owned) */
Template *request_template(Request *request, guint at);
/* A new object of this kind may have the name: it is one, and no other has it, so `equal` is NULL.
 * FALSE with the request's error. */
gboolean request_name_is_free(Request *request, Kind kind, const char *name, const Object *equal);
/* The same for kinds of which two users may have one of the same name. */
gboolean request_own_name_is_free(Request *request, Kind kind, const char *name);
/* The permissions that a new object of the caller gets. */
guint request_new_permissions(const Request *request);
/* A new machine of the caller, made from `given`, whose attributes it takes; NULL with the
 * request's error. Without a name of its own it is called `otherwise_named` and its id, when that
 * is given. `trusted`: an administrator wrote the template, who may use restricted attributes. */
Vm *request_new_machine(Request *request, Template *given, const char *otherwise_named,
                        gboolean hold, gboolean trusted);
/* The same for a machine of a router, whose cards and ids it gets. */
Vm *request_new_router_machine(Request *request, const VRouter *router, Template *given,
                               gboolean hold, gboolean trusted);
/* Puts `change` (taken) in the place of the template, or merges it. FALSE with the request's error,
 * and the template is as it was. */
gboolean request_change_template(Request *request, Template **template, Template *change,
                                 gboolean append);
/* Members of a pool that the caller may see, in the order of the wire (newest first); filter as in
 * share/doc/using-the-api.md. NULL with an error for a wrong filter. */
GPtrArray *request_visible(Request *request, Kind kind, gint32 filter);
/* Cuts [start, end] out of a list: see share/doc/using-the-api.md. */
void request_page(GPtrArray *objects, gint32 start, gint32 end);
/* A pool's answer made of fragments. Takes the list. */
RpcReply *reply_pool(Request *request, Kind kind, GPtrArray *objects, gboolean full,
                     const char *tail);
/* The object as all may see it: without what opens doors, such as the password of a machine's
 * screen. Rendered once until it changes. (borrowed until then) */
Fragment *rendering_for_all(World *world, Object *object, gboolean full);
RpcReply *reply_object(Request *request, Object *object);
/* Asks the database in a worker, and answers then with a SQL_COMMAND or why not. */
RpcReply *reply_query(Request *request, const char *sql);
/* Reads monitoring history in a worker and answers then. */
RpcReply *reply_history(Request *request, HistoryKind kind, GArray *ids, gint64 since,
                        gboolean last_only);
