#include "server/mads/mads.h"

#include "lib/base/paths.h"
#include "lib/mad/line.h"
#include "server/mads/process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* How long drivers have to end by themselves, in microseconds. */
#define END_PATIENCE (2 * G_USEC_PER_SEC)

/* Work for the thread: a request to send, or a line for a machine's log. The configuration belongs
 * to the core thread, so what is needed of it is looked up there. */
typedef struct Job {
    struct Job *next;
    DriverRequest *request;
    char *key;  /* of the process; NULL: no such driver is configured */
    char *name; /* with the first request of a process: how to start it */
    char **argv, **environment;
    char *log_path;
    char *line;
} Job;

struct Mads {
    Outside outside; /* first */
    Core *core;
    Config *config;
    History *history;
    Lifecycle *lifecycle;
    MadsLogins logins;
    char *var;
    guint64 epoch;

    GThread *thread;
    GMainContext *context;
    GMainLoop *loop;
    GMutex lock; /* guards the jobs, and what drivers lack */
    Job *jobs, **jobs_last;
    GHashTable *processes; /* key -> Process; the thread's own */
    GHashTable *known;     /* keys of processes that the thread knows; the core's own */
    GHashTable *lacks;     /* "VM_MAD/lxc" -> GStrv of actions, as the drivers said */
};

/* ---- from the thread to the core ---- */

typedef enum { HEARD_LINES, HEARD_LOST, HEARD_REFUSED } Heard;

typedef struct HeardInput {
    CoreInput input;
    Mads *mads;
    Heard heard;
    DriverClass class;
    char *driver;
    guint64 number;
    char *text;
} HeardInput;

static LogLevel severity_level(char severity)
{
    return severity == 'E'   ? LOG_ERROR
           : severity == 'W' ? LOG_WARNING
           : severity == 'D' ? LOG_DEBUG
                             : LOG_INFO;
}

static void hear_line(HeardInput *heard)
{
    static const char *const modules[] = {"IM", "VMM", "TM", "AuM", "ImM", "HKM", "MKP"};
    Lifecycle *lifecycle = heard->mads->lifecycle;
    g_auto(MadLine) line = {0};
    if (!mad_parse_result(heard->text, &line, NULL))
        return;
    gboolean success = line.status == MAD_SUCCESS;
    if (line.severity && heard->class == DRIVER_DATASTORE)
        lifecycle_image_log(lifecycle, severity_level(line.severity), line.id, line.payload);
    else if (line.severity && heard->class == DRIVER_MARKET)
        log_write(severity_level(line.severity), modules[heard->class],
                  "%s %" G_GINT64_FORMAT ": %s", heard->driver, line.id, line.payload);
    else if (line.severity)
        lifecycle_driver_log(lifecycle, severity_level(line.severity), modules[heard->class],
                             line.id, line.payload);
    else if (heard->number && line.request)
        lifecycle_answer(lifecycle, heard->number, success, line.payload);
    else if (heard->number)
        lifecycle_answer_untagged(lifecycle, heard->class, heard->number, line.action, line.id,
                                  success, line.payload);
    else if (heard->class == DRIVER_INFORMATION && strcmp(line.action, "MONITOR") != 0 &&
             strcmp(line.action, "STOPMONITOR") != 0)
        lifecycle_driver_event(lifecycle, heard->driver, line.action, success, line.id,
                               line.payload);
    else
        log_info("DRV",
                 "Driver %s answers %s for object %" G_GINT64_FORMAT ", which nobody waits for",
                 heard->driver, line.action, line.id);
}

/* What a driver says who verifies users: its ids are numbers of questions. */
static void hear_of_login(HeardInput *heard)
{
    const MadsLogins *logins = &heard->mads->logins;
    g_auto(MadLine) line = {0};
    if (heard->heard == HEARD_LOST)
        logins->failed(heard->number, "it ended before it answered; try again", logins->data);
    else if (heard->heard == HEARD_REFUSED)
        logins->failed(heard->number, heard->text, logins->data);
    else if (!mad_parse_result(heard->text, &line, NULL))
        return;
    else if (line.severity)
        log_write(severity_level(line.severity), "AuM", "%s: %s", heard->driver, line.payload);
    else if (heard->number)
        logins->answered(heard->number, line.status == MAD_SUCCESS, line.payload, logins->data);
    else
        log_info("AuM", "Driver %s answers %s %" G_GINT64_FORMAT ", which nobody waits for",
                 heard->driver, line.action, line.id);
}

