#include "client/cli/table.h"
#include "client/cli/format.h"
#include "client/cli/output.h"
#include "client/cli/xml.h"

#include <string.h>

static char *size_text(const Cli *cli, xmlNode *object)
{
    return cli_size(cli_xml_double(object, "SIZE", 0), 'M');
}

static const CliColumn columns[] = {
    {"ID", 4, "ID", NULL, "number"},      {"NAME", -8, "NAME", NULL, "name"},
    {"SIZE", 6, NULL, size_text, "size"}, {"OS", -5, "TEMPLATE/OS", NULL, "system"},
    {NULL, 0, NULL, NULL, NULL},
};

static const char pool[] =
    "<POOL>"
    "<X><ID>10</ID><NAME>a long name</NAME><SIZE>2048</SIZE><TEMPLATE><OS>deb</OS></TEMPLATE></X>"
    "<X><ID>9</ID><NAME>two, \"2\"</NAME><SIZE>512</SIZE><TEMPLATE/></X>"
    "<X><ID>8</ID><NAME>\xc3\xbc\xe4\xb8\xad</NAME><SIZE>10</SIZE><TEMPLATE><OS>suse</OS></"
    "TEMPLATE></X>"
    "</POOL>";

static void set_option(Cli *cli, const char *key, const char *value)
{
    GPtrArray *values = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(values, g_strdup(value));
    g_hash_table_insert(cli->options, (gpointer)key, values);
}

/* The list with options told as "key", "value", ..., NULL. (owned) */
static char *list(guint width, ...)
{
    g_auto(Cli) cli;
    cli_init(&cli, NULL);
    cli.terminal = FALSE;
    va_list arguments;
    va_start(arguments, width);
    for (const char *key; (key = va_arg(arguments, const char *)) != NULL;)
        set_option(&cli, key, va_arg(arguments, const char *));
    va_end(arguments);
    g_autoptr(GError) error = NULL;
    g_autoptr(CliTable) table = cli_table_new(&cli, columns, "ID,NAME,SIZE,OS", &error);
    if (table == NULL)
        return g_strdup(error->message);
    g_autoptr(xmlDoc) doc = cli_xml_parse(pool, NULL);
    for (xmlNode *at = xml_find(xml_root(doc), "X"); at != NULL; at = xml_next_same(at))
        cli_table_add(table, at);
    return cli_table_text(table, width);
}

#define EXPECT(text, width, ...)                                                                   \
    do {                                                                                           \
        g_autofree char *printed = list(width, __VA_ARGS__, NULL);                                 \
        g_assert_cmpstr(printed, ==, text);                                                        \
    } while (0)

static void test_layout(void)
{
    g_autofree char *plain = list(0, NULL);
    g_assert_cmpstr(plain, ==,
                    "  ID NAME       SIZE OS\n"
                    "  10 a long n     2G deb\n"
                    "   9 two, \"2\"   512M\n"
                    "   8 \xc3\xbc\xe4\xb8\xad         10M suse\n");
    EXPECT("  10 a long n     2G deb\n   9 two, \"2\"   512M\n   8 \xc3\xbc\xe4\xb8\xad         "
           "10M suse\n",
           0, "no-header", "");
    EXPECT("OS      ID\ndeb     10\n         9\nsuse     8\n", 0, "list", "os,ID");
    EXPECT("NAME\na lo\ntwo,\n\xc3\xbc\xe4\xb8\xad\n", 0, "list", "NAME", "size", "NAME=4");
    EXPECT("NAME\na long name\ntwo, \"2\"\n\xc3\xbc\xe4\xb8\xad\n", 0, "list", "NAME", "adjust",
           "NAME");
    EXPECT("NAME        OS\na long name deb\ntwo, \"2\"\n\xc3\xbc\xe4\xb8\xad         suse\n", 0,
           "list", "NAME,OS", "expand", "");
    EXPECT("NAME      OS\na long na deb\ntwo, \"2\"\n\xc3\xbc\xe4\xb8\xad       suse\n", 15, "list",
           "NAME,OS", "expand", "");
}

static void test_csv(void)
{
    EXPECT("ID,NAME,SIZE,OS\n10,a long name,2G,deb\n9,\"two, "
           "\"\"2\"\"\",512M,\"\"\n8,\xc3\xbc\xe4\xb8\xad,10M,suse\n",
           0, "csv", "");
    EXPECT("10;2G\n9;512M\n8;10M\n", 0, "csv", "", "csv-del", ";", "list", "ID,SIZE", "no-header",
           "");
}

