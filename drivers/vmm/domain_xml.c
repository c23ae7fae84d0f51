#include "drivers/vmm/domain_xml.h"

#include "drivers/vmm/domain_disks.h"
#include "drivers/vmm/domain_writer.h"
#include "drivers/vmm/vmm_action.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <math.h>
#include <string.h>

#define QEMU_NAMESPACE    "http://libvirt.org/schemas/domain/qemu/1.0"
#define MACHINE_NAMESPACE "http://opennebula.org/xmlns/libvirt/1.0"

/* What is gathered while a document is written. */
typedef struct Build {
    const DomainRequest *request;
    const xmlNode *template; /* VM/TEMPLATE */
    GPtrArray *disks;
    DomainWriter writer;
} Build;

static gboolean has_trait(const Build *build, DomainTraits trait)
{
    return (build->request->dialect->traits & trait) != 0;
}

/* TEMPLATE/<vector>/<name>, else the default of that name. (owned) */
static char *setting(const Build *build, const char *vector, const char *name)
{
    return domain_setting(build->request, xml_find(build->template, vector), vector, name);
}

/* ---- size ---- */

/* Control groups weigh a core as 1024 (version 1, 2..262144) or 100 (version 2, 1..10000).
 * When the version is not known, 1024 within 2..10000 is valid for both. */
static gint64 cpu_shares(const Build *build, double cpu)
{
    const char *version =
        build->request->defaults ? template_get(build->request->defaults, "CGROUPS_VERSION") : NULL;
    gboolean second = g_strcmp0(version, "2") == 0;
    double base = second ? 100 : 1024;
    double maximum = g_strcmp0(version, "1") == 0 ? 262144 : 10000;
    return (gint64)CLAMP(ceil(base * cpu), second ? 1 : 2, maximum);
}

static gboolean write_size(Build *build, GError **error)
{
    g_autofree char *memory = domain_text(build->template, "MEMORY");
    g_autofree char *vcpu = domain_text(build->template, "VCPU");
    g_autofree char *vcpu_max = domain_text(build->template, "VCPU_MAX");
    g_autofree char *cpu = domain_text(build->template, "CPU");
    gint64 megabytes = memory ? g_ascii_strtoll(memory, NULL, 10) : 0;
    gint64 count = vcpu ? g_ascii_strtoll(vcpu, NULL, 10) : 1;
    gint64 most = vcpu_max ? g_ascii_strtoll(vcpu_max, NULL, 10) : count;
    if (megabytes <= 0 || count <= 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "%s=\"%s\" of machine %" G_GINT64_FORMAT " must be a positive number",
                    megabytes <= 0 ? "MEMORY" : "VCPU",
                    megabytes <= 0 ? (memory ? memory : "") : vcpu, build->request->vid);
        return FALSE;
    }
    domain_open(&build->writer, "vcpu");
    if (most > count)
        domain_attribute_int(&build->writer, "current", count);
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, MAX(most, count));
    domain_raw(&build->writer, text);
    domain_close(&build->writer);
    if (has_trait(build, DOMAIN_SHARES) && !build->request->without_shares) {
        domain_open(&build->writer, "cputune");
        domain_leaf_int(&build->writer, "shares",
                        cpu_shares(build, cpu ? g_ascii_strtod(cpu, NULL) : 1));
        domain_close(&build->writer);
    }
    domain_leaf_int(&build->writer, "memory", megabytes * 1024); /* KiB */
    return TRUE;
}

/* ---- start ---- */

/* "hd,cdrom,network" of old; the newer "disk0,nic0" is an element of each device. */
static void write_old_boot(Build *build)
{
    static const struct {
        const char *word, *device;
    } words[] = {{"hd", "hd"},       {"cdrom", "cdrom"}, {"network", "network"},
                 {"net", "network"}, {"fd", "fd"},       {"floppy", "fd"}};
    g_autofree char *boot = setting(build, "OS", "BOOT");
    g_auto(GStrv) list = g_strsplit_set(boot ? boot : "", ", ", -1);
    for (char **item = list; *item; item++)
        for (guint i = 0; i < G_N_ELEMENTS(words); i++)
            if (!g_ascii_strcasecmp(*item, words[i].word))
                domain_empty(&build->writer, "boot", "dev", words[i].device);
}

