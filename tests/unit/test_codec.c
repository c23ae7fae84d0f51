#include "server/rpc/codec.h"
#include <string.h>
#include <xmlrpc-c/base.h>

static const RpcLimits limits = {1 << 20, 64, 20000};

static RpcReply *decode(const char *body, char **method, GPtrArray **arguments)
{
    return rpc_decode(body, strlen(body), &limits, method, arguments);
}

#define CALL(PARAMS)                                                                               \
    "<?xml version=\"1.0\"?>\n<methodCall><methodName>one.vm.info</methodName><params>" PARAMS     \
    "</params></methodCall>\n"
#define PARAM(VALUE) "<param><value>" VALUE "</value></param>"

/* What a value looks like, for comparison: 1:int 2L:i8 true "text" [..] {..} nil */
static void show(GString *out, const RpcValue *value)
{
    switch (value->type) {
    case RPC_INT:
        g_string_append_printf(out, "%" G_GINT64_FORMAT "%s", value->number,
                               value->is_i8 ? "L" : "");
        break;
    case RPC_BOOL:
        g_string_append(out, value->number ? "true" : "false");
        break;
    case RPC_STRING:
        g_string_append_printf(out, "\"%s\"", value->text);
        break;
    case RPC_DOUBLE:
        g_string_append_printf(out, "%.3f", value->real);
        break;
    case RPC_NIL:
        g_string_append(out, "nil");
        break;
    case RPC_ARRAY:
    case RPC_STRUCT:
        g_string_append_c(out, value->type == RPC_ARRAY ? '[' : '{');
        for (guint i = 0; i < value->items->len; i++) {
            if (i)
                g_string_append_c(out, ' ');
            show(out, value->items->pdata[i]);
        }
        g_string_append_c(out, value->type == RPC_ARRAY ? ']' : '}');
        break;
    }
}

typedef RpcReply *(*Decode)(const char *body, gsize length, const RpcLimits *limits, char **method,
                            GPtrArray **arguments);

static char *shown_by(Decode decoder, const char *body)
{
    g_autofree char *method = NULL;
    g_autoptr(GPtrArray) arguments = NULL;
    RpcReply *fault = decoder(body, strlen(body), &limits, &method, &arguments);
    if (fault)
        g_error("%s: %s", body, fault->fault_text);
    g_assert_cmpstr(method, ==, "one.vm.info");
    GString *shown = g_string_new(NULL);
    for (guint k = 0; k < arguments->len; k++) {
        if (k)
            g_string_append_c(shown, ' ');
        show(shown, arguments->pdata[k]);
    }
    return g_string_free(shown, FALSE);
}

