/* Requests and their answers; the file that a command names. */
#include "drivers/hook/hook.h"

#include "lib/base/xml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- requests ---- */

void hook_request_clear(HookRequest *request)
{
    g_free(request->command);
    g_free(request->arguments);
    g_free(request->host);
    g_strfreev(request->directories);
    memset(request, 0, sizeof *request);
}

static char **read_directories(const xmlNode *root)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    for (xmlNode *at = xml_find(root, "DIRECTORY"); at; at = xml_next_same(at))
        g_ptr_array_add(found, xml_content(at));
    g_ptr_array_add(found, NULL);
    return (char **)g_ptr_array_steal(found, NULL);
}

static char *text_or_null(const xmlNode *root, const char *name)
{
    g_autofree char *text = xml_get(root, name);
    return text && *text ? g_steal_pointer(&text) : NULL;
}

gboolean hook_request_read(HookRequest *request, const char *payload, GError **error)
{
    gsize length = 0;
    g_autofree guchar *text = g_base64_decode(payload, &length);
    g_autoptr(xmlDoc) document = xml_read((const char *)text, length, XML_DEPTH_MAX, error);
    const xmlNode *root = document ? xml_root(document) : NULL;
    if (!root)
        return FALSE;
    g_autofree char *on_stdin = xml_get(root, "ARGUMENTS_STDIN");
    request->command = text_or_null(root, "COMMAND");
    request->arguments = xml_get(root, "ARGUMENTS");
    request->on_stdin = !g_strcmp0(on_stdin, "YES");
    request->host = text_or_null(root, "HOST");
    request->seconds = (guint)CLAMP(xml_get_int(root, "TIMEOUT", 0), 0, 30 * 86400);
    request->execution = xml_get_int(root, "EXECUTION_ID", -1);
    request->directories = read_directories(root);
    if (request->command)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "the request is no HOOK_DRIVER_ACTION_DATA with a COMMAND");
    return FALSE;
}

/* ---- the file ---- */

static gboolean is_below(const char *path, const char *directory)
{
    gsize length = strlen(directory);
    return !strncmp(path, directory, length) && path[length] == '/';
}

/* It may be run: what it is, and who may change it. */
static gboolean may_run(const char *path, GError **error)
{
    struct stat status;
    if (stat(path, &status) != 0)
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS, "%s: %s", path, g_strerror(errno));
    else if (!S_ISREG(status.st_mode))
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s is no file", path);
    else if (status.st_mode & S_IWOTH)
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                    "%s can be written by everybody: chmod o-w it first", path);
    else if (access(path, X_OK) != 0)
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                    "%s cannot be executed by the user of oned: %s", path, g_strerror(errno));
    else
        return TRUE;
    return FALSE;
}

char *hook_find_command(const char *command, char **directories, GError **error)
{
    gboolean absolute = *command == '/', outside = FALSE;
    for (guint i = 0; directories[i]; i++) {
        g_autofree char *wanted =
            absolute ? g_strdup(command) : g_build_filename(directories[i], command, NULL);
        g_autofree char *root = realpath(directories[i], NULL);
        g_autofree char *path = root ? realpath(wanted, NULL) : NULL;
        if (!path)
            continue;
        if (!is_below(path, root)) {
            outside = TRUE;
            continue;
        }
        return may_run(path, error) ? g_steal_pointer(&path) : NULL;
    }
    g_autofree char *list = g_strjoinv(", ", directories);
    if (outside)
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                    "%s leads out of the directories of hooks, %s, and is not run", command, list);
    else
        g_set_error(error, ONE_ERROR, ONE_ERROR_NO_EXISTS,
                    "there is no %s in the directories of hooks: %s", command, list);
    return NULL;
}

/* ---- answers ---- */

void hook_result_clear(HookResult *result)
{
    g_free(result->path);
    if (result->out)
        g_string_free(result->out, TRUE);
    if (result->errors)
        g_string_free(result->errors, TRUE);
    memset(result, 0, sizeof *result);
}

static void append_coded(GString *line, const char *text, gsize length)
{
    g_autofree char *coded = g_base64_encode((const guchar *)text, length);
    g_string_append_printf(line, " %s", length ? coded : "-");
}

char *hook_result_print(const HookResult *result)
{
    GString *line = g_string_new(NULL);
    g_string_append_printf(line, "%d", result->code);
    append_coded(line, result->path, strlen(result->path));
    append_coded(line, result->out->str, result->out->len);
    append_coded(line, result->errors->str, result->errors->len);
    return g_string_free(line, FALSE);
}

/* ---- the driver ---- */

static Ssh *ssh;
static guint default_seconds = 3600;

void hook_set_default_time(guint seconds)
{
    default_seconds = seconds;
}

gboolean hook_init(GError **error)
{
    ssh = ssh_new();
    return TRUE;
}

static void request_free(gpointer data)
{
    hook_request_clear(data);
    g_free(data);
}

gboolean hook_prepare(DriverJob *job, GError **error)
{
    HookRequest *request = g_new0(HookRequest, 1);
    driver_job_set_data(job, request, request_free);
    return hook_request_read(request, driver_job_payload(job), error);
}

/* One queue a hook: one that is called often, or hangs, delays no other. */
char *hook_queue_of(const DriverJob *job)
{
    return g_strdup_printf("%" G_GINT64_FORMAT, driver_job_id(job));
}

static gboolean is_cancelled(gpointer job)
{
    return driver_job_cancelled(job);
}

static void execute(DriverJob *job)
{
    const HookRequest *request = driver_job_data(job);
    const SshWatch watch = {.seconds = request->seconds ? request->seconds : default_seconds,
                            .cancelled = is_cancelled,
                            .data = job};
    g_auto(HookResult) result = {0};
    g_autoptr(GError) error = NULL;
    if (!hook_execute(request, ssh, &watch, &result, &error)) {
        driver_job_fail(job, "not begun: %s", error->message);
        return;
    }
    g_autofree char *line = hook_result_print(&result);
    driver_job_succeed(job, line);
}

const DriverAction hook_actions[] = {
    {"EXECUTE", execute, 0, DRIVER_QUEUED},
    {NULL},
};
