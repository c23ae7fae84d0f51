#include "drivers/vmm/domain/domain_disks.h"

#include "drivers/vmm/vmm_action.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

/* ---- reading ---- */

char *domain_text(const xmlNode *from, const char *path)
{
    char *text = from ? xml_get(from, path) : NULL;
    if (text && *g_strstrip(text))
        return text;
    g_free(text);
    return NULL;
}

char *domain_setting(const DomainRequest *request, const xmlNode *node, const char *vector,
                     const char *name)
{
    char *text = domain_text(node, name);
    return text ? text : g_strdup(domain_standard(request, vector, name));
}

guint domain_boot_order(const DomainRequest *request, const char *kind, const char *id)
{
    g_autofree char *boot = domain_text(request->vm, "TEMPLATE/OS/BOOT");
    g_autofree char *wanted = g_strconcat(kind, id, NULL);
    g_auto(GStrv) words = g_strsplit_set(boot ? boot : "", ", ", -1);
    guint place = 0;
    for (char **word = words; *word; word++) {
        place += **word != '\0';
        if (!g_ascii_strcasecmp(*word, wanted))
            return place;
    }
    return 0;
}

/* ---- targets ---- */

typedef struct Target {
    const char *prefix; /* one of the table below */
    guint index;        /* a is 0 */
    gboolean partition;
} Target;

/* How names of devices begin, and which bus gives such names to QEMU's guests. */
static const struct {
    const char *prefix, *bus;
} prefixes[] = {
    {"xvd", "virtio"}, {"hd", "ide"}, {"sd", "scsi"}, {"vd", "virtio"}, {"fd", "fdc"},
};

static const char *known_prefix(const char *text)
{
    for (guint i = 0; text && i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_has_prefix(text, prefixes[i].prefix))
            return prefixes[i].prefix;
    return NULL;
}

static const char *bus_of_prefix(const char *prefix)
{
    for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++)
        if (g_str_equal(prefix, prefixes[i].prefix))
            return prefixes[i].bus;
    return "virtio";
}

/* "sda2" -> sd, 0, partition. FALSE: not a name of that kind. */
static gboolean parse_target(const char *text, Target *target)
{
    target->prefix = known_prefix(text);
    if (!target->prefix)
        return FALSE;
    const char *at = text + strlen(target->prefix);
    guint sum = 0, letters = 0;
    for (; g_ascii_islower(*at) && letters < 3; at++, letters++)
        sum = sum * 26 + (guint)(*at - 'a') + 1;
    if (!letters)
        return FALSE;
    target->index = sum - 1;
    target->partition = g_ascii_isdigit(*at);
    while (g_ascii_isdigit(*at))
        at++;
    return *at == '\0';
}

static char *print_target(const char *prefix, guint index)
{
    char letters[8] = "";
    gsize at = sizeof letters - 1;
    for (guint left = index + 1; left && at > 0; left = (left - 1) / 26)
        letters[--at] = (char)('a' + (left - 1) % 26);
    return g_strconcat(prefix, letters + at, NULL);
}

static gboolean taken(const GPtrArray *disks, const char *target)
{
    for (guint i = 0; i < disks->len; i++)
        if (g_strcmp0(((DomainDisk *)disks->pdata[i])->target, target) == 0)
            return TRUE;
    return FALSE;
}

static char *first_free(const GPtrArray *disks, const char *prefix, guint from)
{
    for (guint index = from;; index++) {
        char *target = print_target(prefix, index);
        if (!taken(disks, target))
            return target;
        g_free(target);
    }
}

static gboolean is_q35(const DomainRequest *request)
{
    g_autofree char *machine =
        domain_setting(request, xml_find(request->vm, "TEMPLATE/OS"), "OS", "MACHINE");
    return machine && strstr(machine, "q35");
}

/* The bus of QEMU for a disk with that prefix. */
static const char *qemu_bus(const DomainRequest *request, const DomainDisk *disk,
                            const char *prefix)
{
    static const char *const buses[] = {"virtio", "scsi", "sata", "ide", "usb", "fdc"};
    g_autofree char *asked = domain_text(disk->node, "BUS");
    g_autofree char *sd =
        domain_setting(request, xml_find(request->vm, "TEMPLATE/OS"), "OS", "SD_DISK_BUS");
    for (guint i = 0; asked && i < G_N_ELEMENTS(buses); i++)
        if (!g_ascii_strcasecmp(asked, buses[i]))
            return buses[i];
    if (disk->kind == DISK_FLOPPY)
        return "fdc";
    if (g_str_equal(prefix, "sd") && sd && !g_ascii_strcasecmp(sd, "sata"))
        return "sata";
    const char *bus = bus_of_prefix(prefix);
    /* There is no IDE on q35; its own controller takes the same disks. */
    return g_str_equal(bus, "ide") && is_q35(request) ? "sata" : bus;
}

