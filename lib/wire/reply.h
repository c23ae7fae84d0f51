/*
 * Reading an XML-RPC answer. Every generation's tuple is understood:
 * [true, value, 0], [false, text, code, id, index], [true, value], [true], [false, text].
 * Used by lib/wire/client.c and its tests.
 */
#pragma once

#include "lib/wire/client.h"

/* `fault_code` gets the
 * number of an XML-RPC fault, or 0. FALSE with an error as wire_call() tells. */
gboolean wire_reply_parse(WireReply *reply, const char *body, gsize length, gint *fault_code,
                          GError **error);
