#include "lib/ssh/ssh.h"

#include "lib/ssh/ssh_session.h"
#include "lib/base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_SECONDS 45
#define BUFFER_SIZE      (256 * 1024)
#define ERRORS_MAX       (64 * 1024)
/* Each read asks for exactly this much. libssh2 1.10 derives the window that it offers from the
 * size asked for, and when a change of keys interrupts that, counts with the size of the next
 * call: with another size it would later drop data without a word. */
#define READ_SIZE (32 * 1024)

/* The place of one host: its session, if any. */
typedef struct Host {
    char *name;
    GMutex lock;
    GCond changed;
    SshSession *session;
    gboolean connecting;
} Host;

struct Ssh {
    GMutex lock;
    GHashTable *hosts; /* name -> Host; grows only */
    guint patience;
    char *password;
};

/* One command on its way. */
typedef struct Talk {
    SshSession *session;
    LIBSSH2_CHANNEL *channel;
    SshWaiter waiter;
    SshResult *result;
    const char *memory; /* rest of the input given as memory */
    gsize memory_left;
    int input, output; /* descriptors, or -1 */
    char *in, *out;    /* buffers of BUFFER_SIZE for the two */
    gsize in_at, in_length, out_at, out_length;
    gboolean input_ended, eof_sent;
    guint64 bytes;
} Talk;

void ssh_result_clear(SshResult *result)
{
    if (result->out != NULL)
        g_string_free(result->out, TRUE);
    if (result->errors != NULL)
        g_string_free(result->errors, TRUE);
    result->out = result->errors = NULL;
}

static void host_free(gpointer data)
{
    Host *host = data;
    ssh_session_unref(host->session);
    g_mutex_clear(&host->lock);
    g_cond_clear(&host->changed);
    g_free(host->name);
    g_free(host);
}

Ssh *ssh_new(void)
{
    static gsize once;
    if (g_once_init_enter(&once)) {
        libssh2_init(0);
        signal(SIGPIPE, SIG_IGN);
        g_once_init_leave(&once, 1);
    }
    Ssh *ssh = g_new0(Ssh, 1);
    g_mutex_init(&ssh->lock);
    ssh->hosts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, host_free);
    ssh->patience = PATIENCE_SECONDS;
    return ssh;
}

void ssh_free(Ssh *ssh)
{
    if (ssh == NULL)
        return;
    g_hash_table_unref(ssh->hosts);
    g_mutex_clear(&ssh->lock);
    g_free(ssh->password);
    g_free(ssh);
}

void ssh_set_patience(Ssh *ssh, guint seconds)
{
    ssh->patience = seconds;
}

void ssh_set_password(Ssh *ssh, const char *password)
{
    g_free(ssh->password);
    ssh->password = g_strdup(password);
}

static Host *find_host(Ssh *ssh, const char *name)
{
    g_mutex_lock(&ssh->lock);
    Host *host = g_hash_table_lookup(ssh->hosts, name);
    if (host == NULL) {
        host = g_new0(Host, 1);
        host->name = g_strdup(name);
        g_mutex_init(&host->lock);
        g_cond_init(&host->changed);
        g_hash_table_insert(ssh->hosts, host->name, host);
    }
    g_mutex_unlock(&ssh->lock);
    return host;
}

/* ---- one session per host ---- */

/* The session of the host, made if there is none; `*fresh` tells which. (owned) */
static SshSession *take_session(Ssh *ssh, Host *host, SshWaiter *waiter, gboolean *fresh,
                                GError **error)
{
    SshSession *session = NULL;
    *fresh = FALSE;
    g_mutex_lock(&host->lock);
    while (host->connecting) {
        if (!ssh_waiter_may_go_on(waiter, error)) {
            g_mutex_unlock(&host->lock);
            return NULL;
        }
        g_cond_wait_until(&host->changed, &host->lock, g_get_monotonic_time() + 200000);
    }
    if (host->session != NULL) {
        session = ssh_session_ref(host->session);
        g_mutex_unlock(&host->lock);
        return session;
    }
    host->connecting = TRUE;
    g_mutex_unlock(&host->lock);
    session = ssh_session_open(host->name, ssh->password, ssh->patience, waiter, error);
    g_mutex_lock(&host->lock);
    host->connecting = FALSE;
    if (session != NULL)
        host->session = ssh_session_ref(session);
    g_cond_broadcast(&host->changed);
    g_mutex_unlock(&host->lock);
    *fresh = TRUE;
    return session;
}

