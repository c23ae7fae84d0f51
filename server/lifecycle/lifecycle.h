/*
 * The life cycles of machines and hosts: what users ask for, what drivers answer, what
 * monitoring sees, what time brings. All in the core thread.
 */
#pragma once

#include "server/lifecycle/outside.h"
#include "server/model/place/cluster.h"
#include "server/model/machine/backupjob.h"
#include "server/model/place/host.h"
#include "server/model/storage/image.h"
#include "server/model/machine/sched_action.h"
#include "server/model/storage/market.h"
#include "server/model/machine/vm.h"
#include "server/model/world.h"

typedef struct Lifecycle Lifecycle;

/* `outside` stays the caller's. Sets world->lifecycle. (owned) */
Lifecycle *lifecycle_new(World *world, Outside *outside);
void lifecycle_free(Lifecycle *lifecycle);
/* After the state was read: hosts are asked, machines in the middle of something go on. */
void lifecycle_start(Lifecycle *lifecycle);
/* Answers the schedulers that wait, so that nobody waits for an oned that ends. */
void lifecycle_end(Lifecycle *lifecycle);

/* ---- what drivers say; called by inputs of the core ---- */

/* Answer to request `number`. Unknown numbers are logged and dropped. */
void lifecycle_answer(Lifecycle *lifecycle, guint64 number, gboolean success, const char *info);
/* The same for a driver without tags: when nobody waits for the request that seems to be meant, its
 * answer having been given up, the oldest of the same action and object is answered. */
void lifecycle_answer_untagged(Lifecycle *lifecycle, DriverClass class, guint64 number,
                               const char *action, gint64 id, gboolean success, const char *info);
/* The driver died before it answered: what became of the work is found out by asking the hosts. */
void lifecycle_lost(Lifecycle *lifecycle, guint64 number);
/* A message that nobody asked for, such as STATE_VM. */
void lifecycle_driver_event(Lifecycle *lifecycle, const char *driver, const char *action,
                            gboolean success, gint64 id, const char *payload);
/* A LOG line for a machine. */
void lifecycle_driver_log(Lifecycle *lifecycle, LogLevel level, const char *module, gint64 vm,
                          const char *text);

/* The same for an image; what is said last of its work is shown with it. */
void lifecycle_image_log(Lifecycle *lifecycle, LogLevel level, gint64 id, const char *text);

/* ---- what users ask for; errors are of domain ONE_ERROR ---- */

typedef struct VmAsker {
    gint32 uid, gid;
    guint64 request; /* number of the call, kept in the history */
} VmAsker;

typedef struct VmPlace {
    gint32 host;
    gint32 datastore; /* -1: the server picks */
    gboolean enforce; /* refuse when the host has no room */
} VmPlace;

gboolean vm_deploy(Lifecycle *lifecycle, Vm *vm, const VmPlace *place, const VmAsker *asker,
                   GError **error);
/* How a machine shall move. */
typedef struct VmMove {
    gboolean live;
    gint type;               /* when it is not live: 0 save, 1 power off, 2 power off hard */
    const Template *options; /* holds MIGRATE = [...] for the driver; NULL: nothing in particular */
    gboolean live_only;      /* not at all rather than ended and started anew */
} VmMove;

/* A container that cannot be moved live is ended, moved and started anew by a live order, unless
 * that is forbidden (LIVE_ONLY); its log and its migration's record say why. */
gboolean vm_migrate(Lifecycle *lifecycle, Vm *vm, const VmPlace *place, const VmMove *order,
                    const VmAsker *asker, GError **error);
/* Told once, in the core thread: <MIGRATION_CHECK>, or why the hosts could not be asked. */
typedef void (*VmCheckDone)(const char *xml, const GError *error, gpointer data);
/* Says what stands in the way of that order, and changes nothing. For a live migration the driver
 * is asked too, so `done` may come later; it does come, also when the driver dies, does not answer,
 * or oned ends. FALSE: it will not come. */
gboolean vm_migrate_check(Lifecycle *lifecycle, Vm *vm, const VmPlace *place, const VmMove *order,
                          VmCheckDone done, gpointer data, GError **error);
/* Told once, in the core thread: the socket of this computer behind which the console is, or why
 * there is none. */
typedef void (*VmConsoleDone)(const char *socket, const GError *error, gpointer data);
/* Has the driver open the serial console of a running machine; `force` takes it from whoever has
 * it on the host. `done` comes once, unless FALSE is returned. */
