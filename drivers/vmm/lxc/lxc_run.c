/* The life of a container that liblxc runs: what every other action stands on, too. */
#include "drivers/vmm/container/container.h"
#include "drivers/vmm/lxc/lxc.h"
#include "drivers/vmm/check/lxc_check.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

#define CALL_SECONDS   100
#define DEPLOY_SECONDS 3500

/* ---- seeing ---- */

void lxc_sight_clear(LxcSight *sight)
{
    g_clear_error(&sight->error);
}

const char *lxc_uuid(const VmmAction *action)
{
    g_autofree char *own = g_strdup_printf("one-%" G_GINT64_FORMAT, action->vid);
    return action->adopted || !g_str_equal(action->domain, own) ? "" : action->uuid;
}

const char *lxc_directory(const VmmAction *action)
{
    return action->directory ? action->directory : "";
}

SshWatch lxc_watch(DriverJob *job, guint seconds)
{
    return (SshWatch){
        .seconds = seconds, .cancelled = (gboolean(*)(gpointer))driver_job_cancelled, .data = job};
}

LxcSight lxc_sight_of(const char *word)
{
    static const struct {
        const char *word;
        LxcSight sight;
    } words[] = {
        {"absent", {VMM_ABSENT}},
        {"off", {VMM_ABSENT, TRUE}},
        {"running", {VMM_RUNNING, TRUE}},
        {"paused", {VMM_PAUSED, TRUE}},
        {"moving", {VMM_PAUSED, TRUE, TRUE}},
        {"other", {VMM_OTHER}},
    };
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        if (g_str_equal(words[i].word, word))
            return words[i].sight;
    return (LxcSight){VMM_UNKNOWN};
}

LxcSight lxc_look(const VmmAction *action, const char *host)
{
    const SshWatch watch = {.seconds = 50};
    g_autofree char *call = lxc_call("look", action->domain, lxc_uuid(action), NULL);
    g_autofree char *word = NULL;
    GError *error = NULL;
    if (!lxc_do(host, call, &watch, &word, &error))
        return (LxcSight){VMM_UNKNOWN, .error = error};
    LxcSight sight = lxc_sight_of(g_strstrip(word));
    if (sight.presence == VMM_UNKNOWN)
        g_set_error(&sight.error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "host %s: LXC says that %s is %.40s", host, action->domain,
                    *word ? word : "(nothing)");
    return sight;
}

VmmPresence lxc_presence(const VmmAction *action, const char *host)
{
    g_auto(LxcSight) sight = lxc_look(action, host);
    /* Off, it may still have its place there; between two hosts it needs its networks. */
    return sight.presence;
}

void lxc_finish(DriverJob *job, gboolean good, const char *info, GError *const *error)
{
    if (good)
        driver_job_succeed(job, info);
    else
        driver_job_fail(job, "%s", (*error)->message);
}

/* ---- DEPLOY ---- */

/* FALSE with the error: it runs on another host, or stands still there with its memory. One that
 * does not answer was left before. */
static gboolean runs_nowhere_else(const VmmAction *action, GError **error)
{
    g_autoptr(GPtrArray) hosts = container_earlier_hosts(action);
    for (guint i = 0; i < hosts->len; i++) {
        g_auto(LxcSight) sight = lxc_look(action, hosts->pdata[i]);
        if (sight.presence != VMM_RUNNING && sight.presence != VMM_PAUSED)
            continue;
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%s %s on %s", action->domain,
                    sight.moving ? "stands still in the middle of a move"
                                 : vmm_presence_text(sight.presence),
                    (const char *)hosts->pdata[i]);
        return FALSE;
    }
    return TRUE;
}

/* The answer: the container's name, and its disks that oned takes for qcow2 and that are raw, since
 * they were made so to be mounted: "one-3 RAW=0,2". (owned) */
