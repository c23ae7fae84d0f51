/* What the files of server/lifecycle share, and nobody else sees. */
#pragma once

#include "server/lifecycle/lifecycle.h"
#include "server/lifecycle/vm_table.h"
#include "server/model/storage/datastore.h"
#include "server/model/storage/image_backup.h"
#include "server/model/machine/migration.h"

/* What a request in flight is about. */
typedef enum {
    ASKED_STEP,      /* the work at hand of a machine */
    ASKED_TRUTH,     /* POLL: where is it */
    ASKED_ASIDE,     /* a machine, but no work of it: REBOOT, a POLL to confirm */
    ASKED_CHECK,     /* MIGRATECHECK: somebody waits for what it says */
    ASKED_CONSOLE,   /* CONSOLE: the same */
    ASKED_LEFTOVER,  /* what a host has of a machine that is not there, and is to go */
    ASKED_EXEC,      /* a command in the guest: vm_exec.c */
    ASKED_GROUPS,    /* UPDATESG: rules of security groups */
    ASKED_HOST,      /* MONITOR of a host */
    ASKED_DATASTORE, /* MONITOR of a datastore */
    ASKED_IMAGE,     /* the work at hand of an image */
    ASKED_HOOK,      /* EXECUTE: a program of the administrator; `place`: which execution */
    ASKED_STAT,      /* STAT: somebody waits for how large an image will be */
    ASKED_MARKET,    /* MONITOR of a marketplace */
    ASKED_APP        /* the work at hand of an app */
} AskedAbout;

typedef struct Asked {
    guint64 number;
    AskedAbout about;
    gint32 id;
    gint64 object; /* as the driver is told: of a machine's step, perhaps an image */
    guint place;   /* ASKED_TRUTH: 0 the host it came from, 1 the host it is or goes to;
                      ASKED_LEFTOVER: id of the host */
    DriverClass class;
    char *driver;
    char *action;
    gint64 sent;   /* steady time; 0: it waits for its commit, and so does the timer */
    guint seconds; /* without an answer or progress */
    guint64 timer;
} Asked;

typedef struct Bell Bell;

struct Lifecycle {
    World *world;
    Outside *outside;
    GHashTable *asked; /* number -> Asked */
    guint64 last_number;
    guint64 pending_sequence;
    GPtrArray *bells;     /* of Bell: schedulers that wait */
    GHashTable *checks;   /* number -> Check: calls that wait for a driver */
    GHashTable *consoles; /* number -> calls that wait for a console */
    GHashTable *stats;    /* number -> Stat: calls that wait for the size of an image */
    guint64 datastores_timer, markets_timer; /* until all of them are looked at */
    guint64 plan_timer;                      /* until plans are looked at; 0: none is carried out */
    guint64 jobs_timer;                      /* until backup jobs are looked at; 0: none waits */
    BackupJobStart job_start;
    gpointer job_data;
    GHashTable *sched_waits; /* ids of actions that wait for somebody else's word on rights */
    guint64 sched_timer;     /* until scheduled actions are looked at; 0: none waits */
    gint64 sched_due;        /* when that is, by the wall clock */
    SchedStart sched_starts[KIND_COUNT];
    gpointer sched_data[KIND_COUNT];
};

/* ---- vm_machine.c ---- */

