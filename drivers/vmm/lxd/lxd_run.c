/* The life of a container of LXD or Incus, as far as it is not that of all containers. */
#include "drivers/vmm/check/container_check.h"
#include "drivers/vmm/container/container_exec.h"
#include "drivers/vmm/lxd/lxd.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

#define STATE_SECONDS 60
/* LCM_STATE of a machine whose disks are new. */
#define LCM_BOOT 2

/* ---- orders ---- */

/* `seconds` is what LXD gives the guest; 0: it does not ask the guest. */
static gboolean change_state(const VmmAction *action, const char *host, const char *word,
                             guint seconds, const SshWatch *watch, GError **error)
{
    g_autofree char *path = container_path(action, "/state");
    g_autoptr(JsonObject) body = json_object_new();
    json_object_set_string_member(body, "action", word);
    json_object_set_int_member(body, "timeout", seconds ? (gint64)seconds : -1);
    json_object_set_boolean_member(body, "force", seconds == 0);
    return lxd_order(host, "PUT", path, body, watch, error);
}

static gboolean give(const VmmAction *action, const char *host, const char *order,
                     const SshWatch *watch, GError **error)
{
    gboolean asks = strcmp(order, "stop") != 0;
    return change_state(action, host, order, asks ? STATE_SECONDS : 0, watch, error);
}

static gboolean end(DriverJob *job, const ContainerSight *sight, guint seconds, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, seconds + STATE_SECONDS);
    return change_state(action, action->host, "stop", seconds, &watch, error);
}

/* ---- DEPLOY ---- */

static gboolean start(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, CONTAINER_LONG_SECONDS);
    return container_give(action, action->host, CONTAINER_START, &watch, error);
}

/* One that is there and off gets what the template says now, and is started. */
static gboolean start_again(DriverJob *job, JsonObject *instance, GError **error)
{
    return (vmm_action_of(job)->adopted || lxd_update(job, instance, NULL, error)) &&
           start(job, error);
}

/* A new one that does not start is taken away again, so that nothing stays of a failure. */
static gboolean create(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = container_watch(job, CONTAINER_LONG_SECONDS);
    g_autoptr(JsonObject) instance = lxd_build_instance(action, error);
    g_autofree char *image = instance ? lxd_have_image(job, error) : NULL;
    if (!image)
        return FALSE;
    lxd_set_source(instance, action, image);
    if (!lxd_order(action->host, "POST", "/1.0/instances", instance, &watch, error))
        return FALSE;
    if (start(job, error))
        return TRUE;
    container_undo_start(action);
    return FALSE;
}

/* A machine that was on another host is there with its disk, and nowhere else: it comes over. FALSE
 * without the error: no host has it. */
static gboolean fetch(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GPtrArray) hosts = container_earlier_hosts(action);
    for (guint i = 0; i < hosts->len; i++) {
        const char *host = hosts->pdata[i];
        g_auto(ContainerSight) sight = container_look(action, host);
        if (sight.presence == VMM_UNKNOWN) {
            g_propagate_prefixed_error(
                error, g_steal_pointer(&sight.error),
                "%s may be on %s, where it was, with its disk: ", action->domain, host);
            return FALSE;
        }
        if (sight.presence == VMM_OTHER || !sight.document)
            continue;
        if (sight.presence == VMM_ABSENT)
            return lxd_move(job, host, sight.document, error);
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%s %s on %s", action->domain,
                    vmm_presence_text(sight.presence), host);
        return FALSE;
    }
    return FALSE;
}

/* The record with which it was started last; -1: it has no mark, being of an older driver. */
static gint64 mark_of(JsonObject *instance)
{
    const char *text = json_text_of(json_object_at(instance, "config"), LXD_SEQ);
    gint64 mark = -1;
    return text && g_ascii_string_to_signed(text, 10, 0, G_MAXINT32, &mark, NULL) ? mark : -1;
}

/* The machine was on that host with the record of the mark or later: with an older one alone it can
 * have left nothing newer there. */
static gboolean was_there_since(const VmmAction *action, const char *host, gint64 mark)
{
    const xmlNode *record = xml_find(action->vm, "HISTORY_RECORDS/HISTORY");
    for (; record; record = xml_next_same(record)) {
        g_autofree char *name = xml_get(record, "HOSTNAME");
        if (g_strcmp0(name, host) == 0 && xml_get_int(record, "SEQ", -1) >= mark)
            return TRUE;
    }
    return FALSE;
}

/* Another host may have what the machine was later than this, or of what this is a part that did
 * not come over whole. FALSE with the error. */
