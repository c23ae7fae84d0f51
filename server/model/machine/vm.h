/*
 * A virtual machine: what it should be (template), what it is (state), and where it
 * has been (history records). Its states and their names are OpenNebula's
 * (share/doc/states.md).
 */
#pragma once

#include "server/model/object.h"

typedef enum {
    VM_INIT = 0,
    VM_PENDING = 1,
    VM_HOLD = 2,
    VM_ACTIVE = 3,
    VM_STOPPED = 4,
    VM_SUSPENDED = 5,
    VM_DONE = 6,
    VM_FAILED = 7,
    VM_POWEROFF = 8,
    VM_UNDEPLOYED = 9,
    VM_CLONING = 10,
    VM_CLONING_FAILURE = 11,
    VM_STATES
} VmState;

typedef enum {
    LCM_INIT = 0,
    LCM_PROLOG = 1,
    LCM_BOOT = 2,
    LCM_RUNNING = 3,
    LCM_MIGRATE = 4,
    LCM_SAVE_STOP = 5,
    LCM_SAVE_SUSPEND = 6,
    LCM_SAVE_MIGRATE = 7,
    LCM_PROLOG_MIGRATE = 8,
    LCM_PROLOG_RESUME = 9,
    LCM_EPILOG_STOP = 10,
    LCM_EPILOG = 11,
    LCM_SHUTDOWN = 12,
    LCM_CLEANUP_RESUBMIT = 15,
    LCM_UNKNOWN = 16,
    LCM_HOTPLUG = 17,
    LCM_SHUTDOWN_POWEROFF = 18,
    LCM_BOOT_UNKNOWN = 19,
    LCM_BOOT_POWEROFF = 20,
    LCM_BOOT_SUSPENDED = 21,
    LCM_BOOT_STOPPED = 22,
    LCM_CLEANUP_DELETE = 23,
    LCM_HOTPLUG_SNAPSHOT = 24,
    LCM_HOTPLUG_NIC = 25,
    LCM_HOTPLUG_SAVEAS = 26,
    LCM_HOTPLUG_SAVEAS_POWEROFF = 27,
    LCM_HOTPLUG_SAVEAS_SUSPENDED = 28,
    LCM_SHUTDOWN_UNDEPLOY = 29,
    LCM_EPILOG_UNDEPLOY = 30,
    LCM_PROLOG_UNDEPLOY = 31,
    LCM_BOOT_UNDEPLOY = 32,
    LCM_HOTPLUG_PROLOG_POWEROFF = 33,
    LCM_HOTPLUG_EPILOG_POWEROFF = 34,
    LCM_BOOT_MIGRATE = 35,
    LCM_BOOT_FAILURE = 36,
    LCM_BOOT_MIGRATE_FAILURE = 37,
    LCM_PROLOG_MIGRATE_FAILURE = 38,
    LCM_PROLOG_FAILURE = 39,
    LCM_EPILOG_FAILURE = 40,
    LCM_EPILOG_STOP_FAILURE = 41,
    LCM_EPILOG_UNDEPLOY_FAILURE = 42,
    LCM_PROLOG_MIGRATE_POWEROFF = 43,
    LCM_PROLOG_MIGRATE_POWEROFF_FAILURE = 44,
    LCM_PROLOG_MIGRATE_SUSPEND = 45,
    LCM_PROLOG_MIGRATE_SUSPEND_FAILURE = 46,
    LCM_BOOT_UNDEPLOY_FAILURE = 47,
    LCM_BOOT_STOPPED_FAILURE = 48,
    LCM_PROLOG_RESUME_FAILURE = 49,
    LCM_PROLOG_UNDEPLOY_FAILURE = 50,
    LCM_DISK_SNAPSHOT_POWEROFF = 51,
    LCM_DISK_SNAPSHOT_REVERT_POWEROFF = 52,
    LCM_DISK_SNAPSHOT_DELETE_POWEROFF = 53,
    LCM_DISK_SNAPSHOT_SUSPENDED = 54,
    LCM_DISK_SNAPSHOT_DELETE_SUSPENDED = 56,
    LCM_DISK_SNAPSHOT = 57,
    LCM_DISK_SNAPSHOT_DELETE = 59,
    LCM_PROLOG_MIGRATE_UNKNOWN = 60,
    LCM_PROLOG_MIGRATE_UNKNOWN_FAILURE = 61,
    LCM_DISK_RESIZE = 62,
    LCM_DISK_RESIZE_POWEROFF = 63,
    LCM_DISK_RESIZE_UNDEPLOYED = 64,
    LCM_HOTPLUG_NIC_POWEROFF = 65,
    LCM_HOTPLUG_RESIZE = 66,
    LCM_HOTPLUG_SAVEAS_UNDEPLOYED = 67,
    LCM_HOTPLUG_SAVEAS_STOPPED = 68,
    LCM_BACKUP = 69,
    LCM_BACKUP_POWEROFF = 70,
    LCM_RESTORE = 71,
    LCM_STATES = 72
} VmLcm;

