/*
 * Scripts for the transfer driver: what becomes of a machine's files at each step. The format is
 * that of share/doc/drivers.md.
 */
#include "server/lifecycle/internal.h"

#include "server/model/storage/datastore.h"
#include "server/model/machine/vm_images.h"
#include "server/model/machine/vm_snapshots.h"

#include <string.h>

/* ---- paths ---- */

/* Directory of the machine on its host (and, at the same path, on the front-end). (owned) */
char *vm_directory(Lifecycle *lifecycle, const Vm *vm, const VmRecord *record)
{
    return g_strdup_printf("%s/%d/%d", lifecycle->world->datastores, record->datastore,
                           vm->head.id);
}

static char *context_path(Lifecycle *lifecycle, const Vm *vm)
{
    return g_strdup_printf("%s/vms/%d/context.sh", lifecycle->world->var, vm->head.id);
}

char *script_word(const char *text)
{
    GString *out = g_string_new(NULL);
    for (const char *at = text ? text : ""; *at; at++) {
        if ((guchar)*at <= ' ' || *at == 0x7f)
            g_string_append_printf(out, "%%%02X", (guchar)*at);
        else
            g_string_append_c(out, *at);
    }
    return g_string_free(out, FALSE);
}

/* ---- scripts of the transfer driver ---- */

typedef struct Script {
    GString *text;
    const char *tm;
    const VmRecord *record;
    char *directory;
    gint32 vm;
} Script;

