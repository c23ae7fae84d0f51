/*
 * What every driver program shares: it reads requests from standard input, gives
 * each to a worker thread, and writes results to standard output. Requests of one
 * host wait in that host's own queue, at most `per_host` run at once there, so a
 * host that hangs never delays another. End of input or FINALIZE ends the program.
 */
#pragma once

#include <glib.h>

typedef struct DriverJob DriverJob;

/* One row a request: its name and what serves it. */
typedef struct DriverAction {
    const char *name; /* "DEPLOY" */
    /* Runs in a worker thread and must end with one of driver_job_succeed/fail. */
    void (*run)(DriverJob *job);
    guint timeout_seconds; /* the result after this is FAILURE, whatever the worker does; 0: none */
} DriverAction;

typedef struct Driver {
    const char *program; /* "one_vmm" */
    const DriverAction *actions; /* ends with a row of NULL */
    /* Name of the queue, usually the host; (owned). Runs in the reading thread: no waiting. */
    char *(*queue_of)(const DriverJob *job);
    guint threads;  /* jobs at once in all; default 32 */
    guint per_host; /* jobs at once per queue; default 4 */
} Driver;

/* Reads and serves until the end of input; the exit code of the program. */
int driver_run(const Driver *driver);

const char *driver_job_action(const DriverJob *job);
gint64 driver_job_id(const DriverJob *job);
const char *driver_job_payload(const DriverJob *job); /* borrowed until the job ends */
/* TRUE after DRIVER_CANCEL <id> or the time-out: long work should look now and then, and stop. */
gboolean driver_job_cancelled(const DriverJob *job);
/* A place for the flavour's own parsed request; freed with the job. */
void driver_job_set_data(DriverJob *job, gpointer data, GDestroyNotify destroy);
gpointer driver_job_data(const DriverJob *job);

/* Exactly one of these ends a job. Safe from any thread. */
void driver_job_succeed(DriverJob *job, const char *info); /* NULL or "": "-" */
void driver_job_fail(DriverJob *job, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A line for the log of the object (severity I, W, E, D). */
void driver_log(char severity, gint64 id, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Sends a message that nobody asked for, such as a domain event. */
void driver_emit(const char *action, gboolean success, gint64 id, const char *payload);
