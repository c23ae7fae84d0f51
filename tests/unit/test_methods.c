/* Calls through the table of methods, without a listener: rights that depend on arguments, pages,
 * and answers that must not take long. */
#include "server/rpc/server.h"

#include "lib/base/error.h"
#include "server/model/place/host.h"
#include "tests/unit/cpu_time.h"
#include "tests/unit/small_world.h"

#include <stdlib.h>

typedef struct Fixture {
    SmallWorld *small;
    RpcServer *rpc;
    RpcReply *reply; /* of the last call */
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->small = small_world_new(NULL);
    small_world_live(fixture->small);
    fixture->rpc = rpc_server_new(fixture->small->world, fixture->small->lifecycle, NULL, NULL);
    fixture->reply = NULL;
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    rpc_reply_free(fixture->reply);
    rpc_server_free(fixture->rpc);
    small_world_free(fixture->small);
}

static void finish(RpcCall *call, RpcReply *reply)
{
    Fixture *fixture = call->owner;
    rpc_reply_free(fixture->reply);
    fixture->reply = reply;
    g_ptr_array_unref(call->arguments);
    g_free(call->method);
    g_free(call->verifier);
    g_free(call);
}

/* Arguments by letters: i int, b boolean, s text, A an array with one int. TRUE: it was done. */
static gboolean call(Fixture *fixture, gint32 uid, const char *method, const char *letters, ...)
{
    RpcCall *made = g_new0(RpcCall, 1);
    va_list arguments;
    made->method = g_strdup(method);
    made->arguments = g_ptr_array_new_with_free_func((GDestroyNotify)rpc_value_free);
    made->caller = (RpcCaller){uid, -1};
    made->verifier = g_strdup("-");
    made->finish = finish;
    made->owner = fixture;
    g_ptr_array_add(made->arguments, rpc_value_text("somebody:secret"));
    va_start(arguments, letters);
    for (const char *letter = letters; *letter; letter++) {
        RpcValue *value;
        if (*letter == 's') {
            value = rpc_value_text(va_arg(arguments, const char *));
        } else if (*letter == 'A') {
            value = rpc_value_array();
            rpc_value_add(value, rpc_value_int(va_arg(arguments, int)));
        } else {
            gint number = va_arg(arguments, gint);
            value = *letter == 'b' ? rpc_value_bool(number) : rpc_value_int(number);
        }
        g_ptr_array_add(made->arguments, value);
    }
    va_end(arguments);
    rpc_dispatch(fixture->rpc, made);
    small_settle(fixture->small);
    g_assert_nonnull(fixture->reply);
    if (fixture->reply->kind != RPC_REPLY_RESULT)
        return fixture->reply->kind == RPC_REPLY_TEXT;
    const RpcValue *first = fixture->reply->result->items->pdata[0];
    return first->number != 0;
}

static const char *told(const Fixture *fixture)
{
    return ((RpcValue *)fixture->reply->result->items->pdata[1])->text;
}

static void allow(Fixture *fixture, gint32 uid, Kind kind, guint rights)
{
    acl_create(fixture->small->world, ACL_ONE | (guint32)uid, KIND_BIT(kind) | ACL_ALL, rights,
               ACL_ALL, NULL);
}

/* One who may make users and has all groups does not thereby make administrators. */
static void test_nobody_makes_administrators(Fixture *fixture, gconstpointer data)
{
    gint32 ann = small_user(fixture->small, "ann", GROUP_USERS)->head.id;
    allow(fixture, ann, KIND_USER, RIGHT_CREATE | RIGHT_MANAGE);
    allow(fixture, ann, KIND_GROUP, RIGHT_USE | RIGHT_MANAGE);
    g_assert_true(call(fixture, ann, "one.user.allocate", "sssA", "bob", "pw", "", 1));
    g_assert_false(call(fixture, ann, "one.user.allocate", "sssA", "eve", "pw", "", 0));
    g_assert_nonnull(strstr(told(fixture), "Not authorized to perform MANAGE GROUP [0]"));
    g_assert_false(call(fixture, ann, "one.user.chgrp", "ii", ann, 0));
    g_assert_false(call(fixture, ann, "one.user.chgrp", "ii", -1, 0));
    g_assert_true(call(fixture, 0, "one.user.allocate", "sssA", "eve", "pw", "", 0));
}

