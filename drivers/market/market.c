#include "drivers/market/market.h"

#include "drivers/common/dummy.h"
#include "drivers/common/source.h"
#include "drivers/market/catalogue.h"
#include "drivers/market/published.h"
#include "lib/base/error.h"
#include "lib/mad/line.h"
#include <string.h>

/* oned has its own limits and cancels; these are for work that it forgot. */
#define COPY_SECONDS    (48 * 3600)
#define MONITOR_SECONDS 300
#define THREADS         15
/* Bytes of one catalogue. */
#define CATALOGUE_MAX (32 * 1024 * 1024)
/* What a simulated marketplace has. */
#define DUMMY_ROOM "TOTAL_MB=1048576\nUSED_MB=10240\nFREE_MB=1038336\n"
#define DUMMY_FILE                                                                                 \
    "SOURCE=\"http://dummy.invalid/app-%" G_GINT64_FORMAT "\"\nMD5=\"" DUMMY_MD5                   \
    "\"\nSIZE=\"1\"\nFORMAT=\"raw\"\n"
#define DUMMY_MD5 "d41d8cd98f00b204e9800998ecf8427e"

/* What the success tells (owned), or NULL with an error. */
typedef char *(*Deed)(const MarketRequest *request, const SshWatch *watch, GError **error);

static char *dummy_import(const MarketRequest *request, const SshWatch *watch, GError **error);
static char *dummy_delete(const MarketRequest *request, const SshWatch *watch, GError **error);
static char *dummy_monitor(const MarketRequest *request, const SshWatch *watch, GError **error);
static char *catalogue_monitor(const MarketRequest *request, const SshWatch *watch, GError **error);

typedef struct Flavour {
    const char *name;
    Deed import, remove, monitor; /* NULL: apps are only taken from there */
    /* Of a catalogue: who serves it usually, where, and how it is read. */
    const char *endpoint, *path;
    CatalogueReader read;
} Flavour;

static const Flavour flavours[] = {
    {"http", published_import, published_delete, published_monitor},
    {"one", NULL, NULL, catalogue_monitor, "https://marketplace.opennebula.io", "/appliance",
     catalogue_read_one},
    {"linuxcontainers", NULL, NULL, catalogue_monitor, "https://images.linuxcontainers.org",
     "/meta/1.0/index-user", catalogue_read_containers},
    {"dummy", dummy_import, dummy_delete, dummy_monitor},
};

static gboolean serves[G_N_ELEMENTS(flavours)];

static const Flavour *find_flavour(const char *name)
{
    for (guint i = 0; name != NULL && i < G_N_ELEMENTS(flavours); i++)
        if (serves[i] && g_ascii_strcasecmp(flavours[i].name, name) == 0)
            return &flavours[i];
    return NULL;
}

/* ---- simulated ---- */

static char *encoded(char *text)
{
    char *base64 = g_base64_encode((const guchar *)text, strlen(text));
    g_free(text);
    return base64;
}

/* What happens to requests of "market-<id>" as the simulation's knobs say. */
static gboolean dummy_goes_well(const MarketRequest *request, const char *action,
                                const SshWatch *watch, GError **error)
{
    g_autofree char *name = g_strdup_printf("market-%" G_GINT64_FORMAT, request->market);
    DummyOdds odds = dummy_odds(action, name);
    for (; odds.hold && !watch->cancelled(watch->data); odds = dummy_odds(action, name))
        g_usleep(G_USEC_PER_SEC / 50);
    if (odds.latency > 0)
        g_usleep((gulong)(odds.latency * G_USEC_PER_SEC));
    if (odds.fail <= 0 || g_random_double() >= odds.fail)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%s failed in %s (simulated)", action, name);
    return FALSE;
}

static char *dummy_import(const MarketRequest *request, const SshWatch *watch, GError **error)
{
    return dummy_goes_well(request, "IMPORT", watch, error)
               ? encoded(g_strdup_printf(DUMMY_FILE, request->app))
               : NULL;
}

static char *dummy_delete(const MarketRequest *request, const SshWatch *watch, GError **error)
{
    return dummy_goes_well(request, "DELETE", watch, error) ? g_strdup("-") : NULL;
}

static char *dummy_monitor(const MarketRequest *request, const SshWatch *watch, GError **error)
{
    return dummy_goes_well(request, "MONITOR", watch, error) ? encoded(g_strdup(DUMMY_ROOM)) : NULL;
}

/* ---- catalogues ---- */

/* All of a URL. (owned) */
static GByteArray *fetch(const char *url, gboolean local, const SshWatch *watch, GError **error)
{
    SourceFences fences = {.local = local};
    g_autoptr(Source) source = source_open(url, &fences, 0, watch, error);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint8 buffer[16 * 1024];
    gssize got = -1;
    while (source != NULL && (got = source_read(source, buffer, sizeof buffer, error)) > 0 &&
           bytes->len <= CATALOGUE_MAX)
        g_byte_array_append(bytes, buffer, (guint)got);
    if (got == 0)
        return g_steal_pointer(&bytes);
    if (got > 0)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "%s has more than %d MiB", url,
                    CATALOGUE_MAX / (1024 * 1024));
    return NULL;
}

