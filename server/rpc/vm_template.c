#include "server/rpc/vm_template.h"
#include "server/rpc/vm_cards.h"

#include "lib/base/error.h"
#include "lib/base/names.h"
#include "server/rpc/vm_screen.h"

#include <string.h>

/* Disks, and network cards, of one machine at most: more than any hypervisor takes, and few enough
 * that the core is not kept busy by a template made for that. */
#define VECTORS_MAX 256
/* Attributes of a template and of its vectors at most, with the same thought; no more than
 * template_parse() reads. */
#define ATTRIBUTES_MAX    20000

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, __VA_ARGS__), FALSE)

/* Attributes that the server acts on; all others are the user's. */
static const char *const server_attributes[] = {"CONTEXT",       "CPU",
                                                "CPU_COST",      "CPU_MODEL",
                                                "DISK",          "DISK_COST",
                                                "EMULATOR",      "FEATURES",
                                                "GRAPHICS",      "HYPERV_OPTIONS",
                                                "IMPORTED",      "INPUT",
                                                "IOMMU",         "MEMORY",
                                                "MEMORY_COST",   "MEMORY_ENCRYPTION",
                                                "MEMORY_MAX",    "MEMORY_RESIZE_MODE",
                                                "MEMORY_SLOTS",  "NIC",
                                                "NIC_ALIAS",     "NIC_DEFAULT",
                                                "NUMA_NODE",     "OS",
                                                "PCI",           "RAW",
                                                "SPICE_OPTIONS", "SUBMIT_ON_HOLD",
                                                "TEMPLATE_ID",   "TOPOLOGY",
                                                "TPM",           "VCPU",
                                                "VCPU_MAX",      "VIDEO",
                                                "VMGROUP",       NULL};

void vm_draft_clear(VmDraft *draft)
{
    g_free(draft->name);
    g_free(draft->import);
    template_free(draft->template);
    template_free(draft->user_template);
    memset(draft, 0, sizeof *draft);
}

/* ---- size ---- */

gboolean template_fits(World *world, const Template *template, GError **error)
{
    gsize count = template_count(template), bytes = 0;
    for (guint i = 0; i < template_count(template); i++) {
        const TemplateAttribute *attribute = template_nth(template, i);
        bytes += strlen(attribute->name) + (attribute->value ? strlen(attribute->value) : 0);
        count += attribute->pairs ? attribute->pairs->len : 0;
        for (guint j = 0; attribute->pairs && j < attribute->pairs->len; j++) {
            const TemplatePair *pair = attribute->pairs->pdata[j];
            bytes += strlen(pair->name) + strlen(pair->value);
        }
    }
    gsize most = (gsize)config_int(world->config, "MESSAGE_SIZE");
    if (count > ATTRIBUTES_MAX)
        return wrong(error, "The template has %" G_GSIZE_FORMAT " attributes; %d are the most",
                     count, ATTRIBUTES_MAX);
    if (bytes > most)
        return wrong(error,
                     "The template has %" G_GSIZE_FORMAT " bytes; %" G_GSIZE_FORMAT
                     " are the most (MESSAGE_SIZE of oned.conf)",
                     bytes, most);
    return TRUE;
}

/* ---- restricted attributes ---- */

static gboolean has_attribute(const Template *template, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", 2);
    if (!parts[1])
        return template_get(template, parts[0]) || template_vector(template, parts[0], 0);
    const TemplateAttribute *vector;
    for (guint i = 0; (vector = template_vector(template, parts[0], i)); i++) {
        const char *value = attribute_get(vector, parts[1]);
        if (value && *value)
            return TRUE;
    }
    return FALSE;
}

static gboolean refuse_restricted(const char *what, const char *path, GError **error)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION, "%s includes a restricted attribute %s",
                what, path);
    return FALSE;
}

gboolean check_restricted(World *world, const User *user, const Template *template, const char *key,
                          const char *what, GError **error)
{
    const char *path;
    if (user_is_admin(user))
        return TRUE;
    for (guint i = 0; (path = config_list(world->config, key, i)); i++)
        if (has_attribute(template, path))
            return refuse_restricted(what, path, error);
    return TRUE;
}

