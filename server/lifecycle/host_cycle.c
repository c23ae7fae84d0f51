/* Watching hosts: when they are asked, what their answers change, when they are lost.
 * Datastores are asked for their room here too. */
#include "server/lifecycle/internal.h"
#include "server/lifecycle/cluster_plan.h"

#include "lib/base/error.h"
#include "server/model/place/cluster.h"
#include "server/model/storage/datastore.h"
#include "server/model/place/host_pci.h"
#include "server/model/people/user.h"

#include <string.h>

/* A host in trouble is asked again after so long, doubling up to the usual interval. */
#define RETRY_SECONDS 5

/* Attributes of reports that are not kept in the template: they are samples, or lists. */
static const char *const not_kept[] = {"USEDCPU",
                                       "FREECPU",
                                       "USEDMEMORY",
                                       "FREEMEMORY",
                                       "NETRX",
                                       "NETTX",
                                       "VM",
                                       "DS",
                                       "SYNC_STATE",
                                       "MISSING_STATE",
                                       "DS_LOCATION_TOTAL_MB",
                                       "DS_LOCATION_USED_MB",
                                       "DS_LOCATION_FREE_MB",
                                       "POLL",
                                       NULL};

/* ---- asking ---- */

typedef struct HostTimer {
    Lifecycle *lifecycle;
    gint32 host;
} HostTimer;

static void ask_host(Lifecycle *lifecycle, Host *host);

/* A host's report holds its machines, so the shorter of both intervals counts. */
static gint64 usual_interval(Lifecycle *lifecycle)
{
    return MIN(config_int(lifecycle->world->config, "MONITORING_INTERVAL_HOST"),
               config_int(lifecycle->world->config, "MONITORING_INTERVAL_VM"));
}

static void host_timer_fired(Core *core, gpointer data)
{
    HostTimer *timer = data;
    Host *host = host_get(timer->lifecycle->world, timer->host);
    if (!host)
        return;
    host->timer = 0;
    ask_host(timer->lifecycle, host);
}

static void ask_later(Lifecycle *lifecycle, Host *host, gint64 seconds)
{
    HostTimer *timer = g_new0(HostTimer, 1);
    timer->lifecycle = lifecycle;
    timer->host = host->head.id;
    core_timer_cancel(lifecycle->world->core, host->timer);
    host->timer = core_timer_add(lifecycle->world->core, seconds * G_USEC_PER_SEC, host_timer_fired,
                                 timer, g_free);
}

static DriverRequest *information_request(Lifecycle *lifecycle, const Host *host,
                                          const char *action)
{
    DriverRequest *request = g_new0(DriverRequest, 1);
    request->class = DRIVER_INFORMATION;
    request->driver = g_strdup(host->im_mad);
    request->action = g_strdup(action);
    request->id = host->head.id;
    if (!strcmp(action, "MONITOR"))
        request->payload =
            g_strdup_printf("%s %s 0", host->head.name, lifecycle->world->datastores);
    else
        request->payload = g_strdup(host->head.name);
    return request;
}

static void ask_host(Lifecycle *lifecycle, Host *host)
{
    if (host->request || host->state == HOST_OFFLINE)
        return;
    host->asked = core_steady(lifecycle->world->core);
    host->request =
        lifecycle_ask(lifecycle, information_request(lifecycle, host, "MONITOR"), ASKED_HOST,
                      host->head.id, 0, lifecycle_timeout(lifecycle, "MONITOR", 60));
}

gboolean host_ask_now(Lifecycle *lifecycle, Host *host, GError **error)
{
    if (host->state == HOST_OFFLINE) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "Host %d is offline, so it is not asked: `onehost enable` opens it",
                    host->head.id);
        return FALSE;
    }
    ask_host(lifecycle, host);
    return TRUE;
}

void host_capacity_changed(Lifecycle *lifecycle, gint32 cluster)
{
    GPtrArray *hosts = lifecycle->world->pools[KIND_HOST].order;
    for (guint i = 0; i < hosts->len; i++) {
        Host *host = hosts->pdata[i];
        if (cluster < 0 || host->cluster == cluster)
            host_reserve(lifecycle->world, host);
    }
    lifecycle_ring(lifecycle);
}

