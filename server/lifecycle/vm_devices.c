/* Disks and network cards that come and go: see vm_change.c. */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"
#include "server/model/network/network.h"
#include "server/model/people/quota.h"
#include "server/model/machine/vm_images.h"
#include "server/model/machine/vm_snapshots.h"

#include <string.h>

#define refuse(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, __VA_ARGS__), FALSE)

static void mark(TemplateAttribute *device)
{
    attribute_set(device, "ATTACH", "YES");
}

/* ---- disks ---- */

/* The image of a disk that is attached must be there now. */
static gboolean take_image(Lifecycle *lifecycle, const Vm *vm, TemplateAttribute *disk,
                           GError **error)
{
    Image *image = disk_image(lifecycle->world, disk);
    if (!image)
        return TRUE;
    if (image_is_locked(image))
        return refuse(error, "Cannot acquire image %d, it is in state %s", image->head.id,
                      image_state_name(image->state));
    if (!image_acquire(lifecycle->world, image, vm->head.id, error))
        return FALSE;
    attribute_set_int(disk, "IMAGE_STATE", image->state);
    return TRUE;
}

gboolean vm_attach_disk(Lifecycle *lifecycle, Vm *vm, TemplateAttribute *disk, const VmAsker *asker,
                        GError **error)
{
    const VmActionRow *row = vm_change_row(vm, "disk-attach", error);
    gint64 id = -1;
    if (!row || !take_image(lifecycle, vm, disk, error)) {
        template_attribute_free(disk);
        return FALSE;
    }
    Template *change = vm_change_new(vm, row->word);
    (void)attribute_get_int(disk, "DISK_ID", &id);
    template_set_int(change, "DISK_ID", id);
    mark(disk);
    template_take(vm->head.template, disk);
    vm_snapshots_adopt(lifecycle->world, vm, disk);
    return vm_change_begin(lifecycle, vm, row, change, asker, error);
}

gboolean vm_detach_disk(Lifecycle *lifecycle, Vm *vm, gint32 id, const VmAsker *asker,
                        GError **error)
{
    TemplateAttribute *disk = vm_device(vm, "DISK", id);
    if (!disk)
        return refuse(error, "VM disk does not exist: machine %d has no disk %d", vm->head.id, id);
    const VmActionRow *row = vm_change_row(vm, "disk-detach", error);
    if (!row)
        return FALSE;
    Template *change = vm_change_new(vm, row->word);
    template_set_int(change, "DISK_ID", id);
    mark(disk);
    return vm_change_begin(lifecycle, vm, row, change, asker, error);
}

/* ---- network cards ---- */

/* A machine that is off learns of it when it starts; some drivers want to know at once. */
static VmActionRow nic_row(Lifecycle *lifecycle, const Vm *vm, const VmActionRow *row)
{
    VmActionRow chosen = *row;
    if (vm->state == VM_POWEROFF && !vm_driver_can(lifecycle, vm, "COLD_NIC_ATTACH"))
        chosen.target = (VmTarget){VM_POWEROFF, LCM_INIT};
    return chosen;
}

gboolean vm_attach_nic(Lifecycle *lifecycle, Vm *vm, TemplateAttribute *nic, const VmAsker *asker,
                       GError **error)
{
    const VmActionRow *row = vm_change_row(vm, "nic-attach", error);
    gint64 id = -1;
    if (!row) {
        network_release_card(lifecycle->world, vm, nic);
        template_attribute_free(nic);
        return FALSE;
    }
    VmActionRow chosen = nic_row(lifecycle, vm, row);
    Template *change = vm_change_new(vm, row->word);
    (void)attribute_get_int(nic, "NIC_ID", &id);
    template_set_int(change, "NIC_ID", id);
    if (chosen.target.state == VM_ACTIVE)
        mark(nic);
    template_take(vm->head.template, nic);
    secgroup_count(lifecycle->world, vm);
    secgroup_write_rules(lifecycle->world, vm->head.template);
    return vm_change_begin(lifecycle, vm, &chosen, change, asker, error);
}

