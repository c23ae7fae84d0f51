#include "lib/base/paths.h"

static char *join(const char *directory, const char *file)
{
    return file ? g_build_filename(directory, file, NULL) : g_strdup(directory);
}

/* An environment variable that says something, or NULL. */
static const char *setting(const char *name)
{
    const char *value = g_getenv(name);

    return value && *value ? value : NULL;
}

static char *place(const char *override, const char *below, const char *otherwise, const char *file)
{
    const char *location = setting("ONE_LOCATION");
    g_autofree char *directory = NULL;

    if (override && setting(override))
        return join(setting(override), file);
    if (!location)
        return join(otherwise, file);
    directory = g_build_filename(location, below, NULL);
    return join(directory, file);
}

char *paths_etc(const char *file)
{
    return place("ONE_ETC", "etc", "/etc/one", file);
}

char *paths_var(const char *file)
{
    return place("ONE_VAR", "var", "/var/lib/one", file);
}

char *paths_log(const char *file)
{
    return setting("ONE_LOCATION") ? paths_var(file) : join("/var/log/one", file);
}

/* A directory relative to the running program, or NULL when it is not there. */
static char *beside_program(const char *relative)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *directory = NULL, *relative_path = NULL, *path = NULL;

    if (!program)
        return NULL;
    directory = g_path_get_dirname(program);
    relative_path = g_build_filename(directory, relative, NULL);
    path = g_canonicalize_filename(relative_path, NULL);
    return g_file_test(path, G_FILE_TEST_IS_DIR) ? g_steal_pointer(&path) : NULL;
}

char *paths_mads(const char *file)
{
    g_autofree char *usual = place("ONE_MADS", "lib/mads", "/usr/lib/one/mads", NULL);
    g_autofree char *found = NULL;

    if (!setting("ONE_MADS") && !g_file_test(usual, G_FILE_TEST_IS_DIR)) {
        found = beside_program("../mads");
        if (!found)
            found = beside_program("../lib/one/mads");
    }
    return join(found ? found : usual, file);
}

char *paths_vm(gint64 id, const char *file)
{
    g_autofree char *directory = g_strdup_printf("vms/%" G_GINT64_FORMAT, id);
    g_autofree char *path = paths_var(directory);

    return join(path, file);
}

char *paths_vm_log(gint64 id, gboolean with_vms)
{
    g_autofree char *name = NULL;

    if (with_vms || setting("ONE_LOCATION"))
        return paths_vm(id, "vm.log");
    name = g_strdup_printf("%" G_GINT64_FORMAT ".log", id);
    return paths_log(name);
}
