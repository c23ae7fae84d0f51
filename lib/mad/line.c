#include "lib/mad/line.h"

#include "lib/base/error.h"
#include <errno.h>
#include <string.h>

static gboolean is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A stretch of the line that is still to be read. */
typedef struct Span {
    const char *at;
    const char *end;
} Span;

static void skip_blanks(Span *span)
{
    while (span->at < span->end && is_blank(*span->at))
        span->at++;
}

/* The next field; an empty one means that none is left. */
static Span next_field(Span *span)
{
    skip_blanks(span);
    Span field = {span->at, span->at};
    while (field.end < span->end && !is_blank(*field.end))
        field.end++;
    span->at = field.end;
    return field;
}

static gboolean span_is(Span span, const char *word)
{
    gsize length = strlen(word);
    return (gsize)(span.end - span.at) == length && g_ascii_strncasecmp(span.at, word, length) == 0;
}

static gboolean read_number(const char **at, const char *end, guint64 *value)
{
    const char *start = *at;
    guint64 sum = 0;
    for (; *at < end && g_ascii_isdigit(**at); (*at)++) {
        guint64 digit = (guint64)(**at - '0');
        if (sum > (G_MAXUINT64 - digit) / 10)
            return FALSE;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return *at > start;
}

/* An object's id, or "-" for none. FALSE: the field is something else. */
static gboolean read_id(Span field, gint64 *id)
{
    *id = -1;
    if (span_is(field, "-"))
        return TRUE;
    gboolean negative = field.at < field.end && *field.at == '-';
    if (negative)
        field.at++;
    guint64 value;
    if (!read_number(&field.at, field.end, &value) || field.at != field.end || value > G_MAXINT64)
        return FALSE;
    *id = negative ? -(gint64)value : (gint64)value;
    return TRUE;
}

/* Takes "#EPOCH.REQUEST" off the end when it is a field of its own. */
static void take_tag(Span *span, MadLine *line)
{
    const char *start = span->end;
    while (start > span->at && !is_blank(start[-1]))
        start--;
    const char *at = start;
    guint64 epoch, request;
    if (start == span->at || *at++ != '#' || !read_number(&at, span->end, &epoch) ||
        at == span->end || *at++ != '.' || !read_number(&at, span->end, &request) ||
        at != span->end || epoch == 0 || request == 0)
        return;
    line->epoch = epoch;
    line->request = request;
    span->end = start;
}

static void trim_end(Span *span)
{
    while (span->end > span->at && (is_blank(span->end[-1]) || span->end[-1] == '\r'))
        span->end--;
}

static gboolean read_action(Span *span, MadLine *line, GError **error)
{
    Span field = next_field(span);
    gboolean good = field.end > field.at && field.end - field.at <= 64;
    for (const char *c = field.at; good && c < field.end; c++)
        good = g_ascii_isalnum(*c) || *c == '_';
    if (!good) {
        g_autofree char *shown = g_utf8_make_valid(field.at, MIN(field.end - field.at, (gssize)64));
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "a line must begin with the name of an action, not with \"%s\"", shown);
        return FALSE;
    }
    line->action = g_ascii_strup(field.at, field.end - field.at);
    return TRUE;
}

/* What both directions share: clean result, bounds, tag, action. */
static gboolean begin(const char *text, MadLine *line, Span *span, GError **error)
{
    *line = (MadLine){.id = -1};
    gsize length = strlen(text);
    if (length > MAD_LINE_MAX) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "a line of %zu bytes is too long; the limit is %d", length, MAD_LINE_MAX);
        return FALSE;
    }
    *span = (Span){text, text + length};
    trim_end(span);
    take_tag(span, line);
    trim_end(span);
    return read_action(span, line, error);
}

void mad_line_clear(MadLine *line)
{
    g_clear_pointer(&line->action, g_free);
    g_clear_pointer(&line->payload, g_free);
    *line = (MadLine){.id = -1};
}

gboolean mad_parse_request(const char *text, MadLine *line, GError **error)
{
    Span span;
    if (!begin(text, line, &span, error)) {
        mad_line_clear(line);
        return FALSE;
    }
    /* INIT and FINALIZE speak to the driver as a whole and name no object. */
    gboolean whole = g_str_equal(line->action, "INIT") || g_str_equal(line->action, "FINALIZE");
    Span rest = span;
    Span field = next_field(&span);
    if (field.at == field.end || (whole && !span_is(field, "-"))) {
        span = rest;
    } else if (!read_id(field, &line->id)) {
        g_autofree char *shown = g_utf8_make_valid(field.at, MIN(field.end - field.at, (gssize)64));
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "%s must be followed by the id of an object or \"-\", not by \"%s\"",
                    line->action, shown);
        mad_line_clear(line);
        return FALSE;
    }
    skip_blanks(&span);
    line->payload = g_strndup(span.at, span.end - span.at);
    return TRUE;
}

