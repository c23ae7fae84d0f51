#include "server/mads/process.h"

#include "lib/base/log.h"
#include "lib/mad/line.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A driver that keeps dying is started again after 1, 2, 4 ... seconds, at most this. */
#define BACKOFF_MAX 30
/* A driver that lived so long has proved itself: the back-off begins anew. Seconds. */
#define PROVED 60
/* Time to answer INIT, in seconds. */
#define INIT_SECONDS 30
/* A complaint longer than this, in bytes, is shown in pieces. */
#define COMPLAINT_MAX 4096

struct Process {
    GMainContext *context;
    DriverClass class;
    char *name;
    char **argv, **environment;
    guint64 epoch;
    const ProcessEvents *events;
    gpointer data;

    GPid pid; /* 0: not running */
    int in, out, err;
    GSource *read_source, *write_source, *error_source, *timer, *death;
    GString *outgoing, *incoming, *complaints;
    gboolean ready, tagged, ending;
    gboolean served; /* it was ready once in this life */
    guint failures;
    gint64 started;
    char *complaint;      /* the last it made in this life */
    char *trouble;        /* why it could not start the last time; NULL: it could */
    GQueue waiting;       /* of DriverRequest, until it is ready */
    GHashTable *sent;     /* numbers of requests that are not answered yet */
    GHashTable *untagged; /* "ACTION ID" -> GQueue of numbers, for drivers without tags */
};

static void start(Process *process);

