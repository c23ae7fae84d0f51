/*
 * One call as it travels: decoded and authenticated by server/http in its own threads,
 * handled by the core, answered through `finish`. This is the seam between the HTTP
 * front and the rest: either side can be replaced (the simulation has no HTTP).
 */
#pragma once

#include "server/core/core.h"
#include "server/core/fragment.h"
#include <glib.h>

typedef enum {
    RPC_INT, /* <int>, <i4>, <i8> */
    RPC_BOOL,
    RPC_STRING,
    RPC_DOUBLE,
    RPC_ARRAY,
    RPC_STRUCT, /* members as alternating name and value */
    RPC_NIL,
} RpcType;

typedef struct RpcValue RpcValue;
struct RpcValue {
    RpcType type;
    gboolean is_i8; /* RPC_INT that must be sent as <i8> */
    union {
        gint64 number; /* RPC_INT, RPC_BOOL */
        double real;
        char *text;
        GPtrArray *items; /* of RpcValue *, frees its elements */
    };
};
RpcValue *rpc_value_int(gint64 number);
RpcValue *rpc_value_i8(gint64 number);
RpcValue *rpc_value_bool(gboolean value);
RpcValue *rpc_value_text(const char *text);
RpcValue *rpc_value_array(void);
RpcValue *rpc_value_struct(void);
void rpc_value_add(RpcValue *array, RpcValue *item); /* takes ownership */
void rpc_value_add_member(RpcValue *structure, const char *name, RpcValue *item);
void rpc_value_free(RpcValue *value);

/* What an answer holds. */
typedef enum {
    RPC_REPLY_RESULT, /* the whole reply is `result`: the tuple, or what introspection gives */
    RPC_REPLY_TEXT,   /* tuple [true, <string made of fragments>, 0]: large answers, sent without
                         copying */
    RPC_REPLY_FAULT,  /* XML-RPC fault */
    RPC_REPLY_MANY,   /* answers of system.multicall, in order; made by the gate only */
} RpcReplyKind;

typedef struct RpcReply {
    RpcReplyKind kind;
    RpcValue *result;
    FragmentList *text; /* already escaped for XML */
    gint fault_code;
    char *fault_text;
    GPtrArray *parts; /* of RpcReply * */
} RpcReply;
RpcReply *rpc_reply_result(RpcValue *result); /* takes ownership */
RpcReply *rpc_reply_text(FragmentList *text); /* takes ownership */
RpcReply *rpc_reply_fault(gint code, const char *text);
RpcReply *rpc_reply_many(GPtrArray *parts); /* of RpcReply *, takes ownership */
void rpc_reply_free(RpcReply *reply);

/* Who calls, as the session says. uid -1: nobody (introspection, a call that failed to
 * authenticate). */
typedef struct RpcCaller {
    gint32 uid;
    gint32 token_gid; /* group that a login token is bound to, or -1 */
} RpcCaller;

typedef struct RpcCall RpcCall;
struct RpcCall {
    CoreInput input; /* first: the call is an input of the core */
    char *method;
    GPtrArray *arguments; /* of RpcValue *, the session included at index 0 when there is one */
    RpcCaller caller;
    char *address;  /* of the client, for the log */
    guint64 number; /* for the log */
    gint64 started; /* steady microseconds */
    char *verifier; /* of the password that an argument holds, or NULL: the gate hashes it, since
                     * that takes milliseconds and the core has none to spare */
    gboolean size_known; /* a driver said how large what the call names is: see size_mb; then the
                          * call is handled for the second time */
    gint64 size_mb;
    /* Gives the answer; called exactly once, in the core thread or a worker. Takes ownership of the
     * reply. The call itself is freed by its owner after this. */
    void (*finish)(RpcCall *call, RpcReply *reply);
    gpointer owner;  /* for whoever made the call */
    gpointer server; /* the RpcServer that handles it; set by rpc_dispatch() */
};