static void heard_handle(Core *core, CoreInput *input)
{
    HeardInput *heard = (HeardInput *)input;
    Lifecycle *lifecycle = heard->mads->lifecycle;
    if (heard->class == DRIVER_AUTHENTICATION)
        hear_of_login(heard);
    else if (heard->heard == HEARD_LINES)
        hear_line(heard);
    else if (heard->heard == HEARD_LOST)
        lifecycle_lost(lifecycle, heard->number);
    else
        lifecycle_answer(lifecycle, heard->number, FALSE, heard->text);
}

static void heard_destroy(CoreInput *input)
{
    HeardInput *heard = (HeardInput *)input;
    g_free(heard->driver);
    g_free(heard->text);
    g_free(heard);
}

static void hear(Mads *mads, Heard what, DriverClass class, const char *driver, guint64 number,
                 const char *text)
{
    HeardInput *heard = g_new0(HeardInput, 1);
    heard->input.handle = heard_handle;
    heard->input.destroy = heard_destroy;
    heard->mads = mads;
    heard->heard = what;
    heard->class = class;
    heard->driver = g_strdup(driver);
    heard->number = number;
    heard->text = g_strdup(text);
    core_post(mads->core, &heard->input);
}

static void process_line(Process *process, guint64 number, const char *text, gpointer data)
{
    hear(data, HEARD_LINES, process_class(process), process_name(process), number, text);
}

static void process_lost(Process *process, guint64 number, gpointer data)
{
    hear(data, HEARD_LOST, process_class(process), process_name(process), number, NULL);
}

static void process_refused(Process *process, const DriverRequest *request, const char *reason,
                            gpointer data)
{
    hear(data, HEARD_REFUSED, request->class, request->driver, request->number, reason);
}

static const char *const class_keys[] = {"IM_MAD",        "VM_MAD", "TM_MAD",    "AUTH_MAD",
                                         "DATASTORE_MAD", "HM_MAD", "MARKET_MAD"};

/* The actions behind "LACKS=" or "HAS=" in the answer to INIT. (owned) */
static GStrv words_behind(const char *said, const char *key)
{
    const char *at = strstr(said, key);
    g_autofree char *text = at ? g_strndup(at + strlen(key), strcspn(at + strlen(key), " ")) : NULL;
    return g_strsplit(text ? text : "", ",", -1);
}

/* What is younger than the rest is missing where nothing is said of it. */
static void process_ready(Process *process, const char *said, gpointer data)
{
    static const char *const optional[] = {"FREEZE", "COLDCHECK", "FALLBACK"};
    Mads *mads = data;
    g_autoptr(GStrvBuilder) missing = g_strv_builder_new();
    g_auto(GStrv) lacks = words_behind(said, "LACKS=");
    g_auto(GStrv) has = words_behind(said, "HAS=");
    g_strv_builder_addv(missing, (const char **)lacks);
    for (guint i = 0; i < G_N_ELEMENTS(optional); i++)
        if (!g_strv_contains((const char *const *)has, optional[i]))
            g_strv_builder_add(missing, optional[i]);
    char *key = g_strdup_printf("%s/%s", class_keys[process_class(process)], process_name(process));
    g_mutex_lock(&mads->lock);
    g_hash_table_insert(mads->lacks, key, g_strv_builder_end(missing));
    g_mutex_unlock(&mads->lock);
}

static const ProcessEvents process_events = {process_line, process_lost, process_ready,
                                             process_refused};

/* ---- finding a driver ---- */

/* A list of an entry of AUTH_MAD as an option: "--authn ssh,x509". */
static void add_list(GPtrArray *argv, const TemplateAttribute *entry, const char *name,
                     const char *option)
{
    const char *value = attribute_get(entry, name);
    g_auto(GStrv) words = g_strsplit_set(value ? value : "", ", \t", -1);
    g_autoptr(GString) list = g_string_new(NULL);
    for (guint i = 0; words[i]; i++)
        if (*words[i])
            g_string_append_printf(list, "%s%s", list->len ? "," : "", words[i]);
    if (!list->len)
        return;
    g_ptr_array_add(argv, g_strdup(option));
    g_ptr_array_add(argv, g_strdup(list->str));
}

