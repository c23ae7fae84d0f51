#include "drivers/common/rest.h"

#include "drivers/common/libvirt_pool.h"
#include "drivers/common/rest_dial.h"
#include "lib/base/error.h"
#include "lib/base/paths.h"
#include <string.h>
#include <unistd.h>

#define CALL_SECONDS 30
#define ANSWER_BYTES ((gsize)16 << 20)
/* Open connections of one host that wait to be used again. */
#define IDLE_MAX 4
/* Of an answer that shall be streamed but is an error. */
#define ERROR_BYTES 65536

struct RestLink {
    CURL *curl;
    char *host, *endpoint;
    RestDial *dial; /* of ssh: */
    char why[CURL_ERROR_SIZE];
};

static struct {
    RestSettings settings;
    long patience;
    GMutex lock;
    GHashTable *idle; /* host -> GQueue of RestLink */
} rest = {.patience = 20};

void rest_reply_clear(RestReply *reply)
{
    if (reply->body)
        g_string_free(reply->body, TRUE);
    *reply = (RestReply){0};
}

/* ---- endpoints ---- */

static gboolean is_endpoint(const char *text)
{
    const char *slash = g_str_has_prefix(text, "ssh://") ? strchr(text + 6, '/') : NULL;
    return (g_str_has_prefix(text, "unix:/") && text[6] != '\0') ||
           (slash && slash > text + 6 && slash[1] != '\0') ||
           (g_str_has_prefix(text, "https://") && text[8] != '\0');
}

gboolean rest_start(const RestSettings *settings, const char *pattern, GError **error)
{
    rest.settings = *settings;
    if (pattern && !is_endpoint(pattern)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "\"%s\" is no endpoint: give unix:/path, ssh://%%h/path or https://%%h:port",
                    pattern);
        return FALSE;
    }
    if (pattern)
        rest.settings.remote = g_strdup(pattern);
    /* A pattern that names no host, or sockets of this computer, is meant for all of them. */
    if (pattern && (!strstr(pattern, "%h") || g_str_has_prefix(pattern, "unix:")))
        rest.settings.local = rest.settings.remote;
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

const char *rest_daemon(void)
{
    return rest.settings.daemon ? rest.settings.daemon : "the daemon";
}

void rest_set_patience(int seconds)
{
    rest.patience = MAX(seconds, 1);
}

char *rest_endpoint(const char *host)
{
    const char *pattern = libvirt_host_is_local(host) ? rest.settings.local : rest.settings.remote;
    g_auto(GStrv) parts = g_strsplit(pattern, "%h", -1);
    return g_strjoinv(host, parts);
}

char *rest_escape(const char *word)
{
    return g_uri_escape_string(word, NULL, FALSE);
}

/* The first of "a:b:c" that exists, else the first. (owned) */
static char *choose_socket(const char *paths)
{
    g_auto(GStrv) all = g_strsplit(paths, ":", -1);
    for (guint i = 0; all[i]; i++)
        if (access(all[i], F_OK) == 0)
            return g_strdup(all[i]);
    return g_strdup(all[0]);
}

char *rest_run(const char *host, const char *script, guint seconds, GError **error)
{
    g_autofree char *endpoint = rest_endpoint(host);
    char *text = NULL;
    if (g_str_has_prefix(endpoint, "ssh://")) {
        const char *name = endpoint + strlen("ssh://");
        g_autofree char *where = g_strndup(name, strcspn(name, "/"));
        return rest_dial_run(where, script, seconds, error);
    }
    if (g_str_has_prefix(endpoint, "unix:")) {
        g_autofree char *limit = g_strdup_printf("%u", seconds);
        char *argv[] = {(char *)"timeout", limit,          (char *)"/bin/sh",
                        (char *)"-c",      (char *)script, NULL};
        return g_spawn_sync("/", argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
                            NULL, &text, NULL, NULL, error)
                   ? text
                   : NULL;
    }
    g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                "host %s is reached by HTTPS, over which nothing is run there", host);
    return NULL;
}

/* ---- links ---- */

static gboolean use_ssh(RestLink *link, GError **error)
{
    const char *rest_of = link->endpoint + strlen("ssh://");
    const char *slash = strchr(rest_of, '/');
    g_autofree char *host = g_strndup(rest_of, (gsize)(slash - rest_of));
    link->dial = rest_dial_new(host, slash, error);
    if (!link->dial)
        return FALSE;
    curl_easy_setopt(link->curl, CURLOPT_ABSTRACT_UNIX_SOCKET, rest_dial_name(link->dial));
    return TRUE;
}

