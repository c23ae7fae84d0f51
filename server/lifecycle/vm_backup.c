/*
 * Backups of machines. The image that will hold one is there, LOCKED, before anything is done, so
 * its room and its owner's quotas are taken; the change of the machine (vm_change.c) names it:
 *
 *   IMAGE_ID, NUMBER: the image, and the increment in it    PARENT: what it is an increment to; -1
 *   CHAIN: the backups are a series                         SETTINGS: those in force, in base64
 *   INFO: what the last driver said
 *
 * A machine that runs: its hypervisor writes what the disks hold at one moment beside them, the
 * transfer driver takes that to the front-end, the datastore's driver keeps it. One that is off:
 * the disks are copied.
 */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"
#include "server/model/people/quota.h"
#include "server/model/people/user.h"
#include "server/model/machine/vm_backups.h"
#include "server/model/machine/vm_images.h"

#include <string.h>

/* What the hypervisor writes lies where a snapshot of that number would; none ever has it. The
 * drivers know it, too: drivers/vmm/libvirt/vmm_backup.c. */
#define BACKUP_SNAPSHOT    G_MAXINT32

#define refuse(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, __VA_ARGS__), FALSE)

/* ---- where to ---- */

Datastore *vm_backup_datastore(Lifecycle *lifecycle, const Vm *vm, gint32 id, GError **error)
{
    gint32 chosen = id >= 0 ? id : (gint32)vm_backups_number(vm->backups, "LAST_DATASTORE_ID");
    Datastore *datastore = datastore_get(lifecycle->world, chosen);
    if (chosen < 0)
        (void)refuse(error,
                     "No backup of VM %d says which datastore to use: name one of type BACKUP_DS",
                     vm->head.id);
    else if (!datastore)
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS,
                    "Datastore %d for the backup of VM %d "
                    "does not exist",
                    chosen, vm->head.id);
    else if (datastore->type != DATASTORE_BACKUP)
        (void)refuse(error, "Datastore %d is of type %s; backups go to one of type %s", chosen,
                     datastore_type_name(datastore->type), datastore_type_name(DATASTORE_BACKUP));
    else if (!lifecycle_knows(lifecycle, DRIVER_DATASTORE, datastore->ds_mad))
        (void)refuse(error,
                     "Datastore %d has DS_MAD = %s, and oned.conf has no DATASTORE_MAD for that",
                     chosen, datastore->ds_mad);
    else
        return datastore;
    return NULL;
}

/* Whether the next backup may be an increment in that image. */
static gboolean continues(const Image *image, const Vm *vm, const Datastore *datastore,
                          const GArray *disks)
{
    g_autoptr(GArray) held = image_backup_disks(image);
    for (guint i = 0; i < disks->len; i++) {
        gint32 id = g_array_index(disks, gint32, i);
        if (!image_backup_is_of(image, id, vm_device(vm, "DISK", id), NULL))
            return FALSE;
    }
    g_autofree char *now = ids_print(disks), *then = ids_print(held);
    return image->datastore == datastore->head.id && image->state != IMAGE_ERROR &&
           image->state != IMAGE_DISABLED && image->state != IMAGE_DELETE && !strcmp(now, then);
}

static Image *new_image(World *world, const Vm *vm, Datastore *datastore, const GArray *disks)
{
    g_autoptr(GDateTime) now = g_date_time_new_from_unix_local(core_now(world->core));
    g_autofree char *stamp = g_date_time_format(now, "%d-%b-%Y %H.%M.%S");
    g_autofree char *plain = g_strdup_printf("%d %s", vm->head.id, stamp);
    g_autofree char *name = g_strdup(plain);
    for (guint i = 2; pool_find_own(world, KIND_IMAGE, vm->head.uid, name); i++) {
        g_free(name);
        name = g_strdup_printf("%s (%u)", plain, i);
    }
    Template *template = template_new();
    template_set_int(template, "VM_ID", vm->head.id);
    const ImageDraft draft = {.name = name,
                              .uid = vm->head.uid,
                              .gid = vm->head.gid,
                              .permissions = PERMISSIONS_DEFAULT,
                              .type = IMAGE_BACKUP,
                              .format = "qcow2",
                              .template = template};
    Image *image = image_create(world, datastore, &draft);
    g_free(image->source);
    image->source = g_strdup_printf("%s/%d/%d-%s", world->datastores, image->datastore,
                                    image->head.id, image->token);
    image_backup_describe(image, vm, disks);
    return image;
}