gboolean vm_detach_nic(Lifecycle *lifecycle, Vm *vm, gint32 id, const VmAsker *asker,
                       GError **error)
{
    TemplateAttribute *nic = vm_device(vm, "NIC", id);
    if (!nic)
        return refuse(error, "VM NIC does not exist: machine %d has no NIC %d", vm->head.id, id);
    const VmActionRow *row = vm_change_row(vm, "nic-detach", error);
    if (!row)
        return FALSE;
    VmActionRow chosen = nic_row(lifecycle, vm, row);
    Template *change = vm_change_new(vm, row->word);
    template_set_int(change, "NIC_ID", id);
    mark(nic);
    if (chosen.target.state != VM_ACTIVE) {
        network_release_card(lifecycle->world, vm, nic);
        for (guint i = 0; i < template_count(vm->head.template); i++)
            if (template_nth(vm->head.template, i) == nic) {
                template_attribute_free(template_steal(vm->head.template, i));
                break;
            }
        secgroup_count(lifecycle->world, vm);
        secgroup_write_rules(lifecycle->world, vm->head.template);
    }
    return vm_change_begin(lifecycle, vm, &chosen, change, asker, error);
}

/* What a card is, and what the server gave it. */
static const char *const fixed_in_nic[] = {"NIC_ID",
                                           "NAME",
                                           "MAC",
                                           "IP",
                                           "IP6",
                                           "IP6_GLOBAL",
                                           "IP6_ULA",
                                           "IP6_LINK",
                                           "VROUTER_IP",
                                           "VROUTER_IP6",
                                           "VROUTER_IP6_LINK",
                                           "VROUTER_IP6_ULA",
                                           "VROUTER_IP6_GLOBAL",
                                           "VROUTER_MANAGEMENT",
                                           "FLOATING_IP",
                                           "FLOATING_ONLY",
                                           "BRIDGE",
                                           "BRIDGE_TYPE",
                                           "MODEL",
                                           "TARGET",
                                           "VN_MAD",
                                           "OUTER_VLAN_ID",
                                           "VLAN_ID",
                                           "PHYDEV",
                                           "VXLAN_MC",
                                           "VXLAN_TTL",
                                           "VXLAN_MODE",
                                           "KEEP_EMPTY_BRIDGE",
                                           "NETWORK",
                                           "NETWORK_ID",
                                           "AR_ID",
                                           "TYPE",
                                           "SCRIPT",
                                           "CLUSTER_ID",
                                           "ATTACH",
                                           "UPDATE",
                                           "PARENT",
                                           "ALIAS_IDS",
                                           "SECURITY_GROUPS",
                                           "RULES_OUTDATED",
                                           NULL};

/* The pairs that may change become those of `change`. FALSE: it names one that may not, with
 * another value. */
static gboolean change_nic(TemplateAttribute *nic, const TemplateAttribute *change, gboolean append,
                           GError **error)
{
    for (guint i = 0; i < change->pairs->len; i++) {
        const TemplatePair *pair = change->pairs->pdata[i];
        const char *now = attribute_get(nic, pair->name);
        if (g_strv_contains(fixed_in_nic, pair->name) && g_strcmp0(now, pair->value) != 0)
            return refuse(error,
                          "%s of a network card cannot be changed (to \"%s\"); detach the card and "
                          "attach another",
                          pair->name, pair->value);
    }
    g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; !append && i < nic->pairs->len; i++) {
        const TemplatePair *pair = nic->pairs->pdata[i];
        if (!g_strv_contains(fixed_in_nic, pair->name))
            g_ptr_array_add(gone, g_strdup(pair->name));
    }
    for (guint i = 0; i < gone->len; i++)
        attribute_set(nic, gone->pdata[i], NULL);
    for (guint i = 0; i < change->pairs->len; i++) {
        const TemplatePair *pair = change->pairs->pdata[i];
        attribute_set(nic, pair->name, pair->value);
    }
    return TRUE;
}

