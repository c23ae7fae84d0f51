/*
 * Backup jobs at work. A run puts all machines of the job into its OUTDATED and `waiting`; from
 * there they are started, jobs of the highest priority first and machines in the order of
 * BACKUP_VMS, one at a time (EXECUTION = SEQUENTIAL) or as many as MAX_BACKUPS and MAX_BACKUPS_HOST
 * of oned.conf let. A machine that something else is being done to has its turn later.
 */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "server/model/machine/backupjob.h"

#include <string.h>

/* Machines that were busy are looked at again so often. */
#define LOOK_SECONDS 10

static void look(Core *core, gpointer data);

static void look_in(Lifecycle *lifecycle, gint64 seconds)
{
    Core *core = lifecycle->world->core;
    core_timer_cancel(core, lifecycle->jobs_timer);
    lifecycle->jobs_timer = core_timer_add(core, seconds * G_USEC_PER_SEC, look, lifecycle, NULL);
}

void lifecycle_backupjobs_connect(Lifecycle *lifecycle, BackupJobStart start, gpointer data)
{
    lifecycle->job_start = start;
    lifecycle->job_data = data;
}

/* ---- limits ---- */

static gboolean is_backed_up(const Vm *vm)
{
    return vm->state == VM_ACTIVE && (vm->lcm == LCM_BACKUP || vm->lcm == LCM_BACKUP_POWEROFF);
}

/* Backups under way, and those that wait for somebody's word on rights: each has its place then.
 * Counted once in a look, which may be at thousands of machines that wait. */
typedef struct Busy {
    gint64 all_max, each_max; /* <= 0: any number */
    guint all;
    GHashTable *hosts; /* host -> backups of machines there */
} Busy;

static guint busy_on(const Busy *busy, gint32 host)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(busy->hosts, GINT_TO_POINTER(host)));
}

static void take_place(Busy *busy, const Vm *vm)
{
    const VmRecord *record = vm_last_record(vm);
    busy->all++;
    if (record)
        g_hash_table_insert(busy->hosts, GINT_TO_POINTER(record->host),
                            GUINT_TO_POINTER(busy_on(busy, record->host) + 1));
}

static gboolean is_full(const Busy *busy)
{
    return busy->all_max > 0 && busy->all >= busy->all_max;
}

static gboolean has_place(const Busy *busy, const Vm *vm)
{
    const VmRecord *record = vm_last_record(vm);
    return !is_full(busy) &&
           (busy->each_max <= 0 || !record || busy_on(busy, record->host) < busy->each_max);
}

/* ---- a run ---- */

static void set_error(World *world, BackupJob *job, gint32 vm, const char *reason)
{
    g_autofree char *text = reason ? g_strdup_printf("VM %d: %s", vm, reason) : NULL;
    template_set(job->head.template, "ERROR", text);
    object_changed(world, &job->head);
}

static void end_when_done(World *world, BackupJob *job)
{
    if (!job->started || backupjob_under_way(job))
        return;
    job->last_time = job->started;
    job->last_duration = core_now(world->core) - job->started;
    job->started = 0;
    object_changed(world, &job->head);
    log_info("BKJ", "Backup job %s (%d) is done in %" G_GINT64_FORMAT " s: %u machines, %u failed",
             job->head.name, job->head.id, job->last_duration, job->updated->len, job->errors->len);
}

/* Starts a machine's backup, or has it wait, or fail. FALSE: it waits for somebody else's word. */
static gboolean start(Lifecycle *lifecycle, BackupJob *job, gint32 id, Busy *backups)
{
    World *world = lifecycle->world;
    Vm *vm = vm_get(world, id);
    g_autoptr(GError) error = NULL;
    gboolean busy = vm && vm->state == VM_ACTIVE && vm->lcm != LCM_RUNNING &&
                    vm->lcm != LCM_UNKNOWN && !vm_is_failure(vm->lcm);
    StartResult result = START_FAILED;
    if (busy || (vm && !has_place(backups, vm)))
        return TRUE;
    if (!vm || vm->state == VM_DONE)
        g_set_error(&error, ONE_ERROR, ONE_ERROR_NO_EXISTS, "it does not exist any more");
    else
        result = lifecycle->job_start
                     ? lifecycle->job_start(lifecycle, job, vm, lifecycle->job_data, &error)
                     : START_STARTED;
    if (result != START_FAILED)
        take_place(backups, vm);
    if (result == START_WAITS)
        return FALSE;
    if (result == START_STARTED) {
        backupjob_move(world, job, id, job->backing_up);
        return TRUE;
    }
    log_warning("BKJ", "Backup job %s (%d): machine %d: %s", job->head.name, job->head.id, id,
                error->message);
    backupjob_move(world, job, id, job->errors);
    set_error(world, job, id, error->message);
    return TRUE;
}

static void work_on(Lifecycle *lifecycle, BackupJob *job, Busy *backups)
{
    const char *execution = template_get(job->head.template, "EXECUTION");
    gboolean parallel = execution && !g_ascii_strcasecmp(execution, "PARALLEL");
    g_autoptr(GArray) order = backupjob_machines(job->head.template, NULL);
    for (guint i = 0; order && i < order->len; i++) {
        gint32 id = g_array_index(order, gint32, i);
        if (is_full(backups) || (!parallel && job->backing_up->len))
            break;
        if (ids_contain(job->waiting, id) && !start(lifecycle, job, id, backups) && !parallel)
            break; /* the others are after it */
    }
    end_when_done(lifecycle->world, job);
}

