/* The machines of a libvirt host: all in one call, and each change as an event. */
#include "drivers/common/driver.h"
#include "drivers/common/dummy.h"
#include "drivers/common/libvirt_pool.h"
#include "drivers/common/libvirt_stats.h"
#include "drivers/im/im.h"
#include "drivers/im/im_libvirt.h"
#include "lib/base/log.h"
#include "lib/base/xml.h"
#include <libvirt/virterror.h>
#include <string.h>

#define MACHINE_NAMESPACE "http://opennebula.org/xmlns/libvirt/1.0"

/* How long a guest may take to end or to start anew until it is taken for ended. */
#define FOLLOW_SECONDS 120
#define FOLLOW_LOOK_MS 300

/* ---- which machine ---- */

gint64 im_vid_of(virDomainPtr domain, gboolean ask)
{
    gint64 vid = dummy_vid(virDomainGetName(domain));
    if (vid >= 0 || !ask)
        return vid;
    g_autofree char *text =
        virDomainGetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, MACHINE_NAMESPACE, 0);
    g_autoptr(xmlDoc) document = text ? xml_read(text, strlen(text), XML_DEPTH_MAX, NULL) : NULL;
    return document ? xml_get_int(xml_root(document), "vmid", -1) : -1;
}

/* ---- the list ---- */

/* Xen's own system, which libvirt counts among the domains. */
static gboolean is_host_itself(virDomainPtr domain)
{
    return virDomainGetID(domain) == 0 && g_str_equal(virDomainGetName(domain), "Domain-0");
}

static void append_domain(GString *out, virDomainPtr domain, const LibvirtStats *stats,
                          const GArray *disks)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    if (is_host_itself(domain))
        return;
    (void)virDomainGetUUIDString(domain, uuid);
    ImMachine machine = {
        .id = im_vid_of(domain, TRUE),
        .deploy_id = virDomainGetName(domain),
        .uuid = uuid,
        .state = libvirt_state_name(stats->state, stats->reason),
        .cpu = libvirt_usage(uuid, stats->cpu_time),
        .memory = stats->memory,
        .net_rx = stats->net_rx,
        .net_tx = stats->net_tx,
        .disk_rd_bytes = stats->disk_rd_bytes,
        .disk_wr_bytes = stats->disk_wr_bytes,
        .disk_rd_ops = stats->disk_rd_ops,
        .disk_wr_ops = stats->disk_wr_ops,
        .vcpu = stats->vcpu,
        .maximum = stats->maximum,
        .disks = disks,
    };
    im_append_machine(out, &machine);
}

/* Some hypervisors' drivers tell of all domains at once, but not of their sizes. */
static void add_size(virDomainPtr domain, LibvirtStats *stats)
{
    virDomainInfo info;
    if (virDomainGetInfo(domain, &info) < 0)
        return;
    stats->cpu_time = stats->cpu_time >= 0 ? stats->cpu_time : (gint64)info.cpuTime;
    stats->memory = stats->memory >= 0 ? stats->memory : (gint64)info.memory;
    stats->maximum = (gint64)info.maxMem;
    stats->vcpu = stats->vcpu >= 0 ? stats->vcpu : info.nrVirtCpu;
}

/* For hypervisors whose libvirt driver has no statistics of all domains (Xen, LXC). */
static gboolean append_one_by_one(GString *out, virConnectPtr connection, GError **error)
{
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(connection, &domains, 0);
    if (count < 0)
        return libvirt_error(error, "list the machines of the host");
    for (int i = 0; i < count; i++) {
        LibvirtStats stats;
        /* One that went away since the list was made is left out rightly. */
        if (libvirt_stats_ask(domains[i], &stats)) {
            if (libvirt_is_passing(domains[i], stats.state))
                stats.state = VIR_DOMAIN_RUNNING; /* an event tells when it has ended */
            append_domain(out, domains[i], &stats, NULL);
        }
        virDomainFree(domains[i]);
    }
    free(domains);
    return TRUE;
}