/* Enters a state; a phase begins its first step. */
void vm_enter(Lifecycle *lifecycle, Vm *vm, VmState state, VmLcm lcm);
void vm_begin_step(Lifecycle *lifecycle, Vm *vm);
/* The name that the hypervisor has for it, as a driver tells it. */
void vm_note_deploy_id(Lifecycle *lifecycle, Vm *vm, const char *id);
/* The step at hand ended. `info` is the deploy id or the reason of the failure. */
void vm_step_ended(Lifecycle *lifecycle, Vm *vm, gboolean success, const char *info);
void vm_phase_ended(Lifecycle *lifecycle, Vm *vm, gboolean success, const char *reason);
/* Forgets the work at hand: an answer that still comes is dropped. */
void vm_forget_work(Lifecycle *lifecycle, Vm *vm);
void vm_log(Lifecycle *lifecycle, const Vm *vm, LogLevel level, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* Puts a reason where users look: USER_TEMPLATE/ERROR. */
void vm_set_error(Lifecycle *lifecycle, Vm *vm, const char *reason);
/* The same with the reason of a failure, which is also logged. */
void vm_note_failure(Lifecycle *lifecycle, Vm *vm, const char *reason);
void vm_close_record(Lifecycle *lifecycle, Vm *vm, VmRecord *record);
void vm_note_action(Lifecycle *lifecycle, Vm *vm, VmRecord *record, gint number,
                    const VmAsker *asker);
VmStep vm_current_step(const Vm *vm);
/* A live migration of which sight was lost is looked after again: both hosts are asked. */
void vm_take_up_migration(Lifecycle *lifecycle, Vm *vm, const char *why);
void lifecycle_ring(Lifecycle *lifecycle);

/* Hooks of the phase table. */
void vm_leave_migrate(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target);
void vm_leave_save_migrate(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target);
void vm_leave_prolog_migrate(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target);
void vm_leave_move(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target);
void vm_leave_evict(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target);
void vm_leave_cleanup(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target);
void vm_leave_host(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target);
void vm_leave_change(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target);
/* The phase failed and what it had begun could not be undone. */
gboolean vm_is_kept(const Vm *vm);
/* A machine that goes on where it is begins a new record, with its own times. */
void vm_renew_record(Lifecycle *lifecycle, Vm *vm);
/* A machine that may be on either of two hosts is left alone until one of them has said so. TRUE
 * with the reason. */
gboolean vm_refuse_lost(const Vm *vm, GError **error);

/* ---- vm_change.c ---- */

/* Where the word leads from here; NULL with the error when it is not possible. */
const VmActionRow *vm_change_row(const Vm *vm, const char *word, GError **error);
/* Before anything is changed: remembers the template and the snapshots as they are. What the
 * drivers must know is added to it. (owned) */
Template *vm_change_new(const Vm *vm, const char *word);
/* The template was changed: the phase begins, or all is done when the row names none. Takes the
 * change. FALSE: the quotas of the owner do not allow it, and all is as it was. */
gboolean vm_change_begin(Lifecycle *lifecycle, Vm *vm, const VmActionRow *row, Template *change,
                         const VmAsker *asker, GError **error);
/* The change under way is that one. */
gboolean vm_changes(const Vm *vm, const char *word);
/* Number of that name in the change under way; -1: none. */
gint64 vm_change_number(const Vm *vm, const char *name);
/* For vm_machine.c: the step to begin with, also after a restart; a step begins; what the
 * hypervisor answered; another state is entered. */
guint vm_change_step(const Vm *vm);
void vm_change_stepped(Lifecycle *lifecycle, Vm *vm);
void vm_change_answered(Vm *vm, const char *info);
void vm_change_left(Lifecycle *lifecycle, Vm *vm, VmState state, VmLcm lcm);
/* The machine's driver can do that: a word of its VM_MAD, such as LIVE_RESIZE. */
gboolean vm_driver_can(Lifecycle *lifecycle, const Vm *vm, const char *what);
/* Whether the machine's driver said that it cannot do that action, or its host that it cannot
 * there. */
gboolean vm_driver_lacks(Lifecycle *lifecycle, const Vm *vm, const char *action);
/* The latter of any host, by its last report, and what is to be done about it (borrowed). */
gboolean vm_host_lacks(const Host *host, const char *action);
const char *vm_host_lacks_why(const Host *host);
/* Suspended now, it would stand still on its host, since its memory cannot be saved there. */
gboolean vm_driver_freezes(Lifecycle *lifecycle, const Vm *vm);
/* It was suspended so, or is being; what its host can do may have changed since. */
gboolean vm_was_frozen(Lifecycle *lifecycle, const Vm *vm);
/* To be called before it enters that state: notes how it is suspended, or forgets it. */
void vm_note_frozen(Lifecycle *lifecycle, Vm *vm, VmState state, VmLcm lcm);

/* ---- vm_actions.c ---- */

/* The host and the system datastore of an order, or NULL with the reason. */
Host *vm_place_host(World *world, const VmPlace *place, GError **error);
Datastore *vm_place_datastore(World *world, const VmPlace *place, const Host *host,
                              const VmRecord *last, GError **error);
VmRecord *vm_new_record(Lifecycle *lifecycle, Vm *vm, const Host *host, const Datastore *datastore);

/* ---- vm_move.c ---- */

GHashTable *vm_checks_new(void); /* (owned) */
void vm_check_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success,
                       const char *info);
