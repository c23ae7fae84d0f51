#include "client/evaluate/evaluate.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- What was found ---- */

void evaluation_init(Evaluation *found)
{
    *found = (Evaluation){.vm = -1};
    found->moves = g_ptr_array_new_with_free_func((GDestroyNotify)move_free);
    found->notes = g_ptr_array_new_with_free_func(g_free);
    found->started = g_get_real_time() / G_USEC_PER_SEC;
}

void evaluation_clear(Evaluation *found)
{
    for (guint i = 0; i < G_N_ELEMENTS(found->hosts); i++) {
        HostFacts *host = &found->hosts[i];
        char *texts[] = {host->name, host->model, host->hypervisor, host->version, host->arch};
        for (guint j = 0; j < G_N_ELEMENTS(texts); j++)
            g_free(texts[j]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(found->pings); i++)
        g_clear_pointer(&found->pings[i], g_array_unref);
    for (guint i = 0; i < G_N_ELEMENTS(found->downloads); i++)
        fetch_result_clear(&found->downloads[i].result);
    g_ptr_array_unref(found->moves);
    g_ptr_array_unref(found->notes);
    g_free(found->name);
    g_free(found->cpus);
    g_free(found->migrate);
    g_free(found->url);
    g_free(found->sum);
}

GPtrArray *evaluation_moves(const Evaluation *found, MoveRole role)
{
    GPtrArray *moves = g_ptr_array_new();
    for (guint i = 0; i < found->moves->len; i++)
        if (((const Move *)found->moves->pdata[i])->role == role)
            g_ptr_array_add(moves, found->moves->pdata[i]);
    return moves;
}

const char *evaluation_soundness(const Evaluation *found, const Download *download)
{
    const char *sum = download->result.sum;
    if (!download->result.done)
        return "not ended";
    if (found->sum != NULL)
        return g_strcmp0(found->sum, sum) == 0 ? "intact" : "DAMAGED";
    return g_strcmp0(found->downloads[0].result.sum, sum) == 0 ? "the same both times"
                                                               : "DIFFERENT";
}

/* ---- A run ---- */

static volatile sig_atomic_t stops;

static void on_signal(int number)
{
    stops++;
}

guint run_stops(void)
{
    return (guint)stops;
}

double run_now(const Run *run)
{
    return (double)(g_get_monotonic_time() - run->epoch) / G_USEC_PER_SEC;
}

gboolean run_sleep(const Run *run, double seconds)
{
    double end = run_now(run) + seconds;
    while (run_stops() == 0 && run_now(run) < end)
        g_usleep((gulong)(CLAMP(end - run_now(run), 0, 0.05) * G_USEC_PER_SEC));
    return run_stops() == 0;
}

void run_tell(const Run *run, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    fprintf(stderr, run->terminal ? "\r\033[K[%3.0f s] %s ..." : "[%3.0f s] %s\n", run_now(run),
            text);
}

void run_tell_amount(const Run *run, const char *what, double bytes)
{
    if (run->terminal)
        run_tell(run, "%s: %.1f MiB", what, bytes / 1048576);
}

void run_say(const Run *run, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s[%3.0f s] %s\n", run->terminal ? "\r\033[K" : "", run_now(run), text);
}

void run_note(Run *run, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    /* The same for each of many moves is told once. */
    for (guint i = 0; i < run->found.notes->len; i++)
        if (strcmp(run->found.notes->pdata[i], text) == 0)
            return;
    run_say(run, "%s", text);
    g_ptr_array_add(run->found.notes, g_steal_pointer(&text));
}

/* ---- The command ---- */

static gboolean confirm(Run *run, GError **error)
{
    g_autofree char *text = plan_text(&run->plan, &run->found);
    fprintf(stderr, "%s", text);
    if (cli_option(run->cli, "yes") != NULL)
        return TRUE;
    char line[16] = "";
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "nobody is there to be asked whether this may be done: add --yes");
        return FALSE;
    }
    fprintf(stderr, "Go on? Type y or n: ");
    if (fgets(line, sizeof line, stdin) != NULL && g_ascii_tolower(line[0]) == 'y')
        return TRUE;
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, "nothing was done");
    return FALSE;
}

