/* How a machine starts, and what its board can do. */
#include "drivers/vmm/domain/domain_build.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, __VA_ARGS__), FALSE)

/* ---- firmware ---- */

typedef struct Firmware {
    char *path;    /* one of OVMF_UEFIS; NULL else */
    gboolean find; /* libvirt finds one that fits */
    gboolean secure;
} Firmware;

/* A path would make QEMU open any file of the host, so only those of the administrator's list
 * can be asked for. */
static gboolean read_firmware(const DomainBuild *build, Firmware *firmware, GError **error)
{
    g_autofree char *asked = domain_value(build, "OS", "FIRMWARE");
    const char *known = domain_standard(build->request, NULL, "OVMF_UEFIS");
    if (!domain_has(build, DOMAIN_QEMU) || !asked || !g_ascii_strcasecmp(asked, "BIOS"))
        return TRUE;
    firmware->secure = domain_yes(build, "OS", "FIRMWARE_SECURE");
    firmware->find = !g_ascii_strcasecmp(asked, "UEFI");
    g_auto(GStrv) list = g_strsplit_set(known ? known : "", " \t\n", -1);
    if (firmware->find)
        return TRUE;
    if (!g_strv_contains((const char *const *)list, asked))
        return wrong(error,
                     "OS/FIRMWARE=\"%s\" cannot be used: give BIOS, UEFI, or one of the files of "
                     "OVMF_UEFIS in etc/vmm_exec_kvm.conf (%s)",
                     asked, known ? known : "none");
    firmware->path = g_steal_pointer(&asked);
    return TRUE;
}

static void write_firmware(DomainBuild *build, const Firmware *firmware)
{
    if (firmware->find) {
        domain_open(&build->writer, "firmware");
        domain_open(&build->writer, "feature");
        domain_attribute(&build->writer, "enabled", firmware->secure ? "yes" : "no");
        domain_attribute(&build->writer, "name", "secure-boot");
        domain_close(&build->writer);
        domain_close(&build->writer);
    }
    if (!firmware->path)
        return;
    g_autofree char *format = domain_value(build, "OS", "FIRMWARE_FORMAT");
    g_autofree char *kind = g_ascii_strdown(format ? format : "raw", -1);
    domain_open(&build->writer, "loader");
    domain_attribute(&build->writer, "readonly", "yes");
    domain_attribute(&build->writer, "secure", firmware->secure ? "yes" : "no");
    domain_attribute(&build->writer, "type", "pflash");
    domain_put(&build->writer, firmware->path);
    domain_close(&build->writer);
    /* Its variables are kept beside the disks, and go where they go. */
    if (build->request->directory) {
        g_autofree char *variables = g_build_filename(build->request->directory, "nvram.fd", NULL);
        domain_open(&build->writer, "nvram");
        domain_attribute(&build->writer, "format", g_str_equal(kind, "raw") ? NULL : kind);
        domain_put(&build->writer, variables);
        domain_close(&build->writer);
    }
}

/* Sleep states of the board keep UEFI on PCs from starting. */
static void write_power(DomainBuild *build, const Firmware *firmware)
{
    g_autofree char *arch = domain_value(build, "OS", "ARCH");
    if ((!firmware->path && !firmware->find) || g_strcmp0(arch, "aarch64") == 0)
        return;
    domain_open(&build->writer, "pm");
    domain_empty(&build->writer, "suspend-to-mem", "enabled", "no");
    domain_empty(&build->writer, "suspend-to-disk", "enabled", "no");
    domain_close(&build->writer);
}

/* ---- the start ---- */

/* "hd,cdrom,network" of old; the newer "disk0,nic0" is an element of each device. */
static void write_old_boot(DomainBuild *build)
{
    static const struct {
        const char *word, *device;
    } words[] = {{"hd", "hd"},       {"cdrom", "cdrom"}, {"network", "network"},
                 {"net", "network"}, {"fd", "fd"},       {"floppy", "fd"}};
    g_autofree char *boot = domain_value(build, "OS", "BOOT");
    g_auto(GStrv) list = g_strsplit_set(boot ? boot : "", ", ", -1);
    for (char **item = list; *item; item++)
        for (guint i = 0; i < G_N_ELEMENTS(words); i++)
            if (!g_ascii_strcasecmp(*item, words[i].word))
                domain_empty(&build->writer, "boot", "dev", words[i].device);
}

static char *command_line(DomainBuild *build)
{
    g_autofree char *root = domain_value(build, "OS", "ROOT");
    g_autofree char *rest = domain_value(build, "OS", "KERNEL_CMD");
    if (!root)
        return g_steal_pointer(&rest);
    g_autofree char *device = domain_disks_root(build->disks, root);
    return g_strdup_printf("root=/dev/%s%s%s", device, rest ? " " : "", rest ? rest : "");
}

/* A path, or a file of a datastore that was brought beside the disks. (owned) */
static char *boot_file(DomainBuild *build, const char *name, const char *stored, const char *file)
{
    g_autofree char *image = domain_value(build, "OS", stored);
    if (image && build->request->directory)
        return g_build_filename(build->request->directory, file, NULL);
    return domain_value(build, "OS", name);
}

