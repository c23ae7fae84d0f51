#include "server/rpc/template_rules.h"

#include "lib/base/error.h"

#include <string.h>

/* Attributes of a template and of its vectors at most, with which the core is not kept busy; no
 * more than template_parse() reads. */
#define ATTRIBUTES_MAX    20000

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, __VA_ARGS__), FALSE)

/* ---- size ---- */

gboolean template_fits(World *world, const Template *template, GError **error)
{
    gsize count = template_count(template), bytes = 0;
    for (guint i = 0; i < template_count(template); i++) {
        const TemplateAttribute *attribute = template_nth(template, i);
        bytes += strlen(attribute->name) + (attribute->value ? strlen(attribute->value) : 0);
        count += attribute->pairs ? attribute->pairs->len : 0;
        for (guint j = 0; attribute->pairs && j < attribute->pairs->len; j++) {
            const TemplatePair *pair = attribute->pairs->pdata[j];
            bytes += strlen(pair->name) + strlen(pair->value);
        }
    }
    gsize most = (gsize)config_int(world->config, "MESSAGE_SIZE");
    if (count > ATTRIBUTES_MAX)
        return wrong(error, "The template has %" G_GSIZE_FORMAT " attributes; %d are the most",
                     count, ATTRIBUTES_MAX);
    if (bytes > most)
        return wrong(error,
                     "The template has %" G_GSIZE_FORMAT " bytes; %" G_GSIZE_FORMAT
                     " are the most (MESSAGE_SIZE of oned.conf)",
                     bytes, most);
    return TRUE;
}

/* ---- restricted attributes ---- */

static gboolean has_attribute(const Template *template, const char *path)
{
    const char *slash = strchr(path, '/');
    if (!slash)
        return template_get(template, path) || template_vector(template, path, 0);
    g_autofree char *name = g_strndup(path, (gsize)(slash - path));
    const TemplateAttribute *vector;
    for (guint i = 0; (vector = template_vector(template, name, i)); i++) {
        const char *value = attribute_get(vector, slash + 1);
        if (value && *value)
            return TRUE;
    }
    return FALSE;
}

static gboolean refuse_restricted(const char *what, const char *path, GError **error)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION, "%s includes a restricted attribute %s",
                what, path);
    return FALSE;
}

/* What the key lists; of machines, what quotas count is for administrators too. (of char *; owned)
 */
static GPtrArray *restricted_paths(World *world, const char *key)
{
    GPtrArray *paths = g_ptr_array_copy((GPtrArray *)config_values(world->config, key), NULL, NULL);
    if (strcmp(key, "VM_RESTRICTED_ATTR") == 0)
        g_ptr_array_extend(paths, (GPtrArray *)config_values(world->config, "QUOTA_VM_ATTRIBUTE"),
                           NULL, NULL);
    return paths;
}

gboolean check_restricted(World *world, const User *user, const Template *template, const char *key,
                          const char *what, GError **error)
{
    if (user_is_admin(user))
        return TRUE;
    g_autoptr(GPtrArray) paths = restricted_paths(world, key);
    for (guint i = 0; i < paths->len; i++)
        if (has_attribute(template, paths->pdata[i]))
            return refuse_restricted(what, paths->pdata[i], error);
    return TRUE;
}

static gboolean paths_name(const GPtrArray *paths, const char *name,
                           const TemplateAttribute *attribute)
{
    gsize length = strlen(name);
    for (guint i = 0; i < paths->len; i++) {
        const char *path = paths->pdata[i];
        if (g_ascii_strncasecmp(path, name, length) != 0)
            continue;
        if (!path[length] || (path[length] == '/' && attribute->pairs &&
                              attribute_get(attribute, path + length + 1)))
            return TRUE;
    }
    return FALSE;
}

gboolean is_restricted(World *world, const char *key, const char *name,
                       const TemplateAttribute *attribute)
{
    g_autoptr(GPtrArray) paths = restricted_paths(world, key);
    return paths_name(paths, name, attribute);
}

void keep_restricted(World *world, const User *user, const Template *before, Template *after,
                     const char *key)
{
    if (user_is_admin(user))
        return;
    g_autoptr(GPtrArray) paths = restricted_paths(world, key);
    g_autoptr(Template) copy = template_copy(before);
    g_autoptr(Template) kept = template_new();
    for (guint i = 0; i < template_count(copy);) {
        if (paths_name(paths, template_nth(copy, i)->name, template_nth(copy, i)))
            template_take(kept, template_steal(copy, i));
        else
            i++;
    }
    template_merge(after, kept);
}

