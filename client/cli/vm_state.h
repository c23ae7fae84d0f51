/*
 * States of machines: numbers on the wire, official and short names, and what they
 * mean to somebody who waits.
 */
#pragma once

#include "client/cli/cli.h"

/* "RUNNING", "POWEROFF": the name of the life-cycle state when the machine is ACTIVE. */
const char *cli_vm_state_name(gint64 state, gint64 lcm_state);
const char *cli_vm_short_name(gint64 state, gint64 lcm_state);
const char *cli_vm_main_name(gint64 state);    /* "ACTIVE" */
const char *cli_vm_lcm_name(gint64 lcm_state); /* "LCM_INIT", "RUNNING" */
/* For CliKind. A name may be short, and in any case of letters. */
void cli_vm_state(xmlNode *object, CliState *state);
const char *cli_vm_state_named(const char *word);
int cli_vm_state_number(const char *word);
/* "live-migrate" for 2. */
const char *cli_vm_action_name(gint64 action);