/* Both ways of reading, the quick one and xmlrpc-c's. */
static void test_decode(void)
{
    static const struct {
        const char *body, *shown;
    } cases[] = {
        {CALL(PARAM("<string>a:b</string>") PARAM("<i4>7</i4>") PARAM("<boolean>1</boolean>")),
         "\"a:b\" 7 true"},
        {CALL(PARAM("<int>-1</int>") PARAM("<i8>4294967296</i8>") PARAM("untyped")),
         "-1 4294967296L \"untyped\""},
        {CALL(PARAM("<i8>-9223372036854775808</i8>") PARAM("<ex:i8>9223372036854775807</ex:i8>")),
         "-9223372036854775808L 9223372036854775807L"},
        {CALL(PARAM("<double>1.5</double>") PARAM("<nil/>")), "1.500 nil"},
        {CALL(PARAM("<array><data><value><int>1</int></value><value><array><data/></array></value>"
                    "</data></array>")),
         "[1 []]"},
        {CALL(PARAM("<struct><member><name>a</name><value><i4>1</i4></value></member></struct>")),
         "{\"a\" 1}"},
        {CALL(PARAM("<string>&lt;VM&gt; &amp; &#228;</string>")), "\"<VM> & \xc3\xa4\""},
        {CALL(PARAM("<string><![CDATA[<a & b>]]></string>")), "\"<a & b>\""},
        {CALL("<!-- <deep><deep> -->" PARAM("<string></string>")), "\"\""},
        {CALL(PARAM("<string/>") PARAM("")), "\"\" \"\""},
        {CALL(PARAM("<base64>w6QgPGI+</base64>")), "\"\xc3\xa4 <b>\""},
        {CALL(PARAM("<dateTime.iso8601>20090101T00:00:00</dateTime.iso8601>")),
         "\"20090101T00:00:00\""},
        /* U+1F600 and U+10FFFF, and private characters beside them */
        {CALL(PARAM("<string>a\xf0\x9f\x98\x80z</string>")), "\"a\xf0\x9f\x98\x80z\""},
        {CALL(PARAM("&#x1F600;&#128512;&#x10FFFF; &amp; &#228;")),
         "\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf & \xc3\xa4\""},
        {CALL(PARAM("\xf0\x9f\x98\x80\xee\x80\x80\xee\x90\x80&#xE800;&#xE801;")),
         "\"\xf0\x9f\x98\x80\xee\x80\x80\xee\x90\x80\xee\xa0\x80\xee\xa0\x81\""},
        {CALL(PARAM("<string><![CDATA[&#x1F600;\xf0\x9f\x98\x80]]>&#x1F600;</string>")),
         "\"&#x1F600;\xf0\x9f\x98\x80\xf0\x9f\x98\x80\""},
        {CALL(PARAM("<struct><member><name>\xf0\x9f\x98\x80</name><value>\xf0\x9f\x98\x80</value>"
                    "</member></struct>")),
         "{\"\xf0\x9f\x98\x80\" \"\xf0\x9f\x98\x80\"}"},
        {"<?xml version='1.0' encoding='ISO-8859-1'?><methodCall><methodName>one.vm.info"
         "</methodName><params><param><value>\xf0\x9f\xa4\xa4</value></param></params></"
         "methodCall>",
         "\"\xc3\xb0\xc2\x9f\xc2\xa4\xc2\xa4\""},
        {CALL(""), ""},
        {"<methodCall><methodName>one.vm.info</methodName></methodCall>", ""},
        {"<?xml version='1.0' encoding='ISO-8859-1'?><methodCall><methodName>one.vm.info"
         "</methodName><params><param><value><string>\xe4</string></value></param></params>"
         "</methodCall>",
         "\"\xc3\xa4\""},
        {"<methodCall xmlns:ex=\"http://a/>b\" ><methodName >one.vm.info</methodName "
         "></methodCall>",
         ""},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *quick = shown_by(rpc_decode, cases[i].body);
        g_autofree char *slow = shown_by(rpc_decode_any, cases[i].body);
        g_assert_cmpstr(quick, ==, cases[i].shown);
        g_assert_cmpstr(slow, ==, cases[i].shown);
    }
}