/* Everybody who waits for a check is told that oned ends. */
void vm_checks_end(Lifecycle *lifecycle);

/* ---- vm_console.c ---- */

GHashTable *vm_consoles_new(void); /* (owned) */
void vm_console_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success,
                         const char *info);
/* Everybody who waits for a console is told that oned ends. */
void vm_consoles_end(Lifecycle *lifecycle);

/* ---- vm_migration.c ---- */

/* An order to move was given, and its history record made: opens the migration's record. `instead`:
 * why it is stopped to be moved, though the order was to move it live; or NULL. */
void vm_migration_ordered(Lifecycle *lifecycle, Vm *vm, VmLcm phase, const VmMove *order,
                          const char *instead);
/* What the driver said of a live migration that is done. */
void vm_migration_figures(Lifecycle *lifecycle, Vm *vm, const char *info);
/* Seconds that the order at hand allows the driver, with some to end it; 0: it says nothing. */
guint vm_migration_limit(const Vm *vm);
/* The machine is in another state: closes the record when that is the end of the order. `reason`:
 * why a step failed, or NULL. */
void vm_migration_follow(Lifecycle *lifecycle, Vm *vm, const char *reason);

/* ---- vm_context.c ---- */

/* The text of context.sh. (owned) */
char *vm_context_text(const Vm *vm);

/* ---- vm_doubt.c ---- */

/* People say how the phase at hand ended: what may go on writing is in doubt. Before it ends. */
void vm_doubt_declared(Lifecycle *lifecycle, Vm *vm, gboolean success);
/* Only the record of the machine will be deleted. */
void vm_doubt_forgotten(Lifecycle *lifecycle, Vm *vm);
/* A step begins that ends the machine on a host, or is left out since the host is offline. */
void vm_doubt_step(Lifecycle *lifecycle, Vm *vm, VmStep step);
/* A driver said that the step is done: the doubt about that host is over. */
void vm_doubt_answered(Lifecycle *lifecycle, Vm *vm, VmStep step);

/* ---- vm_scripts.c ---- */

/* Text of a user's as one word of a script: a blank stands as %20, which the driver reads back.
 * Other bytes that would end the word or the line are written the same way, and name no file.
 * (owned) */
char *script_word(const char *text);
/* The computer that oned runs on, as scripts name it. */
#define FRONT_END "localhost"
/* Directory of the machine on its host (and, at the same path, on the front-end). (owned) */
char *vm_directory(Lifecycle *lifecycle, const Vm *vm, const VmRecord *record);
/* The transfer driver's part of a step; NULL when there is nothing to do. (owned) */
DriverRequest *vm_transfer_request(Lifecycle *lifecycle, Vm *vm, VmStep step);
/* A disk is saved that nobody writes to, so nothing has to be copied for that before. */
gboolean vm_saves_as_it_is(const Vm *vm);
/* Removes a machine's directory from `host`, where it is not; `keeper` is the host where it is
 * (NULL: it is gone), whose directory stays when both are the same. (owned) */
