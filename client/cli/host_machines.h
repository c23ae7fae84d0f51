/* `onehost flush` and `onehost importvm`: machines that leave a host, and machines found there. */
#pragma once

#include "client/cli/cli.h"

CliExit cli_host_flush(Cli *cli);
CliExit cli_host_import(Cli *cli);
