/*
 * Templates: the first byte chooses the form. What is read is printed in both forms and read
 * again as the same; changes by the program keep that true.
 */
#include "lib/template/template.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Template *read_again(const char *text)
{
    g_autoptr(GError) error = NULL;
    Template *template = template_parse(text, TEMPLATE_MODERN, &error);

    if (!template)
        g_error("\"%s\" was printed, but cannot be read: %s", text, error->message);
    return template;
}

static void check_text(const Template *template)
{
    g_autofree char *text = template_to_text(template), *again = NULL;
    g_autoptr(Template) back = read_again(text);

    again = template_to_text(back);
    /* The XML form stands in for what text cannot say; there an empty vector is a value. */
    if (*text != '<')
        g_assert_cmpstr(text, ==, again);
}

/* XML knows neither carriage returns nor empty vectors. */
static void check_xml(const Template *template)
{
    g_autoptr(GString) xml = g_string_new(NULL), again = g_string_new(NULL);
    g_autoptr(Template) back = NULL;

    template_append_xml_element(template, "T", xml);
    back = read_again(xml->str);
    template_append_xml_element(back, "T", again);
    if (strchr(xml->str, '\r'))
        return;
    for (guint i = 0; i < template_count(template); i++)
        if (template_nth(template, i)->pairs && !template_nth(template, i)->pairs->len)
            return;
    g_assert_cmpstr(xml->str, ==, again->str);
}

static void change(Template *template, const char *value)
{
    g_autoptr(Template) other = template_copy(template);
    TemplateAttribute *vector = template_vector(template, "DISK", 0);
    gint64 number;
    double real;

    template_get_int(template, "MEMORY", &number);
    template_get_double(template, "CPU", &real);
    template_get_bool(template, "HOLD", TRUE);
    template_set(template, "ERROR", value);
    template_add(template, "NAME", value);
    if (!vector)
        vector = template_add_vector(template, "DISK");
    attribute_set(vector, "SOURCE", value);
    attribute_set(vector, "SIZE", NULL);
    attribute_get_int(vector, "DISK_ID", &number);
    template_merge(other, template);
    check_text(other);
    template_remove(other, "disk");
    if (template_count(other))
        template_take(template, template_steal(other, template_count(other) - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const TemplateFlags forms[] = {TEMPLATE_MODERN, TEMPLATE_2009, TEMPLATE_CONFIG};
    g_autofree char *text = size ? g_strndup((const char *)data + 1, size - 1) : g_strdup("");
    TemplateFlags flags = forms[size ? data[0] % G_N_ELEMENTS(forms) : 0];
    g_autoptr(GError) error = NULL;
    g_autoptr(Template) template = template_parse(text, flags, &error);

    g_assert_true((template != NULL) == (error == NULL));
    template_line_of(text, flags, "NAME", 1);
    if (!template)
        return 0;
    check_text(template);
    check_xml(template);
    change(template, text);
    check_text(template);
    check_xml(template);
    return 0;
}
