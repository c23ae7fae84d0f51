#include "server/rpc/json.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"

#include <math.h>
#include <string.h>

/* ---- pieces ---- */

void rpc_json_append_text(GString *out, const char *text)
{
    static const char letters[] = "\"\\\n\r\t", meanings[] = "\"\\nrt";
    g_string_append_c(out, '"');
    for (const char *from = text; *from;) {
        const char *at = from;
        while ((guchar)*at >= ' ' && *at != '"' && *at != '\\' && *at != 0x7f)
            at++;
        g_string_append_len(out, from, at - from);
        const char *letter = *at ? strchr(letters, *at) : NULL;
        if (letter)
            g_string_append_printf(out, "\\%c", meanings[letter - letters]);
        else if (*at)
            g_string_append_printf(out, "\\u%04x", (guint)(guchar)*at);
        from = *at ? at + 1 : at;
    }
    g_string_append_c(out, '"');
}

static void append_value(GString *out, const RpcValue *value)
{
    switch (value->type) {
    case RPC_INT:
        g_string_append_printf(out, "%" G_GINT64_FORMAT, value->number);
        break;
    case RPC_BOOL:
        g_string_append(out, value->number ? "true" : "false");
        break;
    case RPC_STRING:
        rpc_json_append_text(out, value->text);
        break;
    case RPC_DOUBLE: {
        char number[G_ASCII_DTOSTR_BUF_SIZE];
        g_string_append(out, isfinite(value->real)
                                 ? g_ascii_dtostr(number, sizeof number, value->real)
                                 : "null");
        break;
    }
    case RPC_ARRAY:
        g_string_append_c(out, '[');
        for (guint i = 0; i < value->items->len; i++) {
            g_string_append(out, i ? "," : "");
            append_value(out, value->items->pdata[i]);
        }
        g_string_append_c(out, ']');
        break;
    case RPC_STRUCT:
        g_string_append_c(out, '{');
        for (guint i = 0; i < value->items->len; i++) {
            g_string_append(out, i == 0 ? "" : i % 2 ? ":" : ",");
            append_value(out, value->items->pdata[i]);
        }
        g_string_append_c(out, '}');
        break;
    case RPC_NIL:
        g_string_append(out, "null");
        break;
    }
}

/* ---- documents ---- */

/* Elements that may stand in their parent several times, and so are an array even when there is
 * one. "*": any element; any parent whose name ends in what stands before "_POOL". */
static const struct {
    const char *parent, *child;
} lists[] = {
    {"_POOL", "*"},
    {"HISTORY_RECORDS", "HISTORY"},
    {"MIGRATION_CHECK", "CHECK"},
    {"MONITORING_DATA", "MONITORING"},
    {"VMS", "ID"},
    {"HOSTS", "ID"},
    {"GROUPS", "ID"},
    {"USERS", "ID"},
    {"ADMINS", "ID"},
    {"IMAGES", "ID"},
    {"CLUSTERS", "ID"},
    {"DATASTORES", "ID"},
    {"DATASTORES", "DS"},
    {"VNETS", "ID"},
    {"TEMPLATE", "DISK"},
    {"TEMPLATE", "NIC"},
    {"TEMPLATE", "SNAPSHOT"},
};

static gboolean is_list(const xmlNode *element)
{
    const char *parent = element->parent ? xml_name(element->parent) : NULL;
    for (guint i = 0; parent && i < G_N_ELEMENTS(lists); i++)
        if ((lists[i].parent[0] == '_' ? g_str_has_suffix(parent, lists[i].parent)
                                       : !strcmp(parent, lists[i].parent)) &&
            (lists[i].child[0] == '*' || !strcmp(xml_name(element), lists[i].child)))
            return TRUE;
    return FALSE;
}

static void append_element(GString *out, const xmlNode *element);

/* All elements of the parent that have this one's name, which is the first of them. */
static void append_group(GString *out, const xmlNode *first, GHashTable *groups)
{
    const GPtrArray *same = g_hash_table_lookup(groups, xml_name(first));
    gboolean array = same->len > 1 || is_list(first);
    rpc_json_append_text(out, xml_name(first));
    g_string_append(out, array ? ":[" : ":");
    for (guint i = 0; i < same->len; i++) {
        g_string_append(out, i ? "," : "");
        append_element(out, same->pdata[i]);
    }
    g_string_append(out, array ? "]" : "");
}

/* Elements by their names, in one pass: pools have many thousands. */
static GHashTable *groups_of(const xmlNode *element)
{
    GHashTable *groups =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_ptr_array_unref);
    for (xmlNode *child = xml_first_element(element); child; child = xml_next_element(child)) {
        GPtrArray *same = g_hash_table_lookup(groups, xml_name(child));
        if (!same) {
            same = g_ptr_array_new();
            g_hash_table_insert(groups, (gpointer)xml_name(child), same);
        }
        g_ptr_array_add(same, child);
    }
    return groups;
}

static void append_element(GString *out, const xmlNode *element)
{
    const xmlNode *first = xml_first_element(element);
    if (!first) {
        g_autofree char *text = xml_content(element);
        if (*text)
            rpc_json_append_text(out, text);
        else
            g_string_append(out, "{}");
        return;
    }
    g_autoptr(GHashTable) groups = groups_of(element);
    g_string_append_c(out, '{');
    for (const xmlNode *child = first; child; child = xml_next_element(child)) {
        const GPtrArray *same = g_hash_table_lookup(groups, xml_name(child));
        if (same->pdata[0] != child)
            continue;
        g_string_append(out, child == first ? "" : ",");
        append_group(out, child, groups);
    }
    g_string_append_c(out, '}');
}