gboolean im_append_machines(GString *out, virConnectPtr connection, GError **error)
{
    virDomainStatsRecordPtr *records = NULL;
    /* Without waiting: a machine that is being moved holds its figures back, not the host's. */
    int count = virConnectGetAllDomainStats(connection, LIBVIRT_STATS_GROUPS, &records,
                                            VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
    const virError *fault = virGetLastError();
    if (count < 0 && fault && fault->code == VIR_ERR_NO_SUPPORT)
        return append_one_by_one(out, connection, error);
    if (count < 0)
        return libvirt_error(error, "list the machines of the host");
    for (int i = 0; i < count; i++) {
        LibvirtStats stats = libvirt_stats_read(records[i]);
        g_autoptr(GArray) disks = libvirt_stats_disks(records[i]);
        if (stats.maximum < 0)
            add_size(records[i]->dom, &stats);
        append_domain(out, records[i]->dom, &stats, disks);
    }
    virDomainStatsRecordListFree(records);
    return TRUE;
}

/* ---- events ---- */

/* What comes of moves, saves and snapshots is the business of the operation that caused it.
 * ANY stands for all details not named before. */
#define ANY (-1)
static const struct {
    int event, detail;
    const char *state;
} event_states[] = {
    {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_MIGRATED, NULL},
    {VIR_DOMAIN_EVENT_STARTED, ANY, "RUNNING"},
    {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED, "PAUSED"},
    {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR, "PAUSED"},
    {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG, "PAUSED"},
    {VIR_DOMAIN_EVENT_RESUMED, ANY, "RUNNING"},
    {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_MIGRATED, NULL},
    {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_SAVED, NULL},
    {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT, NULL},
    {VIR_DOMAIN_EVENT_STOPPED, ANY, "POWEROFF"},
    {VIR_DOMAIN_EVENT_PMSUSPENDED, ANY, "SUSPENDED"},
    {VIR_DOMAIN_EVENT_CRASHED, ANY, "FAILURE"},
};

const char *im_event_state(int event, int detail)
{
    for (guint i = 0; i < G_N_ELEMENTS(event_states); i++)
        if (event_states[i].event == event &&
            (event_states[i].detail == ANY || event_states[i].detail == detail))
            return event_states[i].state;
    return NULL;
}

static void emit(gint64 hid, gint64 vid, virDomainPtr domain, const char *state)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    ImMachine machine = {
        .id = vid, .deploy_id = virDomainGetName(domain), .uuid = uuid, .state = state};
    g_autoptr(GString) text = g_string_new(NULL);
    (void)virDomainGetUUIDString(domain, uuid);
    im_append_state(text, &machine);
    im_emit_state(hid, text->str);
}

/* A guest of Xen that ended, or is rebooting; the event is the same. */
typedef struct Ending {
    gint64 hid, vid;
    virDomainPtr domain; /* a reference of its own, which keeps the connection, too */
    const char *state;   /* when it has ended */
} Ending;

static gpointer follow(gpointer data)
{
    Ending *ending = data;
    gint64 until = g_get_monotonic_time() + FOLLOW_SECONDS * G_TIME_SPAN_SECOND;
    int state = VIR_DOMAIN_SHUTOFF;
    while (virDomainGetState(ending->domain, &state, NULL, 0) == 0 &&
           libvirt_is_passing(ending->domain, state) && g_get_monotonic_time() < until)
        g_usleep(FOLLOW_LOOK_MS * 1000);
    const virError *fault = virGetLastError();
    gboolean gone = fault && fault->code == VIR_ERR_NO_DOMAIN;
    /* Of one that runs again its own event tells; when the host does not answer, nobody knows. */
    if (gone || (!fault && state == VIR_DOMAIN_SHUTOFF))
        emit(ending->hid, ending->vid, ending->domain, ending->state);
    virDomainFree(ending->domain);
    g_free(ending);
    return NULL;
}

static gboolean begin_following(gint64 hid, gint64 vid, virDomainPtr domain, const char *state)
{
    if (virDomainRef(domain) < 0)
        return FALSE;
    Ending *ending = g_new0(Ending, 1);
    *ending = (Ending){.hid = hid, .vid = vid, .domain = domain, .state = state};
    g_autoptr(GThread) thread = g_thread_try_new("ending", follow, ending, NULL);
    if (!thread) {
        virDomainFree(domain);
        g_free(ending);
    }
    return thread != NULL;
}

/* In the event thread: no calls to the host from here. */
static int on_event(virConnectPtr connection, virDomainPtr domain, int event, int detail,
                    void *host)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    gint64 hid = im_hid_of(host), vid = im_vid_of(domain, FALSE);
    const char *state = im_event_state(event, detail);
    gboolean stopped = event == VIR_DOMAIN_EVENT_STOPPED;
    if (stopped && virDomainGetUUIDString(domain, uuid) == 0)
        libvirt_usage_forget(uuid);
    /* One that is none of ours by its name may have been imported: oned knows. */
    if (hid < 0 || !state)
        return 0;
    gboolean unclear = stopped && detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN &&
                       g_str_equal(im_flavour_name, "xen");
    if (!unclear || !begin_following(hid, vid, domain, state))
        emit(hid, vid, domain, state);
    return 0;
}

void im_events_register(const char *host, virConnectPtr connection)
{
    if (virConnectDomainEventRegisterAny(connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_event), g_strdup(host),
                                         g_free) < 0)
        log_warning("IM", "%s sends no events (%s): changes are seen at the next monitoring only",
                    host, virGetLastErrorMessage());
}
