/*
 * What opens doors, and is told neither to hooks nor to logs: THE table of arguments, attributes
 * and elements whose values nobody needs who was not given them. A hook's record is kept, and the
 * arguments of a program can be read by others of its computer; who needs a value asks for it with
 * a call of their own.
 */
#pragma once

#include "server/model/world.h"

/* What stands in the place of a secret. */
#define SECRET_HIDDEN "****"

/* Is that argument of the call, or element of its answer, a secret as a whole? Positions from 1;
 * argument 1 is the session. */
gboolean secret_argument(const char *method, guint position, gboolean is_answer);

/* Is an attribute or element of that name one, in a vector or element called `parent` (or NULL)?
 * By the table, by what ends such names, or by one of the lists *_ENCRYPTED_ATTR of oned.conf. */
gboolean secret_attribute(const World *world, const char *parent, const char *name);

/* A template, in the form it came, native or XML, without the values of its secrets; NULL: native,
 * and it has none, or is no template. (owned) */
char *secrets_hidden(const World *world, const char *text);

/* The same of XML, from `from` to the end of `xml`, in place. */
void secrets_hide_xml(const World *world, GString *xml, gsize from);