static void script_line(Script *script, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void script_line(Script *script, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_string_append_vprintf(script->text, format, arguments);
    va_end(arguments);
    g_string_append_printf(script->text, " %d %d\n", script->vm, script->record->datastore);
}

/* In MiB, as a number and nothing else. (owned) */
static char *disk_size(const TemplateAttribute *disk)
{
    gint64 size = 0;
    attribute_get_int(disk, "SIZE", &size);
    return g_strdup_printf("%" G_GINT64_FORMAT, size);
}

/* What the disk's file is, as oned knows it: " raw", " qcow2", or nothing when nobody has said. Its
 * bytes are the guest's, and are not asked. */
static const char *disk_format(const TemplateAttribute *disk)
{
    static const char *const known[] = {" raw", " qcow2"};
    gboolean made_here = !attribute_get(disk, "IMAGE_ID") && !attribute_get(disk, "SOURCE");
    const char *told = attribute_get(disk, made_here ? "FORMAT" : "DRIVER");
    for (guint i = 0; told && i < G_N_ELEMENTS(known); i++)
        if (!g_ascii_strcasecmp(known[i] + 1, told))
            return known[i];
    return made_here && (!told || !*told) ? known[0] : "";
}

/* The transfer driver of a disk: that of its image, unless the machine's host keeps disks to
 * itself, or the machine is only simulated. */
static const char *disk_transfer(const Script *script, const TemplateAttribute *disk)
{
    const char *own = attribute_get(disk, "IMAGE_ID") ? attribute_get(disk, "TM_MAD") : NULL;
    static const char *const simple[] = {"shared", "qcow2", NULL};
    return own && g_strv_contains(simple, own) && g_strv_contains(simple, script->tm) ? own
                                                                                      : script->tm;
}

/* A disk that shall be larger than its image: a copy, or a persistent one that was made larger on
 * a host and begins anew. */
static void grow_disk(Script *script, const TemplateAttribute *disk)
{
    g_autofree char *directory = script_word(script->directory), *size = disk_size(disk);
    if (attribute_get(disk, "IMAGE_ID") && disk_growth(disk) > 0)
        script_line(script, "RESIZE %s %s:%s/disk.%s %s%s", script->tm, script->record->host_name,
                    directory, attribute_get(disk, "DISK_ID"), size, disk_format(disk));
}

static void prolog_disk(Script *script, const TemplateAttribute *disk)
{
    const char *id = attribute_get(disk, "DISK_ID");
    const char *type = attribute_get(disk, "TYPE");
    const char *source = attribute_get(disk, "SOURCE");
    const char *host = script->record->host_name;
    g_autofree char *directory = script_word(script->directory), *size = disk_size(disk);
    if (type && !g_ascii_strcasecmp(type, "swap")) {
        script_line(script, "MKSWAP %s %s %s:%s/disk.%s", script->tm, size, host, directory, id);
    } else if (source && *source) {
        const char *clone = attribute_get(disk, "CLONE");
        g_autofree char *path = script_word(source);
        /* SOURCE may name its computer itself: host:path or a URL. */
        gboolean placed = strchr(source, ':') != NULL;
        script_line(script, "%s %s %s%s %s:%s/disk.%s",
                    clone && !g_ascii_strcasecmp(clone, "NO") ? "LN" : "CLONE",
                    disk_transfer(script, disk), placed ? "" : FRONT_END ":", path, host, directory,
                    id);
        grow_disk(script, disk);
    } else {
        const char *wanted = attribute_get(disk, "FORMAT");
        g_autofree char *format = script_word(wanted && *wanted ? wanted : "raw");
        script_line(script, "MKIMAGE %s %s %s %s:%s/disk.%s", script->tm, size, format, host,
                    directory, id);
    }
}

static void prolog_context(Lifecycle *lifecycle, Script *script, const Vm *vm)
{
    const char *id = template_get_pair(vm->head.template, "CONTEXT", "DISK_ID");
    if (!id)
        return;
    g_autofree char *context = context_path(lifecycle, vm);
    g_autofree char *path = script_word(context);
    g_autofree char *directory = script_word(script->directory);
    g_autoptr(GString) files = g_string_new(NULL);
    const char *listed = template_get_pair(vm->head.template, "CONTEXT", "FILES");
    g_auto(GStrv) words = g_strsplit_set(listed ? listed : "", " \t\n", -1);
    for (guint i = 0; words[i]; i++) {
        g_autofree char *word = script_word(words[i]);
        if (*word)
            g_string_append_printf(files, " %s", word);
    }
    /* Files of datastores, under the names of their images. */
    const char *stored = template_get_pair(vm->head.template, "CONTEXT", "FILES_DS");
    const Image *image;
    for (guint i = 0; (image = file_image(lifecycle->world, stored, i)); i++) {
        g_autofree char *whole = g_strdup_printf("%s:'%s'", image->source, image->head.name);
        g_autofree char *word = script_word(whole);
        g_string_append_printf(files, " %s", word);
    }
    script_line(script, "CONTEXT %s %s%s %s:%s/disk.%s", script->tm, path, files->str,
                script->record->host_name, directory, id);
}

/* Disks that are overlays of raw images are qcow2 themselves. */
static void set_driver(World *world, const Script *script, TemplateAttribute *disk)
{
    const char *format = attribute_get(disk, "FORMAT"), *driver = attribute_get(disk, "DRIVER");
    gboolean overlay = !g_strcmp0(attribute_get(disk, "CLONE"), "YES") &&
                       strcmp(disk_transfer(script, disk), "qcow2") == 0;
    const char *wanted = overlay ? "qcow2" : format;
    if (disk_image(world, disk) && (!g_strcmp0(driver, "raw") || !g_strcmp0(driver, "qcow2")) &&
        wanted)
        attribute_set(disk, "DRIVER", wanted);
}

static void set_drivers(World *world, const Script *script, Vm *vm)
{
    TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(vm->head.template, "DISK", i)); i++)
        set_driver(world, script, disk);
    object_changed(world, &vm->head);
}

/* A kernel and its ramdisk come as files beside the disks. */
static void prolog_kernel(Lifecycle *lifecycle, Script *script, const Vm *vm)
{
    static const char *const files[][2] = {{"KERNEL_DS", "kernel"}, {"INITRD_DS", "initrd"}};
    g_autofree char *directory = script_word(script->directory);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        const Image *image = file_image(lifecycle->world,
                                        template_get_pair(vm->head.template, "OS", files[i][0]), 0);
        g_autofree char *path = script_word(image ? image->source : "");
        if (*path)
            script_line(script, "CLONE %s " FRONT_END ":%s %s:%s/%s", script->tm, path,
                        script->record->host_name, directory, files[i][1]);
    }
}

static void script_prolog(Lifecycle *lifecycle, Script *script, const Vm *vm)
{
    const TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(vm->head.template, "DISK", i)); i++)
        prolog_disk(script, disk);
    prolog_kernel(lifecycle, script, vm);
    prolog_context(lifecycle, script, vm);
}

/* ---- snapshots of disks ---- */

/* The file that snapshots are taken of, and stand beside: the disk, or, where that is a link to its
 * persistent image, the image, on the front-end. (owned) */
