/*
 * oned: puts the parts together. Reads like a table of contents: options, configuration,
 * log, state, drivers, calls, and then the core runs until a signal ends it.
 */
#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "server/auth/first_start.h"
#include "server/auth/password.h"
#include "server/auth/session.h"
#include "server/core/config.h"
#include "server/core/core.h"
#include "server/http/http.h"
#include "server/lifecycle/lifecycle.h"
#include "server/lifecycle/states_page.h"
#include "server/mads/mads.h"
#include "server/model/people/quota.h"
#include "server/model/world.h"
#include "server/rpc/api_page.h"
#include "server/rpc/gate.h"
#include "server/rpc/login.h"
#include "server/rpc/method.h"
#include "server/rpc/openapi.h"
#include "server/rpc/server.h"
#include "server/store/store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

typedef struct Oned {
    char *config_path, *var, *database;
    Config *config;
    Store *store;
    Core *core;
    World *world;
    History *history;
    Mads *mads;
    Lifecycle *lifecycle;
    Sessions *sessions;
    RpcServer *rpc;
    Gate *gate;
    Http *http;
    int lock;
    gboolean has_log; /* a file, so that standard error is free for people */
    gboolean is_copy; /* `database` is one that was made to be checked */
} Oned;

/* ---- options ---- */

static struct {
    char *config, *backup;
    gboolean check, repair, version, keys, foreground, api, openapi, states;
} options;

static const GOptionEntry entries[] = {
    {"config", 'c', 0, G_OPTION_ARG_FILENAME, &options.config, "Configuration to read", "FILE"},
    {"foreground", 'f', 0, G_OPTION_ARG_NONE, &options.foreground,
     "Stay in the foreground (always so; kept for scripts of other versions)", NULL},
    {"check", 0, 0, G_OPTION_ARG_NONE, &options.check,
     "Verify the database and everything that must hold in it, then end", NULL},
    {"repair", 0, 0, G_OPTION_ARG_NONE, &options.repair,
     "With --check: set right what follows from the rest; oned must not run", NULL},
    {"backup", 0, 0, G_OPTION_ARG_FILENAME, &options.backup,
     "Make a consistent copy of the database, also while oned runs, then end", "FILE"},
    {"config-keys", 0, 0, G_OPTION_ARG_NONE, &options.keys,
     "List every key of the configuration with its default", NULL},
    {"print-api", 0, 0, G_OPTION_ARG_NONE, &options.api, "Print the page of all methods", NULL},
    {"print-openapi", 0, 0, G_OPTION_ARG_NONE, &options.openapi,
     "Print the description of the methods as JSON (OpenAPI)", NULL},
    {"print-states", 0, 0, G_OPTION_ARG_NONE, &options.states,
     "Print the page of a machine's states", NULL},
    {"version", 'v', 0, G_OPTION_ARG_NONE, &options.version, "Print the version", NULL},
    {NULL}};

static gboolean read_options(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("- the daemon of Globule");
    g_autoptr(GError) error = NULL;
    g_option_context_add_main_entries(context, entries, NULL);
    gboolean parsed = g_option_context_parse(context, &argc, &argv, &error) && argc == 1;
    if (parsed && (options.check || !options.repair))
        return TRUE;
    fprintf(stderr, "oned: %s; `oned --help` lists the options\n",
            error    ? error->message
            : parsed ? "--repair needs --check, which says what is wrong"
                     : "there are words that are no options");
    return FALSE;
}

/* ---- configuration and log ---- */

static gboolean open_log(Oned *oned, GError **error)
{
    const char *system = config_text(oned->config, "LOG/SYSTEM");
    LogLevel level = (LogLevel)MIN(config_int(oned->config, "LOG/DEBUG_LEVEL"), LOG_DEBUG);
    if (!strcmp(system, "file")) {
        g_autofree char *path = paths_log("oned.log");
        g_autofree char *directory = g_path_get_dirname(path);
        g_mkdir_with_parents(directory, 0750);
        oned->has_log = log_open(LOG_TO_FILE, path, level, error);
        return oned->has_log;
    }
    return log_open(!strcmp(system, "std") ? LOG_TO_STDERR : LOG_TO_JOURNAL, NULL, level, error);
}

