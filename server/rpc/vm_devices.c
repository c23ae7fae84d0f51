#include "server/rpc/vm_devices.h"

#include "lib/base/error.h"
#include "server/lifecycle/lifecycle.h"
#include "server/rpc/template_rules.h"
#include "server/rpc/vm_cards.h"
#include "server/rpc/vm_images.h"

#include <string.h>

/* Disks, and network cards, of one machine at most: more than any hypervisor takes, and few enough
 * that the core is not kept busy by a template made for that. */
#define DEVICES_MAX       256

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, __VA_ARGS__), FALSE)

/* ---- disks ---- */

/* Letters of the name of a format: it becomes a word of what the transfer driver is told. */
#define FORMAT_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+."

static gboolean check_disk(const TemplateAttribute *disk, guint place, GError **error)
{
    const char *type = attribute_get(disk, "TYPE"), *source = attribute_get(disk, "SOURCE");
    const char *format = attribute_get(disk, "FORMAT");
    gint64 size;
    if (format && format[strspn(format, FORMAT_LETTERS)])
        return wrong(error, "DISK %u: FORMAT \"%s\" is not the name of a format, such as raw",
                     place, format);
    if (source && source[strcspn(source, "\t\n\r")])
        return wrong(error, "DISK %u: SOURCE must be on one line, without tabs", place);
    if (attribute_get(disk, "IMAGE_ID")) /* its image was found, and says the rest */
        return TRUE;
    gboolean made = type && (!g_ascii_strcasecmp(type, "swap") || !g_ascii_strcasecmp(type, "fs"));
    if (made || !(source && *source)) {
        if (!attribute_get_int(disk, "SIZE", &size) || size <= 0)
            return wrong(error,
                         "DISK %u has neither SOURCE nor a SIZE in MiB greater than 0; a disk of "
                         "TYPE swap or fs needs SIZE",
                         place);
    }
    return TRUE;
}

/* First free device of the prefix: sda, sdb ... sdz, sdaa ...; from now on taken. */
static const char *free_target(GHashTable *taken, const char *prefix)
{
    for (guint number = 0;; number++) {
        char letters[8];
        char *at = letters + sizeof letters - 1;
        *at = '\0';
        for (guint rest = number + 1; rest; rest = (rest - 1) / 26)
            *--at = (char)('a' + (rest - 1) % 26);
        char *target = g_strconcat(prefix, at, NULL);
        if (g_hash_table_add(taken, target)) /* which owns it now */
            return target;
    }
}

/* Devices that the template names itself; a later one may ask for the same as before. */
static GHashTable *taken_targets(const GPtrArray *disks)
{
    GHashTable *taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < disks->len; i++) {
        const char *target = attribute_get(disks->pdata[i], "TARGET");
        if (target && *target)
            g_hash_table_add(taken, g_strdup(target));
    }
    return taken;
}

/* Vectors of that name, to be walked more than once. NULL when there are too many. */
static GPtrArray *few_vectors(const Template *template, const char *name, GError **error)
{
    GPtrArray *vectors = g_ptr_array_new();
    TemplateAttribute *vector;
    while (vectors->len <= DEVICES_MAX && (vector = template_vector(template, name, vectors->len)))
        g_ptr_array_add(vectors, vector);
    if (vectors->len <= DEVICES_MAX)
        return vectors;
    g_ptr_array_unref(vectors);
    (void)wrong(error, "A machine has at most %d of %s", DEVICES_MAX, name);
    return NULL;
}

/* The context is a disk too, behind all others. */
static void give_context(World *world, TemplateAttribute *context, gint64 id, GHashTable *taken)
{
    attribute_set_int(context, "DISK_ID", id);
    if (!attribute_get(context, "TARGET"))
        attribute_set(
            context, "TARGET",
            free_target(taken, config_text(world->config, "DEFAULT_CDROM_DEVICE_PREFIX")));
}