static void test_others_are_left_alone(Fixture *fixture, gconstpointer data)
{
    gint32 ann = small_user(fixture->small, "ann", GROUP_USERS)->head.id;
    gint32 bob = small_user(fixture->small, "bob", GROUP_USERS)->head.id;
    g_assert_false(call(fixture, ann, "one.user.update", "isi", bob, "A=b", 1));
    g_assert_false(call(fixture, ann, "one.user.passwd", "is", bob, "pw"));
    g_assert_false(call(fixture, ann, "one.user.passwd", "is", 0, "pw"));
    g_assert_false(call(fixture, ann, "one.user.info", "i", bob));
    g_assert_false(call(fixture, ann, "one.user.delete", "i", ann));
    g_assert_false(call(fixture, ann, "one.user.enable", "ib", ann, FALSE));
    g_assert_true(call(fixture, ann, "one.user.update", "isi", -1, "A=b", 1));
    g_assert_true(call(fixture, bob, "one.vm.allocate", "s", "CPU=1\nMEMORY=64\n"));
    g_assert_false(call(fixture, ann, "one.vm.info", "i", 0));
    g_assert_false(call(fixture, ann, "one.vm.chown", "iii", 0, ann, -1));
    g_assert_false(call(fixture, bob, "one.vm.chown", "iii", 0, ann, -1));
    g_assert_false(call(fixture, bob, "one.vm.chown", "iii", 0, -1, 0));
    g_assert_false(call(fixture, ann, "one.vm.lock", "ii", 0, 4));
    g_assert_false(call(fixture, bob, "one.vm.deploy", "ii", 0, 0));
    g_assert_false(call(fixture, bob, "one.vm.recover", "ii", 0, 3));
    g_assert_false(call(fixture, bob, "one.vm.action", "si", "resched", 0));
    g_assert_false(call(fixture, bob, "one.vm.action", "si", "delete", 0));
    g_assert_true(call(fixture, bob, "one.vm.action", "si", "hold", 0));
    g_assert_false(call(fixture, bob, "one.vmdeploy", "ii", 0, 0));
    g_assert_false(call(fixture, bob, "one.hostdelete", "i", 0));
    /* a disabled user is nobody */
    g_assert_true(call(fixture, 0, "one.user.enable", "ib", bob, FALSE));
    g_assert_false(call(fixture, bob, "one.vm.info", "i", 0));
}

/* What an administrator gave to a user outlasts the user's own replacing. */
static void test_restricted_attributes_stay(Fixture *fixture, gconstpointer data)
{
    User *ann = small_user(fixture->small, "ann", GROUP_USERS);
    gint32 id = ann->head.id;
    g_assert_true(call(fixture, 0, "one.user.update", "isi", id, "VM_USE_OPERATIONS=x\nA=1", 0));
    g_assert_false(call(fixture, id, "one.user.update", "isi", id, "VM_USE_OPERATIONS=y", 1));
    g_assert_true(call(fixture, id, "one.user.update", "isi", id, "B=2", 0));
    g_assert_cmpstr(template_get(ann->head.template, "VM_USE_OPERATIONS"), ==, "x");
    g_assert_cmpstr(template_get(ann->head.template, "B"), ==, "2");
    g_assert_null(template_get(ann->head.template, "A"));
    g_assert_true(call(fixture, id, "one.vm.allocate", "s", "CPU=1\nMEMORY=64\nNOTE=a\n"));
    g_assert_true(call(fixture, 0, "one.vm.update", "isi", 0, "USER_PRIORITY=9", 1));
    g_assert_true(call(fixture, id, "one.vm.update", "isi", 0, "NOTE=b\nNIC=[A=b]", 0));
    g_assert_cmpstr(template_get(vm_get(fixture->small->world, 0)->user_template, "USER_PRIORITY"),
                    ==, "9");
    g_assert_true(call(fixture, id, "one.vm.update", "isi", 0, "", 0));
    g_assert_cmpuint(template_count(vm_get(fixture->small->world, 0)->user_template), ==, 1);
}

