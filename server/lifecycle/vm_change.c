/*
 * Changes of a machine that take drivers: devices, snapshots, size, configuration. What users
 * see is changed when the order is accepted, marked (ATTACH=YES, ACTIVE=YES ...) while drivers
 * work on it, and put back when they fail. What it was before, and how far the work is, stands
 * in vm->operation, which the store keeps:
 *
 *   WORD = "disk-attach"      LCM: the phase       STATE: where it goes back to
 *   STEP: the step at hand    TEMPLATE, SNAPSHOTS: as they were, in base64
 *   IN_PLACE: the disk is its image itself, by a link
 *   DISK_ID, NIC_ID, SNAPSHOT_ID, HELD_CPU, HELD_MEMORY: of what it is about
 *
 * Each request may be sent twice: drivers look at the hypervisor first, so after a crash of
 * anybody the host says what is attached.
 */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"
#include "server/model/network/network.h"
#include "server/model/people/quota.h"
#include "server/model/machine/vm_images.h"
#include "server/model/machine/vm_snapshots.h"
#include "server/model/network/vrouter.h"

#include <string.h>

TemplateAttribute *vm_device(const Vm *vm, const char *kind, gint64 id)
{
    g_autofree char *name = g_strdup_printf("%s_ID", kind);
    TemplateAttribute *device;
    gint64 number;
    for (guint i = 0; (device = template_vector(vm->head.template, kind, i)); i++)
        if (attribute_get_int(device, name, &number) && number == id)
            return device;
    return NULL;
}

gboolean vm_driver_can(Lifecycle *lifecycle, const Vm *vm, const char *what)
{
    const VmRecord *record = vm_last_record(vm);
    const TemplateAttribute *driver =
        record ? config_named(lifecycle->world->config, "VM_MAD", record->vm_mad) : NULL;
    const char *text = driver ? attribute_get(driver, what) : NULL;
    return text && (!g_ascii_strcasecmp(text, "yes") || !g_ascii_strcasecmp(text, "y") ||
                    !g_ascii_strcasecmp(text, "true") || !strcmp(text, "1"));
}

/* Of one driver's hosts some may lack what others have: their reports say so. */
gboolean vm_host_lacks(const Host *host, const char *action)
{
    const char *text = template_get(host->head.template, "VMM_LACKS");
    g_auto(GStrv) words = text ? g_strsplit_set(text, ", ", -1) : NULL;
    return words && g_strv_contains((const char *const *)words, action);
}

const char *vm_host_lacks_why(const Host *host)
{
    const char *why = template_get(host->head.template, "VMM_LACKS_WHY");
    return why && *why ? why : "its report does not say why";
}

gboolean vm_driver_lacks(Lifecycle *lifecycle, const Vm *vm, const char *action)
{
    Outside *outside = lifecycle->outside;
    const VmRecord *record = vm_last_record(vm);
    const Host *host = record ? host_get(lifecycle->world, record->host) : NULL;
    return record && ((outside->lacks &&
                       outside->lacks(outside, DRIVER_VIRTUALIZATION, record->vm_mad, action)) ||
                      (host && vm_host_lacks(host, action)));
}

gboolean vm_driver_freezes(Lifecycle *lifecycle, const Vm *vm)
{
    return vm_driver_lacks(lifecycle, vm, "SAVE") && !vm_driver_lacks(lifecycle, vm, "FREEZE");
}

gboolean vm_was_frozen(Lifecycle *lifecycle, const Vm *vm)
{
    return vm->frozen >= 0 ? vm->frozen > 0 : vm_driver_freezes(lifecycle, vm);
}

/* Known from the order on, so that all its steps are of one way, whatever reports say meanwhile. */
void vm_note_frozen(Lifecycle *lifecycle, Vm *vm, VmState state, VmLcm lcm)
{
    gboolean begins = state == VM_ACTIVE && lcm == LCM_SAVE_SUSPEND;
    gboolean goes_on = state == VM_ACTIVE && lcm != LCM_RUNNING && lcm != LCM_UNKNOWN;
    if (begins || (state == VM_SUSPENDED && vm->frozen < 0))
        vm->frozen = vm_driver_freezes(lifecycle, vm);
    else if (state != VM_SUSPENDED && !goes_on)
        vm->frozen = -1;
}

/* ---- beginning ---- */

static void undo(World *world, Vm *vm);

const VmActionRow *vm_change_row(const Vm *vm, const char *word, GError **error)
{
    const VmActionRow *row = vm_action_row(word, vm);
    if (!row)
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "Could not perform %s on VM %d, wrong state %s.", word, vm->head.id,
                    vm_shown_state(vm));
    else if (!vm_refuse_lost(vm, error))
        return row;
    return NULL;
}