/* ---- what it takes ---- */

/* MiB of the disks, as much as a backup of them can take. */
static gint64 size_of(const Vm *vm, const GArray *disks)
{
    gint64 sum = 0;
    for (guint i = 0; i < disks->len; i++) {
        const TemplateAttribute *disk = vm_device(vm, "DISK", g_array_index(disks, gint32, i));
        gint64 size = 0;
        if (disk && attribute_get_int(disk, "SIZE", &size))
            sum += MAX(size, 0);
    }
    return sum;
}

static gboolean has_room(World *world, const Vm *vm, const Datastore *datastore, gint64 size,
                         gboolean one_more, GError **error)
{
    QuotaUse *more = quota_use_new(vm->head.uid, vm->head.gid, -1);
    if (one_more)
        quota_use_add_image(more, datastore->head.id, size);
    else
        quota_use_add(more, QUOTA_DATASTORE, datastore->head.id, DATASTORE_SIZE, size);
    return quota_allows(world, NULL, more, error) &&
           datastore_has_room(world, datastore, size, error);
}

/* ---- beginning ---- */

/* The settings in force, in a copy of all that is remembered. NULL with the error. (owned) */
static Template *settings_for(const Vm *vm, const Template *given, GError **error)
{
    g_autoptr(Template) settings = template_copy(vm->backups);
    return !given || vm_backups_overlay(settings, given, error) ? g_steal_pointer(&settings) : NULL;
}

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
    Template *template = template_parse(text, TEMPLATE_MODERN, NULL);
    return template ? template : template_new();
}

/* The series that goes on; NULL: a new image. `busy`: something is done to it. */
static Image *series_of(World *world, const Vm *vm, const Template *settings,
                        const Datastore *datastore, const GArray *disks, gboolean reset)
{
    Image *image = image_get(world, (gint32)vm_backups_number(settings, "INCREMENTAL_BACKUP_ID"));
    gboolean goes_on = image && !reset && vm_backups_is(settings, "MODE", "INCREMENT") &&
                       continues(image, vm, datastore, disks);
    return goes_on ? image : NULL;
}

static Template *new_change(Vm *vm, const Image *image, gint32 number, const VmBackupOrder *order,
                            const Template *settings)
{
    BackupIncrement newest;
    gboolean series = vm_backups_is(settings, "MODE", "INCREMENT");
    gboolean more = series && image_backup_find(image, -1, &newest);
    g_autofree char *packed = pack(settings);
    Template *change = vm_change_new(vm, "backup");
    template_set_int(change, "IMAGE_ID", image->head.id);
    template_set_int(change, "NUMBER", number);
    template_set_int(change, "PARENT", more ? newest.id : -1);
    template_set(change, "SERIES", series ? "YES" : "NO");
    template_set_int(change, "JOB_ID", order->job);
    template_set(change, "SETTINGS", packed);
    return change;
}

