/* SAVE and RESTORE: the memory of a machine in a file at its host. */
#include "drivers/vmm/libvirt/vmm_libvirt.h"

#include "drivers/vmm/libvirt/vmm_watch.h"
#include "lib/base/error.h"

static gboolean can_save(DriverJob *job)
{
    gboolean able = vmm_libvirt_flavour()->abilities & VMM_SAVES;
    if (!able)
        driver_job_fail(job, "machines of %s cannot be saved: libvirt has no such call for them",
                        vmm_libvirt_flavour()->name);
    else if (!vmm_action_of(job)->checkpoint)
        driver_job_fail(job, "the request names no CHECKPOINT_FILE");
    return able && vmm_action_of(job)->checkpoint;
}

/* TRUE when the file is a saved machine that libvirt can read. */
static gboolean is_saved(const VmmAction *action, virConnectPtr connection)
{
    g_autofree char *text = virDomainSaveImageGetXMLDesc(connection, action->checkpoint, 0);
    return text != NULL;
}

/* After libvirt said no: what is true decides. */
static void settle_save(DriverJob *job, virConnectPtr connection, const GError *error,
                        const char *why)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(VmmSight) sight = vmm_look(action, connection);
    if (sight.presence == VMM_ABSENT && is_saved(action, connection)) {
        driver_job_succeed(job, NULL);
        return;
    }
    if (sight.presence == VMM_PAUSED && virDomainResume(sight.domain) == 0)
        sight.presence = VMM_RUNNING;
    driver_job_fail(job, "%s%s%s; %s %s on %s", why ? why : "", why ? ": " : "", error->message,
                    action->domain, vmm_presence_text(sight.presence), action->host);
}

void vmm_save(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    if (!can_save(job))
        return;
    g_auto(virConnectPtr) connection = libvirt_pool_get(action->host, &error);
    if (!connection) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    g_auto(VmmSight) sight = vmm_look(action, connection);
    if (sight.presence == VMM_ABSENT && is_saved(action, connection)) {
        driver_job_succeed(job, NULL);
        return;
    }
    if (sight.presence != VMM_RUNNING && sight.presence != VMM_PAUSED) {
        driver_job_fail(job, "%s %s on %s: there is nothing to save%s%s", action->domain,
                        vmm_presence_text(sight.presence), action->host, sight.error ? ": " : "",
                        sight.error ? sight.error->message : "");
        return;
    }
    VmmWatch *watch = vmm_watch_start(job, sight.domain, (VmmWatchOptions){0});
    gboolean saved = virDomainSaveFlags(sight.domain, action->checkpoint, NULL, 0) == 0;
    if (!saved)
        libvirt_error(&error, "save %s on %s to %s", action->domain, action->host,
                      action->checkpoint);
    const char *why = vmm_watch_end(watch).why;
    if (saved)
        driver_job_succeed(job, NULL);
    else
        settle_save(job, connection, error, why);
}

/* The document to start from when the file comes from a host with other directories; NULL
 * when it fits, or when the hypervisor does not show it. (owned) */
static char *fitted_document(const VmmAction *action, virConnectPtr connection)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *saved = virDomainSaveImageGetXMLDesc(connection, action->checkpoint,
                                                          VIR_DOMAIN_SAVE_IMAGE_XML_SECURE);
    if (!saved || !action->directory)
        return NULL;
    char *fitted = domain_xml_relocate(saved, action->directory, &error);
    if (error)
        driver_log('W', action->vid, "the saved document is used as it is: %s", error->message);
    return fitted;
}

void vmm_restore(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    gboolean qemu = vmm_libvirt_flavour()->dialect->traits & DOMAIN_QEMU;
    g_autoptr(GError) error = NULL;
    if (!can_save(job))
        return;
    g_auto(virConnectPtr) connection = libvirt_pool_get(action->host, &error);
    if (!connection) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    g_auto(VmmSight) sight = vmm_look(action, connection);
    if (sight.presence == VMM_ABSENT) {
        g_autofree char *document = fitted_document(action, connection);
        if (virDomainRestoreFlags(connection, action->checkpoint, document,
                                  qemu ? VIR_DOMAIN_SAVE_RUNNING : 0) < 0)
            libvirt_error(&error, "restore %s on %s from %s", action->domain, action->host,
                          action->checkpoint);
        vmm_sight_clear(&sight);
        sight = vmm_look(action, connection);
    }
    if (sight.presence == VMM_RUNNING ||
        (sight.presence == VMM_PAUSED && virDomainResume(sight.domain) == 0))
        driver_job_succeed(job, action->domain);
    else
        driver_job_fail(job, "%s; %s %s on %s",
                        error         ? error->message
                        : sight.error ? sight.error->message
                                      : "not begun",
                        action->domain, vmm_presence_text(sight.presence), action->host);
}
