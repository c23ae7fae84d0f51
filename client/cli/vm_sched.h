/*
 * Actions of machines that are done now, or at a time: --schedule and what goes with it.
 */
#pragma once

#include "client/cli/cli.h"

/* Options of a command that cli_vm_act() runs. */
#define CLI_SCHEDULE "schedule weekly monthly yearly hourly sched-end"

/* Does what the row says; with --schedule it is scheduled instead. */
CliExit cli_vm_act(Cli *cli);
/* The table of scheduled actions in the page of a machine. */
void cli_vm_page_scheduled(Cli *cli, xmlNode *vm, GString *page);
