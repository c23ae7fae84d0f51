/*
 * A backup job: machines that are backed up together, when somebody says so or at a time. Shape:
 * backupjob.xsd. Its template holds BACKUP_VMS (ids in their order), DATASTORE_ID, EXECUTION,
 * RESET, and settings that go before those of the machines (server/model/machine/vm_backups.h).
 *
 * Each machine is in one of the lists UPDATED, OUTDATED, BACKING_UP and ERROR; `waiting` holds
 * those of the OUTDATED whose turn comes in the run under way.
 */
#pragma once

#include "server/model/object.h"

typedef struct BackupJob {
    Object head;
    gint32 priority;                                            /* 0 to 100; the highest first */
    gint64 last_time, last_duration;                            /* of the last run, seconds */
    gint64 started;                                             /* of the run under way; 0: none */
    GArray *updated, *outdated, *backing_up, *errors, *waiting; /* ids of machines */
} BackupJob;

#define BACKUPJOB(object) ((BackupJob *)(object))

/* Above this only administrators of the job may set it. */
#define BACKUPJOB_PRIORITY_FREE 50
#define BACKUPJOB_PRIORITY_MAX  100

BackupJob *backupjob_get(World *world, gint32 id);
/* A new one; the template is taken. All its machines are OUTDATED. */
BackupJob *backupjob_create(World *world, const char *name, gint32 uid, gint32 gid, gint32 priority,
                            Template *template);
/* Ids of BACKUP_VMS in their order. NULL with an error: it is no list of ids, or has one twice.
 * (owned)
 */
GArray *backupjob_machines(const Template *template, GError **error);
/* The template is another: lists follow BACKUP_VMS. */
void backupjob_updated(World *world, BackupJob *job);
gboolean backupjob_under_way(const BackupJob *job);
/* The machine goes to that list, one of the job's, and is in no other. `list` NULL: in none. */
void backupjob_move(World *world, BackupJob *job, gint32 vm, GArray *list);

extern const KindOperations backupjob_operations;
/* Adds a line for each machine said to be backed up that is not. */
void backupjobs_check(World *world, GPtrArray *problems);
