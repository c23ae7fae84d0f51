#include "drivers/im/im.h"

#include "drivers/common/docker.h"
#include "drivers/common/lxc.h"
#include "drivers/common/lxd.h"
#include "lib/base/error.h"
#include <string.h>

static const ImFlavour flavours[] = {
    {"dummy", im_dummy_actions},
    {"kvm", im_libvirt_actions, {"qemu:///system", "qemu+ssh://%h/system?no_tty=1"}},
    {"qemu", im_libvirt_actions, {"qemu:///system", "qemu+ssh://%h/system?no_tty=1"}},
    {"xen", im_libvirt_actions, {"xen:///system", "xen+ssh://%h/system?no_tty=1"}},
    {"lxc", im_lxc_actions, .start = lxc_start},
    {"lxc_libvirt", im_libvirt_actions, {"lxc:///system", "lxc+ssh://%h/system?no_tty=1"}},
    {"lxd", im_lxd_actions, .rest = &lxd_settings},
    {"docker", im_docker_actions, .rest = &docker_settings},
    /* libvirt's own simulated hypervisor, inside this process; -u test:///FILE.xml says what it
       has. */
    {"test", im_libvirt_actions, {"test:///default", "test:///default"}},
};

const ImFlavour *im_flavour(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(flavours); i++)
        if (g_str_equal(flavours[i].name, name))
            return &flavours[i];
    return NULL;
}

char *im_flavour_names(void)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(flavours); i++)
        g_string_append_printf(names, "%s%s", i ? " " : "", flavours[i].name);
    return g_string_free(names, FALSE);
}

static void free_request(gpointer data)
{
    ImRequest *request = data;
    g_free(request->host);
    g_free(request->ds_location);
    g_free(request);
}

gboolean im_prepare(DriverJob *job, GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(driver_job_payload(job), " \t", -1);
    ImRequest *request = g_new0(ImRequest, 1);
    char **const fields[] = {&request->host, &request->ds_location};
    guint count = 0;
    for (char **word = words; *word && count < G_N_ELEMENTS(fields); word++)
        if (**word)
            *fields[count++] = g_strdup(*word);
    request->hid = driver_job_id(job);
    driver_job_set_data(job, request, free_request);
    if (request->host)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "%s %" G_GINT64_FORMAT " names no host",
                driver_job_action(job), request->hid);
    return FALSE;
}

const ImRequest *im_request_of(const DriverJob *job)
{
    return driver_job_data(job);
}

char *im_queue_of(const DriverJob *job)
{
    return g_strdup(im_request_of(job)->host);
}

void im_succeed(DriverJob *job, const char *text)
{
    g_autofree char *info = g_base64_encode((const guchar *)text, strlen(text));
    driver_job_succeed(job, info);
}
