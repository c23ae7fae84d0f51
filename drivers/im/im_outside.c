/*
 * What libvirt does not tell of a host. One small command of the shell prints it all, at this
 * computer as at others; for these an ssh connection is kept open beside libvirt's own, so that
 * a look costs the host some milliseconds. Where that is not possible these figures are missing
 * from the report, and nothing else is.
 */
#include "drivers/im/im_libvirt.h"

#include "drivers/common/libvirt_pool.h"
#include "lib/base/log.h"
#include "lib/ssh/ssh.h"
#include <string.h>

#define LOOK_SECONDS 10
/* After a failure: the host is reported all the same, so it is no use to try each time. */
#define PAUSE_SECONDS 600

/* Interfaces of hardware are named, since a bridge counts the same bytes again. */
static const char command[] =
    "cat /proc/net/dev\n"
    "for card in /sys/class/net/*; do [ ! -e \"$card/device\" ] || echo \"card ${card##*/}\"; "
    "done\n"
    "if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo cgroups 2\n"
    "elif [ -e /sys/fs/cgroup/cpu ]; then echo cgroups 1; fi\n"
    "[ -z \"$ds\" ] || stat -f -c 'space %S %b %a %n' \"$ds\" \"$ds\"/[0-9]* 2>/dev/null\n"
    "true\n";

/* One program for all containers, in either version of the control groups. /dev/null: so that even
 * the only file is named. */
static const char groups[] =
    "cd /sys/fs/cgroup && grep -sE -m 1 '^(usage_usec |populated )?[0-9]+$' /dev/null "
    "lxc.payload.*/memory.current lxc.payload.*/cpu.stat lxc.payload.*/cgroup.events "
    "memory/lxc.payload.*/memory.usage_in_bytes memory/lxc.payload.*/cgroup.procs "
    "memory/lxc.payload.*/*/cgroup.procs cpuacct/lxc.payload.*/cpuacct.usage | "
    "sed 's/^/group /'\n"
    "true\n";

static GMutex lock;
static Ssh *ssh;            /* NULL: other hosts are not reached by ssh */
static char *before;        /* "oneadmin@" of the pattern, or "" */
static GHashTable *pausing; /* host -> monotonic time of the next try, in microseconds */

void im_outside_clear(ImOutside *outside)
{
    if (outside->space)
        g_string_free(outside->space, TRUE);
    outside->space = NULL;
    g_clear_pointer(&outside->cards, g_hash_table_unref);
    g_clear_pointer(&outside->groups, g_hash_table_unref);
}

void im_outside_start(const char *uri)
{
    const char *at = uri ? strstr(uri, "ssh://") : NULL;
    const char *host = at ? strstr(at, "%h") : NULL;
    const char *end = at ? strchr(at + strlen("ssh://"), '/') : NULL;
    /* Another port than the usual one is told to ssh in its own configuration, or not at all. */
    if (!host || !end || host + 2 != end)
        return;
    at += strlen("ssh://");
    before = g_strndup(at, (gsize)(host - at));
    pausing = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    ssh = ssh_new();
    ssh_set_patience(ssh, LOOK_SECONDS);
}

/* ---- reading ---- */

static gboolean is_counted(const char *name, const GPtrArray *cards)
{
    if (cards->len)
        return g_ptr_array_find_with_equal_func((GPtrArray *)cards, name, g_str_equal, NULL);
    return !g_str_equal(name, "lo") && !g_str_has_prefix(name, "vnet") &&
           !g_str_has_prefix(name, "one-");
}

/* A line of /proc/net/dev: "eth0: 8 figures of receiving, 8 of sending", bytes first. */
static void add_interface(ImOutside *outside, const char *line, const GPtrArray *cards)
{
    const char *colon = strchr(line, ':');
    g_autofree char *name = g_strstrip(g_strndup(line, (gsize)(colon - line)));
    char *at = (char *)colon + 1;
    ImCard *card = g_new0(ImCard, 1);
    for (int column = 0; column <= 8; column++) {
        gint64 value = (gint64)g_ascii_strtoull(at, &at, 10);
        card->rx = column == 0 ? value : card->rx;
        card->tx = column == 8 ? value : card->tx;
    }
    if (is_counted(name, cards)) {
        outside->net_rx = MAX(outside->net_rx, 0) + card->rx;
        outside->net_tx = MAX(outside->net_tx, 0) + card->tx;
    }
    g_hash_table_replace(outside->cards, g_steal_pointer(&name), card);
}

/* Somebody is in it: version 2 says so of a group and all below, version 1 has their numbers. One
 * without is left over, and its container then in another, which has "-N" behind the name as other
 * containers may. */
static gboolean tells_of_processes(const char *line)
{
    const char *events = strstr(line, "/cgroup.events:populated ");
    return strstr(line, "/cgroup.procs:") || (events && g_str_has_suffix(events, " 1"));
}

