#include "server/rpc/codec.h"

#include "server/rpc/astral.h"
#include "server/rpc/plain.h"
#include <string.h>
#include <xmlrpc-c/base.h>
#include <xmlrpc-c/util.h>

/* xmlrpc-c's own limits are made wider than ours, so that ours decide. */
static gpointer set_up(gpointer unused)
{
    xmlrpc_env env;
    xmlrpc_env_init(&env);
    xmlrpc_init(&env);
    xmlrpc_env_clean(&env);
    xmlrpc_limit_set(XMLRPC_NESTING_LIMIT_ID, RPC_NESTING_MOST + 2);
    xmlrpc_limit_set(XMLRPC_XML_SIZE_LIMIT_ID, G_MAXINT / 2);
    return NULL;
}

static void set_up_once(void)
{
    static GOnce once = G_ONCE_INIT;
    g_once(&once, set_up, NULL);
}

/* ---- decoding ---- */

static RpcValue *convert(xmlrpc_env *env, xmlrpc_value *value);

static void free_value(gpointer value)
{
    rpc_value_free(value);
}

static RpcValue *convert_string(xmlrpc_env *env, const xmlrpc_value *value)
{
    const char *text = NULL;
    xmlrpc_read_string(env, value, &text);
    if (env->fault_occurred)
        return NULL;
    RpcValue *made = g_new0(RpcValue, 1);
    made->type = RPC_STRING;
    made->text = (char *)text; /* from malloc(), which is what GLib frees */
    return made;
}

/* Some clients send text that is not ASCII, or all text, as base64. */
static RpcValue *convert_base64(xmlrpc_env *env, const xmlrpc_value *value)
{
    size_t length = 0;
    const unsigned char *bytes = NULL;
    xmlrpc_read_base64(env, value, &length, &bytes);
    if (env->fault_occurred)
        return NULL;
    char *text = g_strndup((const char *)bytes, length);
    free((void *)bytes);
    if (!g_utf8_validate_len(text, length, NULL)) {
        g_free(text);
        xmlrpc_env_set_fault(env, RPC_FAULT_TYPE,
                             "A parameter of type base64 holds bytes that are not text in UTF-8; "
                             "no method takes other bytes.");
        return NULL;
    }
    RpcValue *made = g_new0(RpcValue, 1);
    made->type = RPC_STRING;
    made->text = text;
    return made;
}

/* As it was written: no method takes a time but as text. */
static RpcValue *convert_time(xmlrpc_env *env, const xmlrpc_value *value)
{
    const char *text = NULL;
    xmlrpc_read_datetime_str(env, value, &text);
    if (env->fault_occurred)
        return NULL;
    RpcValue *made = g_new0(RpcValue, 1);
    made->type = RPC_STRING;
    made->text = (char *)text;
    return made;
}

static RpcValue *convert_double(xmlrpc_env *env, const xmlrpc_value *value)
{
    double real = 0;
    xmlrpc_read_double(env, value, &real);
    RpcValue *made = g_new0(RpcValue, 1);
    made->type = RPC_DOUBLE;
    made->real = real;
    return made;
}

static RpcValue *convert_array(xmlrpc_env *env, xmlrpc_value *value)
{
    RpcValue *array = rpc_value_array();
    int size = xmlrpc_array_size(env, value);
    for (int i = 0; i < size && !env->fault_occurred; i++) {
        xmlrpc_value *item = NULL;
        xmlrpc_array_read_item(env, value, (unsigned)i, &item);
        RpcValue *made = convert(env, item);
        xmlrpc_DECREF(item);
        if (made)
            rpc_value_add(array, made);
    }
    return array;
}

static RpcValue *convert_struct(xmlrpc_env *env, xmlrpc_value *value)
{
    RpcValue *structure = rpc_value_struct();
    int size = xmlrpc_struct_size(env, value);
    for (int i = 0; i < size && !env->fault_occurred; i++) {
        xmlrpc_value *key = NULL, *item = NULL;
        xmlrpc_struct_read_member(env, value, (unsigned)i, &key, &item);
        RpcValue *name = convert(env, key);
        RpcValue *made = convert(env, item);
        xmlrpc_DECREF(key);
        xmlrpc_DECREF(item);
        if (name && made) {
            g_ptr_array_add(structure->items, name);
            g_ptr_array_add(structure->items, made);
        } else {
            rpc_value_free(name);
            rpc_value_free(made);
        }
    }
    return structure;
}

