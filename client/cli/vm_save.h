/*
 * `onevm save`: a template, and images, of a machine as it is.
 */
#pragma once

#include "client/cli/cli.h"

CliExit cli_vm_save(Cli *cli);