static void test_refused(void)
{
    static const struct {
        const char *body;
        gint code;
        const char *says;
    } cases[] = {
        {"", RPC_FAULT_PARSE, "valid XML"},
        {"hello", RPC_FAULT_PARSE, "valid XML"},
        {"<methodCall>", RPC_FAULT_PARSE, "valid XML"},
        {"<methodCall><methodName>x</methodName>", RPC_FAULT_PARSE, "valid XML"},
        {"<html></html>", RPC_FAULT_PARSE, "<html>"},
        {"<methodResponse/>", RPC_FAULT_PARSE, "methodResponse"},
        {"<params/>", RPC_FAULT_PARSE, "methodCall"},
        {"<methodCall/>", RPC_FAULT_PARSE, "methodName"},
        {"<!DOCTYPE methodCall [<!ENTITY a \"b\">]><methodCall/>", RPC_FAULT_PARSE, "DOCTYPE"},
        {"<methodCall><!ELEMENT x></methodCall>", RPC_FAULT_PARSE, "declaration"},
        {CALL(PARAM("<i4 a=\"1\">1</i4>")), RPC_FAULT_PARSE, "attributes"},
        {CALL(PARAM("<i4>x</i4>")), RPC_FAULT_PARSE, "junk"},
        {CALL(PARAM("<i4></i4>")), RPC_FAULT_PARSE, "empty"},
        {CALL(PARAM("<i4>99999999999</i4>")), RPC_FAULT_PARSE, "above"},
        {CALL(PARAM("<i8>5000x</i8>")), RPC_FAULT_PARSE, "64 bit"}, /* xmlrpc-c would crash */
        {CALL(PARAM("<ex:i8>5<!-- -->x</ex:i8>")), RPC_FAULT_PARSE, "64 bit"},
        {CALL(PARAM("<i8>9223372036854775808</i8>")), RPC_FAULT_PARSE, "64 bit"},
        {CALL(PARAM("<i8> 1</i8>")), RPC_FAULT_PARSE, "64 bit"},
        {CALL(PARAM("<i8></i8>")), RPC_FAULT_PARSE, "64 bit"},
        {CALL(PARAM("<i8/>")), RPC_FAULT_PARSE, "empty"},
        {CALL(PARAM("<boolean>2</boolean>")), RPC_FAULT_PARSE, "boolean"},
        {CALL(PARAM("<i4>1</i4><i4>2</i4>")), RPC_FAULT_PARSE, "child"},
        {CALL("<param/>"), RPC_FAULT_PARSE, "children"},
        {CALL(PARAM("&unknown;")), RPC_FAULT_PARSE, "entity"},
        {CALL(PARAM("\x01")), RPC_FAULT_PARSE, "nvalid token"},
        {CALL(PARAM("\xff\xfe")), RPC_FAULT_PARSE, ""},
        {CALL(PARAM("<base64>/w==</base64>")), RPC_FAULT_TYPE, "base64"},
        {CALL(PARAM("<base64>AEEA</base64>")), RPC_FAULT_TYPE, "not text"},
        {"<methodCall a=\"", RPC_FAULT_PARSE, "ends inside"},
        {"<!-- ", RPC_FAULT_PARSE, "comment"},
        {"<methodCall", RPC_FAULT_PARSE, ""},
        {"<", RPC_FAULT_PARSE, ""},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *method = NULL;
        g_autoptr(GPtrArray) arguments = NULL;
        RpcReply *fault = decode(cases[i].body, &method, &arguments);
        g_assert_nonnull(fault);
        if (fault->fault_code != cases[i].code || !strstr(fault->fault_text, cases[i].says))
            g_error("case %zu: %d %s", i, fault->fault_code, fault->fault_text);
        g_assert_null(method);
        g_assert_null(arguments);
        rpc_reply_free(fault);
    }
}

static RpcReply *decode_nested(guint levels)
{
    g_autoptr(GString) body = g_string_new("<methodCall><methodName>m</methodName><params><param>"
                                           "<value>");
    for (guint i = 0; i < levels; i++)
        g_string_append(body, "<array><data><value>");
    g_string_append(body, "<i4>1</i4>");
    for (guint i = 0; i < levels; i++)
        g_string_append(body, "</value></data></array>");
    g_string_append(body, "</value></param></params></methodCall>");
    g_autofree char *method = NULL;
    g_autoptr(GPtrArray) arguments = NULL;
    const RpcLimits wide = {1 << 24, 64, 1000000};
    return rpc_decode(body->str, body->len, &wide, &method, &arguments);
}

