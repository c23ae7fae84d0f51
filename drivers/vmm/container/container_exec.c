#include "drivers/vmm/container/container_exec.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include "lib/template/template.h"
#include <string.h>

#define SAID_BYTES    ((gsize)64 * 1024)
#define PID_BYTES     16 /* of the line with the process's number, which goes before its errors */
#define KEEP_SECONDS  600
#define RUNS_MAX      256
#define CANCEL_SHELL  "kill -9 -%s 2>/dev/null || kill -9 %s"
#define CANCEL_WAIT_S 20

struct ContainerRun {
    char *word, *host, *path, *domain;
    char *arguments[4]; /* of sh; NULL at the end */
    GMutex lock;        /* of all below */
    GByteArray *said[2];
    char pid[PID_BYTES]; /* told before the rest; "" */
    gboolean truncated, ended;
    int code;
    char *problem; /* why it will never be known; NULL */
    gint64 end;    /* monotonic */
};

static GMutex lock;
static GHashTable *runs; /* word -> ContainerRun; those that go on stay */

/* $$ is the same process after exec. */
static const char script[] = "echo $$ >&2; exec /bin/sh -c \"$1\" </dev/null";
static const char script_with_input[] =
    "echo $$ >&2; exec /bin/sh -c \"$1\" <<GLOBULE_INPUT\n$2\nGLOBULE_INPUT\n";

const char *container_run_host(const ContainerRun *run)
{
    return run->host;
}

const char *container_run_domain(const ContainerRun *run)
{
    return run->domain;
}

char *container_run_path(const ContainerRun *run, const char *rest)
{
    return g_strconcat(run->path, rest, NULL);
}

JsonArray *container_run_words(const ContainerRun *run)
{
    JsonArray *words = json_array_new();
    json_array_add_string_element(words, "/bin/sh");
    json_array_add_string_element(words, "-c");
    json_array_add_string_element(words, run->arguments[0]);
    for (guint i = 1; run->arguments[i]; i++) {
        if (i == 1)
            json_array_add_string_element(words, "sh"); /* $0 */
        json_array_add_string_element(words, run->arguments[i]);
    }
    return words;
}

void container_run_said(ContainerRun *run, int stream, const char *bytes, gsize count)
{
    g_mutex_lock(&run->lock);
    GByteArray *said = run->said[stream == 2];
    gsize limit = SAID_BYTES + (stream == 2 ? PID_BYTES : 0);
    gsize room = limit - MIN(limit, said->len);
    g_byte_array_append(said, (const guint8 *)bytes, (guint)MIN(count, room));
    run->truncated |= count > room;
    g_mutex_unlock(&run->lock);
}

void container_run_begun(ContainerRun *run, const char *line)
{
    gsize length = strspn(line, "0123456789");
    g_mutex_lock(&run->lock);
    if (length > 0 && length < PID_BYTES && line[length] == '\n')
        g_strlcpy(run->pid, line, length + 1);
    g_mutex_unlock(&run->lock);
}

/* ---- the table ---- */

static ContainerRun *run_new(const VmmAction *action, const char *command, const char *input)
{
    ContainerRun *run = g_new0(ContainerRun, 1);
    run->word = g_strdup_printf("x%08x%08x", g_random_int(), g_random_int());
    run->host = g_strdup(action->host);
    run->domain = g_strdup(action->domain);
    run->path = container_path(action, "");
    run->arguments[0] = g_strdup(*input ? script_with_input : script);
    run->arguments[1] = g_strdup(command);
    run->arguments[2] = *input ? g_strdup(input) : NULL;
    g_mutex_init(&run->lock);
    for (guint i = 0; i < 2; i++)
        run->said[i] = g_byte_array_new();
    return run;
}

static void run_free(gpointer data)
{
    ContainerRun *run = data;
    char **texts[] = {&run->word,         &run->host,         &run->domain,       &run->path,
                      &run->arguments[0], &run->arguments[1], &run->arguments[2], &run->problem};
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(*texts[i]);
    for (guint i = 0; i < 2; i++)
        g_byte_array_unref(run->said[i]);
    g_mutex_clear(&run->lock);
    g_free(run);
}

static gboolean is_old(gpointer word, gpointer data, gpointer now)
{
    ContainerRun *run = data;
    g_mutex_lock(&run->lock);
    gboolean old = run->ended && *(gint64 *)now - run->end > KEEP_SECONDS * G_TIME_SPAN_SECOND;
    g_mutex_unlock(&run->lock);
    return old;
}

/* FALSE: too many go on. */
static gboolean keep(ContainerRun *run)
{
    gint64 now = g_get_monotonic_time();
    g_mutex_lock(&lock);
    if (!runs)
        runs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, run_free);
    (void)g_hash_table_foreach_remove(runs, is_old, &now);
    gboolean room = g_hash_table_size(runs) < RUNS_MAX;
    if (room)
        g_hash_table_insert(runs, run->word, run);
    g_mutex_unlock(&lock);
    return room;
}

/* ---- one command ---- */

static gpointer follow(gpointer data)
{
    ContainerRun *run = data;
    g_autoptr(GError) error = NULL;
    int code = -1;
    gboolean good = container_engine()->run(run, &code, &error);
    g_mutex_lock(&run->lock);
    run->ended = TRUE;
    run->end = g_get_monotonic_time();
    run->code = code;
    if (!good)
        run->problem = g_strdup(error->message);
    g_mutex_unlock(&run->lock);
    return NULL;
}

