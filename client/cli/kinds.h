/*
 * The kinds that have a program of their own, one file each.
 */
#pragma once

#include "client/cli/cli.h"

extern const CliKind cli_vm;
extern const CliKind cli_host;
extern const CliKind cli_user;
extern const CliKind cli_template;