static char *command_line(Build *build)
{
    g_autofree char *root = setting(build, "OS", "ROOT");
    g_autofree char *rest = setting(build, "OS", "KERNEL_CMD");
    if (!root)
        return g_steal_pointer(&rest);
    g_autofree char *device = domain_disks_root(build->disks, root);
    return g_strdup_printf("root=/dev/%s%s%s", device, rest ? " " : "", rest ? rest : "");
}

static void write_os(Build *build)
{
    const DomainDialect *dialect = build->request->dialect;
    g_autofree char *arch = setting(build, "OS", "ARCH");
    g_autofree char *machine = setting(build, "OS", "MACHINE");
    g_autofree char *kernel = setting(build, "OS", "KERNEL");
    g_autofree char *initrd = setting(build, "OS", "INITRD");
    g_autofree char *bootloader = setting(build, "OS", "BOOTLOADER");
    g_autofree char *init = setting(build, "OS", "INIT");
    gboolean own = kernel || bootloader;
    gboolean pvh = own && !has_trait(build, DOMAIN_QEMU) && g_strcmp0(machine, "xenpvh") == 0;
    if (!has_trait(build, DOMAIN_QEMU))
        domain_leaf(&build->writer, "bootloader", kernel ? NULL : bootloader);
    domain_open(&build->writer, "os");
    domain_open(&build->writer, "type");
    domain_attribute(&build->writer, "arch", arch);
    if (!has_trait(build, DOMAIN_CONTAINER))
        domain_attribute(&build->writer, "machine", machine);
    domain_raw(&build->writer, pvh ? "xenpvh" : own ? dialect->os_kernel : dialect->os_plain);
    domain_close(&build->writer);
    if (has_trait(build, DOMAIN_CONTAINER)) {
        domain_leaf(&build->writer, "init", init ? init : "/sbin/init");
    } else if (kernel) {
        g_autofree char *line = command_line(build);
        domain_leaf(&build->writer, "kernel", kernel);
        domain_leaf(&build->writer, "initrd", initrd);
        domain_leaf(&build->writer, "cmdline", line);
    } else if (!own) {
        write_old_boot(build);
    }
    domain_close(&build->writer);
}

static void write_cpu(Build *build)
{
    g_autofree char *model = setting(build, "CPU_MODEL", "MODEL");
    g_autofree char *features = setting(build, "CPU_MODEL", "FEATURES");
    if (!model || !has_trait(build, DOMAIN_QEMU))
        return;
    domain_open(&build->writer, "cpu");
    if (g_str_has_prefix(model, "host-")) {
        domain_attribute(&build->writer, "mode", model);
    } else {
        domain_attribute(&build->writer, "mode", "custom");
        domain_attribute(&build->writer, "match", "exact");
        domain_open(&build->writer, "model");
        domain_attribute(&build->writer, "fallback", "allow");
        domain_raw(&build->writer, "");
        g_autofree char *escaped = g_markup_escape_text(model, -1);
        domain_raw(&build->writer, escaped);
        domain_close(&build->writer);
    }
    g_auto(GStrv) list = g_strsplit_set(features ? features : "", ", ", -1);
    for (char **item = list; *item; item++) {
        if (!**item)
            continue;
        domain_open(&build->writer, "feature");
        domain_attribute(&build->writer, "policy", "require");
        domain_attribute(&build->writer, "name", *item);
        domain_close(&build->writer);
    }
    domain_close(&build->writer);
}

/* ---- devices ---- */

/* The first disk is the container's root. */
static gboolean write_container_root(Build *build, GError **error)
{
    if (build->disks->len == 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "a container needs a DISK: it becomes its root directory");
        return FALSE;
    }
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

static void write_controllers(Build *build)
{
    if (!has_trait(build, DOMAIN_QEMU) || !domain_disks_use(build->disks, "scsi"))
        return;
    domain_open(&build->writer, "controller");
    domain_attribute(&build->writer, "type", "scsi");
    domain_attribute_int(&build->writer, "index", 0);
    domain_attribute(&build->writer, "model", "virtio-scsi");
    domain_close(&build->writer);
}