gboolean is_restricted(World *world, const char *key, const char *name,
                       const TemplateAttribute *attribute)
{
    const char *path;
    gsize length = strlen(name);
    for (guint i = 0; (path = config_list(world->config, key, i)); i++) {
        if (g_ascii_strncasecmp(path, name, length) != 0)
            continue;
        if (!path[length] || (path[length] == '/' && attribute->pairs &&
                              attribute_get(attribute, path + length + 1)))
            return TRUE;
    }
    return FALSE;
}

void keep_restricted(World *world, const User *user, const Template *before, Template *after,
                     const char *key)
{
    if (user_is_admin(user))
        return;
    g_autoptr(Template) copy = template_copy(before);
    g_autoptr(Template) kept = template_new();
    for (guint i = 0; i < template_count(copy);) {
        if (is_restricted(world, key, template_nth(copy, i)->name, template_nth(copy, i)))
            template_take(kept, template_steal(copy, i));
        else
            i++;
    }
    template_merge(after, kept);
}

gboolean vm_check_restricted(World *world, const User *user, const Template *template,
                             GError **error)
{
    /* What a user could open any file, disk or device of the hosts with: paths, names of disks
     * on the network, and XML that becomes part of the domain. */
    static const char *const paths[] = {
        "DISK/SOURCE",        "OS/KERNEL",        "OS/INITRD",         "OS/BOOTLOADER",
        "NIC/SCRIPT",         "SPICE_OPTIONS",    "HYPERV_OPTIONS",    "FEATURES/DEVICE_MODEL",
        "DISK/ISCSI_IQN",     "DISK/ISCSI_HOST",  "DISK/ISCSI_USAGE",  "DISK/CEPH_HOST",
        "DISK/CEPH_SECRET",   "DISK/POOL_NAME",   "DISK/GLUSTER_HOST", "DISK/GLUSTER_VOLUME",
        "DISK/SHEEPDOG_HOST", "DISK/LUKS_SECRET", "NUMA_NODE",         "DISK/SHAREABLE",
        "IMPORT_VM_ID",       "DEPLOY_ID"};
    for (guint i = 0; !user_is_admin(user) && i < G_N_ELEMENTS(paths); i++)
        if (has_attribute(template, paths[i]))
            return refuse_restricted("VM Template", paths[i], error);
    return check_restricted(world, user, template, "VM_RESTRICTED_ATTR", "VM Template", error);
}

/* ---- files of the context ---- */

static gboolean is_below(const char *path, const char *directories)
{
    g_auto(GStrv) words = g_strsplit_set(directories, " \t", -1);
    for (guint i = 0; words[i]; i++) {
        gsize length = strlen(words[i]);
        while (length > 1 && words[i][length - 1] == '/')
            length--;
        if (length && !strncmp(path, words[i], length) &&
            (path[length] == '/' || !path[length] || words[i][length - 1] == '/'))
            return TRUE;
    }
    return FALSE;
}

static gboolean check_files(World *world, const char *files, GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(files ? files : "", " \t\r\n", -1);
    for (guint i = 0; words[i]; i++) {
        if (!*words[i])
            continue;
        const char *begin = words[i];
        while (begin[0] == '/' && begin[1] == '/') /* two would stay two */
            begin++;
        g_autofree char *path = g_canonicalize_filename(begin, "/");
        if (!g_path_is_absolute(words[i]))
            return wrong(error, "CONTEXT/FILES: \"%s\" is not an absolute path", words[i]);
        if (is_below(path, config_text(world->config, "CONTEXT_RESTRICTED_DIRS")) &&
            !is_below(path, config_text(world->config, "CONTEXT_SAFE_DIRS")))
            return wrong(error,
                         "CONTEXT/FILES: \"%s\" is in a restricted directory (see "
                         "CONTEXT_RESTRICTED_DIRS in oned.conf)",
                         words[i]);
    }
    return TRUE;
}

/* Files that oned's computer gives to a guest must not come from where its secrets are. */
static gboolean check_context_files(World *world, const Template *template, GError **error)
{
    const TemplateAttribute *context;
    for (guint i = 0; (context = template_vector(template, "CONTEXT", i)); i++)
        if (!check_files(world, attribute_get(context, "FILES"), error))
            return FALSE;
    return TRUE;
}

