#include "scheduler/attributes.h"
#include <stdlib.h>
#include <string.h>

/* How what was placed changes a value. */
typedef enum {
    BY_COUNT,
    BY_CPU,
    BY_MEMORY,
    BY_DISK,
    BY_LEASES,
} Amount;

static const struct {
    const char *name;
    Amount amount;
    int sign;
} changing[] = {
    {"RUNNING_VMS", BY_COUNT, 1},  {"CPU_USAGE", BY_CPU, 1},      {"USED_CPU", BY_CPU, 1},
    {"FREE_CPU", BY_CPU, -1},      {"MEM_USAGE", BY_MEMORY, 1},   {"USED_MEM", BY_MEMORY, 1},
    {"FREE_MEM", BY_MEMORY, -1},   {"USED_MEMORY", BY_MEMORY, 1}, {"FREE_MEMORY", BY_MEMORY, -1},
    {"FREE_DISK", BY_DISK, -1},    {"USED_DISK", BY_DISK, 1},     {"FREE_MB", BY_DISK, -1},
    {"USED_MB", BY_DISK, 1},       {"FREECPU", BY_CPU, -1},       {"USEDCPU", BY_CPU, 1},
    {"FREEMEMORY", BY_MEMORY, -1}, {"USEDMEMORY", BY_MEMORY, 1},  {"USED_LEASES", BY_LEASES, 1},
};

static const char *const host_scopes[] = {"TEMPLATE/",
                                          "HOST_SHARE/",
                                          "HOST_SHARE/DATASTORES/",
                                          "MONITORING/CAPACITY/",
                                          "MONITORING/SYSTEM/",
                                          "",
                                          NULL};
static const char *const datastore_scopes[] = {"TEMPLATE/", "", NULL};

void sched_view_clear(SchedView *view)
{
    g_clear_pointer(&view->numbers, g_ptr_array_unref);
}

static gint64 placed_amount(const SchedView *view, Amount amount)
{
    const SchedHost *host = view->host;
    if (view->network != NULL)
        return amount == BY_LEASES ? view->network->placed : 0;
    if (host == NULL)
        return amount == BY_DISK ? view->datastore->placed_mb : 0;
    switch (amount) {
    case BY_COUNT:
        return host->placed;
    case BY_CPU:
        return host->placed_cpu;
    case BY_MEMORY:
        return host->placed_mem;
    case BY_DISK:
        return host->placed_disk;
    case BY_LEASES:
        break;
    }
    return 0;
}

/* Which entry of `changing` a path's last name is, or -1. */
static gint changing_index(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name != NULL ? name + 1 : path;
    for (guint i = 0; i < G_N_ELEMENTS(changing); i++)
        if (strcmp(name, changing[i].name) == 0)
            return i;
    return -1;
}

/* The value as it is after what was placed. */
static const char *current(SchedView *view, const char *value, gint index)
{
    if (index < 0)
        return value;
    gint64 delta = changing[index].sign * placed_amount(view, changing[index].amount);
    view->changing = TRUE;
    if (delta == 0)
        return value;
    g_snprintf(view->number, sizeof view->number, "%lld", strtoll(value, NULL, 10) + delta);
    return view->number;
}

static gboolean in_scope(const char *path, const char *name, const char *const *scopes)
{
    for (; *scopes != NULL; scopes++)
        if (g_str_has_prefix(path, *scopes) && strcmp(path + strlen(*scopes), name) == 0)
            return TRUE;
    return FALSE;
}

typedef enum {
    BARE,     /* NAME */
    RELATIVE, /* A/B */
    ABSOLUTE, /* /HOST/A/B, with the root taken off */
} NameForm;

static guint collect(SchedView *view, const GArray *attributes, NameForm form, const char *name,
                     const char **values, guint room)
{
    const char *const *scopes = view->host != NULL ? host_scopes : datastore_scopes;
    guint found = 0;
    for (guint i = 0; attributes != NULL && i < attributes->len && found < room; i++) {
        const SchedAttribute *attribute = &g_array_index(attributes, SchedAttribute, i);
        gboolean fits = form == BARE ? attribute->name != NULL && strcmp(attribute->name, name) == 0
                        : form == RELATIVE ? in_scope(attribute->path, name, scopes)
                                           : strcmp(attribute->path, name) == 0;
        if (fits)
            values[found++] = current(view, attribute->value, changing_index(attribute->path));
    }
    return found;
}