static void test_limits(void)
{
    g_assert_null(decode_nested(0));
    g_assert_null(decode_nested(63));
    g_assert_null(decode_nested(64));
    const guint levels[] = {65, 100, 100000};
    for (gsize i = 0; i < G_N_ELEMENTS(levels); i++) {
        RpcReply *fault = decode_nested(levels[i]);
        g_assert_nonnull(fault);
        g_assert_cmpint(fault->fault_code, ==, RPC_FAULT_LIMIT);
        rpc_reply_free(fault);
    }

    char *method = NULL;
    GPtrArray *arguments = NULL;
    const RpcLimits small = {10, 1, 3};
    RpcReply *fault = rpc_decode("<methodCall/>", 13, &small, &method, &arguments);
    g_assert_cmpint(fault->fault_code, ==, RPC_FAULT_LIMIT);
    rpc_reply_free(fault);
    const RpcLimits few = {1000, 1, 3};
    const char *body = "<methodCall><params><param/><param/></params></methodCall>";
    fault = rpc_decode(body, strlen(body), &few, &method, &arguments);
    g_assert_cmpint(fault->fault_code, ==, RPC_FAULT_LIMIT);
    rpc_reply_free(fault);

    /* UTF-16 would hide its tags from the scan. */
    static const char wide[] = "\xff\xfe<\0m\0e\0t\0h\0o\0d\0C\0a\0l\0l\0/\0>\0";
    fault = rpc_decode(wide, sizeof wide - 1, &limits, &method, &arguments);
    g_assert_cmpint(fault->fault_code, ==, RPC_FAULT_PARSE);
    rpc_reply_free(fault);
}

/* The reply as xmlrpc-c reads it. */
static xmlrpc_value *parse_reply(const GString *body, int *fault_code, char **fault_text)
{
    xmlrpc_env env;
    xmlrpc_env_init(&env);
    xmlrpc_value *value = NULL;
    const char *text = NULL;
    xmlrpc_parse_response2(&env, body->str, body->len, &value, fault_code, &text);
    if (env.fault_occurred)
        g_error("%s in %s", env.fault_string, body->str);
    *fault_text = g_strdup(text);
    free((char *)text);
    xmlrpc_env_clean(&env);
    return value;
}

static GString *join(const RpcPieces *pieces)
{
    GString *all = g_string_new(NULL);
    for (guint i = 0; i < pieces->pieces->len; i++) {
        const struct iovec *piece = &g_array_index(pieces->pieces, struct iovec, i);
        g_assert_cmpuint(piece->iov_len, >, 0);
        g_string_append_len(all, piece->iov_base, (gssize)piece->iov_len);
    }
    g_assert_cmpuint(all->len, ==, pieces->length);
    return all;
}

/* The text of element `index` of the tuple in the reply. */
static char *reply_text(const GString *body, unsigned index)
{
    int code = 0;
    g_autofree char *fault = NULL;
    xmlrpc_value *value = parse_reply(body, &code, &fault), *item = NULL;
    g_assert_null(fault);
    xmlrpc_env env;
    xmlrpc_env_init(&env);
    const char *text = NULL;
    xmlrpc_array_read_item(&env, value, index, &item);
    xmlrpc_read_string(&env, item, &text);
    g_assert_false(env.fault_occurred);
    char *copy = g_strdup(text);
    free((char *)text);
    xmlrpc_DECREF(item);
    xmlrpc_DECREF(value);
    xmlrpc_env_clean(&env);
    return copy;
}

static RpcReply *failure(const char *text)
{
    RpcValue *tuple = rpc_value_array();
    rpc_value_add(tuple, rpc_value_bool(FALSE));
    rpc_value_add(tuple, rpc_value_text(text));
    rpc_value_add(tuple, rpc_value_int(256));
    rpc_value_add(tuple, rpc_value_int(-1));
    rpc_value_add(tuple, rpc_value_i8(-1));
    return rpc_reply_result(tuple);
}

static void test_strings(void)
{
    static const struct {
        const char *text, *read;
    } cases[] = {
        {"plain", "plain"},
        {"<a>&\"'</a>]]>", "<a>&\"'</a>]]>"},
        {"two\nlines\tand tab", "two\nlines\tand tab"},
        {"\xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac"},
        {"bell \a here", "bell ? here"},
        {"broken \xff here", "broken \xef\xbf\xbd here"},
        {"", ""},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        RpcReply *reply = failure(cases[i].text);
        g_autoptr(GString) body = rpc_encode(reply);
        g_autofree char *read = reply_text(body, 1);
        g_assert_cmpstr(read, ==, cases[i].read);
        rpc_reply_free(reply);
    }
    RpcReply *reply = failure("a\r\nb");
    g_autoptr(GString) body = rpc_encode(reply);
    g_assert_nonnull(strstr(body->str, "a&#13;\nb"));
    g_assert_nonnull(strstr(body->str, "<i8>-1</i8>"));
    g_assert_nonnull(strstr(body->str, "<value><i4>256</i4></value>"));
    rpc_reply_free(reply);
}