/* ---- checks ---- */

static gboolean check_capacity(const Template *template, GError **error)
{
    double cpu;
    gint64 number;
    if (!template_get_double(template, "CPU", &cpu) || !(cpu > 0 && cpu < 1e6))
        return wrong(error, "CPU attribute must be a positive float or integer value.");
    if (!template_get_int(template, "MEMORY", &number) || number <= 0 || number > G_MAXINT32)
        return wrong(error, "MEMORY attribute must be a positive integer value.");
    if (template_get(template, "VCPU") &&
        (!template_get_int(template, "VCPU", &number) || number <= 0 || number > 65536))
        return wrong(error, "VCPU attribute must be a positive integer value.");
    return TRUE;
}

/* Letters of the name of a format: it becomes a word of what the transfer driver is told. */
#define FORMAT_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+."

static gboolean check_disk(const TemplateAttribute *disk, guint place, GError **error)
{
    const char *image = attribute_get(disk, "IMAGE"), *id = attribute_get(disk, "IMAGE_ID");
    const char *type = attribute_get(disk, "TYPE"), *source = attribute_get(disk, "SOURCE");
    const char *format = attribute_get(disk, "FORMAT");
    gint64 size;
    if (format && format[strspn(format, FORMAT_LETTERS)])
        return wrong(error, "DISK %u: FORMAT \"%s\" is not the name of a format, such as raw",
                     place, format);
    if (source && source[strcspn(source, "\t\n\r")])
        return wrong(error, "DISK %u: SOURCE must be on one line, without tabs", place);
    if (id)
        return wrong(error, "Image with ID: %s does not exist", id);
    if (image)
        return wrong(error,
                     "User does not own an image with name: %s . Set IMAGE_UNAME or "
                     "IMAGE_UID of owner in DISK.",
                     image);
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

/* ---- what the server gives ---- */

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
    while (vectors->len <= VECTORS_MAX && (vector = template_vector(template, name, vectors->len)))
        g_ptr_array_add(vectors, vector);
    if (vectors->len <= VECTORS_MAX)
        return vectors;
    g_ptr_array_unref(vectors);
    (void)wrong(error, "A machine has at most %d of %s", VECTORS_MAX, name);
    return NULL;
}

static gboolean number_disks(World *world, Template *template, GError **error)
{
    const char *prefix = config_text(world->config, "DEFAULT_DEVICE_PREFIX");
    g_autoptr(GPtrArray) disks = few_vectors(template, "DISK", error);
    if (!disks)
        return FALSE;
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
    TemplateAttribute *context = template_vector(template, "CONTEXT", 0);
    if (context) {
        attribute_set_int(context, "DISK_ID", disks->len);
        if (!attribute_get(context, "TARGET"))
            attribute_set(
                context, "TARGET",
                free_target(taken, config_text(world->config, "DEFAULT_CDROM_DEVICE_PREFIX")));
    }
    return TRUE;
}

static gboolean number_nics(Template *template, GError **error)
{
    g_autoptr(GPtrArray) nics = few_vectors(template, "NIC", error);
    for (guint i = 0; nics && i < nics->len; i++) {
        TemplateAttribute *nic = nics->pdata[i];
        g_autofree char *name = g_strdup_printf("NIC%u", i);
        attribute_set_int(nic, "NIC_ID", i);
        if (!attribute_get(nic, "NAME"))
            attribute_set(nic, "NAME", name);
    }
    return nics != NULL;
}

static gboolean is_server_attribute(const char *name)
{
    for (guint i = 0; server_attributes[i]; i++)
        if (!strcmp(server_attributes[i], name))
            return TRUE;
    return FALSE;
}

/* Attributes that only the server may write. */
static const char *const own_attributes[] = {"VMID",
                                             "AUTOMATIC_REQUIREMENTS",
                                             "AUTOMATIC_DS_REQUIREMENTS",
                                             "AUTOMATIC_NIC_REQUIREMENTS",
                                             "DEPLOY_ID",
                                             "IMPORT_VM_ID",
                                             "IMPORTED",
                                             NULL};