static const char *prefix_for(const DomainRequest *request, const DomainDisk *disk)
{
    g_autofree char *asked = domain_setting(request, disk->node, "DISK", "DEV_PREFIX");
    const char *prefix = known_prefix(disk->wanted);
    if (!prefix)
        prefix = known_prefix(asked);
    if (!prefix)
        prefix = request->dialect->prefix;
    if (!(request->dialect->traits & DOMAIN_QEMU))
        return g_str_equal(prefix, "vd") ? "xvd" : prefix;
    if (disk->kind == DISK_FLOPPY)
        return "fd";
    if (g_str_equal(prefix, "xvd"))
        prefix = "vd";
    /* virtio-blk has no CD-ROM. */
    return disk->kind == DISK_CDROM && g_str_equal(prefix, "vd") ? "hd" : prefix;
}

/* Whole disks that are named keep their names; then partitions, then those without a name. */
static void place(const DomainRequest *request, GPtrArray *disks, guint round)
{
    gboolean partitions = request->dialect->traits & DOMAIN_PARTITIONS;
    for (guint i = 0; i < disks->len; i++) {
        DomainDisk *disk = disks->pdata[i];
        Target target = {NULL};
        gboolean named = disk->wanted && parse_target(disk->wanted, &target);
        gboolean whole = named && (!target.partition || partitions);
        if (disk->directory || disk->target || (round == 0 && !whole) || (round == 1 && !named))
            continue;
        const char *prefix = prefix_for(request, disk);
        if (whole && g_str_equal(prefix, target.prefix) && !taken(disks, disk->wanted))
            disk->target = g_strdup(disk->wanted);
        else
            disk->target = first_free(disks, prefix, whole ? target.index : 0);
        disk->bus = request->dialect->traits & DOMAIN_QEMU ? qemu_bus(request, disk, prefix)
                    : disk->kind == DISK_CDROM && g_str_equal(prefix, "hd") ? "ide"
                                                                            : "xen";
    }
}

char *domain_disks_root(const GPtrArray *disks, const char *root)
{
    const char *name = g_str_has_prefix(root, "/dev/") ? root + strlen("/dev/") : root;
    for (guint i = 0; i < disks->len; i++) {
        const DomainDisk *disk = disks->pdata[i];
        gsize length = disk->wanted ? strlen(disk->wanted) : 0;
        if (!length || strncmp(name, disk->wanted, length) != 0)
            continue;
        /* The disk itself, or a partition of a whole disk. */
        if (name[length] == '\0' ||
            (g_ascii_isdigit(name[length]) && !g_ascii_isdigit(name[length - 1])))
            return g_strconcat(disk->target, name + length, NULL);
    }
    return g_strdup(name);
}

/* ---- the plan ---- */

static void disk_free(gpointer data)
{
    DomainDisk *disk = data;
    g_free(disk->id);
    g_free(disk->wanted);
    g_free(disk->target);
    g_free(disk->path);
    g_free(disk->format);
    g_free(disk);
}

static char *format_of(const DomainRequest *request, const DomainDisk *disk)
{
    static const char *const formats[] = {"raw", "qcow2", "vmdk", "vdi", "vpc", "qed"};
    static const char *const places[] = {"DRIVER", "FORMAT"};
    if (disk->kind == DISK_CDROM || disk->block)
        return g_strdup("raw");
    for (guint p = 0; p < G_N_ELEMENTS(places); p++) {
        g_autofree char *text = domain_text(disk->node, places[p]);
        /* "ext3" and "swap" say what is inside, which the hypervisor need not know. */
        for (guint i = 0; text && i < G_N_ELEMENTS(formats); i++)
            if (!g_ascii_strcasecmp(text, formats[i]))
                return g_strdup(formats[i]);
    }
    g_autofree char *type = domain_text(disk->node, "TYPE");
    gboolean made = type && (!g_ascii_strcasecmp(type, "swap") || !g_ascii_strcasecmp(type, "fs"));
    const char *standard = made ? NULL : domain_standard(request, "DISK", "DRIVER");
    return g_strdup(standard ? standard : "raw");
}

static const DomainProtocol protocols[] = {
    {"RBD", "rbd", "CEPH_HOST", 6789, NULL, "CEPH_USER", "CEPH_SECRET", "ceph", "uuid"},
    {"ISCSI", "iscsi", "ISCSI_HOST", 3260, NULL, "ISCSI_USER", "ISCSI_USAGE", "iscsi", "usage"},
    {"GLUSTER", "gluster", "GLUSTER_HOST", 24007, "tcp"},
    {"SHEEPDOG", "sheepdog", "SHEEPDOG_HOST", 0, "tcp"},
};

/* "RBD_CDROM" is a CD-ROM by the protocol "RBD". */
static const DomainProtocol *find_protocol(const char *type, gboolean *cdrom)
{
    for (guint i = 0; i < G_N_ELEMENTS(protocols); i++) {
        gsize length = strlen(protocols[i].word);
        if (g_ascii_strncasecmp(type, protocols[i].word, length) != 0)
            continue;
        *cdrom = !g_ascii_strcasecmp(type + length, "_CDROM");
        if (*cdrom || type[length] == '\0')
            return &protocols[i];
    }
    return NULL;
}

