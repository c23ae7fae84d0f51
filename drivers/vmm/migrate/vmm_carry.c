#include "drivers/vmm/migrate/vmm_carry.h"

#include "drivers/common/libvirt_pool.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <glib/gstdio.h>
#include <libvirt/virterror.h>
#include <string.h>

typedef struct List {
    virDomainSnapshotPtr *items; /* parents before their children */
    int count;
} List;

static void list_clear(List *list)
{
    for (int i = 0; i < list->count; i++)
        virDomainSnapshotFree(list->items[i]);
    free(list->items);
    *list = (List){NULL, 0};
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(List, list_clear)

static List list_of(virDomainPtr domain)
{
    List list = {NULL, 0};
    list.count = MAX(
        virDomainListAllSnapshots(domain, &list.items, VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL), 0);
    return list;
}

/* Where the list is kept; NULL: the request names no place for files of the machine. (owned) */
static char *file_of(const VmmAction *action)
{
    g_autofree char *directory = action->deployment ? g_path_get_dirname(action->deployment) : NULL;
    return directory ? g_build_filename(directory, "snapshots.xml", NULL) : NULL;
}

/* <snapshots><snapshot current="1">document</snapshot>...; the documents as text. */
static gboolean keep(const List *list, const char *path, GError **error)
{
    g_autoptr(GString) text = g_string_new("<snapshots>\n");
    for (int i = 0; i < list->count; i++) {
        const char *name = virDomainSnapshotGetName(list->items[i]);
        g_autofree char *document =
            virDomainSnapshotGetXMLDesc(list->items[i], VIR_DOMAIN_SNAPSHOT_XML_SECURE);
        if (!document)
            return libvirt_error(error, "read the snapshot %s", name);
        g_string_append_printf(text, "<snapshot current=\"%d\">",
                               virDomainSnapshotIsCurrent(list->items[i], 0) == 1);
        xml_append_cdata(text, document);
        g_string_append(text, "</snapshot>\n");
    }
    g_string_append(text, "</snapshots>\n");
    /* It may hold the password of a console. */
    return g_file_set_contents_full(path, text->str, (gssize)text->len,
                                    G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                    0600, error);
}

gboolean vmm_carry_take(const VmmAction *action, virDomainPtr domain, GError **error)
{
    g_auto(List) list = list_of(domain);
    g_autofree char *path = file_of(action);
    if (!list.count)
        return TRUE;
    if (!path) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "%s has snapshots, and the request names no LOCAL_DEPLOYMENT_FILE beside which "
                    "their list could be kept",
                    action->domain);
        return FALSE;
    }
    if (!keep(&list, path, error))
        return FALSE;
    for (int i = list.count; i-- > 0;)
        if (virDomainSnapshotDelete(list.items[i], VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY) < 0) {
            libvirt_error(error, "take the snapshots of %s along", action->domain);
            vmm_carry_give(action, domain);
            return FALSE;
        }
    return TRUE;
}

static gboolean give(const VmmAction *action, virDomainPtr domain, const xmlNode *snapshot)
{
    g_autofree char *document = xml_content(snapshot);
    xmlChar *mark = xmlGetProp(snapshot, BAD_CAST "current");
    unsigned int flags = VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE;
    if (mark && xmlStrEqual(mark, BAD_CAST "1"))
        flags |= VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT;
    xmlFree(mark);
    virDomainSnapshotPtr made = virDomainSnapshotCreateXML(domain, document, flags);
    if (!made) {
        driver_log('E', action->vid,
                   "a snapshot of %s is in its disks, but libvirt does not take it: %s",
                   action->domain, virGetLastErrorMessage());
        return FALSE;
    }
    virDomainSnapshotFree(made);
    return TRUE;
}

void vmm_carry_give(const VmmAction *action, virDomainPtr domain)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = file_of(action);
    g_autofree char *text = NULL;
    gsize length;
    if (!path || !domain || !g_file_get_contents(path, &text, &length, NULL))
        return;
    g_autoptr(xmlDoc) document = xml_read(text, length, XML_DEPTH_MAX, &error);
    if (!document) {
        driver_log('E', action->vid, "the list of snapshots %s is lost: %s", path, error->message);
        return;
    }
    gboolean all = TRUE;
    const xmlNode *snapshot = xml_first_element(xml_root(document));
    for (; snapshot; snapshot = xml_next_element(snapshot))
        all = give(action, domain, snapshot) && all;
    if (all)
        (void)g_unlink(path);
}
