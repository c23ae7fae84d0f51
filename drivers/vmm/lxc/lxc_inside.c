/* CONSOLE, EXEC, EXECPOLL and EXEC_CANCEL: what goes on inside a container, by lxc-attach. */
#include "drivers/vmm/console.h"
#include "drivers/vmm/lxc/lxc.h"
#include "lib/base/xml.h"
#include "lib/template/template.h"
#include <string.h>
#include <unistd.h>

#define CALL_SECONDS 50

/* ---- the console ---- */

typedef struct Terminal {
    ConsoleOffer *offer;
    char *host, *call;
    gint64 vid;
} Terminal;

static gpointer serve(gpointer data)
{
    Terminal *terminal = data;
    g_autoptr(GError) error = NULL;
    int peer = console_accept(terminal->offer);
    if (peer >= 0) {
        driver_log('I', terminal->vid, "console opened");
        /* How its shell ended is nobody's business; that it could not begin is told to the peer. */
        if (!lxc_stream(terminal->host, terminal->call, peer, peer, NULL, &error)) {
            g_autofree char *text = g_strdup_printf("\r\n%s\r\n", error->message);
            (void)console_write(peer, text, strlen(text));
        }
        close(peer);
        driver_log('I', terminal->vid, "console closed");
    }
    console_offer_free(terminal->offer);
    g_free(terminal->host);
    g_free(terminal->call);
    g_free(terminal);
    return NULL;
}

void lxc_console(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    g_autofree char *shown = NULL;
    g_auto(LxcSight) sight = lxc_look(action, action->host);
    if (sight.presence != VMM_RUNNING) {
        if (sight.error)
            driver_job_fail(job, "%s", sight.error->message);
        else
            driver_job_fail(job, "%s %s on %s, so it has no console", action->domain,
                            vmm_presence_text(sight.presence), action->host);
        return;
    }
    ConsoleOffer *offer = console_offer(action->vid, &shown, &error);
    if (!offer) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    Terminal *terminal = g_new0(Terminal, 1);
    *terminal =
        (Terminal){offer, g_strdup(action->host),
                   lxc_call("console", action->domain, lxc_uuid(action), NULL), action->vid};
    driver_job_succeed(job, shown);
    g_thread_unref(g_thread_new("console", serve, terminal));
}

/* ---- commands ---- */

static char *order_text(const VmmAction *action, const char *name)
{
    g_autofree char *path = g_strconcat("TEMPLATE/QEMU_GA_EXEC/", name, NULL);
    char *text = xml_get(action->vm, path);
    return text ? text : g_strdup("");
}

void lxc_exec(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = {.seconds = CALL_SECONDS};
    g_autoptr(GError) error = NULL;
    g_autofree char *command = order_text(action, "COMMAND");
    g_autofree char *input = order_text(action, "STDIN");
    g_autofree char *call =
        lxc_call("execute", action->domain, lxc_uuid(action), command, input, NULL);
    g_autofree char *word = NULL;
    gboolean good = lxc_do(action->host, call, &watch, &word, &error);
    lxc_finish(job, good, good ? g_strstrip(word) : NULL, &error);
}

char *lxc_read_exec(const char *text)
{
    g_autoptr(Template) answer = template_new();
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    static const struct {
        const char *word, *name;
    } rows[] = {{"code ", "RETURN_CODE"}, {"out ", "STDOUT"}, {"err ", "STDERR"}};
    if (!g_str_has_prefix(text, "code ")) {
        gboolean running = g_str_has_prefix(text, "running");
        template_set(answer, "STATUS", running ? "EXECUTING" : "ERROR");
        if (!running) {
            static const char why[] = "the host knows nothing of that command any more";
            g_autofree char *coded = g_base64_encode((const guchar *)why, strlen(why));
            template_set(answer, "ERROR", coded);
        }
        return template_to_text(answer);
    }
    template_set(answer, "STATUS", "DONE");
    for (guint i = 0; lines[i]; i++) {
        for (guint k = 0; k < G_N_ELEMENTS(rows); k++)
            if (g_str_has_prefix(lines[i], rows[k].word))
                template_set(answer, rows[k].name, lines[i] + strlen(rows[k].word));
        if (g_str_equal(lines[i], "more"))
            template_set(answer, "TRUNCATED", "YES");
        if (g_str_equal(lines[i], "over"))
            template_set(answer, "TRUNCATED", "ENDED");
    }
    return template_to_text(answer);
}

void lxc_exec_poll(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = {.seconds = CALL_SECONDS};
    g_autoptr(GError) error = NULL;
    g_autofree char *word = order_text(action, "PID");
    g_autofree char *call = lxc_call("executed", word, NULL);
    g_autofree char *text = NULL;
    if (!lxc_do(action->host, call, &watch, &text, &error)) {
        driver_job_fail(job, "%s", error->message);
        return;
    }
    g_autofree char *answer = lxc_read_exec(text);
    g_autofree char *coded = g_base64_encode((const guchar *)answer, strlen(answer));
    driver_job_succeed(job, coded);
}

void lxc_exec_cancel(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const SshWatch watch = {.seconds = CALL_SECONDS};
    g_autoptr(GError) error = NULL;
    g_autofree char *word = order_text(action, "PID");
    g_autofree char *call = lxc_call("end_command", word, NULL);
    lxc_finish(job, lxc_do(action->host, call, &watch, NULL, &error), NULL, &error);
}