DriverRequest *vm_leftover_request(Lifecycle *lifecycle, gint32 vm, gint32 datastore,
                                   const char *tm_mad, const char *keeper, const char *host);
/* Storage that every host sees needs nothing done before and after a live migration. */
gboolean vm_storage_is_shared(Lifecycle *lifecycle, const VmRecord *record);

/* ---- vm_steps.c ---- */

/* Adds HOST_TEMPLATE to a document, when the record's host says something. (vm_host_settings.c) */
void vm_add_host_settings(Lifecycle *lifecycle, const VmRecord *record, GString *xml);
/* The request that does this step; NULL when there is nothing to do for this machine. (owned) */
DriverRequest *vm_step_request(Lifecycle *lifecycle, Vm *vm, VmStep step);
/* A request of the hypervisor's driver outside the steps, on the record's host. (owned) */
DriverRequest *vm_hypervisor_request(Lifecycle *lifecycle, Vm *vm, const VmRecord *record,
                                     const char *action);
/* Asks whether the machine could be moved live; `options` as text, "" when there are none. (owned)
 */
DriverRequest *vm_check_request(Lifecycle *lifecycle, Vm *vm, const char *destination,
                                const char *options);
/* Asks for the serial console; `options` as above. (owned) */
DriverRequest *vm_console_request(Lifecycle *lifecycle, Vm *vm, const char *options);
/* The machine runs, and not on `host`: a copy that stands still there is removed. (owned) */
DriverRequest *vm_settle_request(Lifecycle *lifecycle, Vm *vm, const Host *host);
/* The record's host is gone or was set offline: then nothing runs there, people say. */
gboolean vm_record_is_offline(Lifecycle *lifecycle, const VmRecord *record);
/* Monitoring gets no answer from the record's host. */
gboolean vm_record_is_lost(Lifecycle *lifecycle, const VmRecord *record);
/* Host that the step at hand concerns first. */
const VmRecord *vm_step_record(const Vm *vm, VmStep step);
/* The record whose host the step tidies up after a migration; NULL for other steps. */
const VmRecord *vm_left_record(const Vm *vm, VmStep step);

/* ---- vm_truth.c ---- */

/* Asks the hosts what is true, since the answer of the step at hand is missing. */
void vm_ask_truth(Lifecycle *lifecycle, Vm *vm, const char *why);
/* Asks, a moment later, whether a machine that was just started still runs. */
void vm_confirm_start(Lifecycle *lifecycle, Vm *vm);
void vm_truth_answered(Lifecycle *lifecycle, Vm *vm, const Asked *asked, gboolean success,
                       const char *info);
/* For vm_seen(): a complete list does not name the machine. */
#define VM_NOT_LISTED "NOT-LISTED"
/* What monitoring or an event said of a machine. `asked`: steady time at which the host was asked.
 */
void vm_seen(Lifecycle *lifecycle, Vm *vm, Host *host, const char *state, const char *deploy_id,
             gint64 asked);
/* Sight was lost while it moved: it may be on either of two hosts. */
gboolean vm_is_lost(const Vm *vm);
void vm_aside_answered(Lifecycle *lifecycle, Vm *vm, const Asked *asked, gboolean success,
                       const char *info);
/* The host does not answer: what ran there is unknown. */
void vm_host_lost(Lifecycle *lifecycle, Vm *vm, const Host *host, const char *reason);

/* ---- vm_exec.c ---- */

void vm_exec_answered(Lifecycle *lifecycle, Vm *vm, const Asked *asked, gboolean success,
                      const char *info);
/* The machine is in another state: its command is over when it is off. */
void vm_exec_follow(Lifecycle *lifecycle, Vm *vm);
/* After the start: what was executing is asked for again. */
void vm_exec_resume(Lifecycle *lifecycle);
/* A template from before gets what is known of the command now. */
void vm_exec_carry(Template *now, Template *before);

