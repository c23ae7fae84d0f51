/* Calls as JSON: what is read and what is not, arguments by name, replies and their statuses. */
#include "server/rpc/json.h"

#include "lib/base/error.h"
#include "server/http/api.h"
#include "server/rpc/method.h"

#include <string.h>

static const RpcLimits limits = {1 << 20, 8, 200};

/* ---- values ---- */

/* The value as the writer would say it; the problem when it cannot be read. (owned) */
static char *read_back(const char *text, gsize length)
{
    gint code = 0;
    char *problem = NULL;
    RpcValue *value = rpc_json_read(text, length, &limits, &code, &problem);
    g_assert_true((value == NULL) == (problem != NULL) && (value == NULL) == (code != 0));
    if (!value)
        return problem;
    guint status;
    RpcReply *reply = rpc_reply_result(value);
    g_autoptr(GString) out = rpc_json_encode(reply, &status);
    rpc_reply_free(reply);
    char *text_out = g_strchomp(g_strndup(out->str, out->len));
    char *inside =
        g_strndup(text_out + strlen("{\"result\":"), strlen(text_out) - strlen("{\"result\":") - 1);
    g_free(text_out);
    return inside;
}

static void test_values(void)
{
    static const char *const rows[][2] = {
        {"1", "1"},
        {" -7 ", "-7"},
        {"0", "0"},
        {"9223372036854775807", "9223372036854775807"},
        {"1.5", "1.5"},
        {"2e3", "2000"},
        {"-0.25E-2", "-0.0025000000000000001"},
        {"\"\"", "\"\""},
        {"\"a\\\"b\\\\c\\/d\\n\\t\"", "\"a\\\"b\\\\c/d\\n\\t\""},
        {"\"\\u00e4\\ud83d\\ude00\"", "\"\303\244\360\237\230\200\""},
        {"null", "null"},
        {"[]", "[]"},
        {"{}", "{}"},
        {"[1,\t\"x\",\r\n[true , false]]", "[1,\"x\",[true,false]]"},
        {"{ \"a\" : {\"b\":[{}]} , \"c\":null}", "{\"a\":{\"b\":[{}]},\"c\":null}"},
        {"", "at byte 0: the text ends where a value is expected"},
        {"x", "at byte 0: 'x' stands where a value is expected"},
        {"nul", "at byte 0: 'n' stands where a value is expected"},
        {"TRUE", "at byte 0: 'T' stands where a value is expected"},
        {"01", "at byte 2: the text ends where a number without zeros in front is expected"},
        {"-", "at byte 1: the text ends where a number without zeros in front is expected"},
        {"1.", "at byte 2: the text ends where a digit is expected"},
        {"1e", "at byte 2: the text ends where a digit is expected"},
        {"+1", "at byte 0: '+' stands where a value is expected"},
        {"9223372036854775808", "at byte 19: the number 9223372036854775808 has more than 64 bits"},
        {"1 2", "at byte 2: '2' stands where the end is expected"},
        {"[1,]", "at byte 3: ']' stands where a value is expected"},
        {"[1 2]", "at byte 3: '2' stands where a comma or ] is expected"},
        {"[1", "at byte 2: the text ends where a comma or ] is expected"},
        {"{1:2}", "at byte 1: '1' stands where a text in double quotes is expected"},
        {"{\"a\" 1}", "at byte 5: '1' stands where a colon is expected"},
        {"{\"a\":1,}", "at byte 7: '}' stands where a text in double quotes is expected"},
        {"{\"a\":1,\"a\":2}", "at byte 10: the name \"a\" stands here twice"},
        {"'a'", "at byte 0: ''' stands where a value is expected"},
        {"\"a", "at byte 2: the text ends where the closing quote is expected"},
        {"\"a\nb\"", "at byte 2: the byte 0a stands where a character, \\n for the end of a line, "
                     "is expected"},
        {"\"\\x\"", "at byte 2: 'x' stands where one of \" \\ / b f n r t u after a backslash is "
                    "expected"},
        {"\"\\u12g4\"", "at byte 5: 'g' stands where a character as four hexadecimal digits is "
                        "expected"},
        {"\"\\ud800x\"", "at byte 7: 'x' stands where the second half of a character (\\uDC00 to "
                         "\\uDFFF) is expected"},
        {"\"\\udc00\"", "at byte 7: '\"' stands where a character as four hexadecimal digits is "
                        "expected"},
        {"\"\\u0000\"", "at byte 7: the character U+0000 cannot be kept"},
        {"\"\\b\"", "at byte 2: the character U+0008 cannot be kept"},
        {"\"\377\"", "at byte 1: this is not UTF-8, or a character that cannot be kept"},
        {"[[[[[[[[1]]]]]]]]", "[[[[[[[[1]]]]]]]]"},
        {"[[[[[[[[[1]]]]]]]]]", "at byte 9: the values are nested deeper than 8"},
        {"// x\n1", "at byte 0: '/' stands where a value is expected"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        /* A copy that ends where the text does, so that reading on is seen. */
        gsize length = strlen(rows[i][0]);
        g_autofree char *copy = g_memdup2(rows[i][0], length);
        g_autofree char *read = read_back(copy, length);
        g_test_message("%s", rows[i][0]);
        g_assert_cmpstr(read, ==, rows[i][1]);
    }
    g_autofree char *nul = read_back("[1\0]", 4);
    g_assert_cmpstr(nul, ==, "at byte 2: the byte 00 stands where a comma or ] is expected");
}

static void test_limits(void)
{
    g_autoptr(GString) many = g_string_new("[0"), deep = g_string_new(NULL);
    for (guint i = 0; i < 199; i++)
        g_string_append(many, ",0");
    g_string_append_c(many, ']');
    g_autofree char *read = read_back(many->str, many->len);
    g_assert_cmpstr(read, ==, "at byte 399: there are more than 200 values");
    for (guint i = 0; i < 1000000; i++)
        g_string_append(deep, "[");
    g_autofree char *bottomless = read_back(deep->str, deep->len);
    g_assert_cmpstr(bottomless, ==, "at byte 9: the values are nested deeper than 8");
}

/* ---- arguments ---- */

/* Arguments as text, or the fault's. (owned) */
static char *decoded(const char *method, const char *session, const char *body)
{
    g_autoptr(GPtrArray) arguments = NULL;
    RpcReply *fault = rpc_json_decode(method, session, body, strlen(body), &limits, &arguments);
    if (fault) {
        char *text = g_strdup_printf("%d %s", fault->fault_code, fault->fault_text);
        rpc_reply_free(fault);
        return text;
    }
    guint status;
    RpcValue *array = rpc_value_array();
    g_ptr_array_unref(array->items);
    array->items = g_steal_pointer(&arguments);
    RpcReply *reply = rpc_reply_result(array);
    g_autoptr(GString) out = rpc_json_encode(reply, &status);
    rpc_reply_free(reply);
    return g_strchomp(g_strndup(out->str, out->len));
}

static void test_arguments(void)
{
    static const char *const rows[][3] = {
        {"one.vm.info", "[7]", "{\"result\":[\"ann:x\",7]}"},
        {"one.vm.info", "{\"id\":7}", "{\"result\":[\"ann:x\",7]}"},
        {"one.vm.info", "", "{\"result\":[\"ann:x\"]}"},
        {"one.vm.info", " \n", "{\"result\":[\"ann:x\"]}"},
        {"system.listMethods", "[]", "{\"result\":[]}"},
        {"one.vm.migrate", "{\"host\":2,\"live\":true,\"id\":1}",
         "{\"result\":[\"ann:x\",1,2,true]}"},
        {"globule.vm.migrate", "{\"id\":1,\"host\":2,\"text\":\"LIVE=YES\"}",
         "{\"result\":[\"ann:x\",1,2,\"LIVE=YES\"]}"},
        {"one.vm.migrate", "{\"id\":1,\"host\":2,\"type\":1}",
         "-501 The argument \"live\" of one.vm.migrate is missing"},
        {"one.vm.migrate", "{\"id\":1,\"host\":2,\"live\":true,\"type\":1}",
         "{\"result\":[\"ann:x\",1,2,true,false,-1,1]}"},
        {"one.vm.info", "{\"id\":1,\"hots\":2}",
         "-501 one.vm.info has no argument \"hots\"; it has: id decrypt"},
        {"one.vnallocate", "{\"id\":1}",
         "-501 The arguments of one.vnallocate have no names: give an array, by position"},
        {"one.vm.info", "7",
         "-501 The body must be an array of arguments, or an object of them by their names"},
        {"one.vm.info", "[7",
         "-503 The body is not as it must be, at byte 2: the text ends where a comma or ] is "
         "expected"},
        {"one.vm.fly", "[]", "-506 Method 'one.vm.fly' not defined"},
        {"system.multicall", "[]", "-506 Method 'system.multicall' not defined"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *read = decoded(rows[i][0], "ann:x", rows[i][1]);
        g_assert_cmpstr(read, ==, rows[i][2]);
    }
    g_autofree char *nobody = decoded("one.vm.info", NULL, "[7]");
    g_assert_cmpstr(nobody, ==, "{\"result\":[\"\",7]}");
}

/* What an argument is when it is left out is of its type. */
static void check_otherwise(char letter, const char *json)
{
    static const struct {
        char letter;
        RpcType type;
    } types[] = {{'i', RPC_INT}, {'b', RPC_BOOL}, {'s', RPC_STRING}, {'A', RPC_ARRAY}};
    gint code = 0;
    g_autofree char *problem = NULL;
    RpcValue *value = rpc_json_read(json, strlen(json), &limits, &code, &problem);
    g_assert_cmpstr(problem, ==, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(types); i++)
        if (types[i].letter == letter)
            g_assert_cmpint(value->type, ==, types[i].type);
    rpc_value_free(value);
}

/* Every argument of a method of today has a name, no method has more names than arguments, those
 * that may be left out say what they are then, and where one argument is the object's id, it is
 * called so. */
static void test_names(void)
{
    guint count;
    const RpcMethod *rows = rpc_methods(&count);
    for (guint i = 0; i < count; i++) {
        g_auto(GStrv) otherwise = NULL;
        g_auto(GStrv) names = rpc_json_names(rows[i].name, &otherwise);
        if (rows[i].flags & (ROW_HIDDEN | ROW_OLD))
            continue;
        g_test_message("%s(%s)", rows[i].name, rows[i].arguments);
        g_assert_nonnull(names);
        guint named = g_strv_length(names), letters = 0;
        gboolean optional = FALSE;
        for (const char *letter = rows[i].arguments; *letter; letter++) {
            optional |= *letter == '|';
            if (*letter == '|')
                continue;
            g_assert_cmpuint(letters, <, named);
            g_test_message("%s = %s", names[letters], otherwise[letters]);
            if (optional || *otherwise[letters])
                check_otherwise(*letter, otherwise[letters]);
            letters++;
        }
        g_assert_cmpuint(named, ==, letters);
        if (rows[i].id_at && rows[i].id_at <= named)
            g_assert_cmpstr(names[rows[i].id_at - 1], ==, "id");
    }
}

/* ---- replies ---- */

static RpcValue *tuple(gboolean done, RpcValue *value, gint code)
{
    RpcValue *array = rpc_value_array();
    rpc_value_add(array, rpc_value_bool(done));
    rpc_value_add(array, value);
    rpc_value_add(array, rpc_value_int(code));
    return array;
}

static void says(RpcReply *reply, guint wanted, const char *text)
{
    guint status = 0;
    g_autoptr(GString) out = rpc_json_encode(reply, &status);
    rpc_reply_free(reply);
    g_strchomp(out->str);
    g_assert_cmpstr(out->str, ==, text);
    g_assert_cmpuint(status, ==, wanted);
}

static void test_replies(void)
{
    static const struct {
        gint code;
        guint status;
    } codes[] = {{ONE_ERROR_AUTHENTICATION, 401}, {ONE_ERROR_AUTHORIZATION, 403},
                 {ONE_ERROR_NO_EXISTS, 404},      {ONE_ERROR_ACTION, 409},
                 {ONE_ERROR_RPC_API, 400},        {ONE_ERROR_INTERNAL, 400},
                 {ONE_ERROR_ALLOCATE, 400},       {ONE_ERROR_LOCKED, 423}};
    says(rpc_reply_result(tuple(TRUE, rpc_value_int(7), 0)), 200, "{\"result\":7}");
    says(rpc_reply_result(tuple(TRUE, rpc_value_text("7.4.0"), 0)), 200, "{\"result\":\"7.4.0\"}");
    says(rpc_reply_result(tuple(TRUE, rpc_value_text("<a <b"), 0)), 200, "{\"result\":\"<a <b\"}");
    RpcValue *only = rpc_value_array();
    rpc_value_add(only, rpc_value_bool(TRUE));
    says(rpc_reply_result(only), 200, "{\"result\":true}");
    for (guint i = 0; i < G_N_ELEMENTS(codes); i++) {
        g_autofree char *text =
            g_strdup_printf("{\"error\":{\"code\":%d,\"message\":\"a \\\"b\\\"\"}}", codes[i].code);
        says(rpc_reply_result(tuple(FALSE, rpc_value_text("a \"b\""), codes[i].code)),
             codes[i].status, text);
    }
    says(rpc_reply_fault(RPC_FAULT_NO_METHOD, "no"), 404,
         "{\"error\":{\"code\":-506,\"message\":\"no\"}}");
    says(rpc_reply_fault(RPC_FAULT_TYPE, "no"), 400,
         "{\"error\":{\"code\":-501,\"message\":\"no\"}}");
    says(rpc_reply_fault(RPC_FAULT_LIMIT, "no"), 413,
         "{\"error\":{\"code\":-509,\"message\":\"no\"}}");
}

static void test_documents(void)
{
    static const char *const rows[][2] = {
        {"<VM_POOL/>", "{\"VM_POOL\":{}}"},
        {"<VM_POOL><VM><ID>1</ID></VM></VM_POOL>", "{\"VM_POOL\":{\"VM\":[{\"ID\":\"1\"}]}}"},
        {"<VM><ID>1</ID><X/><T><A>1</A><B>2</B><A>3</A></T></VM>",
         "{\"VM\":{\"ID\":\"1\",\"X\":{},\"T\":{\"A\":[\"1\",\"3\"],\"B\":\"2\"}}}"},
        {"<HOST><VMS><ID>4</ID></VMS></HOST>", "{\"HOST\":{\"VMS\":{\"ID\":[\"4\"]}}}"},
        {"<A><![CDATA[<x> \"y\" & ]] ]]></A>", "{\"A\":\"<x> \\\"y\\\" & ]] \"}"},
        {"<A>&lt;&#228;\n\t&amp;</A>", "{\"A\":\"<\303\244\\n\\t&\"}"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        says(rpc_reply_result(tuple(TRUE, rpc_value_text(rows[i][0]), 0)), 200, rows[i][1]);
        /* The same out of fragments, as pools come. */
        FragmentList *list = fragment_list_new(2);
        gsize half = strlen(rows[i][0]) / 2;
        while (strchr("&;#", rows[i][0][half]) || g_ascii_isalnum(rows[i][0][half]))
            half++; /* not within an entity */
        fragment_list_add(list, fragment_new_escaped(rows[i][0], half));
        fragment_list_add(list, fragment_new_escaped(rows[i][0] + half, strlen(rows[i][0] + half)));
        says(rpc_reply_text(list), 200, rows[i][1]);
    }
}

/* A pool of ten thousand machines, in a time that does not grow with its square. */
static void test_large_pool(void)
{
    FragmentList *list = fragment_list_new(10002);
    fragment_list_add_text(list, "&lt;VM_POOL&gt;");
    for (guint i = 0; i < 10000; i++) {
        g_autoptr(GString) vm = g_string_new(NULL);
        g_string_append_printf(vm, "<VM><ID>%u</ID><TEMPLATE>", i);
        for (guint j = 0; j < 60; j++)
            g_string_append_printf(vm, "<NAME%u><![CDATA[a value of some length]]></NAME%u>", j, j);
        g_string_append(vm, "</TEMPLATE></VM>");
        fragment_list_add(list, fragment_new_escaped(vm->str, vm->len));
    }
    fragment_list_add_text(list, "&lt;/VM_POOL&gt;");
    RpcReply *reply = rpc_reply_text(list);
    guint status;
    g_autoptr(GString) out = rpc_json_encode(reply, &status);
    rpc_reply_free(reply);
    g_assert_true(g_str_has_prefix(out->str, "{\"VM_POOL\":{\"VM\":[{\"ID\":\"0\",\"TEMPLATE\":{"));
    g_assert_true(g_str_has_suffix(out->str, "\"}}]}}\n"));
    g_assert_cmpuint(out->len, >, 10000 * 60 * 30);
}

/* ---- the head ---- */

static void test_head(void)
{
    static const char *const paths[][2] = {
        {"/api/one.vm.info", "one.vm.info"},
        {"/api/", NULL},
        {"/api", NULL},
        {"/RPC2", NULL},
        {"/api/a/b", NULL},
        {"/api/a b", NULL},
        {"/api/\303\244", NULL},
        {"/api/a?b", NULL},
    };
    static const char *const headers[][2] = {
        {"Basic YW5uOng=", "ann:x"},
        {"basic  YW5uOng= ", "ann:x"},
        {"Bearer YW5uOng=", NULL},
        {"Basic", NULL},
        {"Basic ", NULL},
        {"Basic /w==", NULL},
        {"Basic AAAA", NULL},
        {"Basic YW5uOnc6eA==", "ann:w:x"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autofree char *method = api_method(paths[i][0]);
        g_assert_cmpstr(method, ==, paths[i][1]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(headers); i++) {
        g_autofree char *session = api_session(headers[i][0]);
        g_assert_cmpstr(session, ==, headers[i][1]);
    }
    g_assert_null(api_session(NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/values", test_values);
    g_test_add_func("/json/limits", test_limits);
    g_test_add_func("/json/arguments", test_arguments);
    g_test_add_func("/json/names", test_names);
    g_test_add_func("/json/replies", test_replies);
    g_test_add_func("/json/documents", test_documents);
    g_test_add_func("/json/large-pool", test_large_pool);
    g_test_add_func("/json/head", test_head);
    return g_test_run();
}