static gboolean load_config(Oned *oned, GError **error)
{
    /* The usual file may be missing, then the defaults hold; one that was named may not. */
    if (options.config && !g_file_test(options.config, G_FILE_TEST_EXISTS)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "there is no file %s", options.config);
        return FALSE;
    }
    oned->config_path = options.config ? g_strdup(options.config) : paths_etc("oned.conf");
    oned->config = config_load(oned->config_path, error);
    return oned->config != NULL;
}

/* ---- state ---- */

/* One oned a database. The lock goes with the process, however it ends. */
static gboolean take_lock(Oned *oned, GError **error)
{
    g_autofree char *path = paths_var("oned.lock");
    oned->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (oned->lock >= 0 && flock(oned->lock, LOCK_EX | LOCK_NB) == 0)
        return TRUE;
    if (errno == EWOULDBLOCK)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "another oned runs with the state in %s; stop it first (`one stop`)",
                    oned->var);
    else
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "%s: %s. Its directory must exist and belong to the user who runs oned", path,
                    g_strerror(errno));
    return FALSE;
}

static gboolean open_state(Oned *oned, GError **error)
{
    oned->store = store_sqlite_open(oned->database, world_tables(), error);
    if (!oned->store)
        return FALSE;
    oned->core = core_new(oned->store, clock_system());
    oned->world = world_new(oned->core, oned->config, oned->var);
    core_set_before_commit(oned->core, (void (*)(gpointer))world_save, oned->world);
    return world_load(oned->world, oned->store, error);
}

/* The first start: the administrator comes from one_auth. */
static gboolean bootstrap(Oned *oned, GError **error)
{
    g_auto(Credentials) admin = {0};
    if (!world_is_empty(oned->world))
        return TRUE;
    if (!credentials_find(&admin, error))
        return FALSE;
    g_autofree char *verifier = password_verifier(admin.password, error);
    if (!verifier)
        return FALSE;
    world_bootstrap(oned->world, admin.user, verifier, "-");
    log_info("ONE", "First start: administrator %s, password %s in %s", admin.user,
             admin.is_new ? "made and written" : "read", admin.path);
    if (admin.is_new)
        printf("oned: made the administrator %s; the password is in %s\n", admin.user, admin.path);
    return TRUE;
}

/* The server's user has a secret from the first start on; databases of before that have none. */
static gboolean give_server_a_secret(Oned *oned, GError **error)
{
    User *user = user_get(oned->world, USER_SERVERADMIN);
    g_autofree char *directory = g_build_filename(oned->var, ".one", NULL);
    if (!user || strcmp(user->auth_driver, "server_cipher") != 0 ||
        (strcmp(user->password, "-") != 0 && *user->password != '$'))
        return TRUE;
    char *hash = server_secret_make(directory, error);
    if (!hash)
        return FALSE;
    g_free(user->password);
    user->password = hash;
    object_changed(oned->world, &user->head);
    log_info("ONE", "Servers that act for users find their secret in %s", directory);
    return TRUE;
}

/* ---- calls ---- */

static gboolean method_exists(const char *name)
{
    guint count;
    const RpcMethod *rows = rpc_methods(&count);
    for (guint i = 0; i < count; i++)
        if (!strcmp(rows[i].name, name))
            return TRUE;
    return FALSE;
}

static void to_server(RpcCall *call, gpointer server)
{
    rpc_dispatch(server, call);
}

static gboolean is_stateless(const char *method, gpointer server)
{
    return rpc_is_stateless(server, method);
}

static RpcReply *answer_now(RpcCall *call, gpointer server)
{
    return rpc_answer_now(server, call);
}

static const char *text_or_null(const Config *config, const char *key)
{
    const char *text = config_text(config, key);
    return *text ? text : NULL;
}

/* Options with the limits that may change while oned runs. */
static HttpOptions call_limits(const Config *config)
{
    HttpOptions http = http_options_default();
    http.body_bytes = (gsize)config_int(config, "MESSAGE_SIZE");
    http.nesting = (guint)config_int(config, "MAX_NESTING");
    http.connections_per_address = (guint)config_int(config, "MAX_CONN_PER_ADDRESS");
    http.in_flight = (guint)config_int(config, "MAX_REQUESTS");
    http.request_seconds = (guint)config_int(config, "TIMEOUT");
    return http;
}

