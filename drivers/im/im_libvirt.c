/* Hosts with libvirt: one connection each, kept open, which also brings events. */
#include "drivers/im/im_libvirt.h"

#include "drivers/common/libvirt_pool.h"
#include "drivers/im/im.h"
#include <string.h>

/* Longer than a silent host is waited for. */
#define MONITOR_SECONDS 60

static GMutex lock;
static GHashTable *hids; /* host -> its id plus 1 */

gint64 im_hid_of(const char *host)
{
    g_mutex_lock(&lock);
    gint64 hid = hids ? GPOINTER_TO_SIZE(g_hash_table_lookup(hids, host)) : 0;
    g_mutex_unlock(&lock);
    return hid - 1;
}

static void remember_hid(const char *host, gint64 hid)
{
    g_mutex_lock(&lock);
    if (!hids)
        hids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_insert(hids, g_strdup(host), GSIZE_TO_POINTER((gsize)hid + 1));
    g_mutex_unlock(&lock);
}

static void lost(const char *host, const char *reason)
{
    gint64 hid = im_hid_of(host);
    if (hid >= 0)
        driver_emit("MONITOR_HOST", FALSE, hid, reason);
}

void im_libvirt_start(const ImFlavour *flavour, const char *uri)
{
    static LibvirtSettings settings;
    settings = flavour->libvirt;
    settings.opened = im_events_register;
    settings.lost = lost;
    if (uri) {
        settings.remote = g_strdup(uri);
        /* A pattern that names no host is meant for all of them. */
        if (!strstr(uri, "%h"))
            settings.local = settings.remote;
    }
    im_flavour_name = flavour->name;
    libvirt_pool_start(&settings);
    im_outside_start(settings.remote);
}

static void monitor(DriverJob *job)
{
    const ImRequest *request = im_request_of(job);
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    remember_hid(request->host, request->hid);
    g_auto(virConnectPtr) connection = libvirt_pool_get(request->host, &error);
    if (!connection ||
        !im_append_node(text, request->host, request->ds_location, connection, &error)) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    im_append_complete(text);
    if (im_append_machines(text, connection, &error))
        im_succeed(job, text->str);
    else
        driver_job_fail(job, "%s", error->message);
}

static void stop(DriverJob *job)
{
    const ImRequest *request = im_request_of(job);
    g_mutex_lock(&lock);
    if (hids)
        g_hash_table_remove(hids, request->host);
    g_mutex_unlock(&lock);
    libvirt_pool_forget(request->host);
    im_forget_capabilities(request->host);
    driver_job_succeed(job, NULL);
}

const DriverAction im_libvirt_actions[] = {
    {"MONITOR", monitor, MONITOR_SECONDS},
    {"STOPMONITOR", stop, MONITOR_SECONDS},
    {NULL},
};