/* ---- vm_groups.c ---- */

/* The machine is in another state: it is told of rules that changed meanwhile, or need not be. */
void vm_groups_follow(Lifecycle *lifecycle, Vm *vm);
/* The host has reported: it is told again of its machines that have lost their last group, when it
 * did not take that. */
void vm_groups_retry(Lifecycle *lifecycle, const Host *host);
void vm_groups_answered(Lifecycle *lifecycle, Vm *vm, gboolean success, const char *info);

/* ---- leftovers.c ---- */

/* The record's host may have something of the machine, which is not there: it is to go some day. */
void leftover_note(Lifecycle *lifecycle, const Vm *vm, const VmRecord *record);
/* Removes what is known of a host that answers; or, on all hosts, of a machine that has come to
 * rest. */
void leftovers_clean(Lifecycle *lifecycle, Host *host);
void leftovers_clean_of(Lifecycle *lifecycle, const Vm *vm);
void leftover_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success,
                       const char *info);

/* ---- host_cycle.c ---- */

void host_answered(Lifecycle *lifecycle, Host *host, const Asked *asked, gboolean success,
                   const char *info);
void host_event(Lifecycle *lifecycle, Host *host, const char *action, gboolean success,
                const char *payload);
void host_overdue(Lifecycle *lifecycle, Host *host);

/* ---- host_machines.c ---- */

/* A figure of a report, 0 when it has none; sums and differences of them stay in 64 bits. */
gint64 lifecycle_number(const Template *report, const char *name);
/* One VM of a report or an event. `seen` (may be NULL) gets the machine. */
void host_read_machine(Lifecycle *lifecycle, Host *host, const TemplateAttribute *report,
                       gint64 asked, GHashTable *seen);
void host_read_machines(Lifecycle *lifecycle, Host *host, const Template *report, gint64 asked);

/* ---- datastore_cycle.c ---- */

void datastores_start_monitoring(Lifecycle *lifecycle);
void datastore_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success,
                        const char *info);
GHashTable *stats_new(void); /* (owned) */
void stat_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success, const char *info);
/* Everybody who waits for a size is told that oned ends. */
void stats_end(Lifecycle *lifecycle);

/* ---- image_cycle.c ---- */

/* For vm_images.c: the image became ready, or could not be made. The machines that wait for it go
 * on, or to CLONING_FAILURE. */
void vm_images_follow(Lifecycle *lifecycle, const Image *image);
/* The machine waits for its images, or did: looks at them again. */
void vm_images_again(Lifecycle *lifecycle, Vm *vm);
/* What a machine was to save to the image is there, or why not. */
void image_saved(Lifecycle *lifecycle, Image *image, gboolean success, const char *reason);
void image_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success, const char *info);
/* The driver died under the work at hand. */
void image_lost(Lifecycle *lifecycle, const Asked *asked, const char *why);
/* After the start: what was under way is asked again. */
void images_resume(Lifecycle *lifecycle);

/* ---- hooks.c ---- */

/* world->entered */
void hooks_entered(World *world, Object *object);
void hook_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success, const char *info);
/* The driver died under it, or lost it. */
void hook_lost(Lifecycle *lifecycle, const Asked *asked, const char *why);
/* After the start: nobody will say any more what became of executions under way. */
void hooks_resume(Lifecycle *lifecycle);

/* The document of a request of the datastore driver; `image` NULL: about the datastore. `more`: XML
 * that the action needs besides, or NULL. (owned, base64) */
char *image_document(World *world, Image *image, Datastore *datastore, const char *more);
/* A machine was backed up to the image, or (`made` NULL) not, and why. Then an image that holds
 * nothing goes. */
void image_backed_up(Lifecycle *lifecycle, Image *image, const BackupIncrement *made,
                     const char *reason);
