#include "server/rpc/consoles.h"

#include <sodium.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TOKEN_BYTES 16

struct Consoles {
    GMutex lock;
    GPtrArray *sessions; /* of ConsoleSession */
};

static void session_free(gpointer data)
{
    ConsoleSession *session = data;
    g_free(session->user);
    g_free(session->address);
    g_free(session->socket);
    if (session->token)
        sodium_memzero(session->token, strlen(session->token));
    g_free(session->token);
    if (session->cut >= 0)
        close(session->cut);
    g_free(session);
}

Consoles *consoles_new(void)
{
    Consoles *consoles = g_new0(Consoles, 1);
    g_mutex_init(&consoles->lock);
    consoles->sessions = g_ptr_array_new_with_free_func(session_free);
    return consoles;
}

void consoles_free(Consoles *consoles)
{
    if (!consoles)
        return;
    g_ptr_array_unref(consoles->sessions);
    g_mutex_clear(&consoles->lock);
    g_free(consoles);
}

/* Tokens that nobody used in time are forgotten. */
static void forget_old(Consoles *consoles, gint64 now)
{
    for (guint i = consoles->sessions->len; i-- > 0;) {
        const ConsoleSession *session = consoles->sessions->pdata[i];
        if (session->token && session->until < now)
            g_ptr_array_remove_index_fast(consoles->sessions, i);
    }
}

char *consoles_offer(Consoles *consoles, gint32 vm, const char *user, const char *address,
                     const char *socket)
{
    guint8 bytes[TOKEN_BYTES];
    char token[2 * TOKEN_BYTES + 1];
    ConsoleSession *session = g_new0(ConsoleSession, 1);
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(token, sizeof token, bytes, sizeof bytes);
    session->vm = vm;
    session->user = g_strdup(user);
    session->address = g_strdup(address);
    session->socket = g_strdup(socket);
    session->since = g_get_real_time() / G_USEC_PER_SEC;
    session->cut = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    session->token = g_strdup(token);
    session->until = g_get_monotonic_time() + CONSOLE_TOKEN_SECONDS * G_TIME_SPAN_SECOND;
    g_mutex_lock(&consoles->lock);
    forget_old(consoles, g_get_monotonic_time());
    g_ptr_array_add(consoles->sessions, session);
    g_mutex_unlock(&consoles->lock);
    return g_strdup(token);
}

void consoles_expire(Consoles *consoles, gint64 now)
{
    g_mutex_lock(&consoles->lock);
    forget_old(consoles, now);
    g_mutex_unlock(&consoles->lock);
}

ConsoleSession *consoles_take(Consoles *consoles, const char *token)
{
    ConsoleSession *found = NULL;
    g_mutex_lock(&consoles->lock);
    forget_old(consoles, g_get_monotonic_time());
    for (guint i = 0; !found && i < consoles->sessions->len; i++) {
        ConsoleSession *session = consoles->sessions->pdata[i];
        if (session->token && strlen(token) == strlen(session->token) &&
            sodium_memcmp(token, session->token, strlen(token)) == 0)
            found = session;
    }
    if (found)
        g_clear_pointer(&found->token, g_free);
    g_mutex_unlock(&consoles->lock);
    return found;
}

void consoles_end(Consoles *consoles, ConsoleSession *session)
{
    g_mutex_lock(&consoles->lock);
    (void)g_ptr_array_remove_fast(consoles->sessions, session);
    g_mutex_unlock(&consoles->lock);
}

char *consoles_holder(Consoles *consoles, gint32 vm)
{
    char *holder = NULL;
    g_mutex_lock(&consoles->lock);
    for (guint i = 0; !holder && i < consoles->sessions->len; i++) {
        const ConsoleSession *session = consoles->sessions->pdata[i];
        if (session->vm != vm || session->token)
            continue;
        g_autoptr(GDateTime) since = g_date_time_new_from_unix_local(session->since);
        g_autofree char *time = g_date_time_format(since, "%H:%M:%S");
        holder = g_strdup_printf("%s from %s since %s", session->user, session->address, time);
    }
    g_mutex_unlock(&consoles->lock);
    return holder;
}

void consoles_cut(Consoles *consoles, gint32 vm)
{
    g_mutex_lock(&consoles->lock);
    for (guint i = 0; i < consoles->sessions->len; i++) {
        const ConsoleSession *session = consoles->sessions->pdata[i];
        if (vm == -1 || session->vm == vm)
            (void)eventfd_write(session->cut, 1);
    }
    g_mutex_unlock(&consoles->lock);
}