/* The machines of the host: those it had, and those of this cycle. */
static guint machines(SchedView *view, const char **values, guint room)
{
    guint found = collect(view, view->host->attributes, ABSOLUTE, "VMS/ID", values, room);
    const GArray *placed = view->host->placed_vms;
    view->changing = TRUE;
    if (placed == NULL)
        return found;
    sched_view_clear(view);
    view->numbers = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < placed->len && found < room; i++) {
        char *text = g_strdup_printf("%d", g_array_index(placed, gint32, i));
        g_ptr_array_add(view->numbers, text);
        values[found++] = text;
    }
    return found;
}

/* ---- Columns ---- */

/* The first value of a bare name for every host: with thousands of distinct requirements
 * the same names are asked for millions of times. */
typedef struct {
    gint changing;
    const char *values[]; /* NULL: the host has none */
} Column;

static const SchedAttribute *first_of(const GArray *attributes, const char *name)
{
    for (guint i = 0; attributes != NULL && i < attributes->len; i++) {
        const SchedAttribute *attribute = &g_array_index(attributes, SchedAttribute, i);
        if (attribute->name != NULL && strcmp(attribute->name, name) == 0)
            return attribute;
    }
    return NULL;
}

/* Names of the monitoring of 1.2 to 4.14, and what they are called since: templates of
 * those years rank by FREECPU. */
static const char *modern_name(const char *name)
{
    static const char *const names[][2] = {{"FREECPU", "FREE_CPU"},
                                           {"USEDCPU", "USED_CPU"},
                                           {"FREEMEMORY", "FREE_MEMORY"},
                                           {"USEDMEMORY", "USED_MEMORY"}};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if (strcmp(name, names[i][0]) == 0)
            return names[i][1];
    return NULL;
}

static const char *value_for(const SchedHost *host, const char *name)
{
    const SchedAttribute *found = first_of(host->attributes, name);
    if (found == NULL)
        found = first_of(host->of_cluster, name);
    return found != NULL ? found->value : NULL;
}

static const Column *column_of(const SchedPools *pools, const char *name)
{
    Column *column = g_hash_table_lookup(pools->columns, name);
    if (column != NULL)
        return column;
    const char *modern = modern_name(name);
    column = g_malloc0(sizeof *column + pools->hosts->len * sizeof column->values[0]);
    column->changing = changing_index(name);
    for (guint i = 0; i < pools->hosts->len; i++) {
        const SchedHost *host = &g_array_index(pools->hosts, SchedHost, i);
        column->values[i] = value_for(host, name);
        if (column->values[i] == NULL && modern != NULL)
            column->values[i] = value_for(host, modern);
    }
    g_hash_table_insert(pools->columns, g_strdup(name), column);
    return column;
}

static guint from_column(SchedView *view, const char *name, const char **values)
{
    const Column *column = column_of(view->pools, name);
    gsize index = view->host - (const SchedHost *)view->pools->hosts->data;
    if (column->values[index] == NULL)
        return 0;
    values[0] = current(view, column->values[index], column->changing);
    return 1;
}

guint sched_lookup(const char *name, const char **values, guint room, gpointer data)
{
    SchedView *view = data;
    const char *root = view->host != NULL      ? "/HOST/"
                       : view->network != NULL ? "/VNET/"
                                               : "/DATASTORE/";
    const GArray *attributes = view->host != NULL      ? view->host->attributes
                               : view->network != NULL ? view->network->attributes
                                                       : view->datastore->attributes;
    const GArray *of_cluster = view->host != NULL ? view->host->of_cluster : NULL;
    if (*name == '/') {
        if (!g_str_has_prefix(name, root))
            return 0;
        name += strlen(root);
        /* The cluster's template stands in the host's document under this name. */
        if (view->host != NULL && g_str_has_prefix(name, "CLUSTER_TEMPLATE/"))
            return collect(view, of_cluster, BARE, name + strlen("CLUSTER_TEMPLATE/"), values,
                           room);
        return collect(view, attributes, ABSOLUTE, name, values, room);
    }
    if (view->host != NULL && (strcmp(name, "CURRENT_VMS") == 0 || strcmp(name, "VMS/ID") == 0))
        return machines(view, values, room);
    NameForm form = strchr(name, '/') != NULL ? RELATIVE : BARE;
    if (view->host != NULL && form == BARE && room == 1)
        return from_column(view, name, values);
    guint found = collect(view, attributes, form, name, values, room);
    return found + collect(view, of_cluster, form, name, values + found, room - found);
}
