#include "lib/wire/client.h"
#include "lib/base/error.h"
#include "lib/wire/client_private.h"
#include "lib/wire/reply.h"
#include "lib/wire/session.h"
#include <curl/curl.h>
#include <string.h>
#include <xmlrpc-c/base.h>

#define DEFAULT_TIMEOUT 60            /* seconds for one answer */
#define CONNECT_TIMEOUT 10            /* seconds to reach the server */
#define MESSAGE_SIZE    (1024u << 20) /* longest answer in bytes, as OpenNebula's MESSAGE_SIZE */

struct WireClient {
    char *endpoint;
    char *session;
    CURL *curl;
    struct curl_slist *headers;
    GString *body; /* the answer that is coming in; its memory is kept between calls */
    guint timeout;
    gint fault_code;
    char why[CURL_ERROR_SIZE];
};

static void initialise_libraries(void)
{
    static gsize done;
    if (g_once_init_enter(&done)) {
        curl_global_init(CURL_GLOBAL_DEFAULT);
        xmlrpc_limit_set(XMLRPC_XML_SIZE_LIMIT_ID, MESSAGE_SIZE);
        g_once_init_leave(&done, 1);
    }
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *data)
{
    WireClient *client = data;
    gsize length = size * count;
    if (client->body->len + length > MESSAGE_SIZE)
        return 0;
    if (client->body->len == 0) {
        /* Room for the whole answer at once: a pool may have many MB. */
        curl_off_t expected = -1;
        curl_easy_getinfo(client->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &expected);
        if (expected > 0 && expected <= MESSAGE_SIZE &&
            (gsize)expected + 1 > client->body->allocated_len)
            g_string_set_size(client->body, expected);
        g_string_truncate(client->body, 0);
    }
    g_string_append_len(client->body, bytes, length);
    return length;
}

/* Every certificate of the directory in one text: unlike OpenSSL's own reading of a
 * directory, the names need no hashes. */
static GString *certificates_of(const char *directory, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, error);
    if (dir == NULL) {
        g_prefix_error(error, "ONE_CERT_DIR: ");
        return NULL;
    }
    g_autoptr(GString) all = g_string_new(NULL);
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autofree char *text = NULL;
        if (g_file_get_contents(path, &text, NULL, NULL) && strstr(text, "BEGIN CERTIFICATE"))
            g_string_append_printf(all, "%s\n", text);
    }
    return g_steal_pointer(&all);
}

static gboolean is_set(const char *name)
{
    const char *value = g_getenv(name);
    return value != NULL && *value != '\0' && g_ascii_strcasecmp(value, "no") != 0 &&
           g_ascii_strcasecmp(value, "false") != 0 && strcmp(value, "0") != 0;
}

static gboolean set_certificates(WireClient *client, GError **error)
{
    if (is_set("ONE_DISABLE_SSL_VERIFY")) {
        curl_easy_setopt(client->curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(client->curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    const char *directory = g_getenv("ONE_CERT_DIR");
    if (directory == NULL || *directory == '\0' ||
        g_ascii_strncasecmp(client->endpoint, "https:", 6) != 0)
        return TRUE;
    GString *all = certificates_of(directory, error);
    if (all == NULL)
        return FALSE;
    if (all->len > 0) {
        struct curl_blob blob = {.data = all->str, .len = all->len, .flags = CURL_BLOB_COPY};
        curl_easy_setopt(client->curl, CURLOPT_CAINFO_BLOB, &blob);
    }
    g_string_free(all, TRUE);
    return TRUE;
}

/* A proxy of the environment never stands between a client and its own machine. */
static gboolean is_loopback(const char *endpoint)
{
    g_autoptr(GUri) uri = g_uri_parse(endpoint, G_URI_FLAGS_NONE, NULL);
    const char *host = uri != NULL ? g_uri_get_host(uri) : NULL;
    return host != NULL && (strcmp(host, "localhost") == 0 || g_str_has_prefix(host, "127.") ||
                            strcmp(host, "::1") == 0);
}

static gboolean set_up_curl(WireClient *client, GError **error)
{
    client->curl = curl_easy_init();
    client->headers = curl_slist_append(NULL, "Content-Type: text/xml; charset=utf-8");
    /* Without this curl asks for leave before sending more than a megabyte. */
    client->headers = curl_slist_append(client->headers, "Expect:");
    CURL *curl = client->curl;
    curl_easy_setopt(curl, CURLOPT_URL, client->endpoint);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->headers);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "globule/" GLOBULE_VERSION);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->why);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    if (is_loopback(client->endpoint))
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    return set_certificates(client, error);
}

