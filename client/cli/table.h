/*
 * Lists: which columns, which rows, in which order and how wide, from the options that
 * all `list` commands share. Objects go in, text comes out.
 */
#pragma once

#include "client/cli/cli.h"

typedef struct CliTable CliTable;

/* Reads --list, --filter, --sort, --size, --csv and their kind; `names` are the columns
 * when --list is absent. A column that does not exist is an error. (owned) */
CliTable *cli_table_new(const Cli *cli, const CliColumn *columns, const char *names,
                        GError **error);
void cli_table_free(CliTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CliTable, cli_table_free)

/* Does the object pass --filter? */
gboolean cli_table_passes(const CliTable *table, xmlNode *object);
/* Adds a row, if it passes. */
void cli_table_add(CliTable *table, xmlNode *object);
/* The whole list as text; `width` is the terminal's, 0 for none. (owned) */
char *cli_table_text(CliTable *table, guint width);
/* One line a column, for --describe. (owned) */
char *cli_table_describe(const CliColumn *columns, const char *names);
/* A table without options: all columns, all objects of `path` below `parent`. (owned) */
char *cli_table_of(const Cli *cli, const CliColumn *columns, xmlNode *parent, const char *path);
/* Width of the terminal on standard output, 0 if it is none. */
guint cli_terminal_width(void);
