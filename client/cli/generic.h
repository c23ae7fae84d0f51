/*
 * Commands that every kind has in the same way: list, top, show, wait; and the pieces of
 * a `show` page.
 */
#pragma once

#include "client/cli/cli.h"

CliExit cli_run_list(Cli *cli);
CliExit cli_run_top(Cli *cli);
CliExit cli_run_wait(Cli *cli);

/* Prints one object: in a machine-readable format, or by `page`, which fills in the text. */
typedef void (*CliPage)(Cli *cli, xmlNode *object, GString *page);
CliExit cli_show(Cli *cli, gint32 id, CliPage page);

/* The filter flag of pools with owners: a, m, g, G, a number, or a user's name. */
gboolean cli_filter_flag(Cli *cli, const char *word, gint32 *flag, GError **error);

/* A heading, with a blank line before it unless it is the first. */
void cli_page_title(const Cli *cli, GString *page, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* "NAME                : value" */
void cli_page_line(GString *page, const char *label, const char *value);
/* The same with what it takes over and frees. */
void cli_page_take(GString *page, const char *label, char *value);
/* Owner, group and other rights of an object that has them; its lock. */
void cli_page_rights(const Cli *cli, xmlNode *object, GString *page);
void cli_page_lock(xmlNode *object, GString *page);
/* A table with its heading; nothing when there is no row. */
void cli_page_table(const Cli *cli, GString *page, const char *title, const CliColumn *columns,
                    xmlNode *parent, const char *path);

/* `chmod`: three octal digits as nine numbers for the kind's own chmod method. */
CliExit cli_run_chmod(Cli *cli);