gboolean vm_check_restricted(World *world, const User *user, const Template *template,
                             GError **error)
{
    /* What a user could open any file, disk or device of the hosts with: paths, names of disks
     * on the network, what frees a container of its walls, and XML that becomes part of the domain.
     */
    static const char *const paths[] = {"DISK/SOURCE",
                                        "OS/KERNEL",
                                        "OS/INITRD",
                                        "OS/BOOTLOADER",
                                        "NIC/SCRIPT",
                                        "SPICE_OPTIONS",
                                        "HYPERV_OPTIONS",
                                        "FEATURES/DEVICE_MODEL",
                                        "DISK/ISCSI_IQN",
                                        "DISK/ISCSI_HOST",
                                        "DISK/ISCSI_USAGE",
                                        "DISK/CEPH_HOST",
                                        "DISK/CEPH_SECRET",
                                        "DISK/POOL_NAME",
                                        "DISK/GLUSTER_HOST",
                                        "DISK/GLUSTER_VOLUME",
                                        "DISK/SHEEPDOG_HOST",
                                        "DISK/LUKS_SECRET",
                                        "NUMA_NODE",
                                        "DISK/SHAREABLE",
                                        "IMPORT_VM_ID",
                                        "DEPLOY_ID",
                                        "CONTAINER/PRIVILEGED",
                                        "CONTAINER/NESTING",
                                        "CONTAINER/PROFILES",
                                        "CONTAINER/VOLUMES",
                                        "CONTAINER/NETWORK",
                                        "CONTAINER/ARCHIVE",
                                        "LXC_UNPRIVILEGED",
                                        "CONTAINER/LXC_UNPRIVILEGED",
                                        "CONTAINER/ID_MAP",
                                        "CONTAINER/UID_MAP",
                                        "CONTAINER/GID_MAP",
                                        "CONTAINER/MAX_MAP",
                                        "CONTAINER/POOL",
                                        "CONTAINER/SERVER"};
    for (guint i = 0; !user_is_admin(user) && i < G_N_ELEMENTS(paths); i++)
        if (has_attribute(template, paths[i]))
            return refuse_restricted("VM Template", paths[i], error);
    return check_restricted(world, user, template, "VM_RESTRICTED_ATTR", "VM Template", error);
}

/* ---- files of the context ---- */

gboolean path_is_below(const char *path, const char *directories)
{
    g_auto(GStrv) words = g_strsplit_set(directories, " \t", -1);
    for (guint i = 0; words[i]; i++) {
        gsize length = strlen(words[i]);
        while (length > 1 && words[i][length - 1] == '/')
            length--;
        if (length && !strncmp(path, words[i], length) &&
            (path[length] == '/' || !path[length] || words[i][length - 1] == '/'))
            return TRUE;
    }
    return FALSE;
}

static gboolean check_files(World *world, const char *files, GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(files ? files : "", " \t\r\n", -1);
    for (guint i = 0; words[i]; i++) {
        if (!*words[i])
            continue;
        const char *begin = words[i];
        while (begin[0] == '/' && begin[1] == '/') /* two would stay two */
            begin++;
        g_autofree char *path = g_canonicalize_filename(begin, "/");
        if (!g_path_is_absolute(words[i]))
            return wrong(error, "CONTEXT/FILES: \"%s\" is not an absolute path", words[i]);
        if (path_is_below(path, config_text(world->config, "CONTEXT_RESTRICTED_DIRS")) &&
            !path_is_below(path, config_text(world->config, "CONTEXT_SAFE_DIRS")))
            return wrong(error,
                         "CONTEXT/FILES: \"%s\" is in a restricted directory (see "
                         "CONTEXT_RESTRICTED_DIRS in oned.conf)",
                         words[i]);
    }
    return TRUE;
}

gboolean context_files_allowed(World *world, const Template *template, GError **error)
{
    const TemplateAttribute *context;
    for (guint i = 0; (context = template_vector(template, "CONTEXT", i)); i++)
        if (!check_files(world, attribute_get(context, "FILES"), error))
            return FALSE;
    return TRUE;
}
