/*
 * What a host may have of a machine that is not there: after a migration whose other host could not
 * be reached any more. The host's template names the machines in LEFTOVERS ("12:0:ssh 14:0:ssh":
 * machine, datastore, transfer driver), so that they survive a restart and the administrator sees
 * them. When that host answers again and it is known where the machine is, the hypervisor's driver
 * removes a copy that stands still there, and then the transfer driver its disks, unless they are
 * shared; until then nothing is destroyed.
 */
#include "server/lifecycle/internal.h"

#include <string.h>

#define LEFTOVERS "LEFTOVERS"

typedef struct Leftover {
    gint32 vm, datastore;
    char *tm_mad;
} Leftover;

static void leftover_free(gpointer data)
{
    g_free(((Leftover *)data)->tm_mad);
    g_free(data);
}

/* (owned) */
static GPtrArray *read_list(const Host *host)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(leftover_free);
    const char *text = template_get(host->head.template, LEFTOVERS);
    g_auto(GStrv) words = g_strsplit(text ? text : "", " ", -1);
    for (guint i = 0; words[i]; i++) {
        g_auto(GStrv) parts = g_strsplit(words[i], ":", 3);
        if (g_strv_length(parts) != 3)
            continue;
        Leftover *leftover = g_new0(Leftover, 1);
        leftover->vm = (gint32)g_ascii_strtoll(parts[0], NULL, 10);
        leftover->datastore = (gint32)g_ascii_strtoll(parts[1], NULL, 10);
        leftover->tm_mad = g_strdup(parts[2]);
        g_ptr_array_add(list, leftover);
    }
    return list;
}

static void write_list(Lifecycle *lifecycle, Host *host, const GPtrArray *list)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < list->len; i++) {
        const Leftover *leftover = list->pdata[i];
        g_string_append_printf(text, "%s%d:%d:%s", i ? " " : "", leftover->vm, leftover->datastore,
                               leftover->tm_mad);
    }
    template_set(host->head.template, LEFTOVERS, text->len ? text->str : NULL);
    object_changed(lifecycle->world, &host->head);
}

static gboolean find(const GPtrArray *list, gint32 vm, guint *index)
{
    for (*index = 0; *index < list->len; ++*index)
        if (((const Leftover *)list->pdata[*index])->vm == vm)
            return TRUE;
    return FALSE;
}

static void forget(Lifecycle *lifecycle, Host *host, gint32 vm)
{
    g_autoptr(GPtrArray) list = read_list(host);
    guint index;
    if (!find(list, vm, &index))
        return;
    g_ptr_array_remove_index(list, index);
    write_list(lifecycle, host, list);
}

void leftover_note(Lifecycle *lifecycle, const Vm *vm, const VmRecord *record)
{
    Host *host = host_get(lifecycle->world, record->host);
    if (!host || !record->tm_mad || strpbrk(record->tm_mad, " \t\n"))
        return;
    g_autoptr(GPtrArray) list = read_list(host);
    guint index;
    if (find(list, vm->head.id, &index))
        return;
    Leftover *leftover = g_new0(Leftover, 1);
    leftover->vm = vm->head.id;
    leftover->datastore = record->datastore;
    leftover->tm_mad = g_strdup(record->tm_mad);
    g_ptr_array_add(list, leftover);
    write_list(lifecycle, host, list);
    vm_log(lifecycle, vm, LOG_WARNING,
           "what host %s may have of the machine is removed when it answers again",
           record->host_name);
}

static void ask(Lifecycle *lifecycle, DriverRequest *request, const Host *host, gint32 vm)
{
    lifecycle_ask(lifecycle, request, ASKED_LEFTOVER, vm, (guint)host->head.id,
                  lifecycle_timeout(lifecycle, "FAILMIGRATE", 600));
}

static gboolean is_shared(Lifecycle *lifecycle, const Leftover *leftover)
{
    VmRecord record = {.datastore = leftover->datastore, .tm_mad = leftover->tm_mad};
    return vm_storage_is_shared(lifecycle, &record);
}

static gboolean runs(const Vm *vm)
{
    return vm && vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING;
}

static void remove_disks(Lifecycle *lifecycle, Host *host, const Leftover *leftover, const Vm *vm)
{
    const VmRecord *last = vm && vm->state != VM_DONE ? vm_last_record(vm) : NULL;
    if (is_shared(lifecycle, leftover)) {
        forget(lifecycle, host, leftover->vm);
        return;
    }
    DriverRequest *request =
        vm_leftover_request(lifecycle, leftover->vm, leftover->datastore, leftover->tm_mad,
                            last && !last->etime ? last->host_name : NULL, host->head.name);
    ask(lifecycle, request, host, leftover->vm);
}

static void clean(Lifecycle *lifecycle, Host *host, const Leftover *leftover, Vm *vm)
{
    if (runs(vm))
        ask(lifecycle, vm_settle_request(lifecycle, vm, host), host, leftover->vm);
    else
        remove_disks(lifecycle, host, leftover, vm);
}

void leftovers_clean(Lifecycle *lifecycle, Host *host)
{
    if (!template_get(host->head.template, LEFTOVERS) ||
        (host->state != HOST_MONITORED && host->state != HOST_DISABLED))
        return;
    g_autoptr(GPtrArray) list = read_list(host);
    for (guint i = 0; i < list->len; i++) {
        const Leftover *leftover = list->pdata[i];
        Vm *vm = vm_get(lifecycle->world, leftover->vm);
        if (lifecycle_asks(lifecycle, ASKED_LEFTOVER, leftover->vm, (guint)host->head.id))
            continue;
        if (vm && vm_is_on(vm, host->head.id)) {
            /* It came back there, or is on its way: these are its disks now. */
            if (vm->lcm != LCM_UNKNOWN)
                forget(lifecycle, host, leftover->vm);
        } else if (!vm || vm->state != VM_ACTIVE || runs(vm)) {
            clean(lifecycle, host, leftover, vm);
        }
    }
}

void leftovers_clean_of(Lifecycle *lifecycle, const Vm *vm)
{
    GPtrArray *hosts = lifecycle->world->pools[KIND_HOST].order;
    for (guint i = 0; vm->migrations->len && i < hosts->len; i++) {
        g_autoptr(GPtrArray) list = read_list(hosts->pdata[i]);
        guint index;
        if (find(list, vm->head.id, &index))
            leftovers_clean(lifecycle, hosts->pdata[i]);
    }
}

void leftover_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success, const char *info)
{
    Host *host = host_get(lifecycle->world, (gint32)asked->place);
    if (!host)
        return;
    if (!success) {
        log_warning("HST", "Host %s (%d): what it still has of machine %d could not be removed: %s",
                    host->head.name, host->head.id, asked->id, info);
        return;
    }
    const Vm *vm = vm_get(lifecycle->world, asked->id);
    g_autoptr(GPtrArray) list = read_list(host);
    guint index;
    if (!strcmp(asked->action, "SETTLE") && find(list, asked->id, &index)) {
        if (runs(vm) && !vm_is_on(vm, host->head.id))
            remove_disks(lifecycle, host, list->pdata[index], vm);
        return;
    }
    log_info("HST", "Host %s (%d): what it still had of machine %d is removed", host->head.name,
             host->head.id, asked->id);
    forget(lifecycle, host, asked->id);
}