void host_start_monitoring(Lifecycle *lifecycle, Host *host)
{
    ask_host(lifecycle, host);
}

void lifecycle_monitor_now(Lifecycle *lifecycle)
{
    GPtrArray *hosts = lifecycle->world->pools[KIND_HOST].order;
    for (guint i = 0; i < hosts->len; i++) {
        Host *host = hosts->pdata[i];
        if (host->timer)
            ask_later(lifecycle, host, 0);
    }
    datastores_start_monitoring(lifecycle);
    markets_start_monitoring(lifecycle);
}

void host_stop_monitoring(Lifecycle *lifecycle, Host *host)
{
    core_timer_cancel(lifecycle->world->core, host->timer);
    host->timer = 0;
    lifecycle_forget(lifecycle, host->request);
    host->request = 0;
    lifecycle_ask(lifecycle, information_request(lifecycle, host, "STOPMONITOR"), ASKED_HOST, -1, 0,
                  lifecycle_timeout(lifecycle, "MONITOR", 60));
}

void lifecycle_host_removed(Lifecycle *lifecycle, gint32 host)
{
    lifecycle_forget_samples(lifecycle, SAMPLE_HOST, host);
}

/* ---- states ---- */

static void set_state(Lifecycle *lifecycle, Host *host, HostState state)
{
    if (host->state == state)
        return;
    log_info("HST", "Host %s (%d): %s -> %s", host->head.name, host->head.id,
             host_state_name(host->state), host_state_name(state));
    host->previous_state = host->state;
    host->state = state;
    object_changed(lifecycle->world, &host->head);
    object_entered(lifecycle->world, &host->head);
}

static void machines_lost(Lifecycle *lifecycle, Host *host, const char *reason)
{
    g_autoptr(GArray) ids = g_array_copy(host->vms);
    for (guint i = 0; i < ids->len; i++) {
        Vm *vm = vm_get(lifecycle->world, g_array_index(ids, gint32, i));
        if (vm)
            vm_host_lost(lifecycle, vm, host, reason);
    }
}

gboolean host_set_status(Lifecycle *lifecycle, Host *host, gint status, GError **error)
{
    static const HostState states[] = {HOST_INIT, HOST_DISABLED, HOST_OFFLINE};
    if (status < 0 || status > 2) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "Wrong status code");
        return FALSE;
    }
    if (status == 2) {
        host_stop_monitoring(lifecycle, host);
        set_state(lifecycle, host, HOST_OFFLINE);
        machines_lost(lifecycle, host, "it was set offline");
        return TRUE;
    }
    gboolean enabled =
        host->state == HOST_INIT || host->state == HOST_MONITORED || host->state == HOST_ERROR;
    if (status == 0 && enabled)
        return TRUE;
    set_state(lifecycle, host, states[status]);
    ask_host(lifecycle, host);
    return TRUE;
}

static void host_failed(Lifecycle *lifecycle, Host *host, const char *reason)
{
    g_autoptr(GDateTime) now = g_date_time_new_from_unix_local(core_now(lifecycle->world->core));
    g_autofree char *stamp = g_date_time_format(now, "%a %b %e %H:%M:%S %Y");
    g_autofree char *text =
        g_strdup_printf("%s : Error monitoring Host %s (%d): %s", stamp, host->head.name,
                        host->head.id, reason && *reason ? reason : "the driver gave no reason");
    host->failures++;
    if (host->failures == 1 || host->state != HOST_ERROR)
        log_error("HST", "Host %s (%d): %s", host->head.name, host->head.id, reason);
    template_set(host->head.template, "ERROR", text);
    object_changed(lifecycle->world, &host->head);
    if (host->state == HOST_INIT || host->state == HOST_MONITORED)
        set_state(lifecycle, host, HOST_ERROR);
    machines_lost(lifecycle, host, reason);
    gint64 usual = usual_interval(lifecycle);
    gint64 retry = (gint64)RETRY_SECONDS << MIN(host->failures - 1, 6);
    ask_later(lifecycle, host, MIN(retry, usual));
}

/* ---- what a report holds ---- */

