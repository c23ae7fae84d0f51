#include "server/model/host_pci.h"

#include "lib/base/xml.h"
#include "server/model/vm.h"
#include "server/model/world.h"
#include <string.h>

/* A report with more is read as far as this. */
#define DEVICES_MAX 1024

/* In the order of clients' schemas. */
static const struct {
    const char *name;
    gboolean optional;
} members[] = {
    {"ADDRESS"},       {"BUS"},         {"CLASS"},    {"CLASS_NAME"},      {"DEVICE"},
    {"DEVICE_NAME"},   {"DOMAIN"},      {"FUNCTION"}, {"IFNAME"},          {"NUMA_NODE"},
    {"SHORT_ADDRESS"}, {"SLOT"},        {"SRIOV"},    {"SRIOV_NUM", TRUE}, {"TYPE"},
    {"VENDOR"},        {"VENDOR_NAME"},
};

Template *host_pci_read(const Template *report)
{
    const TemplateAttribute *at;
    if (!template_vector(report, "PCI", 0))
        return NULL;
    Template *devices = template_new();
    for (guint i = 0; i < DEVICES_MAX && (at = template_vector(report, "PCI", i)); i++) {
        TemplateAttribute *device = template_add_vector(devices, "PCI");
        for (guint k = 0; k < G_N_ELEMENTS(members); k++)
            if (attribute_get(at, members[k].name))
                attribute_set(device, members[k].name, attribute_get(at, members[k].name));
    }
    return devices;
}

/* ---- who has it ---- */

/* Domain, bus, slot and function in one number; 0x before any of them does not matter. -1: the
 * address is not whole. */
static gint64 place_of(const TemplateAttribute *device)
{
    static const struct {
        const char *name, *otherwise;
        int bits;
    } parts[] = {{"DOMAIN", "0", 16}, {"BUS", NULL, 8}, {"SLOT", NULL, 8}, {"FUNCTION", NULL, 8}};
    gint64 place = 0;
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        const char *text = attribute_get(device, parts[i].name);
        text = text && *text ? text : parts[i].otherwise;
        if (!text)
            return -1;
        gint64 most = ((gint64)1 << parts[i].bits) - 1;
        guint64 value = g_ascii_strtoull(text, NULL, 16);
        place = (place << parts[i].bits) | (gint64)MIN(value, (guint64)most);
    }
    return place;
}

/* Place -> id of the machine plus 1. (owned) */
static GHashTable *owners(World *world, const Host *host)
{
    GHashTable *found = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    for (guint i = 0; i < host->vms->len; i++) {
        gint32 id = g_array_index(host->vms, gint32, i);
        const Vm *vm = vm_get(world, id);
        const TemplateAttribute *device;
        for (guint k = 0; vm && (device = template_vector(vm->head.template, "PCI", k)); k++) {
            gint64 place = place_of(device);
            if (place >= 0)
                g_hash_table_replace(found, g_memdup2(&place, sizeof place),
                                     GINT_TO_POINTER(id + 1));
        }
    }
    return found;
}

void host_pci_render(World *world, const Host *host, GString *xml)
{
    const TemplateAttribute *device;
    if (!host->pci) {
        g_string_append(xml, "<PCI_DEVICES/>");
        return;
    }
    g_autoptr(GHashTable) taken = owners(world, host);
    g_string_append(xml, "<PCI_DEVICES>");
    for (guint i = 0; (device = template_vector(host->pci, "PCI", i)); i++) {
        gint64 place = place_of(device);
        g_string_append(xml, "<PCI>");
        for (guint k = 0; k < G_N_ELEMENTS(members); k++) {
            const char *text = attribute_get(device, members[k].name);
            if (text || !members[k].optional)
                xml_cdata(xml, members[k].name, text ? text : "");
        }
        xml_int(xml, "VMID", GPOINTER_TO_INT(g_hash_table_lookup(taken, &place)) - 1);
        g_string_append(xml, "</PCI>");
    }
    g_string_append(xml, "</PCI_DEVICES>");
}
