#include "drivers/common/json.h"

#include "lib/base/error.h"
#include <string.h>

/* The parser of the library recurses, and of two documents it takes one and leaks the other:
 * that is looked for before. Brackets inside strings do not count. NULL: neither. */
static const char *wrong_shape(const char *text, gsize length)
{
    guint depth = 0;
    gboolean inside = FALSE, ended = FALSE;
    for (gsize i = 0; i < length; i++) {
        char c = text[i];
        if (ended && !g_ascii_isspace(c))
            return "something follows its end";
        if (inside && c == '\\')
            i++;
        else if (c == '"')
            inside = !inside;
        else if (!inside && (c == '[' || c == '{') && ++depth > JSON_DEPTH_MAX)
            return "it is nested too deeply";
        else if (!inside && (c == ']' || c == '}') && depth)
            ended = --depth == 0;
    }
    return NULL;
}

static JsonNode *fail(GError **error, const char *why)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "the answer is no JSON document: %s", why);
    return NULL;
}

/* (owned) */
static JsonNode *read_node(const char *text, gsize length, JsonNodeType type, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) reason = NULL;
    if (!g_utf8_validate(text, (gssize)length, NULL))
        return fail(error, "it is not UTF-8");
    const char *wrong = wrong_shape(text, length);
    if (wrong)
        return fail(error, wrong);
    if (!json_parser_load_from_data(parser, text, (gssize)length, &reason))
        return fail(error, reason->message);
    JsonNode *root = json_parser_get_root(parser);
    if (!root || json_node_get_node_type(root) != type)
        return fail(error, type == JSON_NODE_OBJECT ? "it is not an object" : "it is not an array");
    return json_node_ref(root);
}

JsonObject *json_read(const char *text, gsize length, GError **error)
{
    g_autoptr(JsonNode) root = read_node(text, length, JSON_NODE_OBJECT, error);
    return root ? json_object_ref(json_node_get_object(root)) : NULL;
}

JsonArray *json_read_list(const char *text, gsize length, GError **error)
{
    g_autoptr(JsonNode) root = read_node(text, length, JSON_NODE_ARRAY, error);
    return root ? json_array_ref(json_node_get_array(root)) : NULL;
}

char *json_print(JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    json_node_set_object(node, object);
    return json_to_string(node, FALSE);
}

static JsonNode *member(JsonObject *object, const char *name)
{
    return object ? json_object_get_member(object, name) : NULL;
}

static JsonNode *find(JsonObject *object, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, ".", -1);
    JsonNode *node = NULL;
    for (guint i = 0; names[i]; i++) {
        if (i > 0)
            object = node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        node = member(object, names[i]);
    }
    return node;
}

static JsonObject *as_object(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static const char *as_text(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
               ? json_node_get_string(node)
               : NULL;
}

JsonObject *json_object_at(JsonObject *object, const char *path)
{
    return as_object(find(object, path));
}

JsonArray *json_array_at(JsonObject *object, const char *path)
{
    JsonNode *node = find(object, path);
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

const char *json_text_at(JsonObject *object, const char *path)
{
    return as_text(find(object, path));
}

gint64 json_int_at(JsonObject *object, const char *path, gint64 otherwise)
{
    JsonNode *node = find(object, path);
    if (!node || !JSON_NODE_HOLDS_VALUE(node))
        return otherwise;
    if (json_node_get_value_type(node) == G_TYPE_INT64)
        return json_node_get_int(node);
    if (json_node_get_value_type(node) != G_TYPE_DOUBLE)
        return otherwise;
    double value = json_node_get_double(node);
    /* What an integer can hold, so that the conversion has a meaning. */
    return value > -9e18 && value < 9e18 ? (gint64)value : otherwise;
}

gboolean json_bool_at(JsonObject *object, const char *path)
{
    JsonNode *node = find(object, path);
    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == G_TYPE_BOOLEAN && json_node_get_boolean(node);
}

const char *json_text_of(JsonObject *object, const char *name)
{
    return as_text(member(object, name));
}

JsonObject *json_object_of(JsonObject *object, const char *name)
{
    return as_object(member(object, name));
}

guint json_count(JsonArray *array)
{
    return array ? json_array_get_length(array) : 0;
}

JsonObject *json_nth_object(JsonArray *array, guint index)
{
    return index < json_count(array) ? as_object(json_array_get_element(array, index)) : NULL;
}

const char *json_nth_text(JsonArray *array, guint index)
{
    return index < json_count(array) ? as_text(json_array_get_element(array, index)) : NULL;
}
