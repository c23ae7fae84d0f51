/* Machines from one.vmpool.infoextended. */
#include "scheduler/read.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

enum { STATE_PENDING = 1, STATE_ACTIVE = 3, STATE_POWEROFF = 8 };
enum { LCM_RUNNING = 3, LCM_UNKNOWN = 16 };

typedef struct {
    const char *type, *clone, *clone_target, *ln_target;
    gint32 datastore, image;
    gint64 size, snapshots; /* MB */
} Disk;

enum { PART_VM, PART_DISK, PART_PCI, PART_NIC };

typedef struct {
    SchedNic nic;
    const char *mode;
    gint32 network;
    gint32 range; /* of an address that it has already */
} Nic;

typedef struct {
    SchedVm vm;
    double cpu;
    gint64 memory; /* MB */
    const char *requirements, *old_requirements, *rank, *old_rank;
    Disk disk; /* the one whose elements are coming */
    SchedPci pci;
    Nic nic;
    guint part, part_number;
} RawVm;

#define VM(member)   offsetof(RawVm, vm.member)
#define RAW(member)  offsetof(RawVm, member)
#define DISK(member) offsetof(RawVm, disk.member)
#define PCI(member)  offsetof(RawVm, pci.member)
#define NIC(member)  offsetof(RawVm, nic.member)

/* Attributes of placement stand in USER_TEMPLATE; up to 3.8 they stood in TEMPLATE. */
static const SchedField fields[] = {
    {"ID", FIELD_INT32, VM(id)},
    {"UID", FIELD_INT32, VM(uid)},
    {"GID", FIELD_INT32, VM(gid)},
    {"STATE", FIELD_INT32, VM(state)},
    {"LCM_STATE", FIELD_INT32, VM(lcm_state)},
    {"RESCHED", FIELD_YES, VM(resched)},
    {"TEMPLATE/CPU", FIELD_DOUBLE, RAW(cpu)},
    {"TEMPLATE/MEMORY", FIELD_INT64, RAW(memory)},
    {"TEMPLATE/AUTOMATIC_REQUIREMENTS", FIELD_TEXT, VM(automatic)},
    {"TEMPLATE/AUTOMATIC_DS_REQUIREMENTS", FIELD_TEXT, VM(automatic_ds)},
    {"USER_TEMPLATE/SCHED_REQUIREMENTS", FIELD_TEXT, RAW(requirements)},
    {"TEMPLATE/SCHED_REQUIREMENTS", FIELD_TEXT, RAW(requirements)},
    {"USER_TEMPLATE/REQUIREMENTS", FIELD_TEXT, RAW(old_requirements)},
    {"TEMPLATE/REQUIREMENTS", FIELD_TEXT, RAW(old_requirements)},
    {"USER_TEMPLATE/SCHED_RANK", FIELD_TEXT, RAW(rank)},
    {"TEMPLATE/SCHED_RANK", FIELD_TEXT, RAW(rank)},
    {"USER_TEMPLATE/RANK", FIELD_TEXT, RAW(old_rank)},
    {"TEMPLATE/RANK", FIELD_TEXT, RAW(old_rank)},
    {"USER_TEMPLATE/SCHED_DS_REQUIREMENTS", FIELD_TEXT, VM(ds_requirements)},
    {"TEMPLATE/SCHED_DS_REQUIREMENTS", FIELD_TEXT, VM(ds_requirements)},
    {"USER_TEMPLATE/SCHED_DS_RANK", FIELD_TEXT, VM(ds_rank)},
    {"TEMPLATE/SCHED_DS_RANK", FIELD_TEXT, VM(ds_rank)},
    {"USER_TEMPLATE/USER_PRIORITY", FIELD_DOUBLE, VM(priority)},
    {"USER_TEMPLATE/SCHED_MESSAGE", FIELD_TEXT, VM(message)},
    {"HISTORY_RECORDS/HISTORY/HID", FIELD_INT32, VM(host)},
    {"HISTORY_RECORDS/HISTORY/DS_ID", FIELD_INT32, VM(datastore)},
    {"TEMPLATE/VMGROUP/VMGROUP_ID", FIELD_INT32, VM(group)},
    {"TEMPLATE/VMGROUP/ROLE", FIELD_TEXT, VM(role_name)},
    {"TEMPLATE/AUTOMATIC_NIC_REQUIREMENTS", FIELD_TEXT, VM(automatic_nic)},
    {"TEMPLATE/NIC/NIC_ID", FIELD_INT32, NIC(nic.id), PART_NIC},
    {"TEMPLATE/NIC/NETWORK_MODE", FIELD_TEXT, NIC(mode), PART_NIC},
    {"TEMPLATE/NIC/NETWORK_ID", FIELD_INT32, NIC(network), PART_NIC},
    {"TEMPLATE/NIC/AR_ID", FIELD_INT32, NIC(range), PART_NIC},
    {"TEMPLATE/NIC/SCHED_REQUIREMENTS", FIELD_TEXT, NIC(nic.requirements), PART_NIC},
    {"TEMPLATE/NIC/SCHED_RANK", FIELD_TEXT, NIC(nic.rank), PART_NIC},
    {"TEMPLATE/DISK/TYPE", FIELD_TEXT, DISK(type), PART_DISK},
    {"TEMPLATE/DISK/CLONE", FIELD_TEXT, DISK(clone), PART_DISK},
    {"TEMPLATE/DISK/CLONE_TARGET", FIELD_TEXT, DISK(clone_target), PART_DISK},
    {"TEMPLATE/DISK/LN_TARGET", FIELD_TEXT, DISK(ln_target), PART_DISK},
    {"TEMPLATE/DISK/DATASTORE_ID", FIELD_INT32, DISK(datastore), PART_DISK},
    {"TEMPLATE/DISK/IMAGE_ID", FIELD_INT32, DISK(image), PART_DISK},
    {"TEMPLATE/DISK/SIZE", FIELD_INT64, DISK(size), PART_DISK},
    {"TEMPLATE/DISK/DISK_SNAPSHOT_TOTAL_SIZE", FIELD_INT64, DISK(snapshots), PART_DISK},
    {"TEMPLATE/PCI/VENDOR", FIELD_TEXT, PCI(vendor), PART_PCI},
    {"TEMPLATE/PCI/DEVICE", FIELD_TEXT, PCI(device), PART_PCI},
    {"TEMPLATE/PCI/CLASS", FIELD_TEXT, PCI(class), PART_PCI},
    {"TEMPLATE/PCI/SHORT_ADDRESS", FIELD_TEXT, PCI(address), PART_PCI},
    {NULL}};