/* Text that ends in the XML of an object: valid UTF-8 without control characters. */
static char *clean_text(Span span)
{
    char *text = g_utf8_make_valid(span.at, span.end - span.at);
    for (char *c = text; *c; c++)
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
            *c = ' ';
    return text;
}

static gboolean read_status(Span field, MadLine *line)
{
    if (span_is(field, "SUCCESS"))
        line->status = MAD_SUCCESS;
    else if (span_is(field, "FAILURE"))
        line->status = MAD_FAILURE;
    return line->status != MAD_NO_STATUS;
}

static gboolean read_severity(Span field, MadLine *line)
{
    if (field.end - field.at != 1)
        return FALSE;
    char letter = g_ascii_toupper(*field.at);
    line->severity = letter == '-' ? 'I' : letter;
    return strchr("IWED", line->severity) != NULL;
}

gboolean mad_parse_result(const char *text, MadLine *line, GError **error)
{
    Span span;
    if (!begin(text, line, &span, error)) {
        mad_line_clear(line);
        return FALSE;
    }
    gboolean log = g_str_equal(line->action, "LOG");
    Span field = next_field(&span);
    if (!(log ? read_severity(field, line) : read_status(field, line))) {
        g_autofree char *shown = g_utf8_make_valid(field.at, MIN(field.end - field.at, (gssize)64));
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "%s must be followed by %s, not by \"%s\"",
                    line->action, log ? "I, W, E or D" : "SUCCESS or FAILURE", shown);
        mad_line_clear(line);
        return FALSE;
    }
    /* A missing id is no reason to lose the text of a failure. INIT has none, so that a
     * text such as "2 libraries are missing" stays whole. */
    Span rest = span;
    field = next_field(&span);
    gboolean init = g_str_equal(line->action, "INIT");
    if (field.at == field.end || (init && !span_is(field, "-")) || !read_id(field, &line->id))
        span = rest;
    skip_blanks(&span);
    if (span_is(span, "-"))
        span.at = span.end;
    line->payload = clean_text(span);
    return TRUE;
}

/* Appends text on one line. */
static void append_flat(GString *out, const char *text)
{
    gsize start = out->len;
    g_string_append(out, text);
    for (char *c = out->str + start; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
}

static char *finish(GString *out, guint64 epoch, guint64 request)
{
    if (epoch && request)
        g_string_append_printf(out, " #%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT, epoch, request);
    g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}

static void append_id(GString *out, gint64 id)
{
    if (id < 0)
        g_string_append(out, " -");
    else
        g_string_append_printf(out, " %" G_GINT64_FORMAT, id);
}

char *mad_print_request(const char *action, gint64 id, const char *payload, guint64 epoch,
                        guint64 request)
{
    gboolean some = payload && *payload;
    GString *out = g_string_sized_new(64 + (some ? strlen(payload) : 0));
    g_string_append(out, action);
    if (id >= 0 || (some && !g_str_equal(action, "INIT")))
        append_id(out, id);
    if (some) {
        g_string_append_c(out, ' ');
        append_flat(out, payload);
    }
    return finish(out, epoch, request);
}

char *mad_print_result(const char *action, MadStatus status, gint64 id, const char *info,
                       guint64 epoch, guint64 request)
{
    gboolean some = info && *info;
    GString *out = g_string_sized_new(64 + (some ? strlen(info) : 0));
    g_string_append(out, action);
    g_string_append(out, status == MAD_SUCCESS ? " SUCCESS" : " FAILURE");
    if (!g_str_equal(action, "INIT"))
        append_id(out, id);
    g_string_append_c(out, ' ');
    append_flat(out, some ? info : "-");
    return finish(out, epoch, request);
}

char *mad_print_log(char severity, gint64 id, const char *text)
{
    GString *out = g_string_sized_new(32 + strlen(text));
    g_string_append_printf(out, "LOG %c", severity);
    append_id(out, id);
    g_string_append_c(out, ' ');
    append_flat(out, text);
    return finish(out, 0, 0);
}
