#include "server/rpc/json.h"

#include "lib/base/xml.h"
#include "server/rpc/method.h"

#include <stdarg.h>
#include <string.h>

typedef struct Reader {
    const char *begin, *at, *end;
    const RpcLimits *limits;
    guint depth, values;
    gint code;
    char *problem; /* the first */
} Reader;

static RpcValue *read_value(Reader *reader);

/* ---- what can be wrong ---- */

static gpointer wrong(Reader *reader, gint code, const char *format, ...) G_GNUC_PRINTF(3, 4);

static gpointer wrong(Reader *reader, gint code, const char *format, ...)
{
    if (reader->problem)
        return NULL;
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    reader->code = code;
    reader->problem = g_strdup_printf("at byte %" G_GSIZE_FORMAT ": %s",
                                      (gsize)(reader->at - reader->begin), text);
    return NULL;
}

/* What stands here instead of what is expected. */
static gpointer unexpected(Reader *reader, const char *expected)
{
    if (reader->at >= reader->end)
        return wrong(reader, RPC_FAULT_PARSE, "the text ends where %s is expected", expected);
    if (g_ascii_isprint(*reader->at))
        return wrong(reader, RPC_FAULT_PARSE, "'%c' stands where %s is expected", *reader->at,
                     expected);
    return wrong(reader, RPC_FAULT_PARSE, "the byte %02x stands where %s is expected",
                 (guchar)*reader->at, expected);
}

/* ---- pieces ---- */

static void skip_blanks(Reader *reader)
{
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at)
        reader->at++;
}

static gboolean take(Reader *reader, char wanted)
{
    if (reader->at >= reader->end || *reader->at != wanted)
        return FALSE;
    reader->at++;
    return TRUE;
}

/* Four hexadecimal digits, or -1. */
static gint read_hex(Reader *reader)
{
    gint number = 0;
    for (guint i = 0; i < 4; i++) {
        gint digit = reader->at < reader->end ? g_ascii_xdigit_value(*reader->at) : -1;
        if (digit < 0)
            return -1;
        number = number * 16 + digit;
        reader->at++;
    }
    return number;
}

/* \u1234, or two of them that are one character. */
static gboolean read_code_point(Reader *reader, GString *text)
{
    gint first = read_hex(reader);
    gunichar character = (gunichar)first;
    if (first >= 0xd800 && first < 0xdc00) {
        gint second = take(reader, '\\') && take(reader, 'u') ? read_hex(reader) : -1;
        if (second < 0xdc00 || second > 0xdfff)
            return unexpected(reader, "the second half of a character (\\uDC00 to \\uDFFF)") !=
                   NULL;
        character = 0x10000 + ((gunichar)(first - 0xd800) << 10) + (gunichar)(second - 0xdc00);
    }
    if (first < 0 || (character >= 0xd800 && character <= 0xdfff))
        return unexpected(reader, "a character as four hexadecimal digits") != NULL;
    char bytes[6];
    gint length = g_unichar_to_utf8(character, bytes);
    gsize bad;
    if (!xml_text_is_valid(bytes, (gsize)length, &bad))
        return wrong(reader, RPC_FAULT_TYPE, "the character U+%04X cannot be kept", character) !=
               NULL;
    g_string_append_len(text, bytes, length);
    return TRUE;
}

static gboolean read_escape(Reader *reader, GString *text)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter =
        reader->at < reader->end && *reader->at ? strchr(letters, *reader->at) : NULL;
    if (!letter && take(reader, 'u'))
        return read_code_point(reader, text);
    if (!letter)
        return unexpected(reader, "one of \" \\ / b f n r t u after a backslash") != NULL;
    char meaning = meanings[letter - letters];
    if (meaning == '\b' || meaning == '\f')
        return wrong(reader, RPC_FAULT_TYPE, "the character U+%04X cannot be kept",
                     (guint)meaning) != NULL;
    reader->at++;
    g_string_append_c(text, meaning);
    return TRUE;
}

/* A text in quotes, or NULL. (owned) */
static char *read_text(Reader *reader)
{
    if (!take(reader, '"'))
        return unexpected(reader, "a text in double quotes");
    g_autoptr(GString) text = g_string_new(NULL);
    while (reader->at < reader->end && *reader->at != '"') {
        const char *from = reader->at;
        while (reader->at < reader->end && *reader->at != '"' && *reader->at != '\\' &&
               (guchar)*reader->at >= ' ')
            reader->at++;
        gsize bad, length = (gsize)(reader->at - from);
        if (!xml_text_is_valid(from, length, &bad)) {
            reader->at = from + bad;
            return wrong(reader, RPC_FAULT_PARSE,
                         "this is not UTF-8, or a character that cannot "
                         "be kept");
        }
        g_string_append_len(text, from, (gssize)length);
        if (reader->at < reader->end && (guchar)*reader->at < ' ')
            return unexpected(reader, "a character, \\n for the end of a line,");
        if (take(reader, '\\') && !read_escape(reader, text))
            return NULL;
    }
    return take(reader, '"') ? g_strdup(text->str) : unexpected(reader, "the closing quote");
}