/* Which ids pass; headers and widths aside. */
static void passes(const char *filter, const char *how, const char *ids)
{
    g_autofree char *printed =
        list(0, "list", "ID", "no-header", "", "filter", filter, "operator", how, NULL);
    g_auto(GStrv) words = g_strsplit_set(printed, " \n", -1);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; words[i] != NULL; i++)
        if (*words[i] != '\0')
            g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "", words[i]);
    g_assert_cmpstr(text->str, ==, ids);
}

static void test_conditions(void)
{
    passes("OS=deb", "AND", "10");
    passes("OS!=deb", "AND", "9 8");
    passes("NAME~LONG", "AND", "10");
    passes("ID>8", "AND", "10 9");
    passes("ID>=9,SIZE<1G", "AND", "9");
    passes("ID<=8,ID=10", "OR", "10 8");
    passes("SIZE=2048M", "AND", "10");
    passes("ID=99", "AND", "");
    passes("os=suse", "and", "8");
}

static void test_order(void)
{
    EXPECT("8\n9\n10\n", 0, "list", "ID", "order", "ID", "no-header", "", "csv", "");
    EXPECT("10\n9\n8\n", 0, "list", "ID", "order", "-SIZE", "no-header", "", "csv", "");
    EXPECT("9\n10\n8\n", 0, "list", "ID", "order", "OS", "no-header", "", "csv", "");
}

static void test_mistakes(void)
{
    EXPECT("there is no column \"FOO\"; there are ID, NAME, SIZE, OS", 0, "list", "ID,FOO");
    EXPECT("there is no column \"FOO\"; there are ID, NAME, SIZE, OS", 0, "filter", "FOO=1");
    EXPECT("there is no column \"FOO\"; there are ID, NAME, SIZE, OS", 0, "order", "-FOO");
    EXPECT("--filter \"ID\" is no condition: write COLUMN=value, or != < <= > >= ~ for =", 0,
           "filter", "ID");
    EXPECT("--operator \"XOR\" must be AND or OR", 0, "operator", "XOR");
    EXPECT("--size \"ID=x\" must be NAME=N, N from 1 to 1000", 0, "size", "ID=x");
}

/* ---- Values ---- */

