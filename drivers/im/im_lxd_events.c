/*
 * What happens to the containers of a host, told by LXD itself: a thread for each host that is
 * monitored listens to /1.0/events. When the connection ends the host is reported as lost, once,
 * and the thread ends; the next report that succeeds begins a new one.
 */
#include "drivers/im/im_rest.h"

#include "drivers/common/lxd.h"
#include "drivers/common/rest_stream.h"
#include "drivers/im/im_listen.h"
#include "drivers/im/im_report.h"
#include <string.h>

/* How LXD calls what happened; what is done by an order of oned's makes the same event, and tells
 * oned nothing new. */
static const char *state_of(const char *action)
{
    static const char *const states[][2] = {
        {"started", "RUNNING"},  {"resumed", "RUNNING"},  {"restarted", "RUNNING"},
        {"paused", "PAUSED"},    {"stopped", "POWEROFF"}, {"shutdown", "POWEROFF"},
        {"deleted", "POWEROFF"},
    };
    const char *word = action && g_str_has_prefix(action, "instance-") ? action + 9 : NULL;
    for (guint i = 0; word && i < G_N_ELEMENTS(states); i++)
        if (g_str_equal(word, states[i][0]))
            return states[i][1];
    return NULL;
}

char *im_lxd_event(JsonObject *event, const char **state)
{
    const char *source = json_text_at(event, "metadata.source");
    const char *name = source && g_str_has_prefix(source, "/1.0/instances/")
                           ? source + strlen("/1.0/instances/")
                           : NULL;
    *state = state_of(json_text_at(event, "metadata.action"));
    if (!*state || !name || strcspn(name, "/?") == 0)
        return NULL;
    g_autofree char *word = g_strndup(name, strcspn(name, "/?"));
    return g_uri_unescape_string(word, NULL);
}

/* Which machine it is, is asked of LXD: its name may be another's. One that is gone has its name
 * alone. */
static void tell(Listener *listener, const char *name, const char *state)
{
    const char *host = listener_host(listener);
    g_autofree char *escaped = rest_escape(name);
    g_autofree char *path = g_strconcat("/1.0/instances/", escaped, NULL);
    g_autoptr(JsonObject) instance = lxd_do(host, "GET", path, NULL, NULL, NULL);
    JsonObject *config = json_object_at(instance, "config");
    const char *uuid = json_text_of(config, LXD_UUID);
    /* It may have gone on meanwhile. */
    const char *now = json_text_at(instance, "status");
    if (now)
        state = lxd_state_name(now);
    ImMachine machine = {.id = im_lxd_vid(name, config),
                         .deploy_id = name,
                         .uuid = uuid ? uuid : json_text_of(config, "volatile.uuid"),
                         .state = state};
    listener_tell(listener, &machine);
}

void im_lxd_listen(Listener *listener, GError **error)
{
    gboolean ended = FALSE;
    RestStream *stream = rest_stream_open(listener_host(listener), "GET",
                                          "/1.0/events?type=lifecycle", NULL, "websocket", error);
    if (!stream)
        return;
    while (!ended && !listener_ends(listener)) {
        g_autoptr(GString) text = rest_stream_message(stream, &ended);
        g_autoptr(JsonObject) event = text ? json_read(text->str, text->len, NULL) : NULL;
        const char *state = NULL;
        g_autofree char *name = event ? im_lxd_event(event, &state) : NULL;
        if (name)
            tell(listener, name, state);
        else if (!text && !ended)
            rest_stream_wait(stream, LISTENER_LOOK_MS);
    }
    rest_stream_free(stream);
}
