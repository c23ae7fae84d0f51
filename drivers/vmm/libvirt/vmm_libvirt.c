#include "drivers/vmm/libvirt/vmm_libvirt.h"

#include "drivers/vmm/libvirt/vmm_change.h"
#include "drivers/vmm/libvirt/vmm_herd.h"

#include "drivers/common/libvirt_stats.h"
#include "drivers/vmm/check/domain_check.h"
#include "drivers/vmm/migrate/vmm_migrate.h"
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/base/xml.h"
#include <libvirt/virterror.h>
#include <math.h>
#include <string.h>

/* How often a guest that shuts down is looked at. */
#define SHUTDOWN_LOOK_MS 250
/* A question for a machine that the hosts are moving by themselves waits so long for the end of
 * the move; then the answer is that it cannot be said yet. */
#define STRAY_SECONDS 4

static VmmFlavour flavour;
static Template *defaults;

/* ---- settings ---- */

const VmmFlavour *vmm_libvirt_flavour(void)
{
    return &flavour;
}

const Template *vmm_libvirt_defaults(void)
{
    return defaults;
}

void vmm_libvirt_start(const VmmFlavour *wanted, const char *uri)
{
    flavour = *wanted;
    if (uri) {
        flavour.libvirt.remote = g_strdup(uri);
        /* A pattern that names no host is meant for all of them. */
        if (!strstr(uri, "%h"))
            flavour.libvirt.local = flavour.libvirt.remote;
    }
    defaults = template_new();
    libvirt_pool_start(&flavour.libvirt);
}

gboolean vmm_libvirt_init(GError **error)
{
    g_autofree char *path = paths_etc(flavour.defaults);
    g_autofree char *text = NULL;
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        log_warning("VMM", "%s is missing: machines get no defaults from it", path);
        return TRUE;
    }
    Template *read = g_file_get_contents(path, &text, NULL, error)
                         ? template_parse(text, TEMPLATE_MODERN, error)
                         : NULL;
    if (!read || !domain_check_defaults(read, error)) {
        g_prefix_error(error, "%s cannot be used: ", path);
        template_free(read);
        return FALSE;
    }
    template_free(defaults);
    defaults = read;
    return TRUE;
}

/* ---- what most actions begin with ---- */

/* A connection to the machine's host; a failure ends the job. */
static virConnectPtr connect_host(DriverJob *job)
{
    g_autoptr(GError) error = NULL;
    virConnectPtr connection = libvirt_pool_get(vmm_action_of(job)->host, &error);
    if (!connection)
        driver_job_fail(job, "%s", error->message);
    return connection;
}

static void fail_job(DriverJob *job, const GError *error)
{
    driver_job_fail(job, "%s", error->message);
}

/* Ends the job when the host could not say, or has another machine of that name. */
static gboolean sight_is_clear(DriverJob *job, const VmmSight *sight)
{
    const VmmAction *action = vmm_action_of(job);
    if (sight->presence == VMM_UNKNOWN) {
        fail_job(job, sight->error);
    } else if (sight->presence == VMM_OTHER) {
        driver_job_fail(
            job,
            "%s on %s is another machine (its UUID is not %s); it is left alone. Rename "
            "or remove it there",
            action->domain, action->host, action->uuid);
    }
    return sight->presence != VMM_UNKNOWN && sight->presence != VMM_OTHER;
}

gboolean vmm_destroy(const VmmAction *action, virDomainPtr domain, const char *host, GError **error)
{
    if (virDomainIsActive(domain) == 1 && virDomainDestroyFlags(domain, 0) < 0) {
        /* It may have ended by itself meanwhile. */
        g_autoptr(GError) reason = NULL;
        libvirt_error(&reason, "destroy %s on %s", action->domain, host);
        if (virDomainIsActive(domain) != 0) {
            g_propagate_error(error, g_steal_pointer(&reason));
            return FALSE;
        }
    }
    if (virDomainIsPersistent(domain) == 1 && !action->adopted &&
        g_str_has_prefix(action->domain, "one-"))
        (void)virDomainUndefineFlags(domain,
                                     VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_NVRAM);
    return TRUE;
}

/* ---- DEPLOY ---- */

DomainRequest vmm_domain_request(const VmmAction *action)
{
    return (DomainRequest){
        .dialect = flavour.dialect,
        .vm = action->vm,
        .vid = action->vid,
        .name = action->domain,
        .uuid = action->uuid,
        .directory = action->directory,
        .host = action->host_template,
        .defaults = defaults,
        .now = g_get_real_time() / G_USEC_PER_SEC,
    };
}