typedef struct {
    SchedPools *pools;
    double scale;
    GArray *ids; /* when only ids are wanted */
} Reading;

static gconstpointer resolve(const char *path, gpointer data)
{
    return sched_field_find(fields, path);
}

static gboolean text_is(const char *text, const char *word)
{
    return text != NULL && g_ascii_strcasecmp(text, word) == 0;
}

static void add_image_space(SchedVm *vm, gint32 datastore, gint64 mb)
{
    if (vm->image_space == NULL)
        vm->image_space = g_array_new(FALSE, FALSE, sizeof(SchedImageSpace));
    for (guint i = 0; i < vm->image_space->len; i++) {
        SchedImageSpace *space = &g_array_index(vm->image_space, SchedImageSpace, i);
        if (space->datastore == datastore) {
            space->mb += mb;
            return;
        }
    }
    SchedImageSpace space = {datastore, mb};
    g_array_append_val(vm->image_space, space);
}

/* Where a disk's bytes go: made from nothing and clones into the system datastore,
 * clones of some storages beside the image, linked ones nowhere. */
static void count_disk(RawVm *raw)
{
    const Disk *disk = &raw->disk;
    gboolean made = text_is(disk->type, "swap") || (text_is(disk->type, "fs") && disk->image < 0);
    gboolean linked = text_is(disk->clone, "no");
    const char *target = made                         ? "SYSTEM"
                         : linked                     ? disk->ln_target
                         : disk->clone_target != NULL ? disk->clone_target
                                                      : "SYSTEM";
    if (text_is(target, "SYSTEM"))
        raw->vm.system_mb += disk->size + disk->snapshots;
    else if (text_is(target, "SELF") && disk->datastore >= 0)
        add_image_space(&raw->vm, disk->datastore, disk->size);
}

static void finish_part(RawVm *raw)
{
    if (raw->part == PART_DISK)
        count_disk(raw);
    if (raw->part == PART_PCI) {
        if (raw->vm.pci == NULL)
            raw->vm.pci = g_array_new(FALSE, FALSE, sizeof(SchedPci));
        g_array_append_val(raw->vm.pci, raw->pci);
    }
    if (raw->part == PART_NIC && text_is(raw->nic.mode, "auto") && raw->nic.range < 0) {
        if (raw->vm.nics == NULL)
            raw->vm.nics = g_array_new(FALSE, FALSE, sizeof(SchedNic));
        g_array_append_val(raw->vm.nics, raw->nic.nic);
    }
    raw->part = PART_VM;
    raw->nic = (Nic){.nic.id = -1, .network = -1, .range = -1};
    raw->disk = (Disk){.datastore = -1, .image = -1};
    raw->pci = (SchedPci){.vmid = -1};
}