gboolean vm_update_nic(Lifecycle *lifecycle, Vm *vm, gint32 id, const TemplateAttribute *given,
                       gboolean append, const VmAsker *asker, GError **error)
{
    TemplateAttribute *nic = vm_device(vm, "NIC", id);
    if (!nic)
        return refuse(error, "VM NIC does not exist: machine %d has no NIC %d", vm->head.id, id);
    const VmActionRow *row = vm_change_row(vm, "nic-update", error);
    g_autoptr(Template) change = row ? vm_change_new(vm, row->word) : NULL;
    if (!change || !change_nic(nic, given, append, error))
        return FALSE;
    template_set_int(change, "NIC_ID", id);
    if (row->target.state == VM_ACTIVE)
        attribute_set(nic, "UPDATE", "YES");
    return vm_change_begin(lifecycle, vm, row, g_steal_pointer(&change), asker, error);
}

/* ---- snapshots of the machine ---- */

static gint64 next_number(const Vm *vm, const char *kind, const char *name)
{
    const TemplateAttribute *vector;
    gint64 next = 0, number;
    for (guint i = 0; (vector = template_vector(vm->head.template, kind, i)); i++)
        if (attribute_get_int(vector, name, &number))
            next = MAX(next, number + 1);
    return next;
}

/* MiB of quota. It lies in the disks themselves, so how much it takes is what the administrator
 * says. */
static gint64 cost_of_snapshot(World *world, const Vm *vm)
{
    const TemplateAttribute *disk;
    gint64 all = 0, size;
    for (guint i = 0; (disk = template_vector(vm->head.template, "DISK", i)); i++) {
        const char *clone = attribute_get(disk, "CLONE");
        gboolean itself = clone && g_ascii_strcasecmp(clone, "NO") == 0;
        if (!itself && attribute_get_int(disk, "SIZE", &size))
            all += CLAMP(size, 0, G_MAXINT32);
    }
    return (gint64)((double)all * config_double(world->config, "VM_SNAPSHOT_FACTOR"));
}

gint32 vm_snapshot_create(Lifecycle *lifecycle, Vm *vm, const char *name, const VmAsker *asker,
                          GError **error)
{
    const VmActionRow *row = vm_change_row(vm, "snapshot-create", error);
    if (!row)
        return -1;
    Template *change = vm_change_new(vm, row->word);
    gint64 id = next_number(vm, "SNAPSHOT", "SNAPSHOT_ID");
    g_autofree char *usual = g_strdup_printf("snapshot-%" G_GINT64_FORMAT, id);
    TemplateAttribute *snapshot = template_add_vector(vm->head.template, "SNAPSHOT");
    attribute_set(snapshot, "ACTION", "CREATE");
    attribute_set(snapshot, "ACTIVE", "YES");
    attribute_set(snapshot, "HYPERVISOR_ID", "");
    attribute_set(snapshot, "NAME", name && *name ? name : usual);
    attribute_set_int(snapshot, "SNAPSHOT_ID", id);
    attribute_set_int(snapshot, "SYSTEM_DISK_SIZE", cost_of_snapshot(lifecycle->world, vm));
    attribute_set_int(snapshot, "TIME", core_now(lifecycle->world->core));
    template_set_int(change, "SNAPSHOT_ID", id);
    return vm_change_begin(lifecycle, vm, row, change, asker, error) ? (gint32)id : -1;
}

gboolean vm_snapshot_change(Lifecycle *lifecycle, Vm *vm, const char *word, gint32 id,
                            const VmAsker *asker, GError **error)
{
    TemplateAttribute *snapshot = vm_device(vm, "SNAPSHOT", id);
    if (!snapshot)
        return refuse(error, "VM %d has no snapshot %d", vm->head.id, id);
    const VmActionRow *row = vm_change_row(vm, word, error);
    if (!row)
        return FALSE;
    Template *change = vm_change_new(vm, row->word);
    attribute_set(snapshot, "ACTIVE", "YES");
    attribute_set(snapshot, "ACTION", g_str_has_suffix(word, "revert") ? "REVERT" : "DELETE");
    template_set_int(change, "SNAPSHOT_ID", id);
    return vm_change_begin(lifecycle, vm, row, change, asker, error);
}

/* ---- snapshots and sizes of single disks ---- */

/* A disk whose file may be changed: the machine's own or a persistent image. NULL with the error.
 */
