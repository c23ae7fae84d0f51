#include "drivers/vmm/container/container.h"

#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/base/xml.h"

/* VM_ACTION_DELETE_RECREATE: what was before is not this machine any more. */
#define ACTION_RECREATE 14

static Template *defaults;

gboolean container_read_defaults(const char *file, GError **error)
{
    g_autofree char *path = paths_etc(file);
    g_autofree char *text = NULL;
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        log_warning("VMM", "%s is missing: machines get no defaults from it", path);
        return TRUE;
    }
    Template *read = g_file_get_contents(path, &text, NULL, error)
                         ? template_parse(text, TEMPLATE_MODERN, error)
                         : NULL;
    if (!read) {
        g_prefix_error(error, "%s cannot be used: ", path);
        return FALSE;
    }
    template_free(defaults);
    defaults = read;
    return TRUE;
}

gint64 container_setting(const char *name, gint64 otherwise)
{
    gint64 value = otherwise;
    if (defaults)
        (void)template_get_int(defaults, name, &value);
    return value;
}

char *container_value(const VmmAction *action, const char *name)
{
    g_autofree char *path = g_strconcat("USER_TEMPLATE/CONTAINER/", name, NULL);
    char *text = xml_get(action->vm, path);
    if (text && *g_strstrip(text))
        return text;
    g_free(text);
    const char *value = defaults ? template_get_pair(defaults, "CONTAINER", name) : NULL;
    return value && *value ? g_strdup(value) : NULL;
}

ContainerSize container_size(const VmmAction *action)
{
    g_autofree char *cpu = xml_get(action->vm, "TEMPLATE/CPU");
    double share = cpu ? g_ascii_strtod(cpu, NULL) : 0;
    return (ContainerSize){
        .cpu = share > 0 && share < 1e6 ? share : 0,
        .vcpu = MAX(xml_get_int(action->vm, "TEMPLATE/VCPU", 0), 0),
        .memory = MAX(xml_get_int(action->vm, "TEMPLATE/MEMORY", 0), 0),
    };
}

gint64 container_deployment(const VmmAction *action)
{
    gint64 last = -1;
    const xmlNode *record = xml_find(action->vm, "HISTORY_RECORDS/HISTORY");
    for (; record; record = xml_next_same(record))
        last = MAX(last, xml_get_int(record, "SEQ", -1));
    return last;
}

gint64 container_life(const VmmAction *action)
{
    gint64 first = -1;
    gboolean anew = TRUE;
    const xmlNode *record = xml_find(action->vm, "HISTORY_RECORDS/HISTORY");
    for (; record; record = xml_next_same(record)) {
        if (anew)
            first = xml_get_int(record, "SEQ", -1);
        anew = xml_get_int(record, "ACTION", 0) == ACTION_RECREATE;
    }
    return first;
}

GPtrArray *container_earlier_hosts(const VmmAction *action)
{
    GPtrArray *hosts = g_ptr_array_new_with_free_func(g_free);
    const xmlNode *record = xml_find(action->vm, "HISTORY_RECORDS/HISTORY");
    for (; record; record = xml_next_same(record)) {
        g_autofree char *host = xml_get(record, "HOSTNAME");
        guint index;
        if (xml_get_int(record, "ACTION", 0) == ACTION_RECREATE) {
            g_ptr_array_set_size(hosts, 0);
            continue;
        }
        if (!host || !*host || g_str_equal(host, action->host))
            continue;
        if (g_ptr_array_find_with_equal_func(hosts, host, g_str_equal, &index))
            g_ptr_array_remove_index(hosts, index);
        g_ptr_array_insert(hosts, 0, g_steal_pointer(&host));
    }
    return hosts;
}
