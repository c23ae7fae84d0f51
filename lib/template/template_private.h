/*
 * What the files of this folder share: the shape of a template, how its parts are
 * made, and the rules for names and values that hold in every form of the language.
 */
#pragma once

#include "lib/template/template.h"

struct Template {
    GPtrArray *attributes; /* of TemplateAttribute, by name; equals in the order of arrival */
};

/* Attributes and pairs in one text: a call of 16 MiB must not become gigabytes of nodes. */
#define TEMPLATE_ATTRIBUTES_MAX 200000

/* Classes of bytes, for the scanner. */
enum {
    BYTE_NAME = 1 << 0,  /* letters, digits, underscore */
    BYTE_BLANK = 1 << 1, /* space, tab, and the carriage return of other systems */
    BYTE_BARE = 1 << 2,  /* may stand in a value without quotes */
};
extern const guint8 template_bytes[256];

/* New parts whose name is the upper-cased first `length` bytes of `name`, with "ONE_" before
 * a digit or "XML", neither of which may begin a name in XML. The value is taken over.
 * Nothing is checked. */
TemplateAttribute *template_attribute_new(const char *name, gsize length, char *value);
TemplateAttribute *template_vector_new(const char *name, gsize length);
TemplatePair *template_pair_new(const char *name, gsize length, char *value);
/* TRUE when the name is not empty and consists of BYTE_NAME. */
gboolean template_name_is_valid(const char *name, gsize length);

/* After attributes or pairs were appended as they came: by name, equals in order;
 * of pairs with one name the first stays. */
void template_sort(Template *template);
void template_sort_pairs(TemplateAttribute *attribute);

/* The readers of the two forms. (owned) */
Template *template_parse_native(const char *text, TemplateFlags flags, GError **error);
Template *template_parse_xml(const char *text, GError **error);