static void test_names_of_hosts(Fixture *fixture, gconstpointer data)
{
    g_assert_true(call(fixture, 0, "one.host.allocate", "sssi", "node1", "kvm", "kvm", -1));
    g_assert_false(call(fixture, 0, "one.host.allocate", "sssi", "a b", "kvm", "kvm", -1));
    g_assert_false(call(fixture, 0, "one.host.rename", "is", 0, "node1 etc"));
    g_assert_false(call(fixture, 0, "one.host.rename", "is", 0, "node1\n"));
    g_assert_false(call(fixture, 0, "one.host.rename", "is", 0, ""));
    g_assert_true(call(fixture, 0, "one.host.rename", "is", 0, "node2"));
}

static void test_absurd_reservations(Fixture *fixture, gconstpointer data)
{
    static const char *const texts[] = {"1e300", "-1e300", "nan",    "inf",
                                        "-inf",  "nan%",   "1e300%", "9223372036854775807"};
    g_assert_true(call(fixture, 0, "one.host.allocate", "sssi", "node1", "kvm", "kvm", -1));
    Host *host = host_get(fixture->small->world, 0);
    host->total_cpu = 800;
    host->total_memory = 1 << 24;
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *text =
            g_strdup_printf("RESERVED_CPU=\"%s\"\nRESERVED_MEM=\"%s\"", texts[i], texts[i]);
        g_assert_true(call(fixture, 0, "one.host.update", "isi", 0, text, 1));
        g_assert_cmpint(ABS(host->max_cpu), <, G_MAXINT64 / 1024);
        g_assert_cmpint(ABS(host->max_memory), <, G_MAXINT64 / 1024);
        host_has_room(host, 100, 1024, NULL);
    }
}

/* Ids of the machines in the last answer, in its order: "3 2 1". (owned) */
static char *ids_in(const Fixture *fixture)
{
    GString *ids = g_string_new(NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    const GPtrArray *parts = fixture->reply->text->items;
    for (guint i = 0; i < parts->len; i++) {
        const Fragment *part = parts->pdata[i];
        g_string_append_len(text, part->text, part->length);
    }
    static const char mark[] = "&lt;VM&gt;&lt;ID&gt;";
    for (const char *at = text->str; (at = strstr(at, mark)); at++)
        g_string_append_printf(ids, "%s%d", ids->len ? " " : "",
                               (gint)g_ascii_strtoll(at + strlen(mark), NULL, 10));
    return g_string_free(ids, FALSE);
}

static void test_pages(Fixture *fixture, gconstpointer data)
{
    static const struct {
        gint start, end;
        const char *ids;
    } pages[] = {
        {-1, -1, "4 3 2 1 0"},
        {0, -1, "4 3 2 1 0"},
        {2, -1, "4 3 2"},
        {1, 3, "3 2 1"},
        {3, 1, ""},
        {-1, 2, "2 1 0"},
        {G_MININT, 2, "2 1 0"},
        {4, G_MAXINT, "4"},
        {5, G_MAXINT, ""},
        {0, -2, "4 3"},
        {1, -2, "3 2"},
        {4, -2, "0"},
        {5, -2, ""},
        {G_MAXINT, -2, ""},
        {-7, -3, "4 3 2"},
        {0, G_MININT, "4 3 2 1 0"},
        {3, G_MININT, "1 0"},
    };
    for (guint i = 0; i < 5; i++)
        g_assert_true(call(fixture, 0, "one.vm.allocate", "s", "CPU=1\nMEMORY=64\n"));
    for (guint i = 0; i < G_N_ELEMENTS(pages); i++) {
        g_assert_true(
            call(fixture, 0, "one.vmpool.info", "iiii", -2, pages[i].start, pages[i].end, -1));
        g_autofree char *ids = ids_in(fixture);
        g_test_message("%d %d", pages[i].start, pages[i].end);
        g_assert_cmpstr(ids, ==, pages[i].ids);
    }
    g_assert_false(call(fixture, 0, "one.vmpool.info", "iiii", -5, -1, -1, -1));
    g_assert_false(call(fixture, 0, "one.vmpool.info", "iiii", -2, -1, -1, 12));
    g_assert_true(call(fixture, 0, "one.vmpool.infoset", "sb", "3,1,3,99,-1,4294967296,x", FALSE));
    g_autofree char *ids = ids_in(fixture);
    g_assert_cmpstr(ids, ==, "3 1");
}

static void test_long_lists_of_ids(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GString) list = g_string_new(NULL);
    for (guint i = 1000000; i > 0; i--)
        g_string_append_printf(list, "%u,", i);
    gint64 from = cpu_time();
    g_assert_true(call(fixture, 0, "one.vmpool.infoset", "sb", list->str, FALSE));
    g_assert_cmpint(cpu_time() - from, <, 5 * G_USEC_PER_SEC);
}