static char **driver_argv(const TemplateAttribute *entry)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    const char *executable = attribute_get(entry, "EXECUTABLE");
    const char *arguments = attribute_get(entry, "ARGUMENTS");
    g_auto(GStrv) words = NULL;
    g_ptr_array_add(argv, g_path_is_absolute(executable ? executable : "")
                              ? g_strdup(executable)
                              : paths_mads(executable));
    if (arguments && *arguments && g_shell_parse_argv(arguments, NULL, &words, NULL))
        for (guint i = 0; words[i]; i++)
            g_ptr_array_add(argv, g_strdup(words[i]));
    add_list(argv, entry, "AUTHN", "--authn");
    add_list(argv, entry, "AUTHZ", "--authz");
    g_ptr_array_add(argv, NULL);
    return (char **)g_ptr_array_steal(argv, NULL);
}

/* Where clients on this computer find oned: for hooks, which call it. (owned) */
static char *own_endpoint(const Config *config)
{
    const char *address = config_text(config, "LISTEN_ADDRESS");
    gboolean any = !strcmp(address, "0.0.0.0") || !strcmp(address, "::");
    return g_strdup_printf("%s://%s:%" G_GINT64_FORMAT "/RPC2",
                           *config_text(config, "TLS_CERT") ? "https" : "http",
                           any ? "127.0.0.1" : address, config_int(config, "PORT"));
}

static char **driver_environment(Mads *mads, const char *name)
{
    g_autofree char *etc = paths_etc(NULL);
    g_autofree char *epoch = g_strdup_printf("%" G_GUINT64_FORMAT, mads->epoch);
    g_autofree char *endpoint = own_endpoint(mads->config);
    char **environment = g_get_environ();
    environment = g_environ_setenv(environment, "ONE_VAR", mads->var, TRUE);
    environment = g_environ_setenv(environment, "ONE_ETC", etc, TRUE);
    environment = g_environ_setenv(environment, "ONE_DATASTORES",
                                   config_text(mads->config, "DATASTORE_LOCATION"), TRUE);
    environment = g_environ_setenv(environment, "ONE_MAD_NAME", name, TRUE);
    environment = g_environ_setenv(environment, "ONE_EPOCH", epoch, TRUE);
    environment = g_environ_setenv(environment, "ONE_XMLRPC", endpoint, FALSE);
    return environment;
}

/* One process an entry: a transfer driver of today serves many flavours, those of 2009 one each. */
static void describe_process(Mads *mads, Job *job)
{
    const DriverRequest *request = job->request;
    const TemplateAttribute *entry =
        config_named(mads->config, class_keys[request->class], request->driver);
    if (!entry)
        return;
    const char *own = attribute_get(entry, "NAME");
    const char *arguments = attribute_get(entry, "ARGUMENTS");
    const char *authn = attribute_get(entry, "AUTHN");
    job->key = g_strdup_printf("%s/%s/%s/%s", class_keys[request->class], own ? own : "",
                               arguments ? arguments : "", authn ? authn : "");
    if (!g_hash_table_add(mads->known, g_strdup(job->key)))
        return;
    /* One without a name that serves many is called as its program. */
    job->name =
        g_strdup(own                                           ? own
                 : authn && attribute_get(entry, "EXECUTABLE") ? attribute_get(entry, "EXECUTABLE")
                                                               : request->driver);
    job->argv = driver_argv(entry);
    job->environment = driver_environment(mads, job->name);
}

/* ---- the thread ---- */

static void write_files(Mads *mads, const DriverRequest *request)
{
    for (guint i = 0; i < G_N_ELEMENTS(request->files); i++) {
        if (!request->files[i].path)
            continue;
        g_autofree char *directory = g_path_get_dirname(request->files[i].path);
        g_autoptr(GError) error = NULL;
        g_mkdir_with_parents(directory, 0750);
        g_unlink(request->files[i].path); /* written in place it would keep a longer one's end */
        if (!g_file_set_contents_full(request->files[i].path, request->files[i].text, -1,
                                      G_FILE_SET_CONTENTS_NONE, 0600, &error))
            log_error("DRV", "%s", error->message);
    }
}