static gboolean is_pending(const SchedVm *vm)
{
    return vm->state == STATE_PENDING;
}

static gboolean is_to_move(const SchedVm *vm)
{
    return vm->resched && (vm->state == STATE_POWEROFF ||
                           (vm->state == STATE_ACTIVE &&
                            (vm->lcm_state == LCM_RUNNING || vm->lcm_state == LCM_UNKNOWN)));
}

static void keep_texts(const SchedPools *pools, RawVm *raw)
{
    SchedVm *vm = &raw->vm;
    vm->automatic = sched_keep(pools, vm->automatic);
    vm->automatic_ds = sched_keep(pools, vm->automatic_ds);
    vm->requirements =
        sched_keep(pools, raw->requirements != NULL ? raw->requirements : raw->old_requirements);
    vm->rank = sched_keep(pools, raw->rank != NULL ? raw->rank : raw->old_rank);
    vm->ds_requirements = sched_keep(pools, vm->ds_requirements);
    vm->ds_rank = sched_keep(pools, vm->ds_rank);
    vm->automatic_nic = sched_keep(pools, vm->automatic_nic);
    vm->role_name = sched_keep(pools, vm->role_name);
    for (guint i = 0; vm->nics != NULL && i < vm->nics->len; i++) {
        SchedNic *nic = &g_array_index(vm->nics, SchedNic, i);
        nic->requirements = sched_keep(pools, nic->requirements);
        nic->rank = sched_keep(pools, nic->rank);
    }
    if (vm->message != NULL)
        vm->message = g_string_chunk_insert(pools->strings, vm->message);
    for (guint i = 0; vm->pci != NULL && i < vm->pci->len; i++) {
        SchedPci *pci = &g_array_index(vm->pci, SchedPci, i);
        pci->vendor = sched_keep(pools, pci->vendor);
        pci->device = sched_keep(pools, pci->device);
        pci->class = sched_keep(pools, pci->class);
        pci->address = sched_keep(pools, pci->address);
    }
}

static void on_vm(const char *element, const FlatLeaf *leaves, guint count, gpointer data)
{
    Reading *reading = data;
    RawVm raw = {.vm = {.id = -1, .uid = -1, .gid = -1, .host = -1, .datastore = -1, .group = -1}};
    if (strcmp(element, "VM") != 0)
        return;
    finish_part(&raw);
    for (guint i = 0; i < count; i++) {
        const SchedField *field = leaves[i].tag;
        if (field == NULL)
            continue;
        if (raw.part != PART_VM && (field->part != raw.part || leaves[i].group != raw.part_number))
            finish_part(&raw);
        raw.part = field->part;
        raw.part_number = leaves[i].group;
        sched_field_set(field, &raw, leaves[i].value);
    }
    finish_part(&raw);
    SchedVm *vm = &raw.vm;
    vm->resched = is_to_move(vm);
    if (reading->ids != NULL && vm->resched)
        g_array_append_val(reading->ids, vm->id);
    if (reading->ids != NULL || vm->id < 0 || !(is_pending(vm) || vm->resched)) {
        g_clear_pointer(&vm->pci, g_array_unref);
        g_clear_pointer(&vm->image_space, g_array_unref);
        g_clear_pointer(&vm->nics, g_array_unref);
        return;
    }
    vm->cpu = llround(raw.cpu * 100);
    vm->memory = raw.memory * 1024;
    if (reading->scale > 0)
        vm->system_mb += raw.memory * reading->scale;
    if (vm->resched)
        g_clear_pointer(&vm->nics, g_array_unref); /* it has all its networks */
    keep_texts(reading->pools, &raw);
    g_array_append_val(reading->pools->vms, *vm);
}

gboolean sched_read_vms(SchedPools *pools, const char *xml, double scale, GError **error)
{
    Reading reading = {.pools = pools, .scale = scale};
    FlatReader reader = {.resolve = resolve, .object = on_vm, .data = &reading};
    return flat_read(xml, strlen(xml), &reader, error);
}

gboolean sched_read_resched_ids(const char *xml, GArray *ids, GError **error)
{
    Reading reading = {.ids = ids};
    FlatReader reader = {.resolve = resolve, .object = on_vm, .data = &reading};
    return flat_read(xml, strlen(xml), &reader, error);
}
