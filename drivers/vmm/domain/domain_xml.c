#include "drivers/vmm/domain/domain_xml.h"

#include "drivers/vmm/domain/domain_build.h"
#include "drivers/vmm/check/domain_check.h"
#include "drivers/vmm/vmm_action.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

#define QEMU_NAMESPACE    "http://libvirt.org/schemas/domain/qemu/1.0"
#define MACHINE_NAMESPACE "http://opennebula.org/xmlns/libvirt/1.0"

/* ---- values ---- */

const char *domain_standard(const DomainRequest *request, const char *vector, const char *name)
{
    const Template *const places[] = {request->host, request->defaults};
    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        const char *text = !places[i] ? NULL
                           : vector   ? template_get_pair(places[i], vector, name)
                                      : template_get(places[i], name);
        if (text && *text)
            return text;
    }
    return NULL;
}

char *domain_value(const DomainBuild *build, const char *vector, const char *name)
{
    if (vector)
        return domain_setting(build->request, xml_find(build->template, vector), vector, name);
    char *own = domain_text(build->template, name);
    return own ? own : g_strdup(domain_standard(build->request, NULL, name));
}

gboolean domain_yes(const DomainBuild *build, const char *vector, const char *name)
{
    g_autofree char *text = domain_value(build, vector, name);
    return vmm_is_yes(text);
}

gint64 domain_number(const DomainBuild *build, const char *vector, const char *name,
                     gint64 otherwise)
{
    g_autofree char *text = domain_value(build, vector, name);
    return text ? g_ascii_strtoll(text, NULL, 10) : otherwise;
}

char *domain_queues(const DomainBuild *build, const char *text)
{
    if (!text || g_ascii_strcasecmp(text, "auto") != 0)
        return g_strdup(text);
    return g_strdup_printf("%" G_GINT64_FORMAT, MIN(build->vcpus, 256));
}

gboolean domain_write_given(DomainBuild *build, const char *what, const char *xml, GError **error)
{
    if (!xml)
        return TRUE;
    g_autofree char *whole =
        g_strdup_printf("<given xmlns:qemu=\"" QEMU_NAMESPACE "\">%s</given>", xml);
    g_autoptr(xmlDoc) document = xml_read(whole, strlen(whole), XML_DEPTH_MAX, error);
    if (!document) {
        g_prefix_error(error, "%s is not well-formed: ", what);
        return FALSE;
    }
    domain_raw(&build->writer, xml);
    domain_raw(&build->writer, "\n");
    return TRUE;
}

void domain_write_order(DomainBuild *build, const xmlNode *device, const char *kind, const char *id)
{
    g_autofree char *own = domain_text(device, "ORDER");
    gint64 order =
        own ? g_ascii_strtoll(own, NULL, 10) : (gint64)domain_boot_order(build->request, kind, id);
    if (!order || !domain_has(build, DOMAIN_QEMU))
        return;
    domain_open(&build->writer, "boot");
    domain_attribute_int(&build->writer, "order", order);
    domain_close(&build->writer);
}

/* ---- RAW ---- */

static gboolean is_for_us(const DomainBuild *build, const char *type)
{
    return !g_ascii_strcasecmp(type, build->request->dialect->type) ||
           (domain_has(build, DOMAIN_QEMU) &&
            (!g_ascii_strcasecmp(type, "kvm") || !g_ascii_strcasecmp(type, "qemu")));
}

/* The machine's own, of the hypervisor's type, then the administrator's. */
static gboolean write_raw(DomainBuild *build, GError **error)
{
    const xmlNode *node = xml_find(build->template, "RAW");
    for (; node; node = xml_next_same(node)) {
        g_autofree char *type = domain_text(node, "TYPE");
        g_autofree char *data = domain_text(node, "DATA");
        if (type && is_for_us(build, type) && !domain_write_given(build, "RAW/DATA", data, error))
            return FALSE;
    }
    const char *vector = domain_standard(build->request, "RAW", "DATA");
    return domain_write_given(build, "RAW of the defaults",
                              vector ? vector : domain_standard(build->request, NULL, "RAW"),
                              error);
}

gboolean domain_wants_validation(const DomainRequest *request)
{
    const xmlNode *node = xml_find(request->vm, "TEMPLATE/RAW");
    for (; node; node = xml_next_same(node)) {
        g_autofree char *validate = domain_text(node, "VALIDATE");
        if (vmm_is_yes(validate))
            return TRUE;
    }
    return FALSE;
}

/* ---- the document ---- */

static void write_metadata(DomainBuild *build)
{
    static const struct {
        const char *path, *element;
    } facts[] = {
        {"NAME", "one:name"},   {"UNAME", "one:uname"}, {"UID", "one:uid"},
        {"GNAME", "one:gname"}, {"GID", "one:gid"},     {"STIME", "one:stime"},
    };
    const DomainRequest *request = build->request;
    domain_open(&build->writer, "metadata");
    domain_open(&build->writer, "one:vm");
    domain_attribute(&build->writer, "xmlns:one", MACHINE_NAMESPACE);
    domain_leaf_int(&build->writer, "one:vmid", request->vid);
    domain_cdata(&build->writer, "one:system_datastore", request->directory);
    for (guint i = 0; i < G_N_ELEMENTS(facts); i++) {
        g_autofree char *value = domain_text(request->vm, facts[i].path);
        domain_cdata(&build->writer, facts[i].element, value);
    }
    domain_leaf_int(&build->writer, "one:deployment_time", request->now);
    domain_close(&build->writer);
    domain_close(&build->writer);
}