static void forget_session(Host *host, SshSession *session)
{
    g_mutex_lock(&host->lock);
    if (host->session == session) {
        host->session = NULL;
        ssh_session_unref(session);
    }
    g_mutex_unlock(&host->lock);
}

/* ---- steps of a talk; the session's lock is held ---- */

static gboolean wait_inbound(Talk *talk, GError **error)
{
    struct pollfd none[2] = {{.fd = -1}, {.fd = -1}};
    return ssh_session_wait(talk->session, &talk->waiter, none, error);
}

/* Reserves libssh2's one place for opening channels. */
static gboolean open_channel(Talk *talk, GError **error)
{
    SshSession *session = talk->session;
    while (session->opening)
        if (!wait_inbound(talk, error))
            return FALSE;
    session->opening = TRUE;
    gint64 limit = g_get_monotonic_time() + (gint64)session->patience * G_USEC_PER_SEC;
    gboolean failed = FALSE;
    while (talk->channel == NULL && !failed) {
        talk->channel = libssh2_channel_open_session(session->raw);
        if (talk->channel != NULL)
            break;
        int code = libssh2_session_last_errno(session->raw);
        if (code != LIBSSH2_ERROR_EAGAIN) {
            gboolean refused = code == LIBSSH2_ERROR_CHANNEL_FAILURE;
            ssh_session_fail(session, "cannot open a channel", error);
            /* A refusal (MaxSessions of sshd) says nothing against the session. */
            session->dead = !refused;
            failed = TRUE;
        } else if (!ssh_session_again(session, &talk->waiter, code, &failed, error) && !failed) {
            failed = !wait_inbound(talk, error);
            if (!failed && g_get_monotonic_time() > limit) {
                ssh_session_fail(session, "no channel was opened in time", error);
                failed = TRUE;
            }
        }
    }
    /* Given up half-way: libssh2 still waits for the answer to the opening. */
    if (failed && libssh2_session_last_errno(session->raw) == LIBSSH2_ERROR_EAGAIN)
        session->dead = TRUE;
    session->opening = FALSE;
    return !failed;
}

static gboolean start_command(Talk *talk, const char *command, GError **error)
{
    for (;;) {
        gboolean failed;
        int code = libssh2_channel_process_startup(talk->channel, "exec", 4, command,
                                                   (unsigned)strlen(command));
        if (code == 0)
            return TRUE;
        if (code != LIBSSH2_ERROR_EAGAIN) {
            ssh_session_fail(talk->session, "cannot start a command", error);
            return FALSE;
        }
        if (ssh_session_again(talk->session, &talk->waiter, code, &failed, error))
            continue;
        if (failed || !wait_inbound(talk, error)) {
            /* Cut with the request under way: whether it runs is not known. */
            talk->session->dead = TRUE;
            return FALSE;
        }
    }
}

/* Fills the buffer from the input descriptor, without the lock: a file may be slow. */
static gboolean fill_input(Talk *talk, gboolean *progress, GError **error)
{
    if (talk->input < 0 || talk->input_ended || talk->in_length > talk->in_at)
        return TRUE;
    g_mutex_unlock(&talk->session->lock);
    ssize_t got = read(talk->input, talk->in, BUFFER_SIZE);
    int problem = errno;
    g_mutex_lock(&talk->session->lock);
    if (got < 0 && problem != EAGAIN && problem != EINTR) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "cannot read what is to be sent: %s",
                    g_strerror(problem));
        return FALSE;
    }
    if (got < 0)
        return TRUE;
    *progress = TRUE;
    talk->input_ended = got == 0;
    talk->in_at = 0;
    talk->in_length = (gsize)got;
    return TRUE;
}

