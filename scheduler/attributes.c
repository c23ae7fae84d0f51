#include "scheduler/attributes.h"
#include <stdlib.h>
#include <string.h>

/* How what was placed changes a value. */
typedef enum {
    BY_COUNT,
    BY_CPU,
    BY_MEMORY,
    BY_DISK,
} Amount;

static const struct {
    const char *name;
    Amount amount;
    int sign;
} changing[] = {
    {"RUNNING_VMS", BY_COUNT, 1}, {"CPU_USAGE", BY_CPU, 1},      {"USED_CPU", BY_CPU, 1},
    {"FREE_CPU", BY_CPU, -1},     {"MEM_USAGE", BY_MEMORY, 1},   {"USED_MEM", BY_MEMORY, 1},
    {"FREE_MEM", BY_MEMORY, -1},  {"USED_MEMORY", BY_MEMORY, 1}, {"FREE_MEMORY", BY_MEMORY, -1},
    {"FREE_DISK", BY_DISK, -1},   {"USED_DISK", BY_DISK, 1},     {"FREE_MB", BY_DISK, -1},
    {"USED_MB", BY_DISK, 1},
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
    }
    return 0;
}

/* The value as it is after what was placed. */
static const char *current(SchedView *view, const SchedAttribute *attribute)
{
    const char *name = strrchr(attribute->path, '/');
    name = name != NULL ? name + 1 : attribute->path;
    for (guint i = 0; i < G_N_ELEMENTS(changing); i++) {
        if (strcmp(name, changing[i].name) != 0)
            continue;
        gint64 delta = changing[i].sign * placed_amount(view, changing[i].amount);
        view->changing = TRUE;
        if (delta == 0)
            return attribute->value;
        g_snprintf(view->number, sizeof view->number, "%lld",
                   strtoll(attribute->value, NULL, 10) + delta);
        return view->number;
    }
    return attribute->value;
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
            values[found++] = current(view, attribute);
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

guint sched_lookup(const char *name, const char **values, guint room, gpointer data)
{
    SchedView *view = data;
    const char *root = view->host != NULL ? "/HOST/" : "/DATASTORE/";
    const GArray *attributes =
        view->host != NULL ? view->host->attributes : view->datastore->attributes;
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
    guint found = collect(view, attributes, form, name, values, room);
    return found + collect(view, of_cluster, form, name, values + found, room - found);
}
