/*
 * Where the text of a template comes from: a file, standard input, or an editor that
 * starts with what the object has now.
 */
#pragma once

#include "client/cli/cli.h"

/* Content of a file; "-" is standard input. (owned) */
char *cli_read_file(const char *path, GError **error);
/* A template in today's form: as it is, and the server judges it, unless only the rules of 2009
 * allow it (comments behind values, single quotes): then it is rewritten. (owned) */
char *cli_todays_text(const char *text);
/* The template in a file, in that form. (owned) */
char *cli_read_template(const char *path, GError **error);
/* All of standard input when something is piped in; NULL without error on a terminal. (owned) */
char *cli_read_input(GError **error);
/* For `update` and its kind: the file named by the command's last argument or --file, else
 * standard input, else the editor on the present template of the object. (owned) */
char *cli_template_text(Cli *cli, gint32 id, GError **error);
/* The first half of that: the file or standard input. NULL without an error, and not `*chosen`:
 * there is neither. (owned) */
char *cli_given_text(Cli *cli, gboolean *chosen, GError **error);
/* For `create` and its kind: the same without an editor, and with the name that --name tells;
 * --name alone will do. (owned) */
char *cli_new_text(Cli *cli, GError **error);
/* Lets the user change a text with $VISUAL, $EDITOR or vi. (owned) */
char *cli_edit(const char *text, GError **error);
/* Asks for a password on the terminal, without echo. (owned) */
char *cli_ask_password(const char *prompt, GError **error);
/* An element's children as template text: NAME="value", NAME=[ ... ]. (owned) */
char *cli_template_of(xmlNode *element);
