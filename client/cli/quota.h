/*
 * Quotas of users and groups: columns and tables of what is used and what is the limit, and the
 * commands that set limits.
 */
#pragma once

#include "client/cli/cli.h"

/* "  3 /  10", for a user or group of a pool or alone. (owned) */
char *cli_quota_vms(const Cli *cli, xmlNode *object);
char *cli_quota_memory(const Cli *cli, xmlNode *object);
char *cli_quota_cpu(const Cli *cli, xmlNode *object);
char *cli_quota_pci(const Cli *cli, xmlNode *object);
/* All that is used and limited, a table a type. */
void cli_page_quota(const Cli *cli, xmlNode *object, GString *page);

/* `quota`, `batchquota` and `defaultquota` of the command's kind. */
CliExit cli_run_quota(Cli *cli);
CliExit cli_run_batchquota(Cli *cli);
CliExit cli_run_defaultquota(Cli *cli);
