/* Disks and network cards of a machine that runs, and the CD with what the guest is told. */
#include "drivers/vmm/libvirt/vmm_change.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <libvirt/virterror.h>
#include <string.h>

/* How often a guest that shall let go of a device is looked at. */
#define LOOK_MS 250

/* ---- documents of devices ---- */

/* (owned) */
static char *print_node(xmlNode *node)
{
    xmlBuffer *buffer = xmlBufferCreate();
    xmlNodeDump(buffer, node->doc, node, 0, 0);
    char *text = g_strdup((const char *)xmlBufferContent(buffer));
    xmlBufferFree(buffer);
    return text;
}

/* A device of the request: its document as it would be in the whole one. NULL ends the job. */
static xmlDoc *wanted_device(DriverJob *job, const char *kind, gint64 *id)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    VmmDevice device = vmm_marked_device(action, &error);
    DomainRequest request = vmm_domain_request(action);
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, device.id);
    g_autofree char *text = NULL;
    if (device.node && !g_str_equal(device.kind, kind))
        g_set_error(&error, ONE_ERROR, ONE_ERROR_RPC_API, "the request marks a %s, not a %s",
                    device.kind, kind);
    else if (device.node)
        text = g_str_equal(kind, "disk") ? domain_disk_xml(&request, number, &error)
                                         : domain_nic_xml(&request, number, &error);
    xmlDoc *document = text ? xml_read(text, strlen(text), XML_DEPTH_MAX, &error) : NULL;
    if (!document)
        driver_job_fail(job, "%s", error->message);
    *id = device.id;
    return document;
}

/* What tells devices apart: the file of a disk, the address of a card. (owned) */
static char *mark_of(const xmlNode *device)
{
    static const char *const sources[] = {"file", "dev", "name"};
    if (g_str_equal(xml_name(device), "interface")) {
        g_autofree char *mac = vmm_node_attribute(device, "mac", "address");
        return mac ? g_ascii_strdown(mac, -1) : NULL;
    }
    for (guint i = 0; i < G_N_ELEMENTS(sources); i++) {
        char *source = vmm_node_attribute(device, "source", sources[i]);
        if (source)
            return source;
    }
    return NULL;
}

/* The domain's own device of that kind and mark; NULL: it has none. (borrowed) */
static xmlNode *find_device(const VmmGuest *guest, const xmlNode *wanted)
{
    g_autofree char *mark = mark_of(wanted);
    xmlNode *device = guest->devices ? xml_find(guest->devices, xml_name(wanted)) : NULL;
    for (; device; device = xml_next_same(device)) {
        g_autofree char *other = mark_of(device);
        if (mark && g_strcmp0(mark, other) == 0)
            return device;
    }
    return NULL;
}

/* ---- attaching ---- */

