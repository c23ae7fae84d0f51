/*
 * What users and groups use, and may use at most: columns such as "3 /  10", "-" for no
 * limit, and for administrators, who have none.
 */
#pragma once

#include "client/cli/cli.h"

/* (owned) */
char *cli_quota_vms(const Cli *cli, xmlNode *object);
char *cli_quota_memory(const Cli *cli, xmlNode *object);
char *cli_quota_cpu(const Cli *cli, xmlNode *object);
/* The same for a page. */
void cli_page_quota(const Cli *cli, xmlNode *object, GString *page);