/* NULL with a fault in `env`. */
static RpcValue *convert(xmlrpc_env *env, xmlrpc_value *value)
{
    int number = 0;
    xmlrpc_bool truth = 0;
    xmlrpc_int64 wide = 0;
    switch (xmlrpc_value_type(value)) {
    case XMLRPC_TYPE_STRING:
        return convert_string(env, value);
    case XMLRPC_TYPE_INT:
        xmlrpc_read_int(env, value, &number);
        return rpc_value_int(number);
    case XMLRPC_TYPE_I8:
        xmlrpc_read_i8(env, value, &wide);
        return rpc_value_i8(wide);
    case XMLRPC_TYPE_BOOL:
        xmlrpc_read_bool(env, value, &truth);
        return rpc_value_bool(truth);
    case XMLRPC_TYPE_DOUBLE:
        return convert_double(env, value);
    case XMLRPC_TYPE_ARRAY:
        return convert_array(env, value);
    case XMLRPC_TYPE_STRUCT:
        return convert_struct(env, value);
    case XMLRPC_TYPE_BASE64:
        return convert_base64(env, value);
    case XMLRPC_TYPE_DATETIME:
        return convert_time(env, value);
    case XMLRPC_TYPE_NIL: {
        RpcValue *nil = g_new0(RpcValue, 1);
        nil->type = RPC_NIL;
        return nil;
    }
    default:
        xmlrpc_env_set_fault_formatted(env, RPC_FAULT_TYPE,
                                       "A parameter is of type %s; no method takes one. Send a "
                                       "string.",
                                       xmlrpc_type_name(xmlrpc_value_type(value)));
        return NULL;
    }
}

static GPtrArray *convert_parameters(xmlrpc_env *env, xmlrpc_value *parameters)
{
    int size = xmlrpc_array_size(env, parameters);
    GPtrArray *arguments = g_ptr_array_new_full((guint)MAX(size, 1), free_value);
    for (int i = 0; i < size && !env->fault_occurred; i++) {
        xmlrpc_value *item = NULL;
        xmlrpc_array_read_item(env, parameters, (unsigned)i, &item);
        RpcValue *made = convert(env, item);
        xmlrpc_DECREF(item);
        if (made)
            g_ptr_array_add(arguments, made);
    }
    return arguments;
}

static void show_astral(const GPtrArray *values)
{
    for (guint i = 0; i < values->len; i++) {
        RpcValue *value = values->pdata[i];
        if (value->type == RPC_STRING)
            astral_show(value->text);
        else if (value->type == RPC_ARRAY || value->type == RPC_STRUCT)
            show_astral(value->items);
    }
}

/* What xmlrpc-c says quotes the caller's text, which may be anything. */
static RpcReply *fault_of(const xmlrpc_env *env)
{
    g_autofree char *text = g_utf8_make_valid(env->fault_string ? env->fault_string : "", -1);
    if (strlen(text) > 500) {
        char *cut = g_utf8_find_prev_char(text, text + 500);
        if (cut)
            *cut = '\0';
    }
    /* xmlrpc-c calls a wrong byte sequence -510, and running out of memory -500. */
    gint code = env->fault_code == RPC_FAULT_TYPE ? RPC_FAULT_TYPE : RPC_FAULT_PARSE;
    return rpc_reply_fault(code, text);
}

RpcReply *rpc_decode(const char *body, gsize length, const RpcLimits *limits, char **method,
                     GPtrArray **arguments)
{
    if (rpc_read_plain(body, length, limits, method, arguments))
        return NULL;
    return rpc_decode_any(body, length, limits, method, arguments);
}

RpcReply *rpc_decode_any(const char *body, gsize length, const RpcLimits *limits, char **method,
                         GPtrArray **arguments)
{
    gint code = 0;
    g_autofree char *text = NULL;
    *method = NULL;
    *arguments = NULL;
    if (!rpc_scan(body, length, limits, &code, &text))
        return rpc_reply_fault(code, text);

    set_up_once();
    xmlrpc_env env;
    xmlrpc_env_init(&env);
    const char *name = NULL;
    xmlrpc_value *parameters = NULL;
    RpcReply *fault = NULL;
    gsize size = length;
    g_autofree char *hidden = astral_hide(body, length, &size);
    xmlrpc_parse_call(&env, hidden ? hidden : body, size, &name, &parameters);
    if (!env.fault_occurred) {
        *arguments = convert_parameters(&env, parameters);
        xmlrpc_DECREF(parameters);
        if (hidden)
            show_astral(*arguments);
        *method = (char *)name; /* from malloc() too */
    }
    if (env.fault_occurred) {
        fault = fault_of(&env);
        g_clear_pointer(arguments, g_ptr_array_unref);
        g_clear_pointer(method, g_free);
    }
    xmlrpc_env_clean(&env);
    return fault;
}

