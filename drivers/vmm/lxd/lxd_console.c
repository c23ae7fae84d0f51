/* CONSOLE: the container's own console, as LXD gives it out over a WebSocket. */
#include "drivers/vmm/lxd/lxd.h"
#include "drivers/vmm/stream_console.h"
#include "lib/base/error.h"

typedef struct Streams {
    RestStream *bytes, *control;
} Streams;

static RestStream *open_one(const VmmAction *action, const char *operation, const char *secret,
                            GError **error)
{
    g_autofree char *word = rest_escape(secret);
    g_autofree char *path = g_strconcat(operation, "/websocket?secret=", word, NULL);
    return rest_stream_open(action->host, "GET", path, NULL, "websocket", error);
}

/* The second connection says nothing, but LXD 5.0 crashes without it when the container ends. */
static gboolean open_console(const VmmAction *action, Streams *streams, GError **error)
{
    g_autofree char *path = container_path(action, "/console");
    g_autoptr(JsonObject) order = json_object_new();
    json_object_set_string_member(order, "type", "console");
    json_object_set_int_member(order, "width", 80);
    json_object_set_int_member(order, "height", 24);
    g_autoptr(JsonObject) offer = lxd_begin(action->host, "POST", path, order, NULL, error);
    const char *secret = json_text_at(offer, "metadata.metadata.fds.0");
    const char *control = json_text_at(offer, "metadata.metadata.fds.control");
    const char *operation = json_text_at(offer, "operation");
    if (!offer)
        return FALSE;
    if (!secret || !control || !operation) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "host %s: LXD offers no console of %s",
                    action->host, action->domain);
        return FALSE;
    }
    streams->control = open_one(action, operation, control, error);
    streams->bytes = streams->control ? open_one(action, operation, secret, error) : NULL;
    return streams->bytes != NULL;
}

void lxd_console(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_autofree char *shown = NULL;
    Streams streams = {NULL};
    g_auto(ContainerSight) sight = {VMM_UNKNOWN};
    if (!container_find_running(job, &sight, "has no console"))
        return;
    ConsoleOffer *offer =
        open_console(action, &streams, &error) ? console_offer(action->vid, &shown, &error) : NULL;
    if (!offer) {
        driver_job_fail(job, "%s", error->message);
        rest_stream_free(streams.bytes);
        rest_stream_free(streams.control);
        return;
    }
    driver_job_succeed(job, shown);
    stream_console_start(offer, streams.bytes, streams.control, TRUE, action->vid);
}