static guint timeout_of_environment(void)
{
    const char *text = g_getenv("ONE_XMLRPC_TIMEOUT");
    guint64 seconds;
    return text != NULL && g_ascii_string_to_unsigned(text, 10, 0, 1000000, &seconds, NULL)
               ? seconds
               : DEFAULT_TIMEOUT;
}

WireClient *wire_client_new(const char *endpoint, const char *session, GError **error)
{
    initialise_libraries();
    g_autoptr(WireClient) client = g_new0(WireClient, 1);
    client->body = g_string_new(NULL);
    client->endpoint = endpoint != NULL ? g_strdup(endpoint) : wire_find_endpoint();
    client->timeout = timeout_of_environment();
    client->session = session != NULL ? g_strdup(session) : wire_find_session(error);
    if (client->session == NULL)
        return NULL;
    return set_up_curl(client, error) ? g_steal_pointer(&client) : NULL;
}

void wire_client_free(WireClient *client)
{
    if (client == NULL)
        return;
    if (client->curl != NULL)
        curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->headers);
    g_string_free(client->body, TRUE);
    g_free(client->session);
    g_free(client->endpoint);
    g_free(client);
}

const char *wire_client_endpoint(const WireClient *client)
{
    return client->endpoint;
}

const char *wire_client_session(const WireClient *client)
{
    return client->session;
}

CURL *wire_client_curl(WireClient *client)
{
    return client->curl;
}

void wire_client_set_timeout(WireClient *client, guint seconds)
{
    client->timeout = seconds;
}

gint wire_fault_code(const WireClient *client)
{
    return client->fault_code;
}

/* ---- The request ---- */

static void append(xmlrpc_env *env, xmlrpc_value *array, xmlrpc_value *item)
{
    if (item == NULL)
        return;
    if (!env->fault_occurred)
        xmlrpc_array_append_item(env, array, item);
    xmlrpc_DECREF(item);
}

static xmlrpc_value *int_array(xmlrpc_env *env, const gint32 *numbers, guint count)
{
    xmlrpc_value *array = xmlrpc_array_new(env);
    for (guint i = 0; i < count && !env->fault_occurred; i++)
        append(env, array, xmlrpc_int_new(env, numbers[i]));
    return array;
}

static xmlrpc_value *string(xmlrpc_env *env, const char *text)
{
    const char *bad;
    if (text == NULL)
        text = "";
    if (!g_utf8_validate(text, -1, &bad)) {
        xmlrpc_env_set_fault_formatted(env, XMLRPC_TYPE_ERROR,
                                       "byte %u of an argument is not UTF-8; convert it first",
                                       (guint)(bad - text) + 1);
        return NULL;
    }
    return xmlrpc_string_new(env, text);
}

/* The methods of introspection take no session. */
static gboolean takes_session(const char *method)
{
    return !g_str_has_prefix(method, "system.");
}

typedef struct {
    xmlrpc_env env;
    xmlrpc_value *arguments;
} Request;

static void request_begin(Request *request, const WireClient *client, const char *method)
{
    xmlrpc_env_init(&request->env);
    request->arguments = xmlrpc_array_new(&request->env);
    if (takes_session(method))
        append(&request->env, request->arguments, string(&request->env, client->session));
}

static void request_add(Request *request, xmlrpc_value *value)
{
    append(&request->env, request->arguments, value);
}

static xmlrpc_mem_block *request_finish(Request *request, const char *method, GError **error)
{
    xmlrpc_env *env = &request->env;
    xmlrpc_mem_block *body = NULL;
    if (!env->fault_occurred) {
        body = XMLRPC_MEMBLOCK_NEW(char, env, 0);
        xmlrpc_serialize_call(env, body, method, request->arguments);
    }
    xmlrpc_DECREF(request->arguments);
    if (env->fault_occurred) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "%s cannot be sent: %s", method,
                    env->fault_string);
        g_clear_pointer(&body, xmlrpc_mem_block_free);
    }
    xmlrpc_env_clean(env);
    return body;
}

/* ---- The transport ---- */

