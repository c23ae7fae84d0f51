/* Facts in the document of a running domain. */
#include "drivers/vmm/check/check_facts.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <libxml/tree.h>
#include <string.h>

/* Value of an attribute; NULL when it is missing or empty. (owned) */
static char *attribute(const xmlNode *node, const char *name)
{
    xmlChar *value = node ? xmlGetProp(node, BAD_CAST name) : NULL;
    char *text = value && *value ? g_strdup((const char *)value) : NULL;
    xmlFree(value);
    return text;
}

static char *attribute_at(const xmlNode *node, const char *path, const char *name)
{
    return attribute(xml_find(node, path), name);
}

static gboolean is(const xmlNode *node, const char *path, const char *name, const char *value)
{
    g_autofree char *found = path ? attribute_at(node, path, name) : attribute(node, name);
    return g_strcmp0(found, value) == 0;
}

static char *print_element(const xmlNode *element)
{
    xmlBuffer *buffer = xmlBufferCreate();
    char *text = NULL;
    if (xmlNodeDump(buffer, element->doc, (xmlNode *)element, 0, 0) >= 0)
        text = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}

/* ---- processor ---- */

/* The highest number in a list such as "0-3,^2,8"; -1: none. */
static gint64 highest_of(const char *list)
{
    gint64 highest = -1;
    g_auto(GStrv) words = g_strsplit_set(list, ",-", -1);
    for (char **word = words; *word; word++) {
        guint64 number;
        if (g_ascii_string_to_unsigned(g_strstrip(*word), 10, 0, G_MAXINT32, &number, NULL))
            highest = MAX(highest, (gint64)number);
    }
    return highest;
}

static void read_pins(CheckFacts *facts, const xmlNode *root)
{
    g_autofree char *all = attribute_at(root, "vcpu", "cpuset");
    facts->cpu.highest_pinned = all ? highest_of(all) : -1;
    const xmlNode *tune = xml_find(root, "cputune");
    for (xmlNode *pin = tune ? xml_first_element(tune) : NULL; pin; pin = xml_next_element(pin)) {
        g_autofree char *set = attribute(pin, "cpuset");
        if (set)
            facts->cpu.highest_pinned = MAX(facts->cpu.highest_pinned, highest_of(set));
    }
}

static void read_processor(CheckFacts *facts, const xmlNode *root)
{
    const xmlNode *cpu = xml_find(root, "cpu");
    facts->type = attribute(root, "type");
    facts->arch = attribute_at(root, "os/type", "arch");
    facts->machine = attribute_at(root, "os/type", "machine");
    g_autofree char *kind = xml_get(root, "os/type");
    facts->paravirtual = g_strcmp0(facts->type, "xen") == 0 && g_strcmp0(kind, "linux") == 0;
    facts->emulator = xml_get(root, "devices/emulator");
    facts->cpu.mode = attribute(cpu, "mode");
    facts->cpu.xml = cpu ? print_element(cpu) : NULL;
    facts->memory = xml_get_int(root, "memory", 0) * 1024;
    read_pins(facts, root);
}

/* ---- files ---- */

static void add_file(CheckFacts *facts, const char *path, CheckRole role, gboolean writable)
{
    for (guint i = 0; i < facts->files->len; i++)
        if (g_str_equal(((CheckFile *)facts->files->pdata[i])->path, path))
            return;
    CheckFile *file = g_new0(CheckFile, 1);
    file->path = g_strdup(path);
    file->role = role;
    file->writable = writable;
    file->capacity = file->allocated = -1;
    g_ptr_array_add(facts->files, file);
}

static void add_device(CheckFacts *facts, gboolean fatal, const char *why, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static void add_device(CheckFacts *facts, gboolean fatal, const char *why, const char *format, ...)
{
    CheckDevice *device = g_new0(CheckDevice, 1);
    va_list arguments;
    va_start(arguments, format);
    device->what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    device->why = why;
    device->fatal = fatal;
    g_ptr_array_add(facts->devices, device);
}

static void read_cache(CheckFacts *facts, const xmlNode *disk, const char *target)
{
    CheckCache *cache = g_new0(CheckCache, 1);
    cache->target = g_strdup(target);
    cache->mode = attribute_at(disk, "driver", "cache");
    g_ptr_array_add(facts->caches, cache);
}

static void read_bases(CheckFacts *facts, const xmlNode *disk)
{
    const xmlNode *base = xml_find(disk, "backingStore");
    for (; base; base = xml_find(base, "backingStore")) {
        g_autofree char *path = attribute_at(base, "source", "file");
        if (path)
            add_file(facts, path, CHECK_BASE, FALSE);
    }
}

/* A disk of the host itself: one behind a network (iSCSI, LVM on a SAN) has the same name
 * everywhere, so that only its presence is looked at. */
static void read_block_disk(CheckFacts *facts, const xmlNode *disk, const char *path,
                            gboolean read_only)
{
    if (is(disk, NULL, "device", "cdrom") || is(disk, NULL, "device", "floppy"))
        add_device(facts, TRUE,
                   "a drive of the host stays at the host; eject it first (onevm "
                   "disk-detach)",
                   "the host's drive %s", path);
    else
        add_file(facts, path, CHECK_DISK, !read_only);
}

static void read_disk(CheckFacts *facts, const xmlNode *disk)
{
    g_autofree char *target = attribute_at(disk, "target", "dev");
    g_autofree char *file = attribute_at(disk, "source", "file");
    g_autofree char *device = attribute_at(disk, "source", "dev");
    gboolean read_only = xml_find(disk, "readonly") != NULL || is(disk, NULL, "device", "cdrom");
    if (device)
        read_block_disk(facts, disk, device, read_only);
    if (file)
        add_file(facts, file, CHECK_DISK, !read_only);
    if ((file || device) && !read_only)
        read_cache(facts, disk, target ? target : "?");
    if (is(disk, NULL, "device", "lun"))
        add_device(facts, FALSE, "the same SCSI unit must be there at the destination",
                   "the SCSI unit %s", target ? target : "");
    read_bases(facts, disk);
}

static void read_boot(CheckFacts *facts, const xmlNode *root)
{
    static const char *const paths[] = {"os/kernel", "os/initrd", "os/dtb", "os/loader"};
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autofree char *path = xml_get(root, paths[i]);
        if (path && *g_strstrip(path))
            add_file(facts, path, CHECK_BOOT, FALSE);
    }
}

