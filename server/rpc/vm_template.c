#include "server/rpc/vm_template.h"

#include "lib/base/error.h"
#include "lib/base/names.h"
#include "lib/base/uuid.h"
#include "server/model/place/host_pci.h"
#include "server/model/machine/vm_backups.h"
#include "server/rpc/template_rules.h"
#include "server/rpc/vm_devices.h"
#include "server/rpc/vm_group.h"
#include "server/rpc/vm_images.h"
#include "server/rpc/vm_screen.h"

#include <string.h>

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, __VA_ARGS__), FALSE)

/* Attributes that the server acts on; all others are the user's. */
static const char *const server_attributes[] = {"BACKUP_CONFIG",
                                                "CONTEXT",
                                                "CPU",
                                                "CPU_COST",
                                                "CPU_MODEL",
                                                "DISK",
                                                "DISK_COST",
                                                "EMULATOR",
                                                "FEATURES",
                                                "GRAPHICS",
                                                "HYPERV_OPTIONS",
                                                "IMPORTED",
                                                "INPUT",
                                                "IOMMU",
                                                "MEMORY",
                                                "MEMORY_COST",
                                                "MEMORY_ENCRYPTION",
                                                "MEMORY_MAX",
                                                "MEMORY_RESIZE_MODE",
                                                "MEMORY_SLOTS",
                                                "NIC",
                                                "NIC_ALIAS",
                                                "NIC_DEFAULT",
                                                "NUMA_NODE",
                                                "OS",
                                                "PCI",
                                                "RAW",
                                                "SPICE_OPTIONS",
                                                "SUBMIT_ON_HOLD",
                                                "TEMPLATE_ID",
                                                "TOPOLOGY",
                                                "TPM",
                                                "VCPU",
                                                "VCPU_MAX",
                                                "VIDEO",
                                                "VMGROUP",
                                                NULL};

void vm_draft_clear(VmDraft *draft)
{
    g_free(draft->name);
    g_free(draft->import);
    template_free(draft->template);
    template_free(draft->user_template);
    memset(draft, 0, sizeof *draft);
}

/* ---- a new machine ---- */

static gboolean wrong_number(GError **error, const Template *template, const char *name,
                             const char *type)
{
    const char *value = template_get(template, name);
    g_autofree char *is =
        value ? g_strdup_printf("It is \"%.40s\".", value) : g_strdup("There is none.");
    return wrong(error, "%s attribute must be a positive %s value. %s", name, type, is);
}

static gboolean check_capacity(const Template *template, GError **error)
{
    double cpu;
    gint64 number;
    if (!template_get_double(template, "CPU", &cpu) || !(cpu > 0 && cpu < 1e6))
        return wrong_number(error, template, "CPU", "float or integer");
    if (!template_get_int(template, "MEMORY", &number) || number <= 0 || number > G_MAXINT32)
        return wrong_number(error, template, "MEMORY", "integer");
    if (template_get(template, "VCPU") &&
        (!template_get_int(template, "VCPU", &number) || number <= 0 || number > 65536))
        return wrong_number(error, template, "VCPU", "integer");
    return TRUE;
}

