/* The machine's template as a configuration of liblxc (lxc.container.conf(5)).
 * share/doc/containers.md tells what becomes of what. */
#include "drivers/vmm/lxc/lxc.h"

#include "drivers/vmm/container/container.h"
#include "drivers/vnm/vnm.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <math.h>
#include <string.h>

#define CPU_PERIOD_US 100000
/* Of a file system that is made of an archive, when nobody says. */
#define ROOT_MIB 1024

void lxc_plan_clear(LxcPlan *plan)
{
    g_clear_pointer(&plan->config, g_free);
    g_clear_pointer(&plan->disks, g_free);
    g_clear_pointer(&plan->size, g_free);
}

static void line(GString *out, const char *key, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void line(GString *out, const char *key, const char *format, ...)
{
    va_list words;
    g_string_append_printf(out, "%s = ", key);
    va_start(words, format);
    g_string_append_vprintf(out, format, words);
    va_end(words);
    g_string_append_c(out, '\n');
}

/* A word for a line of the configuration: what could begin another one is refused. Empty: NULL. */
static gboolean take_word(const xmlNode *from, const char *path, const char *letters, char **word,
                          GError **error)
{
    g_autofree char *text = xml_get(from, path);
    *word = NULL;
    if (!text || !*g_strstrip(text))
        return TRUE;
    for (const char *c = text; *c; c++)
        if (!g_ascii_isalnum(*c) && !strchr(letters, *c)) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                        "%s = \"%.80s\" has a character that a container cannot have there", path,
                        text);
            return FALSE;
        }
    *word = g_steal_pointer(&text);
    return TRUE;
}

/* ---- limits ---- */

/* Where processors are wanted by more than there are, each gets by its CPU: cores weigh what
 * libvirt and systemd have them weigh, 1024 of version 1, 100 of version 2 (Linux,
 * Documentation/admin-guide/cgroup-v2.rst: 1..10000). */
static void add_weights(GString *out, double cpu)
{
    const gint64 shares = (gint64)CLAMP(ceil(cpu * 1024), 2, 262144);
    const gint64 weight = (gint64)CLAMP(ceil(cpu * 100), 1, 10000);
    g_string_append_printf(out, "@1 cpu.shares %" G_GINT64_FORMAT "\n", shares);
    g_string_append_printf(out, "@2 cpu.weight %" G_GINT64_FORMAT "\n", weight);
}

char *lxc_build_limits(const VmmAction *action)
{
    const ContainerSize size = container_size(action);
    GString *out = g_string_new(NULL);
    if (size.cpu > 0) {
        add_weights(out, size.cpu);
        gint64 quota = MAX((gint64)lround(size.cpu * CPU_PERIOD_US), 1000);
        g_string_append_printf(out, "@1 cpu.cfs_period_us %d\n", CPU_PERIOD_US);
        g_string_append_printf(out, "@1 cpu.cfs_quota_us %" G_GINT64_FORMAT "\n", quota);
        g_string_append_printf(out, "@2 cpu.max %" G_GINT64_FORMAT " %d\n", quota, CPU_PERIOD_US);
    }
    if (size.memory > 0) {
        g_string_append_printf(out, "@1 memory.limit_in_bytes %" G_GINT64_FORMAT "M\n",
                               size.memory);
        g_string_append_printf(out, "@2 memory.max %" G_GINT64_FORMAT "M\n", size.memory);
    }
    return g_string_free(out, FALSE);
}

/* The same as lines of the configuration; and no devices but the harmless ones of every system. */
static void add_limits(GString *out, const VmmAction *action)
{
    static const char *const devices[] = {"c *:* m",   "b *:* m",   "c 1:3 rwm",   "c 1:5 rwm",
                                          "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm",   "c 5:0 rwm",
                                          "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm", "c 10:229 rwm"};
    static const char *const groups[] = {"lxc.cgroup", "lxc.cgroup2"};
    g_autofree char *limits = lxc_build_limits(action);
    g_auto(GStrv) rows = g_strsplit(limits, "\n", -1);
    for (guint i = 0; rows[i] && *rows[i]; i++) {
        g_auto(GStrv) words = g_strsplit(rows[i], " ", 3);
        g_string_append_printf(out, "%s %s.%s = %s\n", words[0], groups[words[0][1] == '2' ? 1 : 0],
                               words[1], words[2]);
    }
    for (guint version = 1; version <= G_N_ELEMENTS(groups); version++) {
        g_string_append_printf(out, "@%u %s.devices.deny = a\n", version, groups[version - 1]);
        for (guint i = 0; i < G_N_ELEMENTS(devices); i++)
            g_string_append_printf(out, "@%u %s.devices.allow = %s\n", version, groups[version - 1],
                                   devices[i]);
    }
}