static void split(Template *all, VmDraft *draft)
{
    draft->template = template_new();
    draft->user_template = template_new();
    while (template_count(all)) {
        TemplateAttribute *attribute = template_steal(all, 0);
        gboolean ours = g_strv_contains(own_attributes, attribute->name);
        if (ours || !strcmp(attribute->name, "NAME"))
            template_attribute_free(attribute);
        else
            template_take(is_server_attribute(attribute->name) ? draft->template
                                                               : draft->user_template,
                          attribute);
    }
}

/* A machine that runs already, and that oned shall take over: DEPLOY_ID names its domain. It waits
 * on hold, since the scheduler does not know on which host it is. */
static void read_import(const Template *given, VmDraft *draft)
{
    const char *domain = template_get(given, "DEPLOY_ID");
    if (!domain || !*domain)
        domain = template_get(given, "IMPORT_VM_ID"); /* as it was called before 6.0 */
    if (!domain || !*domain || !strcmp(domain, "-"))
        return;
    draft->import = g_strdup(domain);
    draft->hold = TRUE;
    template_set(draft->template, "IMPORTED", "YES");
}

gboolean vm_draft_make(World *world, const User *owner, const Template *given, VmDraft *draft,
                       GError **error)
{
    const char *name = template_get(given, "NAME");
    if (!template_fits(world, given, error) ||
        (!draft->trusted && !vm_check_restricted(world, owner, given, error)) ||
        (name && *name && !name_check(name, error)))
        return FALSE;
    draft->name = g_strdup(name ? name : "");
    g_autoptr(Template) all = template_copy(given);
    split(all, draft);
    Template *template = draft->template;
    if (!check_capacity(template, error) || !number_disks(world, template, error) ||
        !number_nics(template, error) || !check_context_files(world, template, error))
        return FALSE;
    draft->hold = template_get_bool(template, "SUBMIT_ON_HOLD",
                                    config_bool(world->config, "VM_SUBMIT_ON_HOLD"));
    read_import(given, draft);
    template_set(template, "AUTOMATIC_REQUIREMENTS", "!(PIN_POLICY = PINNED)");
    if (!template_vector(template, "OS", 0))
        template_add_vector(template, "OS");
    TemplateAttribute *os = template_vector(template, "OS", 0);
    if (!attribute_get(os, "UUID")) {
        g_autofree char *uuid = g_uuid_string_random();
        attribute_set(os, "UUID", uuid);
    }
    return TRUE;
}

/* MAC and device of a card, where the template names none. */
static void give_nic(World *world, TemplateAttribute *nic, gint32 vm, guint number)
{
    const char *mac = attribute_get(nic, "MAC");
    if (!mac || !*mac) {
        g_autofree char *given =
            g_strdup_printf("%s:%02x:%02x:%02x:%02x", config_text(world->config, "MAC_PREFIX"),
                            (vm >> 16) & 0xff, (vm >> 8) & 0xff, vm & 0xff, number & 0xff);
        attribute_set(nic, "MAC", given);
    }
    g_autofree char *target = g_strdup_printf("one-%d-%u", vm, number);
    if (!attribute_get(nic, "TARGET"))
        attribute_set(nic, "TARGET", target);
}

