/*
 * Texts made from the tables: help, man pages, bash completion.
 */
#pragma once

#include "client/cli/cli.h"

/* All commands of a program; one command. (owned) */
char *cli_help_program(const CliKind *kind);
char *cli_help_command(const CliKind *kind, const CliCommand *command);
/* Man page in roff. (owned) */
char *cli_man(const CliKind *kind);
/* Completion for bash, for all programs. (owned) */
char *cli_completion(void);
/* Names of the programs, a line each. (owned) */
char *cli_programs(void);
/* Breaks text into lines of at most `width` columns, each after `indent` blanks; line
 * ends in the text stay. (owned) */
char *cli_wrap(const char *text, guint indent, guint width);