gboolean vm_may_change(const Vm *vm, const char *word, GError **error)
{
    return vm_change_row(vm, word, error) != NULL;
}

/* A template as a value of another: not every text can be one. (owned) */
static char *pack(const Template *template)
{
    g_autofree char *text = template_to_text(template);
    return g_base64_encode((const guchar *)text, strlen(text));
}

static Template *unpack(const char *packed)
{
    gsize length = 0;
    g_autofree char *bytes = (char *)g_base64_decode(packed ? packed : "", &length);
    g_autofree char *text = g_strndup(bytes, length);
    return template_parse(text, TEMPLATE_MODERN, NULL);
}

Template *vm_change_new(const Vm *vm, const char *word)
{
    Template *change = template_new();
    g_autofree char *template = pack(vm->head.template);
    g_autofree char *snapshots = pack(vm->snapshots);
    template_set(change, "WORD", word);
    template_set_int(change, "STATE", vm->state);
    template_set_int(change, "STEP", 0);
    template_set(change, "TEMPLATE", template);
    template_set(change, "SNAPSHOTS", snapshots);
    return change;
}

gboolean vm_change_begin(Lifecycle *lifecycle, Vm *vm, const VmActionRow *row, Template *change,
                         const VmAsker *asker, GError **error)
{
    gboolean runs = vm->state == VM_ACTIVE;
    if (!quota_allows_vm(lifecycle->world, vm, -1, error)) {
        vm->operation = change;
        undo(lifecycle->world, vm);
        return FALSE;
    }
    vm_log(lifecycle, vm, LOG_INFO, "%s", row->word);
    if (row->target.state != VM_ACTIVE) {
        template_free(change);
        vm_recharge(lifecycle->world, vm);
        object_changed(lifecycle->world, &vm->head);
        return TRUE;
    }
    template_set_int(change, "LCM", row->target.lcm);
    vm->operation = change;
    if (runs) {
        vm_note_action(lifecycle, vm, vm_last_record(vm), row->number, asker);
        vm_renew_record(lifecycle, vm);
        vm_last_record(vm)->rstime = core_now(lifecycle->world->core);
        vm_record_changed(lifecycle->world, vm, vm_last_record(vm));
    }
    vm_enter(lifecycle, vm, row->target.state, row->target.lcm);
    return TRUE;
}

void vm_note_change(Lifecycle *lifecycle, Vm *vm, gint number, const VmAsker *asker)
{
    VmRecord *last = vm_last_record(vm);
    gboolean runs = vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING;
    if (!last || last->etime || (!runs && vm->state != VM_POWEROFF && vm->state != VM_SUSPENDED))
        return;
    vm_note_action(lifecycle, vm, last, number, asker);
    vm_renew_record(lifecycle, vm);
    if (!runs)
        return;
    vm_last_record(vm)->rstime = core_now(lifecycle->world->core);
    vm_record_changed(lifecycle->world, vm, vm_last_record(vm));
}

/* ---- under way ---- */

gboolean vm_changes(const Vm *vm, const char *word)
{
    return vm->operation && g_strcmp0(template_get(vm->operation, "WORD"), word) == 0;
}

gint64 vm_change_number(const Vm *vm, const char *name)
{
    gint64 number = -1;
    if (vm->operation)
        (void)template_get_int(vm->operation, name, &number);
    return number;
}

guint vm_change_step(const Vm *vm)
{
    gint64 step = vm_change_number(vm, "STEP");
    return step > 0 ? (guint)step : 0;
}

void vm_change_stepped(Lifecycle *lifecycle, Vm *vm)
{
    /* Undoing is not noted: after a crash the step that failed is tried again. */
    if (!vm->operation || vm->work.step >= G_N_ELEMENTS(((VmPhase *)NULL)->steps))
        return;
    template_set_int(vm->operation, "STEP", vm->work.step);
    object_changed(lifecycle->world, &vm->head);
}

void vm_change_answered(Vm *vm, const char *info)
{
    if (vm->operation && info && *info && strcmp(info, "-") != 0)
        template_set(vm->operation, "INFO", info);
}

/* ---- ending ---- */

static void clear_marks(Vm *vm)
{
    static const struct {
        const char *vector, *mark;
    } marks[] = {{"DISK", "ATTACH"},    {"DISK", "RESIZE"}, {"DISK", "DISK_SNAPSHOT_ACTIVE"},
                 {"NIC", "ATTACH"},     {"NIC", "UPDATE"},  {"SNAPSHOT", "ACTIVE"},
                 {"SNAPSHOT", "ACTION"}};
    TemplateAttribute *vector;
    for (guint i = 0; i < G_N_ELEMENTS(marks); i++)
        for (guint j = 0; (vector = template_vector(vm->head.template, marks[i].vector, j)); j++)
            if (attribute_get(vector, marks[i].mark))
                attribute_set(vector, marks[i].mark, NULL);
}

