/* `onehost prepare`: what client/prepare does, from options, with progress and a report. */
#pragma once

#include "client/cli/cli.h"

CliExit cli_host_prepare(Cli *cli);
