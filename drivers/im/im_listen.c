#include "drivers/im/im_listen.h"

#include "drivers/common/driver.h"
#include "drivers/common/rest.h"
#include "lib/base/log.h"

struct Listener {
    char *host;
    gint64 hid;
    Listen listen;
    gboolean ending; /* atomic */
};

static GMutex lock;
static GHashTable *listeners; /* host -> Listener; the thread frees it */

const char *listener_host(const Listener *listener)
{
    return listener->host;
}

gboolean listener_ends(const Listener *listener)
{
    return g_atomic_int_get(&listener->ending);
}

void listener_tell(const Listener *listener, const ImMachine *machine)
{
    g_autoptr(GString) text = g_string_new(NULL);
    im_append_state(text, machine);
    if (!listener_ends(listener))
        im_emit_state(listener->hid, text->str);
}

static void forget(Listener *listener)
{
    g_mutex_lock(&lock);
    if (g_hash_table_lookup(listeners, listener->host) == listener)
        g_hash_table_remove(listeners, listener->host);
    g_mutex_unlock(&lock);
}

static gpointer run(gpointer data)
{
    Listener *listener = data;
    g_autoptr(GError) error = NULL;
    listener->listen(listener, &error);
    forget(listener);
    if (error)
        log_info("IM", "%s: changes are seen at the next monitoring only: %s", listener->host,
                 error->message);
    else if (!listener_ends(listener)) {
        g_autofree char *text =
            g_strdup_printf("host %s: %s closed the connection", listener->host, rest_daemon());
        driver_emit("MONITOR_HOST", FALSE, listener->hid, text);
    }
    g_free(listener->host);
    g_free(listener);
    return NULL;
}

void listener_start(const char *host, gint64 hid, Listen listen)
{
    g_mutex_lock(&lock);
    if (!listeners)
        listeners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Listener *known = g_hash_table_lookup(listeners, host);
    if (known && known->hid != hid) { /* the host was removed and added again */
        g_atomic_int_set(&known->ending, TRUE);
        known = NULL;
    }
    if (!known) {
        Listener *listener = g_new0(Listener, 1);
        *listener = (Listener){.host = g_strdup(host), .hid = hid, .listen = listen};
        g_hash_table_insert(listeners, g_strdup(host), listener);
        g_thread_unref(g_thread_new("listen", run, listener));
    }
    g_mutex_unlock(&lock);
}

void listener_stop(const char *host)
{
    g_mutex_lock(&lock);
    Listener *known = listeners ? g_hash_table_lookup(listeners, host) : NULL;
    if (known) {
        g_atomic_int_set(&known->ending, TRUE);
        g_hash_table_remove(listeners, host);
    }
    g_mutex_unlock(&lock);
}
