/*
 * Moving machines beyond the plain call: options of a live migration, a check in advance,
 * and the list of what became of earlier ones.
 */
#pragma once

#include "client/cli/cli.h"

/* Options of a migration that travel to the driver. */
#define CLI_VM_MIGRATE                                                                             \
    "max-downtime bandwidth time-limit auto-converge postcopy peer2peer tls tunnel compressed "    \
    "live-only"

/* Those that were given, as a list of the template language: MAX_DOWNTIME="50",POSTCOPY="YES";
 * empty when there are none. NULL with an error that says which value is wrong. (owned) */
char *cli_vm_migrate_wishes(Cli *cli, GError **error);

CliExit cli_vm_migrate(Cli *cli);
CliExit cli_vm_migrations(Cli *cli);