/* ---- values ---- */

static RpcValue *read_number(Reader *reader)
{
    const char *from = reader->at;
    gboolean whole = TRUE;
    (void)take(reader, '-');
    const char *digits = reader->at;
    while (reader->at < reader->end && g_ascii_isdigit(*reader->at))
        reader->at++;
    if (reader->at == digits || (*digits == '0' && reader->at > digits + 1))
        return unexpected(reader, "a number without zeros in front");
    if (take(reader, '.')) {
        whole = FALSE;
        if (reader->at >= reader->end || !g_ascii_isdigit(*reader->at))
            return unexpected(reader, "a digit");
        while (reader->at < reader->end && g_ascii_isdigit(*reader->at))
            reader->at++;
    }
    if (reader->at < reader->end && (*reader->at == 'e' || *reader->at == 'E')) {
        whole = FALSE;
        reader->at++;
        if (!take(reader, '+'))
            (void)take(reader, '-');
        if (reader->at >= reader->end || !g_ascii_isdigit(*reader->at))
            return unexpected(reader, "a digit");
        while (reader->at < reader->end && g_ascii_isdigit(*reader->at))
            reader->at++;
    }
    g_autofree char *text = g_strndup(from, (gsize)(reader->at - from));
    gint64 number;
    if (whole && g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &number, NULL))
        return rpc_value_int(number);
    if (whole)
        return wrong(reader, RPC_FAULT_TYPE, "the number %.40s has more than 64 bits", text);
    RpcValue *value = rpc_value_int(0);
    value->type = RPC_DOUBLE;
    value->real = g_ascii_strtod(text, NULL);
    return value;
}

static RpcValue *read_word(Reader *reader)
{
    gsize left = (gsize)(reader->end - reader->at);
    if (left >= 4 && !memcmp(reader->at, "true", 4)) {
        reader->at += 4;
        return rpc_value_bool(TRUE);
    }
    if (left >= 5 && !memcmp(reader->at, "false", 5)) {
        reader->at += 5;
        return rpc_value_bool(FALSE);
    }
    if (left < 4 || memcmp(reader->at, "null", 4) != 0)
        return unexpected(reader, "a value");
    reader->at += 4;
    RpcValue *value = rpc_value_int(0);
    value->type = RPC_NIL;
    return value;
}

static gboolean has_member(const RpcValue *structure, const char *name)
{
    for (guint i = 0; i < structure->items->len; i += 2)
        if (!strcmp(((const RpcValue *)structure->items->pdata[i])->text, name))
            return TRUE;
    return FALSE;
}

/* More members than any method has arguments; looked at one by one. */
#define MEMBERS_MAX 100

static gboolean read_member(Reader *reader, RpcValue *structure)
{
    skip_blanks(reader);
    g_autofree char *name = read_text(reader);
    if (!name)
        return FALSE;
    if (has_member(structure, name))
        return wrong(reader, RPC_FAULT_PARSE, "the name \"%.60s\" stands here twice", name) != NULL;
    if (structure->items->len >= 2 * MEMBERS_MAX)
        return wrong(reader, RPC_FAULT_LIMIT, "an object has more than %d members", MEMBERS_MAX) !=
               NULL;
    skip_blanks(reader);
    if (!take(reader, ':'))
        return unexpected(reader, "a colon") != NULL;
    RpcValue *value = read_value(reader);
    if (value)
        rpc_value_add_member(structure, name, value);
    return value != NULL;
}

static gboolean read_item(Reader *reader, RpcValue *array)
{
    RpcValue *value = read_value(reader);
    if (value)
        rpc_value_add(array, value);
    return value != NULL;
}

/* What stands between brackets; the opening one is read already. */
static RpcValue *read_list(Reader *reader, RpcValue *list, char closing,
                           gboolean (*read_one)(Reader *reader, RpcValue *list))
{
    if (++reader->depth > reader->limits->nesting) {
        rpc_value_free(list);
        return wrong(reader, RPC_FAULT_LIMIT, "the values are nested deeper than %u",
                     reader->limits->nesting);
    }
    skip_blanks(reader);
    gboolean going = !take(reader, closing), done = !going;
    while (going) {
        going = read_one(reader, list);
        skip_blanks(reader);
        if (going && take(reader, closing)) {
            done = TRUE;
            break;
        }
        if (going && !take(reader, ','))
            going = unexpected(reader, closing == ']' ? "a comma or ]" : "a comma or }") != NULL;
    }
    reader->depth--;
    if (done)
        return list;
    rpc_value_free(list);
    return NULL;
}

