#include "drivers/common/docker.h"

#include "lib/base/error.h"
#include <string.h>

const RestSettings docker_settings = {"unix:" DOCKER_SOCKETS, "ssh://%h" DOCKER_SOCKETS, "Docker"};

gboolean docker_is_podman(JsonObject *info)
{
    return json_object_has_member(info, "BuildahVersion");
}

static gboolean refused(const char *host, long status, const char *text, GError **error)
{
    g_set_error(error, ONE_ERROR, status == 404 ? ONE_ERROR_NO_EXISTS : ONE_ERROR_ACTION,
                "host %s: %s says: %s", host, rest_daemon(), text && *text ? text : "no reason");
    return FALSE;
}

/* Errors are documents with a message; a proxy or another service may say anything. */
static gboolean is_good(const char *host, const RestReply *reply, GError **error)
{
    if (reply->status < 400 && reply->status >= 200)
        return TRUE;
    g_autoptr(JsonObject) document = json_read(reply->body->str, reply->body->len, NULL);
    const char *text = json_text_at(document, "message");
    g_autofree char *plain = g_strdup_printf("status %ld", reply->status);
    return refused(host, reply->status, text ? text : plain, error);
}

JsonObject *docker_read_answer(const char *host, const RestReply *reply, GError **error)
{
    if (!is_good(host, reply, error))
        return NULL;
    /* 204: done; 304: it was so already. */
    if (reply->body->len == 0 || reply->status == 204 || reply->status == 304)
        return json_object_new();
    JsonObject *document = json_read(reply->body->str, reply->body->len, error);
    if (!document)
        g_prefix_error(error, "host %s: %s answered with status %ld: ", host, rest_daemon(),
                       reply->status);
    return document;
}

JsonObject *docker_do(const char *host, const char *method, const char *path, JsonObject *body,
                      const SshWatch *watch, GError **error)
{
    g_autofree char *text = body ? json_print(body) : NULL;
    RestCall call = {.method = method, .path = path, .body = text};
    g_auto(RestReply) reply = {0};
    if (watch)
        call.watch = *watch;
    return rest_call(host, &call, &reply, error) ? docker_read_answer(host, &reply, error) : NULL;
}

JsonArray *docker_list(const char *host, const char *path, GError **error)
{
    const RestCall call = {.method = "GET", .path = path};
    g_auto(RestReply) reply = {0};
    if (!rest_call(host, &call, &reply, error) || !is_good(host, &reply, error))
        return NULL;
    JsonArray *list = json_read_list(reply.body->str, reply.body->len, error);
    if (!list)
        g_prefix_error(error, "host %s: %s answered with status %ld: ", host, rest_daemon(),
                       reply.status);
    return list;
}

gboolean docker_follow(const char *host, const char *path, int input, const SshWatch *watch,
                       GError **error)
{
    const RestCall call = {.method = "POST",
                           .path = path,
                           .input = input,
                           .type = "application/x-tar",
                           .watch = *watch};
    g_auto(RestReply) reply = {0};
    if (!rest_call(host, &call, &reply, error) || !is_good(host, &reply, error))
        return FALSE;
    g_auto(GStrv) lines = g_strsplit(reply.body->str, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        g_autoptr(JsonObject) line = json_read(lines[i], strlen(lines[i]), NULL);
        const char *text = json_text_at(line, "error");
        if (text)
            return refused(host, 400, text, error);
    }
    return TRUE;
}

const char *docker_state_name(const char *state)
{
    static const char *const names[][2] = {
        {"running", "RUNNING"},   {"restarting", "RUNNING"},  {"paused", "PAUSED"},
        {"created", "POWEROFF"},  {"exited", "POWEROFF"},     {"stopped", "POWEROFF"},
        {"removing", "POWEROFF"}, {"configured", "POWEROFF"}, {"dead", "FAILURE"},
    };
    for (guint i = 0; state && i < G_N_ELEMENTS(names); i++)
        if (g_str_equal(state, names[i][0]))
            return names[i][1];
    return "UNKNOWN";
}