gboolean vm_backup(Lifecycle *lifecycle, Vm *vm, const VmBackupOrder *order, const VmAsker *asker,
                   GError **error)
{
    World *world = lifecycle->world;
    const VmActionRow *row = vm_change_row(vm, "backup", error);
    Datastore *datastore = row ? vm_backup_datastore(lifecycle, vm, order->datastore, error) : NULL;
    g_autoptr(Template) settings = datastore ? settings_for(vm, order->settings, error) : NULL;
    if (!settings)
        return FALSE;
    g_autoptr(GArray) disks = vm_backups_disks(vm, settings);
    if (!disks->len)
        return refuse(error,
                      "VM %d has no disk to back up: CD-ROMs and swap never are, volatile disks "
                      "only with BACKUP_VOLATILE=YES, and DISK_IDS leaves out others",
                      vm->head.id);
    Image *image = series_of(world, vm, settings, datastore, disks, order->reset);
    if (image && image->state != IMAGE_READY)
        return refuse(error, "Image %d, which holds the backups of VM %d, is in state %s; wait",
                      image->head.id, vm->head.id, image_state_name(image->state));
    gint64 size = size_of(vm, disks);
    if (!has_room(world, vm, datastore, size, image == NULL, error))
        return FALSE;
    gboolean fresh = image == NULL;
    if (fresh)
        image = new_image(world, vm, datastore, disks);
    gint32 number = image_backup_begin(world, image, size);
    Template *change = new_change(vm, image, number, order, settings);
    image_begin(lifecycle, image, IMAGE_WORK_BACKUP);
    template_set_int(vm->backups, "LAST_DATASTORE_ID", datastore->head.id);
    return vm_change_begin(lifecycle, vm, row, change, asker, error);
}

gboolean vm_backup_cancel(Lifecycle *lifecycle, Vm *vm, const VmAsker *asker, GError **error)
{
    const VmActionRow *row = vm_change_row(vm, "backup-cancel", error);
    if (!row)
        return FALSE;
    vm_note_action(lifecycle, vm, vm_last_record(vm), row->number, asker);
    if (vm->work.step >= G_N_ELEMENTS(((VmPhase *)NULL)->steps))
        return TRUE; /* it is being undone */
    lifecycle_cancel(lifecycle, vm->work.request);
    vm->work.request = 0;
    vm_step_ended(lifecycle, vm, FALSE, "it was cancelled");
    return TRUE;
}

/* ---- what drivers are told ---- */

/* Attributes of the element BACKUP in the documents of the hypervisor's and the datastore's
 * driver, as pairs of a vector. */
static void describe(const Vm *vm, const Image *image, TemplateAttribute *order)
{
    g_autoptr(Template) settings = unpack(template_get(vm->operation, "SETTINGS"));
    g_autofree char *all = image_backup_all(image);
    gint64 parent = vm_change_number(vm, "PARENT");
    gboolean bitmaps = vm_backups_is(settings, "INCREMENT_MODE", "CBT");
    gboolean series = template_get_bool(vm->operation, "SERIES", FALSE);
    const char *freeze = template_get(settings, "FS_FREEZE");
    attribute_set_int(order, "IMAGE_ID", image->head.id);
    attribute_set(order, "DISKS", template_get(image->backup, "DISK_IDS"));
    attribute_set_int(order, "NUMBER", vm_change_number(vm, "NUMBER"));
    attribute_set_int(order, "PARENT", parent);
    attribute_set(order, "KNOWN", all);
    attribute_set(order, "TRACK", series && bitmaps ? "YES" : "NO");
    attribute_set(order, "FS_FREEZE", freeze ? freeze : "NONE");
}

char *vm_backup_order(Lifecycle *lifecycle, const Vm *vm)
{
    const Image *image = image_get(lifecycle->world, (gint32)vm_change_number(vm, "IMAGE_ID"));
    g_autoptr(Template) order = template_new();
    if (image)
        describe(vm, image, template_add_vector(order, "BACKUP"));
    return template_to_text(order);
}

/* A live snapshot of a disk that is its image itself leaves a link beside it, to the directory of
 * the image's snapshots, which is none of the machine's. */
static gboolean leaves_link(Lifecycle *lifecycle, const Vm *vm, const TemplateAttribute *disk)
{
    return disk && disk_is_persistent(disk) && disk_image(lifecycle->world, disk) &&
           vm_storage_is_shared(lifecycle, vm_last_record(vm));
}