static gboolean start_calls(Oned *oned, GError **error)
{
    const Config *config = oned->config;
    SessionsOptions sessions = sessions_options_default();
    sessions.remember_seconds = (guint)config_int(config, "SESSION_EXPIRATION_TIME");
    sessions.allow_2009_without_password = config_bool(config, "ALLOW_2009_WITHOUT_PASSWORD");
    oned->sessions = sessions_new(&sessions);
    oned->rpc = rpc_server_new(oned->world, oned->lifecycle, oned->sessions, oned->history);
    rpc_server_publish_users(oned->rpc);
    rpc_server_connect_drivers(oned->rpc, mads_outside(oned->mads));
    mads_connect_logins(oned->mads, &(MadsLogins){rpc_login_answered, rpc_login_failed, oned->rpc});
    GateOptions gate = {.sessions = oned->sessions,
                        .dispatch = to_server,
                        .data = oned->rpc,
                        .exists = method_exists,
                        .is_stateless = is_stateless,
                        .answer_now = answer_now};
    oned->gate = gate_new(&gate);
    HttpOptions http = call_limits(config);
    http.address = config_text(config, "LISTEN_ADDRESS");
    http.port = (guint16)config_int(config, "PORT");
    http.threads = (guint)config_int(config, "HTTP_THREADS");
    http.connections = (guint)config_int(config, "MAX_CONN");
    http.idle_seconds = (guint)config_int(config, "KEEPALIVE_TIMEOUT");
    http.answer_now = gate_answer_now;
    http.tls_certificate = text_or_null(config, "TLS_CERT");
    http.tls_key = text_or_null(config, "TLS_KEY");
    http.consoles = rpc_server_consoles(oned->rpc);
    oned->http = http_start(&http, gate_dispatch, oned->gate, error);
    if (oned->http)
        log_info("ONE", "Listening on %s port %u", http.address, http_port(oned->http));
    return oned->http != NULL;
}

/* ---- signals ---- */

/* A signal, as an input of the core. */
typedef struct Signalled {
    CoreInput input;
    Oned *oned;
} Signalled;

static void log_keys(const char *what, const GPtrArray *keys)
{
    for (guint i = 0; keys && i < keys->len; i++)
        log_info("ONE", "Configuration: %s %s", (const char *)keys->pdata[i], what);
}

static gboolean any_begins(const GPtrArray *keys, const char *with)
{
    for (guint i = 0; i < keys->len; i++)
        if (g_str_has_prefix(keys->pdata[i], with))
            return TRUE;
    return FALSE;
}

static void reload_handle(Core *core, CoreInput *input)
{
    Oned *oned = ((Signalled *)input)->oned;
    g_auto(ConfigChanges) changes = {0};
    g_autoptr(GError) error = NULL;
    log_reopen();
    if (!config_reload(oned->config, &changes, &error)) {
        log_error("ONE", "The configuration stays as it was: %s", error->message);
        return;
    }
    log_set_level((LogLevel)MIN(config_int(oned->config, "LOG/DEBUG_LEVEL"), LOG_DEBUG));
    host_capacity_changed(oned->lifecycle, -1);
    if (any_begins(changes.applied, "MONITORING_INTERVAL"))
        lifecycle_monitor_now(oned->lifecycle);
    history_set_keep(oned->history, config_int(oned->config, "MONITORING_HISTORY"));
    rpc_logins_reconfigured(oned->rpc);
    sessions_set_remembered(oned->sessions,
                            (guint)config_int(oned->config, "SESSION_EXPIRATION_TIME"));
    HttpOptions limits = call_limits(oned->config);
    http_change_limits(oned->http, &limits);
    log_keys("is in force now", changes.applied);
    log_keys("takes effect when oned starts again", changes.restart);
    if (config_warning(oned->config))
        log_warning("ONE", "%s", config_warning(oned->config));
}