char *lifecycle_decoded(const char *base64)
{
    gsize length = 0;
    guchar *bytes = g_base64_decode(base64, &length);
    char *text = g_strndup((const char *)bytes, length);
    g_free(bytes);
    return text;
}

static gboolean is_kept(const char *name)
{
    for (guint i = 0; not_kept[i]; i++)
        if (!strcmp(name, not_kept[i]))
            return FALSE;
    return TRUE;
}

/* TRUE when the stored attributes changed. */
static gboolean keep_attributes(Host *host, const Template *report)
{
    gboolean changed = FALSE;
    for (guint i = 0; i < template_count(report); i++) {
        const TemplateAttribute *attribute = template_nth(report, i);
        if (!attribute->value || !is_kept(attribute->name) ||
            !g_strcmp0(template_get(host->head.template, attribute->name), attribute->value))
            continue;
        template_set(host->head.template, attribute->name, attribute->value);
        changed = TRUE;
    }
    if (template_get(host->head.template, "ERROR")) {
        template_set(host->head.template, "ERROR", NULL);
        changed = TRUE;
    }
    return changed;
}

static void read_datastores(Host *host, const Template *report)
{
    host->max_disk = lifecycle_number(report, "DS_LOCATION_TOTAL_MB");
    host->used_disk = lifecycle_number(report, "DS_LOCATION_USED_MB");
    host->free_disk = lifecycle_number(report, "DS_LOCATION_FREE_MB");
    g_array_set_size(host->datastores, 0);
    TemplateAttribute *vector;
    for (guint i = 0; (vector = template_vector(report, "DS", i)); i++) {
        HostDatastore datastore = {-1, 0, 0, 0};
        gint64 id = -1;
        attribute_get_int(vector, "ID", &id);
        datastore.id = (gint32)id;
        attribute_get_int(vector, "TOTAL_MB", &datastore.total_mb);
        attribute_get_int(vector, "USED_MB", &datastore.used_mb);
        attribute_get_int(vector, "FREE_MB", &datastore.free_mb);
        g_array_append_val(host->datastores, datastore);
    }
}

static void keep_sample(Lifecycle *lifecycle, Host *host, const Template *report)
{
    World *world = lifecycle->world;
    host->used_cpu = lifecycle_number(report, "USEDCPU");
    host->free_cpu = lifecycle_number(report, "FREECPU");
    host->used_memory = lifecycle_number(report, "USEDMEMORY");
    host->free_memory = lifecycle_number(report, "FREEMEMORY");
    GString *xml = g_string_sized_new(512);
    xml_int(xml, "TIMESTAMP", core_now(world->core));
    xml_int(xml, "ID", host->head.id);
    g_string_append(xml, "<CAPACITY>");
    xml_int(xml, "FREE_CPU", host->free_cpu);
    xml_int(xml, "FREE_MEMORY", host->free_memory);
    xml_int(xml, "USED_CPU", host->used_cpu);
    xml_int(xml, "USED_MEMORY", host->used_memory);
    g_string_append(xml, "</CAPACITY><SYSTEM>");
    xml_int(xml, "NETRX", lifecycle_number(report, "NETRX"));
    xml_int(xml, "NETTX", lifecycle_number(report, "NETTX"));
    g_string_append(xml, "</SYSTEM>");
    host_numa_render_sample(host->numa, xml);
    g_free(host->monitoring);
    host->monitoring = g_string_free(xml, FALSE);
    lifecycle_keep_sample(lifecycle, SAMPLE_HOST, host->head.id,
                          g_strdup_printf("<MONITORING>%s</MONITORING>", host->monitoring));
}

static void host_succeeded(Lifecycle *lifecycle, Host *host, const Template *report, gint64 asked)
{
    World *world = lifecycle->world;
    gboolean was_ready = host->state == HOST_MONITORED;
    host->failures = 0;
    host->last_monitored = core_now(world->core);
    gboolean changed = keep_attributes(host, report);
    host->total_cpu = lifecycle_number(report, "TOTALCPU");
    host->total_memory = lifecycle_number(report, "TOTALMEMORY");
    host_reserve(world, host);
    read_datastores(host, report);
    host_numa_free(host->numa);
    host->numa = host_numa_read(report);
    template_free(host->pci);
    host->pci = host_pci_read(report);
    keep_sample(lifecycle, host, report);
    object_touched(world, &host->head);
    if (changed)
        object_changed(world, &host->head);
    if (host->state == HOST_INIT || host->state == HOST_ERROR)
        set_state(lifecycle, host, HOST_MONITORED);
    host_read_machines(lifecycle, host, report, asked);
    vm_groups_retry(lifecycle, host);
    leftovers_clean(lifecycle, host);
    if (!was_ready && host->state == HOST_MONITORED)
        lifecycle_ring(lifecycle);
    ask_later(lifecycle, host, usual_interval(lifecycle));
}

