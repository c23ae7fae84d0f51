/* What each kind of object takes of the quotas of its owner and group: one row a kind. */
#include "server/model/people/quota_private.h"

#include "server/model/storage/image.h"
#include "server/model/network/network.h"
#include "server/model/people/user.h"
#include "server/model/machine/vm_images.h"
#include "server/model/machine/vm_snapshots.h"

#include <math.h>
#include <string.h>

/* More than anybody has; keeps sums within 64 bits. */
#define AMOUNT_MAX G_GINT64_CONSTANT(1000000000000)

/* What a machine with a disk and a card takes has room without growing. */
#define ITEMS_USUAL 10

QuotaUse *quota_use_new(gint32 uid, gint32 gid, gint32 cluster)
{
    QuotaUse *use = g_new0(QuotaUse, 1);
    *use = (QuotaUse){uid, gid, cluster,
                      g_array_sized_new(FALSE, FALSE, sizeof(QuotaItem), ITEMS_USUAL)};
    return use;
}

void quota_use_free(QuotaUse *use)
{
    if (!use)
        return;
    g_array_unref(use->items);
    g_free(use);
}

/* NULL: it takes nothing of that so far. */
static QuotaItem *find_item(const QuotaUse *use, QuotaType type, gint32 ref, guint metric)
{
    for (guint i = 0; i < use->items->len; i++) {
        QuotaItem *item = &g_array_index(use->items, QuotaItem, i);
        if (item->type == type && item->ref == ref && item->metric == metric)
            return item;
    }
    return NULL;
}

static void add_thousandths(QuotaUse *use, QuotaType type, gint32 ref, guint metric, gint64 amount)
{
    if (amount <= 0)
        return;
    QuotaItem *item = find_item(use, type, ref, metric);
    if (item) {
        item->amount = MIN(item->amount + amount, AMOUNT_MAX * QUOTA_UNIT);
        return;
    }
    QuotaItem first = {type, ref, metric, amount};
    g_array_append_val(use->items, first);
}

void quota_use_add(QuotaUse *use, QuotaType type, gint32 ref, guint metric, gint64 amount)
{
    add_thousandths(use, type, ref, metric, CLAMP(amount, 0, AMOUNT_MAX) * QUOTA_UNIT);
}

void quota_use_add_image(QuotaUse *use, gint32 datastore, gint64 size)
{
    quota_use_add(use, QUOTA_DATASTORE, datastore, DATASTORE_IMAGES, 1);
    quota_use_add(use, QUOTA_DATASTORE, datastore, DATASTORE_SIZE, size);
}

/* ---- machines ---- */

/* Whether the machine takes of the RUNNING_ quotas. One that rests does not while something of it
 * is changed, moved or taken away. */
static gboolean takes_running(const Vm *vm)
{
    gint64 state;
    if (vm->state != VM_ACTIVE)
        return vm->state == VM_PENDING || vm->state == VM_HOLD || vm->state == VM_CLONING;
    if (vm->operation && template_get_int(vm->operation, "STATE", &state))
        return state == VM_ACTIVE;
    switch (vm->lcm) {
    case LCM_EPILOG:
    case LCM_EPILOG_FAILURE:
    case LCM_EPILOG_STOP:
    case LCM_EPILOG_STOP_FAILURE:
    case LCM_EPILOG_UNDEPLOY:
    case LCM_EPILOG_UNDEPLOY_FAILURE:
    case LCM_CLEANUP_DELETE:
    case LCM_PROLOG_MIGRATE_POWEROFF:
    case LCM_PROLOG_MIGRATE_POWEROFF_FAILURE:
    case LCM_PROLOG_MIGRATE_SUSPEND:
    case LCM_PROLOG_MIGRATE_SUSPEND_FAILURE:
        return FALSE;
    default:
        return TRUE;
    }
}

static gint64 thousandths(double value)
{
    return isfinite(value) && value > 0
               ? (gint64)llround(MIN(value, (double)AMOUNT_MAX) * QUOTA_UNIT)
               : 0;
}

static void add_vm(QuotaUse *use, guint metric, gint64 amount)
{
    add_thousandths(use, QUOTA_VM, QUOTA_GLOBAL, metric, amount);
}

