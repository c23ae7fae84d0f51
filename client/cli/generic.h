/*
 * Commands that every kind has in the same way: list, top, show, wait, chmod and those
 * that make something; columns and the pieces of a `show` page that many share.
 */
#pragma once

#include "client/cli/cli.h"

CliExit cli_run_list(Cli *cli);
/* The elements of the kind in an answer, as the options of lists say. NULL with the error. (owned)
 */
char *cli_list_text(Cli *cli, xmlDoc *doc, GError **error);
CliExit cli_run_top(Cli *cli);
CliExit cli_run_wait(Cli *cli);
/* A command of OpenNebula's that has nothing to do here: fails with the row's help, which says why
 * and what to use instead. */
CliExit cli_run_absent(Cli *cli);

/* Prints one object: in a machine-readable format, or by `page`. */
CliExit cli_show(Cli *cli, gint32 id, CliPage page);

/* `show` of the objects in hand, one's own if there is none, by the kind's page. */
CliExit cli_run_show(Cli *cli);
/* Makes the row's call once and prints the id of what was made. */
CliExit cli_run_new(Cli *cli);

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
/* Title, id, name; owner, group and lock if it has them. */
void cli_page_head(Cli *cli, xmlNode *object, GString *page, const char *what);
/* What is in its template, under a heading; nothing when that is empty. */
void cli_page_template(const Cli *cli, xmlNode *object, GString *page, const char *title);
/* "0 (h1), 3 (h4)": ids at that path with the names of their kind. */
void cli_page_members(Cli *cli, xmlNode *object, GString *page, const char *label,
                      const CliKind *kind, const char *path);
/* A table with its heading; nothing when there is no row. */
void cli_page_table(const Cli *cli, GString *page, const char *title, const CliColumn *columns,
                    xmlNode *parent, const char *path);

/* `chmod`: three octal digits as nine numbers for the kind's own chmod method. */
CliExit cli_run_chmod(Cli *cli);

/* Columns of owner and group, and the time at `REGTIME`. (owned) */
char *cli_column_user(const Cli *cli, xmlNode *object);
char *cli_column_group(const Cli *cli, xmlNode *object);
char *cli_column_regtime(const Cli *cli, xmlNode *object);
/* How many elements of that path; their texts with commas between. (owned) */
char *cli_count_of(xmlNode *object, const char *path);
char *cli_ids_of(xmlNode *object, const char *path);