static void drop(Template *template, const TemplateAttribute *gone)
{
    for (guint i = 0; i < template_count(template); i++)
        if (template_nth(template, i) == gone) {
            template_attribute_free(template_steal(template, i));
            return;
        }
}

static void drop_device(World *world, Vm *vm, const char *kind, const char *number)
{
    const TemplateAttribute *device = vm_device(vm, kind, vm_change_number(vm, number));
    if (!device)
        return;
    network_release_card(world, vm, device);
    vm_image_release(world, vm->head.id, device);
    drop(vm->head.template, device);
    secgroup_count(world, vm);
    secgroup_write_rules(world, vm->head.template);
}

/* What all snapshots of the disk take is shown with it. */
static void show_snapshots_size(Vm *vm)
{
    gint64 id = vm_change_number(vm, "DISK_ID"), size = vm_snapshots_size(vm, id);
    TemplateAttribute *disk = vm_device(vm, "DISK", id);
    if (disk && size)
        attribute_set_int(disk, "DISK_SNAPSHOT_TOTAL_SIZE", size);
    else if (disk)
        attribute_set(disk, "DISK_SNAPSHOT_TOTAL_SIZE", NULL);
}

static void done_detach_disk(World *world, Vm *vm)
{
    TemplateAttribute *disk = vm_device(vm, "DISK", vm_change_number(vm, "DISK_ID"));
    if (disk) {
        disk_growth_kept(world, disk);
        vm_snapshots_keep(world, vm, disk);
    }
    drop_device(world, vm, "DISK", "DISK_ID");
    vm_snapshots_forget(vm, vm_change_number(vm, "DISK_ID"));
}

static void done_detach_nic(World *world, Vm *vm)
{
    VRouter *router = vrouter_of_vm(world, vm);
    drop_device(world, vm, "NIC", "NIC_ID");
    if (router)
        vrouter_settle(world, router);
}

static void done_snapshot_create(World *world, Vm *vm)
{
    TemplateAttribute *snapshot = vm_device(vm, "SNAPSHOT", vm_change_number(vm, "SNAPSHOT_ID"));
    const char *info = template_get(vm->operation, "INFO");
    if (snapshot && info)
        attribute_set(snapshot, "HYPERVISOR_ID", info);
}

static void done_snapshot_delete(World *world, Vm *vm)
{
    drop_device(world, vm, "SNAPSHOT", "SNAPSHOT_ID");
}

/* What was done to the image itself is the image's at once. */
static void keep_in_place(World *world, Vm *vm)
{
    TemplateAttribute *disk = vm_device(vm, "DISK", vm_change_number(vm, "DISK_ID"));
    if (!disk || !template_get(vm->operation, "IN_PLACE"))
        return;
    disk_growth_kept(world, disk);
    vm_snapshots_keep(world, vm, disk);
}

static void done_disk_create(World *world, Vm *vm)
{
    show_snapshots_size(vm);
    keep_in_place(world, vm);
}

static void done_disk_revert(World *world, Vm *vm)
{
    vm_snapshot_revert(vm, vm_change_number(vm, "DISK_ID"), vm_change_number(vm, "SNAPSHOT_ID"));
    /* The disk has again the size that it had then. */
    TemplateAttribute *disk = vm_device(vm, "DISK", vm_change_number(vm, "DISK_ID"));
    gint64 size =
        vm_snapshot_size(vm, vm_change_number(vm, "DISK_ID"), vm_change_number(vm, "SNAPSHOT_ID"));
    if (disk && size > 0)
        attribute_set_int(disk, "SIZE", size);
    keep_in_place(world, vm);
}

static void done_disk_delete(World *world, Vm *vm)
{
    vm_snapshot_remove(vm, vm_change_number(vm, "DISK_ID"), vm_change_number(vm, "SNAPSHOT_ID"));
    show_snapshots_size(vm);
    keep_in_place(world, vm);
}

static void done_disk_resize(World *world, Vm *vm)
{
    keep_in_place(world, vm);
}

static void put_back(World *world, Vm *vm);

/* The machine is what it was. */
static void done_disk_saveas(World *world, Vm *vm)
{
    put_back(world, vm);
}

/* What a change does when it has succeeded, beyond losing its marks. */
static const struct {
    const char *word;
    void (*done)(World *world, Vm *vm);
} ends[] = {
    {"disk-detach", done_detach_disk},          {"nic-detach", done_detach_nic},
    {"snapshot-create", done_snapshot_create},  {"snapshot-delete", done_snapshot_delete},
    {"disk-snapshot-create", done_disk_create}, {"disk-snapshot-revert", done_disk_revert},
    {"disk-snapshot-delete", done_disk_delete}, {"disk-saveas", done_disk_saveas},
    {"disk-resize", done_disk_resize},
};