/* Disks of a machine that is off are copied; what the hypervisor wrote is moved. */
gboolean vm_backup_script(Lifecycle *lifecycle, const Vm *vm, VmStep step, const char *directory,
                          GString *text)
{
    const Image *image = image_get(lifecycle->world, (gint32)vm_change_number(vm, "IMAGE_ID"));
    if (!image)
        return FALSE;
    g_autoptr(GArray) disks = image_backup_disks(image);
    const VmRecord *record = vm_last_record(vm);
    g_autofree char *tm = script_word(record->tm_mad), *here = script_word(directory);
    g_autofree char *place = g_strdup_printf("%s:%s", record->host_name, here);
    g_autofree char *end = g_strdup_printf(" %d %d\n", vm->head.id, record->datastore);
    gboolean live = vm->lcm == LCM_BACKUP;
    for (guint i = 0; i < disks->len; i++) {
        gint32 id = g_array_index(disks, gint32, i);
        const TemplateAttribute *disk = vm_device(vm, "DISK", id);
        g_autofree char *plain = g_strdup_printf("%s.disk.%d", image->source, id);
        g_autofree char *part = script_word(plain);
        if (step == STEP_BACKUP_READY && leaves_link(lifecycle, vm, disk))
            g_string_append_printf(text, "DELETE %s %s/disk.%d.snap%s", tm, place, id, end);
        if (step == STEP_BACKUP_READY)
            g_string_append_printf(text, "SNAP_CREATE_LIVE %s %s/disk.%d %d %s%s", tm, place, id,
                                   BACKUP_SNAPSHOT, vm_backups_format(disk), end);
        else if (step == STEP_BACKUP_ERASE)
            g_string_append_printf(text, "DELETE %s " FRONT_END ":%s%s", tm, part, end);
        else if (live)
            g_string_append_printf(text, "MV %s %s/disk.%d.snap/%d " FRONT_END ":%s%s", tm, place,
                                   id, BACKUP_SNAPSHOT, part, end);
        else
            g_string_append_printf(text, "CPDS %s %s/disk.%d " FRONT_END ":%s -1 %s%s", tm, place,
                                   id, part, vm_backups_format(disk), end);
        if (live && step != STEP_BACKUP_READY)
            g_string_append_printf(text, "SNAP_DELETE %s %s/disk.%d %d%s", tm, place, id,
                                   BACKUP_SNAPSHOT, end);
    }
    return disks->len > 0;
}

/* How the disks lie on the front-end: as on their host. (owned) */
static char *formats_of(const Vm *vm, const Image *image)
{
    g_autoptr(GArray) disks = image_backup_disks(image);
    GString *formats = g_string_new(NULL);
    for (guint i = 0; i < disks->len; i++) {
        const TemplateAttribute *disk = vm_device(vm, "DISK", g_array_index(disks, gint32, i));
        g_string_append_printf(formats, "%s%s", i ? "," : "", vm_backups_format(disk));
    }
    return g_string_free(formats, FALSE);
}

DriverRequest *vm_backup_request(Lifecycle *lifecycle, Vm *vm, VmStep step)
{
    World *world = lifecycle->world;
    Image *image = image_get(world, (gint32)vm_change_number(vm, "IMAGE_ID"));
    Datastore *datastore = image ? datastore_get(world, image->datastore) : NULL;
    if (!datastore)
        return NULL;
    g_autoptr(GString) more = g_string_new(NULL);
    g_autoptr(Template) order = template_new();
    g_autofree char *formats = formats_of(vm, image);
    TemplateAttribute *about = template_add_vector(order, "BACKUP");
    const char *taken = template_get(vm->operation, "INFO");
    describe(vm, image, about);
    attribute_set(about, "FORMATS", formats);
    attribute_set(about, "TAKEN",
                  vm->lcm == LCM_BACKUP && !g_strcmp0(taken, "increment") ? "increment" : "full");
    g_autofree char *restore =
        step == STEP_RESTORE_MAKE ? vm_restore_document(lifecycle, vm, image) : NULL;
    if (restore) {
        g_string_append(more, restore);
    } else {
        template_append_xml(order, more);
        object_render(world, &vm->head, more);
    }
    DriverRequest *request = g_new0(DriverRequest, 1);
    request->class = DRIVER_DATASTORE;
    request->driver = g_strdup(datastore->ds_mad);
    request->action = g_strdup(vm_step_row(step)->action);
    request->id = image->head.id;
    request->payload = image_document(world, image, datastore, more->str);
    return request;
}