static void test_sizes(void)
{
    static const struct {
        double amount;
        char unit;
        const char *text;
    } cases[] = {{0, 'K', "0K"},         {1023, 'K', "1023K"},     {1024, 'K', "1M"},
                 {16777216, 'K', "16G"}, {16076476, 'K', "15.3G"}, {64, 'M', "64M"},
                 {1536, 'M', "1.5G"},    {40704, 'K', "39.8M"},    {1e18, 'M', "931322574.6P"},
                 {-2048, 'K', "-2M"}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = cli_size(cases[i].amount, cases[i].unit);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_amounts(void)
{
    static const struct {
        const char *text;
        gboolean good;
        double amount;
    } cases[] = {{"2", TRUE, 2},
                 {"64M", TRUE, 65536},
                 {"1.5G", TRUE, 1572864},
                 {"-3", TRUE, -3},
                 {"200 / 800 (25%)", TRUE, 200},
                 {"64M / 16G (0%)", TRUE, 65536},
                 {"  1d 02h03m", TRUE, 1563},
                 {"abc", FALSE, 0},
                 {"3x", FALSE, 0},
                 {"", FALSE, 0},
                 {"10.0.0.1", FALSE, 0},
                 {"7Mb", FALSE, 0}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        double amount;
        gboolean good = cli_amount(cases[i].text, &amount);
        if (good != cases[i].good)
            g_error("\"%s\" is %s number", cases[i].text, good ? "a" : "no");
        if (good)
            g_assert_cmpfloat_with_epsilon(amount, cases[i].amount, 0.001);
    }
}

static void test_times(void)
{
    g_autofree char *span = cli_span(90061), *longer = cli_span(123 * 86400), *none = cli_span(-5);
    g_autofree char *brief = cli_short_span(3725), *never = cli_time(0);
    g_assert_cmpstr(span, ==, "  1d 01h01m");
    g_assert_cmpstr(longer, ==, "123d 00h00m");
    g_assert_cmpstr(none, ==, "  0d 00h00m");
    g_assert_cmpstr(brief, ==, "1h02m05s");
    g_assert_cmpstr(never, ==, "-");
}

static void test_messages(void)
{
    static const struct {
        const char *message, *plain;
    } cases[] = {{"Sun Nov 22 02:30:01 2026: no host", "no host"},
                 {"Sun Nov  2 02:30:01 2026 : Error", "Error"},
                 {"no host", "no host"},
                 {"", ""},
                 {"Sun Nov 22 02:30", "Sun Nov 22 02:30"},
                 {"Sun Nov 22 02:30:01 2026", "Sun Nov 22 02:30:01 2026"}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpstr(cli_without_time(cases[i].message), ==, cases[i].plain);
}

static void test_fit(void)
{
    static const struct {
        const char *text;
        int width;
        const char *fitted;
    } cases[] = {{"abc", 5, "  abc"},
                 {"abc", -5, "abc  "},
                 {"abcdef", 3, "abc"},
                 {"", 3, "   "},
                 {"a\nb\033[31m", -8, "a b [31m"},
                 {"\xe4\xb8\xad\xe6\x96\x87", 3, " \xe4\xb8\xad"}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *fitted = cli_fit(cases[i].text, cases[i].width);
        g_assert_cmpstr(fitted, ==, cases[i].fitted);
    }
    g_autofree char *broken = cli_fit("\xff\xfe", 4);
    g_assert_true(g_utf8_validate(broken, -1, NULL));
}

/* ---- JSON and YAML ---- */

static void test_formats(void)
{
    g_autoptr(xmlDoc) doc =
        cli_xml_parse("<VM><ID>3</ID><NAME><![CDATA[a \"b\"\n\\]]></NAME><E/><D><X>1</X></D>"
                      "<D><X>2</X><Y>no</Y></D><L><ID>1</ID><ID>2</ID></L></VM>",
                      NULL);
    g_autofree char *json = cli_format_document(doc, CLI_JSON);
    g_assert_cmpstr(
        json, ==,
        "{\n  \"VM\": {\n    \"ID\": \"3\",\n    \"NAME\": \"a \\\"b\\\"\\n\\\\\",\n    \"E\": "
        "{},\n"
        "    \"D\": [\n      {\n        \"X\": \"1\"\n      },\n      {\n        \"X\": \"2\",\n"
        "        \"Y\": \"no\"\n      }\n    ],\n    \"L\": {\n      \"ID\": [\n        \"1\",\n"
        "        \"2\"\n      ]\n    }\n  }\n}\n");
    g_autofree char *yaml = cli_format_document(doc, CLI_YAML);
    g_assert_cmpstr(
        yaml, ==,
        "---\nVM:\n  ID: \"3\"\n  NAME: \"a \\\"b\\\"\\n\\\\\"\n  E: {}\n  D:\n  - X: \"1\"\n"
        "  - X: \"2\"\n    Y: \"no\"\n  L:\n    ID:\n    - \"1\"\n    - \"2\"\n");
    g_autofree char *xml = cli_format_document(doc, CLI_XML);
    g_autoptr(xmlDoc) again = cli_xml_parse(xml, NULL);
    g_assert_cmpstr(cli_xml_text(xml_root(again), "NAME"), ==, "a \"b\"\n\\");
}

/* As large as the pool of many thousand machines. */
static void test_large(void)
{
    g_autoptr(GString) text = g_string_new("<POOL>");
    for (guint i = 0; i < 60000; i++)
        g_string_append_printf(text,
                               "<X><ID>%u</ID><NAME>machine-%u</NAME><SIZE>%u</SIZE>"
                               "<PAD>%0200u</PAD></X>",
                               i, i, i, i);
    g_string_append(text, "</POOL>");
    g_assert_cmpuint(text->len, >, 15u << 20);
    g_autoptr(GError) error = NULL;
    g_autoptr(xmlDoc) doc = cli_xml_parse(text->str, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(cli_xml_text(cli_xml_last(xml_root(doc), "X"), "NAME"), ==, "machine-59999");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/table/layout", test_layout);
    g_test_add_func("/cli/table/csv", test_csv);
    g_test_add_func("/cli/table/conditions", test_conditions);
    g_test_add_func("/cli/table/order", test_order);
    g_test_add_func("/cli/table/mistakes", test_mistakes);
    g_test_add_func("/cli/format/sizes", test_sizes);
    g_test_add_func("/cli/format/amounts", test_amounts);
    g_test_add_func("/cli/format/times", test_times);
    g_test_add_func("/cli/format/messages", test_messages);
    g_test_add_func("/cli/format/fit", test_fit);
    g_test_add_func("/cli/output/formats", test_formats);
    g_test_add_func("/cli/output/large", test_large);
    return g_test_run();
}