static void signalled_destroy(CoreInput *input)
{
    g_free(input);
}

static void end_handle(Core *core, CoreInput *input)
{
    lifecycle_end(((Signalled *)input)->oned->lifecycle);
    rpc_logins_end(((Signalled *)input)->oned->rpc);
    core_stop(core);
}

static gpointer wait_for_signals(gpointer data)
{
    Oned *oned = data;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    for (;;) {
        int signal_number;
        if (sigwait(&signals, &signal_number) != 0)
            continue;
        gboolean ends = signal_number != SIGHUP;
        if (ends)
            log_info("ONE", "Ending, by signal %d", signal_number);
        Signalled *signalled = g_new0(Signalled, 1);
        signalled->input.handle = ends ? end_handle : reload_handle;
        signalled->input.destroy = signalled_destroy;
        signalled->oned = oned;
        core_post(oned->core, &signalled->input);
        if (ends)
            return NULL;
    }
}

static void block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGPIPE);
    sigaddset(&signals, SIGXFSZ); /* a file that may not grow is an error of writing */
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

/* ---- the other uses of the program ---- */

/* While oned runs, a copy is checked: the file itself is its own. */
static gboolean check_copy(Oned *oned, GError **error)
{
    g_autofree char *copy = paths_var("one.db.check");
    unlink(copy);
    if (!store_sqlite_backup(oned->database, copy, error))
        return FALSE;
    g_free(oned->database);
    oned->database = g_steal_pointer(&copy);
    return TRUE;
}

static void remove_copy(const Oned *oned)
{
    static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
    for (guint i = 0; i < G_N_ELEMENTS(endings); i++) {
        g_autofree char *path = g_strconcat(oned->database, endings[i], NULL);
        unlink(path);
    }
}

/* What can be set right is, and stored. How much of `before` is left. */
static guint repair_database(Oned *oned, guint before)
{
    world_repair(oned->world);
    core_step(oned->core);
    oned->store->flush(oned->store);
    g_autoptr(GPtrArray) left = world_check(oned->world);
    printf("%u set right, %u left\n", before - MIN(before, left->len), left->len);
    for (guint i = 0; i < left->len; i++)
        printf("left: %s\n", (const char *)left->pdata[i]);
    return left->len;
}

static int check_database(Oned *oned)
{
    g_autoptr(GError) error = NULL;
    guint left = 0;
    g_autofree char *database = g_strdup(oned->database);
    if (!g_file_test(oned->database, G_FILE_TEST_EXISTS)) {
        fprintf(stderr, "oned: %s does not exist; it is made at the first start\n", oned->database);
        return 1;
    }
    gboolean locked = take_lock(oned, options.repair ? &error : NULL);
    oned->is_copy = !locked && !error && check_copy(oned, &error);
    gboolean opened =
        !error && store_sqlite_verify(oned->database, &error) && open_state(oned, &error);
    if (!opened) {
        fprintf(stderr, "oned: %s: %s\n", database, error->message);
        return 1;
    }
    g_autoptr(GPtrArray) found = world_check(oned->world);
    for (guint i = 0; i < found->len; i++)
        printf("%s\n", (const char *)found->pdata[i]);
    left = found->len && options.repair ? repair_database(oned, found->len) : found->len;
    printf("%s: schema %d, %u machines, %u hosts, %u users: %s\n", database, store_sqlite_version(),
           pool_count(oned->world, KIND_VM), pool_count(oned->world, KIND_HOST),
           pool_count(oned->world, KIND_USER), left ? "NOT in order, see above" : "in order");
    return left ? 1 : 0;
}

static int backup_database(Oned *oned)
{
    g_autoptr(GError) error = NULL;
    if (store_sqlite_backup(oned->database, options.backup, &error)) {
        printf("%s: copied to %s\n", oned->database, options.backup);
        return 0;
    }
    fprintf(stderr, "oned: %s\n", error->message);
    return 1;
}

/* ---- the daemon ---- */

