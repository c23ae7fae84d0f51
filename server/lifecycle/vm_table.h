/* The tables of the machines' life cycle. share/doc/states.md is drawn from them. */
#pragma once

#include "server/lifecycle/lifecycle.h"

/* What a driver does for a machine. */
typedef enum {
    STEP_NONE,
    STEP_PROLOG,      /* bring the disks to the host */
    STEP_MOVE,        /* move the machine's directory from the old host to the new one */
    STEP_STOP,        /* move it to the front-end */
    STEP_RESUME,      /* move it from the front-end to the host */
    STEP_EPILOG,      /* save what is to be saved, remove the rest */
    STEP_DELETE,      /* remove everything, save nothing */
    STEP_PREMIGRATE,  /* storage that is not shared: prepare the destination */
    STEP_POSTMIGRATE, /* the same: clean up the source */
    STEP_FAILMIGRATE, /* the same: clean up the destination */
    STEP_DEPLOY,
    STEP_SHUTDOWN, /* SHUTDOWN, or CANCEL when the action was a hard one */
    STEP_SAVE,
    STEP_LEAVE,  /* cold migration: SAVE, SHUTDOWN or CANCEL on the old host */
    STEP_FREEZE, /* for drivers that have no SAVE: the machine stands still on its host */
    STEP_RESTORE,
    STEP_THAW,
    STEP_MIGRATE,
    STEP_EVICT,   /* a machine of which sight was lost must be off before it starts elsewhere */
    STEP_CLEANUP, /* the hypervisor forgets the machine, on every host it may be on */
    STEP_FORGET,  /* the same at the end of a machine, where those that are off stay on hosts */
    /* Of changes; each has something to do for some of them only. */
    STEP_DISK_IN,     /* bring the disk that is attached, or make the context anew */
    STEP_DISK_PLUG,   /* ATTACHDISK, DETACHDISK or UPDATECONF */
    STEP_DISK_OUT,    /* save and remove the disk that was detached */
    STEP_DISK_UNPLUG, /* undo: the disk of an attachment that failed is in no machine */
    STEP_DISK_ERASE,  /* undo: nor on the host */
    STEP_NIC_PLUG,    /* ATTACHNIC, DETACHNIC or UPDATENIC */
    STEP_NIC_UNPLUG,
    STEP_SNAPSHOT, /* SNAPSHOTCREATE, SNAPSHOTREVERT or SNAPSHOTDELETE */
    STEP_SNAPSHOT_UNDO,
    STEP_DISK_SNAPSHOT,       /* copy a disk, put a copy back, remove one */
    STEP_DISK_SNAPSHOT_READY, /* prepare the file that the next fills */
    STEP_DISK_SNAPSHOT_LIVE,
    STEP_DISK_SNAPSHOT_ERASE,
    STEP_DISK_SAVE, /* a copy of a disk, or of a snapshot, as an image */
    STEP_RESIZE,
    STEP_DISK_RESIZE,      /* of a disk that is not in use */
    STEP_DISK_RESIZE_LIVE, /* of one that is */
    STEP_BACKUP_READY,     /* files that the next fills */
    STEP_BACKUP_TAKE,      /* the hypervisor writes what disks in use hold at one moment */
    STEP_BACKUP_FETCH,     /* that, or disks not in use, come to the front-end */
    STEP_BACKUP_KEEP,      /* the backup's datastore takes them */
    STEP_BACKUP_DROP,      /* undo: the hypervisor ends that and forgets it */
    STEP_BACKUP_ERASE,     /* undo: what was written on the way goes */
    STEP_RESTORE_MAKE,     /* disks of a backup come to the front-end */
    STEP_RESTORE_PUT,      /* and from there into their places */
    STEP_RESTORE_ERASE,    /* undo */
    STEP_COUNT
} VmStep;

/* What must be true on the hosts when a step of the hypervisor has succeeded. */
typedef enum {
    EXPECT_NOTHING,
    EXPECT_RUNNING,
    EXPECT_GONE,
    EXPECT_PAUSED,
    EXPECT_MOVED
} VmExpectation;

typedef struct VmStepRow {
    VmStep step;
    DriverClass class;
    const char *action;  /* as the driver is told; for some it depends on the machine */
    const char *timeout; /* pair of ACTION_TIMEOUTS */
    guint seconds;       /* when the configuration says nothing */
    VmExpectation expectation;
    gboolean best_effort; /* its failure is logged and changes nothing */
} VmStepRow;

const VmStepRow *vm_step_row(VmStep step);

typedef struct VmTarget {
    VmState state;
    VmLcm lcm;
} VmTarget;

/* A phase: an active state in which drivers work. */
typedef struct VmPhase {
    VmLcm lcm;
    VmStep steps[4];
    VmStep undo; /* best effort, before the failure is entered */
    VmTarget success;
    VmTarget failure;
    /* Which times of the record begin with the phase and end with it. */
    enum { TIMES_NONE, TIMES_PROLOG, TIMES_RUNNING, TIMES_EPILOG } times;
    /* What else changes when it ends; the second may choose another target. */
    void (*leave)(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target);
    /* After `undo`, when that succeeded; best effort. When it did not, what was begun is kept. */
    VmStep undo_more;
} VmPhase;

const VmPhase *vm_phase(VmLcm lcm); /* NULL: not a phase */
/* The phase that failed, for a *_FAILURE state; LCM_INIT when it is none. */
VmLcm vm_failed_phase(VmLcm lcm);
gboolean vm_is_failure(VmLcm lcm);

/* An action: word, state, and where it leads. */
typedef struct VmActionRow {
    const char *word;
    VmState state;
    VmLcm lcm; /* for VM_ACTIVE; LCM_INIT with VM_ACTIVE: any *_FAILURE state */
    VmTarget target;
    VmActionNumber number;
    enum {
        DO_ENTER,   /* enter the target */
        DO_FLAG,    /* set or clear RESCHED */
        DO_SEND,    /* tell the hypervisor, no change of state */
        DO_NOTHING, /* allowed, and already so */
        DO_CHANGE,  /* a change of devices, snapshots or size, which has a method of its own */
    } what;
} VmActionRow;

typedef struct VmActionWord {
    const char *word;
    const char *meaning; /* the word of today for an old one, else NULL */
    const char *right;   /* "admin" or "manage" */
} VmActionWord;

const VmActionWord *vm_action_word(const char *word);
const VmActionRow *vm_action_row(const char *word, const Vm *vm);
/* All rows, for tests and documentation; end with a word of NULL. */
const VmActionRow *vm_action_rows(void);
const VmPhase *vm_phases(guint *count);
