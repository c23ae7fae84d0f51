#include "drivers/common/lxd.h"

#include "lib/base/error.h"
#include <string.h>

#define CALL_SECONDS 30
/* An operation is asked for at most so long at once, so that a cancelled job ends soon. */
#define WAIT_SECONDS 2
/* A host under load answers late, and its operation goes on all the same: it is asked again, until
 * nothing at all was heard for so long. */
#define ANSWER_SECONDS  10
#define SILENCE_SECONDS 120

const RestSettings lxd_settings = {"unix:" LXD_SOCKETS, "ssh://%h" LXD_SOCKETS, "LXD"};

/* ---- answers ---- */

static JsonObject *refused(const char *host, gint64 code, const char *text, GError **error)
{
    g_set_error(error, ONE_ERROR, code == 404 ? ONE_ERROR_NO_EXISTS : ONE_ERROR_ACTION,
                "host %s: %s says: %s", host, rest_daemon(), text && *text ? text : "no reason");
    return NULL;
}

JsonObject *lxd_read_answer(const char *host, const RestReply *reply, GError **error)
{
    g_autoptr(JsonObject) document = json_read(reply->body->str, reply->body->len, error);
    if (!document) {
        g_prefix_error(error, "host %s: %s answered with status %ld: ", host, rest_daemon(),
                       reply->status);
        return NULL;
    }
    const char *type = json_text_at(document, "type");
    gint64 code = json_int_at(document, "error_code", reply->status);
    if (g_strcmp0(type, "error") == 0 || reply->status >= 400)
        return refused(host, code, json_text_at(document, "error"), error);
    if (g_strcmp0(type, "sync") != 0 && g_strcmp0(type, "async") != 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "host %s: what answers there is not %s: the answer has no type", host,
                    rest_daemon());
        return NULL;
    }
    return g_steal_pointer(&document);
}

static JsonObject *ask(const char *host, const char *method, const char *path, JsonObject *body,
                       const SshWatch *watch, GError **error)
{
    g_autofree char *text = body ? json_print(body) : NULL;
    RestCall call = {.method = method, .path = path, .body = text};
    g_auto(RestReply) reply = {0};
    if (watch)
        call.watch = *watch;
    return rest_call(host, &call, &reply, error) ? lxd_read_answer(host, &reply, error) : NULL;
}

static JsonObject *metadata_of(JsonObject *document)
{
    JsonObject *metadata = json_object_at(document, "metadata");
    return metadata ? json_object_ref(metadata) : json_object_new();
}

/* ---- operations ---- */

static void cancel(const char *host, const char *operation)
{
    const SshWatch watch = {.seconds = 5};
    JsonObject *answer = ask(host, "DELETE", operation, NULL, &watch, NULL);
    g_clear_pointer(&answer, json_object_unref);
}

/* The path of an operation, without what would make it another path; NULL: it is none. (owned) */
static char *operation_of(JsonObject *document)
{
    const char *path = json_text_at(document, "operation");
    return path && g_str_has_prefix(path, "/1.0/operations/") && !strpbrk(path, "?# \r\n")
               ? g_strdup(path)
               : NULL;
}

static JsonObject *give_up(const char *host, const char *operation, guint seconds,
                           gboolean cancelled, GError **error)
{
    cancel(host, operation);
    if (cancelled)
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "host %s: no longer waited for", host);
    else
        g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT,
                    "host %s: %s was not done within %u seconds", host, rest_daemon(), seconds);
    return NULL;
}

/* What it tells of itself has changed: "rootfs: 1.2GB (90MB/s)". TRUE: it has. */
static gboolean tell_progress(JsonObject *answer, char **told, const SshWatch *watch)
{
    JsonObject *metadata = json_object_at(answer, "metadata.metadata");
    g_autofree char *text = metadata ? json_print(metadata) : NULL;
    gboolean changed = text && g_strcmp0(text, *told) != 0;
    if (changed && watch && watch->progress)
        watch->progress(0, watch->data);
    g_free(*told);
    *told = g_steal_pointer(&text);
    return changed;
}