static void source_drop(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

static void numbers_free(gpointer data)
{
    g_queue_free_full(data, g_free);
}

Process *process_new(GMainContext *context, DriverClass class, const char *name, char **argv,
                     char **environment, guint64 epoch, const ProcessEvents *events, gpointer data)
{
    Process *process = g_new0(Process, 1);
    process->context = context;
    process->class = class;
    process->name = g_strdup(name);
    process->argv = g_strdupv(argv);
    process->environment = g_strdupv(environment);
    process->epoch = epoch;
    process->events = events;
    process->data = data;
    process->in = process->out = process->err = -1;
    process->outgoing = g_string_new(NULL);
    process->incoming = g_string_new(NULL);
    process->complaints = g_string_new(NULL);
    g_queue_init(&process->waiting);
    process->sent = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    process->untagged = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, numbers_free);
    return process;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void drop_pipes(Process *process)
{
    source_drop(&process->read_source);
    source_drop(&process->write_source);
    source_drop(&process->error_source);
    source_drop(&process->timer);
    source_drop(&process->death);
    close_fd(&process->in);
    close_fd(&process->out);
    close_fd(&process->err);
}

/* The driver and what it started; it leads a group of its own. */
static void kill_all(pid_t pid)
{
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
}

void process_free(Process *process)
{
    if (process->pid) {
        kill_all(process->pid);
        /* One that hangs in the kernel, on a dead file server, is not waited for. */
        for (guint i = 0; i < 50 && waitpid(process->pid, NULL, WNOHANG) == 0; i++)
            g_usleep(10000);
    }
    drop_pipes(process);
    g_queue_clear_full(&process->waiting, (GDestroyNotify)driver_request_free);
    g_hash_table_unref(process->untagged);
    g_hash_table_unref(process->sent);
    g_string_free(process->outgoing, TRUE);
    g_string_free(process->incoming, TRUE);
    g_string_free(process->complaints, TRUE);
    g_free(process->complaint);
    g_free(process->trouble);
    g_strfreev(process->argv);
    g_strfreev(process->environment);
    g_free(process->name);
    g_free(process);
}

const char *process_name(const Process *process)
{
    return process->name;
}

DriverClass process_class(const Process *process)
{
    return process->class;
}

gboolean process_is_running(const Process *process)
{
    return process->pid != 0;
}

/* ---- writing ---- */

static gboolean can_write(gint fd, GIOCondition condition, gpointer data);

static void flush_outgoing(Process *process)
{
    while (process->outgoing->len) {
        gssize written = write(process->in, process->outgoing->str, process->outgoing->len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            break;
        g_string_erase(process->outgoing, 0, written);
    }
    if (process->outgoing->len && process->in >= 0 && !process->write_source) {
        process->write_source = g_unix_fd_source_new(process->in, G_IO_OUT);
        g_source_set_callback(process->write_source, G_SOURCE_FUNC(can_write), process, NULL);
        g_source_attach(process->write_source, process->context);
    } else if (!process->outgoing->len) {
        source_drop(&process->write_source);
    }
}

static gboolean can_write(gint fd, GIOCondition condition, gpointer data)
{
    Process *process = data;
    if (condition & (G_IO_ERR | G_IO_HUP)) {
        source_drop(&process->write_source); /* the reader will see the end */
        return G_SOURCE_REMOVE;
    }
    flush_outgoing(process);
    return process->write_source ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static char *request_key(const char *action, gint64 id)
{
    return g_strdup_printf("%s %" G_GINT64_FORMAT, action, id);
}

static void put_request(Process *process, const DriverRequest *request)
{
    if (request->number)
        g_hash_table_add(process->sent, g_memdup2(&request->number, sizeof request->number));
    if (!process->tagged && request->number) {
        char *key = request_key(request->action, request->id);
        GQueue *numbers = g_hash_table_lookup(process->untagged, key);
        if (numbers) {
            g_free(key);
        } else {
            numbers = g_queue_new();
            g_hash_table_insert(process->untagged, key, numbers);
        }
        g_queue_push_tail(numbers, g_memdup2(&request->number, sizeof request->number));
    }
    g_autofree char *line = mad_print_request(request->action, request->id, request->payload,
                                              process->tagged ? process->epoch : 0,
                                              process->tagged ? request->number : 0);
    g_string_append(process->outgoing, line);
}

void process_send(Process *process, DriverRequest *request)
{
    if (process->ready) {
        put_request(process, request);
        driver_request_free(request);
        flush_outgoing(process);
        return;
    }
    if (process->trouble && !process->pid && process->timer) {
        /* It waits for its next try, which will hardly go better. */
        process->events->refused(process, request, process->trouble, process->data);
        driver_request_free(request);
        return;
    }
    g_queue_push_tail(&process->waiting, request);
    if (!process->pid && !process->timer && !process->ending)
        start(process);
}

/* ---- reading ---- */

static void became_ready(Process *process, const MadLine *line)
{
    process->ready = process->served = TRUE;
    g_clear_pointer(&process->trouble, g_free);
    process->tagged = strstr(line->payload, "TAGGED") != NULL;
    source_drop(&process->timer);
    process->events->ready(process, line->payload, process->data);
    log_info("DRV", "Driver %s is ready (process %d)", process->name, process->pid);
    DriverRequest *request;
    while ((request = g_queue_pop_head(&process->waiting))) {
        put_request(process, request);
        driver_request_free(request);
    }
    flush_outgoing(process);
}

static guint64 number_of_line(Process *process, const MadLine *line)
{
    if (process->tagged)
        return line->epoch == process->epoch ? line->request : 0;
    g_autofree char *key = request_key(line->action, line->id);
    GQueue *numbers = g_hash_table_lookup(process->untagged, key);
    guint64 *first = numbers ? g_queue_pop_head(numbers) : NULL;
    guint64 number = first ? *first : 0;
    g_free(first);
    if (numbers && g_queue_is_empty(numbers))
        g_hash_table_remove(process->untagged, key);
    return number;
}

static void refuse_all(Process *process, const char *reason)
{
    DriverRequest *request;
    while ((request = g_queue_pop_head(&process->waiting))) {
        process->events->refused(process, request, reason, process->data);
        driver_request_free(request);
    }
}

/* It runs and cannot work. Requests must not wait for the day when it can: by then nobody wants
 * them any more. */
static void refuse_start(Process *process, const char *why)
{
    g_free(process->trouble);
    process->trouble = g_strdup_printf("driver %s cannot start: %s", process->name,
                                       *why ? why : "it did not say why");
    log_error("DRV", "%s", process->trouble);
    refuse_all(process, process->trouble);
}

static void got_line(Process *process, const char *text)
{
    g_auto(MadLine) line = {0};
    g_autoptr(GError) error = NULL;
    if (!*text)
        return;
    if (!mad_parse_result(text, &line, &error)) {
        log_warning("DRV", "Driver %s wrote a line that is none of the protocol: %.200s (%s)",
                    process->name, text, error->message);
        return;
    }
    if (!strcmp(line.action, "INIT")) {
        if (line.status == MAD_SUCCESS && !process->ready)
            became_ready(process, &line);
        else if (line.status == MAD_FAILURE)
            refuse_start(process, line.payload);
        return;
    }
    guint64 number = line.severity ? 0 : number_of_line(process, &line);
    g_hash_table_remove(process->sent, &number);
    process->events->line(process, number, text, process->data);
}

/* Hands over the complete lines in `buffer`. */
static void take_lines(GString *buffer, Process *process, void (*take)(Process *, const char *))
{
    gsize from = 0;
    char *end;
    while ((end = memchr(buffer->str + from, '\n', buffer->len - from))) {
        *end = '\0';
        if (end > buffer->str + from && end[-1] == '\r')
            end[-1] = '\0';
        take(process, buffer->str + from);
        from = (gsize)(end - buffer->str) + 1;
    }
    g_string_erase(buffer, 0, (gssize)from);
}

static void driver_ended(Process *process, int status);
static void end_driver(Process *process);

static gboolean read_some(int fd, GString *buffer)
{
    char chunk[65536];
    for (;;) {
        gssize length = read(fd, chunk, sizeof chunk);
        if (length > 0) {
            g_string_append_len(buffer, chunk, length);
            return TRUE;
        }
        if (length < 0 && errno == EINTR)
            continue;
        return length < 0 && errno == EAGAIN;
    }
}

static gboolean can_read(gint fd, GIOCondition condition, gpointer data)
{
    Process *process = data;
    if (!read_some(fd, process->incoming)) {
        end_driver(process);
        return G_SOURCE_REMOVE;
    }
    take_lines(process->incoming, process, got_line);
    if (process->incoming->len > MAD_LINE_MAX) {
        log_error("DRV", "Driver %s wrote a line of more than %d bytes; it is ended", process->name,
                  MAD_LINE_MAX);
        end_driver(process);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void got_complaint(Process *process, const char *text)
{
    if (!*text)
        return;
    log_warning("DRV", "%s: %s", process->name, text);
    g_free(process->complaint);
    process->complaint = g_strdup(text);
}

static gboolean can_read_complaints(gint fd, GIOCondition condition, gpointer data)
{
    Process *process = data;
    if (!read_some(fd, process->complaints)) {
        source_drop(&process->error_source);
        return G_SOURCE_REMOVE;
    }
    take_lines(process->complaints, process, got_complaint);
    if (process->complaints->len > COMPLAINT_MAX) {
        got_complaint(process, process->complaints->str);
        g_string_truncate(process->complaints, 0);
    }
    return G_SOURCE_CONTINUE;
}

/* ---- life ---- */

static gboolean start_again(gpointer data)
{
    Process *process = data;
    source_drop(&process->timer);
    if (!process->ending)
        start(process);
    return G_SOURCE_REMOVE;
}

static void set_timer(Process *process, guint seconds, GSourceFunc function)
{
    source_drop(&process->timer);
    process->timer = g_timeout_source_new_seconds(seconds);
    g_source_set_callback(process->timer, function, process, NULL);
    g_source_attach(process->timer, process->context);
}

static void tell_lost(Process *process)
{
    GHashTableIter iterator;
    gpointer number;
    g_hash_table_iter_init(&iterator, process->sent);
    while (g_hash_table_iter_next(&iterator, &number, NULL))
        process->events->lost(process, *(guint64 *)number, process->data);
    g_hash_table_remove_all(process->sent);
}

/* What it wrote before it died counts. */
static void read_the_rest(Process *process)
{
    gsize before;
    do {
        before = process->incoming->len;
        if (process->out < 0 || !read_some(process->out, process->incoming))
            break;
    } while (process->incoming->len > before && process->incoming->len <= MAD_LINE_MAX);
    take_lines(process->incoming, process, got_line);
}

static void read_last_complaints(Process *process)
{
    if (process->err >= 0)
        (void)read_some(process->err, process->complaints);
    g_string_append_c(process->complaints, '\n');
    take_lines(process->complaints, process, got_complaint);
}

static void driver_ended(Process *process, int status)
{
    GPid pid = process->pid;
    gboolean was_ready = process->served;
    drop_pipes(process);
    process->pid = 0;
    process->ready = process->served = FALSE;
    g_string_truncate(process->outgoing, 0);
    g_string_truncate(process->incoming, 0);
    g_string_truncate(process->complaints, 0);
    g_hash_table_remove_all(process->untagged);
    if (process->ending)
        return;
    if (g_get_monotonic_time() - process->started > PROVED * G_USEC_PER_SEC)
        process->failures = 0;
    guint pause = MIN(1u << MIN(process->failures, 5), BACKOFF_MAX);
    gboolean at_once = process->failures++ == 0;
    g_autofree char *how = g_strdup_printf(
        "ended %s %d%s%s", WIFSIGNALED(status) ? "by signal" : "with code",
        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
        process->complaint ? ": " : "", process->complaint ? process->complaint : "");
    log_error("DRV", "Driver %s (process %d) %s; it is started again%s", process->name, pid, how,
              at_once ? "" : " soon");
    tell_lost(process);
    if (!was_ready)
        refuse_start(process, how);
    if (at_once)
        start(process);
    else
        set_timer(process, pause, start_again);
}

/* It closed its output, or must not go on: whatever is left of it must not act any more. Its death
 * is told by the kernel; pipes that somebody else still holds do not matter. */
static void end_driver(Process *process)
{
    source_drop(&process->read_source);
    source_drop(&process->write_source);
    process->ready = FALSE;
    kill_all(process->pid);
}

static void died(GPid pid, gint status, gpointer data)
{
    Process *process = data;
    kill(-pid, SIGKILL); /* what it started */
    if (process->read_source)
        read_the_rest(process);
    read_last_complaints(process);
    driver_ended(process, status);
}

static gboolean init_overdue(gpointer data)
{
    Process *process = data;
    log_error("DRV", "Driver %s did not answer INIT within %d s; it is ended", process->name,
              INIT_SECONDS);
    source_drop(&process->timer);
    end_driver(process);
    return G_SOURCE_REMOVE;
}

static void child_setup(gpointer data)
{
    setpgid(0, 0); /* so that what it starts can be ended with it */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
}

static GSource *watch(Process *process, int fd, GUnixFDSourceFunc function)
{
    g_unix_set_fd_nonblocking(fd, TRUE, NULL);
    GSource *source = g_unix_fd_source_new(fd, G_IO_IN | G_IO_HUP | G_IO_ERR);
    g_source_set_callback(source, G_SOURCE_FUNC(function), process, NULL);
    g_source_attach(source, process->context);
    return source;
}

static void start(Process *process)
{
    g_autoptr(GError) error = NULL;
    if (!g_spawn_async_with_pipes(NULL, process->argv, process->environment,
                                  G_SPAWN_DO_NOT_REAP_CHILD, child_setup, NULL, &process->pid,
                                  &process->in, &process->out, &process->err, &error)) {
        g_autofree char *reason = g_strdup_printf(
            "driver %s cannot be started: %s. Look at EXECUTABLE of its entry in oned.conf",
            process->name, error->message);
        log_error("DRV", "%s", reason);
        process->pid = 0;
        refuse_all(process, reason);
        return;
    }
    process->started = g_get_monotonic_time();
    g_clear_pointer(&process->complaint, g_free);
    g_unix_set_fd_nonblocking(process->in, TRUE, NULL);
    process->read_source = watch(process, process->out, can_read);
    process->error_source = watch(process, process->err, can_read_complaints);
    process->death = g_child_watch_source_new(process->pid);
    g_source_set_callback(process->death, G_SOURCE_FUNC(died), process, NULL);
    g_source_attach(process->death, process->context);
    set_timer(process, INIT_SECONDS, init_overdue);
    g_string_assign(process->outgoing, "INIT\n");
    flush_outgoing(process);
}

void process_finalize(Process *process)
{
    process->ending = TRUE;
    if (!process->pid)
        return;
    g_string_append(process->outgoing, "FINALIZE\n");
    flush_outgoing(process);
}

void process_kill(Process *process)
{
    if (process->pid)
        kill_all(process->pid);
}
