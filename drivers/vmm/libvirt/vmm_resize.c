/* Processors, memory and disks of a machine that runs. */
#include "drivers/vmm/libvirt/vmm_change.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <libvirt/virterror.h>
#include <string.h>

#define MIB             1024 /* KiB */
#define BALLOON_LOOKS   40
#define BALLOON_LOOK_MS 250

/* A change that can be taken back. */
typedef struct Resize {
    DriverJob *job;
    const VmmAction *action;
    VmmGuest guest;
    xmlNode *domain; /* its document's root */
    gint64 vcpus;    /* what it had; 0: not changed */
    gint64 memory;   /* KiB, the same */
} Resize;

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean refuse(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error_literal(error, ONE_ERROR, ONE_ERROR_ACTION, text);
    return FALSE;
}

/* ---- processors ---- */

static gboolean set_vcpus(Resize *resize, GError **error)
{
    g_autofree char *current = vmm_node_attribute(resize->domain, "vcpu", "current");
    gint64 most = xml_get_int(resize->domain, "vcpu", 1);
    gint64 now = current ? g_ascii_strtoll(current, NULL, 10) : most;
    gint64 wanted = xml_get_int(resize->action->vm, "TEMPLATE/VCPU", 1);
    if (wanted == now)
        return TRUE;
    if (wanted > most)
        return refuse(error,
                      "%s was started with room for %" G_GINT64_FORMAT
                      " processors (VCPU_MAX), not %" G_GINT64_FORMAT
                      "; power it off to give it more",
                      resize->action->domain, most, wanted);
    if (virDomainSetVcpusFlags(resize->guest.sight.domain, (unsigned)wanted,
                               vmm_guest_flags(&resize->guest)) < 0)
        return libvirt_error(error, "give %s %" G_GINT64_FORMAT " processors",
                             resize->action->domain, wanted);
    resize->vcpus = now;
    return TRUE;
}

/* The weight of its processors against those of other machines: of the document that it would be
 * started with. Hosts without that control group have none. */
static void set_shares(Resize *resize)
{
    DomainRequest request = vmm_domain_request(resize->action);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = domain_xml(&request, &error);
    g_autoptr(xmlDoc) document = text ? xml_read(text, strlen(text), XML_DEPTH_MAX, &error) : NULL;
    gint64 shares = document ? xml_get_int(xml_root(document), "cputune/shares", 0) : 0;
    virTypedParameterPtr parameters = NULL;
    int count = 0, room = 0;
    if (shares > 0 && xml_find(resize->domain, "cputune/shares") &&
        (virTypedParamsAddULLong(&parameters, &count, &room, VIR_DOMAIN_SCHEDULER_CPU_SHARES,
                                 (unsigned long long)shares) < 0 ||
         virDomainSetSchedulerParametersFlags(resize->guest.sight.domain, parameters, count,
                                              vmm_guest_flags(&resize->guest)) < 0))
        driver_log('W', resize->action->vid, "the share of CPU of %s is not changed: %s",
                   resize->action->domain, virGetLastErrorMessage());
    virTypedParamsFree(parameters, count);
    if (vmm_libvirt_flavour()->abilities & VMM_WEIGHS)
        vmm_set_weight(resize->action, resize->guest.sight.domain);
}

/* ---- memory ---- */

/* One more module; the guest's kernel takes it into use. */
static gboolean plug_memory(Resize *resize, gint64 more, GError **error)
{
    g_autofree char *text =
        g_strdup_printf("<memory model='dimm'><target><size unit='KiB'>%" G_GINT64_FORMAT
                        "</size><node>0</node></target></memory>",
                        more);
    return virDomainAttachDeviceFlags(resize->guest.sight.domain, text,
                                      vmm_guest_flags(&resize->guest)) == 0 ||
           libvirt_error(error, "plug %" G_GINT64_FORMAT " MiB of memory into %s", more / MIB,
                         resize->action->domain);
}