/* ---- networks ---- */

static void add_net(CheckFacts *facts, const char *name, gboolean of_libvirt)
{
    for (guint i = 0; i < facts->nets->len; i++) {
        const CheckNet *net = facts->nets->pdata[i];
        if (g_str_equal(net->name, name) && net->of_libvirt == of_libvirt)
            return;
    }
    CheckNet *net = g_new0(CheckNet, 1);
    net->name = g_strdup(name);
    net->of_libvirt = of_libvirt;
    g_ptr_array_add(facts->nets, net);
}

static void read_nic(CheckFacts *facts, const xmlNode *nic)
{
    g_autofree char *network = attribute_at(nic, "source", "network");
    g_autofree char *bridge = attribute_at(nic, "source", "bridge");
    g_autofree char *device = attribute_at(nic, "source", "dev");
    if (is(nic, NULL, "type", "hostdev"))
        add_device(facts, TRUE,
                   "a card of the host cannot move; detach it first (onevm "
                   "nic-detach)",
                   "a network card of the host");
    else if (network && !bridge)
        add_net(facts, network, TRUE);
    else if (bridge || device)
        add_net(facts, bridge ? bridge : device, FALSE);
    if (network && bridge)
        add_net(facts, network, TRUE);
}

/* ---- what stays behind ---- */

static void read_hostdev(CheckFacts *facts, const xmlNode *node)
{
    g_autofree char *type = attribute(node, "type");
    gboolean replaced = is(node, "teaming", "type", "transient");
    if (!replaced)
        add_device(facts, TRUE,
                   "a device of the host cannot move with the machine; detach it first",
                   "the host's %s device", type ? type : "own");
}

static void read_memory_share(CheckFacts *facts, const xmlNode *node)
{
    g_autofree char *name = attribute(node, "name");
    if (!is(node, NULL, "role", "master"))
        add_device(facts, TRUE, "memory shared with others of the host stays there",
                   "the shared memory %s", name ? name : "");
}

static void read_tpm(CheckFacts *facts, const xmlNode *node)
{
    if (is(node, "backend", "type", "passthrough"))
        add_device(facts, TRUE, "the host's TPM cannot move", "the TPM");
    else if (!facts->shared)
        add_device(facts, FALSE, "its state is sent along; the destination needs swtpm", "the TPM");
    else
        add_device(facts, FALSE, "the destination needs swtpm", "the TPM");
}

static void read_filesystem(CheckFacts *facts, const xmlNode *node)
{
    g_autofree char *target = attribute_at(node, "target", "dir");
    add_device(facts, TRUE,
               "a directory of the host that is mounted in the guest cannot move; "
               "unmount and detach it first",
               "the file system %s", target ? target : "");
}

static void read_character(CheckFacts *facts, const xmlNode *node)
{
    g_autofree char *path = attribute_at(node, "source", "path");
    if (is(node, NULL, "type", "dev"))
        add_device(facts, TRUE, "a line of the host stays there", "the device %s",
                   path ? path : "of a serial line");
}

static gboolean is_everywhere(const char *address)
{
    static const char *const names[] = {"0.0.0.0", "::", "127.0.0.1", "::1", "localhost", NULL};
    return g_strv_contains(names, address);
}

static void read_graphics(CheckFacts *facts, const xmlNode *node)
{
    g_autofree char *address = attribute(node, "listen");
    if (address && !is_everywhere(address))
        add_device(facts, FALSE, "the destination must have that address, or the console fails",
                   "the screen listens on %s", address);
}

static const struct {
    const char *element;
    void (*read)(CheckFacts *facts, const xmlNode *node);
} readers[] = {
    {"disk", read_disk},         {"interface", read_nic},
    {"hostdev", read_hostdev},   {"shmem", read_memory_share},
    {"tpm", read_tpm},           {"filesystem", read_filesystem},
    {"serial", read_character},  {"parallel", read_character},
    {"console", read_character}, {"channel", read_character},
    {"graphics", read_graphics},
};

gboolean check_domain_read(CheckFacts *facts, const char *xml, GError **error)
{
    g_autoptr(xmlDoc) document = xml_read(xml, strlen(xml), XML_DEPTH_MAX, error);
    const xmlNode *root = document ? xml_root(document) : NULL;
    const xmlNode *devices = root ? xml_find(root, "devices") : NULL;
    if (!document)
        return FALSE;
    read_processor(facts, root);
    read_boot(facts, root);
    for (xmlNode *node = devices ? xml_first_element(devices) : NULL; node;
         node = xml_next_element(node))
        for (guint i = 0; i < G_N_ELEMENTS(readers); i++)
            if (g_str_equal(xml_name(node), readers[i].element))
                readers[i].read(facts, node);
    return TRUE;
}
