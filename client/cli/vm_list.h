/*
 * How machines are shown: columns of lists, the page of one machine, its history.
 */
#pragma once

#include "client/cli/cli.h"

extern const CliColumn cli_vm_columns[];

/* The page of one machine: a CliPage. */
void cli_vm_page(Cli *cli, xmlNode *vm, GString *page);
CliExit cli_vm_show(Cli *cli);
CliExit cli_vm_history(Cli *cli);
/* snapshot-list, disk-snapshot-list */
CliExit cli_vm_snapshots(Cli *cli);
CliExit cli_vm_disk_snapshots(Cli *cli);
CliExit cli_vm_monitoring(Cli *cli);