static gint by_priority(gconstpointer one, gconstpointer other)
{
    const BackupJob *a = *(BackupJob *const *)one, *b = *(BackupJob *const *)other;
    return a->priority != b->priority ? b->priority - a->priority : a->head.id - b->head.id;
}

static void look(Core *core, gpointer data)
{
    Lifecycle *lifecycle = data;
    World *world = lifecycle->world;
    const GPtrArray *jobs = world->pools[KIND_BACKUPJOB].order;
    const GPtrArray *vms = world->pools[KIND_VM].order;
    g_autoptr(GPtrArray) busy = g_ptr_array_new();
    g_autoptr(GHashTable) hosts = g_hash_table_new(NULL, NULL);
    Busy backups = {.all_max = config_int(world->config, "MAX_BACKUPS"),
                    .each_max = config_int(world->config, "MAX_BACKUPS_HOST"),
                    .hosts = hosts};
    gboolean left = FALSE;
    lifecycle->jobs_timer = 0;
    for (guint i = 0; i < jobs->len; i++)
        if (BACKUPJOB(jobs->pdata[i])->started)
            g_ptr_array_add(busy, jobs->pdata[i]);
    g_ptr_array_sort(busy, by_priority);
    for (guint i = 0; busy->len && i < vms->len; i++)
        if (is_backed_up(vms->pdata[i]))
            take_place(&backups, vms->pdata[i]);
    for (guint i = 0; i < busy->len; i++) {
        work_on(lifecycle, busy->pdata[i], &backups);
        left = left || BACKUPJOB(busy->pdata[i])->waiting->len;
    }
    if (left)
        look_in(lifecycle, LOOK_SECONDS);
}

void lifecycle_backupjobs_again(Lifecycle *lifecycle, gint32 job)
{
    look_in(lifecycle, 0);
}

void backupjobs_begin(Lifecycle *lifecycle)
{
    if (lifecycle->world->pools[KIND_BACKUPJOB].order->len)
        look_in(lifecycle, 0);
}

static void begin(Lifecycle *lifecycle, BackupJob *job, const GArray *machines)
{
    g_autoptr(GArray) ids = g_array_copy((GArray *)machines);
    for (guint i = 0; i < ids->len; i++) {
        gint32 id = g_array_index(ids, gint32, i);
        if (ids_contain(job->backing_up, id))
            continue;
        backupjob_move(lifecycle->world, job, id, job->outdated);
        ids_add(job->waiting, id);
    }
    if (!job->started)
        job->started = core_now(lifecycle->world->core);
    set_error(lifecycle->world, job, 0, NULL);
    look_in(lifecycle, 0);
}

gboolean backupjob_run(Lifecycle *lifecycle, BackupJob *job, GError **error)
{
    g_autoptr(GArray) machines = backupjob_machines(job->head.template, error);
    if (!machines)
        return FALSE;
    if (!machines->len || backupjob_under_way(job)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    machines->len ? "Backup job %d is under way; wait, or cancel it"
                                  : "Backup job %d has no machines: set BACKUP_VMS",
                    job->head.id);
        return FALSE;
    }
    begin(lifecycle, job, machines);
    return TRUE;
}

gboolean backupjob_retry(Lifecycle *lifecycle, BackupJob *job, GError **error)
{
    if (!job->errors->len) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "Backup job %d has no machine whose backup failed", job->head.id);
        return FALSE;
    }
    begin(lifecycle, job, job->errors);
    return TRUE;
}

void backupjob_cancel(Lifecycle *lifecycle, BackupJob *job, const VmAsker *asker)
{
    g_autoptr(GArray) busy = g_array_copy(job->backing_up);
    g_array_set_size(job->waiting, 0);
    for (guint i = 0; i < busy->len; i++) {
        Vm *vm = vm_get(lifecycle->world, g_array_index(busy, gint32, i));
        if (vm)
            (void)vm_backup_cancel(lifecycle, vm, asker, NULL);
    }
    end_when_done(lifecycle->world, job);
    object_changed(lifecycle->world, &job->head);
}

void backupjob_machine_done(Lifecycle *lifecycle, gint32 id, const Vm *vm, const char *reason)
{
    World *world = lifecycle->world;
    BackupJob *job = backupjob_get(world, id);
    if (job && ids_contain(job->backing_up, vm->head.id)) {
        g_autoptr(GArray) wanted = backupjob_machines(job->head.template, NULL);
        gboolean named = FALSE; /* it may have been taken out meanwhile */
        for (guint i = 0; wanted && i < wanted->len; i++)
            named = named || g_array_index(wanted, gint32, i) == vm->head.id;
        backupjob_move(world, job, vm->head.id,
                       !named   ? NULL
                       : reason ? job->errors
                                : job->updated);
        if (reason)
            set_error(world, job, vm->head.id, reason);
        end_when_done(world, job);
    }
    if (world->pools[KIND_BACKUPJOB].order->len)
        look_in(lifecycle, 0); /* there is a place for another */
}