static RpcValue *read_value(Reader *reader)
{
    skip_blanks(reader);
    if (++reader->values > reader->limits->elements)
        return wrong(reader, RPC_FAULT_LIMIT, "there are more than %u values",
                     reader->limits->elements);
    if (reader->at >= reader->end)
        return unexpected(reader, "a value");
    if (*reader->at == '"') {
        g_autofree char *text = read_text(reader);
        return text ? rpc_value_text(text) : NULL;
    }
    if (*reader->at == '-' || g_ascii_isdigit(*reader->at))
        return read_number(reader);
    if (take(reader, '['))
        return read_list(reader, rpc_value_array(), ']', read_item);
    if (take(reader, '{'))
        return read_list(reader, rpc_value_struct(), '}', read_member);
    return read_word(reader);
}

RpcValue *rpc_json_read(const char *body, gsize length, const RpcLimits *limits, gint *code,
                        char **problem)
{
    Reader reader = {.begin = body, .at = body, .end = body + length, .limits = limits};
    RpcValue *value = read_value(&reader);
    skip_blanks(&reader);
    if (value && reader.at < reader.end) {
        rpc_value_free(value);
        value = unexpected(&reader, "the end");
    }
    *code = reader.code;
    *problem = reader.problem;
    return value;
}

/* ---- arguments ---- */

static const RpcMethod *row_of(const char *method)
{
    guint count;
    const RpcMethod *rows = rpc_methods(&count);
    for (guint i = 0; i < count; i++)
        if (!strcmp(rows[i].name, method))
            return &rows[i];
    return NULL;
}

static RpcReply *fault(gint code, char *text)
{
    RpcReply *reply = rpc_reply_fault(code, text);
    g_free(text);
    return reply;
}

/* A value of our own table. */
static RpcValue *value_of(const char *json)
{
    static const RpcLimits any = {.bytes = 100, .nesting = 2, .elements = 10};
    gint code = 0;
    g_autofree char *problem = NULL;
    return rpc_json_read(json, strlen(json), &any, &code, &problem);
}

/* Places named arguments. Those left out before the last one given are what the method takes them
 * for, which only arguments have that may be left out. */
static RpcReply *place_members(const char *method, RpcValue *structure, GPtrArray *arguments)
{
    g_auto(GStrv) otherwise = NULL;
    g_auto(GStrv) names = rpc_json_names(method, &otherwise);
    if (!names)
        return fault(RPC_FAULT_TYPE, g_strdup_printf("The arguments of %s have no names: give an "
                                                     "array, by position",
                                                     method));
    g_autofree char *known = g_strjoinv(" ", names);
    g_autofree RpcValue **placed = g_new0(RpcValue *, g_strv_length(names) + 1);
    guint count = 0;
    for (guint i = 0; i < structure->items->len; i += 2) {
        const char *name = ((const RpcValue *)structure->items->pdata[i])->text;
        guint at = 0;
        while (names[at] && strcmp(names[at], name) != 0)
            at++;
        if (!names[at])
            return fault(RPC_FAULT_TYPE, g_strdup_printf("%s has no argument \"%.60s\"; it has: %s",
                                                         method, name, known));
        placed[at] = structure->items->pdata[i + 1];
        count = MAX(count, at + 1);
    }
    for (guint i = 0; i < count; i++)
        if (!placed[i] && !*otherwise[i])
            return fault(RPC_FAULT_TYPE,
                         g_strdup_printf("The argument \"%s\" of %s is missing", names[i], method));
    for (guint i = 0; i < count; i++)
        g_ptr_array_add(arguments, placed[i] ? placed[i] : value_of(otherwise[i]));
    /* The values have moved; the names stay behind. */
    for (guint i = 0; i < structure->items->len; i += 2)
        structure->items->pdata[i + 1] = NULL;
    return NULL;
}

static RpcReply *place(const char *method, RpcValue *value, GPtrArray *arguments)
{
    if (value->type == RPC_STRUCT)
        return place_members(method, value, arguments);
    if (value->type != RPC_ARRAY)
        return fault(RPC_FAULT_TYPE, g_strdup("The body must be an array of arguments, or an "
                                              "object of them by their names"));
    while (value->items->len)
        g_ptr_array_add(arguments, g_ptr_array_steal_index(value->items, 0));
    return NULL;
}

RpcReply *rpc_json_decode(const char *method, const char *session, const char *body, gsize length,
                          const RpcLimits *limits, GPtrArray **arguments)
{
    const RpcMethod *row = row_of(method);
    if (!row)
        return fault(RPC_FAULT_NO_METHOD, g_strdup_printf("Method '%s' not defined", method));
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)rpc_value_free);
    RpcReply *reply = NULL;
    if (row->need != NEED_NOTHING)
        g_ptr_array_add(list, rpc_value_text(session ? session : ""));
    gsize blanks = 0;
    while (blanks < length && body[blanks] && strchr(" \t\r\n", body[blanks]))
        blanks++;
    if (blanks < length) {
        gint code = 0;
        g_autofree char *problem = NULL;
        RpcValue *value = rpc_json_read(body, length, limits, &code, &problem);
        reply = value ? place(method, value, list)
                      : fault(code, g_strdup_printf("The body is not as it must be, %s", problem));
        rpc_value_free(value);
    }
    if (reply)
        g_ptr_array_unref(list);
    else
        *arguments = list;
    return reply;
}
