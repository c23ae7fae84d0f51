/*
 * Moving machines beyond the plain call: options of a live migration, a check in advance,
 * and the list of what became of earlier ones.
 */
#pragma once

#include "client/cli/cli.h"

/* Options of a migration that travel to the driver. */
#define CLI_VM_MIGRATE                                                                             \
    "max-downtime bandwidth time-limit auto-converge postcopy peer2peer tls tunnel compressed"

CliExit cli_vm_migrate(Cli *cli);
CliExit cli_vm_migrations(Cli *cli);
