/*
 * The command line: one program that acts by the name it is called by (onevm,
 * onehost, ...). What a program can do is data: a CliKind holds a table of commands
 * and a table of list columns; options come from one table for all (options.c).
 * Help, man pages and completion are made from the same tables. A new program is a
 * file with its two tables and one line in kinds.c; what is the same for most of them
 * is in rows.h.
 */
#pragma once

#include "lib/base/error.h"
#include "lib/wire/client.h"

#include <glib.h>
#include <libxml/tree.h>

typedef struct Cli Cli;
typedef struct CliKind CliKind;

/* What a script can rely on. Documented in share/doc/cli.md. */
typedef enum {
    CLI_DONE = 0,
    CLI_FAILED = 1,      /* the server refused, or the object ended in another state */
    CLI_USAGE = 2,       /* unknown command or option, wrong word, unreadable file */
    CLI_UNREACHABLE = 3, /* no answer from the server, or it does not accept the login */
    CLI_TIMEOUT = 4,     /* --wait ended before the state was reached */
    CLI_NO_OBJECT = 5,   /* no object of that name or id, or several */
    CLI_FORBIDDEN = 6,   /* the user may not do this, or the object is locked */
} CliExit;

/* Errors of the command line itself, beside those of ONE_ERROR. */
#define CLI_ERROR (cli_error_quark())
typedef enum { CLI_ERROR_USAGE, CLI_ERROR_NO_OBJECT, CLI_ERROR_FAILED } CliError;
GQuark cli_error_quark(void);

/* One option. `value`: NULL for a flag, "FILE" when a value must follow, "[FILE]" when
 * one may, "[=STATE]" when one may but only behind "=". `key` is what commands name;
 * the same word may be two options in two commands (-f, --all). */
typedef struct CliOption {
    const char *key;
    char letter; /* 0: none */
    const char *name;
    const char *value;
    const char *help;
} CliOption;

/* One command.
 * args: words such as "vm... host datastore? file? text:NAME number:DISK_ID"; "..." takes
 *   a list of ids and names, "?" may be left out. See args.h.
 * options: keys of the options it takes beside the global ones.
 * method, params: what is called for each object when `run` is NULL. See call.h.
 * goal: the state that --wait waits for by default; NULL: nothing to wait for.
 * goal_host: number of the argument that is the host on which that state counts; 0: none. */
typedef struct CliCommand {
    const char *group; /* heading in the help; NULL: the same as the row above */
    const char *names; /* the name, then other names for it */
    const char *args;
    const char *options;
    const char *method;
    const char *params;
    const char *goal;
    int goal_host;
    CliExit (*run)(Cli *cli);
    const char *help; /* the first sentence is the summary */
} CliCommand;

/* One column of a list. width < 0: aligned left, as in printf. The text is `path` below
 * the object, or what `text` returns (owned). */
typedef struct CliColumn {
    const char *name;
    int width;
    const char *path;
    char *(*text)(const Cli *cli, xmlNode *object);
    const char *help;
} CliColumn;

/* Fills in the text of a `show` page. */
typedef void (*CliPage)(Cli *cli, xmlNode *object, GString *page);

typedef enum { CLI_MOVING, CLI_RESTING, CLI_BROKEN, CLI_GONE } CliPhase;

/* Where an object stands, for --wait. Texts are borrowed from the object or static. */
typedef struct CliState {
    const char *name;
    CliPhase phase;
    gint64 host;       /* id of the host it is on, -1 if none */
    const char *where; /* name of that host, "" if none */
    const char *why;   /* why it waits or failed, "" if nothing is known */
    const char
        *advice; /* told once beside `why` of what may wait for ever: when it will end; or NULL */
} CliState;

struct CliKind {
    const char *word;    /* in argument lists: "vm" */
    const char *program; /* "onevm"; NULL while it has no program of its own */
    const char *noun;    /* "machine" */
    const char *plural;
    const char *element;        /* "VM" */
    const char *info;           /* method that brings one object: id, false */
    const char *pool;           /* method that lists all */
    const char *pool_arguments; /* integers for it, such as "-2 -1 -1 -1" */
    const char *otherwise;      /* command that is meant when none is named; NULL: none is */
    const char *about;          /* one paragraph for the help and the man page */
    const char *examples;       /* lines for the same */
    const CliCommand *commands; /* ended by a row without names */
    const CliColumn *columns;   /* ended by a row without name */
    const char *list;           /* columns shown when none are asked for */
    CliPage page;               /* for cli_run_show() */
    void (*state)(xmlNode *object, CliState *state);
    const char *(*state_named)(const char *word); /* official name of a state, or NULL */
    int (*state_number)(const char *word);        /* number for the pool's state filter, -1: none */
};

/* One run of the program. */
struct Cli {
    const CliKind *kind;
    const CliCommand *command;
    char *called;        /* the name by which the command was called */
    GHashTable *options; /* key → GPtrArray of its values ("" for a flag) */
    GPtrArray *words;    /* the command's arguments, as given (owned copies) */
    GArray *ids;         /* gint32: the objects named by the first argument */
    GHashTable *gaps;    /* ids that came from a range: they may be missing */
    gint32 numbers[8];   /* arguments that are ids or numbers, by position from 1 */
    WireClient *wire;    /* made when first needed: cli_wire() */
    GHashTable *pools;   /* word of a kind → xmlDoc, fetched for names */
    gboolean numeric;    /* ids of users and groups instead of their names */
    gboolean verbose;
    gboolean terminal; /* standard output is one */
};

/* All kinds, ended by NULL; kinds of this word or program. (borrowed, static) */
extern const CliKind *const cli_kinds[];
const CliKind *cli_kind_of_word(const char *word);
const CliKind *cli_kind_of_program(const char *program);

/* Runs the program called argv[0]; `onecli onevm ...` is `onevm ...`. */
CliExit cli_main(int argc, char **argv);

/* A run before its arguments are read, and its end. */
void cli_init(Cli *cli, const CliKind *kind);
void cli_clear(Cli *cli);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Cli, cli_clear)

/* NULL with an error when there is no session. (borrowed) */
WireClient *cli_wire(Cli *cli, GError **error);

/* Value of an option, "" for a flag that is given, NULL when absent; the last one counts. */
const char *cli_option(const Cli *cli, const char *key);
/* All of them, in order, or NULL. (borrowed) */
GPtrArray *cli_option_all(const Cli *cli, const char *key);
/* The nth argument, from 0; NULL past the last. (borrowed) */
const char *cli_word(const Cli *cli, guint nth);

/* Prints the error as a person should see it and returns the exit code for it. */
CliExit cli_fail(Cli *cli, const GError *error);
CliExit cli_exit_of(const GError *error);
