/*
 * Answers as XML, JSON or YAML, made from the document without knowing what is in it:
 * an element with children is an object, elements of one name are an array, text is a
 * string, an empty element is an empty object. So do OpenNebula's tools.
 */
#pragma once

#include "client/cli/cli.h"

typedef enum { CLI_PLAIN, CLI_XML, CLI_JSON, CLI_YAML } CliFormat;

/* The format that the options ask for. */
CliFormat cli_format(const Cli *cli);
/* The document as text of that format, which is not CLI_PLAIN. (owned) */
char *cli_format_document(xmlDoc *doc, CliFormat format);
/* Writes to standard output, through the pager when --pager is given and it is a terminal. */
void cli_print(const Cli *cli, const char *text);
