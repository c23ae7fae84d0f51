/*
 * Bridges, VLANs and rules of filtering around the actions on a machine (drivers/vnm). They are on
 * a host before the machine is, and go when it has gone from there; machines whose cards ask for
 * no network driver cost nothing here.
 */
#include "drivers/vmm/libvirt/vmm_libvirt.h"

#include "drivers/vnm/vnm.h"
#include "lib/base/xml.h"
#include <string.h>

/* On which host something is done. */
typedef enum { NOWHERE, AT_HOST, AT_DESTINATION, AT_BOTH } Where;

typedef struct NetworkRow {
    const char *action;
    Where before;    /* made there first */
    Where succeeded; /* removed there afterwards */
    Where failed;    /* removed there when the machine is not */
    gboolean marked; /* of the card that the request is about alone */
    gboolean if_off; /* a success does not mean that it is gone */
} NetworkRow;

static const NetworkRow rows[] = {
    {"DEPLOY", AT_HOST, NOWHERE, AT_HOST},
    {"RESTORE", AT_HOST, NOWHERE, AT_HOST},
    {"MIGRATE", AT_DESTINATION, AT_HOST, AT_DESTINATION},
    {"SHUTDOWN", NOWHERE, AT_HOST, NOWHERE},
    {"CANCEL", NOWHERE, AT_HOST, NOWHERE},
    {"SAVE", NOWHERE, AT_HOST, NOWHERE},
    {"SETTLE", NOWHERE, AT_HOST, NOWHERE},
    {"CLEANUP", NOWHERE, AT_BOTH, NOWHERE},
    {"ATTACHNIC", AT_HOST, NOWHERE, AT_HOST, TRUE},
    {"DETACHNIC", NOWHERE, AT_HOST, NOWHERE, TRUE},
    {"POLL", NOWHERE, AT_HOST, NOWHERE, FALSE, TRUE}, /* it ended by itself */
};

static const NetworkRow *row_of(const DriverJob *job)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (g_str_equal(rows[i].action, driver_job_action(job)))
            return &rows[i];
    return NULL;
}

static gboolean has_networks(const VmmAction *action)
{
    const xmlNode *nic = xml_find(action->vm, "TEMPLATE/NIC");
    while (nic && !vnm_manages(nic))
        nic = xml_next_same(nic);
    return nic != NULL;
}

/* Id of the card that the request is about; -1: all. */
static gint64 card_of(const VmmAction *action, const NetworkRow *row)
{
    return row->marked ? vmm_marked_device(action, NULL).id : -1;
}

gboolean vmm_network_before(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    const NetworkRow *row = row_of(job);
    const char *host = row->before == AT_DESTINATION ? action->destination : action->host;
    if (row->before == NOWHERE || !host || !has_networks(action))
        return TRUE;
    g_autoptr(VnmPlan) plan = vnm_plan_read(action->vm, card_of(action, row), error);
    return plan && vnm_up(host, plan, error);
}

static VmmLookAt look_at; /* of a flavour that is not libvirt's */

void vmm_network_start(VmmLookAt look)
{
    look_at = look;
}

/* The host says so; one that does not answer is left alone. */
static gboolean is_off(const VmmAction *action, const char *host)
{
    if (look_at)
        return look_at(action, host) == VMM_ABSENT;
    g_auto(virConnectPtr) connection = libvirt_pool_get(host, NULL);
    if (!connection)
        return FALSE;
    g_auto(VmmSight) sight = vmm_look(action, connection);
    return sight.presence == VMM_ABSENT;
}

/* The card is in the running machine, whatever became of the request. */
static gboolean is_plugged(const VmmAction *action, gint64 card)
{
    g_autofree char *tap = vnm_tap(action->vid, card, NULL);
    g_auto(virConnectPtr) connection = libvirt_pool_get(action->host, NULL);
    if (!connection)
        return TRUE;
    g_auto(VmmSight) sight = vmm_look(action, connection);
    char *text = sight.domain ? virDomainGetXMLDesc(sight.domain, 0) : NULL;
    g_autofree char *wanted = g_strdup_printf("<target dev='%s'/>", tap ? tap : "");
    gboolean found = sight.presence != VMM_ABSENT && (!text || strstr(text, wanted));
    free(text);
    return found;
}

static void remove_at(const VmmAction *action, const char *host, gint64 card)
{
    g_autoptr(GError) error = NULL;
    if (host && !vnm_down(host, action->vid, card, &error))
        driver_log('W', action->vid, "what its network cards needed on %s stays there: %s", host,
                   error->message);
}

void vmm_network_ending(DriverJob *job, gboolean success)
{
    const VmmAction *action = vmm_action_of(job);
    const NetworkRow *row = row_of(job);
    Where where = success ? row->succeeded : row->failed;
    const char *host = where == AT_DESTINATION ? action->destination : action->host;
    if (where == NOWHERE || !host || !has_networks(action))
        return;
    gint64 card = card_of(action, row);
    if (row->marked ? !success && is_plugged(action, card)
                    : (!success || row->if_off) && !is_off(action, host))
        return;
    remove_at(action, host, card);
    if (where == AT_BOTH)
        remove_at(action, action->destination, card);
}

void vmm_update_groups(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_autoptr(VnmPlan) plan = vnm_plan_read(action->vm, -1, &error);
    if (plan && vnm_update_rules(action->host, plan, &error))
        driver_job_succeed(job, NULL);
    else
        driver_job_fail(job, "%s", error->message);
}