void vm_draft_finish(World *world, Template *template, gint32 id)
{
    TemplateAttribute *nic;
    for (guint i = 0; (nic = template_vector(template, "NIC", i)); i++)
        give_nic(world, nic, id, i);
    vm_screen_give(world, template, id);
    template_set_int(template, "VMID", id);
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
    for (guint i = 0; g_str_equal(kind, "NIC") && i < VECTORS_MAX; i++)
        if ((device = template_vector(template, "NIC_ALIAS", i)) &&
            attribute_get_int(device, name, &id))
            next = MAX(next, id + 1);
    if (count < VECTORS_MAX)
        return next;
    (void)wrong(error, "A machine has at most %d of %s", VECTORS_MAX, kind);
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
    static const char *const marks[] = {"ATTACH", "UPDATE", "RESIZE", "DISK_SNAPSHOT_ACTIVE",
                                        "DISK_SNAPSHOT_TOTAL_SIZE"};
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
    if (disk && check_disk(disk, (guint)id, error) && give_target(world, machine, disk, error)) {
        attribute_set_int(disk, "DISK_ID", id);
        return disk;
    }
    template_attribute_free(disk);
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
    if (nic)
        clear_marks(nic);
    if (!nic || !card_take(world, user, nic, vm, error)) {
        template_attribute_free(nic);
        return NULL;
    }
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

/* ---- configuration ---- */

/* What one.vm.updateconf changes, and the pairs in it that are the server's. */
static const struct {
    const char *name, *kept[2];
} configurable[] = {
    {"OS", {"UUID"}},
    {"FEATURES"},
    {"INPUT"},
    {"GRAPHICS", {"PORT"}},
    {"VIDEO"},
    {"RAW"},
    {"TPM"},
    {"CPU_MODEL"},
    {"CONTEXT", {"DISK_ID", "TARGET"}},
    {"NIC_DEFAULT"},
};

/* The pairs of `from` go into `into`; those that are the server's own do not. */
static void merge_pairs(TemplateAttribute *into, const TemplateAttribute *from,
                        const char *const *kept)
{
    for (guint i = 0; i < from->pairs->len; i++) {
        const TemplatePair *pair = from->pairs->pdata[i];
        gboolean ours = g_strcmp0(pair->name, kept[0]) == 0 || g_strcmp0(pair->name, kept[1]) == 0;
        if (!ours || !attribute_get(into, pair->name))
            attribute_set(into, pair->name, pair->value);
    }
}

static void replace_vectors(Template *after, const Template *given, const char *name,
                            const char *const *kept, gboolean append)
{
    TemplateAttribute *now = template_vector(after, name, 0);
    const TemplateAttribute *wanted = template_vector(given, name, 0);
    g_autofree char *first = now && kept[0] ? g_strdup(attribute_get(now, kept[0])) : NULL;
    g_autofree char *second = now && kept[1] ? g_strdup(attribute_get(now, kept[1])) : NULL;
    if (!wanted && append)
        return;
    if (!append || !now) {
        template_remove(after, name);
        /* A machine keeps its UUID; all else that is not wanted any more goes. */
        gboolean stays = wanted || (first && !strcmp(name, "OS"));
        now = stays ? template_add_vector(after, name) : NULL;
        if (now && first)
            attribute_set(now, kept[0], first);
        if (now && second)
            attribute_set(now, kept[1], second);
    }
    if (wanted)
        merge_pairs(now, wanted, kept);
    for (guint i = 1; (wanted = template_vector(given, name, i)); i++)
        merge_pairs(template_add_vector(after, name), wanted, kept);
}

Template *vm_draft_conf(World *world, const User *user, const Template *machine,
                        const Template *given, gboolean append, GError **error)
{
    if (!template_fits(world, given, error) || !vm_check_restricted(world, user, given, error))
        return NULL;
    g_autoptr(Template) after = template_copy(machine);
    /* What an administrator wrote into the domain is not taken out by others. */
    const char *raw = user_is_admin(user) ? NULL : template_get_pair(machine, "RAW", "DATA");
    for (guint i = 0; i < G_N_ELEMENTS(configurable); i++)
        if (!raw || strcmp(configurable[i].name, "RAW") != 0)
            replace_vectors(after, given, configurable[i].name, configurable[i].kept, append);
    TemplateAttribute *context = template_vector(after, "CONTEXT", 0);
    if (context && !attribute_get(context, "DISK_ID")) {
        g_autoptr(GHashTable) taken = machine_targets(machine);
        gint64 id = next_id(machine, "DISK", error);
        if (id < 0)
            return NULL;
        attribute_set_int(context, "DISK_ID", id);
        if (!attribute_get(context, "TARGET"))
            attribute_set(
                context, "TARGET",
                free_target(taken, config_text(world->config, "DEFAULT_CDROM_DEVICE_PREFIX")));
    }
    vm_screen_give(world, after, (gint32)g_ascii_strtoll(template_get(after, "VMID"), NULL, 10));
    if (!check_context_files(world, after, error) || !template_fits(world, after, error))
        return NULL;
    return g_steal_pointer(&after);
}
