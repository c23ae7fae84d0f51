#include "server/rpc/scan.h"
#include <string.h>

/* The elements of XML-RPC, with those that Apache's library adds; frequent ones first. */
static const struct {
    const char *name;
    guint length;
} elements[] = {
    {"value", 5},
    {"param", 5},
    {"string", 6},
    {"int", 3},
    {"i4", 2},
    {"array", 5},
    {"data", 4},
    {"methodCall", 10},
    {"params", 6},
    {"name", 4},
    {"methodName", 10},
    {"boolean", 7},
    {"member", 6},
    {"struct", 6},
    {"i8", 2},
    {"double", 6},
    {"nil", 3},
    {"base64", 6},
    {"dateTime.iso8601", 16},
    {"ex:nil", 6},
    {"ex:i8", 5},
    {"i1", 2},
    {"i2", 2},
    {"ex:i1", 5},
    {"ex:i2", 5},
};

/* The root may declare name spaces; more than this is not a declaration. */
#define ROOT_TAG_BYTES 512

typedef struct Scan {
    const char *start, *at, *end;
    guint depth, count;
    gint *code;
    char **text;
} Scan;

static gboolean refuse(Scan *scan, gint code, char *text)
{
    *scan->code = code;
    *scan->text = text;
    return FALSE;
}

static gboolean refuse_end(Scan *scan, const char *what)
{
    return refuse(scan, RPC_FAULT_PARSE,
                  g_strdup_printf("The call is not valid XML: it ends inside %s.", what));
}

/* Moves behind `mark`, which ends `what`. */
static gboolean skip(Scan *scan, const char *mark, const char *what)
{
    const char *found = memmem(scan->at, (gsize)(scan->end - scan->at), mark, strlen(mark));
    if (!found)
        return refuse_end(scan, what);
    scan->at = found + strlen(mark);
    return TRUE;
}

static gboolean starts_with(const Scan *scan, const char *text)
{
    gsize length = strlen(text);
    return (gsize)(scan->end - scan->at) >= length && memcmp(scan->at, text, length) == 0;
}

/* After "<!": a comment or literal text may stand there, anything else may not. */
static gboolean scan_declaration(Scan *scan)
{
    if (starts_with(scan, "!--")) {
        scan->at += 3;
        return skip(scan, "-->", "a comment");
    }
    if (starts_with(scan, "![CDATA["))
        return skip(scan, "]]>", "a CDATA section");
    return refuse(scan, RPC_FAULT_PARSE,
                  g_strdup("The call holds a document type declaration (DOCTYPE) or another "
                           "declaration; XML-RPC has none and they are refused. Leave it out."));
}

static gboolean is_known(const char *name, gsize length)
{
    for (gsize i = 0; i < G_N_ELEMENTS(elements); i++)
        if (elements[i].length == length && memcmp(elements[i].name, name, length) == 0)
            return TRUE;
    return FALSE;
}

/* Moves behind the '>' of a tag that has attributes; `*empty` when it is "/>". */
static gboolean skip_attributes(Scan *scan, gboolean *empty)
{
    char quote = 0;
    for (const char *from = scan->at; scan->at < scan->end; scan->at++) {
        char c = *scan->at;
        if (scan->at - from > ROOT_TAG_BYTES)
            return refuse(scan, RPC_FAULT_LIMIT,
                          g_strdup_printf("The first element's attributes are longer than %d "
                                          "bytes.",
                                          ROOT_TAG_BYTES));
        if (quote) {
            if (c == quote)
                quote = 0;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '>') {
            *empty = scan->at[-1] == '/';
            scan->at++;
            return TRUE;
        }
    }
    return refuse_end(scan, "a tag");
}

static gboolean is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* xmlrpc-c 1.33 crashes while it composes its complaint about a wrong <i8> (a format with two
 * texts gets one), so it must not see one. */
