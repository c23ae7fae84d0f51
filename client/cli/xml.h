/*
 * What the command line adds to lib/base/xml.h: texts of a document lent out instead of
 * copied, since a list reads a dozen of them for each of ten thousand machines.
 */
#pragma once

#include "lib/base/xml.h"

/* A document from the server. (owned) */
xmlDoc *cli_xml_parse(const char *text, GError **error);
/* Last element of that path: the last history record. */
xmlNode *cli_xml_last(xmlNode *node, const char *path);
/* Text of the element at that path, "" being `node` itself; "" when it is missing or
 * holds elements. (borrowed) */
const char *cli_xml_text(xmlNode *node, const char *path);
/* The same as a number; `otherwise` when missing or no number. */
gint64 cli_xml_int(xmlNode *node, const char *path, gint64 otherwise);
double cli_xml_double(xmlNode *node, const char *path, double otherwise);
