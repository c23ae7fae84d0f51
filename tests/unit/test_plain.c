#include "server/rpc/plain.h"
#include <string.h>

static const RpcLimits limits = {1 << 16, 3, 100};

static gboolean is_plain(const char *body, guint *count)
{
    g_autofree char *method = NULL;
    g_autoptr(GPtrArray) arguments = NULL;
    gboolean plain = rpc_read_plain(body, strlen(body), &limits, &method, &arguments);
    if (plain && count)
        *count = arguments->len;
    return plain;
}

#define CALL(PARAMS) "<methodCall><methodName>m</methodName>" PARAMS "</methodCall>"
#define ONE(VALUE)   CALL("<params><param>" VALUE "</param></params>")
#define STRING(TEXT) ONE("<value><string>" TEXT "</string></value>")

/* What the clients that we know send. */
static void test_clients(void)
{
    static const struct {
        const char *body;
        guint count;
    } cases[] = {
        /* Python */
        {"<?xml version='1.0'?>\n<methodCall>\n<methodName>one.vm.info</methodName>\n<params>\n"
         "<param>\n<value><string>a:b</string></value>\n</param>\n<param>\n<value><int>0</int>"
         "</value>\n</param>\n<param>\n<value><boolean>0</boolean></value>\n</param>\n</params>\n"
         "</methodCall>\n",
         3},
        /* Ruby */
        {"<?xml version=\"1.0\" ?><methodCall><methodName>one.vm.info</methodName><params><param>"
         "<value><string>a:b</string></value></param><param><value><i4>-1</i4></value></param>"
         "</params></methodCall>\n",
         2},
        /* xmlrpc-c */
        {"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<methodCall>\r\n<methodName>m</methodName>"
         "\r\n<params>\r\n<param><value><string>a:b</string></value></param>\r\n<param><value>"
         "<array><data>\r\n<value><i4>1</i4></value>\r\n</data></array></value></param>\r\n"
         "</params>\r\n</methodCall>\r\n",
         2},
        {CALL(""), 0},
        {CALL("<params/>"), 0},
        {CALL("<params></params>"), 0},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint count = 99;
        g_assert_true(is_plain(cases[i].body, &count));
        g_assert_cmpuint(count, ==, cases[i].count);
    }
}

/* Left to xmlrpc-c, right or wrong. */
static void test_not_plain(void)
{
    static const char *const bodies[] = {
        "",
        "<methodCall>",
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>" CALL(""),
        "<!DOCTYPE x>" CALL(""),
        "<!-- c -->" CALL(""),
        CALL("") "x",
        CALL("") CALL(""),
        "<methodCall><methodName>m</methodName></methodCall> <params/></methodCall>",
        CALL("<params/><params/>"),
        CALL("<params><param/></params>"),
        STRING("a<!-- c -->b"),
        STRING("<![CDATA[x]]>"),
        STRING("]]>"),
        STRING("&#65;"),
        STRING("&unknown;"),
        STRING("&lt"),
        STRING("a\rb"),
        STRING("a\x01"),
        STRING("\xff"),
        STRING("\xf5\x80\x80\x80"),
        STRING("\xef\xbf\xbf"),
        ONE("<value><string/></value>"),
        ONE("<value ><i4>1</i4></value>"),
        ONE("<value>x<i4>1</i4></value>"),
        ONE("<value><i4>1</i4>x</value>"),
        ONE("<value><i4>1</i4><i4>1</i4></value>"),
        ONE("<value><i4> 1</i4></value>"),
        ONE("<value><i4>+1</i4></value>"),
        ONE("<value><i4></i4></value>"),
        ONE("<value><i4>-</i4></value>"),
        ONE("<value><i4>1234567890</i4></value>"),
        ONE("<value><i8>1234567890123456789</i8></value>"),
        ONE("<value><boolean>2</boolean></value>"),
        ONE("<value><double>1</double></value>"),
        ONE("<value><struct/></value>"),
        ONE("<value><array><data></data></array></value></value>"),
        ONE("<value><array></array></value>"),
        "<methodCall><methodName>a b</methodName></methodCall>",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++)
        if (is_plain(bodies[i], NULL))
            g_error("%s", bodies[i]);
}

static void test_text(void)
{
    static const struct {
        const char *body, *text;
    } cases[] = {
        {STRING("&lt;a&gt; &amp;amp; &quot;&apos;"), "<a> &amp; \"'"},
        {STRING(""), ""},
        {STRING("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80"},
        {STRING(" a\n\tb] ]> "), " a\n\tb] ]> "},
        {STRING("\xc3\xa4\xe2\x82\xac"), "\xc3\xa4\xe2\x82\xac"},
        {ONE("<value>no type</value>"), "no type"},
        {ONE("<value> </value>"), " "},
        {ONE("<value></value>"), ""},
        {ONE("<value>\n <string>x</string>\n </value>"), "x"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *method = NULL;
        g_autoptr(GPtrArray) arguments = NULL;
        g_assert_true(
            rpc_read_plain(cases[i].body, strlen(cases[i].body), &limits, &method, &arguments));
        const RpcValue *value = arguments->pdata[0];
        g_assert_cmpint(value->type, ==, RPC_STRING);
        g_assert_cmpstr(value->text, ==, cases[i].text);
    }
}

static void test_limits(void)
{
#define ARRAY(ITEM) "<value><array><data>" ITEM "</data></array></value>"
    g_assert_true(is_plain(ONE(ARRAY(ARRAY(ARRAY("")))), NULL));
    g_assert_false(is_plain(ONE(ARRAY(ARRAY(ARRAY(ARRAY(""))))), NULL));
    g_autoptr(GString) many = g_string_new("<methodCall><methodName>m</methodName><params>");
    for (int i = 0; i < 50; i++)
        g_string_append(many, "<param><value>x</value></param>");
    g_string_append(many, "</params></methodCall>");
    g_assert_false(is_plain(many->str, NULL));
    g_autofree char *large = g_strnfill(1 << 16, ' ');
    g_autofree char *body = g_strconcat(CALL(""), large, NULL);
    g_assert_false(is_plain(body, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plain/clients", test_clients);
    g_test_add_func("/plain/not-plain", test_not_plain);
    g_test_add_func("/plain/text", test_text);
    g_test_add_func("/plain/limits", test_limits);
    return g_test_run();
}