/* Numbers of HISTORY/ACTION. */
typedef enum {
    VM_ACTION_NONE = 0,
    VM_ACTION_MIGRATE = 1,
    VM_ACTION_LIVE_MIGRATE = 2,
    VM_ACTION_UNDEPLOY = 5,
    VM_ACTION_UNDEPLOY_HARD = 6,
    VM_ACTION_HOLD = 7,
    VM_ACTION_RELEASE = 8,
    VM_ACTION_STOP = 9,
    VM_ACTION_SUSPEND = 10,
    VM_ACTION_RESUME = 11,
    VM_ACTION_DELETE = 13,
    VM_ACTION_DELETE_RECREATE = 14,
    VM_ACTION_REBOOT = 15,
    VM_ACTION_REBOOT_HARD = 16,
    VM_ACTION_RESCHED = 17,
    VM_ACTION_UNRESCHED = 18,
    VM_ACTION_POWEROFF = 19,
    VM_ACTION_POWEROFF_HARD = 20,
    VM_ACTION_DISK_ATTACH = 21,
    VM_ACTION_DISK_DETACH = 22,
    VM_ACTION_NIC_ATTACH = 23,
    VM_ACTION_NIC_DETACH = 24,
    VM_ACTION_DISK_SNAPSHOT_CREATE = 25,
    VM_ACTION_DISK_SNAPSHOT_DELETE = 26,
    VM_ACTION_TERMINATE = 27,
    VM_ACTION_TERMINATE_HARD = 28,
    VM_ACTION_DISK_RESIZE = 29,
    VM_ACTION_DEPLOY = 30,
    VM_ACTION_UPDATECONF = 33,
    VM_ACTION_RESIZE = 35,
    VM_ACTION_SNAPSHOT_CREATE = 37,
    VM_ACTION_SNAPSHOT_DELETE = 38,
    VM_ACTION_SNAPSHOT_REVERT = 39,
    VM_ACTION_DISK_SAVEAS = 40,
    VM_ACTION_DISK_SNAPSHOT_REVERT = 41,
    VM_ACTION_RECOVER = 42,
    VM_ACTION_MONITOR = 44,
    VM_ACTION_POWEROFF_MIGRATE = 48,
    VM_ACTION_POWEROFF_HARD_MIGRATE = 49,
    VM_ACTION_BACKUP = 50,
    VM_ACTION_NIC_UPDATE = 51,
    VM_ACTION_BACKUP_CANCEL = 52,
    VM_ACTION_PCI_ATTACH = 58,
    VM_ACTION_PCI_DETACH = 59,
    VM_ACTION_RESTORE = 60,
    VM_ACTION_EXEC = 61,
    VM_ACTION_EXEC_RETRY = 62,
    VM_ACTION_EXEC_CANCEL = 63,
    VM_ACTION_VMGROUP_ADD = 64,
    VM_ACTION_VMGROUP_DEL = 65,
} VmActionNumber;

/* One stay on one host. Times are seconds since the epoch, 0 for not yet. */
typedef struct VmRecord {
    gint seq;
    gint32 host;
    char *host_name;
    gint32 cluster;
    gint64 stime, etime;   /* the stay */
    gint64 pstime, petime; /* prolog: files being brought */
    gint64 rstime, retime; /* running */
    gint64 estime, eetime; /* epilog: files being taken away */
    char *vm_mad, *tm_mad;
    gint32 datastore; /* system datastore */
    gint action;      /* VmActionNumber that ended it */
    gint32 uid, gid;  /* who asked for that */
    char *request;
    gint32 plan, plan_action; /* the plan of a cluster that ended it, or -1 */
} VmRecord;

/* What a host gives to a machine: percent of CPU, KiB of memory and MiB of its own disks. */
typedef struct VmCharge {
    gint32 host; /* -1: nothing */
    gint64 cpu, memory, disk;
} VmCharge;

