#include "lib/template/template.h"
#include "lib/base/error.h"
#include "tests/unit/cases.h"
#include "tests/unit/cpu_time.h"

/* Printed and read again, in both forms, it is the same; but XML cannot tell an empty vector
 * from an empty value. */
static void check_round_trip(const Template *template)
{
    g_autofree char *text = template_to_text(template), *text_again = NULL;
    g_autoptr(GString) xml = g_string_new(NULL), xml_again = g_string_new(NULL);
    g_autoptr(Template) from_text = NULL, from_xml = NULL, copy = template_copy(template);
    g_autoptr(GError) error = NULL;

    from_text = template_parse(text, TEMPLATE_MODERN, &error);
    g_assert_no_error(error);
    text_again = template_to_text(from_text);
    g_assert_cmpstr(text, ==, text_again);

    template_append_xml_element(template, "T", xml);
    from_xml = template_parse(xml->str, TEMPLATE_MODERN, &error);
    g_assert_no_error(error);
    template_append_xml_element(from_xml, "T", xml_again);
    if (!strstr(text, "=[]"))
        g_assert_cmpstr(xml->str, ==, xml_again->str);

    g_string_set_size(xml_again, 0);
    template_append_xml_element(copy, "T", xml_again);
    g_assert_cmpstr(xml->str, ==, xml_again->str);
}

static char *print(const Template *template, const char *form)
{
    GString *out;

    if (!strcmp(form, "text")) {
        char *text = template_to_text(template);
        gsize length = strlen(text);

        if (length && text[length - 1] == '\n')
            text[length - 1] = '\0';
        return text;
    }
    out = g_string_new(NULL);
    template_append_xml_element(template, "T", out);
    return g_string_free(out, FALSE);
}

static void test_table(gconstpointer data)
{
    const char *const *what = data;
    g_autoptr(GPtrArray) cases = cases_load(what[0]);
    TemplateFlags flags = (TemplateFlags)atoi(what[1]);

    for (guint i = 0; i < cases->len; i++) {
        const Case *one = cases->pdata[i];
        g_autoptr(GError) error = NULL;
        g_autoptr(Template) template = template_parse(one->input, flags, &error);

        g_test_message("%s", one->title);
        if (!strcmp(one->section, "error")) {
            g_assert_null(template);
            g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
            g_assert_cmpstr(error->message, ==, one->expected);
            continue;
        }
        g_assert_no_error(error);
        g_autofree char *printed = print(template, one->section);
        g_assert_cmpstr(printed, ==, one->expected);
        check_round_trip(template);
    }
}

static void test_bytes(void)
{
    static const struct {
        const char *text, *error;
    } wrong[] = {
        {"A = 1\nB = \x01", "the byte 0x01 cannot stand in a template at line 2, columns 5:6"},
        {"A = \"\xff\"", "the byte 0xff cannot stand in a template at line 1, columns 6:7"},
    };
    g_autoptr(Template) template = template_parse("\xEF\xBB\xBF"
                                                  "A = 1\r\nB =\r\nV = [ C = 2,\r\n D = 3 ]\r\n",
                                                  TEMPLATE_MODERN, NULL);
    g_autofree char *text = template_to_text(template);

    g_assert_cmpstr(text, ==, "A=\"1\"\nB=\"\"\nV=[C=\"2\", D=\"3\"]\n");
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(template_parse(wrong[i].text, TEMPLATE_MODERN, &error));
        g_assert_nonnull(strstr(error->message, wrong[i].error));
    }
    g_assert_cmpuint(template_count(template), ==, 3);
    template_free(template_parse(NULL, TEMPLATE_MODERN, NULL));
    template_free(NULL);
}

static void test_read(void)
{
    g_autoptr(Template) t =
        template_parse("A=1 A=2 M=\"512 \" F=1.5 BIG=99999999999999999999 X=0x10\n"
                       "ON=Yes OFF=no WORD=12MB EMPTY=\"\" NAN=nan\n"
                       "N=[ID=3] N=7 N=[ID=4,IP=x]",
                       TEMPLATE_MODERN, NULL);
    gint64 number = -1;
    double real = -1;

    g_assert_cmpstr(template_get(t, "a"), ==, "1");
    g_assert_cmpstr(template_get(t, "N"), ==, "7");
    g_assert_null(template_get(t, "NONE"));
    g_assert_true(template_get_int(t, "M", &number));
    g_assert_cmpint(number, ==, 512);
    g_assert_false(template_get_int(t, "F", &number));
    g_assert_false(template_get_int(t, "BIG", &number));
    g_assert_false(template_get_int(t, "WORD", &number));
    g_assert_false(template_get_int(t, "EMPTY", &number));
    g_assert_false(template_get_int(t, "NONE", &number));
    g_assert_cmpint(number, ==, 512);
    g_assert_true(template_get_double(t, "f", &real));
    g_assert_cmpfloat(real, ==, 1.5);
    g_assert_false(template_get_double(t, "NAN", &real));
    g_assert_false(template_get_double(t, "X", &real));
    g_assert_true(template_get_bool(t, "ON", FALSE));
    g_assert_false(template_get_bool(t, "OFF", TRUE));
    g_assert_true(template_get_bool(t, "NONE", TRUE));
    g_assert_cmpstr(template_get_pair(t, "n", "id"), ==, "3");
    g_assert_null(template_get_pair(t, "A", "ID"));
    g_assert_cmpstr(attribute_get(template_vector(t, "N", 1), "IP"), ==, "x");
    g_assert_null(template_vector(t, "N", 2));
    g_assert_true(attribute_get_int(template_vector(t, "N", 1), "id", &number));
    g_assert_cmpint(number, ==, 4);
}

