#include "client/evaluate/fetch.h"
#include "client/cli/cli.h"

#include <gio/gio.h>
#include <string.h>

#define PATIENCE 5 /* s until a way into the guest must open */

/* The script becomes bytes of this program, with a NUL after them. SConstruct makes the
 * object depend on the file. */
__asm__(".section .rodata\nfetch_script:\n.incbin \"share/examples/guest/fetch\"\n.byte "
        "0\n.previous\n");
extern const char fetch_script[] __attribute__((visibility("hidden")));

struct Fetch {
    GThread *thread;
    GCancellable *cancel;
    GSocketConnection *connection; /* of the service */
    GSubprocess *process;          /* of ssh */
    gint64 epoch;
    GMutex lock; /* of what follows */
    FetchResult result;
    double heard;
    gboolean over;
};

void fetch_result_clear(FetchResult *result)
{
    g_clear_pointer(&result->steps, g_array_unref);
    g_clear_pointer(&result->sum, g_free);
    g_clear_pointer(&result->why, g_free);
}

/* ---- What the guest says ---- */

static void add_step(FetchResult *result, double at, double bytes)
{
    Progress step = {.at = at, .bytes = bytes};
    g_array_append_val(result->steps, step);
    result->bytes = bytes;
}

void fetch_take_line(FetchResult *result, const char *line, double at)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 3);
    guint count = g_strv_length(words);
    guint64 bytes = 0;
    gboolean counted =
        count > 1 && g_ascii_string_to_unsigned(words[1], 10, 0, G_MAXINT64, &bytes, NULL);
    if (count == 2 && counted && strcmp(words[0], "AT") == 0) {
        add_step(result, at, (double)bytes);
    } else if (count == 2 && counted && strcmp(words[0], "FROM") == 0) {
        result->from = (double)bytes;
        add_step(result, at, result->from);
    } else if (strcmp(line, "FORGOTTEN") == 0) {
        result->forgotten = TRUE;
    } else if (count == 3 && counted && strcmp(words[0], "DONE") == 0) {
        result->bytes = (double)bytes;
        result->done = TRUE;
        result->sum = g_strdup(g_strstrip(words[2]));
    } else if (count > 1 && strcmp(words[0], "FAILED") == 0) {
        g_free(result->why);
        result->why = g_strdup(line + strlen("FAILED "));
    }
}

/* Why ssh ended without a word of the script: the last line that it said. (owned) */
static char *last_words(GSubprocess *process, GCancellable *cancel)
{
    GInputStream *stream = process != NULL ? g_subprocess_get_stderr_pipe(process) : NULL;
    char said[2048];
    gsize length = 0;
    if (stream == NULL ||
        !g_input_stream_read_all(stream, said, sizeof said - 1, &length, cancel, NULL))
        return g_strdup("the connection to the guest ended");
    said[length] = '\0';
    g_strchomp(said);
    const char *last = strrchr(said, '\n');
    return g_strdup(*said == '\0' ? "ssh ended without a word" : last != NULL ? last + 1 : said);
}

static gpointer listen_to(gpointer data)
{
    Fetch *fetch = data;
    GInputStream *stream = fetch->process != NULL
                               ? g_subprocess_get_stdout_pipe(fetch->process)
                               : g_io_stream_get_input_stream(G_IO_STREAM(fetch->connection));
    g_autoptr(GDataInputStream) lines = g_data_input_stream_new(stream);
    char *line;
    while ((line = g_data_input_stream_read_line(lines, NULL, fetch->cancel, NULL)) != NULL) {
        double at = (double)(g_get_monotonic_time() - fetch->epoch) / G_USEC_PER_SEC;
        g_mutex_lock(&fetch->lock);
        fetch_take_line(&fetch->result, line, at);
        fetch->heard = at;
        g_mutex_unlock(&fetch->lock);
        g_free(line);
    }
    g_autofree char *why = last_words(fetch->process, fetch->cancel);
    g_mutex_lock(&fetch->lock);
    if (!fetch->result.done && fetch->result.why == NULL)
        fetch->result.why = g_steal_pointer(&why);
    fetch->over = TRUE;
    g_mutex_unlock(&fetch->lock);
    return NULL;
}

/* ---- Ways ---- */

static GSocketConnection *connect_to(const char *address, GError **error)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_socket_client_set_timeout(client, PATIENCE);
    g_socket_client_set_enable_proxy(client, FALSE);
    GSocketConnection *connection =
        g_socket_client_connect_to_host(client, address, FETCH_PORT, NULL, error);
    /* Later silence is what is measured, and no failure. */
    if (connection != NULL)
        g_socket_set_timeout(g_socket_connection_get_socket(connection), 0);
    return connection;
}

static GSubprocess *start_ssh(const char *address, const char *login, const char *url,
                              const char *keep, GError **error)
{
    g_autofree char *patience = g_strdup_printf("ConnectTimeout=%d", PATIENCE);
    return g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                G_SUBPROCESS_FLAGS_STDERR_PIPE,
                            error, "ssh", "-T", "-o", "BatchMode=yes", "-o", patience, "-l", login,
                            "--", address, url != NULL ? "sh -s --" : "true", url, keep, NULL);
}

static gboolean try_service(const char *address, const char *login, GError **error)
{
    g_autoptr(GSocketConnection) connection = connect_to(address, error);
    return connection != NULL;
}