/* PATH of an image that is made of a backup: "backup://<image>/<increment>/<disk>". (owned) */
char *image_backup_path(const Image *backup, gint32 increment, gint32 disk)
{
    return g_strdup_printf("backup://%d/%d/%d", backup->head.id, increment, disk);
}

static char *restore_document(World *world, const Image *image)
{
    g_auto(GStrv) words = g_strsplit(image->path, "/", -1);
    if (g_strv_length(words) != 5 || strcmp(words[0], "backup:") != 0)
        return NULL;
    const Image *backup = image_get(world, (gint32)g_ascii_strtoll(words[2], NULL, 10));
    gint32 number = (gint32)g_ascii_strtoll(words[3], NULL, 10);
    const Datastore *datastore = backup ? datastore_get(world, backup->datastore) : NULL;
    if (!datastore)
        return NULL;
    g_autofree char *chain = image_backup_chain(backup, number);
    GString *xml = g_string_new("<BACKUP>");
    xml_int(xml, "NUMBER", number);
    xml_text(xml, "CHAIN", chain);
    xml_text(xml, "DISKS", words[4]);
    xml_int(xml, "SIZES", image->size); /* an old increment may be of a smaller disk */
    xml_int(xml, "DATASTORE_ID", backup->datastore);
    xml_text(xml, "SOURCE", backup->source);
    xml_text(xml, "RSYNC_HOST", template_get(datastore->head.template, "RSYNC_HOST"));
    xml_text(xml, "RSYNC_USER", template_get(datastore->head.template, "RSYNC_USER"));
    g_string_append(xml, "</BACKUP>");
    return g_string_free(xml, FALSE);
}

char *image_backup_document(World *world, const Image *image)
{
    if (image->work == IMAGE_WORK_RESTORE)
        return restore_document(world, image);
    if (image->work != IMAGE_WORK_INCREMENT_FLATTEN)
        return NULL;
    g_autofree char *chain = image_backup_chain(image, image->target_snapshot);
    g_autofree char *all = image_backup_all(image);
    return g_strdup_printf("<BACKUP><NUMBER>%d</NUMBER><CHAIN>%s</CHAIN><KNOWN>%s</KNOWN>"
                           "<DISKS>%s</DISKS></BACKUP>",
                           image->target_snapshot, chain, all,
                           template_get(image->backup, "DISK_IDS"));
}

/* ---- the end ---- */

gboolean vm_backup_taken(const Vm *vm, const char *info)
{
    return g_strcmp0(info, "increment") != 0 || vm_change_number(vm, "PARENT") >= 0;
}

/* "<number> <MiB> full" or "... increment"; FALSE: it makes no sense. */
static gboolean read_made(Lifecycle *lifecycle, const Vm *vm, BackupIncrement *made)
{
    const char *info = template_get(vm->operation, "INFO"); /* none when it was declared done */
    g_auto(GStrv) words = g_strsplit(info ? info : "", " ", -1);
    gint64 number = vm_change_number(vm, "NUMBER"), told, size;
    if (g_strv_length(words) < 3 ||
        !g_ascii_string_to_signed(words[0], 10, 0, G_MAXINT32, &told, NULL) || told != number ||
        !g_ascii_string_to_signed(words[1], 10, 0, G_MAXINT32, &size, NULL))
        return FALSE;
    gint64 parent = !strcmp(words[2], "increment") ? vm_change_number(vm, "PARENT") : -1;
    if (!strcmp(words[2], "increment") && parent < 0)
        return FALSE; /* to nothing: it could not be restored */
    *made =
        (BackupIncrement){(gint32)number, (gint32)parent, size, core_now(lifecycle->world->core)};
    return TRUE;
}

static void note(Vm *vm, const Image *image, const BackupIncrement *made)
{
    gboolean series = template_get_bool(vm->operation, "SERIES", FALSE);
    gint64 job = vm_change_number(vm, "JOB_ID");
    template_set_int(vm->backups, "LAST_DATASTORE_ID", image->datastore);
    template_set(vm->backups, "LAST_BACKUP_ID", image->source);
    template_set_int(vm->backups, "LAST_BACKUP_SIZE", made->size);
    template_set(vm->backups, "BACKUP_JOB_ID", NULL);
    if (job >= 0)
        template_set_int(vm->backups, "BACKUP_JOB_ID", job);
    if (series) {
        template_set_int(vm->backups, "INCREMENTAL_BACKUP_ID", image->head.id);
        template_set_int(vm->backups, "LAST_INCREMENT_ID", made->id);
    }
}

