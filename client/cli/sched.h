/*
 * Actions of machines and backup jobs that are done now, or at a time: --schedule and what goes
 * with it.
 */
#pragma once

#include "client/cli/cli.h"

/* Options of a command that cli_act() runs. */
#define CLI_SCHEDULE "schedule weekly monthly yearly hourly sched-end"

/* Does what the row says; with --schedule it is scheduled instead: its ARGS are what the row's
 * call has behind the id. */
CliExit cli_act(Cli *cli);
/* Do the options make sense, alone and beside each other? Asked before anything is done; what days
 * there are is for the server to say. */
gboolean cli_schedule_meant(Cli *cli, GError **error);
/* Schedules the row's command for one object; --schedule must be given. `*number` is that of the
 * scheduled action, which nobody is told yet. */
gboolean cli_schedule_add(Cli *cli, gint32 id, gint64 *number, GError **error);
void cli_schedule_tell(const Cli *cli, gint32 id, gint64 number);
/* `create-chart`: several actions, each so long after the one before it. */
CliExit cli_vm_create_chart(Cli *cli);
/* The table of scheduled actions in the page of an object. */
void cli_page_scheduled(Cli *cli, xmlNode *object, GString *page);
