#include "server/http/request.h"

#include "server/http/api.h"
#include "server/http/upgrade.h"
#include "server/rpc/codec.h"
#include "server/rpc/json.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define PATH      "/RPC2"
#define XML_TYPE  "text/xml"
#define TEXT_TYPE "text/plain; charset=utf-8"

/* Replies with more text than this are sent out of their fragments, a block at a time; less
 * is copied whole, and goes out in one system call with the head. */
#define COPY_MOST   (64 * 1024)
#define BLOCK_BYTES (256 * 1024)

/* What to answer when a request is not to become a call. */
typedef struct Refusal {
    guint status; /* of HTTP; 0: none */
    gint fault;   /* of XML-RPC; 0: plain text */
    char *text;   /* owned */
} Refusal;

struct Request {
    RpcCall call; /* first */
    gint references;
    RequestHub *hub;                   /* a reference */
    struct MHD_Connection *connection; /* these three only while it holds the request */
    Peer *peer;
    RequestThread *thread;

    GString *body;
    gsize held;       /* bytes counted in the hub */
    gsize discarded;  /* of a body that is not wanted */
    gboolean expects; /* a body that becomes a call */
    char *token;      /* of a console that is asked for */
    gboolean is_json; /* of the JSON route, and so is what it gets */
    Refusal refusal;

    gboolean handed_on;    /* the call is, or was, with others */
    _Atomic gint answered; /* once only */
    RpcReply *reply;
    Request *prev, *next; /* of the calls that its thread has handed on */
    Request *next_done;   /* of those that were answered */
};

static const char explanation[] =
    "This is oned, the daemon of Globule " GLOBULE_VERSION ", a private-cloud manager.\n"
    "It speaks XML-RPC: send a POST with Content-Type text/xml to " PATH ".\n"
    "And JSON: POST an array of arguments to " API_PREFIX
    "<method>, with user and password (Basic).\n"
    "Tools: onevm, onehost, oneuser. Try `onevm list`, or call system.listMethods.\n";

/* ---- threads ---- */

static _Thread_local RequestThread *this_thread;

void request_thread_enter(RequestThread *thread)
{
    this_thread = thread;
}

/* Gives an answered request back to its thread, which may be done with it at once. */
static void give_back(Request *request)
{
    RequestThread *thread = request->thread;
    Request *first = atomic_load_explicit(&thread->done, memory_order_relaxed);
    do
        request->next_done = first;
    while (!atomic_compare_exchange_weak_explicit(&thread->done, &first, request,
                                                  memory_order_release, memory_order_relaxed));
    if (!first) /* else the thread was called already */
        eventfd_write(thread->wake, 1);
}

guint request_thread_resume(RequestThread *thread)
{
    guint count = 0;
    if (!atomic_load_explicit(&thread->done, memory_order_relaxed))
        return count;
    Request *request = atomic_exchange_explicit(&thread->done, NULL, memory_order_acquire);
    while (request) {
        Request *next = request->next_done;
        MHD_resume_connection(request->connection);
        request = next;
        count++;
    }
    return count;
}

/* ---- life ---- */

void request_hub_limit(RequestHub *hub, const HttpOptions *options)
{
    hub->body_bytes = options->body_bytes;
    hub->nesting = MIN(options->nesting, RPC_NESTING_MOST);
    hub->in_flight_most = options->in_flight;
}

RequestHub *request_hub_new(const HttpOptions *options, HttpDispatch dispatch, gpointer data)
{
    RequestHub *hub = g_new0(RequestHub, 1);
    hub->references = 1;
    hub->options = *options;
    request_hub_limit(hub, options);
    hub->dispatch = dispatch;
    hub->data = data;
    return hub;
}

void request_hub_unref(RequestHub *hub)
{
    if (!hub || !g_atomic_int_dec_and_test(&hub->references))
        return;
    g_free(hub);
}

static void request_finish(RpcCall *call, RpcReply *reply);

static Request *request_new(RequestHub *hub, struct MHD_Connection *connection)
{
    Request *request = g_new0(Request, 1);
    request->references = 1;
    request->hub = hub;
    g_atomic_int_inc(&hub->references);
    request->connection = connection;
    request->thread = this_thread;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    request->peer = info ? info->socket_context : NULL;
    return request;
}