gboolean devices_number_disks(World *world, Template *template, GError **error)
{
    const char *prefix = config_text(world->config, "DEFAULT_DEVICE_PREFIX");
    TemplateAttribute *context = template_vector(template, "CONTEXT", 0);
    g_autoptr(GPtrArray) disks = few_vectors(template, "DISK", error);
    if (!disks)
        return FALSE;
    if (disks->len == 0 && !context)
        return TRUE;
    for (guint i = 0; i < disks->len; i++) {
        if (!check_disk(disks->pdata[i], i, error))
            return FALSE;
        attribute_set_int(disks->pdata[i], "DISK_ID", i);
    }
    g_autoptr(GHashTable) taken = taken_targets(disks);
    for (guint i = 0; i < disks->len; i++) {
        const char *own = attribute_get(disks->pdata[i], "TARGET");
        const char *wanted = attribute_get(disks->pdata[i], "DEV_PREFIX");
        if (!own || !*own)
            attribute_set(disks->pdata[i], "TARGET",
                          free_target(taken, wanted && *wanted ? wanted : prefix));
    }
    if (context)
        give_context(world, context, disks->len, taken);
    return TRUE;
}

/* ---- network cards ---- */

gboolean devices_number_nics(Template *template, gboolean numbered, GError **error)
{
    g_autoptr(GPtrArray) nics = few_vectors(template, "NIC", error);
    for (guint i = 0; nics && i < nics->len; i++) {
        TemplateAttribute *nic = nics->pdata[i];
        g_autofree char *name = g_strdup_printf("NIC%u", i);
        if (!numbered)
            attribute_set_int(nic, "NIC_ID", i);
        if (!attribute_get(nic, "NAME"))
            attribute_set(nic, "NAME", name);
    }
    return nics != NULL;
}

/* MAC and device of a card, where the template names none. */
static void give_nic(World *world, TemplateAttribute *nic, gint32 vm, guint number)
{
    const char *mac = attribute_get(nic, "MAC");
    if ((!mac || !*mac) && !card_waits(nic)) {
        g_autofree char *given =
            g_strdup_printf("%s:%02x:%02x:%02x:%02x", config_text(world->config, "MAC_PREFIX"),
                            (vm >> 16) & 0xff, (vm >> 8) & 0xff, vm & 0xff, number & 0xff);
        attribute_set(nic, "MAC", given);
    }
    g_autofree char *target = g_strdup_printf("one-%d-%u", vm, number);
    if (!attribute_get(nic, "TARGET"))
        attribute_set(nic, "TARGET", target);
}

void devices_finish(World *world, Template *template, gint32 id)
{
    TemplateAttribute *nic;
    for (guint i = 0; (nic = template_vector(template, "NIC", i)); i++)
        give_nic(world, nic, id, i);
}

/* ---- one device more ---- */

/* The one vector of that name, taken out of the template. NULL with the error. (owned) */
static TemplateAttribute *only_vector(Template *given, const char *name, GError **error)
{
    TemplateAttribute *vector = template_vector(given, name, 0);
    if (!vector || template_vector(given, name, 1)) {
        (void)wrong(error, "The template must have one %s = [ ... ], and has %s", name,
                    vector ? "several" : "none");
        return NULL;
    }
    for (guint i = 0; i < template_count(given); i++)
        if (template_nth(given, i) == vector)
            return template_steal(given, i);
    return NULL;
}

/* One more than the highest number that devices of the kind have; -1 with the error: there are as
 * many as there may be. */
static gint64 next_id(const Template *template, const char *kind, GError **error)
{
    g_autofree char *name = g_strdup_printf("%s_ID", kind);
    const TemplateAttribute *device;
    gint64 next = 0, id;
    guint count = 0;
    for (; (device = template_vector(template, kind, count)); count++)
        if (attribute_get_int(device, name, &id))
            next = MAX(next, id + 1);
    const TemplateAttribute *context = template_vector(template, "CONTEXT", 0);
    if (g_str_equal(kind, "DISK") && context && attribute_get_int(context, name, &id))
        next = MAX(next, id + 1);
    for (guint i = 0; g_str_equal(kind, "NIC") && i < DEVICES_MAX; i++)
        if ((device = template_vector(template, "NIC_ALIAS", i)) &&
            attribute_get_int(device, name, &id))
            next = MAX(next, id + 1);
    if (count < DEVICES_MAX)
        return next;
    (void)wrong(error, "A machine has at most %d of %s", DEVICES_MAX, kind);
    return -1;
}

/* Devices that the machine's disks and its context have. */
static GHashTable *machine_targets(const Template *template)
{
    GHashTable *taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    const TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(template, "DISK", i)); i++)
        g_hash_table_add(taken, g_strdup(attribute_get(disk, "TARGET")));
    const char *context = template_get_pair(template, "CONTEXT", "TARGET");
    if (context)
        g_hash_table_add(taken, g_strdup(context));
    return taken;
}