/* Sends what is at `data`; `*sent` is less than `length` when the host's window is full. */
static gboolean send_some(Talk *talk, const char *data, gsize length, gsize *sent, GError **error)
{
    *sent = 0;
    while (*sent < length) {
        gboolean failed;
        ssize_t code = libssh2_channel_write(talk->channel, data + *sent, length - *sent);
        if (code > 0) {
            *sent += (gsize)code;
            continue;
        }
        if (ssh_session_again(talk->session, &talk->waiter, code, &failed, error))
            continue;
        if (failed)
            return FALSE;
        if (code == LIBSSH2_ERROR_EAGAIN || code == 0)
            return TRUE;
        if (code == LIBSSH2_ERROR_CHANNEL_CLOSED || code == LIBSSH2_ERROR_CHANNEL_EOF_SENT) {
            /* The command ended without reading all: its exit code tells why. */
            talk->input_ended = TRUE;
            talk->eof_sent = TRUE;
            talk->in_at = talk->in_length = talk->memory_left = 0;
            return TRUE;
        }
        ssh_session_fail(talk->session, "sending failed", error);
        return FALSE;
    }
    return TRUE;
}

static gboolean send_input(Talk *talk, gboolean *progress, GError **error)
{
    gsize sent = 0;
    if (talk->memory_left > 0) {
        if (!send_some(talk, talk->memory, talk->memory_left, &sent, error))
            return FALSE;
        talk->memory += sent;
        talk->memory_left -= MIN(sent, talk->memory_left);
    } else if (talk->in_at < talk->in_length) {
        if (!send_some(talk, talk->in + talk->in_at, talk->in_length - talk->in_at, &sent, error))
            return FALSE;
        talk->in_at += sent;
    }
    talk->bytes += sent;
    *progress = *progress || sent > 0;
    if (talk->eof_sent || !talk->input_ended || talk->memory_left > 0 ||
        talk->in_at < talk->in_length)
        return TRUE;
    gboolean failed;
    int code;
    do {
        code = libssh2_channel_send_eof(talk->channel);
    } while (ssh_session_again(talk->session, &talk->waiter, code, &failed, error));
    if (failed)
        return FALSE;
    talk->eof_sent = code != LIBSSH2_ERROR_EAGAIN;
    return TRUE;
}

/* `buffer` has room for READ_SIZE. */
static gssize receive_some(Talk *talk, int stream, char *buffer, GError **error)
{
    gssize code;
    gboolean failed;
    do {
        code = libssh2_channel_read_ex(talk->channel, stream, buffer, READ_SIZE);
    } while (ssh_session_again(talk->session, &talk->waiter, code, &failed, error));
    if (failed)
        return -1;
    if (code >= 0 || code == LIBSSH2_ERROR_EAGAIN)
        return MAX(code, 0);
    if (code == LIBSSH2_ERROR_CHANNEL_CLOSED)
        return 0;
    ssh_session_fail(talk->session, "receiving failed", error);
    return -1;
}

static gboolean receive_output(Talk *talk, gboolean *progress, GError **error)
{
    char text[READ_SIZE];
    gssize got = receive_some(talk, SSH_EXTENDED_DATA_STDERR, text, error);
    if (got < 0)
        return FALSE;
    gsize room = ERRORS_MAX - MIN(talk->result->errors->len, ERRORS_MAX);
    g_string_append_len(talk->result->errors, text, (gssize)MIN((gsize)got, room));
    *progress = *progress || got > 0;
    if (talk->out_length > talk->out_at)
        return TRUE;
    talk->out_at = talk->out_length = 0;
    while (talk->out_length + READ_SIZE <= BUFFER_SIZE) {
        got = receive_some(talk, 0, talk->out + talk->out_length, error);
        if (got < 0)
            return FALSE;
        if (got == 0)
            break;
        talk->out_length += (gsize)got;
        talk->bytes += (guint64)got;
        *progress = TRUE;
    }
    if (talk->output < 0) {
        g_string_append_len(talk->result->out, talk->out, (gssize)talk->out_length);
        talk->out_length = 0;
    }
    return TRUE;
}

/* Writes to the output descriptor, without the lock. */
static gboolean drain_output(Talk *talk, gboolean *progress, GError **error)
{
    if (talk->output < 0 || talk->out_at == talk->out_length)
        return TRUE;
    g_mutex_unlock(&talk->session->lock);
    ssize_t put = write(talk->output, talk->out + talk->out_at, talk->out_length - talk->out_at);
    int problem = errno;
    g_mutex_lock(&talk->session->lock);
    if (put < 0 && problem != EAGAIN && problem != EINTR) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "cannot write what was received: %s",
                    g_strerror(problem));
        return FALSE;
    }
    if (put > 0) {
        talk->out_at += (gsize)put;
        *progress = TRUE;
    }
    return TRUE;
}

