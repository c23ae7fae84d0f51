#include "lib/base/xml.h"
#include "lib/base/error.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <string.h>

/* ---- out ---- */

/* Length of the character at `text`, or 0 when it may not stand in XML. */
static gsize valid_character(const guchar *text, gsize left)
{
    gunichar c;

    if (*text < 0x80)
        return *text >= 0x20 || *text == '\t' || *text == '\n' || *text == '\r';
    c = g_utf8_get_char_validated((const char *)text, (gssize)MIN(left, 6));
    if (c == (gunichar)-1 || c == (gunichar)-2 || c == 0xFFFE || c == 0xFFFF)
        return 0;
    return (gsize)g_unichar_to_utf8(c, NULL);
}

gboolean xml_text_is_valid(const char *text, gsize length, gsize *bad)
{
    const guchar *bytes = (const guchar *)text;
    gsize at = 0;

    while (at < length) {
        if (bytes[at] >= 0x20 && bytes[at] < 0x80) {
            at++;
            continue;
        }
        gsize width = valid_character(bytes + at, length - at);
        if (!width) {
            if (bad)
                *bad = at;
            return FALSE;
        }
        at += width;
    }
    return TRUE;
}

static void append_repaired(GString *out, const char *text, gsize length)
{
    gsize bad;

    while (!xml_text_is_valid(text, length, &bad)) {
        g_string_append_len(out, text, (gssize)bad);
        g_string_append(out, "\xEF\xBF\xBD");
        text += bad + 1;
        length -= bad + 1;
    }
    g_string_append_len(out, text, (gssize)length);
}

char *xml_text_repair(const char *text)
{
    GString *out = g_string_sized_new(strlen(text) + 8);

    append_repaired(out, text, strlen(text));
    return g_string_free(out, FALSE);
}

void xml_append_text(GString *out, const char *text)
{
    while (*text) {
        gsize plain = strcspn(text, "&<>\"");

        append_repaired(out, text, plain);
        text += plain;
        switch (*text) {
        case '&':
            g_string_append(out, "&amp;");
            break;
        case '<':
            g_string_append(out, "&lt;");
            break;
        case '>':
            g_string_append(out, "&gt;");
            break;
        case '"':
            g_string_append(out, "&quot;");
            break;
        default:
            return;
        }
        text++;
    }
}

void xml_append_cdata(GString *out, const char *text)
{
    const char *end;

    g_string_append(out, "<![CDATA[");
    while ((end = strstr(text, "]]>"))) {
        append_repaired(out, text, (gsize)(end - text));
        g_string_append(out, "]]]]><![CDATA[>");
        text = end + 3;
    }
    append_repaired(out, text, strlen(text));
    g_string_append(out, "]]>");
}

static void append_tag(GString *out, const char *open, const char *name, const char *close)
{
    g_string_append(out, open);
    g_string_append(out, name);
    g_string_append(out, close);
}

void xml_append_element(GString *out, const char *name, const char *text)
{
    if (!text || !*text) {
        append_tag(out, "<", name, "/>");
        return;
    }
    append_tag(out, "<", name, ">");
    xml_append_text(out, text);
    append_tag(out, "</", name, ">");
}

void xml_append_element_int(GString *out, const char *name, gint64 value)
{
    char text[24];

    g_snprintf(text, sizeof(text), "%" G_GINT64_FORMAT, value);
    xml_append_element(out, name, text);
}

void xml_append_element_cdata(GString *out, const char *name, const char *text)
{
    append_tag(out, "<", name, ">");
    xml_append_cdata(out, text);
    append_tag(out, "</", name, ">");
}

/* ---- in ---- */

/* What one reading must remember; libxml2 hands it to its callbacks as `_private`. */
typedef struct Reading {
    guint depth_max;
    const char *refusal; /* why we stopped, or NULL */
} Reading;

static void refuse(xmlParserCtxt *context, const char *why)
{
    Reading *reading = context->_private;

    reading->refusal = why;
    xmlStopParser(context);
}

/* Entities can only be declared in a DOCTYPE: without one there is nothing to expand. */
static void on_doctype(void *data, const xmlChar *name, const xmlChar *external,
                       const xmlChar *system)
{
    refuse(data, "a DOCTYPE is not allowed");
}