/* The administrator finds what was started beside the machine's log. It may hold the
 * password of a console, so it is for the owner only. */
static void keep_document(const VmmAction *action, const char *text)
{
    g_autoptr(GError) error = NULL;
    if (action->deployment &&
        !g_file_set_contents_full(action->deployment, text, -1, G_FILE_SET_CONTENTS_CONSISTENT,
                                  0600, &error))
        driver_log('W', action->vid, "the domain document is not kept: %s", error->message);
}

/* Xen has no shares but a weight, set on the running domain. */
void vmm_set_weight(const VmmAction *action, virDomainPtr domain)
{
    virTypedParameterPtr parameters = NULL;
    int count = 0, room = 0;
    gint64 credit = 256;
    g_autofree char *cpu = xml_get(action->vm, "TEMPLATE/CPU");
    (void)template_get_int(defaults, "CREDIT", &credit);
    double weight = ceil((cpu ? g_ascii_strtod(cpu, NULL) : 1) * (double)credit);
    if (!(flavour.abilities & VMM_WEIGHS))
        return;
    if (virTypedParamsAddUInt(&parameters, &count, &room, "weight",
                              (unsigned)CLAMP(weight, 1, 65535)) < 0 ||
        virDomainSetSchedulerParameters(domain, parameters, count) < 0)
        driver_log('W', action->vid, "the weight of %s is not set: %s", action->domain,
                   virGetLastErrorMessage());
    virTypedParamsFree(parameters, count);
}

static virDomainPtr create(const VmmAction *action, virConnectPtr connection, unsigned flags,
                           GError **error)
{
    DomainRequest request = vmm_domain_request(action);
    if (domain_wants_validation(&request))
        flags |= VIR_DOMAIN_START_VALIDATE;
    for (int without_shares = 0; without_shares < 2; without_shares++) {
        request.without_shares = without_shares;
        g_autofree char *text = domain_xml(&request, error);
        if (!text)
            return NULL;
        keep_document(action, text);
        virDomainPtr domain = virDomainCreateXML(connection, text, flags);
        if (domain)
            return domain;
        if (without_shares || !strstr(virGetLastErrorMessage(), "CPU tuning is not available"))
            break;
        driver_log('W', action->vid,
                   "%s has no CPU control group: the machine starts without its share of CPU",
                   action->host);
    }
    libvirt_error(error, "start %s on %s", action->domain, action->host);
    return NULL;
}

/* TRUE: the machine is there already, so that a repeated request does no harm. */
static gboolean runs_already(DriverJob *job, const VmmSight *sight)
{
    if (sight->presence == VMM_PAUSED && virDomainResume(sight->domain) < 0) {
        g_autoptr(GError) error = NULL;
        libvirt_error(&error, "resume %s, which is there and paused", vmm_action_of(job)->domain);
        fail_job(job, error);
        return TRUE;
    }
    if (sight->presence != VMM_PAUSED && sight->presence != VMM_RUNNING)
        return FALSE;
    driver_job_succeed(job, vmm_action_of(job)->domain);
    return TRUE;
}

/* A machine that was imported: what its own administrator defined is started again, as it is. */
static void deploy_adopted(DriverJob *job, const VmmSight *sight)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    if (!sight->domain) {
        driver_job_fail(job,
                        "there is no %s on %s: an imported machine can be started only where its "
                        "definition is",
                        action->domain, action->host);
        return;
    }
    if (virDomainCreate(sight->domain) < 0) {
        libvirt_error(&error, "start %s on %s", action->domain, action->host);
        fail_job(job, error);
        return;
    }
    driver_job_succeed(job, action->domain);
}

static void deploy(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_auto(virConnectPtr) connection = connect_host(job);
    if (!connection)
        return;
    g_auto(VmmSight) sight = vmm_look(action, connection);
    if (!sight_is_clear(job, &sight) || runs_already(job, &sight))
        return;
    if (sight.presence == VMM_BROKEN && !vmm_destroy(action, sight.domain, action->host, &error)) {
        fail_job(job, error);
        return;
    }
    if (action->adopted) {
        deploy_adopted(job, &sight);
        return;
    }
    gboolean held = vmm_herd_wants(job, connection);
    g_auto(virDomainPtr) domain =
        create(action, connection, held ? VIR_DOMAIN_START_PAUSED : 0, &error);
    if (!domain) {
        fail_job(job, error);
        return;
    }
    vmm_set_weight(action, domain);
    if (held)
        vmm_herd_hold(job);
    else
        driver_job_succeed(job, virDomainGetName(domain));
}

