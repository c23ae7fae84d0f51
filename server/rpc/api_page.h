/* share/doc/api.md, the page of all methods, made from the table so that it is never wrong. */
#pragma once

#include "server/rpc/method.h"

char *rpc_api_page(void); /* Markdown (owned) */

/* The codes that the row can fail with, OneErrors joined with '|': a reader's promise, which rules
 * make of what the row says. */
guint rpc_failures(const RpcMethod *row);
