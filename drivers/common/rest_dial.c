#include "drivers/common/rest_dial.h"

#include "lib/base/error.h"
#include "lib/ssh/ssh.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct RestDial {
    gint references; /* atomic: the owner's, and each thread's */
    char *host, *command, *name;
    int listening;
    gboolean closed; /* atomic: nobody listens any more */
    char *problem;   /* under the lock */
};

typedef struct Carried {
    RestDial *dial;
    int peer;
} Carried;

static GMutex lock;
static Ssh *ssh;

/* socat is the best relay; every Debian has Perl's own modules, which suffice. */
static const char relay[] =
    "for path in %s; do [ -S \"$path\" ] && break; done\n"
    "[ -S \"$path\" ] || { echo \"there is no socket $path; is the daemon running?\" >&2; exit 1; "
    "}\n"
    "if command -v socat >/dev/null; then exec socat -t 1 - \"UNIX-CONNECT:$path\"; fi\n"
    "command -v perl >/dev/null || { echo 'a relay is needed: install socat' >&2; exit 1; }\n"
    "exec perl -MSocket -e '\n"
    "socket(my $s, AF_UNIX, SOCK_STREAM, 0) && connect($s, pack_sockaddr_un($ARGV[0]))\n"
    "    or die \"$ARGV[0]: $!\\n\";\n"
    "my ($in, $b) = (fileno(STDIN));\n"
    "while (1) {\n"
    "    my $r = \"\"; vec($r, fileno($s), 1) = 1; vec($r, $in, 1) = 1 if $in >= 0;\n"
    "    select($r, undef, undef, undef) > 0 or next;\n"
    "    if ($in >= 0 && vec($r, $in, 1)) {\n"
    "        my $n = sysread(STDIN, $b, 65536);\n"
    "        if (!$n) { exit 0 } put($s, $b);\n"
    "    }\n"
    "    if (vec($r, fileno($s), 1)) {\n"
    "        my $n = sysread($s, $b, 65536); exit 0 if !$n; put(*STDOUT, $b);\n"
    "    }\n"
    "}\n"
    "sub put { my ($f, $d) = @_; while (length $d) { my $n = syswrite($f, $d); exit 0 if !$n;\n"
    "    substr($d, 0, $n) = \"\" } }' \"$path\"\n";

static void dial_unref(RestDial *dial)
{
    if (!g_atomic_int_dec_and_test(&dial->references))
        return;
    close(dial->listening);
    g_free(dial->host);
    g_free(dial->command);
    g_free(dial->name);
    g_free(dial->problem);
    g_free(dial);
}

const char *rest_dial_name(const RestDial *dial)
{
    return dial->name;
}

char *rest_dial_problem(RestDial *dial)
{
    g_mutex_lock(&lock);
    char *problem = g_steal_pointer(&dial->problem);
    g_mutex_unlock(&lock);
    return problem;
}

static gboolean is_closed(gpointer data)
{
    return g_atomic_int_get(&((RestDial *)data)->closed);
}

/* ---- one connection ---- */

static gpointer carry(gpointer data)
{
    Carried *carried = data;
    RestDial *dial = carried->dial;
    const SshWatch watch = {.cancelled = is_closed, .data = dial};
    g_auto(SshResult) result = {0};
    g_autoptr(GError) error = NULL;
    int copy = dup(carried->peer);
    if (copy >= 0 &&
        ssh_stream(ssh, dial->host, dial->command, carried->peer, copy, &watch, &result, &error))
        (void)ssh_result_check(&result, dial->host, &error);
    g_mutex_lock(&lock);
    g_free(dial->problem);
    dial->problem = error ? g_strdup(error->message) : NULL;
    g_mutex_unlock(&lock);
    if (copy >= 0)
        close(copy);
    close(carried->peer);
    g_free(carried);
    dial_unref(dial);
    return NULL;
}

/* Abstract names have no owner: whoever is not this process is sent away. */
static gboolean is_ours(int peer)
{
    struct ucred who = {0};
    socklen_t length = sizeof who;
    return getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 && who.pid == getpid();
}

static gpointer serve(gpointer data)
{
    RestDial *dial = data;
    for (;;) {
        int peer = accept4(dial->listening, NULL, NULL, SOCK_CLOEXEC);
        if (peer < 0 && errno == EINTR)
            continue;
        if (peer < 0 || is_closed(dial)) {
            if (peer >= 0)
                close(peer);
            break;
        }
        if (!is_ours(peer)) {
            close(peer);
            continue;
        }
        Carried *carried = g_new0(Carried, 1);
        *carried = (Carried){dial, peer};
        g_atomic_int_inc(&dial->references);
        g_thread_unref(g_thread_new("dial", carry, carried));
    }
    dial_unref(dial);
    return NULL;
}

/* ---- the socket ---- */

/* The paths as words of a shell. (owned) */
static char *quote_paths(const char *paths)
{
    g_auto(GStrv) parts = g_strsplit(paths, ":", -1);
    GString *words = g_string_new(NULL);
    for (guint i = 0; parts[i]; i++) {
        g_autofree char *word = ssh_quote(parts[i]);
        g_string_append_printf(words, "%s%s", i ? " " : "", word);
    }
    return g_string_free(words, FALSE);
}

/* The kernel chooses the name when none is given. */
static int listen_somewhere(char **name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = sizeof address;
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening < 0 ||
        bind(listening, (struct sockaddr *)&address, sizeof address.sun_family) != 0 ||
        listen(listening, 4) != 0 ||
        getsockname(listening, (struct sockaddr *)&address, &length) != 0) {
        if (listening >= 0)
            close(listening);
        return -1;
    }
    gsize skipped = offsetof(struct sockaddr_un, sun_path) + 1;
    *name = g_strndup(address.sun_path + 1, length > skipped ? length - skipped : 0);
    return listening;
}

static void begin_ssh(void)
{
    g_mutex_lock(&lock);
    if (!ssh)
        ssh = ssh_new();
    g_mutex_unlock(&lock);
}

char *rest_dial_run(const char *host, const char *script, guint seconds, GError **error)
{
    const SshWatch watch = {.seconds = seconds};
    g_auto(SshResult) result = {0};
    begin_ssh();
    return ssh_run(ssh, host, script, NULL, 0, &watch, &result, error) &&
                   ssh_result_check(&result, host, error)
               ? g_strdup(result.out->str)
               : NULL;
}

RestDial *rest_dial_new(const char *host, const char *paths, GError **error)
{
    char *name = NULL;
    int listening = listen_somewhere(&name);
    if (listening < 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "no socket for the connection to %s: %s",
                    host, g_strerror(errno));
        return NULL;
    }
    begin_ssh();
    g_autofree char *words = quote_paths(paths);
    g_auto(GStrv) halves = g_strsplit(relay, "%s", 2);
    RestDial *dial = g_new0(RestDial, 1);
    dial->references = 2;
    dial->host = g_strdup(host);
    dial->command = g_strconcat(halves[0], words, halves[1], NULL);
    dial->name = name;
    dial->listening = listening;
    g_thread_unref(g_thread_new("dials", serve, dial));
    return dial;
}

void rest_dial_free(RestDial *dial)
{
    if (!dial)
        return;
    g_atomic_int_set(&dial->closed, TRUE);
    (void)shutdown(dial->listening, SHUT_RDWR);
    dial_unref(dial);
}