gboolean vm_console(Lifecycle *lifecycle, Vm *vm, gboolean force, VmConsoleDone done, gpointer data,
                    GError **error);
/* Runs a command in the guest of a machine, with that standard input; what becomes of it stands in
 * QEMU_GA_EXEC of its template. Runs the last one once more; ends the one that is executing. */
gboolean vm_exec(Lifecycle *lifecycle, Vm *vm, const char *command, const char *input,
                 const VmAsker *asker, GError **error);
gboolean vm_exec_retry(Lifecycle *lifecycle, Vm *vm, const VmAsker *asker, GError **error);
gboolean vm_exec_cancel(Lifecycle *lifecycle, Vm *vm, const VmAsker *asker, GError **error);
/* `word`: any of share/doc/states.md, old words included. */
gboolean vm_action(Lifecycle *lifecycle, Vm *vm, const char *word, const VmAsker *asker,
                   GError **error);
/* `operation`: 0 failure, 1 success, 2 retry, 3 delete, 4 delete-recreate, 5 delete-db. */
gboolean vm_recover(Lifecycle *lifecycle, Vm *vm, gint operation, const VmAsker *asker,
                    GError **error);
/* A new machine whose images are not ready waits for them: state CLONING. */
void vm_wait_for_images(Lifecycle *lifecycle, Vm *vm);
/* A machine was made: tells its log, and the scheduler when it is pending. */
void lifecycle_vm_created(Lifecycle *lifecycle, Vm *vm);
/* Whether the word is known, and which right it needs: "admin", "manage" or NULL when unknown. */
const char *vm_action_right(const char *word);
/* The word of today for an old one; any other word is itself. */
const char *vm_action_meaning(const char *word);

/* ---- changes of devices, snapshots and size; each is a row of word "disk-attach" and so on in
 * vm_table.c. What a failure leaves is the machine as it was before. ---- */

/* `disk` is complete (DISK_ID, TARGET ...) and taken, also when that fails. */
gboolean vm_attach_disk(Lifecycle *lifecycle, Vm *vm, TemplateAttribute *disk, const VmAsker *asker,
                        GError **error);
gboolean vm_detach_disk(Lifecycle *lifecycle, Vm *vm, gint32 disk, const VmAsker *asker,
                        GError **error);
gboolean vm_attach_nic(Lifecycle *lifecycle, Vm *vm, TemplateAttribute *nic, const VmAsker *asker,
                       GError **error);
gboolean vm_detach_nic(Lifecycle *lifecycle, Vm *vm, gint32 nic, const VmAsker *asker,
                       GError **error);
/* The machine is in a state in which the change of that word may begin. FALSE with the error. */
gboolean vm_may_change(const Vm *vm, const char *word, GError **error);
/* The disk or network card of that number; NULL: none. (borrowed) */
TemplateAttribute *vm_device(const Vm *vm, const char *kind, gint64 id);
/* Without `append` what `change` does not name is removed, as far as it can be changed at all. */
gboolean vm_update_nic(Lifecycle *lifecycle, Vm *vm, gint32 nic, const TemplateAttribute *change,
                       gboolean append, const VmAsker *asker, GError **error);
/* A snapshot of the running machine, memory and disks. Its id; -1 with the error. */
gint32 vm_snapshot_create(Lifecycle *lifecycle, Vm *vm, const char *name, const VmAsker *asker,
                          GError **error);
/* `word`: "snapshot-revert" or "snapshot-delete". */
gboolean vm_snapshot_change(Lifecycle *lifecycle, Vm *vm, const char *word, gint32 snapshot,
                            const VmAsker *asker, GError **error);
/* A snapshot of one disk. Its id; -1 with the error. */
gint32 vm_disk_snapshot_create(Lifecycle *lifecycle, Vm *vm, gint32 disk, const char *name,
                               const VmAsker *asker, GError **error);
/* `word`: "disk-snapshot-revert" or "disk-snapshot-delete". */
gboolean vm_disk_snapshot_change(Lifecycle *lifecycle, Vm *vm, const char *word, gint32 disk,
                                 gint32 snapshot, const VmAsker *asker, GError **error);
gboolean vm_disk_snapshot_rename(Lifecycle *lifecycle, Vm *vm, gint32 disk, gint32 snapshot,
                                 const char *name, GError **error);
/* A copy of the disk (snapshot -1) or of a snapshot of it becomes `image`, which is new. When that
 * is refused the image is the caller's to remove. */
gboolean vm_save_disk(Lifecycle *lifecycle, Vm *vm, gint32 disk, gint32 snapshot, Image *image,
                      const VmAsker *asker, GError **error);
