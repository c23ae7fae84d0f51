#include "server/rpc/call.h"

static void test_values(void)
{
    RpcValue *array = rpc_value_array();
    rpc_value_add(array, rpc_value_bool(42));
    rpc_value_add(array, rpc_value_i8(G_MAXINT64));
    rpc_value_add(array, rpc_value_text(NULL));
    RpcValue *structure = rpc_value_struct();
    rpc_value_add_member(structure, "name", rpc_value_int(-7));
    rpc_value_add(array, structure);

    g_assert_cmpuint(array->items->len, ==, 4);
    RpcValue *truth = array->items->pdata[0], *large = array->items->pdata[1];
    RpcValue *text = array->items->pdata[2];
    g_assert_cmpint(truth->number, ==, 1);
    g_assert_true(large->is_i8);
    g_assert_cmpstr(text->text, ==, "");
    g_assert_cmpint(structure->type, ==, RPC_STRUCT);
    g_assert_cmpstr(((RpcValue *)structure->items->pdata[0])->text, ==, "name");
    g_assert_cmpint(((RpcValue *)structure->items->pdata[1])->number, ==, -7);
    rpc_value_free(array);
    rpc_value_free(NULL);
}

static void test_replies(void)
{
    Fragment *shared = fragment_new("x", 1);
    FragmentList *list = fragment_list_new(1);
    fragment_list_add(list, fragment_ref(shared));
    RpcReply *reply = rpc_reply_text(list);
    g_assert_cmpint(reply->kind, ==, RPC_REPLY_TEXT);
    rpc_reply_free(reply);
    g_assert_cmpint(shared->references, ==, 1); /* the reply dropped its own */
    fragment_unref(shared);

    reply = rpc_reply_fault(-506, "Method 'x' not defined");
    g_assert_cmpint(reply->kind, ==, RPC_REPLY_FAULT);
    g_assert_cmpint(reply->fault_code, ==, -506);
    rpc_reply_free(reply);
    rpc_reply_free(rpc_reply_result(rpc_value_int(1)));
    rpc_reply_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call/values", test_values);
    g_test_add_func("/call/replies", test_replies);
    return g_test_run();
}
