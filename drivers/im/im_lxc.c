/* Hosts with LXC: one call a report, whatever the number of containers, and lxc-monitor for what
 * happens between two of them. */
#include "drivers/common/driver.h"
#include "drivers/common/dummy.h"
#include "drivers/common/libvirt_stats.h"
#include "drivers/common/lxc.h"
#include "drivers/im/im.h"
#include "drivers/im/im_libvirt.h"
#include "drivers/im/im_listen.h"
#include "drivers/im/im_lxc.h"
#include "lib/base/error.h"
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define MONITOR_SECONDS 60
#define KIB             1024
#define NS              1000000000
/* A limit beyond that is none: version 1 of the control groups says so by a huge number. */
#define NO_LIMIT_KIB ((gint64)1 << 50)

/* ---- reading ---- */

static gint64 number_of(const char *text)
{
    return g_ascii_strtoll(text, NULL, 10);
}

/* "name vid uuid state cpu memory most received sent read written" */
static void append_container(GString *out, const char *host, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    if (g_strv_length(words) < 11)
        return;
    gint64 vid = number_of(words[1]), memory = number_of(words[5]), most = number_of(words[6]);
    g_autofree char *key = g_strdup_printf("lxc %s %s", host, words[0]);
    const ImMachine machine = {
        .id = vid >= 0 ? vid : dummy_vid(words[0]),
        .deploy_id = words[0],
        .uuid = g_str_equal(words[2], "-") ? NULL : words[2],
        .state = words[3],
        .cpu = libvirt_usage(key, number_of(words[4])),
        .memory = memory < 0 ? -1 : memory / KIB,
        .maximum = most > 0 && most / KIB < NO_LIMIT_KIB ? most / KIB : 0,
        .net_rx = number_of(words[7]),
        .net_tx = number_of(words[8]),
        .disk_rd_bytes = number_of(words[9]),
        .disk_wr_bytes = number_of(words[10]),
        .disk_rd_ops = -1,
        .disk_wr_ops = -1,
        .vcpu = -1,
    };
    im_append_machine(out, &machine);
}

/* Ticks of user, nice and system of /proc/stat. */
static gint64 busy_ns(const char *ticks, gint64 hertz)
{
    char *at = (char *)ticks;
    gint64 sum = 0;
    for (int i = 0; i < 3; i++)
        sum += (gint64)g_ascii_strtoull(at, &at, 10);
    return hertz > 0 ? sum * (NS / hertz) : -1;
}

/* The rest of the first line that begins with the word; NULL: there is none. (borrowed) */
static const char *find(char *const *lines, const char *word)
{
    gsize length = strlen(word);
    for (; *lines; lines++)
        if (strncmp(*lines, word, length) == 0 && (*lines)[length] == ' ')
            return *lines + length + 1;
    return NULL;
}

static gint64 find_number(char *const *lines, const char *word)
{
    const char *text = find(lines, word);
    return text ? number_of(text) : 0;
}

gboolean im_lxc_read(GString *out, const char *host, const char *text, const ImOutside *outside)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const char *busy = find(lines, "busy"), *criu = find(lines, "criu");
    g_autofree char *key = g_strconcat("host ", host, NULL);
    const ImHost figures = {
        .hypervisor = "lxc",
        .hostname = find(lines, "hostname"),
        .arch = find(lines, "arch"),
        .model = find(lines, "model"),
        .version = find(lines, "version"),
        .cpu_speed = find_number(lines, "mhz"),
        .total_cpu = find_number(lines, "cpus") * 100,
        .used_cpu =
            MAX(libvirt_usage(key, busy ? busy_ns(busy, find_number(lines, "hertz")) : -1), 0),
        .total_memory = find_number(lines, "total"),
        .free_memory = find_number(lines, "available"),
        .net_rx = outside->net_rx,
        .net_tx = outside->net_tx,
        .cgroups = outside->cgroups,
    };
    if (!busy || figures.total_cpu == 0 || figures.total_memory == 0)
        return FALSE;
    im_append_host(out, &figures);
    im_append(out, "CRIU_VERSION", criu && *criu ? criu : NULL);
    g_string_append(out, outside->space->str);
    im_append_complete(out);
    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, "container "))
            append_container(out, host, *line + strlen("container "));
    return TRUE;
}