/* While its size changes it takes the larger of both. */
static void take_capacity(const Vm *vm, QuotaUse *use, gboolean running)
{
    double cores = 0;
    gint64 memory = 0, held;
    template_get_double(vm->head.template, "CPU", &cores);
    template_get_int(vm->head.template, "MEMORY", &memory);
    if (vm->operation && template_get_int(vm->operation, "HELD_CPU", &held)) /* percent */
        cores = MAX(cores, (double)held / 100);
    if (vm->operation && template_get_int(vm->operation, "HELD_MEMORY", &held)) /* KiB */
        memory = MAX(memory, held / 1024);
    memory = CLAMP(memory, 0, AMOUNT_MAX) * QUOTA_UNIT;
    add_vm(use, VM_VMS, QUOTA_UNIT);
    add_vm(use, VM_CPU, thousandths(cores));
    add_vm(use, VM_MEMORY, memory);
    if (running) {
        add_vm(use, VM_RUNNING_VMS, QUOTA_UNIT);
        add_vm(use, VM_RUNNING_CPU, thousandths(cores));
        add_vm(use, VM_RUNNING_MEMORY, memory);
    }
}

static void take_devices(const Vm *vm, QuotaUse *use, gboolean running)
{
    const TemplateAttribute *device;
    for (guint i = 0; (device = template_vector(vm->head.template, "PCI", i)); i++) {
        const char *type = attribute_get(device, "TYPE");
        gboolean card = type && g_ascii_strcasecmp(type, "NIC") == 0;
        add_vm(use, card ? VM_PCI_NIC : VM_PCI_DEV, QUOTA_UNIT);
        if (running)
            add_vm(use, card ? VM_RUNNING_PCI_NIC : VM_RUNNING_PCI_DEV, QUOTA_UNIT);
    }
}

static void take_generic(World *world, const Vm *vm, QuotaUse *use, gboolean running)
{
    const GPtrArray *names = world->quotas->generic;
    for (guint i = 0; i < names->len; i += 2) {
        double value = 0;
        if (!template_get_double(vm->head.template, names->pdata[i], &value) &&
            (!vm->user_template ||
             !template_get_double(vm->user_template, names->pdata[i], &value)))
            continue;
        add_vm(use, VM_METRICS + i, thousandths(value));
        if (running)
            add_vm(use, VM_METRICS + i + 1, thousandths(value));
    }
}

static gboolean says(const TemplateAttribute *vector, const char *name, const char *word)
{
    const char *value = attribute_get(vector, name);
    return value && g_ascii_strcasecmp(value, word) == 0;
}

/* A disk that is the image itself takes nothing but its snapshots and what it has more than the
 * image as long as that is not the image's; a copy, where it is made. */
static void take_disk(const Vm *vm, const TemplateAttribute *disk, QuotaUse *use)
{
    gint64 size = 0, datastore = -1, id = -1, snapshots = 0, kept = 0;
    gboolean image = attribute_get(disk, "IMAGE_ID") != NULL;
    const char *source = attribute_get(disk, "SOURCE");
    gboolean itself =
        (image || (source && *source)) && /* an empty disk is made, whatever it says */
        (says(disk, "CLONE", "NO") || says(disk, "PERSISTENT", "YES"));
    (void)attribute_get_int(disk, "SIZE", &size);
    (void)attribute_get_int(disk, "DATASTORE_ID", &datastore);
    if (vm->snapshots && attribute_get_int(disk, "DISK_ID", &id))
        snapshots = vm_snapshots_size(vm, id);
    /* What the image itself has of them is charged to its owner. */
    if (itself && image && attribute_get_int(disk, "ORIGINAL_SNAPSHOTS_SIZE", &kept))
        snapshots = MAX(snapshots - kept, 0);
    size = itself ? (image ? disk_growth(disk) : 0) + snapshots
                  : CLAMP(size, 0, AMOUNT_MAX) + snapshots;
    gboolean beside =
        image && datastore >= 0 && says(disk, itself ? "LN_TARGET" : "CLONE_TARGET", "SELF");
    if ((itself && image && datastore >= 0) || beside)
        quota_use_add(use, QUOTA_DATASTORE, (gint32)datastore, DATASTORE_SIZE, size);
    else
        quota_use_add(use, QUOTA_VM, QUOTA_GLOBAL, VM_SYSTEM_DISK_SIZE, size);
}