/* ---- network cards ---- */

static int prefix_of(const char *mask)
{
    guint bits = 0;
    g_auto(GStrv) numbers = g_strsplit(mask ? mask : "255.255.255.0", ".", -1);
    for (guint i = 0; numbers[i] && i < 4; i++)
        for (guint64 number = g_ascii_strtoull(numbers[i], NULL, 10) & 0xff; number & 0x80;
             number = (number << 1) & 0xff)
            bits++;
    return (int)bits;
}

static gboolean add_addresses(GString *out, const xmlNode *nic, const char *key, GError **error)
{
    g_autofree char *ip = NULL, *mask = NULL, *gateway = NULL, *ip6 = NULL;
    g_autofree char *address = g_strconcat(key, ".ipv4.address", NULL);
    g_autofree char *route = g_strconcat(key, ".ipv4.gateway", NULL);
    g_autofree char *address6 = g_strconcat(key, ".ipv6.address", NULL);
    if (!take_word(nic, "IP", ".", &ip, error) ||
        !take_word(nic, "NETWORK_MASK", ".", &mask, error) ||
        !take_word(nic, "GATEWAY", ".", &gateway, error) ||
        !take_word(nic, "IP6_GLOBAL", ":.", &ip6, error))
        return FALSE;
    if (ip)
        line(out, address, "%s/%d", ip, prefix_of(mask));
    if (ip && gateway)
        line(out, route, "%s", gateway);
    if (ip6)
        line(out, address6, "%s/64", ip6);
    return TRUE;
}

/* The card's end on the host has the name by which the rules of networks know it. */
static gboolean add_nic(GString *out, const VmmAction *action, const xmlNode *nic, guint number,
                        GError **error)
{
    g_autofree char *bridge = NULL, *mac = NULL, *mtu = NULL;
    gint64 id = xml_get_int(nic, "NIC_ID", 0);
    g_autofree char *tap = vnm_tap(action->vid, id, error);
    if (!tap || !take_word(nic, "BRIDGE", "-_.", &bridge, error) ||
        !take_word(nic, "MAC", ":", &mac, error) || !take_word(nic, "MTU", "", &mtu, error))
        return FALSE;
    if (!bridge) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "NIC %" G_GINT64_FORMAT " names no BRIDGE, which a container needs", id);
        return FALSE;
    }
    g_autofree char *key = g_strdup_printf("lxc.net.%u", number);
    g_string_append_printf(out, "%s.type = veth\n%s.link = %s\n%s.veth.pair = %s\n", key, key,
                           bridge, key, tap);
    g_string_append_printf(out, "%s.name = eth%" G_GINT64_FORMAT "\n%s.flags = up\n", key, id, key);
    if (mac)
        g_string_append_printf(out, "%s.hwaddr = %s\n", key, mac);
    if (mtu)
        g_string_append_printf(out, "%s.mtu = %s\n", key, mtu);
    return add_addresses(out, nic, key, error);
}

static gboolean add_nics(GString *out, const VmmAction *action, GError **error)
{
    guint number = 0;
    for (const xmlNode *nic = xml_find(action->vm, "TEMPLATE/NIC"); nic; nic = xml_next_same(nic))
        if (!add_nic(out, action, nic, number++, error))
            return FALSE;
    /* Without any it would have those of the host. */
    if (number == 0)
        line(out, "lxc.net.0.type", "empty");
    return TRUE;
}

/* ---- disks ---- */

static void mount_inside(GString *out, const VmmAction *action, gint64 id, const char *place,
                         gboolean readonly)
{
    line(out, "lxc.mount.entry", "@base@/%s/disk.%" G_GINT64_FORMAT " %s none %s,create=dir 0 0",
         action->domain, id, place, readonly ? "bind,ro" : "bind");
}