static char *snapshots_at(Lifecycle *lifecycle, const Script *script, const TemplateAttribute *disk,
                          const char *host)
{
    gboolean itself = disk_is_persistent(disk) && disk_image(lifecycle->world, disk) &&
                      vm_storage_is_shared(lifecycle, script->record);
    g_autofree char *directory = script_word(script->directory);
    g_autofree char *source = script_word(attribute_get(disk, "SOURCE"));
    return itself && *source
               ? g_strdup_printf(FRONT_END ":%s", source)
               : g_strdup_printf("%s:%s/disk.%s", host, directory, attribute_get(disk, "DISK_ID"));
}

static gboolean is_elsewhere(Lifecycle *lifecycle, const Script *script,
                             const TemplateAttribute *disk)
{
    return disk_is_persistent(disk) && disk_image(lifecycle->world, disk) &&
           !vm_storage_is_shared(lifecycle, script->record);
}

/* A snapshot that the image had already lies in its datastore, not beside the copy on a host. */
static void bring_snapshot(Lifecycle *lifecycle, Script *script, const TemplateAttribute *disk,
                           const char *host, gint64 id)
{
    const Image *image = disk_image(lifecycle->world, disk);
    if (!is_elsewhere(lifecycle, script, disk) || !image_snapshot(image, (gint32)id))
        return;
    g_autofree char *source = script_word(image->source);
    g_autofree char *at = snapshots_at(lifecycle, script, disk, host);
    script_line(script,
                "CLONE %s " FRONT_END ":%s.snap/%" G_GINT64_FORMAT " %s.snap/%" G_GINT64_FORMAT,
                script->tm, source, id, at, id);
}

/* The image gets those that were made on the host, and loses those that were deleted there. */
static void snapshots_back(Lifecycle *lifecycle, Script *script, const Vm *vm,
                           const TemplateAttribute *disk, const char *host)
{
    const Image *image = disk_image(lifecycle->world, disk);
    const TemplateAttribute *snapshot;
    gint64 disk_id = -1, of = -1, id = -1;
    if (!is_elsewhere(lifecycle, script, disk) || !attribute_get_int(disk, "DISK_ID", &disk_id))
        return;
    g_autofree char *source = script_word(image->source);
    g_autofree char *at = snapshots_at(lifecycle, script, disk, host);
    for (guint i = 0; (snapshot = template_vector(vm->snapshots, "SNAPSHOT", i)); i++)
        if (attribute_get_int(snapshot, "DISK_ID", &of) && of == disk_id &&
            attribute_get_int(snapshot, "ID", &id) && !image_snapshot(image, (gint32)id))
            script_line(script,
                        "MV %s %s.snap/%" G_GINT64_FORMAT " " FRONT_END
                        ":%s.snap/%" G_GINT64_FORMAT,
                        script->tm, at, id, source, id);
    for (guint i = 0; (snapshot = template_vector(image->snapshots, "SNAPSHOT", i)); i++)
        if (attribute_get_int(snapshot, "ID", &id) && !vm_snapshot_exists(vm, disk_id, id))
            script_line(script, "SNAP_DELETE %s " FRONT_END ":%s %" G_GINT64_FORMAT, script->tm,
                        source, id);
}

/* A persistent disk becomes its image again, and its snapshots the image's. */
static void script_back(Lifecycle *lifecycle, Script *script, const Vm *vm,
                        const TemplateAttribute *disk, const char *host)
{
    const char *source = attribute_get(disk, "SOURCE");
    g_autofree char *directory = script_word(script->directory);
    g_autofree char *path = script_word(source ? source : "");
    if (*path)
        script_line(script, "MVDS %s %s:%s/disk.%s %s", disk_transfer(script, disk), host,
                    directory, attribute_get(disk, "DISK_ID"), path);
    snapshots_back(lifecycle, script, vm, disk, host);
}

static void script_epilog(Lifecycle *lifecycle, Script *script, const Vm *vm, const char *host,
                          gboolean save)
{
    const TemplateAttribute *disk;
    g_autofree char *directory = script_word(script->directory);
    for (guint i = 0; save && (disk = template_vector(vm->head.template, "DISK", i)); i++) {
        const char *wanted = attribute_get(disk, "SAVE");
        const char *id = attribute_get(disk, "DISK_ID");
        if (!wanted || g_ascii_strcasecmp(wanted, "YES"))
            continue;
        if (disk_image(lifecycle->world, disk)) {
            script_back(lifecycle, script, vm, disk, host);
            continue;
        }
        g_autofree char *kept =
            g_strdup_printf("%s/vms/%d/disk.%s", lifecycle->world->var, vm->head.id, id);
        g_autofree char *path = script_word(kept);
        script_line(script, "MV %s %s:%s/disk.%s " FRONT_END ":%s", script->tm, host, directory, id,
                    path);
    }
    script_line(script, "DELETE %s %s:%s", script->tm, host, directory);
}

