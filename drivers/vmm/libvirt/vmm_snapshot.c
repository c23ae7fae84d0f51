/*
 * Snapshots. Those of a whole machine lie in its qcow2 disks; libvirt keeps their list as long
 * as the domain lives. Those of one disk are copies beside it, made by QEMU while the guest goes
 * on, as of the moment at which the copy is complete.
 */
#include "drivers/vmm/libvirt/vmm_change.h"

#include "drivers/vmm/migrate/vmm_carry.h"
#include "drivers/vmm/libvirt/vmm_watch.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <libvirt/virterror.h>

#define LOOK_MS 250

static inline void release(virDomainSnapshotPtr snapshot)
{
    if (snapshot)
        virDomainSnapshotFree(snapshot);
}
G_DEFINE_AUTO_CLEANUP_FREE_FUNC(virDomainSnapshotPtr, release, NULL)

/* ---- of machines ---- */

/* "snap-3", or what the machine's document says the hypervisor calls it. (owned) */
static char *snapshot_name(const VmmDevice *device)
{
    g_autofree char *known = xml_get(device->node, "HYPERVISOR_ID");
    return known && *known ? g_steal_pointer(&known)
                           : g_strdup_printf("snap-%" G_GINT64_FORMAT, device->id);
}

/* What is asked for; FALSE ends the job. */
static gboolean begin(DriverJob *job, VmmGuest *guest, char **name, gboolean absent_is_fine)
{
    g_autoptr(GError) error = NULL;
    VmmDevice device = vmm_marked_device(vmm_action_of(job), &error);
    if (!device.node) {
        driver_job_fail(job, "%s", error->message);
        return FALSE;
    }
    *name = snapshot_name(&device);
    if (!vmm_can(job, VMM_SNAPSHOTS, "have snapshots") ||
        !vmm_guest_find(job, guest, absent_is_fine))
        return FALSE;
    /* What a migration took along when its driver died. */
    vmm_carry_give(vmm_action_of(job), guest->sight.domain);
    return TRUE;
}

/* NULL without the error: there is none of that name. */
static virDomainSnapshotPtr find(const VmmGuest *guest, const char *name, GError **error)
{
    virDomainSnapshotPtr found = virDomainSnapshotLookupByName(guest->sight.domain, name, 0);
    const virError *fault = found ? NULL : virGetLastError();
    if (fault && fault->code != VIR_ERR_NO_DOMAIN_SNAPSHOT)
        libvirt_error(error, "look for snapshot %s", name);
    return found;
}

/* A disk that cannot hold a snapshot; "vda" (owned), or NULL. */
static char *unfit_disk(const VmmGuest *guest)
{
    xmlNode *disk = xml_find(guest->devices, "disk");
    for (; disk; disk = xml_next_same(disk)) {
        g_autofree char *format = vmm_node_attribute(disk, "driver", "type");
        gboolean qcow2 = g_strcmp0(format, "qcow2") == 0;
        if (!qcow2 && !xml_find(disk, "readonly") && xml_find(disk, "source"))
            return vmm_node_attribute(disk, "target", "dev");
    }
    return NULL;
}

static gboolean is_set(xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetProp(node, BAD_CAST name);
    gboolean set = g_strcmp0((const char *)value, "yes") == 0;
    xmlFree(value);
    return set;
}

/* Processors were added while it ran: QEMU begins without them when it goes back, cannot read the
 * snapshot, and the guest is lost. */
static gboolean has_plugged_processors(const VmmGuest *guest)
{
    xmlNode *processor = xml_find(xml_root(guest->document), "vcpus/vcpu");
    for (; processor; processor = xml_next_same(processor))
        if (is_set(processor, "enabled") && is_set(processor, "hotpluggable"))
            return TRUE;
    return FALSE;
}

static void end(DriverJob *job, gboolean done, const char *info, const GError *error,
                const char *why)
{
    if (done)
        driver_job_succeed(job, info);
    else
        driver_job_fail(job, "%s%s%s", why ? why : "", why ? ": " : "", error->message);
}

void vmm_snapshot_create(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(VmmGuest) guest = {NULL};
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL, *unfit = NULL;
    if (!begin(job, &guest, &name, FALSE))
        return;
    g_auto(virDomainSnapshotPtr) made = find(&guest, name, &error);
    if (made || error) {
        end(job, made != NULL, name, error, NULL);
        return;
    }
    unfit = unfit_disk(&guest);
    if (unfit) {
        driver_job_fail(job,
                        "disk %s of %s is not of format qcow2, so it cannot hold a snapshot of the "
                        "machine; give the disks FORMAT=qcow2 (or DRIVER=qcow2), or take "
                        "snapshots of single disks",
                        unfit, action->domain);
        return;
    }
    if (has_plugged_processors(&guest)) {
        driver_job_fail(
            job,
            "%s was given processors while it runs, and could not go back to a snapshot "
            "of that; power it off and on before, so that it starts with them",
            action->domain);
        return;
    }
    g_autofree char *text =
        g_strdup_printf("<domainsnapshot><name>%s</name></domainsnapshot>", name);
    vmm_backup_forget(guest.sight.domain);
    VmmWatch *watch = vmm_watch_start(job, guest.sight.domain, (VmmWatchOptions){0});
    made = virDomainSnapshotCreateXML(guest.sight.domain, text, 0);
    if (!made)
        libvirt_error(&error, "take a snapshot of %s on %s", action->domain, action->host);
    const char *why = vmm_watch_end(watch).why;
    end(job, made != NULL, name, error, why);
}