/* A NIC without MAC keeps one and the same through stop, resume and moves: it is made of
 * the ids, in the range that nobody owns (second bit of the first byte). */
static char *mac_of(const Build *build, const xmlNode *nic, guint place)
{
    char *mac = domain_text(nic, "MAC");
    guint64 vid = (guint64)build->request->vid;
    return mac ? mac
               : g_strdup_printf("06:6f:%02x:%02x:%02x:%02x", (guint)(vid >> 16 & 0xff),
                                 (guint)(vid >> 8 & 0xff), (guint)(vid & 0xff), place & 0xff);
}

static void write_filter(Build *build, const xmlNode *nic)
{
    g_autofree char *filter = domain_setting(build->request, nic, "NIC", "FILTER");
    g_autofree char *ip = domain_text(nic, "IP");
    if (!filter || !has_trait(build, DOMAIN_QEMU))
        return;
    domain_open(&build->writer, "filterref");
    domain_attribute(&build->writer, "filter", filter);
    if (ip) {
        domain_open(&build->writer, "parameter");
        domain_attribute(&build->writer, "name", "IP");
        domain_attribute(&build->writer, "value", ip);
        domain_close(&build->writer);
    }
    domain_close(&build->writer);
}

static void write_nic(Build *build, const xmlNode *nic, guint place)
{
    g_autofree char *bridge = domain_setting(build->request, nic, "NIC", "BRIDGE");
    g_autofree char *mac = mac_of(build, nic, place);
    g_autofree char *target = domain_text(nic, "TARGET");
    g_autofree char *script = domain_text(nic, "SCRIPT");
    g_autofree char *model = domain_setting(build->request, nic, "NIC", "MODEL");
    g_autofree char *id = domain_text(nic, "NIC_ID");
    g_autofree char *number = g_strdup_printf("%u", place);
    guint order = domain_boot_order(build->request, "nic", id ? id : number);
    const char *kind = model ? model : build->request->dialect->nic_model;
    /* Xen connects to its default bridge by itself; elsewhere a NIC without bridge is there
     * but connected to nothing. */
    gboolean xen = !has_trait(build, DOMAIN_QEMU | DOMAIN_CONTAINER);
    domain_open(&build->writer, "interface");
    domain_attribute(&build->writer, "type",
                     bridge || !has_trait(build, DOMAIN_QEMU) ? "bridge" : "ethernet");
    domain_empty(&build->writer, "mac", "address", mac);
    domain_empty(&build->writer, "source", "bridge",
                 bridge                               ? bridge
                 : xen                                ? "xenbr0"
                 : has_trait(build, DOMAIN_CONTAINER) ? "br0"
                                                      : NULL);
    domain_empty(&build->writer, "script", "path", script);
    /* The kernel takes 15 characters. */
    domain_empty(&build->writer, "target", "dev", target && strlen(target) < 16 ? target : NULL);
    if (!has_trait(build, DOMAIN_CONTAINER))
        domain_empty(&build->writer, "model", "type", kind);
    write_filter(build, nic);
    if (order) {
        domain_open(&build->writer, "boot");
        domain_attribute_int(&build->writer, "order", order);
        domain_close(&build->writer);
    }
    domain_close(&build->writer);
}

static void write_nics(Build *build)
{
    guint place = 0;
    const xmlNode *nic = xml_find(build->template, "NIC");
    for (; nic; nic = xml_next_same(nic))
        write_nic(build, nic, place++);
}