/* ---- scripts of changes ---- */

/* The disk that was asked for, or what the guest is told. */
static gboolean script_disk_in(Lifecycle *lifecycle, Script *script, const Vm *vm)
{
    const TemplateAttribute *disk = vm_device(vm, "DISK", vm_change_number(vm, "DISK_ID"));
    if (vm_changes(vm, "updateconf"))
        prolog_context(lifecycle, script, vm);
    else if (vm_changes(vm, "disk-attach") && disk)
        prolog_disk(script, disk);
    return script->text->len > 0;
}

/* A disk leaves with its snapshots; one that is to be saved is. */
static gboolean script_disk_out(Lifecycle *lifecycle, Script *script, const Vm *vm,
                                const char *host, gboolean save)
{
    gint64 id = vm_change_number(vm, "DISK_ID");
    const TemplateAttribute *disk = vm_device(vm, "DISK", id);
    const char *wanted = disk ? attribute_get(disk, "SAVE") : NULL;
    g_autofree char *directory = script_word(script->directory);
    if (!disk)
        return FALSE;
    gboolean saved = save && wanted && !g_ascii_strcasecmp(wanted, "YES");
    if (saved && disk_image(lifecycle->world, disk)) {
        script_back(lifecycle, script, vm, disk, host);
    } else if (saved) {
        g_autofree char *kept = g_strdup_printf("%s/vms/%d/disk.%" G_GINT64_FORMAT,
                                                lifecycle->world->var, vm->head.id, id);
        g_autofree char *path = script_word(kept);
        script_line(script, "MV %s %s:%s/disk.%" G_GINT64_FORMAT " " FRONT_END ":%s", script->tm,
                    host, directory, id, path);
    }
    script_line(script, "DELETE %s %s:%s/disk.%" G_GINT64_FORMAT, script->tm, host, directory, id);
    script_line(script, "DELETE %s %s:%s/disk.%" G_GINT64_FORMAT ".snap", script->tm, host,
                directory, id);
    return TRUE;
}

/* It is saved from a disk that nobody writes to, so nothing has to be copied for that before. */
gboolean vm_saves_as_it_is(const Vm *vm)
{
    return vm_changes(vm, "disk-saveas") && !template_get(vm->operation, "LIVE");
}

static gboolean script_snapshot(Lifecycle *lifecycle, Script *script, const Vm *vm,
                                const char *host, const char *verb)
{
    const TemplateAttribute *disk = vm_device(vm, "DISK", vm_change_number(vm, "DISK_ID"));
    gint64 id = vm_change_number(vm, "SNAPSHOT_ID");
    if (!vm->operation || !disk)
        return FALSE;
    g_autofree char *at = snapshots_at(lifecycle, script, disk, host);
    g_autofree char *directory = script_word(script->directory);
    gboolean live = !strcmp(verb, "SNAP_CREATE_LIVE");
    if (!strcmp(verb, "SNAP_REVERT"))
        bring_snapshot(lifecycle, script, disk, host, id);
    script_line(script, "%s %s %s %" G_GINT64_FORMAT "%s", verb, script->tm, at, id,
                live ? disk_format(disk) : "");
    /* The hypervisor fills it by its name beside the disk. */
    if (live && template_get(vm->operation, "IN_PLACE"))
        script_line(script, "LN %s %s.snap %s:%s/disk.%s.snap", script->tm, at, host, directory,
                    attribute_get(disk, "DISK_ID"));
    return TRUE;
}

/* A disk, or a snapshot of one, becomes an image; what was copied for that from a disk in use goes.
 */
