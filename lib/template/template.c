#include "lib/template/template_private.h"
#include "lib/base/xml.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* ---- names and values ---- */

/* As g_ascii_toupper(), without a call: names are compared more than anything else is done. */
static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* The order of the names as they are kept, in upper case; '_' comes after the letters. */
static int compare_names(const char *kept, const char *asked)
{
    while (*kept && *kept == upper(*asked)) {
        kept++;
        asked++;
    }
    return (int)(guchar)*kept - (int)(guchar)upper(*asked);
}

gboolean template_name_is_valid(const char *name, gsize length)
{
    for (gsize i = 0; i < length; i++)
        if (!(template_bytes[(guchar)name[i]] & BYTE_NAME))
            return FALSE;
    return length > 0;
}

/* Writes the name as it is kept; `room` holds its length and 5 more bytes. */
static void write_name(char *room, const char *name, gsize length)
{
    if (g_ascii_isdigit(*name) || (length >= 3 && !g_ascii_strncasecmp(name, "XML", 3))) {
        memcpy(room, "ONE_", 4);
        room += 4;
    }
    for (gsize i = 0; i < length; i++)
        room[i] = upper(name[i]);
    room[length] = '\0';
}

/* Name and node share one piece of memory: 10,000 machines have a million names. */
TemplateAttribute *template_attribute_new(const char *name, gsize length, char *value)
{
    TemplateAttribute *attribute = g_malloc(sizeof(TemplateAttribute) + length + 5);

    attribute->name = (char *)(attribute + 1);
    write_name(attribute->name, name, length);
    attribute->value = value;
    attribute->pairs = NULL;
    return attribute;
}

TemplatePair *template_pair_new(const char *name, gsize length, char *value)
{
    TemplatePair *pair = g_malloc(sizeof(TemplatePair) + length + 5);

    pair->name = (char *)(pair + 1);
    write_name(pair->name, name, length);
    pair->value = value;
    return pair;
}

static void pair_free(gpointer data)
{
    TemplatePair *pair = data;

    g_free(pair->value);
    g_free(pair);
}

TemplateAttribute *template_vector_new(const char *name, gsize length)
{
    TemplateAttribute *attribute = template_attribute_new(name, length, NULL);

    attribute->pairs = g_ptr_array_new_with_free_func(pair_free);
    return attribute;
}

/* A value as every form of the language can hold it: text of XML, without the end of a CDATA
 * section, which other programs could not read back. */
static char *value_copy(const char *value)
{
    char *copy, *end;

    copy = xml_text_is_valid(value, strlen(value), NULL) ? g_strdup(value) : xml_text_repair(value);
    while ((end = strstr(copy, "]]>"))) {
        char *longer = g_strdup_printf("%.*s]] >%s", (int)(end - copy), copy, end + 3);

        g_free(copy);
        copy = longer;
    }
    return copy;
}

static gboolean text_to_int(const char *text, gint64 *value)
{
    gint64 number;
    char *end;

    if (!text)
        return FALSE;
    errno = 0;
    number = g_ascii_strtoll(text, &end, 10);
    if (end == text || errno)
        return FALSE;
    while (g_ascii_isspace(*end))
        end++;
    if (*end)
        return FALSE;
    *value = number;
    return TRUE;
}

static gboolean text_to_double(const char *text, double *value)
{
    double number;
    char *end;

    /* Only decimal numbers: strtod() would also take "nan", "inf" and "0x1p3". */
    if (!text || text[strspn(text, " \t0123456789+-.eE")])
        return FALSE;
    number = g_ascii_strtod(text, &end);
    if (end == text || !isfinite(number))
        return FALSE;
    while (g_ascii_isspace(*end))
        end++;
    if (*end)
        return FALSE;
    *value = number;
    return TRUE;
}

/* ---- templates ---- */

static void attribute_free(gpointer data)
{
    template_attribute_free(data);
}

Template *template_new(void)
{
    Template *template = g_new(Template, 1);

    template->attributes = g_ptr_array_new_with_free_func(attribute_free);
    return template;
}

void template_free(Template *template)
{
    if (!template)
        return;
    g_ptr_array_unref(template->attributes);
    g_free(template);
}

void template_attribute_free(TemplateAttribute *attribute)
{
    if (!attribute)
        return;
    if (attribute->pairs)
        g_ptr_array_unref(attribute->pairs);
    g_free(attribute->value);
    g_free(attribute);
}

static TemplateAttribute *attribute_copy(const TemplateAttribute *attribute)
{
    gsize length = strlen(attribute->name);
    TemplateAttribute *copy;

    if (!attribute->pairs)
        return template_attribute_new(attribute->name, length, g_strdup(attribute->value));
    copy = template_vector_new(attribute->name, length);
    for (guint i = 0; i < attribute->pairs->len; i++) {
        const TemplatePair *pair = attribute->pairs->pdata[i];

        g_ptr_array_add(copy->pairs,
                        template_pair_new(pair->name, strlen(pair->name), g_strdup(pair->value)));
    }
    return copy;
}