static void write_graphics(Build *build)
{
    g_autofree char *type = setting(build, "GRAPHICS", "TYPE");
    if (!type || !xml_find(build->template, "GRAPHICS"))
        return;
    g_autofree char *kind = g_ascii_strdown(type, -1);
    g_autofree char *listen = setting(build, "GRAPHICS", "LISTEN");
    g_autofree char *port = setting(build, "GRAPHICS", "PORT");
    g_autofree char *password = setting(build, "GRAPHICS", "PASSWD");
    g_autofree char *keymap = setting(build, "GRAPHICS", "KEYMAP");
    domain_open(&build->writer, "graphics");
    domain_attribute(&build->writer, "type", kind);
    if (!g_str_equal(kind, "sdl")) {
        gboolean fixed = port && g_ascii_strtoll(port, NULL, 10) > 0;
        domain_attribute(&build->writer, "listen", listen ? listen : "127.0.0.1");
        domain_attribute(&build->writer, "port", fixed ? port : "-1");
        domain_attribute(&build->writer, "autoport", fixed ? "no" : "yes");
        domain_attribute(&build->writer, "passwd", password);
        domain_attribute(&build->writer, "keymap", keymap);
    }
    domain_close(&build->writer);
}

static void write_video(Build *build)
{
    g_autofree char *type = setting(build, "VIDEO", "TYPE");
    g_autofree char *vram = setting(build, "VIDEO", "VRAM");
    if (!type)
        return;
    g_autofree char *kind = g_ascii_strdown(type, -1);
    domain_open(&build->writer, "video");
    domain_open(&build->writer, "model");
    domain_attribute(&build->writer, "type", kind);
    if (!g_str_equal(kind, "none"))
        domain_attribute(&build->writer, "vram", vram);
    domain_close(&build->writer);
    domain_close(&build->writer);
}

static void write_inputs(Build *build)
{
    const xmlNode *input = xml_find(build->template, "INPUT");
    for (; input; input = xml_next_same(input)) {
        g_autofree char *type = domain_text(input, "TYPE");
        g_autofree char *bus = domain_text(input, "BUS");
        if (!type)
            continue;
        domain_open(&build->writer, "input");
        domain_attribute(&build->writer, "type", type);
        domain_attribute(&build->writer, "bus", bus);
        domain_close(&build->writer);
    }
}

/* A line that `virsh console` talks to, and that is also written to console.log beside the
 * disks, so that what a guest said when nobody listened can be read. */
static void write_console(Build *build)
{
    const char *directory = build->request->directory;
    if (has_trait(build, DOMAIN_QEMU)) {
        domain_open(&build->writer, "serial");
        domain_attribute(&build->writer, "type", "pty");
        if (directory) {
            g_autofree char *path = g_build_filename(directory, "console.log", NULL);
            domain_open(&build->writer, "log");
            domain_attribute(&build->writer, "file", path);
            domain_attribute(&build->writer, "append", "on");
            domain_close(&build->writer);
        }
        domain_empty(&build->writer, "target", "port", "0");
        domain_close(&build->writer);
    }
    domain_open(&build->writer, "console");
    domain_attribute(&build->writer, "type", "pty");
    if (has_trait(build, DOMAIN_QEMU)) {
        domain_open(&build->writer, "target");
        domain_attribute(&build->writer, "type", "serial");
        domain_attribute_int(&build->writer, "port", 0);
        domain_close(&build->writer);
    }
    domain_close(&build->writer);
}

static void write_agent(Build *build)
{
    g_autofree char *agent = setting(build, "FEATURES", "GUEST_AGENT");
    if (!vmm_is_yes(agent) || !has_trait(build, DOMAIN_QEMU))
        return;
    domain_open(&build->writer, "channel");
    domain_attribute(&build->writer, "type", "unix");
    domain_open(&build->writer, "target");
    domain_attribute(&build->writer, "type", "virtio");
    domain_attribute(&build->writer, "name", "org.qemu.guest_agent.0");
    domain_close(&build->writer);
    domain_close(&build->writer);
}

static gboolean write_devices(Build *build, GError **error)
{
    const Template *defaults = build->request->defaults;
    g_autofree char *emulator = domain_text(build->template, "EMULATOR");
    const char *standard = defaults ? template_get(defaults, "EMULATOR") : NULL;
    domain_open(&build->writer, "devices");
    domain_leaf(&build->writer, "emulator", emulator ? emulator : standard);
    if (has_trait(build, DOMAIN_CONTAINER)) {
        if (!write_container_root(build, error))
            return FALSE;
    } else {
        domain_disks_write(build->request, build->disks, &build->writer);
        write_controllers(build);
    }
    write_nics(build);
    if (!has_trait(build, DOMAIN_CONTAINER)) {
        write_graphics(build);
        write_video(build);
        write_inputs(build);
        write_agent(build);
    }
    write_console(build);
    domain_close(&build->writer);
    return TRUE;
}