/* ---- events ---- */

/* "'one-12' changed state to [STOPPED]": the name (owned), and what oned calls the state. */
char *im_lxc_event(const char *line, const char **state)
{
    static const char between[] = "' changed state to [";
    static const struct {
        const char *lxc, *state;
    } states[] = {{"RUNNING]", "RUNNING"},
                  {"THAWED]", "RUNNING"},
                  {"STOPPED]", "POWEROFF"},
                  {"FROZEN]", "PAUSED"}};
    const char *middle = *line == '\'' ? strstr(line, between) : NULL;
    if (!middle || middle == line + 1)
        return NULL;
    for (guint i = 0; i < G_N_ELEMENTS(states); i++)
        if (g_str_has_prefix(middle + strlen(between), states[i].lxc)) {
            *state = states[i].state;
            return g_strndup(line + 1, (gsize)(middle - line - 1));
        }
    return NULL;
}

typedef struct Hearing {
    Listener *listener;
    int in;
} Hearing;

static void tell(Listener *listener, const char *line)
{
    const char *state = NULL;
    g_autofree char *name = im_lxc_event(line, &state);
    if (!name)
        return;
    const ImMachine machine = {.id = dummy_vid(name), .deploy_id = name, .state = state};
    listener_tell(listener, &machine);
}

/* Reads what lxc-monitor prints until its end. */
static gpointer hear(gpointer data)
{
    Hearing *hearing = data;
    g_autoptr(GString) text = g_string_new(NULL);
    char block[1024];
    ssize_t count;
    while ((count = read(hearing->in, block, sizeof block)) > 0) {
        char *newline;
        g_string_append_len(text, block, count);
        while ((newline = memchr(text->str, '\n', text->len))) {
            *newline = '\0';
            tell(hearing->listener, text->str);
            g_string_erase(text, 0, newline - text->str + 1);
        }
    }
    return NULL;
}

static gboolean stops(gpointer data)
{
    return listener_ends(((Hearing *)data)->listener);
}

static void listen_to(Listener *listener, GError **error)
{
    int pipes[2], silence[2];
    Hearing hearing = {listener, -1};
    const SshWatch watch = {.cancelled = stops, .data = &hearing};
    if (!g_unix_open_pipe(pipes, FD_CLOEXEC, error))
        return;
    /* Its input says nothing; that it stays open means that somebody listens. */
    if (!g_unix_open_pipe(silence, FD_CLOEXEC, error)) {
        close(pipes[0]);
        close(pipes[1]);
        return;
    }
    hearing.in = pipes[0];
    GThread *thread = g_thread_new("hear", hear, &hearing);
    if (lxc_stream(listener_host(listener), "watch", silence[0], pipes[1], &watch, error))
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE, "lxc-monitor has ended");
    close(pipes[1]);
    close(silence[0]);
    close(silence[1]);
    (void)g_thread_join(thread);
    close(pipes[0]);
}

/* ---- actions ---- */

static void monitor(DriverJob *job)
{
    const ImRequest *request = im_request_of(job);
    const SshWatch watch = {.seconds = MONITOR_SECONDS - 5};
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *text = NULL;
    if (!lxc_do(request->host, "report", &watch, &text, &error)) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    g_auto(ImOutside) outside = im_outside(request->host, request->ds_location);
    if (!im_lxc_read(out, request->host, text, &outside)) {
        driver_job_fail(job, "host %s does not tell what it has: %.200s", request->host, text);
        return;
    }
    listener_start(request->host, request->hid, listen_to);
    im_succeed(job, out->str);
}

static void stop(DriverJob *job)
{
    listener_stop(im_request_of(job)->host);
    driver_job_succeed(job, NULL);
}

const DriverAction im_lxc_actions[] = {
    {"MONITOR", monitor, MONITOR_SECONDS},
    {"STOPMONITOR", stop, MONITOR_SECONDS},
    {NULL},
};
