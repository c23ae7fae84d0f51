/*
 * Files with one login token each, ~/.one/DIGEST.token, named as by OpenNebula's oneuser: which
 * of a user's tokens one acts with is told by ONE_AUTH.
 */
#pragma once

#include "client/cli/cli.h"

/* The calls that follow are made as this user, whose password is asked for; --user goes before. */
void user_act_as(Cli *cli, const char *name);
/* `token-set`: writes the file of the token that --token, --group or --global means, and prints
 * the lines for the shell. */
CliExit user_token_set(Cli *cli);
/* `token-delete`: of a named user the whole token, of oneself its beginning will do. */
CliExit user_token_delete(Cli *cli);