/* ---- the rest ---- */

static void write_features(Build *build)
{
    static const struct {
        const char *name, *element;
    } features[] = {{"PAE", "pae"}, {"ACPI", "acpi"}, {"APIC", "apic"}};
    g_autofree char *localtime = setting(build, "FEATURES", "LOCALTIME");
    if (has_trait(build, DOMAIN_CONTAINER))
        return;
    domain_open(&build->writer, "features");
    for (guint i = 0; i < G_N_ELEMENTS(features); i++) {
        g_autofree char *value = setting(build, "FEATURES", features[i].name);
        if (!vmm_is_yes(value))
            continue;
        domain_open(&build->writer, features[i].element);
        domain_close(&build->writer);
    }
    domain_close(&build->writer);
    if (vmm_is_yes(localtime))
        domain_empty(&build->writer, "clock", "offset", "localtime");
}

static void write_metadata(Build *build)
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

/* RAW is the user's own XML. It is read once by itself, so that a slip in it is told as such. */
static gboolean write_raw(Build *build, const char *data, GError **error)
{
    if (!data)
        return TRUE;
    g_autofree char *whole =
        g_strdup_printf("<raw xmlns:qemu=\"" QEMU_NAMESPACE "\">%s</raw>", data);
    g_autoptr(xmlDoc) document = xml_read(whole, strlen(whole), XML_DEPTH_MAX, error);
    if (!document) {
        g_prefix_error(error, "RAW/DATA is not well-formed: ");
        return FALSE;
    }
    domain_raw(&build->writer, data);
    domain_raw(&build->writer, "\n");
    return TRUE;
}

static gboolean write_all_raw(Build *build, GError **error)
{
    const DomainDialect *dialect = build->request->dialect;
    const xmlNode *node = xml_find(build->template, "RAW");
    for (; node; node = xml_next_same(node)) {
        g_autofree char *type = domain_text(node, "TYPE");
        g_autofree char *data = domain_text(node, "DATA");
        gboolean mine =
            type && (!g_ascii_strcasecmp(type, dialect->type) ||
                     (has_trait(build, DOMAIN_QEMU) &&
                      (!g_ascii_strcasecmp(type, "kvm") || !g_ascii_strcasecmp(type, "qemu"))));
        if (mine && !write_raw(build, data, error))
            return FALSE;
    }
    const Template *defaults = build->request->defaults;
    return !defaults || write_raw(build, template_get_pair(defaults, "RAW", "DATA"), error);
}

static void write_identity(Build *build)
{
    const DomainRequest *request = build->request;
    g_autofree char *title = domain_text(request->vm, "NAME");
    domain_leaf(&build->writer, "name", request->name);
    domain_leaf(&build->writer, "title", title ? g_strdelimit(title, "\n\r\t", ' ') : NULL);
    domain_leaf(&build->writer, "uuid", request->uuid);
}

char *domain_xml(const DomainRequest *request, GError **error)
{
    Build build = {request, xml_find(request->vm, "TEMPLATE"), NULL, {NULL}};
    g_autoptr(GPtrArray) disks = domain_disks_plan(request, error);
    if (!disks)
        return NULL;
    build.disks = disks;
    build.writer = domain_writer_new();
    domain_open(&build.writer, "domain");
    domain_attribute(&build.writer, "type", request->dialect->type);
    if (has_trait(&build, DOMAIN_QEMU))
        domain_attribute(&build.writer, "xmlns:qemu", QEMU_NAMESPACE);
    write_identity(&build);
    gboolean good = write_size(&build, error);
    if (good) {
        write_os(&build);
        write_cpu(&build);
        good = write_devices(&build, error);
    }
    if (good) {
        write_features(&build);
        write_metadata(&build);
        good = write_all_raw(&build, error);
    }
    g_autofree char *text = domain_writer_end(&build.writer);
    return good ? g_steal_pointer(&text) : NULL;
}
