#include "scheduler/groups.h"

#include "scheduler/read.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    gint32 vm, host;
} SchedPosition;

static void clear_array(GArray **array)
{
    g_clear_pointer(array, g_array_unref);
}

void sched_role_free(SchedRole *role)
{
    clear_array(&role->wanted);
    clear_array(&role->avoided);
    clear_array(&role->vms);
    clear_array(&role->places);
    g_ptr_array_unref(role->others);
    g_ptr_array_unref(role->apart);
    g_free(role);
}

static gboolean holds(const GArray *ids, gint32 id)
{
    for (guint i = 0; ids != NULL && i < ids->len; i++)
        if (g_array_index(ids, gint32, i) == id)
            return TRUE;
    return FALSE;
}

/* ---- Reading ---- */

/* The numbers of "1,2"; NULL: there is none. (owned) */
static GArray *read_ids(const char *text)
{
    GArray *ids = NULL;
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    for (char **word = words; *word != NULL; word++) {
        guint64 id = 0;
        if (!g_ascii_string_to_unsigned(g_strstrip(*word), 10, 0, G_MAXINT32, &id, NULL))
            continue;
        if (ids == NULL)
            ids = g_array_new(FALSE, FALSE, sizeof(gint32));
        g_array_append_vals(ids, &(gint32){(gint32)id}, 1);
    }
    return ids;
}

static SchedPolicy read_policy(const char *text)
{
    return g_ascii_strcasecmp(text, "AFFINED") == 0        ? SCHED_POLICY_AFFINED
           : g_ascii_strcasecmp(text, "ANTI_AFFINED") == 0 ? SCHED_POLICY_APART
                                                           : SCHED_POLICY_NONE;
}

static void read_ids_into(GArray **ids, const char *text)
{
    clear_array(ids);
    *ids = read_ids(text);
}

static void read_role(const SchedPools *pools, SchedRole *role, const FlatLeaf *leaf)
{
    const char *name = leaf->path + strlen("ROLES/ROLE/");
    if (strcmp(name, "NAME") == 0)
        role->name = sched_keep(pools, leaf->value);
    else if (strcmp(name, "POLICY") == 0)
        role->policy = read_policy(leaf->value);
    else if (strcmp(name, "HOST_AFFINED") == 0)
        read_ids_into(&role->wanted, leaf->value);
    else if (strcmp(name, "HOST_ANTI_AFFINED") == 0)
        read_ids_into(&role->avoided, leaf->value);
    else if (strcmp(name, "VMS") == 0)
        read_ids_into(&role->vms, leaf->value);
}

static SchedRole *role_new(gint32 group, guint tie)
{
    SchedRole *role = g_new0(SchedRole, 1);
    role->group = group;
    role->tie = tie;
    role->others = g_ptr_array_new();
    role->apart = g_ptr_array_new();
    role->places = g_array_new(FALSE, FALSE, sizeof(SchedPosition));
    return role;
}

/* The roles that a rule "a, b" names. (of SchedRole, owned) */
static GPtrArray *named_roles(const GPtrArray *roles, const char *rule)
{
    GPtrArray *found = g_ptr_array_new();
    g_auto(GStrv) names = g_strsplit(rule, ",", -1);
    for (char **name = names; *name != NULL; name++)
        for (guint i = 0; i < roles->len; i++) {
            SchedRole *role = roles->pdata[i];
            if (g_strcmp0(role->name, g_strstrip(*name)) == 0)
                g_ptr_array_add(found, role);
        }
    return found;
}

/* Rules that share a role are one. */
static void tie(const GPtrArray *all, const GPtrArray *named)
{
    for (guint i = 1; i < named->len; i++) {
        guint into = ((const SchedRole *)named->pdata[0])->tie;
        guint from = ((const SchedRole *)named->pdata[i])->tie;
        for (guint j = 0; j < all->len; j++) {
            SchedRole *role = all->pdata[j];
            if (role->tie == from)
                role->tie = into;
        }
    }
}

static void keep_apart(const GPtrArray *named)
{
    for (guint i = 0; i < named->len; i++)
        for (guint j = 0; j < named->len; j++)
            if (named->pdata[i] != named->pdata[j])
                g_ptr_array_add(((SchedRole *)named->pdata[i])->apart, named->pdata[j]);
}

static void on_group(const char *element, const FlatLeaf *leaves, guint count, gpointer data)
{
    const SchedPools *pools = data;
    g_autoptr(GPtrArray) roles = g_ptr_array_new();
    gint32 id = -1;
    guint part = 0;
    if (strcmp(element, "VM_GROUP") != 0)
        return;
    for (guint i = 0; i < count; i++) {
        if (strcmp(leaves[i].path, "ID") == 0)
            id = (gint32)strtol(leaves[i].value, NULL, 10);
        if (!g_str_has_prefix(leaves[i].path, "ROLES/ROLE/"))
            continue;
        if (roles->len == 0 || leaves[i].group != part)
            g_ptr_array_add(roles, role_new(id, roles->len));
        part = leaves[i].group;
        read_role(pools, roles->pdata[roles->len - 1], &leaves[i]);
    }
    for (guint i = 0; i < count; i++) {
        gboolean together = strcmp(leaves[i].path, "TEMPLATE/AFFINED") == 0;
        if (!together && strcmp(leaves[i].path, "TEMPLATE/ANTI_AFFINED") != 0)
            continue;
        g_autoptr(GPtrArray) named = named_roles(roles, leaves[i].value);
        if (together)
            tie(roles, named);
        else
            keep_apart(named);
    }
    for (guint i = 0; i < roles->len; i++) {
        SchedRole *role = roles->pdata[i];
        g_ptr_array_extend(role->others, roles, NULL, NULL);
        g_ptr_array_add(pools->roles, role);
    }
}