/* `size` in MiB, as text. Disks only grow. */
gboolean vm_resize_disk(Lifecycle *lifecycle, Vm *vm, gint32 disk, const char *size,
                        const VmAsker *asker, GError **error);
/* Other CPU, VCPU or MEMORY. `enforce`: refuse when the host has no room. */
gboolean vm_resize(Lifecycle *lifecycle, Vm *vm, const Template *capacity, gboolean enforce,
                   const VmAsker *asker, GError **error);
/* Something was changed of a machine without its drivers. While it rests on a host (RUNNING,
 * POWEROFF, SUSPENDED) its history says what, and by whom; elsewhere nothing happens. */
void vm_note_change(Lifecycle *lifecycle, Vm *vm, gint number, const VmAsker *asker);
/* The template of the machine becomes `after` (taken); `context`: what the guest is told differs.
 */
gboolean vm_update_conf(Lifecycle *lifecycle, Vm *vm, Template *after, gboolean context,
                        const VmAsker *asker, GError **error);

/* ---- backups (vm_backup.c) ---- */

typedef struct VmBackupOrder {
    gint32 datastore;         /* -1: that of the last backup */
    gboolean reset;           /* a new series of increments */
    gint32 job;               /* of the backup job that wants it; -1: none */
    const Template *settings; /* go before the machine's own; NULL: none */
} VmBackupOrder;

/* Where that backup would go: a datastore of type BACKUP that works. NULL with the error. */
Datastore *vm_backup_datastore(Lifecycle *lifecycle, const Vm *vm, gint32 id, GError **error);
/* Backs a machine up to an image of its owner. */
gboolean vm_backup(Lifecycle *lifecycle, Vm *vm, const VmBackupOrder *order, const VmAsker *asker,
                   GError **error);
/* Disks of a machine that is off become what the increment (-1 the newest) of a backup of it holds:
 * all of them (-1), or one. */
gboolean vm_restore(Lifecycle *lifecycle, Vm *vm, Image *image, gint32 increment, gint32 disk,
                    const VmAsker *asker, GError **error);
/* PATH of an image that image_begin() makes of a disk of a backup. (owned) */
char *image_backup_path(const Image *backup, gint32 increment, gint32 disk);
gboolean vm_backup_cancel(Lifecycle *lifecycle, Vm *vm, const VmAsker *asker, GError **error);

/* What became of something that nobody calls for at the moment. */
typedef enum {
    START_FAILED, /* with the error */
    START_WAITS,  /* somebody else is asked for rights: it is to be tried again when told so */
    START_STARTED,
} StartResult;

/* Starts the backup of one machine of a job in the name of the job's owner. */
typedef StartResult (*BackupJobStart)(Lifecycle *lifecycle, BackupJob *job, Vm *vm, gpointer data,
                                      GError **error);
void lifecycle_backupjobs_connect(Lifecycle *lifecycle, BackupJobStart start, gpointer data);
/* Machines of jobs that waited can be tried again. */
void lifecycle_backupjobs_again(Lifecycle *lifecycle, gint32 job);
/* All machines of the job are backed up; or those whose backup failed. */
gboolean backupjob_run(Lifecycle *lifecycle, BackupJob *job, GError **error);
gboolean backupjob_retry(Lifecycle *lifecycle, BackupJob *job, GError **error);
/* Gives up what is under way. */
void backupjob_cancel(Lifecycle *lifecycle, BackupJob *job, const VmAsker *asker);

/* The rules of a security group were changed, and written into the machines: hosts are told.
 * `only_failed`: those that did not take them before. */
void lifecycle_group_changed(Lifecycle *lifecycle, Object *group, gboolean only_failed);

/* The security groups of a card of the machine are others now: its host is told. */
void lifecycle_vm_groups_changed(Lifecycle *lifecycle, Vm *vm, TemplateAttribute *card);

/* Such a driver is configured. */
gboolean lifecycle_knows(Lifecycle *lifecycle, DriverClass class, const char *driver);

/* ---- images ---- */

/* Has the driver make a new image: CP, MKFS or CLONE; IMAGE_NO_WORK: what SOURCE names is there
 * already, and it is READY. */
void image_begin(Lifecycle *lifecycle, Image *image, ImageWork work);
/* `force`: also in the middle of other work, and gone even when the driver cannot remove it; never
 * one that is in use. */