static void deploy_and_look(DriverJob *job)
{
    g_autofree char *host = g_strdup(vmm_action_of(job)->host);
    deploy(job);
    vmm_herd_look(host);
}

/* ---- SHUTDOWN, CANCEL ---- */

/* Waits until the domain is gone. FALSE: it still runs. */
static gboolean wait_gone(DriverJob *job, virConnectPtr connection, gint64 seconds)
{
    gint64 until = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
    while (g_get_monotonic_time() < until) {
        g_auto(VmmSight) sight = vmm_look(vmm_action_of(job), connection);
        if (sight.presence == VMM_ABSENT)
            return TRUE;
        if (sight.presence == VMM_UNKNOWN || driver_job_wait(job, SHUTDOWN_LOOK_MS))
            return FALSE;
    }
    return FALSE;
}

/* A container has no power button: what its first program obeys depends on what it is. libvirt's
 * own way suits an init with a control pipe (and tells success without one), SIGRTMIN+3 is for
 * systemd, SIGTERM for all others; to whom one is not meant does nothing of it. FALSE: it is
 * still there. */
static gboolean ask_container(DriverJob *job, virConnectPtr connection, virDomainPtr domain)
{
    const gint64 patience = 1; /* seconds between one word and the next */
    if (virDomainShutdown(domain) == 0 && wait_gone(job, connection, patience))
        return TRUE;
    if (driver_job_cancelled(job))
        return FALSE;
    if (virDomainSendProcessSignal(domain, 1, VIR_DOMAIN_PROCESS_SIGNAL_RT3, 0) == 0 &&
        wait_gone(job, connection, patience))
        return TRUE;
    if (!driver_job_cancelled(job))
        (void)virDomainShutdownFlags(domain, VIR_DOMAIN_SHUTDOWN_SIGNAL);
    return wait_gone(job, connection, patience);
}

static gint64 shutdown_seconds(void)
{
    gint64 seconds = 120;
    (void)template_get_int(defaults, "SHUTDOWN_TIMEOUT", &seconds);
    return CLAMP(seconds, 1, 3600);
}

static void shut_down(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_auto(virConnectPtr) connection = connect_host(job);
    if (!connection)
        return;
    g_auto(VmmSight) sight = vmm_look(action, connection);
    if (!sight_is_clear(job, &sight))
        return;
    if (sight.presence == VMM_ABSENT || sight.presence == VMM_BROKEN) {
        if (sight.domain && !vmm_destroy(action, sight.domain, action->host, &error))
            fail_job(job, error);
        else
            driver_job_succeed(job, NULL);
        return;
    }
    gint64 seconds = shutdown_seconds();
    gboolean container = flavour.dialect->traits & DOMAIN_CONTAINER;
    if (container && ask_container(job, connection, sight.domain)) {
        driver_job_succeed(job, NULL);
    } else if (!container && virDomainShutdown(sight.domain) < 0) {
        libvirt_error(&error, "shut %s down on %s", action->domain, action->host);
        fail_job(job, error);
    } else if (wait_gone(job, connection, seconds)) {
        driver_job_succeed(job, NULL);
    } else if (driver_job_cancelled(job)) {
        driver_job_fail(job, "no longer waited for; %s may still obey", action->domain);
    } else {
        driver_job_fail(job,
                        "%s did not react to %s within %" G_GINT64_FORMAT
                        " seconds and goes on running. %s terminate --hard or poweroff --hard does "
                        "not ask it",
                        action->domain, container ? "SIGRTMIN+3 and SIGTERM" : "its power button",
                        seconds,
                        container ? "Does its first program obey?" : "Does the guest handle ACPI?");
    }
}

static void cancel(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_auto(virConnectPtr) connection = connect_host(job);
    if (!connection)
        return;
    g_auto(VmmSight) sight = vmm_look(action, connection);
    if (!sight_is_clear(job, &sight))
        return;
    if (sight.domain && !vmm_destroy(action, sight.domain, action->host, &error))
        fail_job(job, error);
    else
        driver_job_succeed(job, NULL);
}