static void write_kernel(DomainBuild *build, const char *kernel)
{
    g_autofree char *initrd = boot_file(build, "INITRD", "INITRD_DS", "initrd");
    g_autofree char *line = command_line(build);
    domain_leaf(&build->writer, "kernel", kernel);
    domain_leaf(&build->writer, "initrd", initrd);
    domain_leaf(&build->writer, "cmdline", line);
}

static void write_type(DomainBuild *build, gboolean own)
{
    const DomainDialect *dialect = build->request->dialect;
    g_autofree char *arch = domain_value(build, "OS", "ARCH");
    g_autofree char *machine = domain_value(build, "OS", "MACHINE");
    gboolean pvh = domain_has(build, DOMAIN_XEN) && g_strcmp0(machine, "xenpvh") == 0;
    domain_open(&build->writer, "type");
    domain_attribute(&build->writer, "arch", arch);
    if (!domain_has(build, DOMAIN_CONTAINER))
        domain_attribute(&build->writer, "machine", machine);
    domain_put(&build->writer, pvh ? "xenpvh" : own ? dialect->os_kernel : dialect->os_plain);
    domain_close(&build->writer);
}

gboolean domain_write_os(DomainBuild *build, GError **error)
{
    g_autofree char *kernel = boot_file(build, "KERNEL", "KERNEL_DS", "kernel");
    g_autofree char *bootloader = domain_value(build, "OS", "BOOTLOADER");
    g_autofree char *init = domain_value(build, "OS", "INIT");
    Firmware firmware = {NULL};
    if (!read_firmware(build, &firmware, error))
        return FALSE;
    /* A program of the host that finds the kernel in the guest's disk, such as pygrub; QEMU's
     * machines find theirs themselves. */
    if (domain_has(build, DOMAIN_XEN))
        domain_leaf(&build->writer, "bootloader", kernel ? NULL : bootloader);
    domain_open(&build->writer, "os");
    if (firmware.find)
        domain_attribute(&build->writer, "firmware", "efi");
    write_type(build, kernel || (bootloader && domain_has(build, DOMAIN_XEN)));
    if (domain_has(build, DOMAIN_CONTAINER)) {
        domain_leaf(&build->writer, "init", init ? init : "/sbin/init");
    } else {
        write_firmware(build, &firmware);
        if (kernel)
            write_kernel(build, kernel);
        else if (!bootloader || !domain_has(build, DOMAIN_XEN))
            write_old_boot(build);
    }
    domain_close(&build->writer);
    write_power(build, &firmware);
    g_free(firmware.path);
    return TRUE;
}

/* ---- features ---- */

static gboolean write_hyperv(DomainBuild *build, GError **error)
{
    g_autofree char *options = domain_value(build, NULL, "HYPERV_OPTIONS");
    if (!domain_yes(build, "FEATURES", "HYPERV"))
        return TRUE;
    domain_open(&build->writer, "hyperv");
    gboolean good = domain_write_given(build, "HYPERV_OPTIONS", options, error);
    domain_close(&build->writer);
    return good;
}

static void write_flag(DomainBuild *build, const char *element, const char *name)
{
    if (!domain_yes(build, "FEATURES", name))
        return;
    domain_open(&build->writer, element);
    domain_close(&build->writer);
}

static gboolean write_clock(DomainBuild *build, GError **error)
{
    gboolean local = domain_yes(build, "FEATURES", "LOCALTIME");
    gboolean hyperv = domain_has(build, DOMAIN_QEMU) && domain_yes(build, "FEATURES", "HYPERV");
    const char *timers = hyperv ? domain_standard(build->request, NULL, "HYPERV_TIMERS") : NULL;
    if (!local && !timers)
        return TRUE;
    domain_open(&build->writer, "clock");
    domain_attribute(&build->writer, "offset", local ? "localtime" : "utc");
    gboolean good = domain_write_given(build, "HYPERV_TIMERS", timers, error);
    domain_close(&build->writer);
    return good;
}

gboolean domain_write_features(DomainBuild *build, GError **error)
{
    g_autofree char *gic = domain_value(build, "FEATURES", "GIC");
    if (domain_has(build, DOMAIN_CONTAINER))
        return TRUE;
    domain_open(&build->writer, "features");
    write_flag(build, "acpi", "ACPI");
    write_flag(build, "apic", "APIC");
    write_flag(build, "pae", "PAE");
    gboolean good = TRUE;
    if (domain_has(build, DOMAIN_QEMU)) {
        g_autofree char *iommu = domain_text(build->template, "IOMMU/MODEL");
        good = write_hyperv(build, error);
        /* Intel's remaps interrupts only when QEMU has the controller, not the kernel. */
        if (iommu && !g_ascii_strcasecmp(iommu, "intel"))
            domain_empty(&build->writer, "ioapic", "driver", "qemu");
        if (domain_yes(build, "OS", "FIRMWARE_SECURE"))
            domain_empty(&build->writer, "smm", "state", "on");
        domain_empty(&build->writer, "gic", "version", gic);
        if (domain_yes(build, "FEATURES", "RAS"))
            domain_empty(&build->writer, "ras", "state", "on");
    }
    domain_close(&build->writer);
    return good && write_clock(build, error);
}