gboolean sched_read_groups(SchedPools *pools, const char *xml, GError **error)
{
    FlatReader reader = {.object = on_group, .data = pools};
    return flat_read(xml, strlen(xml), &reader, error);
}

/* ---- Places ---- */

static SchedRole *find_role(const SchedPools *pools, const SchedVm *vm)
{
    for (guint i = 0; i < pools->roles->len; i++) {
        SchedRole *role = pools->roles->pdata[i];
        if (role->group == vm->group && g_strcmp0(role->name, vm->role_name) == 0)
            return role;
    }
    return NULL;
}

/* The role of each machine that has one: id -> SchedRole. (owned) */
static GHashTable *roles_by_vm(const SchedPools *pools)
{
    GHashTable *roles = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < pools->roles->len; i++) {
        SchedRole *role = pools->roles->pdata[i];
        g_array_set_size(role->places, 0);
        for (guint j = 0; role->vms != NULL && j < role->vms->len; j++)
            g_hash_table_insert(roles, GINT_TO_POINTER(g_array_index(role->vms, gint32, j)), role);
    }
    return roles;
}

static void find_places(const SchedPools *pools)
{
    g_autoptr(GHashTable) roles = roles_by_vm(pools);
    for (guint i = 0; i < pools->hosts->len; i++) {
        const SchedHost *host = &g_array_index(pools->hosts, SchedHost, i);
        for (guint j = 0; j < host->attributes->len; j++) {
            const SchedAttribute *attribute = &g_array_index(host->attributes, SchedAttribute, j);
            if (strcmp(attribute->path, "VMS/ID") != 0)
                continue;
            SchedPosition place = {(gint32)strtol(attribute->value, NULL, 10), host->id};
            const SchedRole *role = g_hash_table_lookup(roles, GINT_TO_POINTER(place.vm));
            if (role != NULL)
                g_array_append_val(role->places, place);
        }
    }
}

void sched_groups_finish(SchedPools *pools)
{
    for (guint i = 0; i < pools->vms->len; i++) {
        SchedVm *vm = &g_array_index(pools->vms, SchedVm, i);
        if (vm->group < 0)
            continue;
        vm->role = find_role(pools, vm);
        vm->cannot = vm->role != NULL
                         ? NULL
                         : "oned does not know its VM group, or no such role of it; deploy it by "
                           "hand or take it out of the group";
    }
    if (pools->roles->len > 0)
        find_places(pools);
}

void sched_group_took(const SchedVm *vm, gint32 host)
{
    SchedPosition place = {vm->id, host};
    if (vm->role != NULL)
        g_array_append_val(vm->role->places, place);
}

/* ---- Rules ---- */

/* Whether another machine of the role is there (`on`), or elsewhere. */
static gboolean has_other(const SchedRole *role, const SchedVm *vm, gint32 host, gboolean on)
{
    for (guint i = 0; i < role->places->len; i++) {
        const SchedPosition *place = &g_array_index(role->places, SchedPosition, i);
        if (place->vm != vm->id && (place->host == host) == on)
            return TRUE;
    }
    return FALSE;
}

/* What holds for a role holds for all that must share its host. */
static SchedHostTest test_lists(const SchedRole *own, gint32 host)
{
    for (guint i = 0; i < own->others->len; i++) {
        const SchedRole *role = own->others->pdata[i];
        if (role->tie == own->tie && role->wanted != NULL && !holds(role->wanted, host))
            return SCHED_NOT_HOST_AFFINED;
        if (role->tie == own->tie && holds(role->avoided, host))
            return SCHED_HOST_AVOIDED;
    }
    return SCHED_FITS;
}

static gboolean shares(const SchedRole *own, const SchedVm *vm, gint32 host)
{
    gboolean alone = TRUE, together = TRUE;
    for (guint i = 0; i < own->others->len; i++) {
        const SchedRole *role = own->others->pdata[i];
        if (role->tie != own->tie)
            continue;
        alone = alone && role == own;
        together = together && !has_other(role, vm, host, FALSE);
    }
    return alone || together;
}

SchedHostTest sched_test_group(const SchedVm *vm, gint32 host)
{
    const SchedRole *own = vm->role;
    if (own == NULL)
        return SCHED_FITS;
    SchedHostTest test = test_lists(own, host);
    if (test != SCHED_FITS)
        return test;
    if (own->policy == SCHED_POLICY_AFFINED && has_other(own, vm, host, FALSE))
        return SCHED_ROLE_ELSEWHERE;
    if (own->policy == SCHED_POLICY_APART && has_other(own, vm, host, TRUE))
        return SCHED_ROLE_HERE;
    if (!shares(own, vm, host))
        return SCHED_GROUP_ELSEWHERE;
    for (guint i = 0; i < own->apart->len; i++)
        if (has_other(own->apart->pdata[i], vm, host, TRUE))
            return SCHED_GROUP_HERE;
    return SCHED_FITS;
}