static char *catalogue_monitor(const MarketRequest *request, const SshWatch *watch, GError **error)
{
    const Flavour *flavour = find_flavour(request->flavour);
    const char *endpoint = request->endpoint != NULL ? request->endpoint : flavour->endpoint;
    g_autofree char *url = g_strconcat(endpoint, flavour->path, NULL);
    if (!g_str_has_prefix(url, "http://") && !g_str_has_prefix(url, "https://")) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "ENDPOINT \"%s\" is no address that begins with http:// or https://", endpoint);
        return NULL;
    }
    g_autoptr(GByteArray) bytes = fetch(url, request->trusted, watch, error);
    g_autofree char *list =
        bytes != NULL ? flavour->read((const char *)bytes->data, bytes->len, endpoint, error)
                      : NULL;
    if (list == NULL) {
        if (bytes != NULL)
            g_prefix_error(error, "%s: ", url);
        return NULL;
    }
    if (strlen(list) / 3 * 4 > MAD_LINE_MAX - 1024) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "%s has more apps than one line to oned holds", url);
        return NULL;
    }
    return encoded(g_steal_pointer(&list));
}

/* ---- requests ---- */

char *market_flavours(void)
{
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(flavours); i++)
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", flavours[i].name);
    return g_strdup(names->str);
}

gboolean market_init(const char *list, GError **error)
{
    g_auto(GStrv) names = g_strsplit(list != NULL ? list : "", ",", -1);
    gboolean any = list == NULL;
    for (guint i = 0; i < G_N_ELEMENTS(flavours); i++) {
        serves[i] = list == NULL;
        for (guint j = 0; names[j] != NULL; j++)
            if (g_ascii_strcasecmp(g_strstrip(names[j]), flavours[i].name) == 0)
                any = serves[i] = TRUE;
    }
    if (!any) {
        g_autofree char *known = market_flavours();
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "there is no driver of marketplaces \"%s\"; known are %s", list, known);
    }
    return any;
}

static void free_request(gpointer data)
{
    market_request_free(data);
}

static Deed deed_of(const Flavour *flavour, const char *action)
{
    return strcmp(action, "IMPORT") == 0   ? flavour->import
           : strcmp(action, "DELETE") == 0 ? flavour->remove
                                           : flavour->monitor;
}

static gboolean prepare(DriverJob *job, GError **error)
{
    g_autoptr(MarketRequest) request = market_request_parse(driver_job_payload(job), error);
    if (request == NULL)
        return FALSE;
    const Flavour *flavour = find_flavour(request->flavour);
    const char *name = request->flavour != NULL ? request->flavour : "";
    if (flavour == NULL)
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "one_market does not serve MARKET_MAD \"%s\" of marketplace %" G_GINT64_FORMAT
                    "; add it to -m in MARKET_MAD of oned.conf, or change the marketplace",
                    name, request->market);
    else if (deed_of(flavour, driver_job_action(job)) == NULL)
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "%s is not possible in marketplace %" G_GINT64_FORMAT
                    ": of a catalogue of %s apps are only taken",
                    driver_job_action(job), request->market, name);
    else
        driver_job_set_data(job, g_steal_pointer(&request), free_request);
    return request == NULL;
}

static char *queue_of(const DriverJob *job)
{
    const MarketRequest *request = driver_job_data(job);
    return g_strdup_printf("market %" G_GINT64_FORMAT, request != NULL ? request->market : -1);
}

static gboolean job_cancelled(gpointer data)
{
    return driver_job_cancelled(data);
}

static void run(DriverJob *job)
{
    const MarketRequest *request = driver_job_data(job);
    g_autoptr(GError) error = NULL;
    SshWatch watch = {.cancelled = job_cancelled, .data = job};
    Deed deed = deed_of(find_flavour(request->flavour), driver_job_action(job));
    g_autofree char *info = deed(request, &watch, &error);
    if (info != NULL)
        driver_job_succeed(job, info);
    else
        driver_job_fail(job, "%s", error->message);
}

static const DriverAction actions[] = {
    {"IMPORT", run, COPY_SECONDS, DRIVER_QUEUED},
    {"DELETE", run, COPY_SECONDS, DRIVER_URGENT},
    {"MONITOR", run, MONITOR_SECONDS, DRIVER_URGENT | DRIVER_OTHER_IDS},
    {NULL},
};

Driver market_driver(guint threads)
{
    return (Driver){
        .program = "one_market",
        .actions = actions,
        .queue_of = queue_of,
        .prepare = prepare,
        .in_order = TRUE, /* what is being copied is not removed at the same time */
        .threads = threads > 0 ? threads : THREADS,
    };
}
