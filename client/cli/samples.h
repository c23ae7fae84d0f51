/*
 * The `monitoring` commands: the latest samples of an object, as a table or by name.
 */
#pragma once

#include "client/cli/cli.h"

/* Shows the samples of the object in hand; when the command's 2nd argument names a value
 * (such as CPU or CAPACITY/FREE_CPU), only it. */
CliExit cli_show_samples(Cli *cli, const char *method, const CliColumn *columns);
/* A sample's time, for a column. (owned) */
char *cli_sample_time(const Cli *cli, xmlNode *sample);