/* The server is known by its own certificate, which need not bear the name that we call it by. */
static gboolean use_tls(RestLink *link, GError **error)
{
    g_autofree char *name = g_strconcat("rest/", link->host, ".crt", NULL);
    g_autofree char *server = paths_etc(name);
    g_autofree char *certificate = paths_etc("rest/client.crt");
    g_autofree char *key = paths_etc("rest/client.key");
    const char *const files[] = {server, certificate, key};
    for (guint i = 0; i < G_N_ELEMENTS(files); i++)
        if (access(files[i], R_OK) != 0) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                        "host %s: %s is not readable; share/doc/containers.md tells how %s and "
                        "oned come to trust each other",
                        link->host, files[i], rest_daemon());
            return FALSE;
        }
    curl_easy_setopt(link->curl, CURLOPT_CAINFO, server);
    curl_easy_setopt(link->curl, CURLOPT_SSLCERT, certificate);
    curl_easy_setopt(link->curl, CURLOPT_SSLKEY, key);
    curl_easy_setopt(link->curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(link->curl, CURLOPT_SSL_VERIFYHOST, 0L);
    return TRUE;
}

void rest_link_free(RestLink *link)
{
    if (!link)
        return;
    curl_easy_cleanup(link->curl);
    g_free(link->host);
    g_free(link->endpoint);
    rest_dial_free(link->dial);
    g_free(link);
}

RestLink *rest_link_new(const char *host, GError **error)
{
    RestLink *link = g_new0(RestLink, 1);
    link->curl = curl_easy_init();
    link->host = g_strdup(host);
    link->endpoint = rest_endpoint(host);
    gboolean good = TRUE;
    if (g_str_has_prefix(link->endpoint, "unix:")) {
        g_autofree char *path = choose_socket(link->endpoint + strlen("unix:"));
        curl_easy_setopt(link->curl, CURLOPT_UNIX_SOCKET_PATH, path);
    } else if (g_str_has_prefix(link->endpoint, "ssh://")) {
        good = use_ssh(link, error);
    } else {
        good = use_tls(link, error);
    }
    if (!good) {
        rest_link_free(link);
        return NULL;
    }
    curl_easy_setopt(link->curl, CURLOPT_ERRORBUFFER, link->why);
    curl_easy_setopt(link->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(link->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(link->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(link->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(link->curl, CURLOPT_CONNECTTIMEOUT, rest.patience);
    return link;
}

CURL *rest_link_curl(RestLink *link)
{
    return link->curl;
}

char *rest_link_url(const RestLink *link, const char *path)
{
    gboolean tls = g_str_has_prefix(link->endpoint, "https://");
    /* With a socket the name is for the head of the request only; a number needs no resolver. */
    return g_strconcat(tls ? link->endpoint : "http://127.0.0.1", path, NULL);
}

gboolean rest_link_error(RestLink *link, CURLcode code, GError **error)
{
    g_autofree char *problem = link->dial ? rest_dial_problem(link->dial) : NULL;
    gboolean unreached = problem || code == CURLE_COULDNT_CONNECT ||
                         code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_SSL_CONNECT_ERROR ||
                         code == CURLE_PEER_FAILED_VERIFICATION;
    const char *why = problem ? problem : *link->why ? link->why : curl_easy_strerror(code);
    g_set_error(error, ONE_ERROR,
                code == CURLE_OPERATION_TIMEDOUT ? ONE_ERROR_TIMEOUT
                : unreached                      ? ONE_ERROR_UNREACHABLE
                                                 : ONE_ERROR_INTERNAL,
                "host %s: %s at %s %s: %s%s", link->host, rest_daemon(), link->endpoint,
                unreached ? "is not reached" : "gave no whole answer", why,
                unreached && !problem ? "; is it running there?" : "");
    return FALSE;
}

static RestLink *take_link(const char *host, GError **error)
{
    g_mutex_lock(&rest.lock);
    GQueue *queue = rest.idle ? g_hash_table_lookup(rest.idle, host) : NULL;
    RestLink *link = queue ? g_queue_pop_head(queue) : NULL;
    g_mutex_unlock(&rest.lock);
    return link ? link : rest_link_new(host, error);
}

static void free_queue(gpointer queue)
{
    g_queue_free_full(queue, (GDestroyNotify)rest_link_free);
}

static void give_back(RestLink *link)
{
    g_mutex_lock(&rest.lock);
    if (!rest.idle)
        rest.idle = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_queue);
    GQueue *queue = g_hash_table_lookup(rest.idle, link->host);
    if (!queue) {
        queue = g_queue_new();
        g_hash_table_insert(rest.idle, g_strdup(link->host), queue);
    }
    gboolean keep = g_queue_get_length(queue) < IDLE_MAX;
    if (keep)
        g_queue_push_head(queue, link);
    g_mutex_unlock(&rest.lock);
    if (!keep)
        rest_link_free(link);
}

void rest_forget(const char *host)
{
    g_mutex_lock(&rest.lock);
    if (rest.idle)
        g_hash_table_remove(rest.idle, host);
    g_mutex_unlock(&rest.lock);
}

/* ---- one call ---- */

typedef struct Transfer {
    RestLink *link;
    const RestCall *call;
    RestReply *reply;
    gsize limit;
    gsize before, behind; /* bytes of these that were sent */
    curl_off_t moved;     /* bytes either way, when progress was told last */
    enum { STOP_NONE, STOP_LIMIT, STOP_CANCELLED, STOP_TAKER } stopped;
} Transfer;

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    Transfer *transfer = data;
    const RestCall *call = transfer->call;
    gsize length = size * count;
    curl_easy_getinfo(transfer->link->curl, CURLINFO_RESPONSE_CODE, &transfer->reply->status);
    if (call->take && transfer->reply->status < 300) {
        if (call->take(bytes, length, call->data))
            return length;
        transfer->stopped = STOP_TAKER;
        return 0;
    }
    if (transfer->reply->body->len + length > transfer->limit) {
        transfer->stopped = STOP_LIMIT;
        return 0;
    }
    g_string_append_len(transfer->reply->body, bytes, (gssize)length);
    return length;
}

static int on_progress(void *data, curl_off_t total_in, curl_off_t in, curl_off_t total_out,
                       curl_off_t out)
{
    Transfer *transfer = data;
    const SshWatch *watch = &transfer->call->watch;
    if (watch->cancelled && watch->cancelled(watch->data))
        transfer->stopped = STOP_CANCELLED;
    if (watch->progress && in + out != transfer->moved) {
        transfer->moved = in + out;
        watch->progress((guint64)transfer->moved, watch->data);
    }
    return transfer->stopped == STOP_CANCELLED;
}

/* Some more of a text of which `sent` bytes went already. */
static size_t copy_some(char *room, gsize size, const char *text, gsize length, gsize *sent)
{
    gsize count = MIN(length - *sent, size);
    memcpy(room, text + *sent, count);
    *sent += count;
    return count;
}

static size_t on_input(char *room, size_t size, size_t count, void *data)
{
    Transfer *transfer = data;
    const RestCall *call = transfer->call;
    if (transfer->before < call->before_length)
        return copy_some(room, size * count, call->before, call->before_length, &transfer->before);
    ssize_t got = read(call->input, room, size * count);
    if (got == 0 && call->behind)
        return copy_some(room, size * count, call->behind, strlen(call->behind), &transfer->behind);
    return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

static void set_body(const RestCall *call, CURL *curl, Transfer *transfer)
{
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    /* What was read from a descriptor cannot be sent again, should an old connection be dead. */
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, call->input > 0 ? 1L : 0L);
    if (call->input > 0) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, NULL);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)-1);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_input);
        curl_easy_setopt(curl, CURLOPT_READDATA, transfer);
    } else if (call->body || !g_str_equal(call->method, "GET")) {
        const char *body = call->body ? call->body : "";
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)(call->length > 0 ? call->length : (gssize)strlen(body)));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
}