/* DISK_TYPE says what the image is stored on, TYPE also what the guest sees. */
static gboolean read_kind(const DomainRequest *request, DomainDisk *disk, GError **error)
{
    static const char *const names[] = {"DISK_TYPE", "TYPE"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *word = domain_text(disk->node, names[i]);
        gboolean cdrom = FALSE;
        if (!word)
            continue;
        const DomainProtocol *protocol = find_protocol(word, &cdrom);
        if (cdrom || !g_ascii_strcasecmp(word, "CDROM") || !g_ascii_strcasecmp(word, "BLOCK_CDROM"))
            disk->kind = DISK_CDROM;
        if (!g_ascii_strcasecmp(word, "FLOPPY"))
            disk->kind = DISK_FLOPPY;
        if (!g_ascii_strcasecmp(word, "BLOCK") || !g_ascii_strcasecmp(word, "BLOCK_CDROM"))
            disk->block = TRUE;
        if (!g_ascii_strcasecmp(word, "FILESYSTEM"))
            disk->directory = TRUE;
        if (protocol)
            disk->protocol = protocol;
        if ((protocol || disk->directory) && !(request->dialect->traits & DOMAIN_QEMU)) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                        "disk %s: %s=\"%s\" is for KVM only; files and block devices can be used "
                        "on this host",
                        disk->id, names[i], word);
            return FALSE;
        }
    }
    return TRUE;
}

static DomainDisk *read_disk(const DomainRequest *request, const xmlNode *node, guint place_number,
                             GError **error)
{
    DomainDisk *disk = g_new0(DomainDisk, 1);
    g_autofree char *readonly = domain_text(node, "READONLY");
    disk->node = node;
    disk->id = domain_text(node, "DISK_ID");
    if (!disk->id)
        disk->id = g_strdup_printf("%u", place_number);
    disk->wanted = domain_text(node, "TARGET");
    disk->unit = -1;
    if (!read_kind(request, disk, error)) {
        disk_free(disk);
        return NULL;
    }
    disk->readonly = disk->kind == DISK_CDROM || vmm_is_yes(readonly);
    disk->format = format_of(request, disk);
    disk->path =
        g_strdup_printf("%s/disk.%s", request->directory ? request->directory : ".", disk->id);
    return disk;
}

static DomainDisk *read_context(const DomainRequest *request)
{
    const xmlNode *node = xml_find(request->vm, "TEMPLATE/CONTEXT");
    g_autofree char *id = domain_text(node, "DISK_ID");
    if (!id)
        return NULL;
    DomainDisk *disk = g_new0(DomainDisk, 1);
    disk->node = node;
    disk->context = TRUE;
    disk->unit = -1;
    disk->kind = DISK_CDROM;
    disk->readonly = TRUE;
    disk->wanted = domain_text(node, "TARGET");
    if (!disk->wanted)
        disk->wanted = g_strdup(request->dialect->traits & DOMAIN_QEMU ? "hdb" : "xvdz");
    disk->format = g_strdup("raw");
    disk->path = g_strdup_printf("%s/disk.%s", request->directory ? request->directory : ".", id);
    disk->id = g_steal_pointer(&id);
    return disk;
}

static gboolean unit_taken(const GPtrArray *disks, const char *bus, gint unit)
{
    for (guint i = 0; i < disks->len; i++) {
        const DomainDisk *disk = disks->pdata[i];
        if (disk->unit == unit && g_strcmp0(disk->bus, bus) == 0)
            return TRUE;
    }
    return FALSE;
}

/* libvirt counts from the letters of the target, and would give sda and hda one place when they
 * are on one bus; so places are given here: that of the letters, else the next that is free. */
static void give_units(const DomainRequest *request, GPtrArray *disks)
{
    for (guint i = 0; (request->dialect->traits & DOMAIN_QEMU) && i < disks->len; i++) {
        DomainDisk *disk = disks->pdata[i];
        Target target = {NULL};
        if (g_strcmp0(disk->bus, "sata") != 0 && g_strcmp0(disk->bus, "scsi") != 0)
            continue;
        gint unit = parse_target(disk->target, &target) ? (gint)target.index : 0;
        while (unit_taken(disks, disk->bus, unit))
            unit++;
        disk->unit = unit;
    }
}

GPtrArray *domain_disks_plan(const DomainRequest *request, GError **error)
{
    g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(disk_free);
    const xmlNode *node = xml_find(request->vm, "TEMPLATE/DISK");
    for (; node; node = xml_next_same(node)) {
        DomainDisk *disk = read_disk(request, node, disks->len, error);
        if (!disk)
            return NULL;
        g_ptr_array_add(disks, disk);
    }
    DomainDisk *context = read_context(request);
    if (context)
        g_ptr_array_add(disks, context);
    for (guint round = 0; round < 3; round++)
        place(request, disks, round);
    give_units(request, disks);
    return g_steal_pointer(&disks);
}