/* The increments before `oldest` go, which becomes whole. */
void image_forget_increments(Lifecycle *lifecycle, Image *image, gint32 oldest);
/* The datastore answers: what its driver did not remove of such increments is asked again. */
void images_forget_again(Lifecycle *lifecycle, const Datastore *datastore);

/* ---- vm_backup.c ---- */

/* The backup under way has come to its end. For vm_change.c. */
void vm_backup_ended(Lifecycle *lifecycle, Vm *vm, gboolean success);
/* What the hypervisor's driver said that it took makes sense: an increment is one to something. */
gboolean vm_backup_taken(const Vm *vm, const char *info);
/* What the hypervisor's driver is told of it, in the template language. (owned) */
char *vm_backup_order(Lifecycle *lifecycle, const Vm *vm);
/* Adds the lines that bring the disks to the front-end, or (STEP_BACKUP_ERASE) remove what was
 * written on the way. FALSE: there are none. */
gboolean vm_backup_script(Lifecycle *lifecycle, const Vm *vm, VmStep step, const char *directory,
                          GString *text);
/* A request of the datastore driver that is a step of the machine's; NULL: nothing to do. (owned)
 */
DriverRequest *vm_backup_request(Lifecycle *lifecycle, Vm *vm, VmStep step);
/* ---- backupjobs.c ---- */

/* After the start: runs go on. */
void backupjobs_begin(Lifecycle *lifecycle);
/* A backup that was made for that job (-1: for none) has ended; `reason`: why it failed, or NULL.
 */
void backupjob_machine_done(Lifecycle *lifecycle, gint32 id, const Vm *vm, const char *reason);

/* ---- vm_restore.c ---- */

/* What that driver is told of a restore, XML. (owned) */
char *vm_restore_document(Lifecycle *lifecycle, const Vm *vm, const Image *image);
/* Adds the lines that put the disks in their places, or (STEP_RESTORE_ERASE) remove what was
 * written for that. FALSE: there are none. */
gboolean vm_restore_script(Lifecycle *lifecycle, const Vm *vm, VmStep step, const char *directory,
                           GString *text);
/* The machine is being restored from that image. */
gboolean vm_restores_from(const Vm *vm, const Image *image);
/* What the work at hand of an image needs to know of a backup, XML; NULL: it is about none. (owned)
 */
char *image_backup_document(World *world, const Image *image);

/* ---- market_cycle.c ---- */

/* After the start: what was under way is asked again, and marketplaces are looked at. */
void markets_start(Lifecycle *lifecycle);
void markets_start_monitoring(Lifecycle *lifecycle);
void market_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success, const char *info);
void app_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success, const char *info);
/* The driver died under the work at hand. */
void app_lost(Lifecycle *lifecycle, const Asked *asked, const char *why);

/* ---- lifecycle.c ---- */

/* Sends a request after the commit and remembers it. The request is taken; its number is returned.
 */
guint64 lifecycle_ask(Lifecycle *lifecycle, DriverRequest *request, AskedAbout about, gint32 id,
                      guint place, guint seconds);
/* Whether such a request is in flight. */
gboolean lifecycle_asks(Lifecycle *lifecycle, AskedAbout about, gint32 id, guint place);
/* Forgets a request: its answer will be dropped. */
void lifecycle_forget(Lifecycle *lifecycle, guint64 number);
/* The same, and the driver is told to stop. It carries out the requests of one machine in the order
 * in which they come, so what is sent next finds the work ended. */
void lifecycle_cancel(Lifecycle *lifecycle, guint64 number);
guint lifecycle_timeout(Lifecycle *lifecycle, const char *name, guint otherwise);
/* Text of a payload in base64. (owned) */
char *lifecycle_decoded(const char *base64);
/* A whole <MONITORING> element (taken), kept after the commit. */
void lifecycle_keep_sample(Lifecycle *lifecycle, SampleKind kind, gint32 id, char *xml);
void lifecycle_forget_samples(Lifecycle *lifecycle, SampleKind kind, gint32 id);