static gboolean start(Oned *oned, GError **error)
{
    g_autofree char *samples = paths_var("monitoring.db");
    if (!take_lock(oned, error) || !open_log(oned, error))
        return FALSE;
    log_info("ONE", "Globule %s starts; state in %s", GLOBULE_VERSION, oned->var);
    if (!g_file_test(oned->config_path, G_FILE_TEST_EXISTS))
        log_warning("ONE", "there is no %s: the defaults hold, and no driver is known",
                    oned->config_path);
    if (config_warning(oned->config))
        log_warning("ONE", "%s", config_warning(oned->config));
    if (!open_state(oned, error) || !bootstrap(oned, error) || !give_server_a_secret(oned, error))
        return FALSE;
    for (guint i = 0; i < quota_found_wrong(oned->world)->len; i++)
        log_warning("ONE", "%s; it is set right now",
                    (const char *)quota_found_wrong(oned->world)->pdata[i]);
    oned->history = history_open(samples, config_int(oned->config, "MONITORING_HISTORY"), error);
    if (!oned->history)
        return FALSE;
    oned->mads = mads_new(oned->core, oned->config, oned->history, oned->var, oned->world->epoch);
    oned->lifecycle = lifecycle_new(oned->world, mads_outside(oned->mads));
    mads_connect(oned->mads, oned->lifecycle);
    if (!start_calls(oned, error))
        return FALSE;
    lifecycle_start(oned->lifecycle);
    return TRUE;
}

static void stop(Oned *oned)
{
    /* Calls that came are answered: those that wait for something, and those still queued. */
    if (oned->lifecycle) {
        lifecycle_end_waits(oned->lifecycle);
        core_finish(oned->core);
    }
    if (oned->http) {
        http_stop(oned->http);
        core_finish(oned->core);
    }
    if (oned->mads)
        mads_stop(oned->mads);
    g_clear_pointer(&oned->sessions, sessions_free);
    g_clear_pointer(&oned->gate, gate_free);
    g_clear_pointer(&oned->rpc, rpc_server_free);
    g_clear_pointer(&oned->core, core_free);
    g_clear_pointer(&oned->lifecycle, lifecycle_free);
    g_clear_pointer(&oned->mads, mads_free);
    g_clear_pointer(&oned->world, world_free);
    g_clear_pointer(&oned->history, history_close);
    if (oned->store)
        oned->store->destroy(oned->store);
    g_clear_pointer(&oned->config, config_free);
}

static int run(Oned *oned)
{
    g_autoptr(GError) error = NULL;
    g_mkdir_with_parents(oned->var, 0750);
    block_signals();
    gboolean well = start(oned, &error);
    if (well) {
        GThread *signals = g_thread_new("signals", wait_for_signals, oned);
        core_run(oned->core);
        well = !core_has_failed(oned->core);
        /* A failed store ends the core without a signal; the thread then waits for ever, and ends
         * with the process. */
        g_thread_unref(signals);
    } else {
        if (oned->has_log)
            log_error("ONE", "%s", error->message);
        fprintf(stderr, "oned: %s\n", error->message);
    }
    return well ? 0 : 1;
}

/* Options that print something and end. */
static gboolean prints_only(void)
{
    g_autofree char *text = options.version   ? g_strdup("Globule " GLOBULE_VERSION "\n")
                            : options.keys    ? config_help()
                            : options.api     ? rpc_api_page()
                            : options.openapi ? rpc_openapi()
                            : options.states  ? vm_states_page()
                                              : NULL;
    if (text)
        fputs(text, stdout);
    return text != NULL;
}

int main(int argc, char **argv)
{
    Oned oned = {.lock = -1};
    g_autoptr(GError) error = NULL;
    if (!read_options(argc, argv))
        return 2;
    if (prints_only())
        return 0;
    oned.var = paths_var(NULL);
    oned.database = paths_var("one.db");
    int code = 1;
    if (!load_config(&oned, &error))
        fprintf(stderr, "oned: %s\n", error->message);
    else if (options.backup)
        code = backup_database(&oned);
    else if (options.check)
        code = check_database(&oned);
    else
        code = run(&oned);
    stop(&oned);
    if (oned.is_copy)
        remove_copy(&oned);
    g_free(oned.config_path);
    g_free(oned.database);
    g_free(oned.var);
    return code;
}