/* 1xx: it goes on; 200: done; 4xx: failed, or cancelled (401). */
JsonObject *lxd_finish(const char *host, JsonObject *document, const SshWatch *watch,
                       GError **error)
{
    g_autofree char *operation = operation_of(document);
    guint seconds = watch && watch->seconds ? watch->seconds : CALL_SECONDS;
    gint64 until = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
    if (!operation)
        return metadata_of(document);
    g_autofree char *path = g_strdup_printf("%s/wait?timeout=%d", operation, WAIT_SECONDS);
    g_autofree char *told = NULL;
    const SshWatch patience = {.seconds = ANSWER_SECONDS};
    gint64 heard = g_get_monotonic_time();
    for (;;) {
        gboolean cancelled = watch && watch->cancelled && watch->cancelled(watch->data);
        if (cancelled || g_get_monotonic_time() > until)
            return give_up(host, operation, seconds, cancelled, error);
        g_autoptr(GError) reason = NULL;
        g_autoptr(JsonObject) answer = ask(host, "GET", path, NULL, &patience, &reason);
        gint64 now = g_get_monotonic_time();
        if (!answer && g_error_matches(reason, ONE_ERROR, ONE_ERROR_TIMEOUT) &&
            now - heard < SILENCE_SECONDS * G_TIME_SPAN_SECOND)
            continue;
        heard = now;
        if (!answer) {
            g_propagate_error(error, g_steal_pointer(&reason));
            return NULL;
        }
        gint64 code = json_int_at(answer, "metadata.status_code", 0);
        if (code == 200)
            return metadata_of(answer);
        if (code >= 400)
            return refused(host, 400, json_text_at(answer, "metadata.err"), error);
        if (code < 100)
            return refused(host, 400, "the operation has no status", error);
        if (tell_progress(answer, &told, watch))
            until = now + seconds * G_TIME_SPAN_SECOND;
    }
}

JsonObject *lxd_begin(const char *host, const char *method, const char *path, JsonObject *body,
                      const SshWatch *watch, GError **error)
{
    return ask(host, method, path, body, watch, error);
}

JsonObject *lxd_do(const char *host, const char *method, const char *path, JsonObject *body,
                   const SshWatch *watch, GError **error)
{
    g_autoptr(JsonObject) answer = ask(host, method, path, body, watch, error);
    return answer ? lxd_finish(host, answer, watch, error) : NULL;
}

gboolean lxd_order(const char *host, const char *method, const char *path, JsonObject *body,
                   const SshWatch *watch, GError **error)
{
    JsonObject *done = lxd_do(host, method, path, body, watch, error);
    gboolean good = done != NULL;
    g_clear_pointer(&done, json_object_unref);
    return good;
}

JsonArray *lxd_list(const char *host, const char *path, GError **error)
{
    g_autoptr(JsonObject) answer = ask(host, "GET", path, NULL, NULL, error);
    JsonArray *list = json_array_at(answer, "metadata");
    if (answer && !list)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "host %s: %s answered %s without a list",
                    host, rest_daemon(), path);
    return list ? json_array_ref(list) : NULL;
}

const char *lxd_state_name(const char *status)
{
    static const char *const names[][2] = {
        {"Running", "RUNNING"},  {"Ready", "RUNNING"},    {"Starting", "RUNNING"},
        {"Stopping", "RUNNING"}, {"Aborting", "RUNNING"}, {"Freezing", "RUNNING"},
        {"Thawed", "RUNNING"},   {"Frozen", "PAUSED"},    {"Stopped", "POWEROFF"},
        {"Error", "FAILURE"},
    };
    for (guint i = 0; status && i < G_N_ELEMENTS(names); i++)
        if (g_str_equal(status, names[i][0]))
            return names[i][1];
    return "UNKNOWN";
}