static gboolean try_ssh(const char *address, const char *login, GError **error)
{
    g_autoptr(GSubprocess) process = start_ssh(address, login, NULL, NULL, error);
    if (process == NULL)
        return FALSE;
    g_autofree char *why = last_words(process, NULL);
    if (!g_subprocess_wait(process, NULL, error))
        return FALSE;
    if (g_subprocess_get_successful(process))
        return TRUE;
    g_set_error_literal(error, CLI_ERROR, CLI_ERROR_FAILED, why);
    return FALSE;
}

static const struct {
    const char *name;
    gboolean (*try)(const char *address, const char *login, GError **error);
} ways[] = {{"service", try_service}, {"ssh", try_ssh}};

const char *fetch_find_way(const char *address, const char *login, GError **error)
{
    g_autoptr(GString) said = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autoptr(GError) reason = NULL;
        if (ways[i].try(address, login, &reason))
            return ways[i].name;
        g_string_append_printf(said, "%s%s: %s", said->len > 0 ? "; " : "", ways[i].name,
                               reason->message);
    }
    g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED,
                "the guest at %s cannot be told to download: no service answers on port %d, and "
                "ssh as %s does not get in (%s). Let your key in, name another login with "
                "--login, or start share/examples/guest/fetch in the guest as a service",
                address, FETCH_PORT, login, said->str);
    return NULL;
}

static gboolean ask_service(Fetch *fetch, const FetchOrder *order, GError **error)
{
    fetch->connection = connect_to(order->address, error);
    if (fetch->connection == NULL)
        return FALSE;
    /* A header, since an older script takes all of the query for the URL. */
    g_autofree char *cookie =
        order->keep != NULL ? g_strdup_printf("Cookie: keep=%s\r\n", order->keep) : g_strdup("");
    g_autofree char *request = g_strdup_printf(
        "GET /cgi-bin/fetch?%s HTTP/1.0\r\nHost: guest\r\n%s\r\n", order->url, cookie);
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(fetch->connection));
    return g_output_stream_write_all(out, request, strlen(request), NULL, NULL, error);
}

static gboolean ask_ssh(Fetch *fetch, const FetchOrder *order, GError **error)
{
    g_autofree char *quoted = g_shell_quote(order->url);
    fetch->process = start_ssh(order->address, order->login, quoted, order->keep, error);
    if (fetch->process == NULL)
        return FALSE;
    GOutputStream *in = g_subprocess_get_stdin_pipe(fetch->process);
    /* When ssh ended at once its own words say why, not this broken pipe. */
    if (g_output_stream_write_all(in, fetch_script, strlen(fetch_script), NULL, NULL, NULL))
        g_output_stream_close(in, NULL, NULL);
    return TRUE;
}

/* ---- Begin and end ---- */

static void fetch_free(Fetch *fetch)
{
    fetch_result_clear(&fetch->result);
    g_clear_object(&fetch->connection);
    g_clear_object(&fetch->process);
    g_object_unref(fetch->cancel);
    g_mutex_clear(&fetch->lock);
    g_free(fetch);
}

Fetch *fetch_start(const FetchOrder *order, GError **error)
{
    Fetch *fetch = g_new0(Fetch, 1);
    g_mutex_init(&fetch->lock);
    fetch->cancel = g_cancellable_new();
    fetch->epoch = order->epoch;
    fetch->result.steps = g_array_new(FALSE, FALSE, sizeof(Progress));
    fetch->result.from = -1;
    gboolean asked = strcmp(order->way, "ssh") == 0 ? ask_ssh(fetch, order, error)
                                                    : ask_service(fetch, order, error);
    if (!asked) {
        fetch_free(fetch);
        return NULL;
    }
    add_step(&fetch->result, (double)(g_get_monotonic_time() - order->epoch) / G_USEC_PER_SEC, 0);
    fetch->thread = g_thread_new("fetch", listen_to, fetch);
    return fetch;
}

gboolean fetch_forget(const FetchOrder *order)
{
    FetchOrder forget = *order;
    forget.url = "forget:";
    Fetch *fetch = fetch_start(&forget, NULL);
    gint64 end = g_get_monotonic_time() + 2 * PATIENCE * G_USEC_PER_SEC;
    gboolean over = fetch == NULL;
    while (!over && g_get_monotonic_time() < end) {
        fetch_look(fetch, &over);
        if (!over)
            g_usleep(20000);
    }
    if (fetch == NULL)
        return FALSE;
    FetchResult result = {0};
    fetch_stop(fetch, &result);
    gboolean forgotten = result.forgotten;
    fetch_result_clear(&result);
    return forgotten;
}

double fetch_look(Fetch *fetch, gboolean *over)
{
    g_mutex_lock(&fetch->lock);
    double bytes = fetch->result.bytes;
    *over = fetch->over;
    g_mutex_unlock(&fetch->lock);
    return bytes;
}

double fetch_heard(Fetch *fetch)
{
    g_mutex_lock(&fetch->lock);
    double heard = fetch->heard;
    g_mutex_unlock(&fetch->lock);
    return heard;
}

void fetch_stop(Fetch *fetch, FetchResult *result)
{
    gboolean over;
    fetch_look(fetch, &over);
    if (!over) {
        g_cancellable_cancel(fetch->cancel);
        if (fetch->process != NULL)
            g_subprocess_force_exit(fetch->process);
    }
    g_thread_join(fetch->thread);
    *result = fetch->result;
    fetch->result = (FetchResult){0};
    fetch_free(fetch);
}