/* FALSE: the text is no document. */
static gboolean append_document(GString *out, const char *text, gsize length)
{
    if (!length || text[0] != '<')
        return FALSE;
    g_autoptr(xmlDoc) document = xml_read(text, length, XML_DEPTH_MAX, NULL);
    if (!document)
        return FALSE;
    g_string_append_c(out, '{');
    rpc_json_append_text(out, xml_name(xml_root(document)));
    g_string_append_c(out, ':');
    append_element(out, xml_root(document));
    g_string_append_c(out, '}');
    return TRUE;
}

/* ---- replies ---- */

static void append_result(GString *out, const RpcValue *value)
{
    if (value->type == RPC_STRING && append_document(out, value->text, strlen(value->text)))
        return;
    g_string_append(out, "{\"result\":");
    append_value(out, value);
    g_string_append_c(out, '}');
}

/* Fragments are escaped for the string of XML-RPC that they usually stand in. */
static GString *unescaped(const FragmentList *list)
{
    static const struct {
        const char *entity;
        char meaning;
    } entities[] = {{"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}};
    GString *text = g_string_sized_new(list->length);
    for (guint i = 0; i < list->items->len; i++) {
        const Fragment *fragment = list->items->pdata[i];
        const char *at = fragment->text, *end = at + fragment->length;
        while (at < end) {
            const char *mark = memchr(at, '&', (gsize)(end - at));
            g_string_append_len(text, at, (mark ? mark : end) - at);
            if (!mark)
                break;
            at = mark;
            guint which = 0;
            while (which < G_N_ELEMENTS(entities) && !g_str_has_prefix(at, entities[which].entity))
                which++;
            if (which == G_N_ELEMENTS(entities)) {
                g_string_append_c(text, *at++);
                continue;
            }
            g_string_append_c(text, entities[which].meaning);
            at += strlen(entities[which].entity);
        }
    }
    return text;
}

static void append_error(GString *out, gint code, const char *text)
{
    g_string_append_printf(out, "{\"error\":{\"code\":%d,\"message\":", code);
    rpc_json_append_text(out, text ? text : "");
    g_string_append(out, "}}");
}

static guint status_of(gint code)
{
    static const struct {
        gint code;
        guint status;
    } statuses[] = {
        {ONE_ERROR_AUTHENTICATION, 401}, {ONE_ERROR_AUTHORIZATION, 403}, {ONE_ERROR_NO_EXISTS, 404},
        {ONE_ERROR_ACTION, 409},         {ONE_ERROR_LOCKED, 423},        {RPC_FAULT_NO_METHOD, 404},
        {RPC_FAULT_LIMIT, 413},
    };
    for (guint i = 0; i < G_N_ELEMENTS(statuses); i++)
        if (statuses[i].code == code)
            return statuses[i].status;
    return 400; /* what is wrong is in the call */
}

static const RpcValue *item(const RpcValue *array, guint index, RpcType type)
{
    const RpcValue *value = index < array->items->len ? array->items->pdata[index] : NULL;
    return value && value->type == type ? value : NULL;
}

/* [true, value, 0] and [false, text, code, ...]; what introspection gives is no such tuple. */
static void append_tuple(GString *out, const RpcValue *tuple, guint *status)
{
    const RpcValue *done = tuple->type == RPC_ARRAY ? item(tuple, 0, RPC_BOOL) : NULL;
    if (!done) {
        append_result(out, tuple);
    } else if (done->number) {
        append_result(out, tuple->items->len > 1 ? tuple->items->pdata[1] : done);
    } else {
        const RpcValue *text = item(tuple, 1, RPC_STRING), *code = item(tuple, 2, RPC_INT);
        gint number = code ? (gint)code->number : ONE_ERROR_INTERNAL;
        append_error(out, number, text ? text->text : NULL);
        *status = status_of(number);
    }
}

static void append_fragments(GString *out, const FragmentList *list)
{
    g_autoptr(GString) text = unescaped(list);
    if (append_document(out, text->str, text->len))
        return;
    g_string_append(out, "{\"result\":");
    rpc_json_append_text(out, text->str);
    g_string_append_c(out, '}');
}

GString *rpc_json_encode(const RpcReply *reply, guint *status)
{
    GString *out = g_string_new(NULL);
    *status = 200;
    switch (reply->kind) {
    case RPC_REPLY_RESULT:
        append_tuple(out, reply->result, status);
        break;
    case RPC_REPLY_TEXT:
        append_fragments(out, reply->text);
        break;
    case RPC_REPLY_FAULT:
        append_error(out, reply->fault_code, reply->fault_text);
        *status = status_of(reply->fault_code);
        break;
    case RPC_REPLY_MANY: /* system.multicall is no method of the table */
        append_error(out, RPC_FAULT_REFUSED, "several calls at once are not answered as JSON");
        *status = 400;
        break;
    }
    g_string_append_c(out, '\n');
    return out;
}

GString *rpc_json_encode_fault(gint code, const char *text)
{
    GString *out = g_string_new(NULL);
    append_error(out, code, text);
    g_string_append_c(out, '\n');
    return out;
}