static char *deployed(const VmmAction *action, const char *said)
{
    g_auto(GStrv) lines = g_strsplit(said ? said : "", "\n", -1);
    GString *answer = g_string_new(action->domain);
    const xmlNode *disk = xml_find(action->vm, "TEMPLATE/DISK");
    const char *before = " RAW=";
    for (; disk; disk = xml_next_same(disk)) {
        g_autofree char *driver = xml_get(disk, "DRIVER"), *id = xml_get(disk, "DISK_ID");
        g_autofree char *format = driver ? g_strdup(driver) : xml_get(disk, "FORMAT");
        g_autofree char *line = g_strconcat("raw ", id, NULL);
        if (!format || g_ascii_strcasecmp(format, "qcow2") != 0 ||
            !g_strv_contains((const char *const *)lines, line))
            continue;
        g_string_append_printf(answer, "%s%s", before, id);
        before = ",";
    }
    return g_string_free(answer, FALSE);
}

/* A start tells when it could not give the container users of its own. */
static void tell_privileged(const VmmAction *action, const char *said)
{
    static const char word[] = "privileged: ";
    g_auto(GStrv) lines = g_strsplit(said ? said : "", "\n", -1);
    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, word))
            driver_log('W', action->vid,
                       "its root is root of %s, since its disks cannot be mounted for other users: "
                       "%s. LXC_UNPRIVILEGED = \"YES\" would refuse that",
                       action->host, *line + strlen(word));
}

static void deploy(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = lxc_watch(job, DEPLOY_SECONDS);
    g_autoptr(GError) error = NULL;
    g_autofree char *call = NULL, *said = NULL;
    g_auto(LxcPlan) plan = {NULL};
    gboolean good = runs_nowhere_else(action, &error);
    if (good && *lxc_uuid(action) == '\0') {
        call = lxc_call("start_imported", action->domain, NULL);
    } else if (good) {
        good = lxc_build(action, &plan, &error);
        if (good)
            call = lxc_call("deploy", action->domain, action->uuid, lxc_directory(action),
                            plan.config, plan.size, plan.disks, NULL);
    }
    good = good && lxc_do(action->host, call, &watch, &said, &error);
    tell_privileged(action, said);
    g_autofree char *info = deployed(action, said);
    lxc_finish(job, good, info, &error);
}

/* ---- SHUTDOWN, CANCEL, REBOOT, RESET, CLEANUP ---- */

static guint stop_seconds(void)
{
    return (guint)CLAMP(container_setting("SHUTDOWN_TIMEOUT", 60), 1, 3600);
}

static gboolean end_there(const VmmAction *action, const char *host, guint seconds,
                          const SshWatch *watch, GError **error)
{
    g_autofree char *text = g_strdup_printf("%u", seconds);
    g_autofree char *call = lxc_call("end", action->domain, lxc_uuid(action), text, NULL);
    return lxc_do(host, call, watch, NULL, error);
}

gboolean lxc_remove(const VmmAction *action, const char *host, GError **error)
{
    const SshWatch watch = {.seconds = CALL_SECONDS};
    return end_there(action, host, 0, &watch, error);
}

static void shut_down(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = lxc_watch(job, stop_seconds() + CALL_SECONDS);
    g_autoptr(GError) error = NULL;
    lxc_finish(job, end_there(action, action->host, stop_seconds(), &watch, &error), NULL, &error);
}

static void cancel(DriverJob *job)
{
    g_autoptr(GError) error = NULL;
    lxc_finish(job, lxc_remove(vmm_action_of(job), vmm_action_of(job)->host, &error), NULL, &error);
}

static void start_again(DriverJob *job, const char *seconds)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = lxc_watch(job, CALL_SECONDS);
    g_autoptr(GError) error = NULL;
    g_auto(LxcPlan) plan = {NULL};
    if (*lxc_uuid(action) == '\0') {
        driver_job_fail(job, "%s was imported: restart it on %s by LXC itself", action->domain,
                        action->host);
        return;
    }
    gboolean good = lxc_build(action, &plan, &error);
    g_autofree char *call =
        good ? lxc_call("again", action->domain, action->uuid, seconds, lxc_directory(action),
                        plan.config, plan.size, plan.disks, NULL)
             : NULL;
    lxc_finish(job, good && lxc_do(action->host, call, &watch, NULL, &error), NULL, &error);
}

static void reboot(DriverJob *job)
{
    start_again(job, "60");
}

