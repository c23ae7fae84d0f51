#include "server/rpc/gate.h"

#include "lib/base/log.h"
#include "server/auth/password.h"
#include "server/rpc/codec.h"
#include <string.h>

/* A gate with one user, "alice:secret" of id 2, before a core that notes the calls it gets
 * and answers each with its caller's id; in the thread it is called in, or in another. */
typedef struct Bench {
    Sessions *sessions;
    Gate *gate;
    GString *seen; /* "method/uid " of each call, in order; guarded by the lock */
    gboolean verifier_seen;
    gboolean later; /* answer in another thread */
    GThreadPool *pool;

    GMutex lock;
    GCond answered;
    RpcReply *reply;
} Bench;

static void answer_call(gpointer data, gpointer unused)
{
    RpcCall *call = data;
    RpcValue *tuple = rpc_value_array();
    rpc_value_add(tuple, rpc_value_bool(TRUE));
    rpc_value_add(tuple, rpc_value_int(call->caller.uid));
    call->finish(call, rpc_reply_result(tuple));
}

static void core(RpcCall *call, gpointer data)
{
    Bench *bench = data;
    g_mutex_lock(&bench->lock);
    g_string_append_printf(bench->seen, "%s/%d ", call->method, call->caller.uid);
    if (call->verifier)
        bench->verifier_seen = password_verify(call->verifier, "new");
    g_mutex_unlock(&bench->lock);
    if (bench->later)
        g_thread_pool_push(bench->pool, call, NULL);
    else
        answer_call(call, NULL);
}

static void finished(RpcCall *call, RpcReply *reply)
{
    Bench *bench = call->owner;
    g_free(call->method);
    g_free(call->address);
    g_free(call->verifier);
    g_ptr_array_unref(call->arguments);
    g_free(call);
    g_mutex_lock(&bench->lock);
    bench->reply = reply;
    g_cond_signal(&bench->answered);
    g_mutex_unlock(&bench->lock);
}

static gboolean exists(const char *method)
{
    return strcmp(method, "one.unknown") != 0;
}

static gboolean is_stateless(const char *method, gpointer data)
{
    return g_str_has_prefix(method, "one.still");
}

/* Leaves "one.still.not" to the core. */
static RpcReply *answer_now(RpcCall *call, gpointer data)
{
    if (strcmp(call->method, "one.still.not") == 0)
        return NULL;
    return rpc_reply_result(rpc_value_int(call->caller.uid));
}

static Bench *bench_new(gboolean later)
{
    Bench *bench = g_new0(Bench, 1);
    SessionsOptions options = sessions_options_default();
    options.allow_2009_without_password = TRUE;
    bench->sessions = sessions_new(&options);
    g_autofree char *verifier = password_verifier("secret", NULL);
    sessions_put_user(bench->sessions, "alice", 2, TRUE, "core", verifier);
    bench->gate = gate_new(&(GateOptions){.sessions = bench->sessions,
                                          .dispatch = core,
                                          .data = bench,
                                          .exists = exists,
                                          .is_stateless = is_stateless,
                                          .answer_now = answer_now,
                                          .multicall_most = 5});
    bench->seen = g_string_new(NULL);
    bench->later = later;
    bench->pool = g_thread_pool_new(answer_call, NULL, 3, FALSE, NULL);
    return bench;
}

static void bench_free(Bench *bench)
{
    sessions_free(bench->sessions);
    gate_free(bench->gate);
    g_thread_pool_free(bench->pool, FALSE, TRUE);
    g_string_free(bench->seen, TRUE);
    g_free(bench);
}

/* The answer to a call, as its body; the arguments are XML-RPC values. */
static char *call(Bench *bench, const char *address, const char *method, const char *arguments)
{
    const RpcLimits limits = {1 << 20, 64, 10000};
    g_autofree char *body =
        g_strdup_printf("<methodCall><methodName>%s</methodName><params>%s</params></methodCall>",
                        method, arguments);
    RpcCall *made = g_new0(RpcCall, 1);
    RpcReply *fault = rpc_decode(body, strlen(body), &limits, &made->method, &made->arguments);
    if (fault)
        g_error("%s", fault->fault_text);
    made->address = g_strdup(address);
    made->caller = (RpcCaller){-1, -1};
    made->finish = finished;
    made->owner = bench;
    bench->reply = NULL;
    gate_dispatch(made, bench->gate);
    g_mutex_lock(&bench->lock);
    while (!bench->reply)
        g_cond_wait(&bench->answered, &bench->lock);
    g_mutex_unlock(&bench->lock);
    GString *text = rpc_encode(bench->reply);
    rpc_reply_free(bench->reply);
    return g_string_free(text, FALSE);
}