/* KEEP_LAST: of a series its oldest increments go, else whole backups. */
static void forget_oldest(Lifecycle *lifecycle, Vm *vm, Image *image, gint64 keep)
{
    gint32 series = (gint32)vm_backups_number(vm->backups, "INCREMENTAL_BACKUP_ID");
    if (keep <= 0)
        return;
    if (template_get_bool(vm->operation, "SERIES", FALSE)) {
        gint32 oldest = image_backup_oldest_kept(image, (guint)keep);
        if (oldest >= 0 && image->head.lock.level)
            vm_log(lifecycle, vm, LOG_WARNING,
                   "the oldest increments of backup %d are not removed by KEEP_LAST: somebody "
                   "locked it",
                   image->head.id);
        else if (oldest >= 0)
            image_forget_increments(lifecycle, image, oldest);
        return;
    }
    g_autoptr(GArray) ids = vm_backups_ids(vm);
    ids_remove(ids, series);
    for (guint i = 0; i + (guint)keep < ids->len; i++) {
        g_autoptr(GError) error = NULL;
        Image *old = image_get(lifecycle->world, g_array_index(ids, gint32, i));
        if (old && old->head.lock.level)
            vm_log(lifecycle, vm, LOG_WARNING,
                   "backup %d is not removed by KEEP_LAST: somebody locked it", old->head.id);
        else if (old && old->state != IMAGE_DELETE && !image_delete(lifecycle, old, FALSE, &error))
            vm_log(lifecycle, vm, LOG_WARNING, "backup %d is not removed by KEEP_LAST: %s",
                   old->head.id, error->message);
    }
}

/* The image, and the machine, know of it. FALSE: there is none. */
static gboolean keep(Lifecycle *lifecycle, Vm *vm, gboolean success, const char *why)
{
    Image *image = image_get(lifecycle->world, (gint32)vm_change_number(vm, "IMAGE_ID"));
    BackupIncrement made;
    gboolean is_there = success && image && read_made(lifecycle, vm, &made);
    if (is_there && image->work == IMAGE_WORK_BACKUP) {
        /* Disks grow from one backup of a series to the next. */
        g_autoptr(GArray) disks = image_backup_disks(image);
        image_backup_describe(image, vm, disks);
    }
    if (image)
        image_backed_up(lifecycle, image, is_there ? &made : NULL, why);
    if (!is_there)
        return FALSE;
    g_autoptr(Template) settings = unpack(template_get(vm->operation, "SETTINGS"));
    vm_log(lifecycle, vm, LOG_INFO, "%s backup %d of image %d holds %" G_GINT64_FORMAT " MiB",
           made.parent < 0 ? "full" : "incremental", made.id, image->head.id, made.size);
    vm_backups_add(lifecycle->world, vm, image->head.id);
    note(vm, image, &made);
    forget_oldest(lifecycle, vm, image, vm_backups_number(settings, "KEEP_LAST"));
    object_changed(lifecycle->world, &vm->head);
    return TRUE;
}

void vm_backup_ended(Lifecycle *lifecycle, Vm *vm, gboolean success)
{
    const char *why = success           ? "its driver did not say what it made"
                      : vm->work.reason ? vm->work.reason
                                        : "the machine did not come to that";
    g_autofree char *reason = g_strdup(why);
    gboolean kept = keep(lifecycle, vm, success, reason);
    if (success && !kept) { /* or nobody would hear that there is no backup */
        g_autofree char *text = g_strdup_printf("%s failed: %s", vm_lcm_name(vm->lcm), reason);
        vm_note_failure(lifecycle, vm, text);
    }
    backupjob_machine_done(lifecycle, (gint32)vm_change_number(vm, "JOB_ID"), vm,
                           kept ? NULL : reason);
}