static TemplateAttribute *own_disk(World *world, const Vm *vm, gint32 id, GError **error)
{
    TemplateAttribute *disk = vm_device(vm, "DISK", id);
    const char *clone = disk ? attribute_get(disk, "CLONE") : NULL;
    const char *type = disk ? attribute_get(disk, "TYPE") : NULL;
    if (!disk)
        (void)refuse(error, "VM disk does not exist: machine %d has no disk %d", vm->head.id, id);
    else if (clone && !g_ascii_strcasecmp(clone, "NO") &&
             !(disk_image(world, disk) && disk_is_persistent(disk)))
        (void)refuse(error, "Disk %d is the image itself (CLONE=NO), which is left as it is", id);
    else if (type && !g_ascii_strcasecmp(type, "cdrom"))
        (void)refuse(error, "Disk %d is a CD-ROM, which nobody writes to", id);
    else
        return disk;
    return NULL;
}

static gint64 size_of(const TemplateAttribute *disk)
{
    gint64 size = 0;
    (void)attribute_get_int(disk, "SIZE", &size);
    return size;
}

/* What a persistent disk grows by fits into the image's datastore and the quotas of its owner. */
static gboolean image_may_grow(World *world, const TemplateAttribute *disk, gint64 growth,
                               GError **error)
{
    const Image *image = disk_is_persistent(disk) ? disk_image(world, disk) : NULL;
    const Datastore *datastore = image ? datastore_get(world, image->datastore) : NULL;
    if (!datastore)
        return TRUE;
    QuotaUse *more = quota_use_new(image->head.uid, image->head.gid, -1);
    quota_use_add(more, QUOTA_DATASTORE, image->datastore, DATASTORE_SIZE, growth);
    return quota_allows(world, NULL, more, error) &&
           datastore_has_room(world, datastore, growth, error);
}

/* A disk that is a link to its image; another is brought back when it leaves the machine. */
static void note_place(Lifecycle *lifecycle, const Vm *vm, const TemplateAttribute *disk,
                       Template *change)
{
    if (disk_is_persistent(disk) && vm_storage_is_shared(lifecycle, vm_last_record(vm)))
        template_set(change, "IN_PLACE", "YES");
}

gint32 vm_disk_snapshot_create(Lifecycle *lifecycle, Vm *vm, gint32 id, const char *name,
                               const VmAsker *asker, GError **error)
{
    World *world = lifecycle->world;
    TemplateAttribute *disk = own_disk(world, vm, id, error);
    const VmActionRow *row = disk ? vm_change_row(vm, "disk-snapshot-create", error) : NULL;
    if (!row || !image_may_grow(world, disk, size_of(disk), error))
        return -1;
    Template *change = vm_change_new(vm, row->word);
    gint64 snapshot =
        vm_snapshot_add(vm, id, name, core_now(lifecycle->world->core), size_of(disk));
    attribute_set(disk, "DISK_SNAPSHOT_ACTIVE", "YES");
    note_place(lifecycle, vm, disk, change);
    template_set_int(change, "DISK_ID", id);
    template_set_int(change, "SNAPSHOT_ID", snapshot);
    return vm_change_begin(lifecycle, vm, row, change, asker, error) ? (gint32)snapshot : -1;
}

static gboolean check_snapshot(const Vm *vm, gint32 disk, gint32 snapshot, GError **error)
{
    if (!vm_device(vm, "DISK", disk))
        return refuse(error, "VM disk does not exist: machine %d has no disk %d", vm->head.id,
                      disk);
    return vm_snapshot_exists(vm, disk, snapshot) ||
           refuse(error, "Disk %d of VM %d has no snapshot %d", disk, vm->head.id, snapshot);
}