static gboolean is_newest(const VmmAction *action, gint64 mark, GError **error)
{
    g_autoptr(GPtrArray) hosts = container_earlier_hosts(action);
    for (guint i = 0; i < hosts->len; i++) {
        const char *host = hosts->pdata[i];
        if (!was_there_since(action, host, mark))
            continue;
        g_auto(ContainerSight) sight = container_look(action, host);
        gint64 other = mark_of(sight.document);
        if (sight.presence == VMM_UNKNOWN)
            g_propagate_prefixed_error(
                error, g_steal_pointer(&sight.error),
                "%s is on %s, but a newer one may be on %s: ", action->domain, action->host, host);
        else if (sight.presence == VMM_RUNNING || sight.presence == VMM_PAUSED)
            g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%s %s on %s", action->domain,
                        vmm_presence_text(sight.presence), host);
        else if (sight.document && sight.presence != VMM_OTHER && (mark < 0 || other >= mark))
            g_set_error(
                error, ONE_ERROR, ONE_ERROR_ACTION,
                "both %s and %s have %s with its disk, and which of them is stale is not "
                "known: find out first, on both (lxc info %s tells when each was last used, "
                "lxc config get %s " LXD_SEQ
                " the record of its last start), and look at its files; only then "
                "remove the stale one on its host (lxc delete %s)",
                action->host, host, action->domain, action->domain, action->domain, action->domain);
        else
            continue;
        return FALSE;
    }
    return TRUE;
}

/* One that is off here may be what was left of it long ago. Its mark, the machine's history and the
 * other hosts tell; in doubt nothing is started, and nothing removed. */
static gboolean is_current(const VmmAction *action, JsonObject *instance, GError **error)
{
    gint64 mark = mark_of(instance);
    gboolean is_new = xml_get_int(action->vm, "LCM_STATE", 0) == LCM_BOOT;
    if (action->adopted)
        return TRUE;
    if (mark < 0 ? is_new : mark < container_life(action)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "%s on %s is of before the machine was made anew, with its old disk: onevm "
                    "recover --recreate removes it, or lxc delete %s there",
                    action->domain, action->host, action->domain);
        return FALSE;
    }
    return is_newest(action, mark, error);
}

static gboolean start_absent(DriverJob *job, const ContainerSight *sight, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    if (sight->document)
        return is_current(action, sight->document, error) &&
               start_again(job, sight->document, error);
    if (action->adopted)
        return container_refuse_adopted(action, error);
    g_autoptr(GError) reason = NULL;
    if (fetch(job, &reason)) {
        g_auto(ContainerSight) here = container_look(action, action->host);
        return here.document ? start_again(job, here.document, error) : start(job, error);
    }
    if (!reason)
        return create(job, error);
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

/* ---- the row ---- */

static void append_figures(const VmmAction *action, GString *text)
{
    g_autofree char *path = container_path(action, "/state");
    g_autoptr(JsonObject) state = lxd_do(action->host, "GET", path, NULL, NULL, NULL);
    gint64 memory = json_int_at(state, "memory.usage", -1);
    if (memory >= 0)
        g_string_append_printf(text, " MEMORY=%" G_GINT64_FORMAT, memory / 1024);
}

const ContainerEngine lxd_engine = {
    .name = "LXD",
    .folder = "/1.0/instances/",
    .self = "",
    .removal = "",
    .status = "status",
    .marks = "config",
    .uuid = LXD_UUID,
    .orders = {"start", "stop", "restart", "freeze", "unfreeze"},
    .shutdown_seconds = 120,
    .state_name = lxd_state_name,
    .ask = lxd_do,
    .give = give,
    .end = end,
    .start = start_absent,
    .ask_host = lxd_ask_host,
    .ask_container = lxd_ask_container,
    .run = lxd_run_command,
    .figures = append_figures,
};

/* The time-outs are wider than what the calls themselves allow; they catch a daemon that never
 * comes back. */
const DriverAction lxd_actions[] = {
    {"DEPLOY", container_deploy, 24 * 3600},
    {"SHUTDOWN", container_shut_down, 4000},
    {"CANCEL", container_cancel, 120, DRIVER_URGENT},
    {"REBOOT", container_reboot, 120, DRIVER_URGENT},
    {"FREEZE", container_freeze, 120},
    {"THAW", container_thaw, 120},
    {"MIGRATECHECK", container_check, 90, DRIVER_URGENT},
    {"POLL", container_poll, 60, DRIVER_URGENT},
    {"EXEC", container_exec, 60, DRIVER_URGENT},
    {"EXECPOLL", container_exec_poll, 60, DRIVER_URGENT},
    {"EXEC_CANCEL", container_exec_cancel, 60, DRIVER_URGENT},
    {"CLEANUP", container_clean_up, 230, DRIVER_URGENT},
    {"RESIZE", lxd_apply, 180},
    {"UPDATECONF", lxd_apply, 120},
    {"ATTACHNIC", lxd_apply, 120},
    {"UPDATENIC", lxd_apply, 120},
    {"DETACHNIC", lxd_detach_nic, 120},
    {"ATTACHDISK", lxd_refuse_disk, 60},
    {"DETACHDISK", lxd_refuse_disk, 60},
    {"RESIZEDISK", lxd_refuse_disk, 60},
    {"SNAPSHOTCREATE", lxd_snapshot_create, 1800},
    {"SNAPSHOTREVERT", lxd_snapshot_revert, 1800},
    {"SNAPSHOTDELETE", lxd_snapshot_delete, 1800},
    {"CONSOLE", lxd_console, 60, DRIVER_URGENT},
    {NULL},
};
