#include "drivers/vmm/check/domain_check.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <gio/gio.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

typedef enum {
    HOLDS_YES_NO,
    HOLDS_NUMBER,  /* low ... high */
    HOLDS_COUNT,   /* the same, or "auto" */
    HOLDS_WORD,    /* one of `words`, in any case */
    HOLDS_NAME,    /* letters, digits and . _ + : - */
    HOLDS_NAMES,   /* several of them */
    HOLDS_CPUS,    /* "0,4-7" */
    HOLDS_ADDRESS, /* of a network, or the name of a computer */
    HOLDS_MAC,
    HOLDS_HEX,  /* a number of a PCI address, with or without 0x */
    HOLDS_PATH, /* absolute, on one line */
    HOLDS_SIZE, /* "1920x1080" */
    HOLDS_UUID,
} Holding;

typedef struct Check {
    const char *vector; /* NULL: a single attribute */
    const char *name;
    Holding holding;
    gint64 low, high;
    const char *words;
} Check;

#define LIMIT(name)                                                                                \
    {                                                                                              \
        "DISK", name, HOLDS_NUMBER, 0, G_MAXINT64                                                  \
    }
#define RATE(name)                                                                                 \
    {                                                                                              \
        "NIC", name, HOLDS_NUMBER, 0, G_MAXINT32                                                   \
    }

