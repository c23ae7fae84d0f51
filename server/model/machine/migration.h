/*
 * One order to move a machine, and what came of it: a row of its own, kept when the machine
 * is gone. The machine holds its last MIGRATIONS_KEPT, oldest first. Times are seconds since
 * the epoch, figures that are not known are -1.
 */
#pragma once

#include "server/model/machine/vm.h"

#define MIGRATIONS_KEPT 50

typedef enum {
    MIGRATION_LIVE,
    MIGRATION_SAVE, /* saved, moved, restored; or moved while it is suspended */
    MIGRATION_POWEROFF,
    MIGRATION_POWEROFF_HARD,
    MIGRATION_KINDS
} MigrationKind;

typedef enum {
    MIGRATION_RUNNING, /* under way */
    MIGRATION_SUCCESS,
    MIGRATION_FAILURE,
    MIGRATION_UNKNOWN, /* no host could say where the machine is */
    MIGRATION_RESULTS
} MigrationResult;

/* Numbers of a run, in the order of the table's columns and of the XML. */
typedef enum {
    FIGURE_ELAPSED_MS, /* from the order to its result, as oned saw it */
    FIGURE_TOTAL_MS,   /* this and the rest: as the hypervisor said */
    FIGURE_DOWNTIME_MS,
    FIGURE_SETUP_MS,
    FIGURE_BYTES,
    FIGURE_MEMORY_BYTES,
    FIGURE_DISK_BYTES,
    FIGURE_ROUNDS,
    FIGURE_DIRTY_RATE, /* bytes a second */
    FIGURES
} MigrationFigure;

typedef struct Migration {
    gint number; /* of the machine's migrations, from 0 */
    gint record; /* history record made for it, while its result may change; else -1 */
    gint32 source, destination;
    char *source_name, *destination_name;
    MigrationKind kind;
    char *mode;    /* "precopy", "postcopy", "live", "checkpointed", "stopped"; "" when not known */
    char *storage; /* "shared", "mirrored"; "" when not known */
    MigrationResult result;
    char *reason;  /* of a failure, or what is to be said about a success */
    char *options; /* MIGRATE of the order, in the template language; "" when it had none */
    gint64 started, ended;
    gint64 figures[FIGURES];
    char *more;   /* other numbers that the driver told: "name=value ..." */
    gint64 since; /* steady time of the order; 0 after a restart of oned */
} Migration;

extern const StoreTable migration_table;

/* A new one at the end of the machine's, started now; the oldest goes when there are too many.
 * Call migration_changed() when it is filled. (borrowed, until the machine's next one) */
Migration *migration_add(World *world, Vm *vm);
Migration *migration_last(const Vm *vm); /* NULL: never moved */
/* Writes its row. */
void migration_changed(World *world, Vm *vm, const Migration *migration);
/* Takes "key=value" words of a driver's result. Words of another form are passed over. */
void migration_take_figures(Migration *migration, const char *words);
const char *migration_result_name(MigrationResult result);

void migration_free(gpointer migration);
gboolean migration_load(World *world, const StoreValue *values, GError **error);
/* <MIGRATION_POOL>, oldest first, appended. */
void migrations_render(const Vm *vm, GString *xml);
/* What does not fit together; calls `tell` with a text for each. */
void migrations_check(const Vm *vm, void (*tell)(const char *text, gpointer data), gpointer data);