/* ---- CLEANUP ---- */

/* Nothing of the machine is on the host afterwards. Another machine of that name stays. */
static gboolean clear_host(const VmmAction *action, const char *host, GError **error)
{
    g_auto(virConnectPtr) connection = libvirt_pool_get(host, error);
    if (!connection)
        return FALSE;
    g_auto(VmmSight) sight = vmm_look(action, connection);
    if (sight.presence == VMM_UNKNOWN) {
        g_propagate_error(error, g_steal_pointer(&sight.error));
        return FALSE;
    }
    return !sight.domain || sight.presence == VMM_OTHER ||
           vmm_destroy(action, sight.domain, host, error);
}

static void clean_up(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const char *hosts[] = {action->host, action->destination};
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(hosts); i++) {
        g_autoptr(GError) error = NULL;
        if (hosts[i] && !clear_host(action, hosts[i], &error))
            g_string_append_printf(text, "%s%s", text->len ? "; " : "", error->message);
    }
    if (text->len)
        driver_job_fail(job, "%s", text->str);
    else
        driver_job_succeed(job, NULL);
}

/* ---- REBOOT, RESET ---- */

typedef int (*Restart)(virDomainPtr domain, unsigned int flags);

static void restart(DriverJob *job, Restart call, const char *verb)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_auto(virConnectPtr) connection = connect_host(job);
    if (!connection)
        return;
    g_auto(VmmSight) sight = vmm_look(action, connection);
    if (!sight_is_clear(job, &sight))
        return;
    if (sight.presence != VMM_RUNNING && sight.presence != VMM_PAUSED) {
        driver_job_fail(job, "%s %s on %s: there is nothing to %s", action->domain,
                        vmm_presence_text(sight.presence), action->host, verb);
    } else if (call(sight.domain, 0) < 0) {
        libvirt_error(&error, "%s %s on %s", verb, action->domain, action->host);
        fail_job(job, error);
    } else {
        driver_job_succeed(job, NULL);
    }
}

static void reboot(DriverJob *job)
{
    restart(job, virDomainReboot, "reboot");
}

static void reset(DriverJob *job)
{
    if (flavour.abilities & VMM_RESETS)
        restart(job, virDomainReset, "reset");
    else
        driver_job_fail(job, "machines of %s have no reset; reboot asks the guest", flavour.name);
}

/* ---- POLL ---- */

static void append_figure(GString *text, const char *name, gint64 value)
{
    if (value >= 0)
        g_string_append_printf(text, " %s=%" G_GINT64_FORMAT, name, value);
}

static gboolean get_stats(virDomainPtr domain, LibvirtStats *stats)
{
    virDomainPtr domains[] = {domain, NULL};
    virDomainStatsRecordPtr *records = NULL;
    if (virDomainListGetStats(domains, LIBVIRT_STATS_GROUPS, &records,
                              VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT) != 1) {
        const virError *fault = virGetLastError();
        return fault && fault->code == VIR_ERR_NO_SUPPORT && libvirt_stats_ask(domain, stats);
    }
    *stats = libvirt_stats_read(records[0]);
    virDomainStatsRecordListFree(records);
    return TRUE;
}

static void append_figures(GString *text, virDomainPtr domain)
{
    LibvirtStats stats;
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    if (!get_stats(domain, &stats))
        return;
    (void)virDomainGetUUIDString(domain, uuid);
    append_figure(text, "CPU", (gint64)libvirt_usage(uuid, stats.cpu_time));
    append_figure(text, "MEMORY", stats.memory);
    append_figure(text, "NETRX", stats.net_rx);
    append_figure(text, "NETTX", stats.net_tx);
}

/* Paused by a migration that nobody leads any more: whether it may go on here depends on the
 * other host, so that neither "paused" nor "running" would be the truth. */
static gboolean is_between_hosts(const VmmSight *sight)
{
    if (sight->presence == VMM_RUNNING && sight->reason == VIR_DOMAIN_RUNNING_POSTCOPY_FAILED)
        return TRUE;
    return sight->presence == VMM_PAUSED && (sight->reason == VIR_DOMAIN_PAUSED_MIGRATION ||
                                             sight->reason == VIR_DOMAIN_PAUSED_POSTCOPY ||
                                             sight->reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED);
}