static void put_back(World *world, Vm *vm)
{
    g_autoptr(Template) template = unpack(template_get(vm->operation, "TEMPLATE"));
    g_autoptr(Template) snapshots = unpack(template_get(vm->operation, "SNAPSHOTS"));
    if (!template || !snapshots) { /* somebody wrote into the database */
        clear_marks(vm);
        return;
    }
    vm_exec_carry(vm->head.template, template);
    template_free(vm->head.template);
    vm->head.template = g_steal_pointer(&template);
    template_free(vm->snapshots);
    vm->snapshots = g_steal_pointer(&snapshots);
    secgroup_write_rules(world, vm->head.template); /* they may have changed meanwhile */
}

/* Nobody knows whether it was done. What may be there is shown, so that it can be removed; what
 * may be taken stays charged. */
static void keep(Vm *vm)
{
    static const char *const sizes[] = {"CPU", "VCPU", "MEMORY"};
    g_autoptr(Template) before = unpack(template_get(vm->operation, "TEMPLATE"));
    for (guint i = 0; before && i < G_N_ELEMENTS(sizes); i++) {
        double old = 0, new = 0;
        if (template_get_double(before, sizes[i], &old) &&
            template_get_double(vm->head.template, sizes[i], &new) && old > new)
            template_set(vm->head.template, sizes[i], template_get(before, sizes[i]));
    }
    clear_marks(vm);
}

static void forget_change(Vm *vm)
{
    template_free(vm->operation);
    vm->operation = NULL;
}

/* All is as it was when the change was made. */
static void undo(World *world, Vm *vm)
{
    /* What the device took goes back, too. */
    if (vm_changes(vm, "nic-attach"))
        drop_device(world, vm, "NIC", "NIC_ID");
    if (vm_changes(vm, "disk-attach"))
        drop_device(world, vm, "DISK", "DISK_ID");
    put_back(world, vm);
    forget_change(vm);
}

/* The image of a disk that was to be saved is ready, or will never be. */
static void tell_image(Lifecycle *lifecycle, Vm *vm, gboolean success)
{
    if (vm_changes(vm, "backup"))
        vm_backup_ended(lifecycle, vm, success);
    Image *image = vm_changes(vm, "disk-saveas")
                       ? image_get(lifecycle->world, (gint32)vm_change_number(vm, "IMAGE_ID"))
                       : NULL;
    if (image)
        image_saved(lifecycle, image, success,
                    vm->work.reason ? vm->work.reason : "the machine did not come to that");
}

void vm_leave_change(Lifecycle *lifecycle, Vm *vm, gboolean success, VmTarget *target)
{
    if (!vm->operation)
        return;
    const char *word = template_get(vm->operation, "WORD");
    gint64 state = vm_change_number(vm, "STATE");
    tell_image(lifecycle, vm, success);
    if (success)
        for (guint i = 0; i < G_N_ELEMENTS(ends); i++)
            if (g_strcmp0(ends[i].word, word) == 0)
                ends[i].done(lifecycle->world, vm);
    if (success)
        clear_marks(vm);
    if (!success && vm_is_kept(vm))
        keep(vm);
    else if (!success)
        undo(lifecycle->world, vm);
    if (state >= 0 && state < VM_STATES && state != VM_ACTIVE)
        *target = (VmTarget){(VmState)state, LCM_INIT};
    forget_change(vm);
    object_changed(lifecycle->world, &vm->head);
}

/* Snapshots that the hypervisor keeps with a running machine are lost when it ends there. */
static void lose_snapshots(Vm *vm, VmState state)
{
    if (state == VM_STOPPED || state == VM_SUSPENDED || state == VM_POWEROFF ||
        state == VM_UNDEPLOYED || state == VM_PENDING)
        template_remove(vm->head.template, "SNAPSHOT");
}

void vm_change_left(Lifecycle *lifecycle, Vm *vm, VmState state, VmLcm lcm)
{
    gboolean goes_on = state == VM_ACTIVE && vm_change_number(vm, "LCM") == (gint64)lcm;
    if (vm->operation && !goes_on) {
        tell_image(lifecycle, vm, FALSE);
        keep(vm);
        forget_change(vm);
    }
    if (template_vector(vm->head.template, "SNAPSHOT", 0) &&
        !vm_driver_can(lifecycle, vm, "KEEP_SNAPSHOTS"))
        lose_snapshots(vm, state);
}
