#include "drivers/datastore/datastore.h"

#include "drivers/common/dummy.h"
#include "drivers/datastore/backup.h"
#include "drivers/datastore/fs.h"
#include "drivers/datastore/store.h"
#include "lib/base/error.h"
#include <signal.h>
#include <string.h>

/* oned has its own limits and cancels; these are for work that it forgot. */
#define COPY_SECONDS    (48 * 3600)
#define STAT_SECONDS    60 /* as long as oned waits for it */
#define MONITOR_SECONDS 60
#define THREADS         15
/* What a simulated datastore has, and what an image has there that says no size. */
#define DUMMY_ROOM "TOTAL_MB=1048576\nUSED_MB=10240\nFREE_MB=1038336\n"
#define DUMMY_SIZE 1024

typedef enum { FLAVOUR_FS, FLAVOUR_RSYNC, FLAVOUR_DUMMY, FLAVOUR_COUNT } FlavourId;

static const char *const flavour_names[FLAVOUR_COUNT] = {"fs", "rsync", "dummy"};

static gboolean serves[FLAVOUR_COUNT];
static FlavourId general; /* for datastores that name none */

/* ---- what a simulated datastore answers ---- */

static char *dummy_file(const DsRequest *request)
{
    g_autofree char *target = ds_request_target(request, NULL);
    return g_strdup_printf("%s %s", target != NULL ? target : "dummy",
                           request->format != NULL ? request->format : "raw");
}

static char *dummy_size(const DsRequest *request)
{
    return g_strdup_printf("%" G_GINT64_FORMAT,
                           request->size_mb > 0 ? request->size_mb : DUMMY_SIZE);
}

static char *dummy_room(const DsRequest *request)
{
    return g_base64_encode((const guchar *)DUMMY_ROOM, strlen(DUMMY_ROOM));
}

static char *dummy_nothing(const DsRequest *request)
{
    return g_strdup("-");
}

/* A simulated increment is always as small as one can be. */
static char *dummy_backup(const DsRequest *request)
{
    return g_strdup_printf("%" G_GINT64_FORMAT " 1 %s", request->backup.number,
                           request->backup.parent < 0 ? "full" : "increment");
}

static char *dummy_flat(const DsRequest *request)
{
    return g_strdup("1");
}

/* NULL: such a datastore does not do that. */
static const struct {
    const char *name;
    DsDeed fs, rsync;
    char *(*dummy)(const DsRequest *request); /* (owned) */
} deeds[] = {
    {"CP", fs_copy, NULL, dummy_file},
    {"MKFS", fs_make, NULL, dummy_file},
    {"CLONE", fs_clone, NULL, dummy_file},
    {"RM", fs_remove, backup_remove, dummy_nothing},
    {"STAT", fs_size, NULL, dummy_size},
    {"MONITOR", fs_monitor, backup_monitor, dummy_room},
    {"SNAP_DELETE", fs_forget, NULL, dummy_nothing},
    {"SNAP_REVERT", fs_revert, NULL, dummy_nothing},
    {"SNAP_FLATTEN", fs_flatten, NULL, dummy_nothing},
    {"BACKUP", NULL, backup_keep, dummy_backup},
    {"INCREMENT_FLATTEN", NULL, backup_flatten, dummy_flat},
    {"RESTOREVM", NULL, backup_return, dummy_nothing},
    {"RESTORE", fs_restore, NULL, dummy_file},
};

static guint deed_of(const DriverJob *job)
{
    guint deed = 0;
    while (!g_str_equal(deeds[deed].name, driver_job_action(job)))
        deed++;
    return deed;
}

/* ---- requests ---- */

static int find_flavour(const char *name)
{
    for (guint i = 0; i < FLAVOUR_COUNT; i++)
        if (g_ascii_strcasecmp(flavour_names[i], name) == 0)
            return (int)i;
    return -1;
}

char *datastore_flavours(void)
{
    return g_strjoin(", ", flavour_names[FLAVOUR_FS], flavour_names[FLAVOUR_RSYNC],
                     flavour_names[FLAVOUR_DUMMY], NULL);
}

gboolean datastore_init(const char *flavours, GError **error)
{
    g_auto(GStrv) names = g_strsplit(flavours != NULL ? flavours : "fs", ",", -1);
    gboolean any = FALSE;
    memset(serves, 0, sizeof serves);
    for (guint i = 0; names[i] != NULL; i++) {
        int found = find_flavour(g_strstrip(names[i]));
        if (found < 0)
            continue;
        general = any ? general : (FlavourId)found;
        any = serves[found] = TRUE;
    }
    if (!any) {
        g_autofree char *known = datastore_flavours();
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "there is no datastore driver \"%s\"; known are %s", flavours, known);
        return FALSE;
    }
    /* A program that unpacks may end before it has read everything. */
    (void)signal(SIGPIPE, SIG_IGN);
    return TRUE;
}

static FlavourId flavour_of(const DsRequest *request)
{
    int found = request->flavour != NULL ? find_flavour(request->flavour) : (int)general;
    return (FlavourId)found;
}

static void free_request(gpointer data)
{
    ds_request_free(data);
}