static gboolean target_taken(const VmmGuest *guest, const char *target)
{
    xmlNode *disk = xml_find(guest->devices, "disk");
    for (; disk; disk = xml_next_same(disk)) {
        g_autofree char *other = vmm_node_attribute(disk, "target", "dev");
        if (g_strcmp0(other, target) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Names of disks were given when the machine started; the next free one of the kind is taken when
 * the template's meanwhile belongs to another. */
static void choose_target(const VmmGuest *guest, xmlNode *disk)
{
    xmlNode *target = xml_find(disk, "target");
    g_autofree char *now = vmm_node_attribute(disk, "target", "dev");
    if (!target || !now || strlen(now) < 3 || !target_taken(guest, now))
        return;
    for (guint i = 0; i < 26; i++) {
        g_autofree char *other = g_strdup_printf("%.2s%c", now, (char)('a' + i));
        if (!target_taken(guest, other)) {
            (void)xmlSetProp(target, BAD_CAST "dev", BAD_CAST other);
            return;
        }
    }
}

/* A domain that began without disks of that bus lacks the controller, and libvirt would add one
 * that guests do not know. */
static gboolean add_controller(const VmmGuest *guest, const xmlNode *disk, GError **error)
{
    g_autofree char *bus = vmm_node_attribute(disk, "target", "bus");
    if (g_strcmp0(bus, "scsi") != 0)
        return TRUE;
    xmlNode *controller = xml_find(guest->devices, "controller");
    for (; controller; controller = xml_next_same(controller)) {
        xmlChar *type = xmlGetProp(controller, BAD_CAST "type");
        gboolean found = g_strcmp0((const char *)type, "scsi") == 0;
        xmlFree(type);
        if (found)
            return TRUE;
    }
    return virDomainAttachDeviceFlags(guest->sight.domain,
                                      "<controller type='scsi' index='0' model='virtio-scsi'/>",
                                      vmm_guest_flags(guest)) == 0 ||
           libvirt_error(error, "attach a SCSI controller");
}

static void attach(DriverJob *job, const char *kind, const char *word)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(VmmGuest) guest = {NULL};
    g_autoptr(GError) error = NULL, reason = NULL;
    gint64 id = -1;
    g_autoptr(xmlDoc) document = wanted_device(job, kind, &id);
    if (!document || !vmm_guest_find(job, &guest, FALSE))
        return;
    xmlNode *device = xml_root(document);
    if (find_device(&guest, device)) {
        driver_job_succeed(job, NULL);
        return;
    }
    choose_target(&guest, device);
    g_autofree char *text = print_node(device);
    gboolean done =
        add_controller(&guest, device, &reason) &&
        (virDomainAttachDeviceFlags(guest.sight.domain, text, vmm_guest_flags(&guest)) == 0 ||
         libvirt_error(&reason, "attach %s %" G_GINT64_FORMAT " to %s on %s", word, id,
                       action->domain, action->host));
    /* Whatever libvirt answered, the domain knows. */
    if (vmm_guest_look_again(&guest, &error) && (find_device(&guest, device) != NULL) != done)
        done = !done;
    if (done)
        driver_job_succeed(job, NULL);
    else
        driver_job_fail(job, "%s",
                        reason ? reason->message : "libvirt says that it is done, but it is not");
}

void vmm_attach_disk(DriverJob *job)
{
    if (vmm_can(job, VMM_PLUGS_DISKS, "be given disks"))
        attach(job, "disk", "disk");
}

void vmm_attach_nic(DriverJob *job)
{
    if (vmm_can(job, VMM_PLUGS_NICS, "be given network cards"))
        attach(job, "nic", "network card");
}

/* ---- detaching ---- */

static gint64 detach_seconds(void)
{
    gint64 seconds = 20;
    (void)template_get_int(vmm_libvirt_defaults(), "DETACH_TIMEOUT", &seconds);
    return CLAMP(seconds, 1, 120);
}

/* The guest has let go of it. FALSE: not within the time, or nobody can say (the error is set). */
static gboolean wait_released(DriverJob *job, VmmGuest *guest, const xmlNode *device,
                              gint64 seconds, GError **error)
{
    gint64 until = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
    for (;;) {
        if (!vmm_guest_look_again(guest, error))
            return FALSE;
        if (!find_device(guest, device))
            return TRUE;
        if (g_get_monotonic_time() > until || driver_job_wait(job, LOOK_MS))
            return FALSE;
    }
}

/* libvirt asks the guest, and says success when the guest has not answered for five seconds. */
static gboolean ask_guest(const VmmGuest *guest, xmlNode *device, GError **error)
{
    g_autofree char *text = print_node(device);
    const char *name = virDomainGetName(guest->sight.domain);
    if (virDomainDetachDeviceFlags(guest->sight.domain, text, vmm_guest_flags(guest)) == 0)
        return TRUE;
    const virError *fault = virGetLastError();
    if (fault && fault->message && strstr(fault->message, "already in the process of unplug"))
        return TRUE;
    return libvirt_error(error, "detach it from %s", name);
}

static void detach(DriverJob *job, const char *kind, const char *word)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(VmmGuest) guest = {NULL};
    g_autoptr(GError) error = NULL;
    gint64 id = -1, seconds = detach_seconds();
    g_autoptr(xmlDoc) document = wanted_device(job, kind, &id);
    if (!document || !vmm_guest_find(job, &guest, TRUE))
        return;
    xmlNode *wanted = xml_root(document), *device = find_device(&guest, wanted);
    /* Nobody notes what is written to a disk while it is elsewhere, and it may come back. */
    if (device && g_str_equal(kind, "disk"))
        vmm_backup_forget(guest.sight.domain);
    gboolean asked = device && ask_guest(&guest, device, &error);
    if (!device || (asked && wait_released(job, &guest, wanted, seconds, &error)))
        driver_job_succeed(job, NULL); /* of a machine that does not run nothing is attached */
    else if (error)
        driver_job_fail(job, "%s", error->message);
    else
        driver_job_fail(
            job,
            "the guest of %s did not let go of %s %" G_GINT64_FORMAT " within %" G_GINT64_FORMAT
            " seconds, so it stays. Does its kernel handle unplugging (ACPI or PCIe hot "
            "plug), and is the device not in use? It may still obey later; detach it "
            "again then, or power the machine off first",
            action->domain, word, id, seconds);
}

void vmm_detach_disk(DriverJob *job)
{
    if (vmm_can(job, VMM_PLUGS_DISKS, "lose disks"))
        detach(job, "disk", "disk");
}

void vmm_detach_nic(DriverJob *job)
{
    if (vmm_can(job, VMM_PLUGS_NICS, "lose network cards"))
        detach(job, "nic", "network card");
}

/* ---- changing ---- */

void vmm_update_nic(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(VmmGuest) guest = {NULL};
    g_autoptr(GError) error = NULL;
    gint64 id = -1;
    if (!vmm_can(job, VMM_PLUGS_NICS, "have their network cards changed"))
        return;
    g_autoptr(xmlDoc) document = wanted_device(job, "nic", &id);
    if (!document || !vmm_guest_find(job, &guest, FALSE))
        return;
    g_autofree char *text = print_node(xml_root(document));
    if (virDomainUpdateDeviceFlags(guest.sight.domain, text, vmm_guest_flags(&guest)) == 0) {
        driver_job_succeed(job, NULL);
        return;
    }
    libvirt_error(&error, "change network card %" G_GINT64_FORMAT " of %s on %s", id,
                  action->domain, action->host);
    driver_job_fail(job, "%s", error->message);
}

/* Takes the CD out and puts it in again: the guest then reads the new file of that name. */
static gboolean change_disc(const VmmGuest *guest, xmlNode *disc, GError **error)
{
    g_autofree char *full = print_node(disc);
    xmlNode *source = xml_find(disc, "source");
    xmlUnlinkNode(source);
    xmlFreeNode(source);
    g_autofree char *empty = print_node(disc);
    unsigned flags = vmm_guest_flags(guest) | VIR_DOMAIN_DEVICE_MODIFY_FORCE;
    const char *name = virDomainGetName(guest->sight.domain);
    return (virDomainUpdateDeviceFlags(guest->sight.domain, empty, flags) == 0 &&
            virDomainUpdateDeviceFlags(guest->sight.domain, full, flags) == 0) ||
           libvirt_error(error, "change the context CD of %s", name);
}

void vmm_update_conf(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(VmmGuest) guest = {NULL};
    g_autoptr(GError) error = NULL;
    g_autofree char *path =
        vmm_disk_path(action, xml_get_int(action->vm, "TEMPLATE/CONTEXT/DISK_ID", -1));
    if (!vmm_guest_find(job, &guest, FALSE))
        return;
    xmlNode *disc = vmm_guest_disk(&guest, path);
    if (!disc) {
        driver_log('I', action->vid,
                   "the guest has no context CD; it is told when it starts again");
        driver_job_succeed(job, NULL);
    } else if (change_disc(&guest, disc, &error)) {
        driver_job_succeed(job, NULL);
    } else {
        driver_job_fail(job, "%s", error->message);
    }
}
