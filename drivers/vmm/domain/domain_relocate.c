/* A saved machine carries the paths of the host that saved it. */
#include "drivers/vmm/domain/domain_xml.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <libxml/tree.h>
#include <string.h>

/* Where files of a machine are named in a domain document. */
static const char *const attributes[] = {"file", "dir", "path"};

/* The directory that holds the first disk.N; NULL when no disk has such a name. (owned) */
static char *find_directory(const xmlNode *devices)
{
    const xmlNode *disk = xml_find(devices, "disk");
    for (; disk; disk = xml_next_same(disk)) {
        xmlNode *source = xml_find(disk, "source");
        xmlChar *file = source ? xmlGetProp(source, BAD_CAST "file") : NULL;
        const char *slash = file ? strrchr((const char *)file, '/') : NULL;
        char *directory = NULL;
        if (slash && g_str_has_prefix(slash, "/disk."))
            directory = g_strndup((const char *)file, slash - (const char *)file);
        xmlFree(file);
        if (directory)
            return directory;
    }
    return NULL;
}

/* The file of UEFI's variables is named by the text of its element. */
static void move_text(xmlNode *node, const char *from, const char *to)
{
    gsize length = strlen(from);
    g_autofree char *text = node ? xml_content(node) : NULL;
    if (!text || !g_str_has_prefix(text, from) || text[length] != '/')
        return;
    g_autofree char *moved = g_strconcat(to, text + length, NULL);
    xmlNodeSetContent(node, NULL);
    xmlNodeAddContent(node, BAD_CAST moved);
}

static void move_paths(xmlNode *node, const char *from, const char *to)
{
    gsize length = strlen(from);
    for (guint i = 0; i < G_N_ELEMENTS(attributes); i++) {
        xmlChar *value = xmlGetProp(node, BAD_CAST attributes[i]);
        const char *text = (const char *)value;
        if (value && g_str_has_prefix(text, from) && text[length] == '/') {
            g_autofree char *moved = g_strconcat(to, text + length, NULL);
            (void)xmlSetProp(node, BAD_CAST attributes[i], BAD_CAST moved);
        }
        xmlFree(value);
    }
    for (xmlNode *child = xml_first_element(node); child; child = xml_next_element(child))
        move_paths(child, from, to);
}

char *domain_xml_relocate(const char *saved, const char *directory, GError **error)
{
    g_autoptr(xmlDoc) document = xml_read(saved, strlen(saved), XML_DEPTH_MAX, error);
    if (!document)
        return NULL;
    xmlNode *root = xml_root(document);
    g_autofree char *from = find_directory(xml_find(root, "devices"));
    if (!from || g_str_equal(from, directory))
        return NULL;
    move_paths(root, from, directory);
    move_text(xml_find(root, "os/nvram"), from, directory);
    xmlChar *text = NULL;
    xmlDocDumpMemory(document, &text, NULL);
    char *result = g_strdup((const char *)text);
    xmlFree(text);
    return result;
}
