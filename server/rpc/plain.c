#include "server/rpc/plain.h"
#include <string.h>

typedef struct Reader {
    const char *at, *end;
    guint elements; /* that may still come */
} Reader;

/* ---- marks ---- */

static gboolean take(Reader *reader, const char *mark, gsize length)
{
    if ((gsize)(reader->end - reader->at) < length || memcmp(reader->at, mark, length) != 0)
        return FALSE;
    reader->at += length;
    return TRUE;
}
#define TAKE(READER, MARK) take(READER, MARK, sizeof(MARK) - 1)

/* The same, and an element is counted. */
static gboolean take_element(Reader *reader, const char *mark, gsize length)
{
    if (!take(reader, mark, length) || reader->elements == 0)
        return FALSE;
    reader->elements--;
    return TRUE;
}
#define TAKE_ELEMENT(READER, MARK) take_element(READER, MARK, sizeof(MARK) - 1)

static void skip_blanks(Reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\n' ||
                                        *reader->at == '\t' || *reader->at == '\r'))
        reader->at++;
}

/* The declarations that clients are known to send, and no other. */
static gboolean take_declaration(Reader *reader)
{
    static const char *const declarations[] = {
        "<?xml version=\"1.0\"?>",
        "<?xml version='1.0'?>",
        "<?xml version=\"1.0\" ?>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
        "<?xml version='1.0' encoding='UTF-8'?>",
        "<?xml version='1.0' encoding='utf-8'?>",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(declarations); i++)
        if (take(reader, declarations[i], strlen(declarations[i])))
            return TRUE;
    return FALSE;
}

/* ---- text ---- */

/* What may stand in text; the rest is left to xmlrpc-c: control characters, carriage
 * returns, and what ends with a semicolon. */
enum { FINE, ODD, AMPERSAND, BRACKET, WIDE };
static const guchar classes[256] = {
    [0 ... 8] = ODD, [11 ... 31] = ODD, ['&'] = AMPERSAND,
    [']'] = BRACKET, [127] = ODD,       [128 ... 255] = WIDE,
};

/* U+FFFE and U+FFFF are judged differently by different libraries. */
static gboolean is_common_utf8(const char *text, gsize length)
{
    if (!g_utf8_validate_len(text, length, NULL))
        return FALSE;
    for (gsize i = 0; i < length; i++) {
        guchar byte = (guchar)text[i];
        if (byte == 0xef && (guchar)text[i + 1] == 0xbf)
            return FALSE;
    }
    return TRUE;
}

/* The character that an entity stands for, and its length; 0: not one of the five. */
static char entity(const char *at, const char *end, gsize *length)
{
    static const struct {
        const char *text;
        guint length;
        char character;
    } entities[] = {
        {"&lt;", 4, '<'},   {"&gt;", 4, '>'},    {"&amp;", 5, '&'},
        {"&quot;", 6, '"'}, {"&apos;", 6, '\''},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(entities); i++) {
        if ((gsize)(end - at) >= entities[i].length &&
            memcmp(at, entities[i].text, entities[i].length) == 0) {
            *length = entities[i].length;
            return entities[i].character;
        }
    }
    return 0;
}

/* Text with its entities replaced (owned); NULL: not plain. */
static char *decode_entities(const char *text, gsize length)
{
    char *decoded = g_malloc(length + 1), *out = decoded;
    const char *end = text + length;
    while (text < end) {
        if (*text != '&') {
            *out++ = *text++;
            continue;
        }
        gsize used = 0;
        char character = entity(text, end, &used);
        if (!character) {
            g_free(decoded);
            return NULL;
        }
        *out++ = character;
        text += used;
    }
    *out = '\0';
    return decoded;
}

/* The text up to the next tag (owned); NULL: not plain. */
static char *take_text(Reader *reader)
{
    const char *from = reader->at;
    const char *end = memchr(from, '<', (gsize)(reader->end - from));
    if (!end)
        return NULL;
    gboolean entities = FALSE, wide = FALSE;
    for (const char *at = from; at < end; at++) {
        guchar kind = classes[(guchar)*at];
        if (kind == FINE)
            continue;
        if (kind == ODD || (kind == BRACKET && end - at > 2 && at[1] == ']' && at[2] == '>'))
            return NULL;
        entities |= kind == AMPERSAND;
        wide |= kind == WIDE;
    }
    gsize length = (gsize)(end - from);
    if (wide && !is_common_utf8(from, length))
        return NULL;
    reader->at = end;
    return entities ? decode_entities(from, length) : g_strndup(from, length);
}

/* ---- values ---- */

static RpcValue *text_value(char *text)
{
    RpcValue *value = g_new0(RpcValue, 1);
    value->type = RPC_STRING;
    value->text = text;
    return value;
}

/* Digits enough for 32 or 64 bits without overflow; longer numbers are not plain. */
static gboolean take_number(Reader *reader, guint digits_most, gint64 *number)
{
    gboolean negative = TAKE(reader, "-");
    guint digits = 0;
    *number = 0;
    while (reader->at < reader->end && g_ascii_isdigit(*reader->at) && digits++ < digits_most)
        *number = *number * 10 + (*reader->at++ - '0');
    if (negative)
        *number = -*number;
    return digits > 0 && digits <= digits_most;
}

