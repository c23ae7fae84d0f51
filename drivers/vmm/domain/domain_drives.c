/* Elements of disks. Which they are was decided by domain_disks.c. */
#include "drivers/vmm/domain/domain_build.h"

#include "drivers/vmm/vmm_action.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, __VA_ARGS__), FALSE)

/* Ports of one SATA controller. */
#define SATA_PORTS 6

static char *disk_value(const DomainBuild *build, const DomainDisk *disk, const char *name)
{
    return domain_setting(build->request, disk->node, "DISK", name);
}

/* ---- over the network ---- */

/* A copy of an image is called after machine and disk, as the transfer driver made it. */
static char *network_name(const DomainBuild *build, const DomainDisk *disk)
{
    g_autofree char *source = domain_text(disk->node, "SOURCE");
    g_autofree char *clone = domain_text(disk->node, "CLONE");
    g_autofree char *tail =
        g_strdup_printf("-%" G_GINT64_FORMAT "-%s", build->request->vid, disk->id);
    gboolean copy = vmm_is_yes(clone);
    if (g_str_equal(disk->protocol->name, "iscsi")) {
        char *target = domain_text(disk->node, "ISCSI_IQN");
        return target ? target : g_steal_pointer(&source);
    }
    if (g_str_equal(disk->protocol->name, "gluster")) {
        g_autofree char *volume = domain_text(disk->node, "GLUSTER_VOLUME");
        g_autofree char *base = source ? g_path_get_basename(source) : NULL;
        if (!volume || (!copy && !base))
            return NULL;
        return copy ? g_strdup_printf("%s/%" G_GINT64_FORMAT "/disk.%s", volume,
                                      build->request->vid, disk->id)
                    : g_strdup_printf("%s/%s", volume, base);
    }
    if (source)
        return g_strconcat(source, copy ? tail : NULL, NULL);
    g_autofree char *pool = domain_text(disk->node, "POOL_NAME");
    return g_strdup_printf("%s/one-sys%s", pool ? pool : "one", tail);
}

/* "name", "name:port", "[address]:port" */
static void write_network_host(DomainBuild *build, const DomainProtocol *protocol, const char *text)
{
    const char *colon = strrchr(text, ':');
    gboolean bracket = *text == '[';
    gboolean has_port =
        colon && (bracket ? colon > text && colon[-1] == ']' : strchr(text, ':') == colon);
    gsize length = has_port ? (gsize)(colon - text) : strlen(text);
    g_autofree char *name =
        bracket && length > 2 ? g_strndup(text + 1, length - 2) : g_strndup(text, length);
    g_autofree char *standard = protocol->port ? g_strdup_printf("%u", protocol->port) : NULL;
    domain_open(&build->writer, "host");
    domain_attribute(&build->writer, "name", name);
    domain_attribute(&build->writer, "port", has_port ? colon + 1 : standard);
    domain_attribute(&build->writer, "transport", protocol->transport);
    domain_close(&build->writer);
}

static gboolean write_network_source(DomainBuild *build, const DomainDisk *disk, GError **error)
{
    const DomainProtocol *protocol = disk->protocol;
    g_autofree char *name = network_name(build, disk);
    g_autofree char *hosts = domain_text(disk->node, protocol->hosts);
    g_autofree char *user = protocol->user ? domain_text(disk->node, protocol->user) : NULL;
    g_autofree char *secret = protocol->secret ? domain_text(disk->node, protocol->secret) : NULL;
    g_auto(GStrv) list = g_strsplit(hosts ? hosts : "", " ", -1);
    if (!name)
        return wrong(error, "disk %s of type %s does not say where it is: %s", disk->id,
                     protocol->word,
                     g_str_equal(protocol->name, "gluster") ? "GLUSTER_VOLUME and SOURCE"
                                                            : "ISCSI_IQN or SOURCE");
    domain_open(&build->writer, "source");
    domain_attribute(&build->writer, "protocol", protocol->name);
    domain_attribute(&build->writer, "name", name);
    for (char **host = list; *host; host++)
        if (**host)
            write_network_host(build, protocol, *host);
    if (user && secret) {
        domain_open(&build->writer, "auth");
        domain_attribute(&build->writer, "username", user);
        domain_open(&build->writer, "secret");
        domain_attribute(&build->writer, "type", protocol->secret_type);
        domain_attribute(&build->writer, protocol->secret_by, secret);
        domain_close(&build->writer);
        domain_close(&build->writer);
    }
    domain_close(&build->writer);
    return TRUE;
}