/* What came of the body counts until the request is over, since its values live on. */
static void release_held(Request *request)
{
    request->hub->bodies -= request->held;
    request->held = 0;
}

static void drop_body(Request *request)
{
    if (request->body)
        g_string_free(request->body, TRUE);
    request->body = NULL;
}

static void request_unref(Request *request)
{
    if (!g_atomic_int_dec_and_test(&request->references))
        return;
    drop_body(request);
    g_free(request->refusal.text);
    g_free(request->token);
    rpc_reply_free(request->reply);
    g_free(request->call.method);
    g_free(request->call.address);
    g_free(request->call.verifier);
    if (request->call.arguments)
        g_ptr_array_unref(request->call.arguments);
    request_hub_unref(request->hub);
    g_free(request);
}

/* ---- refusals ---- */

static void refuse(Request *request, guint status, gint fault, char *text)
{
    drop_body(request);
    release_held(request);
    request->expects = FALSE;
    if (request->refusal.status)
        g_free(text);
    else
        request->refusal = (Refusal){status, fault, text};
}

static void refuse_size(Request *request)
{
    refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, RPC_FAULT_LIMIT,
           g_strdup_printf("The call is larger than %" G_GSIZE_FORMAT
                           " bytes, the most that this server takes.",
                           request->hub->body_bytes));
}

static void refuse_busy(Request *request, const char *why)
{
    refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, RPC_FAULT_LIMIT,
           g_strdup_printf("oned has %s; try again in a moment.", why));
}

/* What a request is refused with, and its type. (owned) */
static GString *refusal_body(const Request *request, const char **type)
{
    const Refusal *refusal = &request->refusal;
    *type = request->is_json ? API_TYPE : refusal->fault ? XML_TYPE : TEXT_TYPE;
    if (request->is_json) {
        g_autofree char *text = g_strchomp(g_strdup(refusal->text));
        return rpc_json_encode_fault(refusal->fault ? refusal->fault : RPC_FAULT_REFUSED, text);
    }
    return refusal->fault ? rpc_encode_fault(refusal->fault, refusal->text)
                          : g_string_new(refusal->text);
}