/* The directory is made before anything is measured: not to find at the end that it cannot. */
static gboolean make_directory(Run *run, GError **error)
{
    if (run->plan.output == NULL) {
        g_autoptr(GDateTime) now = g_date_time_new_now_local();
        g_autofree char *time = g_date_time_format(now, "%Y%m%d-%H%M%S");
        run->plan.output = g_strdup_printf("evaluation-%s-%s", run->found.name, time);
        g_strdelimit(run->plan.output, "/ \t\\'\"", '_');
    }
    if (g_mkdir_with_parents(run->plan.output, 0755) == 0 && access(run->plan.output, W_OK) == 0)
        return TRUE;
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                "the report cannot be written to %s: %s. Name another directory with --output",
                run->plan.output, g_strerror(errno));
    return FALSE;
}

static double load_now(void)
{
    double load;
    return getloadavg(&load, 1) == 1 ? load : -1;
}

static void measure(Run *run)
{
    run->found.load[0] = load_now();
    for (const Experiment *experiment = experiments; experiment->title != NULL; experiment++) {
        g_autoptr(GError) error = NULL;
        if (run_stops() > 0 || !experiment->wanted(&run->plan) || experiment->run(run, &error) ||
            error == NULL)
            continue;
        run_note(run, "%s: %s", experiment->title, error->message);
    }
    run->found.interrupted = run_stops() > 0;
    if (run->found.interrupted)
        run_say(run, "interrupted: cleaning up; once more leaves things as they are");
}

/* Leaves all as it was found. */
static void clean_up(Run *run)
{
    machine_remove_all(run);
    if (run_stops() < 2 && machine_host(run, run->found.vm) == run->plan.to)
        move_run(run, run->found.vm, run->found.memory, run->found.home, MOVE_HOME);
    run->found.seconds = run_now(run);
    run->found.load[1] = load_now();
    if (machine_host(run, run->found.vm) != run->found.home)
        run_note(run, "%s is not back on %s", run->found.name, run->found.hosts[0].name);
}

static gboolean write_all(Run *run, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    if (!tables_write(&run->plan, &run->found, names, error))
        return FALSE;
    g_autofree char *page = report_page(&run->plan, &run->found);
    g_autofree char *path = g_build_filename(run->plan.output, "report.html", NULL);
    if (!g_file_set_contents(path, page, -1, error))
        return FALSE;
    if (run->terminal)
        fprintf(stderr, "\r\033[K");
    g_autofree char *summary = report_summary(&run->plan, &run->found);
    fputs(summary, stderr);
    printf("%s\n", path);
    for (guint i = 0; i < names->len; i++)
        printf("%s\n", (const char *)names->pdata[i]);
    return TRUE;
}

/* Did everything that was wanted come to figures? */
static CliExit verdict(const Run *run)
{
    const Evaluation *found = &run->found;
    gboolean good = !found->interrupted && found->notes->len == 0;
    for (guint i = 0; i < found->moves->len; i++)
        good = good && ((const Move *)found->moves->pdata[i])->good;
    for (guint i = 0; i < found->download_count; i++)
        good = good && found->downloads[i].result.done && found->downloads[i].tries == 0 &&
               (found->sum == NULL || g_strcmp0(found->sum, found->downloads[i].result.sum) == 0);
    return good ? CLI_DONE : CLI_FAILED;
}

static CliExit evaluate(Run *run)
{
    g_autoptr(GError) error = NULL;
    if (!plan_read(&run->plan, run->cli, &error) || !machine_read(run, &error) ||
        !confirm(run, &error) || !make_directory(run, &error))
        return cli_fail(run->cli, error);
    struct sigaction action = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN}, old[3];
    sigaction(SIGINT, &action, &old[0]);
    sigaction(SIGTERM, &action, &old[1]);
    sigaction(SIGPIPE, &ignore, &old[2]);
    run->epoch = g_get_monotonic_time();
    measure(run);
    clean_up(run);
    gboolean written = write_all(run, &error);
    sigaction(SIGINT, &old[0], NULL);
    sigaction(SIGTERM, &old[1], NULL);
    sigaction(SIGPIPE, &old[2], NULL);
    return written ? verdict(run) : cli_fail(run->cli, error);
}

CliExit cli_vm_evaluate(Cli *cli)
{
    Run run = {.cli = cli};
    evaluation_init(&run.found);
    run.made = g_array_new(FALSE, FALSE, sizeof(gint32));
    run.terminal = isatty(STDERR_FILENO);
    CliExit exit = evaluate(&run);
    g_array_unref(run.made);
    g_free(run.address);
    plan_clear(&run.plan);
    evaluation_clear(&run.found);
    return exit;
}