Template *template_copy(const Template *template)
{
    Template *copy = template_new();

    for (guint i = 0; i < template->attributes->len; i++)
        g_ptr_array_add(copy->attributes, attribute_copy(template_nth(template, i)));
    return copy;
}

/* TRUE for a text in XML: its first character that is no blank is '<'. */
static gboolean is_xml(const char *text)
{
    while (g_ascii_isspace(*text))
        text++;
    return *text == '<';
}

Template *template_parse(const char *text, TemplateFlags flags, GError **error)
{
    if (!text)
        text = "";
    if (g_str_has_prefix(text, "\xEF\xBB\xBF")) /* the mark some editors put before UTF-8 */
        text += 3;
    return is_xml(text) ? template_parse_xml(text, error)
                        : template_parse_native(text, flags, error);
}

guint template_count(const Template *template)
{
    return template->attributes->len;
}

TemplateAttribute *template_nth(const Template *template, guint index)
{
    return template->attributes->pdata[index];
}

/* ---- order: by name; of one name, single values before vectors ---- */

static gint by_name(gconstpointer one, gconstpointer two)
{
    const TemplateAttribute *const *left = one, *const *right = two;
    gint order = strcmp((*left)->name, (*right)->name);

    return order ? order : ((*left)->pairs != NULL) - ((*right)->pairs != NULL);
}

static gint pairs_by_name(gconstpointer one, gconstpointer two)
{
    const TemplatePair *const *left = one, *const *right = two;

    return strcmp((*left)->name, (*right)->name);
}

/* g_ptr_array_sort() keeps equals in order. What was printed by us is in order already. */
static void sort_if_needed(GPtrArray *array, GCompareFunc compare)
{
    for (guint i = 1; i < array->len; i++) {
        if (compare(&array->pdata[i - 1], &array->pdata[i]) > 0) {
            g_ptr_array_sort(array, compare);
            return;
        }
    }
}

void template_sort(Template *template)
{
    sort_if_needed(template->attributes, by_name);
}

void template_sort_pairs(TemplateAttribute *attribute)
{
    GPtrArray *pairs = attribute->pairs;
    guint kept = 0;

    sort_if_needed(pairs, pairs_by_name);
    for (guint i = 0; i < pairs->len; i++) {
        if (kept && !pairs_by_name(&pairs->pdata[kept - 1], &pairs->pdata[i]))
            pair_free(pairs->pdata[i]);
        else
            pairs->pdata[kept++] = pairs->pdata[i];
    }
    pairs->len = kept;
}

/* What begins there, of the attributes of one name. */
typedef enum { SINGLES, VECTORS, OTHERS } Place;

