/* The native text form, printed. */
#include "lib/template/template_private.h"

#include <string.h>

static gboolean ends_in_backslash(const char *value)
{
    gsize length = strlen(value);

    return length && value[length - 1] == '\\';
}

/* May stand without quotes. */
static gboolean is_bare(const char *value)
{
    if (!*value || *value == '"')
        return FALSE;
    for (const char *c = value; *c; c++)
        if (!(template_bytes[(guchar)*c] & BYTE_BARE))
            return FALSE;
    return TRUE;
}

/* FALSE when the native form has no way to say this value: a quote after a backslash never
 * ends a string. */
static gboolean append_value(GString *out, const char *value)
{
    const char *quote;

    if (ends_in_backslash(value)) {
        g_string_append(out, value);
        return is_bare(value);
    }
    g_string_append_c(out, '"');
    while ((quote = strchr(value, '"'))) {
        g_string_append_len(out, value, quote - value);
        g_string_append(out, "\\\"");
        value = quote + 1;
    }
    g_string_append(out, value);
    g_string_append_c(out, '"');
    return TRUE;
}

static gboolean append_attribute(GString *out, const TemplateAttribute *attribute)
{
    gboolean said = TRUE;

    g_string_append(out, attribute->name);
    g_string_append_c(out, '=');
    if (attribute->value)
        return append_value(out, attribute->value);
    g_string_append_c(out, '[');
    for (guint i = 0; i < attribute->pairs->len && said; i++) {
        const TemplatePair *pair = attribute->pairs->pdata[i];

        g_string_append(out, i ? ", " : "");
        g_string_append(out, pair->name);
        g_string_append_c(out, '=');
        said = append_value(out, pair->value);
    }
    g_string_append_c(out, ']');
    return said;
}

char *template_to_text(const Template *template)
{
    g_autoptr(GString) out = NULL;

    if (!template->attributes->len) /* as most of what a machine may have beside its own */
        return g_strdup("");
    out = g_string_sized_new(256);
    for (guint i = 0; i < template->attributes->len; i++) {
        if (!append_attribute(out, template->attributes->pdata[i])) {
            g_string_set_size(out, 0);
            template_append_xml_element(template, "TEMPLATE", out);
            break;
        }
        g_string_append_c(out, '\n');
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}