static void on_start(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int namespaces, const xmlChar **namespace_list, int attributes, int defaulted,
                     const xmlChar **attribute_list)
{
    xmlParserCtxt *context = data;
    const Reading *reading = context->_private;

    if ((guint)context->nodeNr >= reading->depth_max) {
        refuse(context, "the elements are nested too deep");
        return;
    }
    xmlSAX2StartElementNs(data, name, prefix, uri, namespaces, namespace_list, attributes,
                          defaulted, attribute_list);
}

static void set_error(GError **error, xmlParserCtxt *context, const Reading *reading)
{
    const xmlError *last = xmlCtxtGetLastError(context);
    g_autofree char *why = NULL;
    int line = context->input ? context->input->line : 1;

    if (reading->refusal)
        why = g_strdup(reading->refusal);
    else if (last && last->message)
        why = g_strstrip(xml_text_repair(last->message));
    if (!reading->refusal && last && last->line)
        line = last->line;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "XML error at line %d: %s", line,
                why && *why ? why : "the document is not complete");
}

xmlDoc *xml_read(const char *text, gsize length, guint depth_max, GError **error)
{
    Reading reading = {.depth_max = depth_max};
    xmlParserCtxt *context;
    xmlDoc *document = NULL;

    if (length > G_MAXINT) {
        g_set_error_literal(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                            "XML error at line 1: the document is larger than 2 GiB");
        return NULL;
    }
    context = xmlNewParserCtxt();
    if (!context)
        g_error("out of memory while reading XML");
    context->_private = &reading;
    context->sax->internalSubset = on_doctype;
    context->sax->startElementNs = on_start;
    document = xmlCtxtReadMemory(context, text, (int)length, NULL, NULL,
                                 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                     XML_PARSE_NOCDATA | XML_PARSE_COMPACT);
    if (!document || !context->wellFormed || reading.refusal || !xmlDocGetRootElement(document)) {
        set_error(error, context, &reading);
        if (document)
            xmlFreeDoc(document);
        document = NULL;
    }
    xmlFreeParserCtxt(context);
    return document;
}

static xmlNode *element_from(xmlNode *node)
{
    while (node && node->type != XML_ELEMENT_NODE)
        node = node->next;
    return node;
}

xmlNode *xml_root(const xmlDoc *document)
{
    return xmlDocGetRootElement(document);
}

xmlNode *xml_first_element(const xmlNode *parent)
{
    return parent ? element_from(parent->children) : NULL;
}

xmlNode *xml_next_element(const xmlNode *element)
{
    return element ? element_from(element->next) : NULL;
}

const char *xml_name(const xmlNode *element)
{
    return (const char *)element->name;
}

char *xml_content(const xmlNode *element)
{
    xmlChar *text = xmlNodeGetContent(element);
    char *copy = g_strdup(text ? (const char *)text : "");

    xmlFree(text);
    return copy;
}

static xmlNode *named_from(xmlNode *node, const char *name, gsize length)
{
    for (; node; node = node->next)
        if (node->type == XML_ELEMENT_NODE && !strncmp((const char *)node->name, name, length) &&
            !node->name[length])
            return node;
    return NULL;
}

xmlNode *xml_find(const xmlNode *from, const char *path)
{
    xmlNode *node = (xmlNode *)from;

    while (node && *path) {
        gsize length = strcspn(path, "/");

        node = named_from(node->children, path, length);
        path += length;
        path += *path == '/';
    }
    return node;
}

xmlNode *xml_next_same(const xmlNode *element)
{
    const char *name = (const char *)element->name;

    return named_from(element->next, name, strlen(name));
}

/* Value of an attribute, or NULL. (owned) */
static char *attribute(const xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetNoNsProp(node, BAD_CAST name);
    char *copy = g_strdup((const char *)value);

    xmlFree(value);
    return copy;
}

char *xml_get(const xmlNode *from, const char *path)
{
    const char *at = strchr(path, '@');
    gsize length = at ? (gsize)(at - path) : strlen(path);
    g_autofree char *elements = g_strndup(path, length);
    if (at && length)
        elements[length - 1] = '\0'; /* the slash before the attribute */
    const xmlNode *node = *elements ? xml_find(from, elements) : from;

    if (!node)
        return NULL;
    return at ? attribute(node, at + 1) : xml_content(node);
}

gint64 xml_get_int(const xmlNode *from, const char *path, gint64 otherwise)
{
    g_autofree char *text = xml_get(from, path);
    char *end;
    gint64 value;

    if (!text || !*g_strstrip(text))
        return otherwise;
    value = g_ascii_strtoll(text, &end, 10);
    return *end ? otherwise : value;
}
