/*
 * Every option of every program, once. Commands name them by key.
 */
#pragma once

#include "client/cli/cli.h"

/* Keys that several commands share. */
#define CLI_GLOBAL  "user password endpoint verbose help version"
#define CLI_FORMATS "xml json yaml"
#define CLI_LIST                                                                                   \
    "list csv csv-del filter operator order no-header size adjust expand no-expand describe "      \
    "numeric no-color pager no-pager " CLI_FORMATS
#define CLI_WAIT "wait wait-timeout"

/* NULL when no option has this key. */
const CliOption *cli_option_row(const char *key);
/* "-f, --file FILE" for help texts. (owned) */
char *cli_option_usage(const CliOption *option);
/* The rows whose keys stand in `keys`, in that order. (container owned) */
GPtrArray *cli_options_of(const char *keys);
/* The option with this letter among those of `keys`, or NULL. */
const CliOption *cli_option_letter(const char *keys, char letter);
/* The option that starts with the first `length` letters of `name` among those of `keys`;
 * NULL when there is none, or several of which none has just this name. */
const CliOption *cli_option_named(const char *keys, const char *name, gsize length,
                                  gboolean *several);