static gboolean wait_for_more(Talk *talk, GError **error)
{
    gboolean want_input = talk->input >= 0 && !talk->input_ended && talk->in_at == talk->in_length;
    gboolean want_output = talk->output >= 0 && talk->out_at < talk->out_length;
    struct pollfd others[2] = {
        {.fd = talk->input, .events = want_input ? POLLIN : 0},
        {.fd = talk->output, .events = want_output ? POLLOUT : 0},
    };
    return ssh_session_wait(talk->session, &talk->waiter, others, error);
}

/* Moves bytes both ways until the command has ended and all it said is delivered. */
static gboolean converse(Talk *talk, GError **error)
{
    const SshWatch *watch = talk->waiter.watch;
    for (;;) {
        gboolean progress = FALSE;
        if (!fill_input(talk, &progress, error) || !send_input(talk, &progress, error) ||
            !receive_output(talk, &progress, error) || !drain_output(talk, &progress, error))
            return FALSE;
        if (progress && watch != NULL && watch->progress != NULL)
            watch->progress(talk->bytes, watch->data);
        if (talk->out_at == talk->out_length && libssh2_channel_eof(talk->channel) == 1)
            return TRUE;
        if (!progress) {
            if (!wait_for_more(talk, error))
                return FALSE;
        } else {
            if (!ssh_waiter_may_go_on(&talk->waiter, error))
                return FALSE;
            g_mutex_unlock(&talk->session->lock); /* a chance for the others */
            g_mutex_lock(&talk->session->lock);
        }
        if (talk->session->dead) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE, "host %s: the connection was lost",
                        talk->session->host);
            return FALSE;
        }
    }
}

/* Tells the far side that the channel is over, and waits until it agrees. */
static gboolean close_channel(Talk *talk, GError **error)
{
    for (;;) {
        gboolean failed;
        int code = libssh2_channel_close(talk->channel);
        if (code == 0)
            return TRUE;
        if (code != LIBSSH2_ERROR_EAGAIN) {
            ssh_session_fail(talk->session, "the connection broke before the command ended", error);
            return FALSE;
        }
        if (ssh_session_again(talk->session, &talk->waiter, code, &failed, error))
            continue;
        if (failed || !wait_inbound(talk, error))
            return FALSE;
    }
}

static gboolean read_status(Talk *talk, GError **error)
{
    char *signal_name = NULL;
    libssh2_channel_get_exit_signal(talk->channel, &signal_name, NULL, NULL, NULL, NULL, NULL);
    talk->result->status = libssh2_channel_get_exit_status(talk->channel);
    if (signal_name != NULL) {
        g_string_append_printf(talk->result->errors, "ended by signal %s\n", signal_name);
        talk->result->status = 255;
        libssh2_free(talk->session->raw, signal_name);
    }
    /* A channel that ends with the whole connection looks like one that ended well. */
    if (!talk->session->dead && !talk->session->lost)
        return TRUE;
    ssh_session_fail(talk->session, "the connection broke before the command ended", error);
    return FALSE;
}

/* After a cut: two seconds to close the channel in order, then the session is given up. */
static void abandon_channel(Talk *talk)
{
    static const SshWatch short_watch = {.seconds = 2};
    if (!talk->session->dead) {
        talk->waiter.watch = &short_watch;
        talk->waiter.deadline = g_get_monotonic_time() + 2 * G_USEC_PER_SEC;
        if (!close_channel(talk, NULL))
            talk->session->dead = TRUE;
    }
}

static gboolean talk_run(Talk *talk, const char *command, gboolean *begun, GError **error)
{
    SshSession *session = talk->session;
    g_mutex_lock(&session->lock);
    gboolean ok = !session->dead;
    if (!ok)
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE, "host %s: the connection was lost",
                    session->host);
    if (session->users++ == 0)
        session->asked_at = 0;
    ok = ok && open_channel(talk, error);
    *begun = ok;
    ok = ok && start_command(talk, command, error) && converse(talk, error) &&
         close_channel(talk, error) && read_status(talk, error);
    if (talk->channel != NULL) {
        if (!ok)
            abandon_channel(talk);
        for (int i = 0; i < 100 && libssh2_channel_free(talk->channel) == LIBSSH2_ERROR_EAGAIN; i++)
            continue;
        talk->channel = NULL;
    }
    session->users--;
    ssh_session_wake_all(session);
    g_mutex_unlock(&session->lock);
    return ok;
}

