#include "drivers/vmm/vmm_action.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

void vmm_action_free(VmmAction *action)
{
    if (!action)
        return;
    g_free(action->host);
    g_free(action->destination);
    g_free(action->domain);
    g_free(action->directory);
    g_free(action->checkpoint);
    g_free(action->deployment);
    g_free(action->uuid);
    template_free(action->host_template);
    xmlFreeDoc(action->document);
    g_free(action);
}

/* Text of an element, or NULL when it is missing or empty. (owned) */
static char *get(const xmlNode *from, const char *path)
{
    char *text = xml_get(from, path);
    if (text && *g_strstrip(text))
        return text;
    g_free(text);
    return NULL;
}

/*
 * A machine without OS/UUID still needs one that is the same each time: it tells whether a
 * domain called one-12 is this machine or one of an older database. So it is made of the
 * id and the time of creation (RFC 4122, version 5 layout).
 */
static char *make_uuid(const VmmAction *action)
{
    g_autofree char *stime = get(action->vm, "STIME");
    g_autofree char *text =
        g_strdup_printf("globule-machine-%" G_GINT64_FORMAT "-%s", action->vid, stime ? stime : "");
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA1);
    g_checksum_update(checksum, (const guchar *)text, -1);
    guint8 digest[20];
    gsize length = sizeof digest;
    g_checksum_get_digest(checksum, digest, &length);
    digest[6] = (guint8)((digest[6] & 0x0f) | 0x50);
    digest[8] = (guint8)((digest[8] & 0x3f) | 0x80);
    GString *uuid = g_string_sized_new(36);
    for (guint i = 0; i < 16; i++)
        g_string_append_printf(uuid, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                               digest[i]);
    return g_string_free(uuid, FALSE);
}

gboolean vmm_is_yes(const char *text)
{
    static const char *const words[] = {"YES", "Y", "TRUE", "ON", "1"};
    for (guint i = 0; text && i < G_N_ELEMENTS(words); i++)
        if (!g_ascii_strcasecmp(text, words[i]))
            return TRUE;
    return FALSE;
}

/* HOST_TEMPLATE as a template of its own; NULL when there is none. (owned) */
static Template *read_host_template(xmlDoc *document, const xmlNode *root)
{
    xmlNode *node = xml_find(root, "HOST_TEMPLATE");
    if (!node)
        return NULL;
    xmlBuffer *buffer = xmlBufferCreate();
    (void)xmlNodeDump(buffer, document, node, 0, 0);
    Template *template =
        template_parse((const char *)xmlBufferContent(buffer), TEMPLATE_MODERN, NULL);
    xmlBufferFree(buffer);
    return template;
}

static gboolean read_fields(VmmAction *action, const xmlNode *root, GError **error)
{
    action->vm = xml_find(root, "VM");
    action->host_template = read_host_template(action->document, root);
    action->datastore = xml_find(root, "DATASTORE");
    action->host = get(root, "HOST");
    action->destination = get(root, "MIGR_HOST");
    action->domain = get(root, "DEPLOY_ID");
    action->directory = get(root, "DISK_TARGET_PATH");
    action->checkpoint = get(root, "CHECKPOINT_FILE");
    action->deployment = get(root, "LOCAL_DEPLOYMENT_FILE");
    if (!action->vm || !action->host) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "the request for machine %" G_GINT64_FORMAT " lacks %s", action->vid,
                    action->vm ? "HOST" : "VM");
        return FALSE;
    }
    if (!action->domain || g_str_equal(action->domain, "-")) {
        g_free(action->domain);
        action->domain = g_strdup_printf("one-%" G_GINT64_FORMAT, action->vid);
    }
    action->uuid = get(action->vm, "TEMPLATE/OS/UUID");
    if (!action->uuid)
        action->uuid = make_uuid(action);
    g_autofree char *imported = get(action->vm, "TEMPLATE/IMPORTED");
    g_autofree char *shared = get(action->datastore, "TEMPLATE/SHARED");
    action->adopted = vmm_is_yes(imported);
    action->shared = vmm_is_yes(shared);
    return TRUE;
}

VmmAction *vmm_action_parse(gint64 vid, const char *payload, GError **error)
{
    gsize length;
    g_autofree guchar *text = g_base64_decode(payload, &length);
    g_autoptr(VmmAction) action = g_new0(VmmAction, 1);
    action->vid = vid;
    action->document = xml_read((const char *)text, length, XML_DEPTH_MAX, error);
    if (!action->document) {
        g_prefix_error(error,
                       "the request for machine %" G_GINT64_FORMAT " is not readable: ", vid);
        return NULL;
    }
    if (!read_fields(action, xml_root(action->document), error))
        return NULL;
    return g_steal_pointer(&action);
}

VmmDevice vmm_marked_device(const VmmAction *action, GError **error)
{
    static const struct {
        const char *path, *mark, *id, *kind;
    } marks[] = {
        {"TEMPLATE/DISK", "ATTACH", "DISK_ID", "disk"},
        {"TEMPLATE/DISK", "RESIZE", "DISK_ID", "disk"},
        {"TEMPLATE/DISK", "DISK_SNAPSHOT_ACTIVE", "DISK_ID", "disk"},
        {"TEMPLATE/NIC", "ATTACH", "NIC_ID", "nic"},
        {"TEMPLATE/NIC", "UPDATE", "NIC_ID", "nic"},
        {"TEMPLATE/SNAPSHOT", "ACTIVE", "SNAPSHOT_ID", "snapshot"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(marks); i++)
        for (const xmlNode *node = xml_find(action->vm, marks[i].path); node;
             node = xml_next_same(node)) {
            g_autofree char *mark = get(node, marks[i].mark);
            if (vmm_is_yes(mark))
                return (VmmDevice){node, marks[i].kind, xml_get_int(node, marks[i].id, -1)};
        }
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "the request for machine %" G_GINT64_FORMAT
                " marks no device (ATTACH=YES, ACTIVE=YES ...)",
                action->vid);
    return (VmmDevice){NULL};
}

static void free_action(gpointer action)
{
    vmm_action_free(action);
}

gboolean vmm_prepare(DriverJob *job, GError **error)
{
    VmmAction *action = vmm_action_parse(driver_job_id(job), driver_job_payload(job), error);
    if (!action)
        return FALSE;
    driver_job_set_data(job, action, free_action);
    return TRUE;
}

const VmmAction *vmm_action_of(const DriverJob *job)
{
    return driver_job_data(job);
}

char *vmm_queue_of(const DriverJob *job)
{
    return g_strdup(vmm_action_of(job)->host);
}
