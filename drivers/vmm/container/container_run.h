/*
 * The life of a container, the same for every daemon: looking for it, starting and ending it,
 * freezing it, and the actions that do so. What a daemon does in its own way stands in a row, its
 * ContainerEngine.
 */
#pragma once

#include "drivers/common/json.h"
#include "drivers/vmm/container/container.h"
#include "drivers/vmm/libvirt/vmm_libvirt.h"

typedef struct ContainerSight {
    VmmPresence presence; /* one that is off is VMM_ABSENT and has `document` */
    JsonObject *document; /* as the daemon tells it; NULL when absent or unknown */
    GError *error;        /* of VMM_UNKNOWN */
} ContainerSight;

void container_sight_clear(ContainerSight *sight);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ContainerSight, container_sight_clear)

typedef enum {
    CONTAINER_START,
    CONTAINER_KILL,
    CONTAINER_RESTART,
    CONTAINER_FREEZE,
    CONTAINER_THAW,
    CONTAINER_ORDERS
} ContainerOrder;

struct ContainerRun;
struct ContainerHost;
struct ContainerFacts;

typedef struct ContainerEngine {
    const char *name;           /* of the row, for messages: "LXD" */
    const char *folder, *self;  /* of its path: folder, name, self */
    const char *removal;        /* the query of its DELETE */
    const char *status, *marks; /* where its document has its status, and what we noted */
    const char *uuid;           /* the machine's UUID in `marks` */
    const char *orders[CONTAINER_ORDERS];
    gint64 shutdown_seconds; /* unless SHUTDOWN_TIMEOUT says otherwise */
    const char *(*state_name)(const char *status);
    JsonObject *(*ask)(const char *host, const char *method, const char *path, JsonObject *body,
                       const SshWatch *watch, GError **error);
    /* Gives one order of `orders`. */
    gboolean (*give)(const VmmAction *action, const char *host, const char *order,
                     const SshWatch *watch, GError **error);
    /* Asks it to end and waits. FALSE without the error: it did not in that time. */
    gboolean (*end)(DriverJob *job, const ContainerSight *sight, guint seconds, GError **error);
    /* Starts one that does not run on the action's host, where `sight` was had. */
    gboolean (*start)(DriverJob *job, const ContainerSight *sight, GError **error);
    /* Makes and starts one that was never there, without a look before. *made: it was made; else
     * nothing was done and the careful way tells why. NULL: always the careful way. */
    gboolean (*start_new)(DriverJob *job, gboolean *made, GError **error);
    /* What POLL tells beside the state; NULL: nothing. */
    void (*figures)(const VmmAction *action, GString *text);
    /* Why one that is off has ended, on one line (owned); NULL: not known. May be NULL itself. */
    char *(*why_off)(const VmmAction *action, JsonObject *document);
    /* *keeps: the engine has the memory of one that is off. FALSE: it did not say. May be NULL. */
    gboolean (*keeps_memory)(const VmmAction *action, JsonObject *document, gboolean *keeps,
                             GError **error);
    /* For MIGRATECHECK (container_check.h): what a host is, and what the container needs. */
    gboolean (*ask_host)(struct ContainerHost *host, GError **error);
    void (*ask_container)(const VmmAction *action, struct ContainerFacts *facts);
    /* Runs a command to its end (container_exec.h). FALSE: what became of it is not known. */
    gboolean (*run)(struct ContainerRun *run, int *code, GError **error);
} ContainerEngine;

/* Once, before the first request. */
void container_use(const ContainerEngine *engine);
const ContainerEngine *container_engine(void);

/* ---- seeing ---- */

ContainerSight container_look(const VmmAction *action, const char *host);
/* Ends the job when the host could not say, or has another container of that name. */
gboolean container_is_clear(DriverJob *job, const ContainerSight *sight);
/* Looks on the action's host; ends the job when the machine's container is not there, running or
 * off. */
gboolean container_find(DriverJob *job, ContainerSight *sight);
/* The same when it must run, frozen or not; `for_what` ends the message: "has no console". */
gboolean container_find_running(DriverJob *job, ContainerSight *sight, const char *for_what);
/* Its path with what follows: "/containers/one-12" and `rest`. (owned) */
char *container_path(const VmmAction *action, const char *rest);
/* Work that tells progress may take so long: oned gives up what tells none. */
#define CONTAINER_LONG_SECONDS (23 * 3600)
/* Something of a long job was done: oned is told now and then, and waits on. `bytes` so far; 0: not
 * known. By the job's own thread. */
void container_progress(DriverJob *job, guint64 bytes);
/* The time that a job may take, its end when the job is cancelled, and its progress. */
SshWatch container_watch(DriverJob *job, guint seconds);

/* ---- doing ---- */

/* Ends the job; `error` is read after `good` was computed, in whatever order arguments are. */
void container_finish(DriverJob *job, gboolean good, const char *info, GError *const *error);
gboolean container_give(const VmmAction *action, const char *host, ContainerOrder order,
                        const SshWatch *watch, GError **error);
/* Ends it at once and removes it with its disk. TRUE also when there was none. */
gboolean container_remove(const VmmAction *action, const char *host, GError **error);
/* What was made for a start that failed goes again; when it cannot, the log says so. */
void container_undo_start(const VmmAction *action);
/* Fails: an imported machine can be started only where it is. */
gboolean container_refuse_adopted(const VmmAction *action, GError **error);

/* ---- actions ---- */

void container_deploy(DriverJob *job);
void container_shut_down(DriverJob *job);
void container_cancel(DriverJob *job);
void container_reboot(DriverJob *job);
void container_freeze(DriverJob *job);
void container_thaw(DriverJob *job);
void container_clean_up(DriverJob *job);
void container_poll(DriverJob *job);