gboolean image_delete(Lifecycle *lifecycle, Image *image, gboolean force, GError **error);
/* `work`: one of IMAGE_WORK_SNAP_*. */
gboolean image_snapshot_change(Lifecycle *lifecycle, Image *image, ImageWork work, gint32 snapshot,
                               GError **error);
/* Told once, in the core thread: MiB, or why that could not be said. */
typedef void (*ImageStatDone)(gint64 size, const GError *error, gpointer data);
/* Asks the datastore's driver how large an image of this template will be. `done` comes once,
 * unless FALSE is returned. `uid`: who asks; nobody may ask too much at a time. */
gboolean image_stat(Lifecycle *lifecycle, Datastore *datastore, const Template *template,
                    gint32 uid, ImageStatDone done, gpointer data, GError **error);

/* Something came or went in a datastore, or it is new: it is measured before its time. */
void datastore_measure_soon(Lifecycle *lifecycle, gint32 id);

/* ---- marketplaces ---- */

/* Looks at an enabled marketplace before its time. */
void market_look_now(Lifecycle *lifecycle, Market *market);
/* Has the driver copy the app's origin into the marketplace (APP_WORK_IMPORT), or remove it. */
void app_begin(Lifecycle *lifecycle, MarketApp *app, AppWork work);
/* The app goes; its driver is asked first. */
gboolean app_delete(Lifecycle *lifecycle, MarketApp *app, GError **error);
/* Its driver is told to stop what it does; nobody waits for it any more. */
void app_give_up(Lifecycle *lifecycle, MarketApp *app);

/* ---- hosts ---- */

gboolean host_set_status(Lifecycle *lifecycle, Host *host, gint status, GError **error);
/* Looks at hosts, datastores and marketplaces at once, those whose answer is awaited aside, and
 * from then on as often as the configuration says now. */
void lifecycle_monitor_now(Lifecycle *lifecycle);
/* Asks the host before its time. FALSE: it is offline. */
gboolean host_ask_now(Lifecycle *lifecycle, Host *host, GError **error);
/* RESERVED_CPU or RESERVED_MEM of a cluster may have changed, or of all hosts (-1). */
void host_capacity_changed(Lifecycle *lifecycle, gint32 cluster);
void host_start_monitoring(Lifecycle *lifecycle, Host *host);
/* Forgets timers and tells the driver; before the host is removed. */
void host_stop_monitoring(Lifecycle *lifecycle, Host *host);

void lifecycle_host_removed(Lifecycle *lifecycle, gint32 host);

/* ---- plans of clusters: server/lifecycle/cluster_plan.h ---- */

/* Makes a plan in the place of the one it has; none when nothing would get better. */
gboolean cluster_plan_optimize(Lifecycle *lifecycle, Cluster *cluster, GError **error);
gboolean cluster_plan_execute(Lifecycle *lifecycle, Cluster *cluster, GError **error);
/* Moves under way go on; no others follow them. */
gboolean cluster_plan_delete(Lifecycle *lifecycle, Cluster *cluster, GError **error);

/* ---- scheduled actions ---- */

/* Starts what a scheduled action says, with the rights of its owner's owner, in the batch at hand:
 * that it was run and what it did are then one commit, and it never runs twice. It may end its
 * owner, and with that the action. Users see the error as MESSAGE: it is tried again later. */
typedef StartResult (*SchedStart)(Lifecycle *lifecycle, const SchedAction *action, gpointer data,
                                  GError **error);
/* Those of this kind of owner are started so. Before lifecycle_start(). */
void lifecycle_sched_connect(Lifecycle *lifecycle, Kind kind, SchedStart start, gpointer data);
/* One that waited can be tried again. */
void lifecycle_sched_again(Lifecycle *lifecycle, gint32 action);
/* One is new, or its time is another: it is run when it is due. */
void lifecycle_sched_changed(Lifecycle *lifecycle, const SchedAction *action);
/* Looks at all at once: after the start, and when this zone is enabled. */
void lifecycle_sched_look(Lifecycle *lifecycle);

/* ---- the scheduler's bell ---- */

/* Everybody who waits, for the bell or for a check, is told now: oned ends. */
void lifecycle_end_waits(Lifecycle *lifecycle);
/* A number that grows when a machine becomes pending or capacity is freed. */
guint64 lifecycle_pending_sequence(const Lifecycle *lifecycle);
/* Calls `ring` once, in the core thread: at once when the number is not `last` any more, else when
 * it grows or the time is over. */
void lifecycle_wait_pending(Lifecycle *lifecycle, guint64 last, guint seconds,
                            void (*ring)(guint64 sequence, gpointer data), gpointer data);
