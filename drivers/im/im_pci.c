#include "drivers/im/im_pci.h"

#include "drivers/im/im_report.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/base/xml.h"
#include "lib/template/template.h"
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME "im_pci.conf"
/* Libvirt's documents are flat. */
#define DEPTH_MAX 32
/* A host with more is told as far as this. */
#define DEVICES_MAX 8192

static char **filter;    /* "10de:1db4:0302", parts may be empty */
static char **addresses; /* "3b:00.0", "0000:3b:00.0"; none: all */

/* ---- the filter ---- */

/* Words of a list with blanks or commas between, each of which must look so. NULL: one does not.
 * (owned) */
static char **read_list(const Template *file, const char *key, const char *shape, const char *usage,
                        GError **error)
{
    const char *text = template_get(file, key);
    g_auto(GStrv) pieces = g_strsplit_set(text ? text : "", " ,\t\n", -1);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; pieces[i]; i++) {
        if (!*pieces[i])
            continue;
        if (!g_regex_match_simple(shape, pieces[i], G_REGEX_CASELESS, 0)) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s has \"%s\", which is not %s", key,
                        pieces[i], usage);
            return NULL;
        }
        g_ptr_array_add(words, g_ascii_strdown(pieces[i], -1));
    }
    g_ptr_array_add(words, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&words), FALSE);
}

static gboolean check_keys(const Template *file, GError **error)
{
    for (guint i = 0; i < template_count(file); i++) {
        const char *name = template_nth(file, i)->name;
        if (strcmp(name, "FILTER") == 0 || strcmp(name, "SHORT_ADDRESS") == 0)
            continue;
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "it has the key %s; only FILTER and SHORT_ADDRESS have a meaning", name);
        return FALSE;
    }
    return TRUE;
}

static gboolean read_filter(const char *text, GError **error)
{
    g_autoptr(Template) file = template_parse(text, TEMPLATE_MODERN, error);
    if (!file || !check_keys(file, error))
        return FALSE;
    g_auto(GStrv) kinds = read_list(file, "FILTER", "^[0-9a-f]{0,4}(:[0-9a-f]{0,4}){1,2}$",
                                    "VENDOR:DEVICE[:CLASS], each up to four hexadecimal digits, "
                                    "or nothing for any",
                                    error);
    g_auto(GStrv) places =
        kinds ? read_list(file, "SHORT_ADDRESS", "^([0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]$",
                          "an address such as 3b:00.0 or 0000:3b:00.0", error)
              : NULL;
    if (!places)
        return FALSE;
    g_strfreev(filter);
    g_strfreev(addresses);
    filter = g_steal_pointer(&kinds);
    addresses = g_steal_pointer(&places);
    return TRUE;
}

gboolean im_pci_init(GError **error)
{
    g_autofree char *path = paths_etc(FILE_NAME), *text = NULL;
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return read_filter("", error);
    if (g_file_get_contents(path, &text, NULL, error) && read_filter(text, error))
        return TRUE;
    g_prefix_error(error, "%s cannot be used: ", path);
    return FALSE;
}

/* ---- a device ---- */

typedef struct Device {
    guint vendor, device, class;
    guint domain, bus, slot, function;
    char *address; /* short: "3b:00.0" */
} Device;

static guint number(xmlNode *from, const char *path)
{
    g_autofree char *text = xml_get(from, path);
    return text ? (guint)g_ascii_strtoull(text, NULL, 0) : 0;
}

static gboolean is_kind(const Device *device, const char *kind)
{
    const guint parts[] = {device->vendor, device->device, device->class};
    g_auto(GStrv) wanted = g_strsplit(kind, ":", G_N_ELEMENTS(parts));
    for (guint i = 0; i < G_N_ELEMENTS(parts) && wanted[i]; i++)
        if (*wanted[i] && g_ascii_strtoull(wanted[i], NULL, 16) != parts[i])
            return FALSE;
    return TRUE;
}

