/*
 * Disks of a machine that is off become again what a backup holds. The datastore's driver writes
 * them to the front-end, whole and in the disks' formats; the transfer driver puts each in the
 * place of the disk, whole or not at all. The change of the machine (vm_change.c) names
 *
 *   IMAGE_ID, NUMBER: the backup and the increment    DISKS: which disks, "0,2"
 */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"
#include "server/model/machine/vm_backups.h"
#include "server/model/machine/vm_images.h"
#include "server/model/machine/vm_snapshots.h"

#include <string.h>

#define refuse(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, __VA_ARGS__), FALSE)

static gboolean disk_fits(World *world, const Vm *vm, const Image *image, gint32 id, GError **error)
{
    const TemplateAttribute *disk = vm_device(vm, "DISK", id);
    const char *clone = disk ? attribute_get(disk, "CLONE") : NULL;
    if (!disk)
        return refuse(error,
                      "VM %d has no disk %d any more, which backup image %d holds; name "
                      "another, or make images of the backup (oneimage restore)",
                      vm->head.id, id, image->head.id);
    if (!image_backup_is_of(image, id, disk, error))
        return FALSE;
    if (vm_snapshots_size(vm, id) > 0)
        return refuse(error, "Disk %d of VM %d has snapshots; delete them first", id, vm->head.id);
    if (!g_strcmp0(clone, "NO") && !(disk_image(world, disk) && disk_is_persistent(disk)))
        return refuse(error, "Disk %d is the image itself (CLONE=NO), which is left as it is", id);
    return TRUE;
}

static gboolean image_fits(const Vm *vm, const Image *image, gint32 increment,
                           BackupIncrement *found, GError **error)
{
    if (image->type != IMAGE_BACKUP)
        return refuse(error, "Image %d is of type %s; only from backups can be restored",
                      image->head.id, image_type_name(image->type));
    if (image_backup_vm(image) != vm->head.id)
        return refuse(
            error,
            "Image %d holds backups of VM %d, not of VM %d; oneimage restore makes images "
            "and a template of it",
            image->head.id, image_backup_vm(image), vm->head.id);
    if (image->state != IMAGE_READY)
        return refuse(error, "Backup image %d is in state %s; wait, or enable it", image->head.id,
                      image_state_name(image->state));
    return image_backup_offers(image, increment, found, error);
}

gboolean vm_restore(Lifecycle *lifecycle, Vm *vm, Image *image, gint32 increment, gint32 disk,
                    const VmAsker *asker, GError **error)
{
    BackupIncrement found;
    const VmActionRow *row = vm_change_row(vm, "restore", error);
    if (!row || !image_fits(vm, image, increment, &found, error))
        return FALSE;
    g_autoptr(GArray) disks = image_backup_disks(image);
    if (disk >= 0 && !ids_contain(disks, disk))
        return refuse(error, "Backup image %d does not hold disk %d", image->head.id, disk);
    if (disk >= 0) {
        g_array_set_size(disks, 0);
        g_array_append_val(disks, disk);
    }
    for (guint i = 0; i < disks->len; i++)
        if (!disk_fits(lifecycle->world, vm, image, g_array_index(disks, gint32, i), error))
            return FALSE;
    g_autofree char *text = ids_print(disks);
    Template *change = vm_change_new(vm, row->word);
    template_set_int(change, "IMAGE_ID", image->head.id);
    template_set_int(change, "NUMBER", found.id);
    template_set(change, "DISKS", text);
    vm_note_action(lifecycle, vm, vm_last_record(vm), row->number, asker);
    return vm_change_begin(lifecycle, vm, row, change, asker, error);
}

gboolean vm_restores_from(const Vm *vm, const Image *image)
{
    return vm_changes(vm, "restore") && vm_change_number(vm, "IMAGE_ID") == image->head.id;
}

/* ---- what drivers are told ---- */

char *vm_restore_document(Lifecycle *lifecycle, const Vm *vm, const Image *image)
{
    g_autoptr(GArray) disks = ids_parse(template_get(vm->operation, "DISKS"));
    g_autofree char *chain = image_backup_chain(image, (gint32)vm_change_number(vm, "NUMBER"));
    g_autoptr(GString) formats = g_string_new(NULL), sizes = g_string_new(NULL);
    for (guint i = 0; i < disks->len; i++) {
        const TemplateAttribute *disk = vm_device(vm, "DISK", g_array_index(disks, gint32, i));
        gint64 size = 0;
        if (disk)
            (void)attribute_get_int(disk, "SIZE", &size);
        g_string_append_printf(formats, "%s%s", i ? "," : "", vm_backups_format(disk));
        g_string_append_printf(sizes, "%s%" G_GINT64_FORMAT, i ? "," : "", size);
    }
    return g_strdup_printf("<BACKUP><NUMBER>%" G_GINT64_FORMAT "</NUMBER><CHAIN>%s</CHAIN>"
                           "<DISKS>%s</DISKS><FORMATS>%s</FORMATS><SIZES>%s</SIZES></BACKUP>",
                           vm_change_number(vm, "NUMBER"), chain,
                           template_get(vm->operation, "DISKS"), formats->str, sizes->str);
}

/* A persistent disk on storage that hosts share is a link to its image, which is what is replaced.
 */
static char *place_of(Lifecycle *lifecycle, const Vm *vm, const TemplateAttribute *disk, gint32 id,
                      const char *directory)
{
    const VmRecord *record = vm_last_record(vm);
    const char *source = attribute_get(disk, "SOURCE");
    if (source && disk_is_persistent(disk) && vm_storage_is_shared(lifecycle, record)) {
        g_autofree char *word = script_word(source);
        return g_strdup_printf(FRONT_END ":%s", word);
    }
    g_autofree char *word = script_word(directory);
    return g_strdup_printf("%s:%s/disk.%d", record->host_name, word, id);
}

gboolean vm_restore_script(Lifecycle *lifecycle, const Vm *vm, VmStep step, const char *directory,
                           GString *text)
{
    const Image *image = image_get(lifecycle->world, (gint32)vm_change_number(vm, "IMAGE_ID"));
    if (!image)
        return FALSE;
    g_autoptr(GArray) disks = ids_parse(template_get(vm->operation, "DISKS"));
    const VmRecord *record = vm_last_record(vm);
    g_autofree char *tm = script_word(record->tm_mad);
    for (guint i = 0; i < disks->len; i++) {
        gint32 id = g_array_index(disks, gint32, i);
        const TemplateAttribute *disk = vm_device(vm, "DISK", id);
        g_autofree char *plain = g_strdup_printf("%s.back.%d", image->source, id);
        g_autofree char *back = script_word(plain);
        g_autofree char *place = disk ? place_of(lifecycle, vm, disk, id, directory) : NULL;
        if (step == STEP_RESTORE_ERASE)
            g_string_append_printf(text, "DELETE %s " FRONT_END ":%s %d %d\n", tm, back,
                                   vm->head.id, record->datastore);
        else if (place)
            g_string_append_printf(text, "MV %s " FRONT_END ":%s %s %d %d\n", tm, back, place,
                                   vm->head.id, record->datastore);
    }
    return text->len > 0;
}
