#include "scheduler/fetch.h"
#include "lib/base/error.h"
#include "scheduler/groups.h"
#include "scheduler/rights.h"
#include <stdlib.h>
#include <string.h>

#define UNKNOWN_METHOD (-506)
#define STATE_PENDING  1
#define ANY            (-1)
#define ALL_OWNERS     (-2)
/* A search for machines to move takes at most 1/20 of the time. */
#define SCAN_SHARE 20

static gboolean is_unknown(const SchedServer *server)
{
    return wire_fault_code(server->client) == UNKNOWN_METHOD;
}

/* ---- Waiting ---- */

gboolean sched_wait(SchedServer *server, guint seconds, gboolean *something, GError **error)
{
    g_auto(WireReply) reply = {0};
    g_autoptr(GError) why = NULL;
    *something = FALSE;
    if (server->cannot_wait)
        return TRUE;
    if (wire_call(server->client, &reply, &why, "globule.sched.wait", "ii", server->sequence,
                  (int)seconds)) {
        *something = server->sequence != (gint32)reply.number;
        server->sequence = reply.number;
        return TRUE;
    }
    if (is_unknown(server)) {
        server->cannot_wait = TRUE;
        return TRUE;
    }
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

/* ---- Machines ---- */

static gboolean pending_vms(SchedServer *server, WireReply *reply, GError **error)
{
    return wire_call(server->client, reply, error, "one.vmpool.infoextended", "iiiis", ALL_OWNERS,
                     ANY, ANY, STATE_PENDING, "");
}

/* Every machine but the done ones; short bodies since 5.8, whole ones before. */
static gboolean all_vms(SchedServer *server, WireReply *reply, GError **error)
{
    return wire_call(server->client, reply, error, "one.vmpool.info", "iiii", ALL_OWNERS, ANY, ANY,
                     ANY);
}

static gboolean read_one(SchedServer *server, SchedPools *pools, gint32 id, double scale,
                         GError **error)
{
    g_auto(WireReply) reply = {0};
    g_autoptr(GError) why = NULL;
    if (!wire_call(server->client, &reply, &why, "one.vm.info", "i", id)) {
        if (why->code == ONE_ERROR_NO_EXISTS)
            return TRUE;
        g_propagate_error(error, g_steal_pointer(&why));
        return FALSE;
    }
    g_autofree char *pool = g_strconcat("<VM_POOL>", reply.text, "</VM_POOL>", NULL);
    return sched_read_vms(pools, pool, scale, error);
}

/* The full bodies of some machines. */
static gboolean read_set(SchedServer *server, SchedPools *pools, const GArray *ids, double scale,
                         GError **error)
{
    if (!server->no_infoset) {
        g_auto(WireReply) reply = {0};
        g_autoptr(GError) why = NULL;
        g_autoptr(GString) list = g_string_new(NULL);
        for (guint i = 0; i < ids->len; i++)
            g_string_append_printf(list, "%s%d", i > 0 ? "," : "", g_array_index(ids, gint32, i));
        if (wire_call(server->client, &reply, &why, "one.vmpool.infoset", "sb", list->str, TRUE))
            return sched_read_vms(pools, reply.text, scale, error);
        if (!is_unknown(server)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
        server->no_infoset = TRUE;
    }
    for (guint i = 0; i < ids->len; i++)
        if (!read_one(server, pools, g_array_index(ids, gint32, i), scale, error))
            return FALSE;
    return TRUE;
}

/* There is no filter for RESCHED: every machine's short body is looked at. */
static gboolean scan_for_moves(SchedServer *server, SchedPools *pools, double scale, GError **error)
{
    g_auto(WireReply) reply = {0};
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    gint64 begin = g_get_monotonic_time();
    if (!all_vms(server, &reply, error) || !sched_read_resched_ids(reply.text, ids, error))
        return FALSE;
    gboolean good = ids->len == 0 || read_set(server, pools, ids, scale, error);
    server->last_scan = g_get_monotonic_time();
    server->scan_cost = server->last_scan - begin;
    return good;
}

/* Microseconds until the next search may begin. */
static gint64 time_to_scan(const SchedServer *server)
{
    if (server->last_scan == 0)
        return 0;
    return MAX(0, server->last_scan + SCAN_SHARE * server->scan_cost - g_get_monotonic_time());
}

guint sched_scan_due(const SchedServer *server)
{
    return server->owes_scan ? 1 + time_to_scan(server) / G_USEC_PER_SEC : 0;
}

gboolean sched_fetch_vms(SchedServer *server, SchedPools *pools, const SchedConfig *config,
                         GError **error)
{
    g_auto(WireReply) reply = {0};
    g_autoptr(GError) why = NULL;
    if (!server->no_extended && !pending_vms(server, &reply, &why)) {
        if (!is_unknown(server)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
        server->no_extended = TRUE;
    }
    if (server->no_extended)
        return all_vms(server, &reply, error) &&
               sched_read_vms(pools, reply.text, config->memory_scale, error);
    server->owes_scan = time_to_scan(server) > 0;
    return sched_read_vms(pools, reply.text, config->memory_scale, error) &&
           (server->owes_scan || scan_for_moves(server, pools, config->memory_scale, error));
}

/* ---- Places ---- */

typedef gboolean (*ReadPool)(SchedPools *pools, const char *xml, GError **error);

/* `missing` (may be NULL) is set, and the call is a success, when the server does not
 * know the method. */
static gboolean fetch(SchedServer *server, SchedPools *pools, const char *method, ReadPool read,
                      gboolean *missing, GError **error)
{
    g_auto(WireReply) reply = {0};
    g_autoptr(GError) why = NULL;
    if (wire_call(server->client, &reply, &why, method, "")) {
        if (read(pools, reply.text != NULL ? reply.text : "", error))
            return TRUE;
        g_prefix_error(error, "%s: ", method);
        return FALSE;
    }
    if (missing != NULL && is_unknown(server)) {
        *missing = TRUE;
        return TRUE;
    }
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

static gboolean fetch_rights(SchedServer *server, SchedPools *pools, GError **error)
{
    gboolean missing = FALSE;
    if (!server->zone_known) {
        g_auto(WireReply) reply = {0};
        if (wire_call(server->client, &reply, NULL, "one.system.config", "") && reply.text != NULL)
            server->zone = sched_read_zone(reply.text);
        server->zone_known = TRUE;
    }
    pools->zone = server->zone;
    return fetch(server, pools, "one.userpool.info", sched_read_users, NULL, error) &&
           fetch(server, pools, "one.acl.info", sched_read_rules, &missing, error);
}

static gboolean all_by_admins(const SchedPools *pools)
{
    for (guint i = 0; i < pools->vms->len; i++) {
        const SchedVm *vm = &g_array_index(pools->vms, SchedVm, i);
        if (!sched_is_admin(pools, vm->uid, vm->gid))
            return FALSE;
    }
    return TRUE;
}

static gboolean names_monitoring(const char *text)
{
    static const char *const words[] = {"FREE", "USED", "NETRX", "NETTX", "MONITORING"};
    for (guint i = 0; text != NULL && i < G_N_ELEMENTS(words); i++)
        if (strstr(text, words[i]) != NULL)
            return TRUE;
    return FALSE;
}

static gboolean has_monitoring(const SchedPools *pools)
{
    for (guint h = 0; h < pools->hosts->len; h++) {
        const GArray *attributes = g_array_index(pools->hosts, SchedHost, h).attributes;
        for (guint i = 0; i < attributes->len; i++)
            if (g_str_has_prefix(g_array_index(attributes, SchedAttribute, i).path,
                                 "MONITORING/CAPACITY/"))
                return TRUE;
    }
    return FALSE;
}

static gboolean needs_monitoring(const SchedPools *pools, const SchedConfig *config)
{
    gboolean named = names_monitoring(sched_config_rank(config));
    for (guint i = 0; i < pools->vms->len && !named; i++) {
        const SchedVm *vm = &g_array_index(pools->vms, SchedVm, i);
        named = names_monitoring(vm->rank) || names_monitoring(vm->requirements);
    }
    return named && !has_monitoring(pools);
}

static gboolean fetch_monitoring(SchedServer *server, SchedPools *pools, GError **error)
{
    g_auto(WireReply) reply = {0};
    g_autoptr(GError) why = NULL;
    if (wire_call(server->client, &reply, &why, "one.hostpool.monitoring", "i", 0))
        return reply.text == NULL || *reply.text == '\0' ||
               sched_read_host_monitoring(pools, reply.text, error);
    /* Without samples the names have no value: a rank of 0, a requirement not met. */
    if (why->code != ONE_ERROR_UNREACHABLE && why->code != ONE_ERROR_TIMEOUT)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

static gboolean needs_networks(const SchedPools *pools)
{
    for (guint i = 0; i < pools->vms->len; i++)
        if (g_array_index(pools->vms, SchedVm, i).nics != NULL)
            return TRUE;
    return FALSE;
}

/* Networks of all owners (-2); only for machines that want one to be chosen. */
static gboolean fetch_networks(SchedServer *server, SchedPools *pools, GError **error)
{
    g_auto(WireReply) reply = {0};
    if (!wire_call(server->client, &reply, error, "one.vnpool.info", "iii", -2, -1, -1))
        return FALSE;
    return sched_read_networks(pools, reply.text != NULL ? reply.text : "", error);
}

static gboolean needs_groups(const SchedPools *pools)
{
    for (guint i = 0; i < pools->vms->len; i++)
        if (g_array_index(pools->vms, SchedVm, i).group >= 0)
            return TRUE;
    return FALSE;
}

/* Groups of machines of all owners (-2). Of a server that has none the machines cannot be placed.
 */
static gboolean fetch_groups(SchedServer *server, SchedPools *pools, GError **error)
{
    g_auto(WireReply) reply = {0};
    g_autoptr(GError) why = NULL;
    if (wire_call(server->client, &reply, &why, "one.vmgrouppool.info", "iii", -2, -1, -1))
        return sched_read_groups(pools, reply.text != NULL ? reply.text : "", error);
    if (is_unknown(server))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

gboolean sched_fetch_places(SchedServer *server, SchedPools *pools, const SchedConfig *config,
                            GError **error)
{
    gboolean no_clusters = FALSE;
    if (!fetch(server, pools, "one.hostpool.info", sched_read_hosts, NULL, error) ||
        !fetch(server, pools, "one.clusterpool.info", sched_read_clusters, &no_clusters, error))
        return FALSE;
    if (!server->no_datastores && !fetch(server, pools, "one.datastorepool.info",
                                         sched_read_datastores, &server->no_datastores, error))
        return FALSE;
    if (needs_networks(pools) && !fetch_networks(server, pools, error))
        return FALSE;
    if (needs_groups(pools) && !fetch_groups(server, pools, error))
        return FALSE;
    if (!all_by_admins(pools) && !fetch_rights(server, pools, error))
        return FALSE;
    if (needs_monitoring(pools, config) && !fetch_monitoring(server, pools, error))
        return FALSE;
    sched_pools_finish(pools);
    return TRUE;
}