void host_answered(Lifecycle *lifecycle, Host *host, const Asked *asked, gboolean success,
                   const char *info)
{
    if (strcmp(asked->action, "MONITOR") != 0 || host->request != asked->number)
        return;
    host->request = 0;
    if (!success) {
        host_failed(lifecycle, host, info);
        return;
    }
    g_autofree char *text = lifecycle_decoded(info);
    g_autoptr(GError) error = NULL;
    g_autoptr(Template) report = template_parse(text, TEMPLATE_MODERN, &error);
    if (!report) {
        g_autofree char *reason = g_strdup_printf("the report of driver %s cannot be read: %s",
                                                  asked->driver, error->message);
        host_failed(lifecycle, host, reason);
        return;
    }
    host_succeeded(lifecycle, host, report, asked->sent);
}

void host_event(Lifecycle *lifecycle, Host *host, const char *action, gboolean success,
                const char *payload)
{
    if (host->state == HOST_OFFLINE)
        return;
    if (!strcmp(action, "MONITOR_HOST") && !success) {
        if (!host->request)
            host_failed(lifecycle, host, payload);
        return;
    }
    g_autofree char *text = lifecycle_decoded(payload);
    g_autoptr(Template) report = template_parse(text, TEMPLATE_MODERN, NULL);
    if (!report || !success)
        return;
    TemplateAttribute *vector;
    if (!strcmp(action, "STATE_VM") || !strcmp(action, "MONITOR_VM"))
        for (guint i = 0; (vector = template_vector(report, "VM", i)); i++)
            host_read_machine(lifecycle, host, vector, core_steady(lifecycle->world->core), NULL);
}

/* ---- after the start ---- */

static void resume_work(Lifecycle *lifecycle, Vm *vm)
{
    const VmPhase *phase = vm->state == VM_ACTIVE ? vm_phase(vm->lcm) : NULL;
    if (!phase)
        return;
    vm_log(lifecycle, vm, LOG_INFO, "oned was started again while the machine was in %s",
           vm_lcm_name(vm->lcm));
    if (!vm_last_record(vm) || (vm_is_moving(vm) && !vm_previous_record(vm))) {
        vm_note_failure(lifecycle, vm,
                        "the database does not say which hosts it is on or between (oned --check): "
                        "it is left alone until a host says that it has it");
        vm_enter(lifecycle, vm, VM_ACTIVE, LCM_UNKNOWN);
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(phase->steps); i++) {
        if (vm_step_row(phase->steps[i])->expectation == EXPECT_NOTHING)
            continue;
        vm->work.step = i;
        vm_ask_truth(lifecycle, vm, "oned was started again");
        return;
    }
    vm->work.step = vm_change_step(vm);
    vm_begin_step(lifecycle, vm); /* such work may be done twice */
}

void lifecycle_start(Lifecycle *lifecycle)
{
    World *world = lifecycle->world;
    GPtrArray *hosts = world->pools[KIND_HOST].order;
    for (guint i = 0; i < hosts->len; i++)
        host_start_monitoring(lifecycle, hosts->pdata[i]);
    GPtrArray *vms = world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++) {
        resume_work(lifecycle, vms->pdata[i]);
        vm_groups_follow(lifecycle, vms->pdata[i]);
    }
    vm_exec_resume(lifecycle);
    hooks_resume(lifecycle);
    images_resume(lifecycle);
    datastores_start_monitoring(lifecycle);
    lifecycle_sched_look(lifecycle);
    plans_begin(lifecycle);
    backupjobs_begin(lifecycle);
    markets_start(lifecycle);
}
