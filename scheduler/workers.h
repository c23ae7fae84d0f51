/*
 * Many calls at once: a few connections to oned, each with its thread, share a list of
 * work. One at a time, ten thousand deployments would wait ten thousand times for the
 * disk of oned; sixteen at a time share its commits.
 */
#pragma once

#include "lib/wire/client.h"

typedef struct SchedWorkers SchedWorkers;

/* Connections are opened when first used. (owned) */
SchedWorkers *sched_workers_new(const char *endpoint, const char *session, guint connections,
                                guint timeout);
void sched_workers_free(SchedWorkers *workers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SchedWorkers, sched_workers_free)

/* Does one piece of work. FALSE with an error ends the whole list: the server is gone. */
typedef gboolean (*SchedWork)(WireClient *client, gpointer item, gpointer data, GError **error);

/* Calls `work` for each item of the array and returns when all are done, or not begun
 * because one ended the list (FALSE with its error). */
gboolean sched_workers_run(SchedWorkers *workers, GArray *items, SchedWork work, gpointer data,
                           GError **error);
/* Closes the connections, for servers that have few. */
void sched_workers_close(SchedWorkers *workers);