/* ---- limits ---- */

static gint64 limit_of(const DomainBuild *build, const DomainDisk *disk, const char *name)
{
    g_autofree char *text = disk_value(build, disk, name);
    return text ? g_ascii_strtoll(text, NULL, 10) : 0;
}

/* One of {total,read,write}_{bytes,iops}: the rate, and the rate and time of a burst. */
static gboolean write_limit(DomainBuild *build, const DomainDisk *disk, const char *element,
                            GError **error)
{
    g_autofree char *name = g_ascii_strup(element, -1);
    g_autofree char *burst_name = g_strconcat(name, "_MAX", NULL);
    g_autofree char *length_name = g_strconcat(name, "_MAX_LENGTH", NULL);
    g_autofree char *burst_element = g_strconcat(element, "_max", NULL);
    g_autofree char *length_element = g_strconcat(element, "_max_length", NULL);
    gint64 rate = limit_of(build, disk, name), burst = limit_of(build, disk, burst_name);
    gint64 length = limit_of(build, disk, length_name);
    if (burst && burst < rate)
        return wrong(error,
                     "disk %s: %s=\"%" G_GINT64_FORMAT "\" is less than %s=\"%" G_GINT64_FORMAT
                     "\"; a burst is more than what is allowed all the time",
                     disk->id, burst_name, burst, name, rate);
    if (rate)
        domain_leaf_int(&build->writer, element, rate);
    if (burst > rate) {
        domain_leaf_int(&build->writer, burst_element, burst);
        if (length)
            domain_leaf_int(&build->writer, length_element, length);
    }
    return TRUE;
}

/* A total goes before limits of each direction: the hypervisor takes only one of them. */
static gboolean write_limits(DomainBuild *build, const DomainDisk *disk, GError **error)
{
    static const struct {
        const char *total, *total_burst, *elements[3];
    } kinds[] = {
        {"TOTAL_BYTES_SEC",
         "TOTAL_BYTES_SEC_MAX",
         {"total_bytes_sec", "read_bytes_sec", "write_bytes_sec"}},
        {"TOTAL_IOPS_SEC",
         "TOTAL_IOPS_SEC_MAX",
         {"total_iops_sec", "read_iops_sec", "write_iops_sec"}},
    };
    static const char *const any[] = {
        "TOTAL_BYTES_SEC", "TOTAL_BYTES_SEC_MAX", "READ_BYTES_SEC", "READ_BYTES_SEC_MAX",
        "WRITE_BYTES_SEC", "WRITE_BYTES_SEC_MAX", "TOTAL_IOPS_SEC", "TOTAL_IOPS_SEC_MAX",
        "READ_IOPS_SEC",   "READ_IOPS_SEC_MAX",   "WRITE_IOPS_SEC", "WRITE_IOPS_SEC_MAX"};
    gboolean limited = FALSE, good = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(any); i++)
        limited = limited || limit_of(build, disk, any[i]) > 0;
    if (!limited)
        return TRUE;
    domain_open(&build->writer, "iotune");
    for (guint i = 0; good && i < G_N_ELEMENTS(kinds); i++) {
        gboolean total = limit_of(build, disk, kinds[i].total) > 0 ||
                         limit_of(build, disk, kinds[i].total_burst) > 0;
        for (guint j = total ? 0 : 1; good && j < (total ? 1 : 3); j++)
            good = write_limit(build, disk, kinds[i].elements[j], error);
    }
    gint64 size = limit_of(build, disk, "SIZE_IOPS_SEC");
    if (size)
        domain_leaf_int(&build->writer, "size_iops_sec", size);
    domain_close(&build->writer);
    return good;
}

/* ---- the drive ---- */