/* The first disk is the root; others, and the CD of the context, are mounted below it. */
static gboolean add_disks(GString *out, const VmmAction *action, LxcPlan *plan, GError **error)
{
    g_autoptr(GString) disks = g_string_new(NULL);
    for (const xmlNode *disk = xml_find(action->vm, "TEMPLATE/DISK"); disk;
         disk = xml_next_same(disk)) {
        g_autofree char *type = xml_get(disk, "TYPE");
        g_autofree char *readonly = xml_get(disk, "READONLY");
        g_autofree char *persistent = xml_get(disk, "PERSISTENT");
        const char *mark = vmm_is_yes(persistent) ? ":p" : "";
        gint64 id = xml_get_int(disk, "DISK_ID", 0);
        gboolean fixed = type && !g_ascii_strcasecmp(type, "CDROM");
        if (type && !g_ascii_strcasecmp(type, "swap"))
            continue;
        if (disks->len == 0) {
            g_string_append_printf(disks, "%" G_GINT64_FORMAT ":rootfs%s", id, mark);
            continue;
        }
        g_autofree char *place = g_strdup_printf("media/%" G_GINT64_FORMAT, id);
        g_string_append_printf(disks, " %" G_GINT64_FORMAT ":disk.%" G_GINT64_FORMAT "%s", id, id,
                               mark);
        mount_inside(out, action, id, place, fixed || vmm_is_yes(readonly));
    }
    if (disks->len == 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "the template has no disk: the first one is the container's root, an image of "
                    "a file system or an archive of tar");
        return FALSE;
    }
    gint64 context = xml_get_int(action->vm, "TEMPLATE/CONTEXT/DISK_ID", -1);
    if (context >= 0) {
        g_string_append_printf(disks, " %" G_GINT64_FORMAT ":disk.%" G_GINT64_FORMAT, context,
                               context);
        mount_inside(out, action, context, "context", TRUE);
    }
    plan->disks = g_string_free(g_steal_pointer(&disks), FALSE);
    return TRUE;
}

/* ---- the whole ---- */

/* CONTAINER/SIZE in MiB. */
static gboolean read_size(const VmmAction *action, LxcPlan *plan, GError **error)
{
    g_autofree char *text = container_value(action, "SIZE");
    guint64 size = ROOT_MIB;
    if (text && !g_ascii_string_to_unsigned(text, 10, 8, 1 << 24, &size, NULL)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "CONTAINER/SIZE is \"%.80s\"; it must be a number of MiB from 8 to %d", text,
                    1 << 24);
        return FALSE;
    }
    plan->size = g_strdup_printf("%" G_GUINT64_FORMAT, size);
    return TRUE;
}

static gboolean has_terminal(const VmmAction *action)
{
    g_autofree char *value = container_value(action, "TERMINAL");
    return vmm_is_yes(value);
}

/* Without a terminal of its own: CRIU restores none (share/doc/containers.md). What its programs
 * may use is told, since /proc tells of the host. */
static void add_system(GString *out, const VmmAction *action, const LxcPlan *plan, const char *name,
                       const char *init)
{
    const ContainerSize size = container_size(action);
    line(out, "lxc.uts.name", "%s", name);
    if (init)
        line(out, "lxc.init.cmd", "%s", init);
    line(out, "lxc.environment", "container=lxc");
    if (size.memory > 0)
        line(out, "lxc.environment", "ONE_MEMORY=%" G_GINT64_FORMAT, size.memory);
    if (!plan->has_terminal)
        line(out, "lxc.console.path", "none");
    g_string_append(out, "lxc.tty.max = 0\n"
                         "lxc.pty.max = 1024\n"
                         "lxc.autodev = 1\n"
                         "lxc.mount.auto = proc:mixed sys:mixed\n"
                         "lxc.cap.drop = mac_admin mac_override sys_time sys_module sys_rawio\n");
}

/* What ends it politely. Its own first program may want another signal than LXC's SIGPWR. */
static gboolean add_signals(GString *out, const VmmAction *action, GError **error)
{
    g_autofree char *signal = container_value(action, "STOP_SIGNAL");
    if (signal && strspn(signal, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-") != strlen(signal)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "CONTAINER/STOP_SIGNAL is \"%.80s\"; it must be like SIGTERM or SIGRTMIN+3",
                    signal);
        return FALSE;
    }
    line(out, "lxc.signal.halt", "%s", signal ? signal : "SIGTERM");
    return TRUE;
}

/* When it ends, however it does, nothing of it stays mounted: its disks may be moved then. */
static void add_hook(GString *out, const VmmAction *action, const LxcPlan *plan)
{
    g_auto(GStrv) pairs = g_strsplit(plan->disks, " ", -1);
    g_autoptr(GString) places = g_string_new(NULL);
    for (guint i = 0; pairs[i]; i++) {
        const char *place = strchr(pairs[i], ':') + 1;
        g_string_append_printf(places, " @base@/%s/%.*s", action->domain, (int)strcspn(place, ":"),
                               place);
    }
    line(out, "lxc.hook.version", "1");
    line(out, "lxc.hook.post-stop", "umount%s || true", places->str);
}

/* ---- users ---- */

/* As OpenNebula's driver has them. */
#define USERS_FROM  600100001
#define USERS_COUNT 65536
/* The host has users of its own below, and the kernel no more numbers above. */
#define USERS_LEAST 100000
#define USERS_MOST  4000000000

