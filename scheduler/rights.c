#include "scheduler/rights.h"

/* Bits of a rule's words; see share/doc/scheduler.md, "Rights". */
#define INDIVIDUAL     G_GUINT64_CONSTANT(0x100000000)
#define GROUP          G_GUINT64_CONSTANT(0x200000000)
#define ALL            G_GUINT64_CONSTANT(0x400000000)
#define CLUSTER        G_GUINT64_CONSTANT(0x800000000)
#define TYPE_NET       G_GUINT64_CONSTANT(0x4000000000)
#define TYPE_HOST      G_GUINT64_CONSTANT(0x2000000000)
#define TYPE_DATASTORE G_GUINT64_CONSTANT(0x100000000000)
#define KINDS          (INDIVIDUAL | GROUP | ALL | CLUSTER)
#define ID             G_GUINT64_CONSTANT(0xffffffff)

enum { RIGHT_USE = 1, RIGHT_MANAGE = 2 };

typedef struct {
    guint64 type, right;
    gint32 id, gid;
    const gint32 *clusters;
    guint cluster_count;
} Wanted;

/* Groups of the user; the machine's group when the user is not in the pool. */
static const gint32 *groups_of(const SchedPools *pools, gint32 uid, const gint32 *otherwise,
                               guint *count)
{
    const SchedUser *user = sched_find_user(pools, uid);
    *count = user != NULL ? user->groups->len : 1;
    return user != NULL ? (const gint32 *)user->groups->data : otherwise;
}

static gboolean contains(const gint32 *ids, guint count, gint32 id)
{
    for (guint i = 0; i < count; i++)
        if (ids[i] == id)
            return TRUE;
    return FALSE;
}

static gboolean for_user(guint64 word, gint32 uid, const gint32 *groups, guint group_count)
{
    gint32 id = word & ID;
    switch (word & KINDS) {
    case ALL:
        return TRUE;
    case INDIVIDUAL:
        return id == uid;
    case GROUP:
        return contains(groups, group_count, id);
    }
    return FALSE;
}

static gboolean for_object(guint64 word, const Wanted *wanted)
{
    gint32 id = word & ID;
    if ((word & wanted->type) == 0)
        return FALSE;
    switch (word & KINDS) {
    case ALL:
        return TRUE;
    case INDIVIDUAL:
        return id == wanted->id;
    case GROUP:
        return id == wanted->gid;
    case CLUSTER:
        return contains(wanted->clusters, wanted->cluster_count, id);
    }
    return FALSE;
}

static gboolean in_zone(guint64 word, gint32 zone)
{
    return (word & ALL) != 0 || (gint32)(word & ID) == zone;
}

static gboolean by_rule(const SchedPools *pools, gint32 uid, const gint32 *groups,
                        guint group_count, const Wanted *wanted)
{
    for (guint i = 0; i < pools->rules->len; i++) {
        const SchedRule *rule = &g_array_index(pools->rules, SchedRule, i);
        if ((rule->rights & wanted->right) != 0 && in_zone(rule->zone, pools->zone) &&
            for_user(rule->user, uid, groups, group_count) && for_object(rule->resource, wanted))
            return TRUE;
    }
    return FALSE;
}

gboolean sched_is_admin(const SchedPools *pools, gint32 uid, gint32 gid)
{
    guint count;
    const gint32 *groups = groups_of(pools, uid, &gid, &count);
    return uid == 0 || contains(groups, count, 0);
}

gboolean sched_may_use_host(const SchedPools *pools, gint32 uid, gint32 gid, const SchedHost *host)
{
    guint count;
    const gint32 *groups = groups_of(pools, uid, &gid, &count);
    Wanted wanted = {TYPE_HOST, RIGHT_MANAGE, host->id, -1, &host->cluster, 1};
    return uid == 0 || contains(groups, count, 0) || by_rule(pools, uid, groups, count, &wanted);
}

/* What permissions or a rule say of an object that has an owner and clusters. */
typedef struct {
    guint64 type;
    gint32 id, uid, gid;
    gboolean owner_use, group_use, other_use;
    const GArray *clusters;
} Owned;

static gboolean may_use(const SchedPools *pools, gint32 uid, gint32 gid, const Owned *object)
{
    guint count;
    const gint32 *groups = groups_of(pools, uid, &gid, &count);
    const GArray *clusters = object->clusters;
    Wanted wanted = {object->type,
                     RIGHT_USE,
                     object->id,
                     object->gid,
                     clusters != NULL ? (const gint32 *)clusters->data : NULL,
                     clusters != NULL ? clusters->len : 0};
    if (uid == 0 || contains(groups, count, 0) || object->other_use)
        return TRUE;
    if (object->owner_use && object->uid == uid)
        return TRUE;
    if (object->group_use && contains(groups, count, object->gid))
        return TRUE;
    return by_rule(pools, uid, groups, count, &wanted);
}

gboolean sched_may_use_datastore(const SchedPools *pools, gint32 uid, gint32 gid,
                                 const SchedDatastore *datastore)
{
    return may_use(pools, uid, gid,
                   &(Owned){TYPE_DATASTORE, datastore->id, datastore->uid, datastore->gid,
                            datastore->owner_use, datastore->group_use, datastore->other_use,
                            datastore->clusters});
}

gboolean sched_may_use_network(const SchedPools *pools, gint32 uid, gint32 gid,
                               const SchedNetwork *network)
{
    return may_use(pools, uid, gid,
                   &(Owned){TYPE_NET, network->id, network->uid, network->gid, network->owner_use,
                            network->group_use, network->other_use, network->clusters});
}