/* Threads of their own for virtio disks, in turn, unless the disk names one. */
static gint64 pick_iothread(DomainBuild *build, const DomainDisk *disk)
{
    g_autofree char *own = domain_text(disk->node, "IOTHREAD");
    gint64 number = own ? g_ascii_strtoll(own, NULL, 10) : 0;
    if (number > 0 && number <= build->iothreads)
        return number;
    number = build->iothread % build->iothreads + 1;
    build->iothread++;
    return number;
}

static gboolean write_qemu_driver(DomainBuild *build, const DomainDisk *disk, GError **error)
{
    g_autofree char *cache = disk_value(build, disk, "CACHE");
    g_autofree char *io = disk_value(build, disk, "IO");
    g_autofree char *discard = disk_value(build, disk, "DISCARD");
    g_autofree char *own_queues = disk_value(build, disk, "VIRTIO_BLK_QUEUES");
    g_autofree char *all_queues = domain_value(build, "FEATURES", "VIRTIO_BLK_QUEUES");
    g_autofree char *queues = domain_queues(build, own_queues ? own_queues : all_queues);
    gboolean virtio = g_str_equal(disk->bus, "virtio");
    if (io && !g_ascii_strcasecmp(io, "native") && cache &&
        g_ascii_strcasecmp(cache, "none") != 0 && g_ascii_strcasecmp(cache, "directsync") != 0)
        return wrong(error, "disk %s: IO=\"native\" needs CACHE none or directsync, not \"%s\"",
                     disk->id, cache);
    char *const texts[] = {cache, io, discard};
    static const char *const names[] = {"cache", "io", "discard"};
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *word = texts[i] ? g_ascii_strdown(texts[i], -1) : NULL;
        domain_attribute(&build->writer, names[i], word);
    }
    if (virtio)
        domain_attribute(&build->writer, "queues", queues);
    if (virtio && build->iothreads > 0)
        domain_attribute_int(&build->writer, "iothread", pick_iothread(build, disk));
    return TRUE;
}

/* Xen's own back end serves block devices; files go through QEMU, whatever their format. */
static gboolean write_driver(DomainBuild *build, const DomainDisk *disk, GError **error)
{
    gboolean phy = domain_has(build, DOMAIN_XEN) && disk->block;
    gboolean good = TRUE;
    domain_open(&build->writer, "driver");
    domain_attribute(&build->writer, "name", phy ? "phy" : "qemu");
    domain_attribute(&build->writer, "type", disk->format);
    if (disk->kind == DISK_PLAIN && domain_has(build, DOMAIN_QEMU))
        good = write_qemu_driver(build, disk, error);
    domain_close(&build->writer);
    return good;
}

static void write_address(DomainBuild *build, const DomainDisk *disk)
{
    gboolean sata = g_strcmp0(disk->bus, "sata") == 0;
    if (disk->unit < 0)
        return;
    domain_open(&build->writer, "address");
    domain_attribute(&build->writer, "type", "drive");
    domain_attribute_int(&build->writer, "controller", sata ? disk->unit / SATA_PORTS : 0);
    domain_attribute_int(&build->writer, "bus", 0);
    domain_attribute_int(&build->writer, "target", sata ? 0 : disk->unit);
    domain_attribute_int(&build->writer, "unit", sata ? disk->unit % SATA_PORTS : 0);
    domain_close(&build->writer);
}

static void write_flags(DomainBuild *build, const DomainDisk *disk)
{
    g_autofree char *shareable = domain_text(disk->node, "SHAREABLE");
    g_autofree char *serial = domain_text(disk->node, "SERIAL");
    g_autofree char *secret = domain_text(disk->node, "LUKS_SECRET");
    if (disk->readonly) {
        domain_open(&build->writer, "readonly");
        domain_close(&build->writer);
    }
    if (disk->context)
        return;
    if (vmm_is_yes(shareable)) {
        domain_open(&build->writer, "shareable");
        domain_close(&build->writer);
    }
    domain_leaf(&build->writer, "serial", serial);
    if (secret) {
        domain_open(&build->writer, "encryption");
        domain_attribute(&build->writer, "format", "luks");
        domain_open(&build->writer, "secret");
        domain_attribute(&build->writer, "type", "passphrase");
        domain_attribute(&build->writer, "uuid", secret);
        domain_close(&build->writer);
        domain_close(&build->writer);
    }
    domain_write_order(build, disk->node, "disk", disk->id);
}