static gboolean prepare(DriverJob *job, GError **error)
{
    g_autoptr(DsRequest) request =
        ds_request_parse(driver_job_id(job), driver_job_payload(job), error);
    if (request == NULL)
        return FALSE;
    int flavour = request->flavour != NULL ? find_flavour(request->flavour) : (int)general;
    if (flavour < 0 || !serves[flavour]) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "one_datastore does not serve DS_MAD \"%s\" of datastore %" G_GINT64_FORMAT
                    "; add it to -d in DATASTORE_MAD of oned.conf, or change the datastore",
                    request->flavour != NULL ? request->flavour : "", request->datastore);
        return FALSE;
    }
    driver_job_set_data(job, g_steal_pointer(&request), free_request);
    return TRUE;
}

static char *queue_of(const DriverJob *job)
{
    const DsRequest *request = driver_job_data(job);
    /* Of a URL another computer decides how long it takes to tell its size: nothing else waits. */
    gboolean asks = strcmp(driver_job_action(job), "STAT") == 0;
    return g_strdup_printf("datastore %" G_GINT64_FORMAT "%s",
                           request != NULL ? request->datastore : -1, asks ? " sizes" : "");
}

/* ---- simulated ---- */

static char *knob_name(DriverJob *job)
{
    const DsRequest *request = driver_job_data(job);
    return g_strdup_printf("datastore-%" G_GINT64_FORMAT, request->datastore);
}

static void end_simulated(DriverJob *job)
{
    g_autofree char *name = knob_name(job);
    guint deed = deed_of(job);
    DummyOdds odds = dummy_odds(deeds[deed].name, name);
    if (odds.fail > 0 && g_random_double() < odds.fail) {
        driver_job_fail(job, "%s failed in %s (simulated)", deeds[deed].name, name);
    } else if (odds.lost > 0 && g_random_double() < odds.lost) {
        driver_job_drop(job);
    } else {
        g_autofree char *info = deeds[deed].dummy(driver_job_data(job));
        driver_job_succeed(job, info);
    }
}

static void simulate(DriverJob *job)
{
    g_autofree char *name = knob_name(job);
    dummy_delay(job, driver_job_action(job), name, simulate, end_simulated);
}

/* ---- real ---- */

static gboolean job_cancelled(gpointer data)
{
    return driver_job_cancelled(data);
}

static gboolean making_cancelled(gpointer data)
{
    return driver_job_cancelled(data) || store_is_unwanted(driver_job_id(data));
}

static void log_line(char severity, gint64 id, const char *text)
{
    driver_log(severity, id, "%s", text);
}

static void run(DriverJob *job)
{
    const DsRequest *request = driver_job_data(job);
    guint deed = deed_of(job);
    g_autoptr(GError) error = NULL;
    if (flavour_of(request) == FLAVOUR_DUMMY) {
        g_autofree char *name = knob_name(job);
        if (dummy_wait(job, deeds[deed].name, name))
            end_simulated(job);
        else
            driver_job_fail(job, "cancelled");
        return;
    }
    DsDeed act = flavour_of(request) == FLAVOUR_RSYNC ? deeds[deed].rsync : deeds[deed].fs;
    if (act == NULL) {
        gboolean keeps_backups = flavour_of(request) == FLAVOUR_RSYNC;
        driver_job_fail(job, "a datastore with DS_MAD = %s does not do %s: it keeps %s",
                        keeps_backups ? "rsync" : "fs", deeds[deed].name,
                        keeps_backups ? "backups, not images" : "images, not backups");
        return;
    }
    gboolean makes = act == fs_copy || act == fs_make || act == fs_clone || act == backup_keep;
    SshWatch watch = {.cancelled = makes ? making_cancelled : job_cancelled, .data = job};
    DsWork work = {request, &watch, log_line};
    g_autofree char *info = act(&work, &error);
    if (info != NULL)
        driver_job_succeed(job, info);
    else
        driver_job_fail(job, "%s", error->message);
}

/* Copies of one datastore wait for each other; what is answered at once has a lane of its own. */
#define ROWS(run, lane, flags)                                                                     \
    {"CP", run, COPY_SECONDS, flags}, {"MKFS", run, COPY_SECONDS, flags},                          \
        {"CLONE", run, COPY_SECONDS, flags}, {"RM", run, COPY_SECONDS, lane},                      \
        {"STAT", run, STAT_SECONDS, (lane) | DRIVER_OTHER_IDS},                                    \
        {"MONITOR", run, MONITOR_SECONDS, (lane) | DRIVER_OTHER_IDS},                              \
        {"SNAP_DELETE", run, COPY_SECONDS, flags}, {"SNAP_REVERT", run, COPY_SECONDS, flags},      \
        {"SNAP_FLATTEN", run, COPY_SECONDS, flags}, {"BACKUP", run, COPY_SECONDS, flags},          \
        {"INCREMENT_FLATTEN", run, COPY_SECONDS, flags}, {"RESTOREVM", run, COPY_SECONDS, flags},  \
        {"RESTORE", run, COPY_SECONDS, flags},                                                     \
    {                                                                                              \
        NULL                                                                                       \
    }

static const DriverAction real_actions[] = {ROWS(run, DRIVER_URGENT, DRIVER_QUEUED)};
static const DriverAction dummy_actions[] = {ROWS(simulate, DRIVER_AT_ONCE, DRIVER_AT_ONCE)};

Driver datastore_driver(guint threads, guint per_datastore)
{
    return (Driver){
        .program = "one_datastore",
        .actions = serves[FLAVOUR_FS] || serves[FLAVOUR_RSYNC] ? real_actions : dummy_actions,
        .queue_of = queue_of,
        .prepare = prepare,
        .threads = threads > 0 ? threads : THREADS,
        .per_host = per_datastore,
    };
}