static gboolean script_save(Lifecycle *lifecycle, Script *script, const Vm *vm, const char *host)
{
    const TemplateAttribute *disk = vm_device(vm, "DISK", vm_change_number(vm, "DISK_ID"));
    const Image *image = image_get(lifecycle->world, (gint32)vm_change_number(vm, "IMAGE_ID"));
    gint64 id = vm_change_number(vm, "SNAPSHOT_ID");
    g_autofree char *path = script_word(image ? image->source : "");
    if (!disk || !image || !*path)
        return FALSE;
    g_autofree char *at = snapshots_at(lifecycle, script, disk, host);
    bring_snapshot(lifecycle, script, disk, host, id);
    script_line(script, "CPDS %s %s " FRONT_END ":%s %" G_GINT64_FORMAT " %s",
                disk_transfer(script, disk), at, path, id, image->format);
    return vm_saves_as_it_is(vm) || script_snapshot(lifecycle, script, vm, host, "SNAP_DELETE");
}

static const char *snapshot_verb(const Vm *vm)
{
    return vm_changes(vm, "disk-snapshot-revert")   ? "SNAP_REVERT"
           : vm_changes(vm, "disk-snapshot-delete") ? "SNAP_DELETE"
                                                    : "SNAP_CREATE";
}

static gboolean write_change(Lifecycle *lifecycle, Vm *vm, VmStep step, Script *script)
{
    const VmRecord *last = vm_last_record(vm);
    const char *host = last->etime ? FRONT_END : last->host_name;
    g_autofree char *directory = script_word(script->directory);
    const TemplateAttribute *disk = vm_device(vm, "DISK", vm_change_number(vm, "DISK_ID"));
    switch (step) {
    case STEP_DISK_IN:
        set_drivers(lifecycle->world, script, vm);
        return script_disk_in(lifecycle, script, vm);
    case STEP_DISK_OUT:
        return vm_changes(vm, "disk-detach") && script_disk_out(lifecycle, script, vm, host, TRUE);
    case STEP_DISK_ERASE:
        return vm_changes(vm, "disk-attach") && script_disk_out(lifecycle, script, vm, host, FALSE);
    case STEP_DISK_SNAPSHOT:
        return script_snapshot(lifecycle, script, vm, host, snapshot_verb(vm));
    case STEP_DISK_SAVE:
        return script_save(lifecycle, script, vm, host);
    case STEP_DISK_SNAPSHOT_READY:
        return vm_saves_as_it_is(vm)
                   ? FALSE
                   : script_snapshot(lifecycle, script, vm, host, "SNAP_CREATE_LIVE");
    case STEP_DISK_SNAPSHOT_ERASE:
        return vm_saves_as_it_is(vm) ? FALSE
                                     : script_snapshot(lifecycle, script, vm, host, "SNAP_DELETE");
    case STEP_RESTORE_PUT:
    case STEP_RESTORE_ERASE:
        return vm_restore_script(lifecycle, vm, step, script->directory, script->text);
    case STEP_BACKUP_READY:
    case STEP_BACKUP_FETCH:
    case STEP_BACKUP_ERASE:
        return vm_backup_script(lifecycle, vm, step, script->directory, script->text);
    case STEP_DISK_RESIZE: {
        g_autofree char *size = disk ? disk_size(disk) : NULL;
        if (disk)
            script_line(script, "RESIZE %s %s:%s/disk.%" G_GINT64_FORMAT " %s%s", script->tm, host,
                        directory, vm_change_number(vm, "DISK_ID"), size, disk_format(disk));
        return disk != NULL;
    }
    default:
        return FALSE;
    }
}

gboolean vm_storage_is_shared(Lifecycle *lifecycle, const VmRecord *record)
{
    Datastore *datastore = datastore_get(lifecycle->world, record->datastore);
    if (record->tm_mad && (!strcmp(record->tm_mad, "ssh") || !strcmp(record->tm_mad, "tm_ssh")))
        return FALSE;
    return !datastore || datastore_is_shared(datastore);
}

/* Cleaning up a host that does not answer would only make the machine wait. */
static gboolean is_put_off(Lifecycle *lifecycle, const Vm *vm, VmStep step)
{
    const VmRecord *left = vm_left_record(vm, step);
    if (!left || !vm_record_is_lost(lifecycle, left))
        return FALSE;
    leftover_note(lifecycle, vm, left);
    return TRUE;
}