#define STRING(TEXT)   "<param><value><string>" TEXT "</string></value></param>"
#define SHA1_OF_SECRET "e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"
#define FAILED         "<boolean>0</boolean>"

static void test_sessions(void)
{
    static const struct {
        const char *method, *arguments, *address, *seen, *answer;
    } cases[] = {
        {"one.x", STRING("alice:secret"), "192.0.2.1", "one.x/2 ", "<i4>2</i4>"},
        {"one.x", STRING("alice:" SHA1_OF_SECRET), "192.0.2.1", "one.x/2 ", "<i4>2</i4>"},
        {"one.x", STRING("alice:wrong"), "192.0.2.1", "",
         "[one.x] User couldn't be authenticated, aborting call.</string></value><value><i4>256"
         "</i4></value><value><i4>-1</i4></value><value><i8>-1</i8></value></data>"},
        {"one.x", STRING("alice:0000000000000000000000000000000000000000"), "192.0.2.1", "",
         "aborting call.</string></value><value><i4>256</i4></value></data>"},
        {"one.x", STRING("sessionID"), "127.0.0.1", "", "<i8>-1</i8>"},
        {"one.vmallocate", STRING("sessionID") STRING("NAME=x"), "127.0.0.1", "one.vmallocate/0 ",
         "<i4>0</i4>"},
        {"one.vmallocate", STRING("sessionID"), "192.0.2.1", "",
         "[one.vmallocate] User couldn't be authenticated, aborting call.</string></value>"
         "<value><i4>256</i4></value></data>"},
        {"one.x", "", "127.0.0.1", "", "Not enough parameters"},
        {"one.x", "<param><value><i4>1</i4></value></param>", "127.0.0.1", "",
         "Parameter that is supposed to be string is not"},
        {"one.unknown", "", "127.0.0.1", "one.unknown/-1 ", "<i4>-1</i4>"},
        {"system.listMethods", "", "127.0.0.1", "system.listMethods/-1 ", "<i4>-1</i4>"},
        {"system.methodHelp", STRING("one.x"), "127.0.0.1", "system.methodHelp/-1 ", "<i4>-1</i4>"},
    };
    for (int later = 0; later < 2; later++) {
        Bench *bench = bench_new(later);
        for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
            g_string_truncate(bench->seen, 0);
            g_autofree char *answer =
                call(bench, cases[i].address, cases[i].method, cases[i].arguments);
            if (!strstr(answer, cases[i].answer) || strcmp(bench->seen->str, cases[i].seen) != 0)
                g_error("case %zu: %s saw \"%s\"", i, answer, bench->seen->str);
        }
        bench_free(bench);
    }
}

static void test_password(void)
{
    Bench *bench = bench_new(FALSE);
    g_autofree char *answer = call(bench, "127.0.0.1", "one.user.allocate",
                                   STRING("alice:secret") STRING("bob") STRING("new"));
    g_assert_cmpstr(bench->seen->str, ==, "one.user.allocate/2 ");
    g_assert_true(bench->verifier_seen);
    bench->verifier_seen = FALSE;
    g_autofree char *other = call(bench, "127.0.0.1", "one.user.passwd",
                                  STRING("alice:wrong") STRING("2") STRING("new"));
    g_assert_nonnull(strstr(other, FAILED));
    g_assert_false(bench->verifier_seen);
    bench_free(bench);
}

#define ELEMENT(METHOD, ARGUMENTS)                                                                 \
    "<value><struct><member><name>methodName</name><value>" METHOD "</value></member><member>"     \
    "<name>params</name><value><array><data>" ARGUMENTS "</data></array></value></member>"         \
    "</struct></value>"
#define ITEM(TEXT)     "<value><string>" TEXT "</string></value>"
#define MANY(ELEMENTS) "<param><value><array><data>" ELEMENTS "</data></array></value></param>"

/* How often a text stands in another. */
static guint count(const char *text, const char *part)
{
    guint found = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        found++;
    return found;
}