static char *order_text(const VmmAction *action, const char *name)
{
    g_autofree char *path = g_strconcat("TEMPLATE/QEMU_GA_EXEC/", name, NULL);
    char *text = xml_get(action->vm, path);
    return text ? text : g_strdup("");
}

void container_exec(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autofree char *command = order_text(action, "COMMAND");
    g_autofree char *input = order_text(action, "STDIN");
    g_auto(ContainerSight) sight = {VMM_UNKNOWN};
    if (!container_find_running(job, &sight, "cannot run commands"))
        return;
    if (sight.presence == VMM_PAUSED) {
        driver_job_fail(job, "%s is suspended, so it cannot run commands", action->domain);
        return;
    }
    ContainerRun *run = run_new(action, command, input);
    g_autofree char *word = g_strdup(run->word);
    if (keep(run)) {
        g_thread_unref(g_thread_new("command", follow, run));
        driver_job_succeed(job, word);
        return;
    }
    run_free(run);
    driver_job_fail(job, "%d commands go on in containers already; wait for some of them",
                    RUNS_MAX);
}

/* ---- what became of it ---- */

/* The line with the number of its process, before its errors; 0: there is none yet. */
static gsize pid_line(const GByteArray *errors, char pid[PID_BYTES])
{
    gsize length = 0;
    while (length < errors->len && length < PID_BYTES - 1 && g_ascii_isdigit(errors->data[length]))
        length++;
    if (length == 0 || length >= errors->len || errors->data[length] != '\n')
        return 0;
    memcpy(pid, errors->data, length);
    pid[length] = '\0';
    return length + 1;
}

static void set_coded(Template *answer, const char *name, const guint8 *bytes, gsize count)
{
    g_autofree char *coded = g_base64_encode(bytes, MIN(count, SAID_BYTES));
    template_set(answer, name, coded);
}

static char *answer_of(const ContainerRun *run)
{
    static const char lost[] = "the driver was started anew since, and knows nothing of it";
    g_autoptr(Template) answer = template_new();
    char pid[PID_BYTES];
    const char *problem = run ? run->problem : lost;
    if (run && !run->ended) {
        template_set(answer, "STATUS", "EXECUTING");
        return template_to_text(answer);
    }
    if (problem) {
        template_set(answer, "STATUS", "ERROR");
        set_coded(answer, "ERROR", (const guint8 *)problem, strlen(problem));
        return template_to_text(answer);
    }
    gsize before = pid_line(run->said[1], pid);
    g_autofree char *code = g_strdup_printf("%d", run->code);
    template_set(answer, "STATUS", "DONE");
    template_set(answer, "RETURN_CODE", code);
    set_coded(answer, "STDOUT", run->said[0]->data, run->said[0]->len);
    set_coded(answer, "STDERR", run->said[1]->data + before, run->said[1]->len - before);
    if (run->truncated)
        template_set(answer, "TRUNCATED", "YES");
    return template_to_text(answer);
}

/* Locked, until run_put(); NULL: it is not known. */
static ContainerRun *run_get(const VmmAction *action)
{
    g_autofree char *word = order_text(action, "PID");
    g_mutex_lock(&lock);
    ContainerRun *run = runs ? g_hash_table_lookup(runs, word) : NULL;
    if (run && g_strcmp0(run->domain, action->domain) != 0)
        run = NULL;
    if (run)
        g_mutex_lock(&run->lock);
    return run;
}

static void run_put(ContainerRun *run)
{
    if (run)
        g_mutex_unlock(&run->lock);
    g_mutex_unlock(&lock);
}

void container_exec_poll(DriverJob *job)
{
    ContainerRun *run = run_get(vmm_action_of(job));
    g_autofree char *text = answer_of(run);
    run_put(run);
    g_autofree char *coded = g_base64_encode((const guchar *)text, strlen(text));
    driver_job_succeed(job, coded);
}

/* By another command in the same container. Its number may take a moment to be known. */
void container_exec_cancel(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    gint64 until = g_get_monotonic_time() + CANCEL_WAIT_S * G_TIME_SPAN_SECOND;
    char pid[PID_BYTES] = "";
    gboolean ended = FALSE;
    for (;;) {
        ContainerRun *run = run_get(action);
        ended = !run || run->ended;
        if (run && !pid_line(run->said[1], pid))
            g_strlcpy(pid, run->pid, sizeof pid);
        run_put(run);
        if (ended || *pid || g_get_monotonic_time() > until || driver_job_wait(job, 100))
            break;
    }
    if (ended) {
        driver_job_succeed(job, NULL);
        return;
    }
    if (!*pid) {
        driver_job_fail(job, "the process of that command is not known yet; try again");
        return;
    }
    g_autoptr(GError) error = NULL;
    ContainerRun *killer = run_new(action, "", "");
    int code = -1;
    g_free(killer->arguments[0]);
    g_clear_pointer(&killer->arguments[1], g_free);
    killer->arguments[0] = g_strdup_printf(CANCEL_SHELL, pid, pid);
    gboolean good = container_engine()->run(killer, &code, &error);
    run_free(killer);
    container_finish(job, good, NULL, &error);
}