static Process *process_of_job(Mads *mads, const Job *job)
{
    Process *process = job->key ? g_hash_table_lookup(mads->processes, job->key) : NULL;
    if (!process && job->argv) {
        process = process_new(mads->context, job->request->class, job->name, job->argv,
                              job->environment, mads->epoch, &process_events, mads);
        g_hash_table_insert(mads->processes, g_strdup(job->key), process);
    }
    return process;
}

static void do_send(Mads *mads, Job *job)
{
    Process *process = process_of_job(mads, job);
    DriverRequest *request = g_steal_pointer(&job->request);
    write_files(mads, request);
    if (process) {
        process_send(process, request);
        return;
    }
    g_autofree char *reason =
        g_strdup_printf("there is no %s with NAME = \"%s\" in oned.conf; add it, or use one that "
                        "is there",
                        class_keys[request->class], request->driver);
    hear(mads, HEARD_REFUSED, request->class, request->driver, request->number, reason);
    driver_request_free(request);
}

static void do_log(const char *path, const char *line)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0 && errno == ENOENT) {
        g_autofree char *directory = g_path_get_dirname(path);
        g_mkdir_with_parents(directory, 0750);
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    }
    if (fd < 0) {
        log_warning("ONE", "%s cannot be written: %s", path, g_strerror(errno));
        return;
    }
    g_autofree char *text = g_strconcat(line, "\n", NULL);
    if (write(fd, text, strlen(text)) < 0)
        log_warning("ONE", "%s cannot be written: %s", path, g_strerror(errno));
    close(fd);
}

static void job_free(Job *job)
{
    driver_request_free(job->request);
    g_free(job->key);
    g_free(job->name);
    g_strfreev(job->argv);
    g_strfreev(job->environment);
    g_free(job->log_path);
    g_free(job->line);
    g_free(job);
}

static gboolean work_off(gpointer data)
{
    Mads *mads = data;
    g_mutex_lock(&mads->lock);
    Job *job = g_steal_pointer(&mads->jobs);
    mads->jobs_last = &mads->jobs;
    g_mutex_unlock(&mads->lock);
    while (job) {
        Job *next = job->next;
        if (job->request)
            do_send(mads, job);
        if (job->line)
            do_log(job->log_path, job->line);
        job_free(job);
        job = next;
    }
    return G_SOURCE_REMOVE;
}

static void add_job(Mads *mads, Job *job)
{
    g_mutex_lock(&mads->lock);
    gboolean idle = mads->jobs == NULL;
    *mads->jobs_last = job;
    mads->jobs_last = &job->next;
    g_mutex_unlock(&mads->lock);
    if (!idle)
        return;
    GSource *source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, work_off, mads, NULL);
    g_source_attach(source, mads->context);
    g_source_unref(source);
}

static gpointer run(gpointer data)
{
    Mads *mads = data;
    g_main_context_push_thread_default(mads->context);
    g_main_loop_run(mads->loop);
    g_main_context_pop_thread_default(mads->context);
    return NULL;
}

/* ---- what the life cycles call ---- */

static void outside_send(Outside *outside, DriverRequest *request)
{
    Job *job = g_new0(Job, 1);
    job->request = request;
    describe_process((Mads *)outside, job);
    add_job((Mads *)outside, job);
}

static gboolean outside_knows(Outside *outside, DriverClass class, const char *driver)
{
    return config_named(((Mads *)outside)->config, class_keys[class], driver) != NULL;
}

static gboolean outside_same(Outside *outside, DriverClass class, const char *one,
                             const char *other)
{
    const Config *config = ((Mads *)outside)->config;
    const TemplateAttribute *first = config_named(config, class_keys[class], one);
    const TemplateAttribute *second = config_named(config, class_keys[class], other);
    if (!first || !second)
        return FALSE;
    g_auto(GStrv) here = driver_argv(first);
    g_auto(GStrv) there = driver_argv(second);
    return g_strv_equal((const char *const *)here, (const char *const *)there);
}

static gboolean outside_lacks(Outside *outside, DriverClass class, const char *driver,
                              const char *action)
{
    Mads *mads = (Mads *)outside;
    const TemplateAttribute *entry = config_named(mads->config, class_keys[class], driver);
    const char *own = entry ? attribute_get(entry, "NAME") : NULL;
    g_autofree char *key = g_strdup_printf("%s/%s", class_keys[class], own ? own : driver);
    g_mutex_lock(&mads->lock);
    char **lacks = g_hash_table_lookup(mads->lacks, key);
    gboolean missing = lacks && g_strv_contains((const char *const *)lacks, action);
    g_mutex_unlock(&mads->lock);
    return missing;
}

