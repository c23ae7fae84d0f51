#include "drivers/vmm/container.h"

#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/base/xml.h"

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
