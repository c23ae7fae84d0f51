#include "drivers/tm/tm.h"

#include "drivers/common/dummy.h"
#include "drivers/common/room.h"
#include "lib/base/error.h"
#include "lib/base/paths.h"
#include "lib/base/xml.h"
#include <string.h>

/* oned has its own limit for each step and cancels; this one is for work that it forgot. */
#define TRANSFER_SECONDS (48 * 3600)
#define MONITOR_SECONDS  60

static Ssh *ssh;
static const Flavour *general; /* for commands that name none */
static gboolean only_dummy;

gboolean tm_init(const char *flavours, GError **error)
{
    g_auto(GStrv) names = g_strsplit(flavours != NULL ? flavours : "shared", ",", -1);
    general = NULL;
    only_dummy = TRUE;
    for (guint i = 0; names[i] != NULL; i++) {
        const Flavour *flavour = flavour_find(g_strstrip(names[i]));
        if (flavour == NULL) {
            g_autofree char *known = flavour_names();
            g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                        "there is no transfer by \"%s\"; known are %s", names[i], known);
            return FALSE;
        }
        general = general != NULL ? general : flavour;
        only_dummy = only_dummy && flavour == &flavour_dummy;
    }
    if (ssh == NULL)
        ssh = ssh_new();
    return TRUE;
}

/* ---- TRANSFER ---- */

static void free_commands(gpointer data)
{
    g_ptr_array_unref(data);
}

static gboolean prepare(DriverJob *job, GError **error)
{
    if (!g_str_equal(driver_job_action(job), "TRANSFER"))
        return TRUE;
    GPtrArray *commands = script_read(driver_job_payload(job), error);
    if (commands == NULL)
        return FALSE;
    driver_job_set_data(job, commands, free_commands);
    return TRUE;
}

/* The host that does the work: the one that is written to, unless that is this computer. */
static const char *host_of(const GPtrArray *commands)
{
    const char *host = "localhost";
    for (guint i = 0; commands != NULL && i < commands->len; i++) {
        const ScriptCommand *command = g_ptr_array_index(commands, i);
        host = command->target.host;
        if (!transfer_is_here(host))
            return host;
        if (command->source.host != NULL && !transfer_is_here(command->source.host))
            return command->source.host;
    }
    return host;
}

static char *queue_of(const DriverJob *job)
{
    if (g_str_equal(driver_job_action(job), "MONITOR"))
        return g_strdup_printf("datastore %" G_GINT64_FORMAT, driver_job_id(job));
    return g_strdup(host_of(driver_job_data(job)));
}

static gboolean job_cancelled(gpointer data)
{
    return driver_job_cancelled(data);
}

static void log_line(char severity, gint64 id, const char *text)
{
    driver_log(severity, id, "%s", text);
}

static gboolean is_all_dummy(const GPtrArray *commands)
{
    for (guint i = 0; i < commands->len; i++)
        if (transfer_flavour(g_ptr_array_index(commands, i), general, NULL) != &flavour_dummy)
            return FALSE;
    return commands->len > 0 || general == &flavour_dummy;
}

/* What the knobs of the simulated hosts want, after the latency has passed. */
static void end_simulated(DriverJob *job)
{
    const char *host = host_of(driver_job_data(job));
    DummyOdds odds = dummy_odds("TRANSFER", host);
    if (dummy_host(host).down)
        driver_job_fail(job, "%s does not answer (simulated)", host);
    else if (odds.fail > 0 && g_random_double() < odds.fail)
        driver_job_fail(job, "the transfer to %s failed (simulated)", host);
    else if (odds.lost > 0 && g_random_double() < odds.lost)
        driver_job_drop(job);
    else
        driver_job_succeed(job, NULL);
}

static void simulate(DriverJob *job)
{
    if (!is_all_dummy(driver_job_data(job)))
        driver_job_fail(job, "this transfer driver was started with \"-d dummy\" only; add the "
                             "flavours that the machines use");
    else
        dummy_delay(job, "TRANSFER", host_of(driver_job_data(job)), simulate, end_simulated);
}

static void transfer(DriverJob *job)
{
    const GPtrArray *commands = driver_job_data(job);
    g_autoptr(GError) error = NULL;
    if (is_all_dummy(commands)) {
        if (dummy_wait(job, "TRANSFER", host_of(commands)))
            end_simulated(job);
        else
            driver_job_fail(job, "cancelled");
        return;
    }
    SshWatch watch = {.cancelled = job_cancelled, .data = job};
    Transfer request = {driver_job_id(job), ssh, &watch, log_line};
    if (transfer_run(&request, commands, general, &error))
        driver_job_succeed(job, NULL);
    else
        driver_job_fail(job, "%s", error->message);
}

/* ---- MONITOR ---- */

static char *path_of_datastore(gint64 datastore, const char *document, GError **error)
{
    g_autofree char *path = NULL;
    if (document[0] != '\0') {
        g_autoptr(xmlDoc) parsed = xml_read(document, strlen(document), XML_DEPTH_MAX, error);
        if (parsed == NULL)
            return NULL;
        path = xml_get(xml_root(parsed), "DATASTORE/BASE_PATH");
    }
    if (path != NULL && path[0] == '/')
        return g_steal_pointer(&path);
    const char *datastores = g_getenv("ONE_DATASTORES");
    g_autofree char *usual = paths_var("datastores");
    return g_strdup_printf("%s/%" G_GINT64_FORMAT, datastores != NULL ? datastores : usual,
                           datastore);
}

char *tm_monitor_text(gint64 datastore, const char *document, GError **error)
{
    g_autofree char *path = path_of_datastore(datastore, document, error);
    return path != NULL ? room_text(path, error) : NULL;
}

static void monitor(DriverJob *job)
{
    g_autoptr(GError) error = NULL;
    gsize length = 0;
    g_autofree char *decoded = (char *)g_base64_decode(driver_job_payload(job), &length);
    g_autofree char *document = g_strndup(decoded != NULL ? decoded : "", length);
    g_autofree char *text = tm_monitor_text(
        driver_job_id(job), g_str_equal(driver_job_payload(job), "-") ? "" : document, &error);
    if (text == NULL) {
        driver_job_fail(job, "%s", error != NULL ? error->message : "the room is not known");
        return;
    }
    g_autofree char *encoded = g_base64_encode((const guchar *)text, strlen(text));
    driver_job_succeed(job, encoded);
}

static const DriverAction real_actions[] = {
    {"TRANSFER", transfer, TRANSFER_SECONDS, DRIVER_QUEUED},
    {"MONITOR", monitor, MONITOR_SECONDS, DRIVER_OTHER_IDS},
    {NULL},
};

static const DriverAction dummy_actions[] = {
    {"TRANSFER", simulate, 0, DRIVER_AT_ONCE},
    {"MONITOR", monitor, MONITOR_SECONDS, DRIVER_OTHER_IDS},
    {NULL},
};

Driver tm_driver(guint threads, guint per_host)
{
    return (Driver){
        .program = "one_tm",
        .actions = only_dummy ? dummy_actions : real_actions,
        .queue_of = queue_of,
        .prepare = prepare,
        .threads = threads,
        .per_host = per_host,
        .in_order = TRUE,
    };
}