static void write_identity(DomainBuild *build)
{
    const DomainRequest *request = build->request;
    g_autofree char *title = domain_text(request->vm, "NAME");
    domain_leaf(&build->writer, "name", request->name);
    domain_leaf(&build->writer, "title", title ? g_strdelimit(title, "\n\r\t", ' ') : NULL);
    domain_leaf(&build->writer, "uuid", request->uuid);
}

static gboolean write_devices(DomainBuild *build, GError **error)
{
    gboolean container = domain_has(build, DOMAIN_CONTAINER), good;
    g_autofree char *emulator = domain_value(build, NULL, "EMULATOR");
    g_autofree char *model = domain_value(build, "FEATURES", "DEVICE_MODEL");
    domain_open(&build->writer, "devices");
    domain_leaf(&build->writer, "emulator",
                domain_has(build, DOMAIN_XEN) && model ? model : emulator);
    good = container ? domain_write_container_root(build, error) : domain_write_disks(build, error);
    domain_write_controllers(build);
    domain_write_nics(build);
    if (good && !container)
        good = domain_write_screen(build, error) && domain_write_pci_devices(build, error);
    domain_write_extras(build);
    domain_write_console(build);
    domain_close(&build->writer);
    return good;
}

static gboolean write_domain(DomainBuild *build, GError **error)
{
    domain_open(&build->writer, "domain");
    domain_attribute(&build->writer, "type", build->request->dialect->type);
    if (domain_has(build, DOMAIN_QEMU))
        domain_attribute(&build->writer, "xmlns:qemu", QEMU_NAMESPACE);
    write_identity(build);
    if (!domain_write_size(build, error) || !domain_write_os(build, error) ||
        !domain_write_cpu(build, error) || !write_devices(build, error) ||
        !domain_write_features(build, error))
        return FALSE;
    domain_write_memory_backing(build);
    if (!domain_write_encryption(build, error))
        return FALSE;
    write_metadata(build);
    return write_raw(build, error);
}

/* Begins a build: values are checked, disks planned. FALSE: nothing to free. */
static gboolean begin(DomainBuild *build, GError **error)
{
    build->template = xml_find(build->request->vm, "TEMPLATE");
    if (!domain_check(build->template, error))
        return FALSE;
    if (build->request->host && !domain_check_defaults(build->request->host, error)) {
        g_prefix_error(error, "the host's template: ");
        return FALSE;
    }
    build->disks = domain_disks_plan(build->request, error);
    if (!build->disks)
        return FALSE;
    gint64 count = domain_number(build, NULL, "VCPU", 1);
    build->vcpus = domain_number(build, NULL, "VCPU_MAX", count);
    build->writer = domain_writer_new();
    return TRUE;
}

static char *end(DomainBuild *build, gboolean good)
{
    g_autofree char *text = domain_writer_end(&build->writer);
    g_ptr_array_unref(build->disks);
    return good ? g_steal_pointer(&text) : NULL;
}

char *domain_xml(const DomainRequest *request, GError **error)
{
    DomainBuild build = {.request = request};
    if (!begin(&build, error))
        return NULL;
    return end(&build, write_domain(&build, error));
}

/* ---- single devices ---- */

char *domain_disk_xml(const DomainRequest *request, const char *disk_id, GError **error)
{
    DomainBuild build = {.request = request};
    if (!begin(&build, error))
        return NULL;
    const DomainDisk *found = NULL;
    for (guint i = 0; i < build.disks->len; i++)
        if (g_str_equal(((DomainDisk *)build.disks->pdata[i])->id, disk_id))
            found = build.disks->pdata[i];
    build.iothreads = domain_number(&build, "FEATURES", "IOTHREADS", 0);
    if (!found)
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS,
                    "machine %" G_GINT64_FORMAT " has no disk %s", request->vid, disk_id);
    return end(&build, found && domain_write_disk(&build, found, error));
}

char *domain_nic_xml(const DomainRequest *request, const char *nic_id, GError **error)
{
    DomainBuild build = {.request = request};
    guint place = 0;
    if (!begin(&build, error))
        return NULL;
    const xmlNode *nic = xml_find(build.template, "NIC");
    for (; nic; nic = xml_next_same(nic), place++) {
        g_autofree char *id = domain_text(nic, "NIC_ID");
        if (g_strcmp0(id, nic_id) == 0)
            break;
    }
    if (nic)
        domain_write_nic(&build, nic, place);
    else
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS,
                    "machine %" G_GINT64_FORMAT " has no NIC %s", request->vid, nic_id);
    return end(&build, nic != NULL);
}