static gboolean write_source(DomainBuild *build, const DomainDisk *disk, GError **error)
{
    if (disk->protocol)
        return write_network_source(build, disk, error);
    domain_empty(&build->writer, "source", disk->block ? "dev" : "file", disk->path);
    return TRUE;
}

/* ---- a directory of the host ---- */

static gboolean write_shared_directory(DomainBuild *build, const DomainDisk *disk, GError **error)
{
    g_autofree char *source = domain_text(disk->node, "SOURCE");
    g_autofree char *tag = domain_text(disk->node, "MOUNT_TAG");
    if (!source || !tag)
        return wrong(error,
                     "disk %s of type FILESYSTEM needs SOURCE, a directory of the host, "
                     "and MOUNT_TAG, its name in the guest",
                     disk->id);
    domain_open(&build->writer, "filesystem");
    domain_attribute(&build->writer, "type", "mount");
    domain_attribute(&build->writer, "accessmode", "passthrough");
    domain_open(&build->writer, "driver");
    domain_attribute(&build->writer, "type", "virtiofs");
    domain_attribute_int(&build->writer, "queue", 1024);
    domain_close(&build->writer);
    domain_empty(&build->writer, "source", "dir", source);
    domain_empty(&build->writer, "target", "dir", tag);
    if (disk->readonly) {
        domain_open(&build->writer, "readonly");
        domain_close(&build->writer);
    }
    domain_close(&build->writer);
    return TRUE;
}

gboolean domain_uses_shared_directory(const DomainBuild *build)
{
    for (guint i = 0; i < build->disks->len; i++)
        if (((const DomainDisk *)build->disks->pdata[i])->directory)
            return TRUE;
    return FALSE;
}

/* ---- all of them ---- */

gboolean domain_write_disk(DomainBuild *build, const DomainDisk *disk, GError **error)
{
    static const char *const devices[] = {"disk", "cdrom", "floppy"};
    if (disk->directory)
        return write_shared_directory(build, disk, error);
    domain_open(&build->writer, "disk");
    domain_attribute(&build->writer, "type",
                     disk->protocol ? "network"
                     : disk->block  ? "block"
                                    : "file");
    domain_attribute(&build->writer, "device", devices[disk->kind]);
    gboolean good = write_driver(build, disk, error) && write_source(build, disk, error);
    domain_open(&build->writer, "target");
    domain_attribute(&build->writer, "dev", disk->target);
    domain_attribute(&build->writer, "bus", disk->bus);
    domain_close(&build->writer);
    write_flags(build, disk);
    if (good && !disk->context && domain_has(build, DOMAIN_QEMU))
        good = write_limits(build, disk, error);
    write_address(build, disk);
    domain_close(&build->writer);
    return good;
}

gboolean domain_write_disks(DomainBuild *build, GError **error)
{
    for (guint i = 0; i < build->disks->len; i++)
        if (!domain_write_disk(build, build->disks->pdata[i], error))
            return FALSE;
    return TRUE;
}

/* The first disk is the container's root. */
gboolean domain_write_container_root(DomainBuild *build, GError **error)
{
    if (build->disks->len == 0)
        return wrong(error, "a container needs a DISK: it becomes its root directory");
    const DomainDisk *disk = build->disks->pdata[0];
    g_autofree char *format = domain_text(disk->node, "FORMAT");
    gboolean directory = format && !g_ascii_strcasecmp(format, "dir");
    domain_open(&build->writer, "filesystem");
    domain_attribute(&build->writer, "type", directory ? "mount" : disk->block ? "block" : "file");
    domain_attribute(&build->writer, "accessmode", "passthrough");
    if (!directory && !disk->block) {
        gboolean raw = g_str_equal(disk->format, "raw");
        domain_open(&build->writer, "driver");
        domain_attribute(&build->writer, "type", raw ? "loop" : "nbd");
        domain_attribute(&build->writer, "format", disk->format);
        domain_close(&build->writer);
    }
    domain_empty(&build->writer, "source",
                 directory     ? "dir"
                 : disk->block ? "dev"
                               : "file",
                 disk->path);
    domain_empty(&build->writer, "target", "dir", "/");
    domain_close(&build->writer);
    return TRUE;
}