static void poll_machine(DriverJob *job)
{
    static const char letters[] = {[VMM_ABSENT] = 'd', [VMM_RUNNING] = 'a', [VMM_PAUSED] = 'p',
                                   [VMM_BROKEN] = 'e', [VMM_OTHER] = 'd',   [VMM_UNKNOWN] = '-'};
    g_auto(virConnectPtr) connection = connect_host(job);
    if (!connection)
        return;
    g_auto(VmmSight) sight = vmm_look(vmm_action_of(job), connection);
    if (sight.presence == VMM_UNKNOWN) {
        fail_job(job, sight.error);
        return;
    }
    gboolean leaving = sight.domain && migration_is_stray(vmm_action_of(job)->vid, sight.domain);
    if (leaving) {
        leaving = !migration_wait_for_stray(job, sight.domain, STRAY_SECONDS);
        vmm_sight_clear(&sight);
        sight = vmm_look(vmm_action_of(job), connection);
    }
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_printf(text, "STATE=%c",
                    leaving || is_between_hosts(&sight) ? '-' : letters[sight.presence]);
    if (sight.presence == VMM_RUNNING || sight.presence == VMM_PAUSED)
        append_figures(text, sight.domain);
    if (sight.presence == VMM_RUNNING || sight.presence == VMM_PAUSED)
        g_string_append_printf(text, " DEPLOY_ID=%s", virDomainGetName(sight.domain));
    driver_job_succeed(job, text->str);
}

/* The time-outs are wider than what the actions themselves allow (SHUTDOWN_TIMEOUT,
 * MIGRATE/TIME_LIMIT), which are settings; they catch a libvirt that never comes back. */
const DriverAction vmm_libvirt_actions[] = {
    {"DEPLOY", deploy_and_look, 300, DRIVER_QUEUED, vmm_network_before, vmm_network_ending},
    {"SHUTDOWN", shut_down, 4000, DRIVER_QUEUED, NULL, vmm_network_ending},
    {"CANCEL", cancel, 120, DRIVER_URGENT, NULL, vmm_network_ending},
    {"REBOOT", reboot, 120, DRIVER_URGENT},
    {"RESET", reset, 120, DRIVER_URGENT},
    {"SAVE", vmm_save, 4000, DRIVER_QUEUED, NULL, vmm_network_ending},
    {"RESTORE", vmm_restore, 4000, DRIVER_QUEUED, vmm_network_before, vmm_network_ending},
    {"MIGRATE", vmm_migrate, 90000, DRIVER_QUEUED, vmm_network_before, vmm_network_ending},
    {"SETTLE", vmm_settle, 120, DRIVER_URGENT, NULL, vmm_network_ending},
    {"MIGRATECHECK", vmm_check, 90, DRIVER_URGENT},
    {"POLL", poll_machine, 60, DRIVER_URGENT, NULL, vmm_network_ending},
    {"CLEANUP", clean_up, 180, DRIVER_URGENT, NULL, vmm_network_ending},
    {"ATTACHDISK", vmm_attach_disk, 120},
    {"DETACHDISK", vmm_detach_disk, 180},
    {"ATTACHNIC", vmm_attach_nic, 120, DRIVER_QUEUED, vmm_network_before, vmm_network_ending},
    {"DETACHNIC", vmm_detach_nic, 180, DRIVER_QUEUED, NULL, vmm_network_ending},
    {"UPDATENIC", vmm_update_nic, 120},
    {"UPDATECONF", vmm_update_conf, 120},
    {"UPDATESG", vmm_update_groups, 120},
    {"SNAPSHOTCREATE", vmm_snapshot_create, 4000},
    {"SNAPSHOTREVERT", vmm_snapshot_revert, 4000},
    {"SNAPSHOTDELETE", vmm_snapshot_delete, 4000},
    {"DISKSNAPSHOTCREATE", vmm_disk_snapshot_create, 90000},
    {"BACKUP", vmm_backup, 90000},
    {"BACKUPCANCEL", vmm_backup_cancel, 240},
    {"RESIZE", vmm_resize, 180},
    {"RESIZEDISK", vmm_resize_disk, 180},
    {"CONSOLE", vmm_console, 60, DRIVER_URGENT},
    {"EXEC", vmm_exec, 60, DRIVER_URGENT},
    {"EXECPOLL", vmm_exec_poll, 60, DRIVER_URGENT},
    {"EXEC_CANCEL", vmm_exec_cancel, 60, DRIVER_URGENT},
    {NULL},
};
