/*
 * A cheap look at the body of a call before the XML parser gets it.
 *
 * xmlrpc-c builds a tree of the whole document and walks it recursively, and the parser
 * inside it is an old one, so what it is given must be harmless: no document type
 * (hence no entities), bounded nesting and number of elements, and only the elements of
 * XML-RPC, without attributes but on the root (names go into hash tables that can be made
 * to degenerate). One pass, no allocation unless it refuses.
 */
#pragma once

#include <glib.h>

/* Fault codes of xmlrpc-c that the front answers with itself. */
enum {
    RPC_FAULT_TYPE = -501,      /* an argument is missing or of the wrong type */
    RPC_FAULT_PARSE = -503,     /* not XML-RPC */
    RPC_FAULT_NO_METHOD = -506, /* unknown method */
    RPC_FAULT_REFUSED = -507,   /* known, but not here */
    RPC_FAULT_LIMIT = -509,     /* too large, too deep, too many */
};

typedef struct RpcLimits {
    gsize bytes;    /* of a body */
    guint nesting;  /* arrays and structs inside each other; at most RPC_NESTING_MOST */
    guint elements; /* XML elements in a body */
} RpcLimits;

#define RPC_NESTING_MOST 1000

/* TRUE: may be parsed. FALSE: `*code` is a fault code and `*text` says why (owned). */
gboolean rpc_scan(const char *body, gsize length, const RpcLimits *limits, gint *code, char **text);
