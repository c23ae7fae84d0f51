/*
 * Hooks as they are run. What was decided is committed first, with a record of the execution that
 * is under way; then the driver of hooks is asked. So a program is started at most once for each
 * record: when oned or the driver dies in between, the record says that nobody knows whether it
 * ran, and only a person has it run again (one.hook.retry).
 */
#pragma once

#include "server/lifecycle/lifecycle.h"
#include "server/model/hook.h"

/* Some hook waits for calls of that name. Costs nothing while there are no hooks. */
gboolean hooks_wait_for(World *world, const char *call);
/* Runs the hooks that wait for it; `info` is the XML that $API stands for, not coded. */
void hooks_called(Lifecycle *lifecycle, const char *call, const char *info);
/* Runs it once more, as in that record. The new record's number. */
gint32 hook_retry(Lifecycle *lifecycle, Hook *hook, const HookRun *run);
