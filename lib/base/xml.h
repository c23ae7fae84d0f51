/*
 * XML, out and in. Out: plain text appended to a GString, always well-formed,
 * whatever the bytes were. In: libxml2 with everything switched off that a stranger's
 * document could misuse: no network, no DOCTYPE (so no entities), bounded depth.
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>

/* How deep elements may be nested in documents that others send. */
#define XML_DEPTH_MAX 64

/* TRUE when `text` (of `length` bytes) may stand in an XML document: UTF-8 without the
 * characters that XML 1.0 excludes. Else `*bad` is the offset of the first wrong byte. */
gboolean xml_text_is_valid(const char *text, gsize length, gsize *bad);
/* A copy in which each wrong byte is replaced by U+FFFD. (owned) */
char *xml_text_repair(const char *text);

/* Appends text for an element or an attribute in double quotes: & < > and " are escaped. */
void xml_append_text(GString *out, const char *text);
/* Appends <![CDATA[text]]>; a "]]>" inside is split over two sections. */
void xml_append_cdata(GString *out, const char *text);
/* Appends <NAME>text</NAME>, escaped; <NAME/> when the text is NULL or empty. */
void xml_append_element(GString *out, const char *name, const char *text);
void xml_append_element_int(GString *out, const char *name, gint64 value);
/* Appends <NAME><![CDATA[text]]></NAME>. */
void xml_append_element_cdata(GString *out, const char *name, const char *text);

/* Reads a document. The error (ONE_ERROR_INTERNAL) tells line and reason. (owned; xmlFreeDoc) */
xmlDoc *xml_read(const char *text, gsize length, guint depth_max, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

/* Name and content of nodes. Comments and white space between elements do not count. */
xmlNode *xml_root(const xmlDoc *document);
xmlNode *xml_first_element(const xmlNode *parent); /* NULL when there is none */
xmlNode *xml_next_element(const xmlNode *element); /* the sibling after it, or NULL */
const char *xml_name(const xmlNode *element);      /* borrowed */
char *xml_content(const xmlNode *element);         /* all text below it (owned) */
/* First element at a path of names such as "TEMPLATE/CPU" below `from`, or NULL. */
xmlNode *xml_find(const xmlNode *from, const char *path);
/* Next sibling after `element` with the same name, or NULL. */
xmlNode *xml_next_same(const xmlNode *element);
/* Content of the first element at that path ("": `from` itself), or of the attribute that the
 * path ends with: "guest/arch/@name", "@id". NULL when there is none. (owned) */
char *xml_get(const xmlNode *from, const char *path);
gint64 xml_get_int(const xmlNode *from, const char *path, gint64 otherwise);
