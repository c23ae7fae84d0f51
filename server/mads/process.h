/* One driver process and what is waiting for it. Everything here runs in the mads thread. */
#pragma once

#include "server/lifecycle/outside.h"
#include <gio/gio.h>

typedef struct Process Process;

/* What the owner wants to hear; called in the mads thread. */
typedef struct ProcessEvents {
    /* An answer, an event or a log line, as read. Tells which request it answers (0: none known).
     */
    void (*line)(Process *process, guint64 number, const char *text, gpointer data);
    /* The process ended before it answered this request. */
    void (*lost)(Process *process, guint64 number, gpointer data);
    /* It is ready; `said`: what followed INIT SUCCESS. */
    void (*ready)(Process *process, const char *said, gpointer data);
    /* It cannot be started, or ends before it is ready: `request`, which waited, is answered so. */
    void (*refused)(Process *process, const DriverRequest *request, const char *reason,
                    gpointer data);
} ProcessEvents;

/* `argv` and `environment` are copied. (owned) */
Process *process_new(GMainContext *context, DriverClass class, const char *name, char **argv,
                     char **environment, guint64 epoch, const ProcessEvents *events, gpointer data);
void process_free(Process *process); /* kills what still runs */
/* Queues a request and starts the process when needed. Takes ownership. */
void process_send(Process *process, DriverRequest *request);
/* Asks it to end. */
void process_finalize(Process *process);
gboolean process_is_running(const Process *process);
void process_kill(Process *process);
const char *process_name(const Process *process);
DriverClass process_class(const Process *process);
