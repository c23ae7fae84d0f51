/*
 * Calls told by data. A row's `params` says what goes behind the session:
 *
 *   id            the object in hand
 *   $2 $2:-1      the 2nd argument: a number for kinds and numbers, else text;
 *                 behind ":" what to send when it was left out
 *   ?enforce      boolean: is the option given?
 *   #append       the same as a number, 0 or 1
 *   {0,live=1}    number: of the option that is given, or the first; without a first
 *                 number one of the options must be given
 *   'stop'        this text; 'poweroff/hard' is poweroff-hard when --hard is given
 *   yes no -1     booleans and numbers
 *   @template     text of a file argument, of standard input, or from the editor
 *   @file         text of the file that --file names, "" without it
 *   @new          text of a file argument or of standard input, with --name in it
 *   +image-type   text of this option, "" without it
 *   %snapshot:-1  whole number of this option; behind ":" what to send without it
 *   =cluster      the object that the option of this kind names; -1 without the option
 */
#pragma once

#include "client/cli/cli.h"

typedef struct CliValue {
    char type; /* i, b or s, as in wire_call() */
    gint32 number;
    char *text; /* owned */
} CliValue;

void cli_values_clear(GArray *values);

/* The values of a row for one object. (owned, of CliValue) */
GArray *cli_values_of(Cli *cli, const char *params, gint32 id, GError **error);
/* Can values of these types be sent? Every row's must; a test asks. */
gboolean cli_shape_known(const char *types);
/* The types that `params` gives, such as "iibs". The row's args decide about $n. (owned) */
char *cli_shape_of(const CliCommand *command, GError **error);

gboolean cli_call(Cli *cli, WireReply *reply, GError **error, const char *method,
                  const GArray *values);
/* A call with integers written as text: "-2 -1 -1". */
gboolean cli_call_numbers(Cli *cli, WireReply *reply, GError **error, const char *method,
                          const char *numbers);

/* What is done to one object of a list. */
typedef gboolean (*CliEach)(Cli *cli, gint32 id, GError **error);
/* Does it to all of them, reports each failure, goes on, waits when --wait is given. */
CliExit cli_each(Cli *cli, CliEach each);
/* Runs a command that has `method` and `params`. */
CliExit cli_run_row(Cli *cli);