static enum MHD_Result answer_refusal(Request *request)
{
    Refusal *refusal = &request->refusal;
    const char *type;
    GString *body = refusal_body(request, &type);
    gsize length = body->len;
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback(
        length, g_string_free(body, FALSE), g_free);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (refusal->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "POST");
    if (refusal->status == MHD_HTTP_SERVICE_UNAVAILABLE)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    if (refusal->status >= 400)
        request->hub->refused++;
    if (request->peer)
        peer_set_replying(request->peer, length, request->hub->options.reply_seconds);
    enum MHD_Result result = MHD_queue_response(request->connection, refusal->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- the head ---- */

static gboolean is_xml(const char *type)
{
    return type && (g_ascii_strncasecmp(type, "text/xml", 8) == 0 ||
                    g_ascii_strncasecmp(type, "application/xml", 15) == 0);
}

static const char *header(Request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/*
 * Any page in a browser may send other types than XML, or none, to this computer unasked; the
 * browser then names the page in Origin. OpenNebula's library for Go sends no type either, and no
 * Origin.
 */
static gboolean may_be_call(Request *request)
{
    const char *type = header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
    gboolean fits =
        type && (request->is_json ? g_ascii_strncasecmp(type, API_TYPE, strlen(API_TYPE)) == 0
                                  : is_xml(type));
    return type ? fits : !header(request, MHD_HTTP_HEADER_ORIGIN);
}

static void refuse_path(Request *request, const char *url)
{
    g_autofree char *valid = g_utf8_make_valid(url, -1);
    refuse(request, MHD_HTTP_NOT_FOUND, 0,
           g_strdup_printf("There is nothing at %.80s. XML-RPC calls go to " PATH
                           ", JSON ones to " API_PREFIX "<method>.\n",
                           valid));
}

static void judge_path(Request *request, const char *url, const char *method)
{
    gboolean reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    request->is_json = g_str_has_prefix(url, API_PREFIX);
    request->call.method = api_method(url);
    if (strcmp(url, "/") == 0 && reads) {
        refuse(request, MHD_HTTP_OK, 0, g_strdup(explanation));
    } else if (g_str_has_prefix(url, CONSOLE_PATH) && strcmp(method, "GET") == 0) {
        request->token = g_strdup(url + strlen(CONSOLE_PATH));
    } else if (strcmp(url, PATH) != 0 && !request->call.method) {
        refuse_path(request, url);
    } else if (strcmp(method, "POST") != 0) {
        refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, 0,
               g_strdup_printf("%.20s is not understood here. Calls are sent by POST.\n", method));
    } else if (!may_be_call(request)) {
        refuse(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, 0,
               g_strdup_printf("A call needs the header \"Content-Type: %s\".\n",
                               request->is_json ? API_TYPE : XML_TYPE));
    } else {
        request->expects = TRUE;
    }
}

/* The first word about a request: its head is here, its body is not. */
static enum MHD_Result begin(Request *request, const char *url, const char *method)
{
    RequestHub *hub = request->hub;
    if (request->peer)
        peer_set_phase(request->peer, PEER_RECEIVING);
    judge_path(request, url, method);
    if (atomic_load_explicit(&hub->stopping, memory_order_relaxed))
        refuse_busy(request, "begun to stop");

    const char *announced = header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    guint64 length = announced ? g_ascii_strtoull(announced, NULL, 10) : 0;
    if (length > hub->body_bytes) {
        /* Answered before the body comes; the connection is closed after that. */
        refuse_size(request);
        if (request->peer)
            peers_linger(hub->peers, request->peer);
        return answer_refusal(request);
    }
    if (request->expects)
        request->body = g_string_sized_new((gsize)MIN(length + 1, 64 * 1024));
    return MHD_YES;
}

/* ---- the body ---- */

/* A body without announced length has grown too large: libmicrohttpd takes no answer in the
 * middle of one, so it is written to the socket before the connection is closed. */
static enum MHD_Result cut_upload(Request *request)
{
    refuse_size(request);
    request->hub->refused++;
    if (request->peer) {
        const char *type;
        g_autoptr(GString) body = refusal_body(request, &type);
        g_autofree char *answer =
            g_strdup_printf("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
                            "Content-Type: %s\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n%s",
                            type, body->len, body->str);
        peers_linger(request->hub->peers, request->peer);
        peers_tell(request->hub->peers, request->peer, answer, strlen(answer));
    }
    return MHD_NO;
}

static enum MHD_Result take_upload(Request *request, const char *upload, gsize size)
{
    RequestHub *hub = request->hub;
    if (!request->expects) {
        request->discarded += size;
        return request->discarded > hub->body_bytes ? cut_upload(request) : MHD_YES;
    }
    if (request->body->len + size > hub->body_bytes)
        return cut_upload(request);
    request->held += size;
    gsize all = atomic_fetch_add_explicit(&hub->bodies, size, memory_order_relaxed) + size;
    g_string_append_len(request->body, upload, (gssize)size);
    if (all > hub->options.bodies_bytes)
        refuse_busy(request, "no room for the bodies of more requests");
    return MHD_YES;
}

/* ---- the call ---- */

static void list_insert(Request *request)
{
    RequestThread *thread = request->thread;
    request->prev = NULL;
    request->next = thread->flying;
    if (thread->flying)
        thread->flying->prev = request;
    thread->flying = request;
}

static void list_remove(Request *request)
{
    *(request->prev ? &request->prev->next : &request->thread->flying) = request->next;
    if (request->next)
        request->next->prev = request->prev;
}

/* Only one may answer: who finishes the call, or the thread that gives it up. The listener is
 * there until `in_flight` is counted down. */
static gboolean answer_once(Request *request, RpcReply *reply)
{
    if (atomic_exchange(&request->answered, 1))
        return FALSE;
    RequestHub *hub = request->hub;
    request->reply = reply;
    give_back(request);
    atomic_fetch_sub_explicit(&hub->in_flight, 1, memory_order_release);
    return TRUE;
}

/* Any thread. */
static void request_finish(RpcCall *call, RpcReply *reply)
{
    Request *request = (Request *)call;
    if (!answer_once(request, reply))
        rpc_reply_free(reply);
    request_unref(request);
}

void request_thread_abandon(RequestThread *thread)
{
    for (Request *request = thread->flying; request; request = request->next)
        answer_once(request, NULL); /* no reply: 503 */
}

/* Calls of this thread that wait for the end of its round, by `input.next`. */
static _Thread_local CoreInput *gathered, **gathered_last;

static void gather(RpcCall *call)
{
    if (!gathered)
        gathered_last = &gathered;
    call->input.next = NULL;
    *gathered_last = &call->input;
    gathered_last = &call->input.next;
}

guint request_hand_on_gathered(RequestHub *hub)
{
    guint count = 0;
    CoreInput *input = g_steal_pointer(&gathered);
    while (input) {
        CoreInput *next = input->next;
        hub->dispatch((RpcCall *)input, hub->data); /* it may be answered when this returns */
        input = next;
        count++;
    }
    return count;
}

/* NULL, or the fault to answer with. */
static RpcReply *decode(Request *request)
{
    RpcCall *call = &request->call;
    const GString *body = request->body;
    const RequestHub *hub = request->hub;
    const RpcLimits limits = {hub->body_bytes, hub->nesting, hub->options.elements};
    if (!request->is_json)
        return rpc_decode(body->str, body->len, &limits, &call->method, &call->arguments);
    g_autofree char *session = api_session(header(request, MHD_HTTP_HEADER_AUTHORIZATION));
    return rpc_json_decode(call->method, session, body->str, body->len, &limits, &call->arguments);
}

/* The body is complete: it becomes a call, and the connection sleeps. */
static enum MHD_Result hand_on(Request *request)
{
    RequestHub *hub = request->hub;
    RpcCall *call = &request->call;
    request->reply = decode(request);
    drop_body(request);
    if (request->reply)
        return MHD_YES;
    if (atomic_fetch_add_explicit(&hub->in_flight, 1, memory_order_relaxed) >=
        hub->in_flight_most) {
        atomic_fetch_sub_explicit(&hub->in_flight, 1, memory_order_relaxed);
        refuse_busy(request, "as many calls to work on as it may");
        return MHD_YES;
    }
    call->caller = (RpcCaller){-1, -1};
    call->address = g_strdup(request->peer ? request->peer->address : "?");
    call->number = atomic_fetch_add_explicit(&hub->calls, 1, memory_order_relaxed) + 1;
    call->started = g_get_monotonic_time();
    call->finish = request_finish;
    if (hub->options.answer_now && (request->reply = hub->options.answer_now(call, hub->data))) {
        atomic_fetch_sub_explicit(&hub->in_flight, 1, memory_order_relaxed);
        return MHD_YES;
    }
    request->handed_on = TRUE;
    g_atomic_int_inc(&request->references);
    if (request->peer)
        peer_set_phase(request->peer, PEER_WORKING);

    MHD_suspend_connection(request->connection);
    list_insert(request);
    gather(call);
    return MHD_YES;
}

/* ---- the reply ---- */

/* A large reply on its way: how far its pieces have been copied into the buffer that is sent.
 * (MHD_create_response_from_iovec would save the copy, but version 0.9.75 keeps the vector in
 * the few kilobytes of the connection, and aborts the process when it does not fit.) */
typedef struct Sending {
    RpcPieces *pieces;
    guint piece;  /* the next to copy from */
    gsize offset; /* in it */
    guint64 position;
} Sending;

static ssize_t read_pieces(void *data, uint64_t position, char *buffer, size_t room)
{
    Sending *sending = data;
    if (position != sending->position) /* it is never asked for anything twice */
        return MHD_CONTENT_READER_END_WITH_ERROR;
    gsize copied = 0;
    while (copied < room && sending->piece < sending->pieces->pieces->len) {
        const struct iovec *piece =
            &g_array_index(sending->pieces->pieces, struct iovec, sending->piece);
        gsize size = MIN(room - copied, piece->iov_len - sending->offset);
        memcpy(buffer + copied, (const char *)piece->iov_base + sending->offset, size);
        copied += size;
        sending->offset += size;
        if (sending->offset == piece->iov_len) {
            sending->piece++;
            sending->offset = 0;
        }
    }
    sending->position += copied;
    return copied > 0 ? (ssize_t)copied : MHD_CONTENT_READER_END_OF_STREAM;
}

static void sending_free(void *data)
{
    Sending *sending = data;
    rpc_pieces_free(sending->pieces);
    g_free(sending);
}

static struct MHD_Response *make_json_response(RpcReply *reply, gsize *length, guint *status)
{
    GString *body = rpc_json_encode(reply, status);
    rpc_reply_free(reply);
    *length = body->len;
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback(
        *length, g_string_free(body, FALSE), g_free);
    if (response && *status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Basic realm=\"Globule\", charset=\"UTF-8\"");
    return response;
}

static struct MHD_Response *make_response(Request *request, gsize *length, guint *status)
{
    RpcReply *reply = g_steal_pointer(&request->reply);
    if (request->is_json)
        return make_json_response(reply, length, status);
    if (rpc_reply_size(reply) > COPY_MOST) {
        Sending *sending = g_new0(Sending, 1);
        sending->pieces = rpc_encode_pieces(reply);
        *length = sending->pieces->length;
        struct MHD_Response *response = MHD_create_response_from_callback(
            *length, BLOCK_BYTES, read_pieces, sending, sending_free);
        if (!response)
            sending_free(sending);
        return response;
    }
    GString *body = rpc_encode(reply);
    rpc_reply_free(reply);
    *length = body->len;
    return MHD_create_response_from_buffer_with_free_callback(*length, g_string_free(body, FALSE),
                                                              g_free);
}

static enum MHD_Result answer(Request *request)
{
    gsize length = 0;
    guint status = MHD_HTTP_OK;
    struct MHD_Response *response = make_response(request, &length, &status);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                            request->is_json ? API_TYPE : XML_TYPE);
    if (request->peer)
        peer_set_replying(request->peer, length, request->hub->options.reply_seconds);
    enum MHD_Result result = MHD_queue_response(request->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- a console ---- */

static enum MHD_Result answer_console(Request *request)
{
    guint status = MHD_HTTP_SWITCHING_PROTOCOLS;
    char *text = NULL;
    struct MHD_Response *response = upgrade_console(
        request->hub, request->token, header(request, MHD_HTTP_HEADER_UPGRADE), &status, &text);
    if (!response) {
        refuse(request, status, 0, text);
        return answer_refusal(request);
    }
    if (request->peer) /* for as long as it likes */
        peer_set_phase(request->peer, PEER_WORKING);
    enum MHD_Result result = MHD_queue_response(request->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- what libmicrohttpd calls ---- */

enum MHD_Result request_handle(void *data, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_size, void **slot)
{
    RequestHub *hub = data;
    Request *request = *slot;
    if (!request) {
        *slot = request = request_new(hub, connection);
        hub->open++;
        return begin(request, url, method);
    }
    if (*upload_size > 0) {
        gsize size = *upload_size;
        *upload_size = 0;
        return take_upload(request, upload, size);
    }
    if (request->token && !request->refusal.status)
        return answer_console(request);
    if (request->expects && !request->handed_on) {
        enum MHD_Result result = hand_on(request);
        if (request->handed_on)
            return result;
    } else if (request->handed_on && !request->reply) {
        refuse_busy(request, "stopped before this call was done");
    }
    return request->reply ? answer(request) : answer_refusal(request);
}

void request_completed(void *data, struct MHD_Connection *connection, void **slot,
                       enum MHD_RequestTerminationCode reason)
{
    RequestHub *hub = data;
    Request *request = *slot;
    if (!request)
        return;
    *slot = NULL;
    if (request->peer)
        peer_set_phase(request->peer, PEER_IDLE);
    if (request->handed_on)
        list_remove(request);
    release_held(request);
    request_unref(request);
    hub->open--;
}