void vmm_snapshot_revert(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(VmmGuest) guest = {NULL};
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    if (!begin(job, &guest, &name, FALSE))
        return;
    g_auto(virDomainSnapshotPtr) found = find(&guest, name, &error);
    if (!found && !error)
        g_set_error(&error, ONE_ERROR, ONE_ERROR_NO_EXISTS,
                    "%s on %s has no snapshot %s: they last as long as the machine runs there",
                    action->domain, action->host, name);
    /* What the notes say was written is not what the disks will differ in. */
    if (found)
        vmm_backup_forget(guest.sight.domain);
    gboolean done =
        found &&
        (virDomainRevertToSnapshot(found, VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING) == 0 ||
         libvirt_error(&error, "put %s on %s back to %s", action->domain, action->host, name));
    end(job, done, NULL, error, NULL);
}

void vmm_snapshot_delete(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(VmmGuest) guest = {NULL};
    g_autoptr(GError) error = NULL;
    g_autofree char *name = NULL;
    if (!begin(job, &guest, &name, TRUE))
        return;
    g_auto(virDomainSnapshotPtr) found = guest.document ? find(&guest, name, &error) : NULL;
    gboolean done =
        found ? virDomainSnapshotDelete(found, 0) == 0 ||
                    libvirt_error(&error, "delete snapshot %s of %s", name, action->domain)
              : error == NULL;
    end(job, done, NULL, error, NULL);
}

/* ---- of one disk ---- */

/* Begins to copy a disk into the file that the transfer driver has made. */
static gboolean begin_copy(const VmmGuest *guest, const xmlNode *disk, const char *target,
                           const char *path, GError **error)
{
    g_autofree char *format = vmm_node_attribute(disk, "driver", "type");
    g_autoptr(GString) text = g_string_new("<disk type='file'><source file=\"");
    xml_append_text(text, path);
    g_string_append_printf(text, "\"/><driver type='%s'/></disk>", format ? format : "raw");
    const char *name = virDomainGetName(guest->sight.domain);
    return virDomainBlockCopy(guest->sight.domain, target, text->str, NULL, 0,
                              VIR_DOMAIN_BLOCK_COPY_REUSE_EXT |
                                  VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB) == 0 ||
           libvirt_error(error, "copy disk %s of %s", target, name);
}

/* From then on both files are written, until the copy is let go: that is the snapshot's moment. */
static gboolean wait_complete(DriverJob *job, const VmmGuest *guest, const char *target,
                              GError **error)
{
    virDomainBlockJobInfo info;
    for (;;) {
        int found = virDomainGetBlockJobInfo(guest->sight.domain, target, &info, 0);
        if (found < 0)
            return libvirt_error(error, "follow the copy of disk %s", target);
        if (found == 0) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                        "the copy of disk %s ended early: is there room on the host?", target);
            return FALSE;
        }
        if (info.end > 0 && info.cur == info.end)
            return TRUE;
        if (driver_job_wait(job, LOOK_MS)) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT, "cancelled");
            return FALSE;
        }
    }
}

/* Of a guest that was put back to a snapshot libvirt (9 and 10) keeps a second definition, though
 * the domain is transient, and writes it to the host's disk when a copy ends: libvirtd, once
 * started again, would know a machine that is long gone. Defined and undefined, it is forgotten. */
static void forget_definition(virDomainPtr domain)
{
    if (virDomainIsPersistent(domain) != 0)
        return;
    char *text = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
    virDomainPtr defined = text ? virDomainDefineXML(virDomainGetConnect(domain), text) : NULL;
    if (defined) {
        (void)virDomainUndefine(defined);
        virDomainFree(defined);
    }
    free(text);
}

static void copy_disk(DriverJob *job, const VmmGuest *guest, const xmlNode *disk, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *target = vmm_node_attribute(disk, "target", "dev");
    /* What an earlier process of this driver began and never ended. */
    (void)virDomainBlockJobAbort(guest->sight.domain, target, 0);
    gboolean begun = begin_copy(guest, disk, target, path, &error);
    gboolean complete = begun && wait_complete(job, guest, target, &error);
    gboolean ended = begun && virDomainBlockJobAbort(guest->sight.domain, target, 0) == 0;
    if (complete && !ended)
        libvirt_error(&error, "end the copy of disk %s", target);
    forget_definition(guest->sight.domain);
    end(job, complete && ended, NULL, error, NULL);
}

/* The number of the newest snapshot of that disk: it is the one being taken. */
static gint64 newest_snapshot(const VmmAction *action, gint64 disk)
{
    const xmlNode *tree = xml_find(action->vm, "SNAPSHOTS");
    for (; tree; tree = xml_next_same(tree))
        if (xml_get_int(tree, "DISK_ID", -1) == disk)
            return xml_get_int(tree, "NEXT_SNAPSHOT", 0) - 1;
    return -1;
}

void vmm_disk_snapshot_create(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(VmmGuest) guest = {NULL};
    g_autoptr(GError) error = NULL;
    VmmDevice device = vmm_marked_device(action, &error);
    if (!device.node) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    gint64 snapshot = newest_snapshot(action, device.id);
    g_autofree char *path = vmm_disk_path(action, device.id);
    g_autofree char *copy = g_strdup_printf("%s.snap/%" G_GINT64_FORMAT, path, snapshot);
    if (!vmm_can(job, VMM_COPIES, "have their disks copied") || !vmm_guest_find(job, &guest, FALSE))
        return;
    const xmlNode *disk = vmm_guest_disk(&guest, path);
    if (disk && snapshot >= 0)
        copy_disk(job, &guest, disk, copy);
    else
        driver_job_fail(job, "%s on %s has no disk with the file %s, or it has no snapshot to take",
                        action->domain, action->host, path);
}