static void test_multicall(void)
{
    for (int later = 0; later < 2; later++) {
        Bench *bench = bench_new(later);
        /* The first needs verification, those after it do not: the order stays. */
        g_autofree char *answer =
            call(bench, "127.0.0.1", "system.multicall",
                 MANY(ELEMENT("one.a", ITEM("alice:secret")) ELEMENT("one.b", ITEM("alice:wrong"))
                          ELEMENT("one.c", ITEM("alice:secret")) ELEMENT("system.listMethods", "")
                              ELEMENT("system.multicall", "")));
        g_assert_cmpstr(bench->seen->str, ==, "one.a/2 one.c/2 system.listMethods/-1 ");
        g_assert_cmpuint(count(answer, "<i4>2</i4>"), ==, 2);
        g_assert_cmpuint(count(answer, "[one.b] User couldn't"), ==, 1);
        g_assert_cmpuint(count(answer, "<i4>-507</i4>"), ==, 1);
        const char *a = strstr(answer, "<i4>2</i4>"), *b = strstr(answer, "[one.b]");
        g_assert_true(a < b && b < strstr(b, "<i4>2</i4>"));

        g_string_truncate(bench->seen, 0);
        g_autofree char *odd =
            call(bench, "127.0.0.1", "system.multicall",
                 MANY("<value><i4>1</i4></value>" ELEMENT("one.a", ITEM("alice:secret"))
                          ELEMENT("one.unknown", "") "<value><struct/></value>"));
        g_assert_cmpstr(bench->seen->str, ==, "one.a/2 one.unknown/-1 ");
        g_assert_cmpuint(count(odd, "<i4>-501</i4>"), ==, 2);
        g_autofree char *empty = call(bench, "127.0.0.1", "system.multicall", MANY(""));
        g_assert_nonnull(
            strstr(empty, "<param><value><array><data></data></array></value></param>"));
        bench_free(bench);
    }
}

static void test_multicall_refused(void)
{
    Bench *bench = bench_new(FALSE);
    g_autofree char *none = call(bench, "127.0.0.1", "system.multicall", "");
    g_assert_nonnull(strstr(none, "<i4>-501</i4>"));
    g_autofree char *text = call(bench, "127.0.0.1", "system.multicall", STRING("x"));
    g_assert_nonnull(strstr(text, "<i4>-501</i4>"));
    g_autofree char *six =
        call(bench, "127.0.0.1", "system.multicall",
             MANY(ELEMENT("one.a", "") ELEMENT("one.a", "") ELEMENT("one.a", "")
                      ELEMENT("one.a", "") ELEMENT("one.a", "") ELEMENT("one.a", "")));
    g_assert_nonnull(strstr(six, "<i4>-509</i4>"));
    g_assert_cmpstr(bench->seen->str, ==, "");
    bench_free(bench);
}

/* What gate_answer_now() says of a call: a user id, or -2 for nothing. */
static gint64 now(Bench *bench, const char *method, const char *session)
{
    RpcCall made = {.method = (char *)method,
                    .arguments = g_ptr_array_new_with_free_func((GDestroyNotify)rpc_value_free)};
    if (session)
        g_ptr_array_add(made.arguments, rpc_value_text(session));
    RpcReply *reply = gate_answer_now(&made, bench->gate);
    gint64 uid = reply ? reply->result->number : -2;
    rpc_reply_free(reply);
    g_ptr_array_unref(made.arguments);
    return uid;
}

/* Only calls that need nothing of the model, and only of sessions that were verified before. */
static void test_answer_now(void)
{
    Bench *bench = bench_new(FALSE);
    g_assert_cmpint(now(bench, "one.still", "alice:secret"), ==, -2);
    g_autofree char *verified = call(bench, "127.0.0.1", "one.x", STRING("alice:secret"));
    g_assert_cmpint(now(bench, "one.still", "alice:secret"), ==, 2);
    g_assert_cmpint(now(bench, "one.still.not", "alice:secret"), ==, -2);
    g_assert_cmpint(now(bench, "one.x", "alice:secret"), ==, -2);
    g_assert_cmpint(now(bench, "one.still", "alice:wrong"), ==, -2);
    g_assert_cmpint(now(bench, "one.still", "alice"), ==, -2);
    g_assert_cmpint(now(bench, "one.still", NULL), ==, -2);
    sessions_put_user(bench->sessions, "alice", 2, FALSE, "core", "");
    g_assert_cmpint(now(bench, "one.still", "alice:secret"), ==, -2);
    bench_free(bench);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_set_level(LOG_ERROR);
    g_test_add_func("/gate/sessions", test_sessions);
    g_test_add_func("/gate/password", test_password);
    g_test_add_func("/gate/answer-now", test_answer_now);
    g_test_add_func("/gate/multicall", test_multicall);
    g_test_add_func("/gate/multicall-refused", test_multicall_refused);
    return g_test_run();
}
