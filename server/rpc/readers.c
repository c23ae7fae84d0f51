/*
 * Answers that are read from files by threads of their own, since they may take long: the history
 * of monitoring, and questions to the database. The core goes on meanwhile.
 */
#include "server/rpc/server_private.h"

#include "lib/base/xml.h"
#include "server/store/query.h"

typedef struct HistoryJob {
    RpcCall *call;
    HistoryKind kind;
    GArray *ids;
    gint64 since;
    gboolean last_only;
    char *sql, *database; /* a question to the database instead */
} HistoryJob;

static RpcReply *answer_query(HistoryJob *job)
{
    static const RpcMethod of_today = {0};
    Request request = {.call = job->call, .method = &of_today};
    g_autoptr(GError) error = NULL;
    GString *rows = store_query(job->database, job->sql, &error);
    if (!rows)
        return request_failure_reply(&request, error, -1);
    g_autoptr(GString) xml = g_string_new("<SQL_COMMAND>");
    FragmentList *list = fragment_list_new(1);
    xml_append_element_cdata(xml, "QUERY", job->sql);
    g_string_append_printf(xml, "<RESULT>%s</RESULT></SQL_COMMAND>", rows->str);
    g_string_free(rows, TRUE);
    fragment_list_add(list, fragment_new_escaped(xml->str, xml->len));
    return rpc_reply_text(list);
}

static void read_database(HistoryJob *job)
{
    RpcReply *reply = answer_query(job);
    request_log_answer(job->call, reply);
    job->call->finish(job->call, reply);
    g_free(job->sql);
    g_free(job->database);
    g_free(job);
}

static void read_history(gpointer data, gpointer user_data)
{
    HistoryJob *job = data;
    RpcServer *server = user_data;
    if (job->sql) {
        read_database(job);
        return;
    }
    const gint32 *ids = (const gint32 *)(gpointer)job->ids->data;
    FragmentList *list = fragment_list_new(3);
    fragment_list_add_text(list, "&lt;MONITORING_DATA&gt;");
    if (server->history && job->ids->len) {
        GString *xml =
            job->last_only
                ? history_read_last(server->history, job->kind, ids, job->ids->len)
                : history_read(server->history, job->kind, ids, job->ids->len, job->since);
        fragment_list_add(list, fragment_new_escaped(xml->str, xml->len));
        g_string_free(xml, TRUE);
    }
    fragment_list_add_text(list, "&lt;/MONITORING_DATA&gt;");
    RpcReply *reply = rpc_reply_text(list);
    request_log_answer(job->call, reply);
    job->call->finish(job->call, reply);
    g_array_unref(job->ids);
    g_free(job);
}

GThreadPool *readers_new(RpcServer *server)
{
    return g_thread_pool_new(read_history, server, 2, FALSE, NULL);
}

RpcReply *reply_history(Request *request, HistoryKind kind, GArray *ids, gint64 since,
                        gboolean last_only)
{
    HistoryJob *job = g_new0(HistoryJob, 1);
    job->call = request->call;
    job->kind = kind;
    job->ids = ids;
    job->since = since;
    job->last_only = last_only;
    g_thread_pool_push(request->server->readers, job, NULL);
    return NULL;
}

RpcReply *reply_query(Request *request, const char *sql)
{
    HistoryJob *job = g_new0(HistoryJob, 1);
    job->call = request->call;
    job->sql = g_strdup(sql);
    job->database = g_build_filename(request->world->var, "one.db", NULL);
    g_thread_pool_push(request->server->readers, job, NULL);
    return NULL;
}