static const Check checks[] = {
    {NULL, "VCPU", HOLDS_NUMBER, 1, 65536},
    {NULL, "VCPU_MAX", HOLDS_NUMBER, 1, 65536},
    {NULL, "MEMORY_MAX", HOLDS_NUMBER, 1, G_MAXINT32},
    {NULL, "MEMORY_SLOTS", HOLDS_NUMBER, 1, 256},
    {NULL, "MEMORY_RESIZE_MODE", HOLDS_WORD, .words = "BALLOONING HOTPLUG"},
    {NULL, "EMULATOR", HOLDS_PATH},
    {NULL, "EMULATOR_CPUS", HOLDS_CPUS},
    {NULL, "CGROUPS_VERSION", HOLDS_NUMBER, 0, 2},
    {NULL, "Q35_ROOT_PORTS", HOLDS_NUMBER, 1, 128},
    {NULL, "Q35_NUMA_PCIE", HOLDS_YES_NO},
    {NULL, "MEMORY_TUNE_OFFSET", HOLDS_NUMBER, 0, 65536},
    {"OS", "ARCH", HOLDS_NAME},
    {"OS", "MACHINE", HOLDS_NAME},
    {"OS", "SD_DISK_BUS", HOLDS_WORD, .words = "scsi sata"},
    {"OS", "KERNEL", HOLDS_PATH},
    {"OS", "INITRD", HOLDS_PATH},
    {"OS", "FIRMWARE_SECURE", HOLDS_YES_NO},
    {"OS", "FIRMWARE_FORMAT", HOLDS_WORD, .words = "raw qcow2"},
    {"CPU_MODEL", "MODEL", HOLDS_NAME},
    {"CPU_MODEL", "FEATURES", HOLDS_NAMES},
    {"FEATURES", "PAE", HOLDS_YES_NO},
    {"FEATURES", "ACPI", HOLDS_YES_NO},
    {"FEATURES", "APIC", HOLDS_YES_NO},
    {"FEATURES", "LOCALTIME", HOLDS_YES_NO},
    {"FEATURES", "HYPERV", HOLDS_YES_NO},
    {"FEATURES", "GUEST_AGENT", HOLDS_YES_NO},
    {"FEATURES", "RAS", HOLDS_YES_NO},
    {"FEATURES", "GIC", HOLDS_WORD, .words = "2 3 host"},
    {"FEATURES", "IOTHREADS", HOLDS_NUMBER, 0, 64},
    {"FEATURES", "VIRTIO_SCSI_QUEUES", HOLDS_COUNT, 1, 256},
    {"FEATURES", "VIRTIO_BLK_QUEUES", HOLDS_COUNT, 1, 256},
    {"FEATURES", "PCIHOLE64", HOLDS_NUMBER, 0, G_MAXINT64},
    {"FEATURES", "DEVICE_MODEL", HOLDS_PATH},
    {"TOPOLOGY", "PIN_POLICY", HOLDS_WORD, .words = "NONE THREAD CORE SHARED"},
    {"TOPOLOGY", "SOCKETS", HOLDS_NUMBER, 1, 65536},
    {"TOPOLOGY", "CORES", HOLDS_NUMBER, 1, 65536},
    {"TOPOLOGY", "THREADS", HOLDS_NUMBER, 1, 64},
    {"TOPOLOGY", "NODE_AFFINITY", HOLDS_NUMBER, 0, 1023},
    {"TOPOLOGY", "HUGEPAGE_SIZE", HOLDS_NUMBER, 1, 1048576},
    {"TOPOLOGY", "MEMORY_ACCESS", HOLDS_WORD, .words = "private shared"},
    {"NUMA_NODE", "CPUS", HOLDS_CPUS},
    {"NUMA_NODE", "TOTAL_CPUS", HOLDS_NUMBER, 0, 65536},
    {"NUMA_NODE", "MEMORY", HOLDS_NUMBER, 0, G_MAXINT64},
    {"NUMA_NODE", "MEMORY_NODE_ID", HOLDS_CPUS},
    {"DISK", "CACHE", HOLDS_WORD, .words = "default none writethrough writeback directsync unsafe"},
    {"DISK", "IO", HOLDS_WORD, .words = "threads native io_uring"},
    {"DISK", "DISCARD", HOLDS_WORD, .words = "ignore unmap"},
    {"DISK", "READONLY", HOLDS_YES_NO},
    {"DISK", "SHAREABLE", HOLDS_YES_NO},
    {"DISK", "ORDER", HOLDS_NUMBER, 1, 1024},
    {"DISK", "IOTHREAD", HOLDS_NUMBER, 1, 64},
    {"DISK", "VIRTIO_BLK_QUEUES", HOLDS_COUNT, 1, 256},
    {"DISK", "LUKS_SECRET", HOLDS_UUID},
    {"DISK", "CEPH_SECRET", HOLDS_UUID},
    {"DISK", "MOUNT_TAG", HOLDS_NAME},
    {"DISK", "UID_MAP", HOLDS_NUMBER, 0, G_MAXUINT32},
    {"DISK", "GID_MAP", HOLDS_NUMBER, 0, G_MAXUINT32},
    LIMIT("TOTAL_BYTES_SEC"),
    LIMIT("TOTAL_BYTES_SEC_MAX"),
    LIMIT("TOTAL_BYTES_SEC_MAX_LENGTH"),
    LIMIT("READ_BYTES_SEC"),
    LIMIT("READ_BYTES_SEC_MAX"),
    LIMIT("READ_BYTES_SEC_MAX_LENGTH"),
    LIMIT("WRITE_BYTES_SEC"),
    LIMIT("WRITE_BYTES_SEC_MAX"),
    LIMIT("WRITE_BYTES_SEC_MAX_LENGTH"),
    LIMIT("TOTAL_IOPS_SEC"),
    LIMIT("TOTAL_IOPS_SEC_MAX"),
    LIMIT("TOTAL_IOPS_SEC_MAX_LENGTH"),
    LIMIT("READ_IOPS_SEC"),
    LIMIT("READ_IOPS_SEC_MAX"),
    LIMIT("READ_IOPS_SEC_MAX_LENGTH"),
    LIMIT("WRITE_IOPS_SEC"),
    LIMIT("WRITE_IOPS_SEC_MAX"),
    LIMIT("WRITE_IOPS_SEC_MAX_LENGTH"),
    LIMIT("SIZE_IOPS_SEC"),
    {"NIC", "MAC", HOLDS_MAC},
    {"NIC", "IP", HOLDS_ADDRESS},
    {"NIC", "MODEL", HOLDS_NAME},
    {"NIC", "FILTER", HOLDS_NAME},
    {"NIC", "BRIDGE", HOLDS_NAME},
    {"NIC", "BRIDGE_TYPE", HOLDS_WORD, .words = "linux none openvswitch openvswitch_dpdk"},
    {"NIC", "SCRIPT", HOLDS_NAME},
    {"NIC", "ORDER", HOLDS_NUMBER, 1, 1024},
    {"NIC", "VIRTIO_QUEUES", HOLDS_COUNT, 1, 256},
    RATE("INBOUND_AVG_BW"),
    RATE("INBOUND_PEAK_BW"),
    RATE("INBOUND_PEAK_KB"),
    RATE("OUTBOUND_AVG_BW"),
    RATE("OUTBOUND_PEAK_BW"),
    RATE("OUTBOUND_PEAK_KB"),
    {"GRAPHICS", "TYPE", HOLDS_WORD, .words = "vnc spice sdl"},
    {"GRAPHICS", "LISTEN", HOLDS_ADDRESS},
    {"GRAPHICS", "PORT", HOLDS_NUMBER, -1, 65535},
    {"GRAPHICS", "KEYMAP", HOLDS_NAME},
    {"GRAPHICS", "RANDOM_PASSWD", HOLDS_YES_NO},
    {"VIDEO", "TYPE", HOLDS_WORD,
     .words = "auto vga cirrus vmvga qxl virtio none bochs ramfb xen vbox"},
    {"VIDEO", "VRAM", HOLDS_NUMBER, 0, 16777216},
    {"VIDEO", "RESOLUTION", HOLDS_SIZE},
    {"VIDEO", "IOMMU", HOLDS_YES_NO},
    {"VIDEO", "ATS", HOLDS_YES_NO},
    {"INPUT", "TYPE", HOLDS_WORD, .words = "mouse tablet keyboard"},
    {"INPUT", "BUS", HOLDS_WORD, .words = "usb ps2 xen virtio"},
    {"IOMMU", "MODEL", HOLDS_WORD, .words = "intel smmuv3 virtio"},
    {"IOMMU", "OPTIONS", HOLDS_NAMES},
    {"PCI", "DOMAIN", HOLDS_HEX, 0, 0xffff},
    {"PCI", "BUS", HOLDS_HEX, 0, 0xff},
    {"PCI", "SLOT", HOLDS_HEX, 0, 0x1f},
    {"PCI", "FUNCTION", HOLDS_HEX, 0, 7},
    {"PCI", "VM_DOMAIN", HOLDS_HEX, 0, 0xffff},
    {"PCI", "VM_BUS", HOLDS_HEX, 0, 0xff},
    {"PCI", "VM_SLOT", HOLDS_HEX, 0, 0x1f},
    {"PCI", "VM_FUNCTION", HOLDS_HEX, 0, 7},
    {"PCI", "UUID", HOLDS_UUID},
    {"PCI", "MDEV_MODE", HOLDS_WORD, .words = "legacy nvidia"},
    {"TPM", "MODEL", HOLDS_WORD, .words = "tpm-tis tpm-crb tpm-spapr"},
    {"MEMORY_ENCRYPTION", "TYPE", HOLDS_WORD, .words = "SEV SEV-ES"},
    {"RAW", "VALIDATE", HOLDS_YES_NO},
};

