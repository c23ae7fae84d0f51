/*
 * States of objects that have one number of a state: what it is called, and where it leads.
 * Machines, which have two, are vm_state.c's.
 */
#pragma once

#include "client/cli/cli.h"

/* A row for each number, from 0; a row without a name ends the table. */
typedef struct CliStateRow {
    const char *name, *brief;
    CliPhase phase;
} CliStateRow;

/* The row of the object's STATE; of a number that is not known, the first. */
const CliStateRow *cli_state_row(const CliStateRow *rows, xmlNode *object);
/* For CliKind.state: a broken one says TEMPLATE/ERROR. */
void cli_state_fill(const CliStateRow *rows, xmlNode *object, CliState *state);
/* For CliKind.state_named: by either name, in capitals or not; NULL: there is none. */
const char *cli_state_named(const CliStateRow *rows, const char *word);