/* ---- encoding ---- */

#define DECLARATION "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define HEAD        DECLARATION "<methodResponse><params><param>"
#define TAIL        "</param></params></methodResponse>\n"
#define TEXT_HEAD   "<value><array><data><value><boolean>1</boolean></value><value><string>"
#define TEXT_TAIL   "</string></value><value><i4>0</i4></value></data></array></value>"

/* What a byte is written as inside an element; 0 stands for itself. Control characters
 * cannot be said in XML 1.0 at all. A carriage return would be read as a line feed. */
enum { PLAIN, AMPERSAND, LESS, GREATER, RETURN, CONTROL };
static const guchar classes[256] = {
    [0 ... 8] = CONTROL,   [11] = CONTROL,    [12] = CONTROL, ['\r'] = RETURN,
    [14 ... 31] = CONTROL, ['&'] = AMPERSAND, ['<'] = LESS,   ['>'] = GREATER,
};
static const char *const escapes[] = {NULL, "&amp;", "&lt;", "&gt;", "&#13;", "?"};

static void append_valid(GString *out, const char *text, gsize length)
{
    const char *run = text, *end = text + length;
    for (const char *at = text; at < end; at++) {
        guchar kind = classes[(guchar)*at];
        if (kind == PLAIN)
            continue;
        g_string_append_len(out, run, at - run);
        g_string_append(out, escapes[kind]);
        run = at + 1;
    }
    g_string_append_len(out, run, end - run);
}

static void append_text(GString *out, const char *text)
{
    gsize length = strlen(text);
    if (g_utf8_validate_len(text, length, NULL)) {
        append_valid(out, text, length);
        return;
    }
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)length);
    append_valid(out, valid, strlen(valid));
}

/* Text whose length the compiler knows. */
#define APPEND(OUT, LITERAL) g_string_append_len(OUT, LITERAL, sizeof(LITERAL) - 1)

static void append_int(GString *out, const RpcValue *value)
{
    /* By hand: printf would take as long as the rest of a small reply. */
    char digits[24], *at = digits + sizeof digits;
    guint64 left = value->number < 0 ? -(guint64)value->number : (guint64)value->number;
    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (value->number < 0)
        *--at = '-';
    gboolean wide = value->is_i8 || value->number < G_MININT32 || value->number > G_MAXINT32;
    g_string_append_len(out, wide ? "<i8>" : "<i4>", 4);
    g_string_append_len(out, at, digits + sizeof digits - at);
    g_string_append_len(out, wide ? "</i8>" : "</i4>", 5);
}

static void append_value(GString *out, const RpcValue *value)
{
    char real[G_ASCII_DTOSTR_BUF_SIZE];
    APPEND(out, "<value>");
    switch (value->type) {
    case RPC_INT:
        append_int(out, value);
        break;
    case RPC_BOOL:
        g_string_append_len(out, value->number ? "<boolean>1</boolean>" : "<boolean>0</boolean>",
                            20);
        break;
    case RPC_STRING:
        APPEND(out, "<string>");
        append_text(out, value->text);
        APPEND(out, "</string>");
        break;
    case RPC_DOUBLE:
        /* XML-RPC knows no exponent. */
        g_ascii_formatd(real, sizeof real, "%f", value->real);
        g_string_append_printf(out, "<double>%s</double>", real);
        break;
    case RPC_ARRAY:
        APPEND(out, "<array><data>");
        for (guint i = 0; i < value->items->len; i++)
            append_value(out, value->items->pdata[i]);
        APPEND(out, "</data></array>");
        break;
    case RPC_STRUCT:
        APPEND(out, "<struct>");
        for (guint i = 0; i + 1 < value->items->len; i += 2) {
            const RpcValue *name = value->items->pdata[i];
            APPEND(out, "<member><name>");
            append_text(out, name->text);
            APPEND(out, "</name>");
            append_value(out, value->items->pdata[i + 1]);
            APPEND(out, "</member>");
        }
        APPEND(out, "</struct>");
        break;
    case RPC_NIL:
        APPEND(out, "<nil/>");
        break;
    }
    APPEND(out, "</value>");
}

static void append_fault_value(GString *out, gint code, const char *text)
{
    g_string_append_printf(out,
                           "<value><struct><member><name>faultCode</name><value><i4>%d</i4>"
                           "</value></member><member><name>faultString</name><value><string>",
                           code);
    append_text(out, text ? text : "");
    g_string_append(out, "</string></value></member></struct></value>");
}

/* Where a reply is written to: text gathers in `text`; with `pieces`, fragments go there
 * as they are, after what has gathered. */
