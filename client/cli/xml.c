#include "client/cli/xml.h"
#include "lib/base/error.h"

#include <string.h>

xmlDoc *cli_xml_parse(const char *text, GError **error)
{
    g_autoptr(GError) reason = NULL;
    xmlDoc *doc =
        xml_read(text != NULL ? text : "", text != NULL ? strlen(text) : 0, XML_DEPTH_MAX, &reason);
    if (doc == NULL)
        g_set_error(error, ONE_ERROR, ONE_ERROR_UNREACHABLE,
                    "the server's answer cannot be read: %s", reason->message);
    return doc;
}

xmlNode *cli_xml_last(xmlNode *node, const char *path)
{
    xmlNode *last = xml_find(node, path);
    for (xmlNode *next = last; next != NULL; next = xml_next_same(next))
        last = next;
    return last;
}

/* xml_read() makes CDATA sections text and joins what stands side by side, so that an
 * element without elements has one piece of text. */
const char *cli_xml_text(xmlNode *node, const char *path)
{
    xmlNode *found = xml_find(node, path);
    const xmlNode *text = found != NULL ? found->children : NULL;
    return text != NULL && text->type == XML_TEXT_NODE && text->content != NULL
               ? (const char *)text->content
               : "";
}

gint64 cli_xml_int(xmlNode *node, const char *path, gint64 otherwise)
{
    const char *text = cli_xml_text(node, path);
    char *end;
    gint64 number = g_ascii_strtoll(text, &end, 10);
    return end != text ? number : otherwise;
}

double cli_xml_double(xmlNode *node, const char *path, double otherwise)
{
    const char *text = cli_xml_text(node, path);
    char *end;
    double number = g_ascii_strtod(text, &end);
    return end != text ? number : otherwise;
}