static void set_transport_error(const WireClient *client, CURLcode code, GError **error)
{
    const char *why = client->why[0] != '\0' ? client->why : curl_easy_strerror(code);
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT: {
        double connected = 0;
        curl_easy_getinfo(client->curl, CURLINFO_CONNECT_TIME, &connected);
        if (connected <= 0)
            g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                        "cannot reach oned at %s within %d s: check the address (ONE_XMLRPC) and "
                        "the network",
                        client->endpoint, CONNECT_TIMEOUT);
        else
            g_set_error(error, ONE_ERROR, ONE_ERROR_TIMEOUT,
                        "no answer from %s within %u s. What was asked may still be done: look "
                        "before asking again. ONE_XMLRPC_TIMEOUT sets the time",
                        client->endpoint, client->timeout);
        break;
    }
    case CURLE_COULDNT_CONNECT:
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                    "cannot reach oned at %s: is it running? Start it with `one start`, or set "
                    "ONE_XMLRPC to where it runs",
                    client->endpoint);
        break;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                    "cannot reach oned at %s: %s. ONE_XMLRPC holds the address, such as "
                    "http://localhost:2633/RPC2",
                    client->endpoint, why);
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        g_set_error(
            error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
            "the certificate of %s is not trusted: %s. Put its authority's certificate into "
            "a directory and set ONE_CERT_DIR, or set ONE_DISABLE_SSL_VERIFY=yes",
            client->endpoint, why);
        break;
    case CURLE_SSL_CONNECT_ERROR:
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                    "no TLS with %s: %s. Does oned have a certificate there? Without one its "
                    "address begins with http://",
                    client->endpoint, why);
        break;
    case CURLE_WRITE_ERROR:
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                    "the answer of %s is longer than %u bytes: ask for fewer objects at a time",
                    client->endpoint, MESSAGE_SIZE);
        break;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                    "oned at %s broke the connection off: %s. See its log; what was asked may have "
                    "been done",
                    client->endpoint, why);
        break;
    default:
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE, "the call to %s failed: %s",
                    client->endpoint, why);
    }
}

static gboolean transport(WireClient *client, const char *request, gsize length, GError **error)
{
    CURL *curl = client->curl;
    g_string_truncate(client->body, 0);
    client->why[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)client->timeout);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    if (code != CURLE_OK) {
        set_transport_error(client, code, error);
        return FALSE;
    }
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                "%s answered with HTTP status %ld instead of an answer to the call%s",
                client->endpoint, status,
                status == 404                    ? ": the path of oned is /RPC2"
                : status == 413                  ? ": what was sent is too long for it"
                : status == 503 || status == 429 ? ": it is too busy, try again"
                                                 : "");
    return FALSE;
}

static gboolean exchange(WireClient *client, WireReply *reply, const xmlrpc_mem_block *request,
                         GError **error)
{
    gboolean good =
        transport(client, XMLRPC_MEMBLOCK_CONTENTS(char, request),
                  XMLRPC_MEMBLOCK_SIZE(char, request), error) &&
        wire_reply_parse(reply, client->body->str, client->body->len, &client->fault_code, error);
    /* Memory of a huge answer is not held until the next one. */
    if (client->body->allocated_len > 4u << 20) {
        g_string_free(client->body, TRUE);
        client->body = g_string_new(NULL);
    }
    return good;
}

gboolean wire_call(WireClient *client, WireReply *reply, GError **error, const char *method,
                   const char *format, ...)
{
    g_auto(WireReply) unwanted = {0};
    Request request;
    va_list list;
    client->fault_code = 0;
    request_begin(&request, client, method);
    va_start(list, format);
    for (; format != NULL && *format != '\0'; format++) {
        if (*format == 'i') {
            request_add(&request, xmlrpc_int_new(&request.env, va_arg(list, int)));
        } else if (*format == 'b') {
            request_add(&request, xmlrpc_bool_new(&request.env, va_arg(list, gboolean) != FALSE));
        } else if (*format == 's') {
            request_add(&request, string(&request.env, va_arg(list, const char *)));
        } else {
            g_assert(*format == 'A');
            const gint32 *numbers = va_arg(list, const gint32 *);
            request_add(&request, int_array(&request.env, numbers, va_arg(list, guint)));
        }
    }
    va_end(list);
    xmlrpc_mem_block *body = request_finish(&request, method, error);
    if (body == NULL)
        return FALSE;
    gboolean good = exchange(client, reply != NULL ? reply : &unwanted, body, error);
    xmlrpc_mem_block_free(body);
    return good;
}