static void check_text(const Template *template, const char *expected)
{
    g_autofree char *text = template_to_text(template);

    g_assert_cmpstr(text, ==, expected);
}

static void test_change(void)
{
    g_autoptr(Template) t = template_new();
    TemplateAttribute *disk;

    template_set(t, "b", "1");
    template_set_int(t, "A", -5);
    template_add(t, "B", "2");
    disk = template_add_vector(t, "disk");
    attribute_set(disk, "target", "vda");
    attribute_set_int(disk, "ID", 0);
    check_text(t, "A=\"-5\"\nB=\"1\"\nB=\"2\"\nDISK=[ID=\"0\", TARGET=\"vda\"]\n");

    attribute_set(disk, "ID", attribute_get(disk, "ID")); /* itself */
    attribute_set(disk, "TARGET", NULL);
    attribute_set(disk, "NONE", NULL);
    attribute_set(disk, "1x", "a");
    attribute_set(disk, "1x", "b");
    template_set(t, "B", template_get(t, "B"));
    check_text(t, "A=\"-5\"\nB=\"1\"\nDISK=[ID=\"0\", ONE_1X=\"b\"]\n");

    template_set(t, "DISK", "none");
    g_assert_cmpuint(template_remove(t, "a"), ==, 1);
    g_assert_cmpuint(template_remove(t, "a"), ==, 0);
    template_set(t, "B", NULL);
    check_text(t, "DISK=\"none\"\n");

    g_autoptr(Template) other = template_new();
    template_take(other, template_steal(t, 0));
    g_assert_cmpuint(template_count(t), ==, 0);
    check_text(other, "DISK=\"none\"\n");
}

/* Values set by the program, such as what a hypervisor said, never break the text. */
static void test_any_value(void)
{
    g_autoptr(Template) t = template_new();

    template_set(t, "ERROR", "a]]>b \x1b[1m \xff");
    check_text(t, "ERROR=\"a]] >b \xEF\xBF\xBD[1m \xEF\xBF\xBD\"\n");
    check_round_trip(t);
}

static void test_merge(void)
{
    g_autoptr(Template) into = template_parse("A=1 A=2 B=3 V=[X=1]", TEMPLATE_MODERN, NULL);
    g_autoptr(Template) from = template_parse("A=9 V=[Y=1] V=[Y=2] C=4", TEMPLATE_MODERN, NULL);

    template_merge(into, from);
    check_text(into, "A=\"9\"\nB=\"3\"\nC=\"4\"\nV=[Y=\"1\"]\nV=[Y=\"2\"]\n");
}

static void test_line(void)
{
    const char *text = "# c\nA = 1\nB = [ A = 2,\n C = 3 ]\na = 4 D = \"\n\"\nE=1";

    g_assert_cmpuint(template_line_of(text, TEMPLATE_MODERN, "A", 0), ==, 2);
    g_assert_cmpuint(template_line_of(text, TEMPLATE_MODERN, "A", 1), ==, 5);
    g_assert_cmpuint(template_line_of(text, TEMPLATE_MODERN, "A", 2), ==, 0);
    g_assert_cmpuint(template_line_of(text, TEMPLATE_MODERN, "b", 0), ==, 3);
    g_assert_cmpuint(template_line_of(text, TEMPLATE_MODERN, "E", 0), ==, 7);
    g_assert_cmpuint(template_line_of("<T><A>1</A></T>", TEMPLATE_MODERN, "A", 0), ==, 0);
}

/* A text that costs a stranger nothing must not cost us much. */
static void test_limits(void)
{
    g_autoptr(GString) many = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    gint64 start = cpu_time();

    for (guint i = 0; i < 250000; i++)
        g_string_append(many, i % 2 ? "B=1\n" : "A=1\n");
    g_assert_null(template_parse(many->str, TEMPLATE_MODERN, &error));
    g_assert_cmpstr(error->message, ==,
                    "too many attributes, a template may have 200000 at line 200001, columns 1:2");
    g_string_set_size(many, 4 * 190000);
    template_free(template_parse(many->str, TEMPLATE_MODERN, NULL));
    g_assert_cmpint(cpu_time() - start, <, 5 * G_USEC_PER_SEC);
}

int main(int argc, char **argv)
{
    static const char *const tables[][2] = {
        {"template/modern.txt", "0"},
        {"template/old.txt", "1"},
        {"template/config.txt", "2"},
        {"template/xml.txt", "0"},
    };

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(tables); i++) {
        g_autofree char *path = g_strconcat("/", tables[i][0], NULL);
        g_test_add_data_func(path, tables[i], test_table);
    }
    g_test_add_func("/template/bytes", test_bytes);
    g_test_add_func("/template/read", test_read);
    g_test_add_func("/template/change", test_change);
    g_test_add_func("/template/any-value", test_any_value);
    g_test_add_func("/template/merge", test_merge);
    g_test_add_func("/template/line", test_line);
    g_test_add_func("/template/limits", test_limits);
    return g_test_run();
}