/* ---- values ---- */

static gboolean is_number(const char *text, guint base, gint64 low, gint64 high)
{
    char *end = NULL;
    const char *digits = text + (*text == '-');
    if (!g_ascii_isxdigit(*digits) || (base == 10 && digits[strspn(digits, DIGITS)]))
        return FALSE;
    gint64 value = g_ascii_strtoll(text, &end, base);
    return *end == '\0' && value >= low && value <= high;
}

static gboolean is_one_of(const char *text, const char *words)
{
    g_auto(GStrv) list = g_strsplit(words, " ", -1);
    for (char **word = list; *word; word++)
        if (!g_ascii_strcasecmp(text, *word))
            return TRUE;
    return FALSE;
}

static gboolean is_address(const char *text)
{
    return g_hostname_is_ip_address(text) ||
           (!text[strspn(text, LETTERS DIGITS ".-")] && *text != '-' && strlen(text) < 256);
}

static gboolean is_mac(const char *text)
{
    for (guint i = 0; i < 17; i++)
        if (i % 3 == 2 ? text[i] != ':' : !g_ascii_isxdigit(text[i]))
            return FALSE;
    return text[17] == '\0';
}

static gboolean is_resolution(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "x", 2);
    return parts[0] && parts[1] && is_number(parts[0], 10, 1, 16384) &&
           is_number(parts[1], 10, 1, 16384);
}

static gboolean is_hex(const char *text, gint64 high)
{
    return is_number(g_str_has_prefix(text, "0x") ? text + 2 : text, 16, 0, high);
}