/* Where that begins, or would. */
static guint place_of(const Template *template, const char *name, Place place)
{
    guint low = 0, high = template->attributes->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;
        const TemplateAttribute *attribute = template_nth(template, middle);
        int order = compare_names(attribute->name, name);

        if (order < 0 || (order == 0 && (attribute->pairs ? VECTORS : SINGLES) < place))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static gboolean is_named(const Template *template, guint index, const char *name)
{
    return index < template->attributes->len &&
           !compare_names(template_nth(template, index)->name, name);
}

/* ---- reading ---- */

static TemplateAttribute *first_single(const Template *template, const char *name)
{
    guint first = place_of(template, name, SINGLES);

    return is_named(template, first, name) && template_nth(template, first)->value
               ? template_nth(template, first)
               : NULL;
}

const char *template_get_nth(const Template *template, const char *name, guint index)
{
    guint first = place_of(template, name, SINGLES);

    return index < template->attributes->len && is_named(template, first + index, name)
               ? template_nth(template, first + index)->value
               : NULL;
}

const char *template_get(const Template *template, const char *name)
{
    const TemplateAttribute *attribute = first_single(template, name);

    return attribute ? attribute->value : NULL;
}

gboolean template_get_int(const Template *template, const char *name, gint64 *value)
{
    return text_to_int(template_get(template, name), value);
}

gboolean template_get_double(const Template *template, const char *name, double *value)
{
    return text_to_double(template_get(template, name), value);
}

gboolean template_get_bool(const Template *template, const char *name, gboolean otherwise)
{
    static const char *const yes[] = {"YES", "Y", "TRUE", "ON", "1"};
    const char *value = template_get(template, name);

    if (!value)
        return otherwise;
    for (guint i = 0; i < G_N_ELEMENTS(yes); i++)
        if (!g_ascii_strcasecmp(value, yes[i]))
            return TRUE;
    return FALSE;
}

const char *template_get_pair(const Template *template, const char *vector, const char *name)
{
    const TemplateAttribute *attribute = template_vector(template, vector, 0);

    return attribute ? attribute_get(attribute, name) : NULL;
}

TemplateAttribute *template_vector(const Template *template, const char *name, guint index)
{
    guint first = place_of(template, name, VECTORS);

    return index < template->attributes->len && is_named(template, first + index, name)
               ? template_nth(template, first + index)
               : NULL;
}

/* Where the pair of that name is (or would be). */
static guint pair_at(const TemplateAttribute *attribute, const char *name, gboolean *found)
{
    guint low = 0, high = attribute->pairs ? attribute->pairs->len : 0;

    *found = FALSE;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        const TemplatePair *pair = attribute->pairs->pdata[middle];
        int order = compare_names(pair->name, name);

        if (order == 0) {
            *found = TRUE;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const char *attribute_get(const TemplateAttribute *attribute, const char *name)
{
    gboolean found;
    guint at = pair_at(attribute, name, &found);

    return found ? ((const TemplatePair *)attribute->pairs->pdata[at])->value : NULL;
}

gboolean attribute_get_int(const TemplateAttribute *attribute, const char *name, gint64 *value)
{
    return text_to_int(attribute_get(attribute, name), value);
}

/* ---- changing ---- */

void attribute_set(TemplateAttribute *attribute, const char *name, const char *value)
{
    gboolean found;
    guint at;

    g_return_if_fail(attribute->pairs);
    g_return_if_fail(template_name_is_valid(name, strlen(name)));
    at = pair_at(attribute, name, &found);
    if (found && value) {
        TemplatePair *pair = attribute->pairs->pdata[at];
        char *copy = value_copy(value); /* first: it may be the old value itself */

        g_free(pair->value);
        pair->value = copy;
    } else if (found) {
        g_ptr_array_remove_index(attribute->pairs, at);
    } else if (value) {
        TemplatePair *pair = template_pair_new(name, strlen(name), value_copy(value));

        /* By its final name, which may have a prefix that the asked one has not. */
        at = pair_at(attribute, pair->name, &found);
        if (found)
            g_ptr_array_remove_index(attribute->pairs, at);
        g_ptr_array_insert(attribute->pairs, (gint)at, pair);
    }
}

void attribute_set_int(TemplateAttribute *attribute, const char *name, gint64 value)
{
    char text[24];

    g_snprintf(text, sizeof(text), "%" G_GINT64_FORMAT, value);
    attribute_set(attribute, name, text);
}

void template_take(Template *template, TemplateAttribute *attribute)
{
    guint at = place_of(template, attribute->name, attribute->pairs ? OTHERS : VECTORS);

    g_ptr_array_insert(template->attributes, (gint)at, attribute);
}

TemplateAttribute *template_steal(Template *template, guint index)
{
    return g_ptr_array_steal_index(template->attributes, index);
}

void template_add(Template *template, const char *name, const char *value)
{
    g_return_if_fail(template_name_is_valid(name, strlen(name)));
    template_take(template, template_attribute_new(name, strlen(name), value_copy(value)));
}

TemplateAttribute *template_add_vector(Template *template, const char *name)
{
    TemplateAttribute *attribute;

    g_return_val_if_fail(template_name_is_valid(name, strlen(name)), NULL);
    attribute = template_vector_new(name, strlen(name));
    template_take(template, attribute);
    return attribute;
}

guint template_remove(Template *template, const char *name)
{
    guint first = place_of(template, name, SINGLES), after = place_of(template, name, OTHERS);

    if (after > first)
        g_ptr_array_remove_range(template->attributes, first, after - first);
    return after - first;
}

void template_set(Template *template, const char *name, const char *value)
{
    TemplateAttribute *attribute;
    char *copy;

    if (!value) {
        template_remove(template, name);
        return;
    }
    g_return_if_fail(template_name_is_valid(name, strlen(name)));
    copy = value_copy(value);
    attribute = template_attribute_new(name, strlen(name), copy);
    template_remove(template, attribute->name);
    template_take(template, attribute);
}

void template_set_int(Template *template, const char *name, gint64 value)
{
    char text[24];

    g_snprintf(text, sizeof(text), "%" G_GINT64_FORMAT, value);
    template_set(template, name, text);
}

void template_merge(Template *into, const Template *from)
{
    /* All names go before any comes: repeated ones in `from` accumulate. */
    for (guint i = 0; i < from->attributes->len; i++)
        template_remove(into, template_nth(from, i)->name);
    for (guint i = 0; i < from->attributes->len; i++)
        template_take(into, attribute_copy(template_nth(from, i)));
}
