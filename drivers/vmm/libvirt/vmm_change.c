#include "drivers/vmm/libvirt/vmm_change.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

void vmm_guest_clear(VmmGuest *guest)
{
    xmlFreeDoc(guest->document);
    guest->document = NULL;
    vmm_sight_clear(&guest->sight);
    libvirt_pool_release(g_steal_pointer(&guest->connection));
}

gboolean vmm_guest_look_again(VmmGuest *guest, GError **error)
{
    const char *name = virDomainGetName(guest->sight.domain);
    char *text = virDomainGetXMLDesc(guest->sight.domain, 0);
    if (!text)
        return libvirt_error(error, "read the document of %s", name);
    xmlFreeDoc(guest->document);
    guest->document = xml_read(text, strlen(text), XML_DEPTH_MAX, error);
    free(text);
    guest->devices = guest->document ? xml_find(xml_root(guest->document), "devices") : NULL;
    return guest->document != NULL;
}

static gboolean is_up(VmmPresence presence)
{
    return presence == VMM_RUNNING || presence == VMM_PAUSED;
}

gboolean vmm_guest_find(DriverJob *job, VmmGuest *guest, gboolean absent_is_fine)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    guest->connection = libvirt_pool_get(action->host, &error);
    if (guest->connection)
        guest->sight = vmm_look(action, guest->connection);
    VmmPresence presence = guest->sight.presence;
    if (!guest->connection) {
        driver_job_fail(job, "%s", error->message);
    } else if (presence == VMM_UNKNOWN) {
        driver_job_fail(job, "%s", guest->sight.error->message);
    } else if (presence == VMM_OTHER) {
        driver_job_fail(job, "%s on %s is another machine; it is left alone", action->domain,
                        action->host);
    } else if (!is_up(presence) && !absent_is_fine) {
        driver_job_fail(job, "%s %s on %s: only a machine that runs can be changed like this",
                        action->domain, vmm_presence_text(presence), action->host);
    } else if (is_up(presence) && !vmm_guest_look_again(guest, &error)) {
        driver_job_fail(job, "%s", error->message);
    } else {
        return TRUE;
    }
    return FALSE;
}

unsigned vmm_guest_flags(const VmmGuest *guest)
{
    return virDomainIsPersistent(guest->sight.domain) == 1
               ? VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG
               : VIR_DOMAIN_AFFECT_LIVE;
}

char *vmm_node_attribute(const xmlNode *node, const char *name, const char *attribute)
{
    xmlNode *element = node ? xml_find(node, name) : NULL;
    xmlChar *value = element ? xmlGetProp(element, BAD_CAST attribute) : NULL;
    char *copy = value ? g_strdup((const char *)value) : NULL;
    xmlFree(value);
    return copy;
}

xmlNode *vmm_guest_disk(const VmmGuest *guest, const char *path)
{
    static const char *const sources[] = {"file", "dev", "name"};
    xmlNode *disk = guest->devices ? xml_find(guest->devices, "disk") : NULL;
    for (; disk; disk = xml_next_same(disk))
        for (guint i = 0; i < G_N_ELEMENTS(sources); i++) {
            g_autofree char *source = vmm_node_attribute(disk, "source", sources[i]);
            if (g_strcmp0(source, path) == 0)
                return disk;
        }
    return NULL;
}

char *vmm_disk_path(const VmmAction *action, gint64 disk)
{
    return g_strdup_printf("%s/disk.%" G_GINT64_FORMAT, action->directory ? action->directory : ".",
                           disk);
}

gboolean vmm_can(DriverJob *job, VmmAbilities ability, const char *what)
{
    gboolean able = (vmm_libvirt_flavour()->abilities & ability) != 0;
    if (!able)
        driver_job_fail(job, "machines of %s cannot %s while they run; power it off first",
                        vmm_libvirt_flavour()->name, what);
    return able;
}
