#include "lib/base/error.h"
#include "lib/base/xml.h"

#include <string.h>

static void check(GString *out, const char *expected)
{
    g_assert_cmpstr(out->str, ==, expected);
    g_string_set_size(out, 0);
}

static void test_append(void)
{
    g_autoptr(GString) out = g_string_new(NULL);

    xml_append_text(out, "a < b & \"c\" > d");
    check(out, "a &lt; b &amp; &quot;c&quot; &gt; d");
    xml_append_text(out, "bell \x07, broken \xc3(, non-character \xef\xbf\xbf");
    check(out, "bell \xEF\xBF\xBD, broken \xEF\xBF\xBD(, non-character "
               "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    xml_append_cdata(out, "<a>&");
    check(out, "<![CDATA[<a>&]]>");
    xml_append_cdata(out, "a]]>b]]>");
    check(out, "<![CDATA[a]]]]><![CDATA[>b]]]]><![CDATA[>]]>");
    xml_append_element(out, "A", NULL);
    xml_append_element(out, "A", "");
    xml_append_element(out, "A", "1<2");
    xml_append_element_int(out, "B", G_MININT64);
    check(out, "<A/><A/><A>1&lt;2</A><B>-9223372036854775808</B>");
    xml_append_element_cdata(out, "C", "x");
    check(out, "<C><![CDATA[x]]></C>");
}

/* Whatever bytes go in, what comes out reads back. */
static void test_any_bytes(void)
{
    for (int i = 0; i < 2000; i++) {
        g_autoptr(GString) out = g_string_new("<a>");
        g_autoptr(xmlDoc) document = NULL;
        g_autoptr(GError) error = NULL;
        g_autofree char *repaired = NULL, *back = NULL;
        char text[12] = "";

        for (int k = 0; k < 11; k++) {
            int kind = g_test_rand_int_range(0, 4);
            text[k] = kind == 0 ? "]]>&<\""[g_test_rand_int_range(0, 6)]
                                : (char)g_test_rand_int_range(1, kind == 1 ? 256 : 128);
            if (text[k] == '\r')
                text[k] = 'r';
        }
        (i % 2 ? xml_append_cdata : xml_append_text)(out, text);
        g_string_append(out, "</a>");
        document = xml_read(out->str, out->len, 4, &error);
        g_assert_no_error(error);
        repaired = xml_text_repair(text);
        back = xml_content(xml_root(document));
        g_assert_cmpstr(back, ==, repaired);
    }
}

static void test_find(void)
{
    const char *text = "<?xml version='1.0'?><!-- c --><VM><ID> 7 </ID><T><D><S>a</S></D>"
                       "<D><S><![CDATA[b]]>c</S></D></T></VM>";
    g_autoptr(xmlDoc) document = xml_read(text, strlen(text), XML_DEPTH_MAX, NULL);
    xmlNode *root = xml_root(document), *disk;
    g_autofree char *first = NULL, *second = NULL;

    g_assert_cmpstr(xml_name(root), ==, "VM");
    g_assert_cmpint(xml_get_int(root, "ID", -1), ==, 7);
    g_assert_cmpint(xml_get_int(root, "NONE", -1), ==, -1);
    g_assert_cmpint(xml_get_int(root, "T/D/S", -2), ==, -2);
    disk = xml_find(root, "T/D");
    first = xml_get(disk, "S");
    g_assert_cmpstr(first, ==, "a");
    disk = xml_next_same(disk);
    second = xml_get(disk, "S");
    g_assert_cmpstr(second, ==, "bc");
    g_assert_null(xml_next_same(disk));
    g_assert_null(xml_find(root, "T/X/S"));
    g_assert_cmpstr(xml_name(xml_next_element(xml_first_element(root))), ==, "T");
}

static void refused(const char *text, const char *reason)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(xml_read(text, strlen(text), 4, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, reason));
}

static void test_refused(void)
{
    refused("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "DOCTYPE");
    refused("<!DOCTYPE a SYSTEM 'http://localhost/'><a/>", "DOCTYPE");
    refused("<a><b><c><d><e/></d></c></b></a>", "nested too deep");
    refused("<a>&unknown;</a>", "line 1");
    refused("<a>\n<b>\n</a>", "line 3");
    refused("", "XML error");
    refused("<a>", "XML error");
    refused("<a>\x01</a>", "XML error");
}

static void test_large(void)
{
    g_autoptr(GString) text = g_string_new("<POOL>");
    g_autoptr(xmlDoc) document = NULL;
    g_autoptr(GError) error = NULL;
    guint found = 0;

    for (int i = 0; i < 10000; i++)
        g_string_append_printf(text, "<VM><ID>%d</ID><X>%01500d</X></VM>", i, i);
    g_string_append(text, "</POOL>");
    document = xml_read(text->str, text->len, XML_DEPTH_MAX, &error);
    g_assert_no_error(error);
    for (xmlNode *vm = xml_find(xml_root(document), "VM"); vm; vm = xml_next_same(vm))
        found++;
    g_assert_cmpuint(found, ==, 10000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/xml/append", test_append);
    g_test_add_func("/base/xml/any-bytes", test_any_bytes);
    g_test_add_func("/base/xml/find", test_find);
    g_test_add_func("/base/xml/refused", test_refused);
    g_test_add_func("/base/xml/large", test_large);
    return g_test_run();
}