/* Finds or makes the session and runs the talk on it. */
static gboolean run_on_host(Ssh *ssh, const char *name, const char *command, Talk *talk,
                            GError **error)
{
    Host *host = find_host(ssh, name);
    for (;;) {
        gboolean fresh, begun = FALSE;
        g_autoptr(GError) problem = NULL;
        talk->session = take_session(ssh, host, &talk->waiter, &fresh, error);
        if (talk->session == NULL)
            return FALSE;
        gboolean ok = talk_run(talk, command, &begun, &problem);
        gboolean dead = g_atomic_int_get(&talk->session->dead);
        if (dead)
            forget_session(host, talk->session);
        ssh_session_unref(talk->session);
        talk->session = NULL;
        if (ok)
            return TRUE;
        /* A kept session may have died unnoticed; nothing was done yet, so once more. */
        if (fresh || begun || !dead || !ssh_waiter_may_go_on(&talk->waiter, NULL)) {
            g_propagate_error(error, g_steal_pointer(&problem));
            return FALSE;
        }
    }
}

static void set_nonblocking(int fd)
{
    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static gboolean run(Ssh *ssh, const char *host, const char *script, Talk *talk,
                    const SshWatch *watch, SshResult *result, GError **error)
{
    talk->result = result;
    result->status = -1;
    result->out = g_string_new(NULL);
    result->errors = g_string_new(NULL);
    if (!ssh_waiter_init(&talk->waiter, watch, error))
        return FALSE;
    g_autofree char *quoted = ssh_quote(script);
    /* The user's shell may be any: it only has to understand this. */
    g_autofree char *command = g_strconcat("env LC_ALL=C /bin/sh -c ", quoted, NULL);
    talk->in = g_malloc(BUFFER_SIZE);
    talk->out = g_malloc(BUFFER_SIZE);
    gboolean ok = run_on_host(ssh, host, command, talk, error);
    g_free(talk->in);
    g_free(talk->out);
    ssh_waiter_clear(&talk->waiter);
    return ok;
}

gboolean ssh_run(Ssh *ssh, const char *host, const char *command, const char *input,
                 gsize input_length, const SshWatch *watch, SshResult *result, GError **error)
{
    Talk talk = {.memory = input,
                 .memory_left = input_length,
                 .input = -1,
                 .output = -1,
                 .input_ended = TRUE};
    return run(ssh, host, command, &talk, watch, result, error);
}

gboolean ssh_stream(Ssh *ssh, const char *host, const char *command, int input, int output,
                    const SshWatch *watch, SshResult *result, GError **error)
{
    Talk talk = {.input = input, .output = output, .input_ended = input < 0};
    set_nonblocking(input);
    set_nonblocking(output);
    return run(ssh, host, command, &talk, watch, result, error);
}

gboolean ssh_result_check(const SshResult *result, const char *host, GError **error)
{
    if (result->status == 0)
        return TRUE;
    g_autofree char *text = g_strndup(result->errors->str, 500);
    g_strstrip(text);
    g_strdelimit(text, "\r\n", ' ');
    if (text[0] != '\0')
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "host %s: %s", host, text);
    else
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "host %s: a command ended with code %d",
                    host, result->status);
    return FALSE;
}

gboolean ssh_attend(Ssh *ssh, const char *host, const char *command, const SshWatch *watch,
                    SshResult *result, GError **error)
{
    g_autofree char *guarded = ssh_guarded(command);
    /* Standard input stays open until the end: its end means that the caller is gone. */
    Talk talk = {.input = -1, .output = -1};
    return run(ssh, host, guarded, &talk, watch, result, error);
}

gboolean ssh_do(Ssh *ssh, const char *host, const char *command, const SshWatch *watch, char **out,
                GError **error)
{
    g_auto(SshResult) result = {0};
    if (!ssh_attend(ssh, host, command, watch, &result, error) ||
        !ssh_result_check(&result, host, error))
        return FALSE;
    if (out != NULL)
        *out = g_string_free(g_steal_pointer(&result.out), FALSE);
    return TRUE;
}
