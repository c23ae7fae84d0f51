/*
 * What every driver program shares: it reads requests from standard input, gives
 * each to a worker thread, and writes results to standard output. Requests of one
 * host wait in that host's own queue, at most `per_host` run at once there, so a
 * host that hangs never delays another. End of input or FINALIZE ends the program.
 *
 * Time limits: a request waits at most its action's time-out in its queue, and runs at
 * most that long again; then the result is FAILURE, whatever the worker does. A worker
 * that comes back later is heard only in the log.
 */
#pragma once

#include <glib.h>

typedef struct DriverJob DriverJob;

typedef enum {
    DRIVER_QUEUED = 0,
    /* run() is called in the reading thread, past every queue: it must not wait. It ends
     * the job there or leaves that to driver_job_later(). For work that costs microseconds. */
    DRIVER_AT_ONCE = 1 << 0,
    /* Has a lane of its own beside the host's other work, as wide as `per_host`: for what
     * must not wait behind long copies and migrations (POLL, CANCEL). */
    DRIVER_URGENT = 1 << 1,
    /* Its id is of another kind of object than those of the driver's other actions: of a datastore
     * beside images, say. DRIVER_CANCEL never means it, and it keeps no order with the others. */
    DRIVER_OTHER_IDS = 1 << 2,
} DriverActionFlags;

/* One row a request: its name and what serves it. */
typedef struct DriverAction {
    const char *name; /* "DEPLOY" */
    /* Runs in a worker thread and must end with one of driver_job_succeed/fail, or hand the job on
     * by driver_job_keep(). */
    void (*run)(DriverJob *job);
    guint timeout_seconds; /* 0: none */
    DriverActionFlags flags;
    /* Called first, in the same thread; FALSE fails the job with the error. May be NULL. */
    gboolean (*before)(DriverJob *job, GError **error);
    /* Called when `run` or `before` ends the job, before the result is sent. May be NULL. */
    void (*ending)(DriverJob *job, gboolean success);
} DriverAction;

typedef struct Driver {
    const char *program;         /* "one_vmm" */
    const DriverAction *actions; /* ends with a row of NULL */
    /* Name of the queue, usually the host; (owned). Runs in the reading thread: no waiting.
     * NULL: one queue for all. */
    char *(*queue_of)(const DriverJob *job);
    guint threads;  /* jobs at once in all; default 32 */
    guint per_host; /* jobs at once per queue; default 4 */
    /* FALSE: the first job of each queue runs even when `threads` are busy, so that many
     * silent hosts cannot stop the others. TRUE: never more than `threads` (bulk copies). */
    gboolean firm_limit;
    /* Called for INIT; FALSE answers "INIT FAILURE" with the text. May be NULL. */
    gboolean (*init)(GError **error);
    /* Called for each request before queue_of, in the reading thread: reads the payload,
     * usually into driver_job_set_data(). FALSE fails the request. May be NULL. */
    gboolean (*prepare)(DriverJob *job, GError **error);
    /* Actions that it has but cannot do on its kind of host, "MIGRATE,SAVE"; oned then refuses
     * what needs them before it begins. May be NULL. */
    const char *lacks;
    /* Those that not every driver has, "FREEZE"; oned sends them to no other. May be NULL; said
     * only by drivers that lack something. */
    const char *has;
    /* TRUE: the requests of one object are carried out one after the other, as they came, even
     * when one was answered by its time-out before its function was back. */
    gboolean in_order;
} Driver;

/* Reads and serves until the end of input; the exit code of the program. */
int driver_run(const Driver *driver);
/* The same with other descriptors, for tests. One at a time in a process. */
int driver_serve(const Driver *driver, int in, int out);

const char *driver_job_action(const DriverJob *job);
gint64 driver_job_id(const DriverJob *job);
const char *driver_job_payload(const DriverJob *job); /* borrowed until the job ends */
/* TRUE after DRIVER_CANCEL <id> or the time-out: long work should look now and then, and stop. */
gboolean driver_job_cancelled(const DriverJob *job);
/* Sleeps, at most until the job is cancelled; returns driver_job_cancelled(). Workers only. */
gboolean driver_job_wait(DriverJob *job, guint milliseconds);
/* A place for the flavour's own parsed request; freed with the job. */
void driver_job_set_data(DriverJob *job, gpointer data, GDestroyNotify destroy);
gpointer driver_job_data(const DriverJob *job);

/* Exactly one of these ends a job. Safe from any thread. The job lives on until run() returns. */
void driver_job_succeed(DriverJob *job, const char *info); /* NULL or "": "-" */
void driver_job_fail(DriverJob *job, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* For a job that is ended by another thread after run() has returned: that thread keeps it. */
DriverJob *driver_job_keep(DriverJob *job);
void driver_job_release(DriverJob *job);
/* How many requests of that action to that queue are not answered yet. */
guint driver_jobs_open(const char *action, const char *queue);
/* Ends the job without a result: what a simulated driver does to lose an answer. */
void driver_job_drop(DriverJob *job);
/* Instead of an end, from run() of an action at once: calls `run` in the reading thread after
 * that time, which ends the job. */
void driver_job_later(DriverJob *job, guint milliseconds, void (*run)(DriverJob *job));

/* A line for the log of the object (severity I, W, E, D). */
void driver_log(char severity, gint64 id, const char *format, ...) G_GNUC_PRINTF(3, 4);
/* Sends a message that nobody asked for, such as a domain event. */
void driver_emit(const char *action, gboolean success, gint64 id, const char *payload);
