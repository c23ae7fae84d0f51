/*
 * The XML form: children of the root with text are single values, children with
 * elements of their own are vectors; what is nested deeper is a value's text.
 */
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include "lib/template/template_private.h"

#include <string.h>

/* ---- in ---- */

static gboolean check_name(const xmlNode *element, GError **error)
{
    const char *name = xml_name(element);

    if (template_name_is_valid(name, strlen(name)))
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "XML error at line %ld: \"%s\" cannot be the name of an attribute, which may hold "
                "letters, digits and underscores only",
                xmlGetLineNo(element), name);
    return FALSE;
}

/* Text of an element as a value, or NULL when it holds what no value may. */
static char *value_of(const xmlNode *element, GError **error)
{
    char *value = xml_content(element);

    if (!strstr(value, "]]>"))
        return value;
    g_free(value);
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "XML error at line %ld: \"]]>\" is not allowed in the value of \"%s\"",
                xmlGetLineNo(element), xml_name(element));
    return NULL;
}

static gboolean read_pairs(xmlNode *element, TemplateAttribute *attribute, GError **error)
{
    for (xmlNode *child = xml_first_element(element); child; child = xml_next_element(child)) {
        char *value;

        if (!check_name(child, error))
            return FALSE;
        value = value_of(child, error);
        if (!value)
            return FALSE;
        g_ptr_array_add(attribute->pairs,
                        template_pair_new(xml_name(child), strlen(xml_name(child)), value));
    }
    template_sort_pairs(attribute);
    return TRUE;
}

static gboolean read_child(xmlNode *element, Template *template, GError **error)
{
    const char *name = xml_name(element);
    TemplateAttribute *attribute;
    char *value;

    if (!check_name(element, error))
        return FALSE;
    if (xml_first_element(element)) {
        attribute = template_vector_new(name, strlen(name));
        g_ptr_array_add(template->attributes, attribute);
        return read_pairs(element, attribute, error);
    }
    value = value_of(element, error);
    if (!value)
        return FALSE;
    g_ptr_array_add(template->attributes, template_attribute_new(name, strlen(name), value));
    return TRUE;
}

/* libxml2 takes time with the square of the number of different names, so they are counted before
 * it sees them. */
static gboolean is_small(const char *text, GError **error)
{
    guint elements = 0;

    for (const char *at = text; (at = strchr(at, '<')) && elements <= TEMPLATE_ATTRIBUTES_MAX; at++)
        elements += at[1] != '/' && at[1] != '!';
    if (elements <= TEMPLATE_ATTRIBUTES_MAX)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "XML error: too many elements, a template may have %d", TEMPLATE_ATTRIBUTES_MAX);
    return FALSE;
}

Template *template_parse_xml(const char *text, GError **error)
{
    g_autoptr(Template) template = template_new();
    g_autoptr(xmlDoc) document = NULL;

    while (g_ascii_isspace(*text)) /* nothing may stand before an XML declaration */
        text++;
    document = is_small(text, error) ? xml_read(text, strlen(text), XML_DEPTH_MAX, error) : NULL;
    if (!document)
        return NULL;
    for (xmlNode *child = xml_first_element(xml_root(document)); child;
         child = xml_next_element(child))
        if (!read_child(child, template, error))
            return NULL;
    template_sort(template);
    return g_steal_pointer(&template);
}

/* ---- out ---- */

/* Values of templates are valid text without "]]>", so no check is needed here. */
static void append_value(GString *out, const char *name, const char *value)
{
    gsize name_length = strlen(name), value_length = strlen(value);

    g_string_append_c(out, '<');
    g_string_append_len(out, name, (gssize)name_length);
    g_string_append_len(out, "><![CDATA[", 10);
    g_string_append_len(out, value, (gssize)value_length);
    g_string_append_len(out, "]]></", 5);
    g_string_append_len(out, name, (gssize)name_length);
    g_string_append_c(out, '>');
}

void template_attribute_append_xml(const TemplateAttribute *attribute, GString *out)
{
    if (attribute->value) {
        append_value(out, attribute->name, attribute->value);
        return;
    }
    g_string_append_c(out, '<');
    g_string_append(out, attribute->name);
    if (!attribute->pairs->len) {
        g_string_append(out, "/>");
        return;
    }
    g_string_append_c(out, '>');
    for (guint i = 0; i < attribute->pairs->len; i++) {
        const TemplatePair *pair = attribute->pairs->pdata[i];

        append_value(out, pair->name, pair->value);
    }
    g_string_append(out, "</");
    g_string_append(out, attribute->name);
    g_string_append_c(out, '>');
}

void template_append_xml(const Template *template, GString *out)
{
    for (guint i = 0; i < template->attributes->len; i++)
        template_attribute_append_xml(template->attributes->pdata[i], out);
}

void template_append_xml_element(const Template *template, const char *root, GString *out)
{
    g_string_append_c(out, '<');
    g_string_append(out, root);
    if (!template->attributes->len) {
        g_string_append(out, "/>");
        return;
    }
    g_string_append_c(out, '>');
    template_append_xml(template, out);
    g_string_append(out, "</");
    g_string_append(out, root);
    g_string_append_c(out, '>');
}