static char *many(const char *prefix, guint count)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < count; i++)
        g_string_append_printf(text, "%s%u=1\n", prefix, i);
    return g_string_free(text, FALSE);
}

/* A template grows by updates to what could not be read again at the next start. */
static void test_growing_templates(Fixture *fixture, gconstpointer data)
{
    gint32 ann = small_user(fixture->small, "ann", GROUP_USERS)->head.id;
    g_autofree char *first = many("A", 15000), *second = many("B", 15000);
    g_autofree char *pairs = g_strdelimit(many("P", 10000), "\n", ',');
    pairs[strlen(pairs) - 1] = '\0';
    g_autofree char *wide = g_strdup_printf("V=[%s]\nV=[%s]\nV=[%s]", pairs, pairs, pairs);
    g_autofree char *large = g_strdup_printf("L=\"%*d\"", 9 << 20, 1);
    g_autofree char *larger = g_strdup_printf("M=\"%*d\"", 9 << 20, 1);
    g_assert_true(call(fixture, ann, "one.vm.allocate", "s", "CPU=1\nMEMORY=64\n"));
    g_assert_true(call(fixture, ann, "one.vm.update", "isi", 0, first, 1));
    g_assert_false(call(fixture, ann, "one.vm.update", "isi", 0, second, 1));
    g_assert_cmpuint(template_count(vm_get(fixture->small->world, 0)->user_template), ==, 15000);
    g_assert_true(call(fixture, ann, "one.vm.update", "isi", 0, second, 0));
    g_assert_true(call(fixture, ann, "one.vm.update", "isi", 0, large, 0));
    g_assert_false(call(fixture, ann, "one.vm.update", "isi", 0, larger, 1));
    g_assert_nonnull(strstr(told(fixture), "MESSAGE_SIZE"));
    g_assert_true(call(fixture, ann, "one.user.update", "isi", ann, first, 1));
    g_assert_false(call(fixture, ann, "one.user.update", "isi", ann, second, 1));
    g_assert_false(call(fixture, ann, "one.user.update", "isi", ann, wide, 0));
    g_assert_false(call(fixture, 0, "one.datastore.allocate", "si", wide, -1));
}

static void count_ring(guint64 sequence, gpointer data)
{
    ++*(guint *)data;
}

static void test_waiting_schedulers(Fixture *fixture, gconstpointer data)
{
    guint rung = 0;
    Lifecycle *lifecycle = fixture->small->lifecycle;
    guint64 now = lifecycle_pending_sequence(lifecycle);
    lifecycle_wait_pending(lifecycle, now + 1, 30, count_ring, &rung);
    g_assert_cmpuint(rung, ==, 1);
    for (guint i = 0; i < 1500; i++)
        lifecycle_wait_pending(lifecycle, now, 30, count_ring, &rung);
    g_assert_cmpuint(rung, ==, 501);
    small_wait(fixture->small, 31);
    g_assert_cmpuint(rung, ==, 1501);
    lifecycle_wait_pending(lifecycle, now, 30, count_ring, &rung);
    g_assert_true(call(fixture, 0, "one.vm.allocate", "s", "CPU=1\nMEMORY=64\n"));
    g_assert_cmpuint(rung, ==, 1502);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add(path, Fixture, NULL, set_up, test, tear_down)
    ADD("/methods/no-administrators", test_nobody_makes_administrators);
    ADD("/methods/others", test_others_are_left_alone);
    ADD("/methods/restricted-stay", test_restricted_attributes_stay);
    ADD("/methods/names-of-hosts", test_names_of_hosts);
    ADD("/methods/reservations", test_absurd_reservations);
    ADD("/methods/pages", test_pages);
    ADD("/methods/long-lists", test_long_lists_of_ids);
    ADD("/methods/growing", test_growing_templates);
    ADD("/methods/bells", test_waiting_schedulers);
    return g_test_run();
}