gboolean devices_give_context(World *world, Template *template, GError **error)
{
    TemplateAttribute *context = template_vector(template, "CONTEXT", 0);
    if (!context || attribute_get(context, "DISK_ID"))
        return TRUE;
    g_autoptr(GHashTable) taken = machine_targets(template);
    gint64 id = next_id(template, "DISK", error);
    if (id >= 0)
        give_context(world, context, id, taken);
    return id >= 0;
}

static gboolean give_target(World *world, const Template *template, TemplateAttribute *disk,
                            GError **error)
{
    g_autoptr(GHashTable) taken = machine_targets(template);
    const char *own = attribute_get(disk, "TARGET"), *prefix = attribute_get(disk, "DEV_PREFIX");
    if (own && *own && g_hash_table_contains(taken, own))
        return wrong(error, "TARGET %s is taken by another disk of the machine", own);
    if (!own || !*own)
        attribute_set(disk, "TARGET",
                      free_target(taken, prefix && *prefix ? prefix
                                                           : config_text(world->config,
                                                                         "DEFAULT_DEVICE_PREFIX")));
    return TRUE;
}

/* Only the server writes these into a device. */
static void clear_marks(TemplateAttribute *device)
{
    static const char *const marks[] = {"ATTACH",
                                        "UPDATE",
                                        "RESIZE",
                                        "DISK_SNAPSHOT_ACTIVE",
                                        "DISK_SNAPSHOT_TOTAL_SIZE",
                                        "RULES_OUTDATED",
                                        "CONVERTED_FROM"};
    for (guint i = 0; i < G_N_ELEMENTS(marks); i++)
        attribute_set(device, marks[i], NULL);
}

TemplateAttribute *vm_draft_disk(World *world, const User *user, const Template *machine,
                                 Template *given, GError **error)
{
    gint64 id = next_id(machine, "DISK", error);
    if (id < 0 || !template_fits(world, given, error) ||
        !vm_check_restricted(world, user, given, error))
        return NULL;
    TemplateAttribute *disk = only_vector(given, "DISK", error);
    if (disk)
        clear_marks(disk);
    if (disk && image_for_disk(world, user, disk, error) && check_disk(disk, (guint)id, error) &&
        give_target(world, machine, disk, error)) {
        attribute_set_int(disk, "DISK_ID", id);
        return disk;
    }
    template_attribute_free(disk);
    return NULL;
}

/* A card that has its address, or waits for a network; taken when it does not fit. */
static TemplateAttribute *finish_nic(World *world, gint32 vm, const Template *machine,
                                     TemplateAttribute *nic, gint64 id, GError **error)
{
    if (!cards_groups_fit(machine, nic, error)) {
        card_give_back(world, nic, vm);
        template_attribute_free(nic);
        return NULL;
    }
    g_autofree char *name = g_strdup_printf("NIC%" G_GINT64_FORMAT, id);
    attribute_set_int(nic, "NIC_ID", id);
    if (!attribute_get(nic, "NAME"))
        attribute_set(nic, "NAME", name);
    give_nic(world, nic, vm, (guint)id);
    return nic;
}

TemplateAttribute *vm_draft_router_nic(World *world, const User *user, const VRouter *router,
                                       const Vm *vm, TemplateAttribute *card, GError **error)
{
    gint64 id = -1;
    (void)attribute_get_int(card, "NIC_ID", &id);
    if (vm_device(vm, "NIC", id))
        (void)wrong(error, "Machine %d has a card %" G_GINT64_FORMAT " already", vm->head.id, id);
    else if (card_take_for_router(world, user, router, card, vm->head.id, error))
        return finish_nic(world, vm->head.id, vm->head.template, card, id, error);
    template_attribute_free(card);
    return NULL;
}

TemplateAttribute *vm_draft_nic(World *world, const User *user, gint32 vm, const Template *machine,
                                Template *given, GError **error)
{
    gint64 id = next_id(machine, "NIC", error);
    if (id < 0 || !template_fits(world, given, error) ||
        !vm_check_restricted(world, user, given, error))
        return NULL;
    TemplateAttribute *nic = only_vector(given, "NIC", error);
    if (nic) {
        clear_marks(nic);
        attribute_set_int(nic, "NIC_ID", id); /* its name on the host is made of it */
    }
    if (!nic || !card_take(world, user, nic, vm, error)) {
        template_attribute_free(nic);
        return NULL;
    }
    return finish_nic(world, vm, machine, nic, id, error);
}