static struct curl_slist *headers_of(const RestCall *call)
{
    g_autofree char *type =
        g_strconcat("Content-Type: ", call->type ? call->type : "application/json", NULL);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    headers = curl_slist_append(headers, "User-Agent: Globule/" GLOBULE_VERSION);
    if (call->body || call->input > 0)
        headers = curl_slist_append(headers, type);
    if (call->input > 0)
        headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
    if (call->header)
        headers = curl_slist_append(headers, call->header);
    return headers;
}

static gboolean explain(const Transfer *transfer, CURLcode code, GError **error)
{
    const char *host = transfer->link->host;
    switch (transfer->stopped) {
    case STOP_LIMIT:
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "host %s: the answer of %s is longer than %" G_GSIZE_FORMAT
                    " bytes and is not taken",
                    host, rest_daemon(), transfer->limit);
        return FALSE;
    case STOP_CANCELLED:
    case STOP_TAKER:
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "host %s: the call to %s was given up",
                    host, rest_daemon());
        return FALSE;
    case STOP_NONE:
        break;
    }
    return rest_link_error(transfer->link, code, error);
}

gboolean rest_call(const char *host, const RestCall *call, RestReply *reply, GError **error)
{
    RestLink *link = take_link(host, error);
    if (!link)
        return FALSE;
    Transfer transfer = {.link = link, .call = call, .reply = reply};
    transfer.limit = call->limit ? call->limit : call->take ? ERROR_BYTES : ANSWER_BYTES;
    g_autofree char *url = rest_link_url(link, call->path);
    struct curl_slist *headers = headers_of(call);
    CURL *curl = link->curl;
    rest_reply_clear(reply);
    reply->body = g_string_new(NULL);
    link->why[0] = '\0';
    set_body(call, curl, &transfer);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT,
                     (long)(call->watch.seconds ? call->watch.seconds : CALL_SECONDS));
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) {
        (void)explain(&transfer, code, error);
        rest_link_free(link);
        return FALSE;
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    give_back(link);
    return TRUE;
}
