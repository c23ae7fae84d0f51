/*
 * What a template asks of whoever makes a machine from it: USER_INPUTS = [ NAME =
 * "M|type|description|options|default", ... ]. M: it must be answered, O: it may. Types:
 * text, text64, password, number, number-float, range, range-float, list,
 * list-multiple, boolean, fixed.
 */
#pragma once

#include "client/cli/cli.h"

/* Answers as template text, a line each: from `given` ("A=1,B=2" or NULL), else asked for on
 * the terminal, else the defaults. Names in `skip`, which ends with NULL, are left alone. An
 * answer that does not fit, and one that is missing, is an error. (owned) */
char *cli_user_inputs(xmlNode *object, const char *given, const char *const *skip, GError **error);
