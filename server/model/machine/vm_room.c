#include "server/model/machine/vm_room.h"

#include "lib/base/error.h"
#include "server/model/machine/vm_snapshots.h"
#include "server/model/world.h"

#include <string.h>

static gboolean says(const TemplateAttribute *disk, const char *name, const char *word)
{
    const char *value = attribute_get(disk, name);
    return value && g_ascii_strcasecmp(value, word) == 0;
}

/* The same as the scheduler takes it. */
static gboolean is_in_system(const TemplateAttribute *disk)
{
    gboolean image = attribute_get(disk, "IMAGE_ID") != NULL;
    if (says(disk, "TYPE", "swap") || (says(disk, "TYPE", "fs") && !image))
        return TRUE;
    if (says(disk, "CLONE", "NO"))
        return says(disk, "LN_TARGET", "SYSTEM");
    return !attribute_get(disk, "CLONE_TARGET") || says(disk, "CLONE_TARGET", "SYSTEM");
}

gint64 vm_system_mb(const Vm *vm)
{
    const TemplateAttribute *disk;
    gint64 all = 0;
    for (guint i = 0; (disk = template_vector(vm->head.template, "DISK", i)); i++) {
        gint64 size = 0, id = -1;
        if (!is_in_system(disk))
            continue;
        (void)attribute_get_int(disk, "SIZE", &size);
        all += CLAMP(size, 0, G_MAXINT32);
        if (vm->snapshots && attribute_get_int(disk, "DISK_ID", &id))
            all += CLAMP(vm_snapshots_size(vm, id), 0, G_MAXINT32);
    }
    return all;
}

gint64 vm_host_mb(World *world, const Vm *vm)
{
    const VmRecord *last = vm_last_record(vm);
    const Datastore *datastore = last ? datastore_get(world, last->datastore) : NULL;
    return datastore && !datastore_is_shared(datastore) ? vm_system_mb(vm) : 0;
}

/* ---- what is free ---- */

typedef struct Room {
    gint64 free, used; /* MiB */
    gint64 measured;   /* seconds since the epoch */
} Room;

/* FALSE: it is not known. */
static gboolean measured_room(const Host *host, const Datastore *datastore, Room *room)
{
    if (datastore_is_shared(datastore)) {
        *room =
            (Room){datastore->free_mb, datastore->used_mb, datastore->measured / G_USEC_PER_SEC};
        return datastore->measured > 0 && datastore->total_mb > 0;
    }
    *room = (Room){host->free_disk, host->used_disk, host->last_monitored};
    for (guint i = 0; i < host->datastores->len; i++) {
        const HostDatastore *local = &g_array_index(host->datastores, HostDatastore, i);
        if (local->id == datastore->head.id) {
            *room = (Room){local->free_mb, local->used_mb, host->last_monitored};
            return local->total_mb > 0;
        }
    }
    return host->max_disk > 0;
}

/* What machines were given there that was not yet measured. */
static gint64 given_since(World *world, const Host *host, const Datastore *datastore,
                          gint64 measured)
{
    const GPtrArray *vms = world->pools[KIND_VM].order;
    gboolean shared = datastore_is_shared(datastore);
    gint64 given = 0;
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];
        const VmRecord *last = vm->state == VM_DONE ? NULL : vm_last_record(vm);
        if (last && !last->etime && last->stime >= measured &&
            last->datastore == datastore->head.id && (shared || last->host == host->head.id))
            given += vm_system_mb(vm);
    }
    return given;
}

gboolean vm_fits_datastore(World *world, const Vm *vm, const Host *host, const Datastore *datastore,
                           GError **error)
{
    const Template *template = datastore->head.template;
    gboolean check = config_bool(world->config, "DATASTORE_CAPACITY_CHECK");
    gint64 wanted = vm_system_mb(vm), limit, free_mb;
    Room room;
    if (wanted == 0 || !template_get_bool(template, "DATASTORE_CAPACITY_CHECK", check) ||
        !measured_room(host, datastore, &room))
        return TRUE;
    free_mb = room.free;
    if (template_get_int(template, "LIMIT_MB", &limit))
        free_mb = MIN(free_mb, limit - room.used);
    free_mb -= given_since(world, host, datastore, room.measured);
    if (wanted <= free_mb)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                "Not enough space in datastore %d for the disks of the machine on host %s: "
                "%" G_GINT64_FORMAT " MiB are wanted, %" G_GINT64_FORMAT " MiB are free",
                datastore->head.id, host->head.name, wanted, MAX(free_mb, 0));
    return FALSE;
}