/* The machine takes them when it is there. */
static gboolean check_backups(const Template *template, GError **error)
{
    const TemplateAttribute *given = template_vector(template, "BACKUP_CONFIG", 0);
    g_autoptr(Template) settings = template_new();
    return !given || vm_backups_configure(settings, given, FALSE, error);
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
                                             "QEMU_GA_EXEC",
                                             "VROUTER_ID",
                                             "VROUTER_KEEPALIVED_ID",
                                             "VROUTER_KEEPALIVED_PASSWORD",
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

/* A machine that runs already, and that oned shall take over: DEPLOY_ID names its domain. NULL: it
 * is a new one. (owned) */
static char *read_import(const Template *given)
{
    const char *domain = template_get(given, "DEPLOY_ID");
    if (!domain || !*domain)
        domain = template_get(given, "IMPORT_VM_ID"); /* as it was called before 6.0 */
    return domain && *domain && strcmp(domain, "-") != 0 ? g_strdup(domain) : NULL;
}

/* It goes into what hypervisors are told, so it is nothing but a UUID. Empty: none is given. */
static gboolean uuids_fit(const Template *given, GError **error)
{
    const TemplateAttribute *os;
    for (guint i = 0; (os = template_vector(given, "OS", i)); i++) {
        const char *uuid = attribute_get(os, "UUID");
        if (uuid && *uuid && !g_uuid_string_is_valid(uuid))
            return wrong(error,
                         "OS/UUID is \"%.80s\", which is no UUID: write it like "
                         "01234567-89ab-cdef-0123-456789abcdef, or leave it out",
                         uuid);
    }
    return TRUE;
}

gboolean vm_draft_make(World *world, const User *owner, Template *given, VmDraft *draft,
                       GError **error)
{
    const char *name = template_get(given, "NAME");
    if (!template_fits(world, given, error) || !uuids_fit(given, error) ||
        (!draft->trusted && !vm_check_restricted(world, owner, given, error)) ||
        (!draft->trusted && !user_is_admin(owner) && !vm_screen_fits(world, given, error)) ||
        (name && *name && !name_check(name, error)))
        return FALSE;
    draft->name = g_strdup(name ? name : "");
    draft->import = read_import(given);
    split(given, draft);
    Template *template = draft->template;
    if (draft->router)
        vrouter_write_machine(draft->router, template);
    if (!check_backups(template, error) || !check_capacity(template, error) ||
        !images_for_disks(world, owner, template, error) ||
        !images_for_files(world, owner, template, error) ||
        !vm_group_for_machine(world, owner, template, error) ||
        !devices_number_disks(world, template, error) ||
        !devices_number_nics(template, draft->router != NULL, error) ||
        !context_files_allowed(world, template, error))
        return FALSE;
    host_pci_number(template);
    draft->hold = template_get_bool(template, "SUBMIT_ON_HOLD",
                                    config_bool(world->config, "VM_SUBMIT_ON_HOLD"));
    if (draft->import) {
        draft->hold = TRUE; /* the scheduler does not know on which host it is */
        template_set(template, "IMPORTED", "YES");
    }
    template_set(template, "AUTOMATIC_REQUIREMENTS", "!(PIN_POLICY = PINNED)");
    if (!template_vector(template, "OS", 0))
        template_add_vector(template, "OS");
    TemplateAttribute *os = template_vector(template, "OS", 0);
    const char *chosen = attribute_get(os, "UUID");
    if (!chosen || !*chosen) {
        g_autofree char *uuid = uuid_random();
        attribute_set(os, "UUID", uuid);
    }
    return TRUE;
}

void vm_draft_finish(World *world, Template *template, gint32 id)
{
    devices_finish(world, template, id);
    vm_screen_give(world, template, id);
}

/* ---- another configuration ---- */

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
    if (!template_fits(world, given, error) || !uuids_fit(given, error) ||
        !vm_check_restricted(world, user, given, error))
        return NULL;
    g_autoptr(Template) after = template_copy(machine);
    /* What an administrator wrote into the domain is not taken out by others. */
    const char *raw = user_is_admin(user) ? NULL : template_get_pair(machine, "RAW", "DATA");
    for (guint i = 0; i < G_N_ELEMENTS(configurable); i++)
        if (!raw || strcmp(configurable[i].name, "RAW") != 0)
            replace_vectors(after, given, configurable[i].name, configurable[i].kept, append);
    if (!images_for_files(world, user, after, error) || !devices_give_context(world, after, error))
        return NULL;
    vm_screen_give(world, after, (gint32)g_ascii_strtoll(template_get(after, "VMID"), NULL, 10));
    if (!context_files_allowed(world, after, error) || !template_fits(world, after, error))
        return NULL;
    return g_steal_pointer(&after);
}