static void test_numbers(void)
{
    static const struct {
        gint64 number;
        gboolean is_i8;
        const char *text;
    } cases[] = {
        {0, FALSE, "<i4>0</i4>"},
        {-1, FALSE, "<i4>-1</i4>"},
        {1234567890, FALSE, "<i4>1234567890</i4>"},
        {G_MAXINT32, FALSE, "<i4>2147483647</i4>"},
        {G_MININT32, FALSE, "<i4>-2147483648</i4>"},
        {2147483648, FALSE, "<i8>2147483648</i8>"},
        {5, TRUE, "<i8>5</i8>"},
        {G_MAXINT64, TRUE, "<i8>9223372036854775807</i8>"},
        {G_MININT64, TRUE, "<i8>-9223372036854775808</i8>"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        RpcReply *reply = rpc_reply_result(cases[i].is_i8 ? rpc_value_i8(cases[i].number)
                                                          : rpc_value_int(cases[i].number));
        g_autoptr(GString) body = rpc_encode(reply);
        g_assert_nonnull(strstr(body->str, cases[i].text));
        rpc_reply_free(reply);
    }
}

static RpcReply *pool_reply(guint objects)
{
    FragmentList *list = fragment_list_new(objects + 2);
    fragment_list_add_text(list, "&lt;VM_POOL&gt;");
    for (guint i = 0; i < objects; i++) {
        g_autofree char *text = g_strdup_printf("<VM><ID>%u</ID></VM>", i);
        fragment_list_add(list, fragment_new_escaped(text, strlen(text)));
    }
    fragment_list_add_text(list, "&lt;/VM_POOL&gt;");
    return rpc_reply_text(list);
}

static void test_pieces(void)
{
    RpcReply *reply = pool_reply(3);
    g_autoptr(GString) whole = rpc_encode(reply);
    g_autofree char *text = reply_text(whole, 1);
    g_assert_cmpstr(text, ==,
                    "<VM_POOL><VM><ID>0</ID></VM><VM><ID>1</ID></VM><VM><ID>2</ID></VM></VM_POOL>");
    g_assert_cmpuint(rpc_reply_size(reply), ==, reply->text->length);

    RpcPieces *pieces = rpc_encode_pieces(reply);
    g_autoptr(GString) joined = join(pieces);
    g_assert_cmpstr(joined->str, ==, whole->str);
    g_assert_cmpuint(pieces->pieces->len, ==, 7);
    rpc_pieces_free(pieces);
    rpc_pieces_free(NULL);

    reply = rpc_reply_text(fragment_list_new(0));
    pieces = rpc_encode_pieces(reply);
    g_autoptr(GString) empty = join(pieces);
    g_autofree char *nothing = reply_text(empty, 1);
    g_assert_cmpstr(nothing, ==, "");
    rpc_pieces_free(pieces);
}

static void test_many(void)
{
    GPtrArray *parts = g_ptr_array_new();
    g_ptr_array_add(parts, pool_reply(2));
    g_ptr_array_add(parts, rpc_reply_fault(-506, "Method 'x' not defined"));
    g_ptr_array_add(parts, failure("no"));
    RpcReply *reply = rpc_reply_many(parts);
    g_autoptr(GString) whole = rpc_encode(reply);
    RpcPieces *pieces = rpc_encode_pieces(reply);
    g_autoptr(GString) joined = join(pieces);
    g_assert_cmpstr(joined->str, ==, whole->str);
    int code = 0;
    g_autofree char *fault = NULL;
    xmlrpc_value *value = parse_reply(whole, &code, &fault), *item = NULL;
    xmlrpc_env env;
    xmlrpc_env_init(&env);
    g_assert_cmpint(xmlrpc_array_size(&env, value), ==, 3);
    xmlrpc_array_read_item(&env, value, 0, &item);
    g_assert_cmpint(xmlrpc_value_type(item), ==, XMLRPC_TYPE_ARRAY);
    g_assert_cmpint(xmlrpc_array_size(&env, item), ==, 1);
    xmlrpc_DECREF(item);
    xmlrpc_array_read_item(&env, value, 1, &item);
    g_assert_cmpint(xmlrpc_value_type(item), ==, XMLRPC_TYPE_STRUCT);
    xmlrpc_DECREF(item);
    xmlrpc_DECREF(value);
    xmlrpc_env_clean(&env);
    rpc_pieces_free(pieces);
}

static void test_fault(void)
{
    g_autoptr(GString) body = rpc_encode_fault(-509, "too <large>");
    int code = 0;
    g_autofree char *text = NULL;
    g_assert_null(parse_reply(body, &code, &text));
    g_assert_cmpint(code, ==, -509);
    g_assert_cmpstr(text, ==, "too <large>");
}

static void test_speed(void)
{
    const char *body = CALL(PARAM("<string>oneadmin:opennebula</string>") PARAM("<i4>123</i4>")
                                PARAM("<boolean>0</boolean>"));
    const int rounds = 20000;
    gint64 start = g_get_monotonic_time();
    for (int i = 0; i < rounds; i++) {
        g_autofree char *method = NULL;
        g_autoptr(GPtrArray) arguments = NULL;
        g_assert_null(decode(body, &method, &arguments));
    }
    double ours = (double)(g_get_monotonic_time() - start) / rounds;
    start = g_get_monotonic_time();
    for (int i = 0; i < rounds; i++) {
        g_autofree char *method = NULL;
        g_autoptr(GPtrArray) arguments = NULL;
        g_assert_null(rpc_decode_any(body, strlen(body), &limits, &method, &arguments));
    }
    double any = (double)(g_get_monotonic_time() - start) / rounds;
    start = g_get_monotonic_time();
    for (int i = 0; i < rounds; i++) {
        xmlrpc_env env;
        xmlrpc_env_init(&env);
        const char *method = NULL;
        xmlrpc_value *parameters = NULL;
        xmlrpc_parse_call(&env, body, strlen(body), &method, &parameters);
        xmlrpc_DECREF(parameters);
        free((char *)method);
        xmlrpc_env_clean(&env);
    }
    double bare = (double)(g_get_monotonic_time() - start) / rounds;
    start = g_get_monotonic_time();
    for (int i = 0; i < rounds; i++) {
        gint code = 0;
        char *text = NULL;
        g_assert_true(rpc_scan(body, strlen(body), &limits, &code, &text));
    }
    double scan = (double)(g_get_monotonic_time() - start) / rounds;
    RpcReply *reply = pool_reply(1);
    start = g_get_monotonic_time();
    for (int i = 0; i < rounds; i++)
        g_string_free(rpc_encode(reply), TRUE);
    double encode = (double)(g_get_monotonic_time() - start) / rounds;
    rpc_reply_free(reply);
    reply = failure("a message of usual length, which says what was wrong");
    start = g_get_monotonic_time();
    for (int i = 0; i < rounds; i++)
        g_string_free(rpc_encode(reply), TRUE);
    double tuple = (double)(g_get_monotonic_time() - start) / rounds;
    rpc_reply_free(reply);
    g_test_message("decode %.2f us, by xmlrpc-c %.2f us (scan %.2f us), xmlrpc_parse_call alone "
                   "%.2f us, encode %.2f us, a failure %.2f us",
                   ours, any, scan, bare, encode, tuple);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/codec/decode", test_decode);
    g_test_add_func("/codec/refused", test_refused);
    g_test_add_func("/codec/limits", test_limits);
    g_test_add_func("/codec/strings", test_strings);
    g_test_add_func("/codec/numbers", test_numbers);
    g_test_add_func("/codec/pieces", test_pieces);
    g_test_add_func("/codec/many", test_many);
    g_test_add_func("/codec/fault", test_fault);
    g_test_add_func("/codec/speed", test_speed);
    return g_test_run();
}
