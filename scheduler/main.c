/*
 * mm_sched: places machines on hosts. Reads pools from oned and writes one.vm.deploy, all
 * over XML-RPC; it keeps no state, so it may be killed at any moment.
 */
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "scheduler/loop.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define MODULE "SCH"

typedef struct {
    char *path;
    gint port, seconds, machines, dispatch, per_host;
    gboolean help, version;
} Options;

static Options options = {
    .port = -1, .seconds = -1, .machines = -1, .dispatch = -1, .per_host = -1};

static const GOptionEntry entries[] = {
    {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options.path, "Configuration file", "FILE"},
    {"port", 'p', 0, G_OPTION_ARG_INT, &options.port, "Port of oned on this computer", "PORT"},
    {"timer", 't', 0, G_OPTION_ARG_INT, &options.seconds, "SCHED_INTERVAL", "SECONDS"},
    {"machines", 'm', 0, G_OPTION_ARG_INT, &options.machines, "MAX_VM", "NUMBER"},
    {"dispatch", 'd', 0, G_OPTION_ARG_INT, &options.dispatch, "MAX_DISPATCH", "NUMBER"},
    {"host", 'h', 0, G_OPTION_ARG_INT, &options.per_host, "MAX_HOST", "NUMBER"},
    {"help", 0, 0, G_OPTION_ARG_NONE, &options.help, "Show this", NULL},
    {"version", 0, 0, G_OPTION_ARG_NONE, &options.version, "Show the version", NULL},
    {NULL}};

static gboolean logs_to_file; /* then standard error is free for a last word */

static GOptionContext *option_context(void)
{
    GOptionContext *context = g_option_context_new("- place machines on hosts");
    g_option_context_set_help_enabled(context,
                                      FALSE); /* -h has been the limit of a host since 2.0 */
    g_option_context_add_main_entries(context, entries, NULL);
    return context;
}

/* What the command line says goes before the file. */
static void apply_options(SchedConfig *config)
{
    if (options.port > 0) {
        g_free(config->endpoint);
        config->endpoint = g_strdup_printf("http://localhost:%d/RPC2", options.port);
    }
    if (options.seconds > 0)
        config->interval = options.seconds;
    if (options.machines >= 0)
        config->max_vm = options.machines;
    if (options.dispatch >= 0)
        config->max_dispatch = options.dispatch;
    if (options.per_host >= 0)
        config->max_host = options.per_host;
}

static SchedConfig *load(GError **error)
{
    SchedConfig *config = sched_config_load(options.path, error);
    if (config != NULL)
        apply_options(config);
    return config;
}

static gboolean open_log(const SchedConfig *config, GError **error)
{
    g_autofree char *file = paths_log("sched.log");
    LogTarget target = strcmp(config->log_system, "file") == 0     ? LOG_TO_FILE
                       : strcmp(config->log_system, "syslog") == 0 ? LOG_TO_JOURNAL
                                                                   : LOG_TO_STDERR;
    if (!log_open(target, file, MIN(config->log_level, LOG_DEBUG), error))
        return FALSE;
    logs_to_file = target == LOG_TO_FILE;
    return TRUE;
}

/* Two schedulers would place every machine twice; the lock goes with the process. */
static gboolean take_lock(GError **error)
{
    g_autofree char *path = paths_var(".mm_sched.lock");
    g_autofree char *directory = paths_var(NULL);
    g_mkdir_with_parents(directory, 0750);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (file < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "cannot open %s: %s. Run this as the user of oned, or set ONE_LOCATION", path,
                    g_strerror(errno));
        return FALSE;
    }
    if (flock(file, LOCK_EX | LOCK_NB) == 0)
        return TRUE;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_EXIST,
                "another mm_sched runs already (it holds %s); stop it first", path);
    close(file);
    return FALSE;
}

/* SIGTERM and SIGINT end the process wherever it is: nothing is kept here that could be
 * left half done. SIGHUP opens the log again and reads the configuration again. */
static gpointer serve_signals(gpointer data)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    for (int number; sigwait(&set, &number) == 0;) {
        if (number != SIGHUP) {
            log_info(MODULE, "mm_sched ends: %s", strsignal(number));
            _exit(0);
        }
        g_autoptr(GError) error = NULL;
        SchedConfig *config = load(&error);
        log_reopen();
        if (config != NULL)
            sched_loop_configure(data, config);
        else
            log_error(MODULE, "%s. The old settings stay", error->message);
    }
    return NULL;
}

static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int run(GError **error)
{
    SchedConfig *config = load(error);
    if (config == NULL)
        return 2;
    if (!open_log(config, error) || !take_lock(error)) {
        sched_config_free(config);
        return 1;
    }
    log_info(MODULE, "mm_sched %s begins", GLOBULE_VERSION);
    for (guint i = 0; i < config->warnings->len; i++)
        log_warning(MODULE, "%s", (const char *)config->warnings->pdata[i]);
    g_autoptr(SchedLoop) loop = sched_loop_new(config, error);
    if (loop == NULL)
        return 1;
    g_thread_unref(g_thread_new("signals", serve_signals, loop));
    sched_loop_run(loop);
    return 0;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GOptionContext) context = option_context();
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "mm_sched: %s. See mm_sched --help\n", error->message);
        return 2;
    }
    if (options.help) {
        g_autofree char *help = g_option_context_get_help(context, TRUE, NULL);
        fputs(help, stdout);
        return 0;
    }
    if (options.version) {
        printf("mm_sched %s\n", GLOBULE_VERSION);
        return 0;
    }
    block_signals();
    int status = run(&error);
    if (error != NULL) {
        log_error(MODULE, "%s", error->message);
        if (logs_to_file)
            fprintf(stderr, "mm_sched: %s\n", error->message);
    }
    return status;
}