/* The balloon is the guest's own, which may be slow, or not there. */
static void follow_balloon(Resize *resize, gint64 wanted)
{
    for (guint i = 0; i < BALLOON_LOOKS; i++) {
        virDomainInfo info;
        if (virDomainGetInfo(resize->guest.sight.domain, &info) < 0 ||
            (gint64)info.memory == wanted)
            return;
        if (driver_job_wait(resize->job, BALLOON_LOOK_MS))
            return;
    }
    driver_log('W', resize->action->vid,
               "the guest of %s has not taken its new size yet; has it a balloon driver "
               "(virtio_balloon)?",
               resize->action->domain);
}

static gboolean set_memory(Resize *resize, GError **error)
{
    gint64 now = xml_get_int(resize->domain, "currentMemory", 0);
    gint64 most = xml_get_int(resize->domain, "memory", now);
    gint64 wanted = MIB * xml_get_int(resize->action->vm, "TEMPLATE/MEMORY", 0);
    gint64 plugs = xml_get_int(resize->domain, "maxMemory", 0);
    if (wanted <= 0 || wanted == now)
        return TRUE;
    if (wanted > most && plugs >= wanted)
        return plug_memory(resize, wanted - most, error);
    if (wanted > most)
        return refuse(error,
                      "%s was started with room for %" G_GINT64_FORMAT
                      " MiB of memory (MEMORY_MAX), not %" G_GINT64_FORMAT
                      "; power it off to give it more",
                      resize->action->domain, MAX(most, plugs) / MIB, wanted / MIB);
    if (virDomainSetMemoryFlags(resize->guest.sight.domain, (unsigned long)wanted,
                                vmm_guest_flags(&resize->guest)) < 0)
        return libvirt_error(error, "give %s %" G_GINT64_FORMAT " MiB of memory",
                             resize->action->domain, wanted / MIB);
    resize->memory = now;
    follow_balloon(resize, wanted);
    return TRUE;
}

static void take_back(Resize *resize)
{
    unsigned flags = vmm_guest_flags(&resize->guest);
    if (resize->vcpus &&
        virDomainSetVcpusFlags(resize->guest.sight.domain, (unsigned)resize->vcpus, flags) < 0)
        driver_log('W', resize->action->vid, "the number of processors is not put back: %s",
                   virGetLastErrorMessage());
}

void vmm_resize(DriverJob *job)
{
    Resize resize = {.job = job, .action = vmm_action_of(job)};
    g_autoptr(GError) error = NULL;
    if (vmm_guest_find(job, &resize.guest, FALSE)) {
        resize.domain = xml_root(resize.guest.document);
        if (set_vcpus(&resize, &error) && set_memory(&resize, &error)) {
            set_shares(&resize);
            driver_job_succeed(job, NULL);
        } else {
            take_back(&resize);
            driver_job_fail(job, "%s", error->message);
        }
    }
    vmm_guest_clear(&resize.guest);
}

/* ---- disks ---- */

void vmm_resize_disk(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(VmmGuest) guest = {NULL};
    g_autoptr(GError) error = NULL;
    VmmDevice device = vmm_marked_device(action, &error);
    if (!device.node) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    g_autofree char *path = vmm_disk_path(action, device.id);
    guint64 size = (guint64)xml_get_int(device.node, "SIZE", 0) << 20;
    if (!vmm_can(job, VMM_COPIES, "have their disks made larger") ||
        !vmm_guest_find(job, &guest, FALSE))
        return;
    const xmlNode *disk = vmm_guest_disk(&guest, path);
    g_autofree char *target = vmm_node_attribute(disk, "target", "dev");
    virDomainBlockInfo info = {0};
    if (!target)
        driver_job_fail(job, "%s on %s has no disk with the file %s", action->domain, action->host,
                        path);
    else if ((virDomainGetBlockInfo(guest.sight.domain, target, &info, 0) == 0 &&
              info.capacity >= size) ||
             virDomainBlockResize(guest.sight.domain, target, size,
                                  VIR_DOMAIN_BLOCK_RESIZE_BYTES) == 0)
        driver_job_succeed(job, NULL);
    else {
        libvirt_error(&error, "make disk %s of %s larger", target, action->domain);
        driver_job_fail(job, "%s", error->message);
    }
}