static gboolean is_at(const Device *device, const char *place)
{
    g_autofree char *whole = g_strdup_printf("%04x:%s", device->domain, device->address);
    return strcmp(place, whole) == 0 ||
           (device->domain == 0 && strcmp(place, device->address) == 0);
}

static gboolean is_told(const Device *device)
{
    gboolean kind = FALSE, place = !*addresses;
    for (char **at = filter; *at && !kind; at++)
        kind = is_kind(device, *at);
    for (char **at = addresses; *at && !place; at++)
        place = is_at(device, *at);
    return kind && place;
}

/* Libvirt knows no names of classes; these are the usual ones of what is given to machines. */
static char *class_name(guint class)
{
    static const struct {
        guint class;
        const char *name;
    } names[] = {
        {0x0104, "RAID bus controller"},
        {0x0106, "SATA controller"},
        {0x0107, "Serial Attached SCSI controller"},
        {0x0108, "Non-Volatile memory controller"},
        {0x0200, "Ethernet controller"},
        {0x0207, "Infiniband controller"},
        {0x0280, "Network controller"},
        {0x0300, "VGA compatible controller"},
        {0x0302, "3D controller"},
        {0x0380, "Display controller"},
        {0x0400, "Multimedia video controller"},
        {0x0403, "Audio device"},
        {0x0604, "PCI bridge"},
        {0x0b40, "Co-processor"},
        {0x0c03, "USB controller"},
        {0x0c04, "Fibre Channel"},
        {0x1080, "Encryption controller"},
        {0x1200, "Processing accelerators"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (names[i].class == class)
            return g_strdup(names[i].name);
    return g_strdup_printf("Class %04x", class);
}

/* "pf": it can be shared out by functions of its own, *count of which are there; "vf": it is one
 * of these; "no". */
static const char *sriov(xmlNode *capability, guint *count)
{
    xmlNode *inner = xml_find(capability, "capability");
    for (; inner; inner = xml_next_same(inner)) {
        g_autofree char *type = xml_get(inner, "@type");
        if (g_strcmp0(type, "phys_function") == 0)
            return "vf";
        if (g_strcmp0(type, "virt_functions") != 0)
            continue;
        for (xmlNode *at = xml_find(inner, "address"); at; at = xml_next_same(at))
            ++*count;
        return "pf";
    }
    return "no";
}

static void pair(GString *out, const char *name, const char *value)
{
    g_string_append_printf(out, "%s%s=", g_str_has_suffix(out->str, "[") ? "" : ",", name);
    im_append_quoted(out, value ? value : "");
}

static void pair_hex(GString *out, const char *name, int width, guint value)
{
    g_autofree char *text = g_strdup_printf("%0*x", width, value);
    pair(out, name, text);
}

static void append_names(GString *out, xmlNode *capability, const Device *device)
{
    g_autofree char *vendor = xml_get(capability, "vendor"), *name = xml_get(capability, "product");
    g_autofree char *class = class_name(device->class);
    pair(out, "VENDOR_NAME", vendor);
    pair(out, "DEVICE_NAME", name);
    pair(out, "CLASS_NAME", class);
}

static void append_device(GString *out, xmlNode *capability, const Device *device,
                          const char *interface)
{
    guint functions = 0;
    const char *shared = sriov(capability, &functions);
    g_autofree char *node = xml_get(capability, "numa/@node");
    g_autofree char *type =
        g_strdup_printf("%04x:%04x:%04x", device->vendor, device->device, device->class);
    g_autofree char *address = g_strdup_printf("%04x:%02x:%02x:%x", device->domain, device->bus,
                                               device->slot, device->function);
    g_string_append(out, "PCI=[");
    pair(out, "TYPE", type);
    pair_hex(out, "VENDOR", 4, device->vendor);
    pair_hex(out, "DEVICE", 4, device->device);
    pair_hex(out, "CLASS", 4, device->class);
    append_names(out, capability, device);
    pair(out, "ADDRESS", address);
    pair(out, "SHORT_ADDRESS", device->address);
    pair_hex(out, "DOMAIN", 4, device->domain);
    pair_hex(out, "BUS", 2, device->bus);
    pair_hex(out, "SLOT", 2, device->slot);
    pair_hex(out, "FUNCTION", 1, device->function);
    pair(out, "NUMA_NODE", node ? node : "-");
    pair(out, "IFNAME", interface ? interface : "-");
    pair(out, "SRIOV", shared);
    if (strcmp(shared, "pf") == 0) {
        g_autofree char *count = g_strdup_printf("%u", functions);
        pair(out, "SRIOV_NUM", count);
    }
    g_string_append(out, "]\n");
}

static xmlNode *capability_of(xmlNode *root, const char *type)
{
    xmlNode *at = xml_find(root, "capability");
    for (; at; at = xml_next_same(at)) {
        g_autofree char *own = xml_get(at, "@type");
        if (g_strcmp0(own, type) == 0)
            return at;
    }
    return NULL;
}

static void consider(GString *out, xmlNode *root, GHashTable *interfaces)
{
    xmlNode *capability = capability_of(root, "pci");
    if (!capability)
        return;
    g_autofree char *name = xml_get(root, "name");
    const guint bus = number(capability, "bus"), slot = number(capability, "slot");
    const guint function = number(capability, "function");
    g_autofree char *address = g_strdup_printf("%02x:%02x.%x", bus, slot, function);
    const Device device = {
        .vendor = number(capability, "vendor/@id"),
        .device = number(capability, "product/@id"),
        .class = number(capability, "class") >> 8, /* the last byte is the interface's */
        .domain = number(capability, "domain"),
        .bus = bus,
        .slot = slot,
        .function = function,
        .address = address,
    };
    if (is_told(&device))
        append_device(out, capability, &device,
                      name ? g_hash_table_lookup(interfaces, name) : NULL);
}

/* ---- all of a host ---- */

/* A network card is a device of its own, whose parent is the PCI device. */
static void note_interface(GHashTable *interfaces, xmlNode *root)
{
    xmlNode *card = capability_of(root, "net");
    char *parent = card ? xml_get(root, "parent") : NULL;
    char *interface = parent ? xml_get(card, "interface") : NULL;
    if (interface)
        g_hash_table_replace(interfaces, parent, interface);
    else
        g_free(parent);
}

static void free_document(gpointer document)
{
    xmlFreeDoc(document);
}

static void append_all(GString *out, virNodeDevicePtr *devices, int count)
{
    g_autoptr(GHashTable) interfaces =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GPtrArray) documents = g_ptr_array_new_with_free_func(free_document);
    for (int i = 0; i < count; i++) {
        char *text = virNodeDeviceGetXMLDesc(devices[i], 0);
        xmlDoc *document = text ? xml_read(text, strlen(text), DEPTH_MAX, NULL) : NULL;
        free(text);
        if (!document) /* it went away meanwhile */
            continue;
        note_interface(interfaces, xml_root(document));
        g_ptr_array_add(documents, document);
    }
    for (guint i = 0; i < documents->len; i++)
        consider(out, xml_root(documents->pdata[i]), interfaces);
}

void im_append_pci(GString *out, const char *host, virConnectPtr connection)
{
    virNodeDevicePtr *devices = NULL;
    if (!filter || !*filter)
        return;
    int count = virConnectListAllNodeDevices(connection, &devices,
                                             VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV |
                                                 VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET);
    if (count < 0) {
        log_warning("IM", "The PCI devices of %s are not told: %s", host, virGetLastErrorMessage());
        return;
    }
    append_all(out, devices, MIN(count, DEVICES_MAX));
    for (int i = 0; i < count; i++)
        virNodeDeviceFree(devices[i]);
    free(devices);
}