/* "[memory/]lxc.payload.NAME/memory.current:VALUE"; of cpu.stat "usage_usec VALUE". */
static void add_group(ImOutside *outside, const char *line)
{
    static const char key[] = "lxc.payload.";
    static const struct {
        const char *file;
        gint64 unit;
        gboolean memory;
    } files[] = {{"memory.current:", 1, TRUE},
                 {"memory.usage_in_bytes:", 1, TRUE},
                 {"cpuacct.usage:", 1, FALSE},
                 {"cpu.stat:usage_usec ", 1000, FALSE}};
    const char *name = strstr(line, key);
    const char *slash = name ? strchr(name, '/') : NULL;
    if (!slash)
        return;
    name += strlen(key);
    g_autofree char *word = g_strndup(name, (gsize)(slash - name));
    ImGroup *group = g_hash_table_lookup(outside->groups, word);
    if (!group) {
        group = g_new(ImGroup, 1);
        *group = (ImGroup){-1, -1, FALSE};
        g_hash_table_insert(outside->groups, g_strdup(word), group);
    }
    group->populated = group->populated || tells_of_processes(slash);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        if (!g_str_has_prefix(slash + 1, files[i].file))
            continue;
        const char *digits = slash + 1 + strlen(files[i].file);
        gint64 value = (gint64)g_ascii_strtoull(digits, NULL, 10) * files[i].unit;
        *(files[i].memory ? &group->memory : &group->cpu) = value;
    }
}

/* "space BLOCK-SIZE BLOCKS AVAILABLE PATH" */
static void add_space(ImOutside *outside, const char *line, const char *datastores)
{
    char *at = (char *)line;
    double block = (double)g_ascii_strtoull(at, &at, 10) / (1024 * 1024);
    gint64 total = (gint64)((double)g_ascii_strtoull(at, &at, 10) * block);
    gint64 available = (gint64)((double)g_ascii_strtoull(at, &at, 10) * block);
    const char *path = g_strchug(at);
    g_autofree char *name = g_path_get_basename(path);
    if (g_strcmp0(path, datastores) == 0)
        im_append_space(outside->space, total, available);
    else if (*name && strspn(name, "0123456789") == strlen(name))
        g_string_append_printf(outside->space,
                               "DS=[ID=\"%s\",TOTAL_MB=\"%" G_GINT64_FORMAT
                               "\",USED_MB=\"%" G_GINT64_FORMAT "\",FREE_MB=\"%" G_GINT64_FORMAT
                               "\"]\n",
                               name, total, total - available, available);
}

ImOutside im_outside_read(const char *text, const char *datastores)
{
    ImOutside outside = {.net_rx = -1,
                         .net_tx = -1,
                         .space = g_string_new(NULL),
                         .cards = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
                         .groups = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)};
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GPtrArray) cards = g_ptr_array_new();
    for (guint i = 0; lines[i]; i++)
        if (g_str_has_prefix(lines[i], "card "))
            g_ptr_array_add(cards, lines[i] + strlen("card "));
    for (guint i = 0; lines[i]; i++) {
        if (g_str_has_prefix(lines[i], "cgroups "))
            outside.cgroups = lines[i][strlen("cgroups ")] - '0';
        else if (g_str_has_prefix(lines[i], "space "))
            add_space(&outside, lines[i] + strlen("space "), datastores);
        else if (g_str_has_prefix(lines[i], "group "))
            add_group(&outside, lines[i] + strlen("group "));
        else if (strchr(lines[i], ':'))
            add_interface(&outside, lines[i], cards);
    }
    return outside;
}

/* ---- looking ---- */

static gboolean may_try(const char *host)
{
    if (!ssh)
        return FALSE;
    g_mutex_lock(&lock);
    const gint64 *until = g_hash_table_lookup(pausing, host);
    gboolean may = !until || g_get_monotonic_time() > *until;
    g_mutex_unlock(&lock);
    return may;
}

static void pause_host(const char *host, const char *reason)
{
    gint64 until = g_get_monotonic_time() + PAUSE_SECONDS * G_USEC_PER_SEC;
    g_mutex_lock(&lock);
    g_hash_table_insert(pausing, g_strdup(host), g_memdup2(&until, sizeof until));
    g_mutex_unlock(&lock);
    log_info("IM",
             "Traffic and space of %s are not reported for the next %d minutes, since a look by "
             "ssh failed: %s",
             host, PAUSE_SECONDS / 60, reason);
}

static char *look_here(const char *script)
{
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)script, NULL};
    char *text = NULL;
    (void)g_spawn_sync("/", argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &text, NULL, NULL,
                       NULL);
    return text;
}

static char *look_there(const char *host, const char *script)
{
    const SshWatch watch = {.seconds = LOOK_SECONDS};
    g_auto(SshResult) result = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *who = g_strconcat(before ? before : "", host, NULL);
    if (!may_try(host))
        return NULL;
    if (ssh_run(ssh, who, script, NULL, 0, &watch, &result, &error) &&
        ssh_result_check(&result, host, &error))
        return g_strdup(result.out->str);
    pause_host(host, error->message);
    return NULL;
}

static ImOutside look(const char *host, const char *datastores, const char *more)
{
    g_autofree char *path = ssh_quote(datastores ? datastores : "");
    g_autofree char *script = g_strdup_printf("ds=%s\n%s%s", path, command, more);
    g_autofree char *text =
        libvirt_host_is_local(host) ? look_here(script) : look_there(host, script);
    return im_outside_read(text ? text : "", datastores);
}

ImOutside im_outside(const char *host, const char *datastores)
{
    return look(host, datastores, "");
}

ImOutside im_outside_containers(const char *host, const char *datastores)
{
    return look(host, datastores, groups);
}