static void outside_vm_log(Outside *outside, gint32 vm, LogLevel level, const char *module,
                           const char *text)
{
    if (level > log_level())
        return;
    Mads *mads = (Mads *)outside;
    Job *job = g_new0(Job, 1);
    job->log_path = paths_vm_log(vm, config_bool(mads->config, "LOG/USE_VMS_LOCATION"));
    job->line = log_format(level, module, text);
    add_job((Mads *)outside, job);
}

static void outside_sample(Outside *outside, SampleKind kind, gint32 id, gint64 time,
                           const char *xml)
{
    Mads *mads = (Mads *)outside;
    if (mads->history)
        history_add(mads->history, kind == SAMPLE_HOST ? HISTORY_HOST : HISTORY_VM, id, time, xml);
}

static void outside_forget(Outside *outside, SampleKind kind, gint32 id)
{
    Mads *mads = (Mads *)outside;
    if (mads->history)
        history_forget(mads->history, kind == SAMPLE_HOST ? HISTORY_HOST : HISTORY_VM, id);
}

Mads *mads_new(Core *core, Config *config, History *history, const char *var, guint64 epoch)
{
    Mads *mads = g_new0(Mads, 1);
    mads->outside = (Outside){outside_send,   outside_knows, outside_vm_log, outside_sample,
                              outside_forget, outside_same,  outside_lacks};
    mads->core = core;
    mads->config = config;
    mads->history = history;
    mads->var = g_strdup(var);
    mads->epoch = epoch;
    mads->jobs_last = &mads->jobs;
    g_mutex_init(&mads->lock);
    mads->processes =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)process_free);
    mads->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    mads->lacks =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_strfreev);
    mads->context = g_main_context_new();
    mads->loop = g_main_loop_new(mads->context, FALSE);
    mads->thread = g_thread_new("drivers", run, mads);
    return mads;
}

void mads_connect(Mads *mads, Lifecycle *lifecycle)
{
    mads->lifecycle = lifecycle;
}

void mads_connect_logins(Mads *mads, const MadsLogins *logins)
{
    mads->logins = *logins;
}

Outside *mads_outside(Mads *mads)
{
    return &mads->outside;
}

static gboolean finalize_all(gpointer data)
{
    Mads *mads = data;
    GHashTableIter iterator;
    gpointer process;
    work_off(mads);
    g_hash_table_iter_init(&iterator, mads->processes);
    while (g_hash_table_iter_next(&iterator, NULL, &process))
        process_finalize(process);
    return G_SOURCE_REMOVE;
}

static gboolean quit_when_ended(gpointer data)
{
    static gint64 since; /* of this one shutdown */
    Mads *mads = data;
    GHashTableIter iterator;
    gpointer process;
    gboolean running = FALSE;
    if (!since)
        since = g_get_monotonic_time();
    g_hash_table_iter_init(&iterator, mads->processes);
    while (g_hash_table_iter_next(&iterator, NULL, &process))
        running |= process_is_running(process);
    if (running && g_get_monotonic_time() - since < END_PATIENCE)
        return G_SOURCE_CONTINUE;
    g_main_loop_quit(mads->loop);
    return G_SOURCE_REMOVE;
}

static void attach(Mads *mads, GSource *source, GSourceFunc function)
{
    g_source_set_callback(source, function, mads, NULL);
    g_source_attach(source, mads->context);
    g_source_unref(source);
}

void mads_stop(Mads *mads)
{
    if (!mads->thread)
        return;
    attach(mads, g_idle_source_new(), finalize_all);
    attach(mads, g_timeout_source_new(10), quit_when_ended);
    g_thread_join(g_steal_pointer(&mads->thread));
}

void mads_free(Mads *mads)
{
    if (!mads)
        return;
    mads_stop(mads);
    g_hash_table_unref(mads->processes);
    g_hash_table_unref(mads->known);
    g_hash_table_unref(mads->lacks);
    g_main_loop_unref(mads->loop);
    g_main_context_unref(mads->context);
    g_mutex_clear(&mads->lock);
    g_free(mads->var);
    g_free(mads);
}