static gboolean write_script(Lifecycle *lifecycle, Vm *vm, VmStep step, Script *script)
{
    const VmRecord *last = vm_last_record(vm), *previous = vm_previous_record(vm);
    const char *here = last->host_name, *there = previous ? previous->host_name : here;
    g_autofree char *directory = script_word(script->directory);
    switch (step) {
    case STEP_PROLOG:
        set_drivers(lifecycle->world, script, vm);
        script_prolog(lifecycle, script, vm);
        return TRUE;
    case STEP_MOVE:
        script_line(script, "MV %s %s:%s %s:%s", script->tm, there, directory, here, directory);
        return TRUE;
    case STEP_STOP:
        script_line(script, "MV %s %s:%s " FRONT_END ":%s", script->tm, here, directory, directory);
        return TRUE;
    case STEP_RESUME:
        script_line(script, "MV %s " FRONT_END ":%s %s:%s", script->tm, directory, here, directory);
        if (vm->lcm == LCM_PROLOG_UNDEPLOY) /* it boots, and may be told something new */
            prolog_context(lifecycle, script, vm);
        return TRUE;
    case STEP_EPILOG:
    case STEP_DELETE:
        /* After stop or undeploy the files are on the front-end. */
        script_epilog(lifecycle, script, vm, last->etime ? FRONT_END : here, step == STEP_EPILOG);
        if (step == STEP_DELETE && previous && !previous->etime && strcmp(here, there) != 0)
            script_epilog(lifecycle, script, vm, there, FALSE);
        return TRUE;
    case STEP_PREMIGRATE:
    case STEP_POSTMIGRATE:
    case STEP_FAILMIGRATE:
        if (is_put_off(lifecycle, vm, step) || vm_storage_is_shared(lifecycle, last))
            return FALSE;
        script_line(script, "%s %s %s %s %s", vm_step_row(step)->timeout, script->tm, there, here,
                    directory);
        return TRUE;
    default:
        return write_change(lifecycle, vm, step, script);
    }
}

DriverRequest *vm_transfer_request(Lifecycle *lifecycle, Vm *vm, VmStep step)
{
    const VmRecord *record = vm_last_record(vm);
    g_autofree char *directory = vm_directory(lifecycle, vm, record);
    g_autofree char *flavour = script_word(record->tm_mad);
    Script script = {g_string_new(NULL), flavour, record, directory, vm->head.id};
    if (!write_script(lifecycle, vm, step, &script)) {
        g_string_free(script.text, TRUE);
        return NULL;
    }
    DriverRequest *request = g_new0(DriverRequest, 1);
    request->class = DRIVER_TRANSFER;
    request->driver = g_strdup(record->tm_mad);
    request->action = g_strdup("TRANSFER");
    request->id = vm->head.id;
    g_autofree char *name = g_ascii_strdown(vm_step_row(step)->timeout, -1);
    request->files[0].path = g_strdup_printf("%s/vms/%d/transfer.%d.%s", lifecycle->world->var,
                                             vm->head.id, record->seq, name);
    request->files[0].text = g_string_free(script.text, FALSE);
    request->payload = g_strdup(request->files[0].path);
    gboolean tells = step == STEP_PROLOG || step == STEP_RESUME || step == STEP_DISK_IN;
    if (tells && template_get_pair(vm->head.template, "CONTEXT", "DISK_ID")) {
        request->files[1].path = context_path(lifecycle, vm);
        request->files[1].text = vm_context_text(vm);
    }
    return request;
}

DriverRequest *vm_leftover_request(Lifecycle *lifecycle, gint32 vm, gint32 datastore,
                                   const char *tm_mad, const char *keeper, const char *host)
{
    VmRecord record = {.datastore = datastore};
    g_autofree char *directory =
        g_strdup_printf("%s/%d/%d", lifecycle->world->datastores, datastore, vm);
    g_autofree char *path = script_word(directory);
    g_autofree char *flavour = script_word(tm_mad);
    Script script = {g_string_new(NULL), flavour, &record, directory, vm};
    if (keeper)
        script_line(&script, "FAILMIGRATE %s %s %s %s", flavour, keeper, host, path);
    else
        script_line(&script, "DELETE %s %s:%s", flavour, host, path);
    DriverRequest *request = g_new0(DriverRequest, 1);
    request->class = DRIVER_TRANSFER;
    request->driver = g_strdup(tm_mad);
    request->action = g_strdup("TRANSFER");
    request->id = vm;
    request->files[0].path =
        g_strdup_printf("%s/vms/%d/transfer.leftover", lifecycle->world->var, vm);
    request->files[0].text = g_string_free(script.text, FALSE);
    request->payload = g_strdup(request->files[0].path);
    return request;
}
