/*
 * What rules of access are made of, for other programs that make some.
 */
#pragma once

#include "client/cli/cli.h"

/* "VM+IMAGE" as the bits of a rule's resource; an unknown word is an error. */
gboolean cli_acl_kinds(const char *text, guint64 *word, GError **error);