static gboolean take_number(const VmmAction *action, const char *name, guint64 least, guint64 most,
                            guint64 otherwise, guint64 *number, GError **error)
{
    g_autofree char *text = container_value(action, name);
    *number = otherwise;
    if (!text || g_ascii_string_to_unsigned(text, 10, least, most, number, NULL))
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "CONTAINER/%s is \"%.80s\"; it must be a number from %" G_GUINT64_FORMAT
                " to %" G_GUINT64_FORMAT,
                name, text, least, most);
    return FALSE;
}

/* The template's own word, as OpenNebula's users say it, or CONTAINER's, or that of the defaults.
 */
static char *unprivileged(const VmmAction *action)
{
    char *text = xml_get(action->vm, "USER_TEMPLATE/LXC_UNPRIVILEGED");
    if (text && *g_strstrip(text))
        return text;
    g_free(text);
    return container_value(action, "LXC_UNPRIVILEGED");
}

/* A line that the host reads: it knows what it can do. An administrator who maps users by RAW has
 * to shift the disks, too. */
static gboolean add_users(GString *out, const VmmAction *action, GError **error)
{
    g_autofree char *wish = unprivileged(action);
    gboolean always = wish && vmm_is_yes(wish);
    guint64 from, groups, count;
    if (!take_number(action, "ID_MAP", USERS_LEAST, USERS_MOST, USERS_FROM, &from, error) ||
        !take_number(action, "GID_MAP", USERS_LEAST, USERS_MOST, from, &groups, error) ||
        !take_number(action, "UID_MAP", USERS_LEAST, USERS_MOST, from, &from, error) ||
        !take_number(action, "MAX_MAP", 1000, 200000000, USERS_COUNT, &count, error))
        return FALSE;
    if (!wish || !g_ascii_strcasecmp(wish, "no") || !g_ascii_strcasecmp(wish, "false"))
        return TRUE;
    if (!always && g_ascii_strcasecmp(wish, "auto") != 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "LXC_UNPRIVILEGED is \"%.80s\"; it must be YES, NO, or AUTO (users of its own "
                    "where the host and its disks allow them)",
                    wish);
        return FALSE;
    }
    g_string_append_printf(
        out, "# one.users = %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %s\n",
        from, count, groups, always ? "yes" : "auto");
    return TRUE;
}

/* RAW = [ TYPE = "lxc", DATA = "lines" ] is for administrators. */
static void add_raw(GString *out, const VmmAction *action)
{
    for (const xmlNode *raw = xml_find(action->vm, "TEMPLATE/RAW"); raw; raw = xml_next_same(raw)) {
        g_autofree char *type = xml_get(raw, "TYPE");
        g_autofree char *data = xml_get(raw, "DATA");
        if (type && data && !g_ascii_strcasecmp(type, "lxc"))
            g_string_append_printf(out, "%s\n", data);
    }
}

/* They stand in many lines, in the first one before any other. */
static gboolean names_are_plain(const VmmAction *action, GError **error)
{
    const char *uuid = action->uuid, *name = action->domain;
    if (strspn(uuid, "0123456789abcdefABCDEF-") != strlen(uuid)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "TEMPLATE/OS/UUID = \"%.80s\" is no UUID: it has other characters than "
                    "hexadecimal digits and \"-\"",
                    uuid);
        return FALSE;
    }
    for (const char *c = name; *c; c++)
        if (!g_ascii_isalnum(*c) && !strchr("-_.", *c)) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                        "DEPLOY_ID = \"%.80s\" has a character that a container's name cannot have",
                        name);
            return FALSE;
        }
    return TRUE;
}

gboolean lxc_build(const VmmAction *action, LxcPlan *plan, GError **error)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *name = NULL, *init = NULL;
    if (!names_are_plain(action, error) ||
        !take_word(action->vm, "TEMPLATE/CONTEXT/SET_HOSTNAME", "-.", &name, error) ||
        !take_word(action->vm, "TEMPLATE/OS/INIT", "/-_.+ ", &init, error) ||
        !read_size(action, plan, error))
        return FALSE;
    plan->has_terminal = has_terminal(action);
    g_string_append_printf(out, "# one.uuid = %s\n# one.vid = %" G_GINT64_FORMAT "\n", action->uuid,
                           action->vid);
    if (!add_users(out, action, error))
        return FALSE;
    line(out, "lxc.rootfs.path", "dir:@base@/%s/rootfs", action->domain);
    add_system(out, action, plan, name ? name : action->domain, init);
    if (!add_signals(out, action, error) || !add_disks(out, action, plan, error) ||
        !add_nics(out, action, error))
        return FALSE;
    add_hook(out, action, plan);
    add_limits(out, action);
    add_raw(out, action);
    plan->config = g_string_free(g_steal_pointer(&out), FALSE);
    return TRUE;
}