static void take_disks(const Vm *vm, QuotaUse *use)
{
    const TemplateAttribute *vector;
    gint64 number;
    for (guint i = 0; (vector = template_vector(vm->head.template, "DISK", i)); i++) {
        take_disk(vm, vector, use);
        if (attribute_get_int(vector, "IMAGE_ID", &number) &&
            !find_item(use, QUOTA_IMAGE, (gint32)number, IMAGE_RVMS)) /* once, however many disks */
            quota_use_add(use, QUOTA_IMAGE, (gint32)number, IMAGE_RVMS, 1);
    }
    for (guint i = 0; (vector = template_vector(vm->head.template, "SNAPSHOT", i)); i++)
        if (attribute_get_int(vector, "SYSTEM_DISK_SIZE", &number))
            quota_use_add(use, QUOTA_VM, QUOTA_GLOBAL, VM_SYSTEM_DISK_SIZE, number);
}

static void take_leases(const Object *object, QuotaUse *use)
{
    static const char *const cards[] = {"NIC", "NIC_ALIAS"};
    const TemplateAttribute *card;
    gint64 network;
    for (guint which = 0; which < G_N_ELEMENTS(cards); which++)
        for (guint i = 0; (card = template_vector(object->template, cards[which], i)); i++)
            if (attribute_get(card, "AR_ID") && attribute_get_int(card, "NETWORK_ID", &network))
                quota_use_add(use, QUOTA_NETWORK, (gint32)network, NETWORK_LEASES, 1);
}

static QuotaUse *vm_takes(World *world, const Object *object)
{
    const Vm *vm = (const Vm *)object;
    if (vm->state == VM_DONE)
        return NULL;
    const VmRecord *last = vm->records ? vm_last_record(vm) : NULL;
    gboolean placed =
        last && !last->etime &&
        (vm->state == VM_ACTIVE || vm->state == VM_POWEROFF || vm->state == VM_SUSPENDED);
    gboolean running = takes_running(vm);
    QuotaUse *use = quota_use_new(object->uid, object->gid, placed ? last->cluster : -1);
    take_capacity(vm, use, running);
    take_devices(vm, use, running);
    take_generic(world, vm, use, running);
    take_disks(vm, use);
    take_leases(object, use);
    return use;
}

/* ---- reservations ---- */

static QuotaUse *network_takes(World *world, const Object *object)
{
    const Network *network = (const Network *)object;
    if (network->parent < 0)
        return NULL;
    QuotaUse *use = quota_use_new(object->uid, object->gid, -1);
    for (guint i = 0; i < network->ranges->len; i++) {
        const AddressRange *range = network->ranges->pdata[i];
        if (range->parent >= 0)
            quota_use_add(use, QUOTA_NETWORK, network->parent, NETWORK_LEASES, range->size);
    }
    return use;
}

/* ---- virtual routers ---- */

/* Addresses that the router itself holds. */
static QuotaUse *vrouter_takes(World *world, const Object *object)
{
    QuotaUse *use = quota_use_new(object->uid, object->gid, -1);
    take_leases(object, use);
    return use;
}

/* ---- images ---- */

static QuotaUse *image_takes(World *world, const Object *object)
{
    const Image *image = (const Image *)object;
    const TemplateAttribute *snapshot;
    gint64 size;
    QuotaUse *use = quota_use_new(object->uid, object->gid, -1);
    quota_use_add_image(use, image->datastore, image->size);
    for (guint i = 0; (snapshot = template_vector(image->snapshots, "SNAPSHOT", i)); i++)
        if (attribute_get_int(snapshot, "SIZE", &size))
            quota_use_add(use, QUOTA_DATASTORE, image->datastore, DATASTORE_SIZE, size);
    return use;
}

/* ---- the table ---- */

static const struct {
    Kind kind;
    QuotaUse *(*takes)(World *world, const Object *object);
} takers[] = {
    {KIND_VM, vm_takes},
    {KIND_NET, network_takes},
    {KIND_IMAGE, image_takes},
    {KIND_VROUTER, vrouter_takes},
};

QuotaUse *quota_use_of(World *world, const Object *object)
{
    for (guint i = 0; i < G_N_ELEMENTS(takers); i++)
        if (takers[i].kind == object->kind)
            return takers[i].takes(world, object);
    return NULL;
}