static gboolean check_i8(Scan *scan)
{
    const char *end = memchr(scan->at, '<', (gsize)(scan->end - scan->at));
    gsize length = end ? (gsize)(end - scan->at) : 0;
    g_autofree char *text = g_strndup(scan->at, MIN(length, 30));
    if (end && end + 1 < scan->end && end[1] == '/' && length > 0 && length < 30 &&
        (g_ascii_isdigit(*text) || *text == '-') &&
        g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, NULL, NULL))
        return TRUE;
    g_autofree char *shown = g_utf8_make_valid(text, -1);
    return refuse(
        scan, RPC_FAULT_PARSE,
        g_strdup_printf("The call holds an <i8> that is not a 64 bit integer: \"%s\".", shown));
}

static gboolean scan_start_tag(Scan *scan, const RpcLimits *limits)
{
    const char *name = scan->at;
    while (scan->at < scan->end && *scan->at != '>' && *scan->at != '/' && !is_blank(*scan->at))
        scan->at++;
    gsize length = (gsize)(scan->at - name);
    if (!is_known(name, length)) {
        g_autofree char *shown = g_utf8_make_valid(name, (gssize)MIN(length, 40));
        return refuse(scan, RPC_FAULT_PARSE,
                      g_strdup_printf("The call is not XML-RPC: it holds an element <%s>.", shown));
    }

    while (scan->at < scan->end && is_blank(*scan->at))
        scan->at++;
    gboolean empty = FALSE;
    if (starts_with(scan, ">")) {
        scan->at++;
    } else if (starts_with(scan, "/>")) {
        empty = TRUE;
        scan->at += 2;
    } else if (scan->at < scan->end && scan->count > 0) {
        return refuse(scan, RPC_FAULT_PARSE,
                      g_strdup_printf("The call is not XML-RPC: <%.*s> holds attributes.",
                                      (int)length, name));
    } else if (!skip_attributes(scan, &empty)) {
        return FALSE;
    }

    if (++scan->count > limits->elements)
        return refuse(scan, RPC_FAULT_LIMIT,
                      g_strdup_printf("The call holds more than %u XML elements; send it in "
                                      "several calls.",
                                      limits->elements));
    if (empty)
        return TRUE;
    if (memcmp(name + length - MIN(length, 2), "i8", 2) == 0 && !check_i8(scan))
        return FALSE;
    /* methodCall, params, param, value, and the type at the end; a level of array or struct
     * adds three elements. */
    if (++scan->depth > 5 + 3 * limits->nesting)
        return refuse(scan, RPC_FAULT_LIMIT,
                      g_strdup_printf("The call nests arrays or structs more than %u levels deep.",
                                      limits->nesting));
    return TRUE;
}

gboolean rpc_scan(const char *body, gsize length, const RpcLimits *limits, gint *code, char **text)
{
    Scan scan = {body, body, body + length, 0, 0, code, text};
    if (length > limits->bytes)
        return refuse(&scan, RPC_FAULT_LIMIT,
                      g_strdup_printf("The call is larger than %" G_GSIZE_FORMAT
                                      " bytes, the most that this server takes.",
                                      limits->bytes));
    /* UTF-16 and UTF-32 always hold zero bytes in a document, UTF-8 never does; so what
     * follows sees every tag that the parser will see. */
    if (memchr(body, 0, length))
        return refuse(&scan, RPC_FAULT_PARSE,
                      g_strdup("The call holds a zero byte; send it in UTF-8."));

    while ((scan.at = memchr(scan.at, '<', (gsize)(scan.end - scan.at)))) {
        scan.at++;
        gboolean ok = TRUE;
        if (starts_with(&scan, "?"))
            ok = skip(&scan, "?>", "a processing instruction");
        else if (starts_with(&scan, "!"))
            ok = scan_declaration(&scan);
        else if (starts_with(&scan, "/")) {
            if (scan.depth > 0) /* too many end tags are for the parser to say */
                scan.depth--;
        } else
            ok = scan_start_tag(&scan, limits);
        if (!ok)
            return FALSE;
    }
    return TRUE;
}
