#include "server/rpc/openapi.h"

#include "server/rpc/json.h"
#include "server/rpc/method.h"

#include <string.h>

/* What answers share: share/doc/using-the-api.md tells it to people. */
static const char head[] =
    "{\n"
    "\"openapi\": \"3.0.3\",\n"
    "\"info\": {\"title\": \"Globule\", \"version\": \"" GLOBULE_VERSION "\",\n"
    "  \"description\": \"Every method of the XML-RPC as JSON. The body is an object of the "
    "arguments "
    "by name, or an array of them in this order. Made by `oned --print-openapi`.\",\n"
    "  \"license\": {\"name\": \"Apache-2.0\", "
    "\"url\": \"https://www.apache.org/licenses/LICENSE-2.0\"}},\n"
    "\"servers\": [{\"url\": \"http://localhost:2633\"}],\n"
    "\"security\": [{\"session\": []}],\n"
    "\"components\": {\n"
    "  \"securitySchemes\": {\"session\": {\"type\": \"http\", \"scheme\": \"basic\"}},\n"
    "  \"schemas\": {\n"
    "    \"Number\": {\"type\": \"object\", \"required\": [\"result\"],\n"
    "      \"properties\": {\"result\": {\"type\": \"integer\"}}},\n"
    "    \"Object\": {\"type\": \"object\",\n"
    "      \"description\": \"The XML of the object, as JSON; what is no XML is in result.\"},\n"
    "    \"Other\": {\"type\": \"object\"},\n"
    "    \"Error\": {\"type\": \"object\", \"required\": [\"error\"], \"properties\": {\"error\": "
    "{\n"
    "      \"type\": \"object\", \"required\": [\"code\", \"message\"], \"properties\": {\n"
    "        \"code\": {\"type\": \"integer\"}, \"message\": {\"type\": \"string\"}}}}}},\n"
    "  \"responses\": {\n"
    "    \"Failure\": {\"description\": \"Refused, with the reason\", \"content\": "
    "{\"application/json\": {\n"
    "      \"schema\": {\"$ref\": \"#/components/schemas/Error\"}}}}}},\n"
    "\"paths\": {";

static const char *type_words(char letter)
{
    switch (letter) {
    case 'i':
        return "\"type\": \"integer\", \"format\": \"int32\"";
    case 'b':
        return "\"type\": \"boolean\"";
    case 'A':
        return "\"type\": \"array\", \"items\": {\"type\": \"integer\"}";
    default:
        return "\"type\": \"string\"";
    }
}

/* The object of arguments by name: their types, and which of them must be there. */
static void append_arguments(GString *out, const RpcMethod *row)
{
    g_auto(GStrv) otherwise = NULL;
    g_auto(GStrv) names = rpc_json_names(row->name, &otherwise);
    g_autoptr(GString) required = g_string_new(NULL);
    gboolean optional = FALSE;
    guint at = 0;
    g_string_append(out,
                    "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {");
    for (const char *letter = row->arguments; names && *letter && (*letter == '|' || names[at]);
         letter++) {
        if (*letter == '|') {
            optional = TRUE;
            continue;
        }
        g_string_append_printf(out, "%s\n        \"%s\": {%s", at ? "," : "", names[at],
                               type_words(*letter));
        if (optional && *otherwise[at])
            g_string_append_printf(out, ", \"default\": %s", otherwise[at]);
        g_string_append_c(out, '}');
        if (!optional)
            g_string_append_printf(required, "%s\"%s\"", required->len ? ", " : "", names[at]);
        at++;
    }
    g_string_append_c(out, '}');
    if (required->len)
        g_string_append_printf(out, ", \"required\": [%s]", required->str);
    g_string_append_c(out, '}');
}

/* "one.vm.info" belongs to "vm", "one.vmpool.info" too. */
static char *tag_of(const char *method)
{
    g_auto(GStrv) words = g_strsplit(method, ".", 3);
    char *tag = g_strdup(words[1] && words[2] ? words[1] : words[0]);
    if (g_str_has_suffix(tag, "pool"))
        tag[strlen(tag) - strlen("pool")] = '\0';
    return tag;
}

static void append_path(GString *out, const RpcMethod *row, gboolean first)
{
    g_autofree char *tag = tag_of(row->name);
    const char *answer = strcmp(row->result, "int") == 0      ? "Number"
                         : strcmp(row->result, "string") == 0 ? "Object"
                                                              : "Other";
    g_string_append_printf(out, "%s\n\"/api/%s\": {\"post\": {", first ? "" : ",", row->name);
    g_string_append_printf(
        out, "\"operationId\": \"%s\", \"tags\": [\"%s\"],\n    \"summary\": ", row->name, tag);
    rpc_json_append_text(out, row->help);
    if (row->need == NEED_NOTHING)
        g_string_append(out, ", \"security\": []");
    if (row->arguments[0]) {
        g_string_append(out, ",\n    \"requestBody\": {\"content\": {\"application/json\": "
                             "{\"schema\":\n      ");
        append_arguments(out, row);
        g_string_append(out, "}}}");
    }
    g_string_append_printf(
        out,
        ",\n    \"responses\": {\"200\": {\"description\": \"Done\", \"content\": "
        "{\"application/json\": {\"schema\": {\"$ref\": \"#/components/schemas/%s\"}}}},\n"
        "      \"default\": {\"$ref\": \"#/components/responses/Failure\"}}}}",
        answer);
}

char *rpc_openapi(void)
{
    guint count;
    const RpcMethod *rows = rpc_methods(&count);
    GString *out = g_string_new(head);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < count; i++) /* of several shapes the first is that of today */
        if (!(rows[i].flags & (ROW_OLD | ROW_HIDDEN)) &&
            g_hash_table_add(seen, (gpointer)rows[i].name))
            append_path(out, &rows[i], g_hash_table_size(seen) == 1);
    g_string_append(out, "\n}}\n");
    return g_string_free(out, FALSE);
}