typedef struct Writer {
    GString *text;
    RpcPieces *pieces; /* NULL: all into the text */
} Writer;

static void add_piece(RpcPieces *pieces, const char *base, gsize length)
{
    struct iovec piece = {(void *)base, length};
    if (length == 0)
        return;
    g_array_append_val(pieces->pieces, piece);
    pieces->length += length;
}

static void flush_text(Writer *writer)
{
    gsize length = writer->text->len;
    char *glue = g_string_free(writer->text, FALSE);
    writer->text = g_string_new(NULL);
    g_ptr_array_add(writer->pieces->glue, glue);
    add_piece(writer->pieces, glue, length);
}

static void write_fragments(Writer *writer, const FragmentList *list)
{
    if (writer->pieces)
        flush_text(writer);
    for (guint i = 0; i < list->items->len; i++) {
        const Fragment *fragment = list->items->pdata[i];
        if (writer->pieces)
            add_piece(writer->pieces, fragment->text, fragment->length);
        else
            g_string_append_len(writer->text, fragment->text, fragment->length);
    }
}

/* The one value that a reply consists of. */
static void write_reply_value(Writer *writer, const RpcReply *reply)
{
    switch (reply->kind) {
    case RPC_REPLY_RESULT:
        append_value(writer->text, reply->result);
        break;
    case RPC_REPLY_TEXT:
        APPEND(writer->text, TEXT_HEAD);
        write_fragments(writer, reply->text);
        APPEND(writer->text, TEXT_TAIL);
        break;
    case RPC_REPLY_FAULT:
        append_fault_value(writer->text, reply->fault_code, reply->fault_text);
        break;
    case RPC_REPLY_MANY:
        /* Each answer stands in an array of one, so that a fault can be told from a struct. */
        g_string_append(writer->text, "<value><array><data>");
        for (guint i = 0; i < reply->parts->len; i++) {
            const RpcReply *part = reply->parts->pdata[i];
            gboolean wrapped = part->kind != RPC_REPLY_FAULT;
            if (wrapped)
                g_string_append(writer->text, "<value><array><data>");
            write_reply_value(writer, part);
            if (wrapped)
                g_string_append(writer->text, "</data></array></value>");
        }
        g_string_append(writer->text, "</data></array></value>");
        break;
    }
}

static void write_reply(Writer *writer, const RpcReply *reply)
{
    if (reply->kind == RPC_REPLY_FAULT) {
        g_string_append(writer->text, DECLARATION "<methodResponse><fault>");
        write_reply_value(writer, reply);
        g_string_append(writer->text, "</fault></methodResponse>\n");
        return;
    }
    APPEND(writer->text, HEAD);
    write_reply_value(writer, reply);
    APPEND(writer->text, TAIL);
}

gsize rpc_reply_size(const RpcReply *reply)
{
    gsize size = 0;
    switch (reply->kind) {
    case RPC_REPLY_TEXT:
        return reply->text->length;
    case RPC_REPLY_MANY:
        for (guint i = 0; i < reply->parts->len; i++)
            size += rpc_reply_size(reply->parts->pdata[i]);
        return size;
    case RPC_REPLY_RESULT:
    case RPC_REPLY_FAULT:
        break;
    }
    return 0;
}

GString *rpc_encode(const RpcReply *reply)
{
    Writer writer = {g_string_sized_new(512 + rpc_reply_size(reply)), NULL};
    write_reply(&writer, reply);
    return writer.text;
}

RpcPieces *rpc_encode_pieces(RpcReply *reply)
{
    RpcPieces *pieces = g_new0(RpcPieces, 1);
    guint expected = reply->kind == RPC_REPLY_TEXT ? reply->text->items->len + 2 : 16;
    pieces->pieces = g_array_sized_new(FALSE, FALSE, sizeof(struct iovec), expected);
    pieces->glue = g_ptr_array_new_with_free_func(g_free);
    pieces->reply = reply;
    Writer writer = {g_string_new(NULL), pieces};
    write_reply(&writer, reply);
    flush_text(&writer);
    g_string_free(writer.text, TRUE);
    return pieces;
}

void rpc_pieces_free(RpcPieces *pieces)
{
    if (!pieces)
        return;
    g_array_unref(pieces->pieces);
    g_ptr_array_unref(pieces->glue);
    rpc_reply_free(pieces->reply);
    g_free(pieces);
}

GString *rpc_encode_fault(gint code, const char *text)
{
    const RpcReply fault = {
        .kind = RPC_REPLY_FAULT, .fault_code = code, .fault_text = (char *)text};
    return rpc_encode(&fault);
}
