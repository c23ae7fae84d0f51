#include "drivers/common/rest_dial.h"

#include "lib/base/error.h"
#include "lib/ssh/ssh.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct Dial {
    gint references; /* atomic: the table's and the thread's */
    char *host, *command;
    int far;         /* the thread's end */
    gboolean closed; /* atomic: nobody listens any more */
    char *problem;   /* under the lock */
} Dial;

static GMutex lock;
static Ssh *ssh;
static GHashTable *dials; /* descriptor -> Dial */

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

static void dial_unref(gpointer data)
{
    Dial *dial = data;
    if (!g_atomic_int_dec_and_test(&dial->references))
        return;
    g_free(dial->host);
    g_free(dial->command);
    g_free(dial->problem);
    g_free(dial);
}

static gboolean is_closed(gpointer data)
{
    return g_atomic_int_get(&((Dial *)data)->closed);
}

static gpointer carry(gpointer data)
{
    Dial *dial = data;
    const SshWatch watch = {.cancelled = is_closed, .data = dial};
    g_auto(SshResult) result = {0};
    g_autoptr(GError) error = NULL;
    int copy = dup(dial->far);
    gboolean ran = copy >= 0 && ssh_stream(ssh, dial->host, dial->command, dial->far, copy, &watch,
                                           &result, &error);
    if (ran)
        (void)ssh_result_check(&result, dial->host, &error);
    g_mutex_lock(&lock);
    dial->problem = error ? g_strdup(error->message) : NULL;
    g_mutex_unlock(&lock);
    if (copy >= 0)
        close(copy);
    close(dial->far);
    dial_unref(dial);
    return NULL;
}

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

int rest_dial(const char *host, const char *paths, GError **error)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "no pair of sockets: %s",
                    g_strerror(errno));
        return -1;
    }
    g_autofree char *words = quote_paths(paths);
    g_auto(GStrv) halves = g_strsplit(relay, "%s", 2);
    Dial *dial = g_new0(Dial, 1);
    dial->references = 2;
    dial->host = g_strdup(host);
    dial->command = g_strconcat(halves[0], words, halves[1], NULL);
    dial->far = pair[1];
    g_mutex_lock(&lock);
    if (!ssh)
        ssh = ssh_new();
    if (!dials)
        dials = g_hash_table_new_full(NULL, NULL, NULL, dial_unref);
    g_hash_table_insert(dials, GINT_TO_POINTER(pair[0]), dial);
    g_mutex_unlock(&lock);
    g_thread_unref(g_thread_new("dial", carry, dial));
    return pair[0];
}

char *rest_dial_problem(int descriptor)
{
    g_mutex_lock(&lock);
    Dial *dial = dials ? g_hash_table_lookup(dials, GINT_TO_POINTER(descriptor)) : NULL;
    char *problem = dial ? g_steal_pointer(&dial->problem) : NULL;
    g_mutex_unlock(&lock);
    return problem;
}

void rest_dial_close(int descriptor)
{
    g_mutex_lock(&lock);
    Dial *dial = dials ? g_hash_table_lookup(dials, GINT_TO_POINTER(descriptor)) : NULL;
    if (dial) {
        g_atomic_int_set(&dial->closed, TRUE);
        g_hash_table_remove(dials, GINT_TO_POINTER(descriptor));
    }
    g_mutex_unlock(&lock);
    close(descriptor);
}
