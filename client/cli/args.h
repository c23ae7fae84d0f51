/*
 * Reading the command line: which command, its options, its words. And reading a
 * command's `args`, the little language that says what words it takes:
 *
 *   vm... host datastore? file? text:NAME number:DISK_ID
 *
 * A word of a kind (vm, host, user, ...) is an id or a name of that kind; "text" is taken
 * as it is, "number" is a number, "file" a file name, "password" is hidden; what stands
 * behind ":" is the word to print in the help; "..." takes a list of ids, names and
 * ranges (0,3,5..9), of a last "text" all words that follow; "?" may be left out.
 */
#pragma once

#include "client/cli/cli.h"

typedef enum {
    CLI_ARG_KIND,
    CLI_ARG_TEXT,
    CLI_ARG_NUMBER,
    CLI_ARG_FILE,
    CLI_ARG_PASSWORD
} CliArgType;

typedef struct CliArg {
    CliArgType type;
    const CliKind *kind; /* of CLI_ARG_KIND */
    char *label;         /* "host", "machines" */
    gboolean list;
    gboolean optional;
} CliArg;

void cli_arg_free(CliArg *arg);
/* The arguments of a row. A mistake in the row is an error. (owned, of CliArg) */
GPtrArray *cli_args_of(const CliCommand *command, GError **error);
/* "<machines> <host> [<datastore>]" (owned) */
char *cli_args_usage(const CliCommand *command);

/* The command called `name`, among the names of each row, or NULL. */
const CliCommand *cli_command_named(const CliKind *kind, const char *name);

/* Fills command, options and words from the arguments behind the program's name. No
 * command at all is not an error: cli->command stays NULL. Contents of --password and of
 * password words are overwritten in `argv`, since other users can read them there. */
gboolean cli_read_arguments(Cli *cli, int argc, char **argv, GError **error);
