/*
 * The template language of OpenNebula: NAME = value and NAME = [ K = V, ... ],
 * read from its native text or from XML, printed as either.
 * Source: the users' guides of OpenNebula 1.2 to 7.4; the grammar is told in
 * share/doc/templates.md. Names are kept in upper case; attributes in the order
 * of their names, equals in the order of arrival; a repeated name accumulates.
 */
#pragma once

#include <glib.h>

typedef struct Template Template;

/* One attribute: a single value, or a vector of pairs. Names and values are changed by the
 * functions below only, which keep the order and see to it that every value is text that
 * XML can hold: bytes that are no UTF-8 become U+FFFD, "]]>" becomes "]] >". */
typedef struct TemplateAttribute {
    char *name;
    char *value;      /* NULL for a vector */
    GPtrArray *pairs; /* of TemplatePair, sorted by name; NULL for a single value */
} TemplateAttribute;

typedef struct TemplatePair {
    char *name;
    char *value;
} TemplatePair;

typedef enum {
    TEMPLATE_MODERN = 0,
    /* also '...' quotes, comments after a value and quoted names; no \" inside quotes; an
     * empty text is an error */
    TEMPLATE_2009 = 1 << 0,
    /* configuration files, new and of 2009: also '...' quotes and comments after a value */
    TEMPLATE_CONFIG = 1 << 1,
} TemplateFlags;

/* Reads text; XML when its first non-blank character is '<' (the root's name is
 * free). Error text: what was found and expected "at line L, columns A:B". (owned) */
Template *template_parse(const char *text, TemplateFlags flags, GError **error);
/* Line of the native text on which the attribute of that name begins, the `nth` from 0 of that
 * name; 0 when there is none, or the text has an error before it. For messages. */
guint template_line_of(const char *text, TemplateFlags flags, const char *name, guint nth);
Template *template_new(void);
Template *template_copy(const Template *template);
void template_free(Template *template); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Template, template_free)

/* All attributes, in order. (borrowed until the template changes) */
guint template_count(const Template *template);
TemplateAttribute *template_nth(const Template *template, guint index);

/* First single value of that name, or NULL; names are compared without case.
 * (borrowed until the template changes) */
const char *template_get(const Template *template, const char *name);
/* The same for the one at that place among those of the name, from 0. */
const char *template_get_nth(const Template *template, const char *name, guint index);
gboolean template_get_int(const Template *template, const char *name, gint64 *value);
gboolean template_get_double(const Template *template, const char *name, double *value);
/* YES, Y, TRUE, ON and 1 are true, in any case; `otherwise` when missing. */
gboolean template_get_bool(const Template *template, const char *name, gboolean otherwise);
/* Value of a pair in the first vector of that name, or NULL. */
const char *template_get_pair(const Template *template, const char *vector, const char *name);

/* Vectors of that name, in order: 0, 1, 2 ...; NULL past the last. */
TemplateAttribute *template_vector(const Template *template, const char *name, guint index);
const char *attribute_get(const TemplateAttribute *attribute, const char *name);
gboolean attribute_get_int(const TemplateAttribute *attribute, const char *name, gint64 *value);
/* Replaces or adds a pair; NULL removes it. */
void attribute_set(TemplateAttribute *attribute, const char *name, const char *value);
void attribute_set_int(TemplateAttribute *attribute, const char *name, gint64 value);

/* Replaces every attribute of that name by one single value; NULL removes them. */
void template_set(Template *template, const char *name, const char *value);
void template_set_int(Template *template, const char *name, gint64 value);
/* Adds one more, beside those of the same name. */
void template_add(Template *template, const char *name, const char *value);
TemplateAttribute *template_add_vector(Template *template, const char *name); /* borrowed */
guint template_remove(Template *template, const char *name);                  /* how many went */
/* Takes one attribute out of the template without freeing it. (owned by the caller) */
TemplateAttribute *template_steal(Template *template, guint index);
void template_take(Template *template, TemplateAttribute *attribute); /* takes ownership */
void template_attribute_free(TemplateAttribute *attribute);
/* `update` with append: every name in `from` replaces all of that name in `into`. */
void template_merge(Template *into, const Template *from);

/* Native text, one attribute a line, values quoted: reads back (TEMPLATE_MODERN) as an equal
 * template. The one thing that this form cannot say is a value with blanks that ends in a
 * backslash; a template with such a value is printed in the XML form. (owned) */
char *template_to_text(const Template *template);
/* "<NAME><![CDATA[value]]></NAME>..." without a root, appended. */
void template_append_xml(const Template *template, GString *out);
void template_attribute_append_xml(const TemplateAttribute *attribute, GString *out);
/* With a root element; "<ROOT/>" when empty. */
void template_append_xml_element(const Template *template, const char *root, GString *out);
