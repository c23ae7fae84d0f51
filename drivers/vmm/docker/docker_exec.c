/* Commands in containers of Docker and Podman: both outputs come over one connection, in frames.
 * Source: the Engine API's documentation of POST /containers/(id)/attach, "Stream format". */
#include "drivers/vmm/container/container_exec.h"
#include "drivers/vmm/docker/docker.h"
#include "lib/base/error.h"
#include <string.h>

#define HEADER_BYTES 8 /* stream, three zeros, length in network order */

typedef struct Reading {
    ContainerRun *run;
    guint8 header[HEADER_BYTES];
    gsize have, left; /* bytes of the header; of the frame that are still to come */
} Reading;

static gboolean take(const char *bytes, gsize count, gpointer data)
{
    Reading *reading = data;
    while (count > 0) {
        if (reading->left > 0) {
            gsize some = MIN(reading->left, count);
            container_run_said(reading->run, reading->header[0], bytes, some);
            reading->left -= some;
            bytes += some;
            count -= some;
            continue;
        }
        reading->header[reading->have++] = (guint8)*bytes++;
        count--;
        if (reading->have == HEADER_BYTES) {
            guint32 length;
            memcpy(&length, reading->header + 4, sizeof length);
            reading->left = GUINT32_FROM_BE(length);
            reading->have = 0;
        }
    }
    return TRUE;
}

/* What the engine calls the command; NULL with the error. (owned) */
static char *prepare(const ContainerRun *run, GError **error)
{
    const char *host = container_run_host(run);
    g_autofree char *path = container_run_path(run, "/exec");
    g_autoptr(JsonObject) order = json_object_new();
    json_object_set_array_member(order, "Cmd", container_run_words(run));
    json_object_set_boolean_member(order, "AttachStdout", TRUE);
    json_object_set_boolean_member(order, "AttachStderr", TRUE);
    g_autoptr(JsonObject) made = docker_do(host, "POST", path, order, NULL, error);
    const char *id = json_text_at(made, "Id");
    if (made && !id)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "host %s: %s gives a command no id", host,
                    rest_daemon());
    return id ? rest_escape(id) : NULL;
}

gboolean docker_run_command(ContainerRun *run, int *code, GError **error)
{
    const char *host = container_run_host(run);
    Reading reading = {.run = run};
    g_autofree char *id = prepare(run, error);
    if (!id)
        return FALSE;
    g_autofree char *start = g_strconcat("/exec/", id, "/start", NULL);
    g_autofree char *state = g_strconcat("/exec/", id, "/json", NULL);
    const RestCall call = {.method = "POST",
                           .path = start,
                           .body = "{\"Detach\":false,\"Tty\":false}",
                           .take = take,
                           .data = &reading,
                           .watch = {.seconds = CONTAINER_LONG_SECONDS}};
    g_auto(RestReply) reply = {0};
    if (!rest_call(host, &call, &reply, error))
        return FALSE;
    if (reply.status >= 300) {
        JsonObject *answer = docker_read_answer(host, &reply, error); /* only for the error */
        g_clear_pointer(&answer, json_object_unref);
        return FALSE;
    }
    g_autoptr(JsonObject) ended = docker_do(host, "GET", state, NULL, NULL, error);
    *code = (int)json_int_at(ended, "ExitCode", -1);
    return ended != NULL;
}
