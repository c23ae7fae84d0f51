#include "lib/ssh/ssh_hostkey.h"

#include "lib/base/error.h"
#include "lib/ssh/ssh_config.h"
#include "lib/ssh/ssh_session.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void ssh_hostkey_clear(SshHostKey *key)
{
    g_free(key->name);
    g_free(key->address);
    g_free(key->file);
    g_free(key->bytes);
    g_free(key->type);
    g_free(key->print);
    g_clear_error(&key->distrust);
    memset(key, 0, sizeof *key);
}

static char *address_of(SshSession *session)
{
    g_autoptr(GSocketAddress) address =
        g_socket_connection_get_remote_address(session->connection, NULL);
    return G_IS_INET_SOCKET_ADDRESS(address)
               ? g_inet_address_to_string(
                     g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(address)))
               : NULL;
}

gboolean ssh_hostkey_ask(const char *host, guint seconds, SshHostKey *key, GError **error)
{
    const SshWatch watch = {.seconds = seconds};
    g_autoptr(SshOptions) options = ssh_options_read(host, error);
    g_autoptr(SshKnown) known = ssh_known_new();
    SshWaiter waiter = {.event = -1};
    if (options == NULL || !ssh_waiter_init(&waiter, &watch, error))
        return FALSE;
    gboolean readable = TRUE;
    for (guint i = 0; readable && i < options->known_hosts->len; i++)
        readable = ssh_known_add_file(known, g_ptr_array_index(options->known_hosts, i), error);
    SshSession *session =
        readable ? ssh_session_greet(host, options, known, seconds, &waiter, error) : NULL;
    gsize length = 0;
    const guint8 *bytes = session != NULL ? ssh_session_hostkey(session, &length, error) : NULL;
    ssh_waiter_clear(&waiter);
    if (bytes != NULL) {
        key->name = g_strdup(options->known_name);
        key->address = address_of(session);
        key->port = options->port;
        key->file = options->known_hosts->len > 0
                        ? g_strdup(g_ptr_array_index(options->known_hosts, 0))
                        : NULL;
        key->bytes = g_memdup2(bytes, length);
        key->length = length;
        key->type = ssh_key_type(bytes, length);
        key->print = ssh_key_fingerprint(bytes, length);
        key->trust = ssh_known_decide(known, key->name, key->port, bytes, length, NULL);
        (void)ssh_known_check(known, key->name, key->port, bytes, length, &key->distrust);
    }
    ssh_session_unref(session);
    return bytes != NULL;
}

/* Others append to the same file: one write, and a line end first if the last line has none. */
static gboolean append_line(const char *path, const char *line, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    (void)g_mkdir_with_parents(directory, 0700);
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    char last = '\n';
    off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    if (end > 0 && pread(fd, &last, 1, end - 1) != 1)
        last = '\n';
    g_autofree char *text = g_strconcat(last == '\n' ? "" : "\n", line, NULL);
    gboolean written = fd >= 0 && write(fd, text, strlen(text)) == (gssize)strlen(text);
    if (!written)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "the list of known hosts %s: %s", path,
                    g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return written;
}

gboolean ssh_hostkey_pin(SshHostKey *key, GError **error)
{
    static GMutex lock;
    if (key->trust != SSH_KEY_UNKNOWN || key->file == NULL) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s",
                    key->distrust != NULL ? key->distrust->message
                                          : "the ssh configuration names no list of known hosts");
        return FALSE;
    }
    g_autofree char *line = ssh_known_line(key->name, key->port, key->bytes, key->length);
    g_mutex_lock(&lock);
    gboolean pinned = append_line(key->file, line, error);
    g_mutex_unlock(&lock);
    if (pinned) {
        key->trust = SSH_KEY_TRUSTED;
        g_clear_error(&key->distrust);
    }
    return pinned;
}