static gboolean holds(const Check *check, const char *text)
{
    switch (check->holding) {
    case HOLDS_YES_NO:
        return is_one_of(text, "yes no y n true false on off 1 0");
    case HOLDS_COUNT:
        if (!g_ascii_strcasecmp(text, "auto"))
            return TRUE;
        return is_number(text, 10, check->low, check->high);
    case HOLDS_NUMBER:
        return is_number(text, 10, check->low, check->high);
    case HOLDS_WORD:
        return is_one_of(text, check->words);
    case HOLDS_NAME:
        return !text[strspn(text, LETTERS DIGITS "._+:/-")] && *text != '-';
    case HOLDS_NAMES:
        return !text[strspn(text, LETTERS DIGITS "._+:=, -")];
    case HOLDS_CPUS:
        return !text[strspn(text, DIGITS ",-^")];
    case HOLDS_ADDRESS:
        return is_address(text);
    case HOLDS_MAC:
        return is_mac(text);
    case HOLDS_HEX:
        return is_hex(text, check->high);
    case HOLDS_PATH:
        return *text == '/' && !strpbrk(text, "\n\r");
    case HOLDS_SIZE:
        return is_resolution(text);
    case HOLDS_UUID:
        return g_uuid_string_is_valid(text);
    }
    return FALSE;
}

/* What could stand there. (owned) */
static char *wanted(const Check *check)
{
    static const char *const texts[] = {
        [HOLDS_YES_NO] = "YES or NO",
        [HOLDS_NAME] = "a name of letters, digits and . _ + : / -",
        [HOLDS_NAMES] = "a list of names with commas between them",
        [HOLDS_CPUS] = "a list of numbers such as 0,4-7",
        [HOLDS_ADDRESS] = "an IP address or a host name",
        [HOLDS_MAC] = "an address such as 02:00:c0:a8:00:01",
        [HOLDS_PATH] = "an absolute path",
        [HOLDS_SIZE] = "width and height such as 1920x1080",
        [HOLDS_UUID] = "a UUID such as 6f2b7d3c-0c1e-4a52-9a6e-5b1d3f0e8a77",
    };
    switch (check->holding) {
    case HOLDS_WORD: {
        g_auto(GStrv) words = g_strsplit(check->words, " ", -1);
        g_autofree char *list = g_strjoinv(", ", words);
        return g_strdup_printf("one of %s", list);
    }
    case HOLDS_HEX:
        return g_strdup_printf("a hexadecimal number up to %" G_GINT64_MODIFIER "x", check->high);
    case HOLDS_NUMBER:
    case HOLDS_COUNT:
        if (check->high >= G_MAXINT32)
            return g_strdup_printf("a whole number from %" G_GINT64_FORMAT, check->low);
        return g_strdup_printf("%sa whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                               check->holding == HOLDS_COUNT ? "auto or " : "", check->low,
                               check->high);
    default:
        return g_strdup(texts[check->holding]);
    }
}

/* `place` counts vectors of one name; below 0 when there is only one. */
static gboolean check_value(const Check *check, int place, const char *value, GError **error)
{
    g_autofree char *text = g_strstrip(g_strdup(value ? value : ""));
    if (!*text || holds(check, text))
        return TRUE;
    g_autofree char *number = place >= 0 ? g_strdup_printf(" (%s %d)", check->vector, place) : NULL;
    g_autofree char *could = wanted(check);
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "%s%s%s=\"%.80s\"%s cannot be used: give %s",
                check->vector ? check->vector : "", check->vector ? "/" : "", check->name, text,
                number ? number : "", could);
    return FALSE;
}

/* ---- a machine, the defaults ---- */

gboolean domain_check(const xmlNode *template, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(checks); i++) {
        const Check *check = &checks[i];
        const xmlNode *node = xml_find(template, check->vector ? check->vector : check->name);
        gboolean several = node && check->vector && xml_next_same(node);
        for (int place = 0; node; node = xml_next_same(node), place++) {
            g_autofree char *value = check->vector ? xml_get(node, check->name) : xml_content(node);
            if (!check_value(check, several ? place : -1, value, error))
                return FALSE;
            if (!check->vector)
                break; /* where one value is wanted the first counts */
        }
    }
    return TRUE;
}

gboolean domain_check_defaults(const Template *defaults, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(checks); i++) {
        const Check *check = &checks[i];
        const char *value = check->vector ? template_get_pair(defaults, check->vector, check->name)
                                          : template_get(defaults, check->name);
        if (!check_value(check, -1, value, error))
            return FALSE;
    }
    return TRUE;
}
