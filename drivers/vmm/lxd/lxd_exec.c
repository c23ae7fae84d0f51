/* Commands in containers of LXD: what they say is recorded by LXD, in files that are read while the
 * command goes on and removed at its end. */
#include "drivers/vmm/container/container_exec.h"
#include "drivers/vmm/lxd/lxd.h"
#include "lib/base/error.h"
#include <string.h>

#define PID_MS 200 /* until a command has told the number of its process */

typedef struct Reading {
    ContainerRun *run;
    int stream;
} Reading;

static gboolean take(const char *bytes, gsize count, gpointer data)
{
    const Reading *reading = data;
    container_run_said(reading->run, reading->stream, bytes, count);
    return TRUE;
}

/* One of the two files, and away with it. */
static gboolean read_file(ContainerRun *run, int stream, const char *path, GError **error)
{
    Reading reading = {run, stream};
    const RestCall call = {.method = "GET", .path = path, .take = take, .data = &reading};
    g_auto(RestReply) reply = {0};
    const char *host = container_run_host(run);
    if (!path || strpbrk(path, "?# \r\n") || !g_str_has_prefix(path, "/1.0/")) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "host %s: %s does not tell where the output of a command is", host,
                    rest_daemon());
        return FALSE;
    }
    if (!rest_call(host, &call, &reply, error))
        return FALSE;
    (void)lxd_order(host, "DELETE", path, NULL, NULL, NULL);
    return TRUE;
}

/* LXD tells the names of both files at the end, but they are there before: under /logs in LXD,
 * under /logs/exec-output in Incus. */
static void find_process(ContainerRun *run, const char *operation)
{
    static const char *const places[] = {"/logs/exec_", "/logs/exec-output/exec_"};
    g_autofree char *word = rest_escape(operation ? operation : "");
    for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autofree char *rest = g_strconcat(places[i], word, ".stderr", NULL);
        g_autofree char *path = container_run_path(run, rest);
        const RestCall call = {.method = "GET", .path = path};
        g_auto(RestReply) reply = {0};
        if (rest_call(container_run_host(run), &call, &reply, NULL) && reply.status == 200)
            container_run_begun(run, reply.body->str);
    }
}

gboolean lxd_run_command(ContainerRun *run, int *code, GError **error)
{
    const SshWatch watch = {.seconds = CONTAINER_LONG_SECONDS};
    const char *host = container_run_host(run);
    g_autofree char *path = container_run_path(run, "/exec");
    g_autoptr(JsonObject) order = json_object_new();
    json_object_set_array_member(order, "command", container_run_words(run));
    json_object_set_boolean_member(order, "interactive", FALSE);
    json_object_set_boolean_member(order, "wait-for-websocket", FALSE);
    json_object_set_boolean_member(order, "record-output", TRUE);
    g_autoptr(JsonObject) begun = lxd_begin(host, "POST", path, order, NULL, error);
    if (!begun)
        return FALSE;
    g_usleep(PID_MS * 1000);
    find_process(run, json_text_at(begun, "metadata.id"));
    g_autoptr(JsonObject) done = lxd_finish(host, begun, &watch, error);
    if (!done)
        return FALSE;
    *code = (int)json_int_at(done, "metadata.return", -1);
    return read_file(run, 1, json_text_at(done, "metadata.output.1"), error) &&
           read_file(run, 2, json_text_at(done, "metadata.output.2"), error);
}