typedef struct Vm {
    Object head;
    VmState state;
    VmLcm lcm;
    VmState previous_state;
    VmLcm previous_lcm;
    gboolean resched;
    gint64 last_poll;
    gint64 stime, etime;
    char *deploy_id;
    Template *user_template;      /* never NULL */
    Template *operation;          /* a change under way (server/lifecycle/vm_operate.c), or NULL */
    Template *snapshots;          /* of disks (server/model/machine/vm_snapshots.h); never NULL */
    Template *backups;            /* server/model/machine/vm_backups.h; never NULL */
    char *monitoring;             /* XML inside <MONITORING>, or NULL */
    gint64 memory_used, cpu_used; /* of the last sample, for the old shapes: KiB, percent */
    gint64 net_tx, net_rx;
    GPtrArray *records;    /* of VmRecord, oldest first */
    GPtrArray *migrations; /* of Migration, oldest first */
    GArray *groups;        /* ids of the security groups that count it, or NULL */
    VmCharge charges[2];   /* what hosts give now: the present one, and the other of a migration */

    /* The work at hand, kept in memory only: after a restart it follows from the state. */
    struct {
        guint step;      /* which step of the phase */
        guint failed;    /* the step that failed, when others undo it */
        gboolean undone; /* and they did */
        guint64 request; /* number of the request that is waited for; 0: none */
        guint64 timer;
        guint attempts;   /* how often the step was sent again */
        gboolean asking;  /* the hosts are being asked what is true */
        guint questions;  /* how often they were asked in vain */
        char *found[2];   /* what they said: source, destination */
        guint64 polls[2]; /* numbers of the questions to them; older answers do not count */
        gint64 since;     /* steady time, for the log */
        char *reason;     /* why the last step failed */
        gboolean seen;    /* a host said that it runs there */
        gboolean off;     /* the hosts said that it runs nowhere */
        gboolean ended;   /* while it moved, an event told its end at the source */
        gboolean over;    /* while it was started, an event told its end */
    } work;
    char *refused; /* why its host did not take its security groups, as said last; in memory only */
    /* The command in the guest; in memory only. */
    struct {
        guint64 timer; /* until the next question about it */
        guint64
            asked[3]; /* numbers of what the driver was asked about this command, and no other */
        guint failed; /* questions in a row that had no answer */
    } exec;
    gboolean stayed;    /* the destination of a migration said that it does not have it, while its
                           own host could not be asked */
    gint frozen;        /* how it is being suspended, or was: 0 saved, 1 frozen on its host; -1: it
                           is not, or that was not noted */
    gboolean undecided; /* both hosts of a migration answered, and it still is not known where it
                           is: asking again would not help */
    gint64 resting_since; /* steady time of the last change of state: older reports say nothing */
} Vm;

#define VM(object) ((Vm *)(object))

const char *vm_state_name(VmState state);
const char *vm_lcm_name(VmLcm lcm);
/* The numbers of 1.2 to 2.2, whose clients know none above FAILED and UNKNOWN. */
void vm_old_state(const Vm *vm, gint *state, gint *lcm);
/* The LCM state's name when active, else the state's: what messages say. */
const char *vm_shown_state(const Vm *vm);

/* A machine that ran before oned knew of it; its domain has a name of its own: deploy_id. */
gboolean vm_is_imported(const Vm *vm);
Vm *vm_get(World *world, gint32 id);
/* A new machine in PENDING or HOLD; both templates are taken. Gets its id and is in the pool. */
Vm *vm_create(World *world, const char *name, gint32 uid, gint32 gid, Template *template,
              Template *user_template, gboolean hold);
VmRecord *vm_last_record(const Vm *vm); /* NULL: never deployed */
VmRecord *vm_previous_record(const Vm *vm);
VmRecord *vm_add_record(World *world, Vm *vm);
/* Takes back the newest record (a migration that did not happen). */
void vm_drop_record(World *world, Vm *vm);
/* Writes the record's row. */
void vm_record_changed(World *world, Vm *vm, VmRecord *record);
void vm_set_state(World *world, Vm *vm, VmState state, VmLcm lcm);

/* CPU in percent (100 is one core) and memory in KiB that a host must give. */
void vm_capacity(const Vm *vm, gint64 *cpu, gint64 *memory);
/* Brings the usage of hosts in line with the machine's state; called by vm_set_state and
 * whenever records or capacity change. */
void vm_recharge(World *world, Vm *vm);
gboolean vm_is_on(const Vm *vm, gint32 host); /* holds capacity there */
/* On its way from the host of the record before the last to the last one's. In BOOT it may be too:
 * one that was powered off to be moved starts there. */
gboolean vm_is_moving(const Vm *vm);
/* Removes the machine's row and records for good (tests and delete-db keep them as DONE). */
extern const KindOperations vm_operations;
extern const StoreTable vm_table, history_table;
gboolean vm_load_record(World *world, const StoreValue *values, GError **error);
/* <HISTORY> of one record, not closed yet, and the machine as it stands in there: whole, without
 * its history. */
void vm_render_record_open(const Vm *vm, const VmRecord *record, GString *xml);
void vm_render_for_record(World *world, Vm *vm, GString *xml);
/* One line of XML for the body of the 1.4 - 3.8 shapes. */
void vm_render_old(World *world, Vm *vm, GString *xml);