static RpcValue *take_string(Reader *reader)
{
    char *text = take_text(reader);
    if (text && TAKE(reader, "</string>"))
        return text_value(text);
    g_free(text);
    return NULL;
}

static RpcValue *take_value(Reader *reader, guint nesting);

static RpcValue *take_array(Reader *reader, guint nesting)
{
    if (nesting == 0)
        return NULL;
    RpcValue *array = rpc_value_array();
    skip_blanks(reader);
    gboolean ok = TAKE_ELEMENT(reader, "<data>");
    while (ok) {
        skip_blanks(reader);
        if (TAKE(reader, "</data>"))
            break;
        RpcValue *item = take_value(reader, nesting - 1);
        ok = item != NULL;
        if (ok)
            rpc_value_add(array, item);
    }
    if (ok) {
        skip_blanks(reader);
        if (TAKE(reader, "</array>"))
            return array;
    }
    rpc_value_free(array);
    return NULL;
}

/* After the '<' of a type. */
static RpcValue *take_typed(Reader *reader, guint nesting)
{
    gint64 number = 0;
    if (TAKE_ELEMENT(reader, "<string>"))
        return take_string(reader);
    if (TAKE_ELEMENT(reader, "<i4>"))
        return take_number(reader, 9, &number) && TAKE(reader, "</i4>") ? rpc_value_int(number)
                                                                        : NULL;
    if (TAKE_ELEMENT(reader, "<int>"))
        return take_number(reader, 9, &number) && TAKE(reader, "</int>") ? rpc_value_int(number)
                                                                         : NULL;
    if (TAKE_ELEMENT(reader, "<boolean>")) {
        number = TAKE(reader, "1");
        return (number || TAKE(reader, "0")) && TAKE(reader, "</boolean>")
                   ? rpc_value_bool(number != 0)
                   : NULL;
    }
    if (TAKE_ELEMENT(reader, "<i8>"))
        return take_number(reader, 18, &number) && TAKE(reader, "</i8>") ? rpc_value_i8(number)
                                                                         : NULL;
    if (TAKE_ELEMENT(reader, "<array>"))
        return take_array(reader, nesting);
    return NULL;
}

static RpcValue *take_value(Reader *reader, guint nesting)
{
    if (!TAKE_ELEMENT(reader, "<value>"))
        return NULL;
    const char *from = reader->at;
    skip_blanks(reader);
    gboolean typed = reader->end - reader->at > 1 && reader->at[0] == '<' && reader->at[1] != '/';
    RpcValue *value = NULL;
    if (typed) {
        value = take_typed(reader, nesting);
        skip_blanks(reader);
    } else {
        reader->at = from; /* blanks are part of a string without a type */
        char *text = take_text(reader);
        value = text ? text_value(text) : NULL;
    }
    if (value && TAKE(reader, "</value>"))
        return value;
    rpc_value_free(value);
    return NULL;
}

/* ---- the call ---- */

static char *take_method(Reader *reader)
{
    if (!TAKE_ELEMENT(reader, "<methodName>"))
        return NULL;
    const char *from = reader->at;
    while (reader->at < reader->end &&
           (g_ascii_isalnum(*reader->at) || *reader->at == '.' || *reader->at == '_'))
        reader->at++;
    const char *end = reader->at;
    return TAKE(reader, "</methodName>") ? g_strndup(from, (gsize)(end - from)) : NULL;
}

static gboolean take_parameters(Reader *reader, guint nesting, GPtrArray *arguments)
{
    if (!TAKE_ELEMENT(reader, "<params>"))
        return TAKE_ELEMENT(reader, "<params/>");
    for (;;) {
        skip_blanks(reader);
        if (TAKE(reader, "</params>"))
            return TRUE;
        if (!TAKE_ELEMENT(reader, "<param>"))
            return FALSE;
        skip_blanks(reader);
        RpcValue *value = take_value(reader, nesting);
        if (!value)
            return FALSE;
        g_ptr_array_add(arguments, value);
        skip_blanks(reader);
        if (!TAKE(reader, "</param>"))
            return FALSE;
    }
}

static void free_value(gpointer value)
{
    rpc_value_free(value);
}

static gboolean take_end(Reader *reader)
{
    skip_blanks(reader);
    if (!TAKE(reader, "</methodCall>"))
        return FALSE;
    skip_blanks(reader);
    return reader->at == reader->end;
}

gboolean rpc_read_plain(const char *body, gsize length, const RpcLimits *limits, char **method,
                        GPtrArray **arguments)
{
    if (length > limits->bytes)
        return FALSE;
    Reader reader = {body, body + length, limits->elements};
    if (take_declaration(&reader))
        skip_blanks(&reader);
    if (!TAKE_ELEMENT(&reader, "<methodCall>"))
        return FALSE;
    skip_blanks(&reader);
    g_autofree char *name = take_method(&reader);
    if (!name)
        return FALSE;
    skip_blanks(&reader);
    g_autoptr(GPtrArray) values = g_ptr_array_new_full(8, free_value);
    /* Old clients leave empty parameters out. */
    gboolean none = reader.end - reader.at > 1 && reader.at[0] == '<' && reader.at[1] == '/';
    if (!none && !take_parameters(&reader, limits->nesting, values))
        return FALSE;
    if (!take_end(&reader))
        return FALSE;
    *method = g_steal_pointer(&name);
    *arguments = g_steal_pointer(&values);
    return TRUE;
}