static void reset(DriverJob *job)
{
    start_again(job, "0");
}

static void clean_up(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    gboolean good = action->adopted ||
                    (lxc_remove(action, action->host, &error) &&
                     (!action->destination || lxc_remove(action, action->destination, &error)));
    lxc_finish(job, good, NULL, &error);
}

/* ---- POLL, RESIZE ---- */

static void poll_machine(DriverJob *job)
{
    static const char letters[] = {[VMM_ABSENT] = 'd',
                                   [VMM_RUNNING] = 'a',
                                   [VMM_PAUSED] = 'p',
                                   [VMM_BROKEN] = 'e',
                                   [VMM_OTHER] = 'd'};
    const VmmAction *action = vmm_action_of(job);
    g_auto(LxcSight) sight = lxc_look(action, action->host);
    if (sight.presence == VMM_UNKNOWN) {
        driver_job_fail(job, "%s", sight.error->message);
        return;
    }
    g_autofree char *text = g_strdup_printf(
        "STATE=%c DEPLOY_ID=%s", sight.moving ? '-' : letters[sight.presence], action->domain);
    driver_job_succeed(job, text);
}

static void resize(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = lxc_watch(job, CALL_SECONDS);
    g_autoptr(GError) error = NULL;
    g_autofree char *limits = lxc_build_limits(action);
    g_autofree char *call = lxc_call("limit", action->domain, lxc_uuid(action), limits, NULL);
    lxc_finish(job, lxc_do(action->host, call, &watch, NULL, &error), NULL, &error);
}

static void refuse(DriverJob *job)
{
    driver_job_fail(job,
                    "containers of LXC have no %s while they run: power it off, change it, and "
                    "start it",
                    driver_job_action(job));
}

/* The time-outs are wider than what the calls themselves allow; they catch a host that hangs. */
const DriverAction lxc_actions[] = {
    {"DEPLOY", deploy, 3600, DRIVER_QUEUED, vmm_network_before, vmm_network_ending},
    {"SHUTDOWN", shut_down, 4000, DRIVER_QUEUED, NULL, vmm_network_ending},
    {"CANCEL", cancel, 120, DRIVER_URGENT, NULL, vmm_network_ending},
    {"REBOOT", reboot, 200, DRIVER_URGENT},
    {"RESET", reset, 200, DRIVER_URGENT},
    {"SAVE", lxc_save, 4000, DRIVER_QUEUED, NULL, vmm_network_ending},
    {"RESTORE", lxc_restore, 4000, DRIVER_QUEUED, vmm_network_before, vmm_network_ending},
    {"MIGRATE", lxc_migrate, 90000, DRIVER_QUEUED, vmm_network_before, vmm_network_ending},
    {"SETTLE", lxc_settle, 120, DRIVER_URGENT, NULL, vmm_network_ending},
    {"MIGRATECHECK", lxc_check, 90, DRIVER_URGENT},
    {"FREEZE", lxc_freeze, 120, DRIVER_URGENT},
    {"THAW", lxc_thaw, 120, DRIVER_URGENT},
    {"POLL", poll_machine, 60, DRIVER_URGENT, NULL, vmm_network_ending},
    {"CLEANUP", clean_up, 230, DRIVER_URGENT, NULL, vmm_network_ending},
    {"CONSOLE", lxc_console, 60, DRIVER_URGENT},
    {"EXEC", lxc_exec, 60, DRIVER_URGENT},
    {"EXECPOLL", lxc_exec_poll, 60, DRIVER_URGENT},
    {"EXEC_CANCEL", lxc_exec_cancel, 60, DRIVER_URGENT},
    {"RESIZE", resize, 180},
    {"UPDATESG", vmm_update_groups, 120},
    {"ATTACHDISK", refuse, 60},
    {"DETACHDISK", refuse, 60},
    {"RESIZEDISK", refuse, 60},
    {"ATTACHNIC", refuse, 60},
    {"DETACHNIC", refuse, 60},
    {"SNAPSHOTCREATE", refuse, 60},
    {"SNAPSHOTREVERT", refuse, 60},
    {"SNAPSHOTDELETE", refuse, 60},
    {NULL},
};