gboolean vm_disk_snapshot_change(Lifecycle *lifecycle, Vm *vm, const char *word, gint32 id,
                                 gint32 snapshot, const VmAsker *asker, GError **error)
{
    const VmActionRow *row =
        check_snapshot(vm, id, snapshot, error) ? vm_change_row(vm, word, error) : NULL;
    TemplateAttribute *disk = vm_device(vm, "DISK", id);
    if (!row ||
        (!strcmp(word, "disk-snapshot-delete") && !vm_snapshot_may_go(vm, disk, snapshot, error)))
        return FALSE;
    Template *change = vm_change_new(vm, row->word);
    attribute_set(disk, "DISK_SNAPSHOT_ACTIVE", "YES");
    note_place(lifecycle, vm, disk, change);
    template_set_int(change, "DISK_ID", id);
    template_set_int(change, "SNAPSHOT_ID", snapshot);
    return vm_change_begin(lifecycle, vm, row, change, asker, error);
}

gboolean vm_disk_snapshot_rename(Lifecycle *lifecycle, Vm *vm, gint32 disk, gint32 snapshot,
                                 const char *name, GError **error)
{
    if (!check_snapshot(vm, disk, snapshot, error))
        return FALSE;
    if (vm->operation)
        return refuse(error, "Could not perform disk-snapshot-rename on VM %d, wrong state %s.",
                      vm->head.id, vm_shown_state(vm));
    vm_snapshot_rename(vm, disk, snapshot, name);
    TemplateAttribute *of = vm_device(vm, "DISK", disk);
    if (vm_last_record(vm) && vm_storage_is_shared(lifecycle, vm_last_record(vm)))
        vm_snapshots_keep(lifecycle->world, vm, of);
    object_changed(lifecycle->world, &vm->head);
    return TRUE;
}

gboolean vm_save_disk(Lifecycle *lifecycle, Vm *vm, gint32 id, gint32 snapshot, Image *image,
                      const VmAsker *asker, GError **error)
{
    TemplateAttribute *disk = vm_device(vm, "DISK", id);
    const VmActionRow *row = disk ? vm_change_row(vm, "disk-saveas", error) : NULL;
    if (!disk)
        return refuse(error, "VM disk does not exist: machine %d has no disk %d", vm->head.id, id);
    if (!row || (snapshot >= 0 && !check_snapshot(vm, id, snapshot, error)))
        return FALSE;
    Template *change = vm_change_new(vm, row->word);
    gint64 number = snapshot;
    if (vm->state == VM_ACTIVE && snapshot < 0) {
        /* The hypervisor makes a copy that is of one moment; the image is made of that. */
        number = vm_snapshot_add(vm, id, "", core_now(lifecycle->world->core), size_of(disk));
        attribute_set(disk, "DISK_SNAPSHOT_ACTIVE", "YES");
        template_set(change, "LIVE", "YES");
    }
    if (snapshot >= 0 || template_get(change, "LIVE")) {
        note_place(lifecycle, vm, disk, change);
    }
    template_set_int(change, "DISK_ID", id);
    template_set_int(change, "SNAPSHOT_ID", number);
    template_set_int(change, "IMAGE_ID", image->head.id);
    image_begin(lifecycle, image, IMAGE_WORK_SAVE);
    return vm_change_begin(lifecycle, vm, row, change, asker, error);
}

gboolean vm_resize_disk(Lifecycle *lifecycle, Vm *vm, gint32 id, const char *size,
                        const VmAsker *asker, GError **error)
{
    TemplateAttribute *disk = own_disk(lifecycle->world, vm, id, error);
    gint64 wanted;
    if (!disk)
        return FALSE;
    if (!g_ascii_string_to_signed(size, 10, 1, G_MAXINT32, &wanted, NULL))
        return refuse(error, "The size \"%s\" is not a whole number of MiB", size);
    if (wanted <= size_of(disk))
        return refuse(error,
                      "Disk %d has %" G_GINT64_FORMAT " MiB and can only grow, not to %s MiB", id,
                      size_of(disk), size);
    const VmActionRow *row = vm_change_row(vm, "disk-resize", error);
    if (!row || !image_may_grow(lifecycle->world, disk, wanted - size_of(disk), error))
        return FALSE;
    Template *change = vm_change_new(vm, row->word);
    attribute_set_int(disk, "SIZE", wanted);
    attribute_set(disk, "RESIZE", "YES");
    note_place(lifecycle, vm, disk, change);
    template_set_int(change, "DISK_ID", id);
    return vm_change_begin(lifecycle, vm, row, change, asker, error);
}
