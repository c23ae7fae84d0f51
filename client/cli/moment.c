#include "client/cli/moment.h"

#include <string.h>
#include <time.h>

#define DAY 86400

/* "2h", "30m", "3600" as seconds. */
static gboolean read_span(const char *text, gint64 *seconds)
{
    static const struct {
        char letter;
        gint64 seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', DAY}, {'w', 7 * DAY}};
    gsize length = strspn(text, "0123456789");
    gint64 unit = text[length] == '\0' ? 1 : 0;
    for (guint i = 0; i < G_N_ELEMENTS(units); i++)
        if (text[length] == units[i].letter && text[length + 1] == '\0')
            unit = units[i].seconds;
    g_autofree char *digits = g_strndup(text, length);
    if (unit == 0 || !g_ascii_string_to_signed(digits, 10, 0, G_MAXINT32, seconds, NULL))
        return FALSE;
    *seconds *= unit;
    return TRUE;
}

/* The whole text in that form; what the form does not say stays as it is in `tm`. */
static gboolean fits(const char *text, const char *form, struct tm *tm)
{
    const char *end = strptime(text, form, tm);
    return end != NULL && *end == '\0';
}

gboolean cli_moment(const char *text, gint64 now, gint64 *moment)
{
    /* What is added until the moment is not past: nothing, a day, a year. */
    static const struct {
        const char *form;
        enum { NOTHING, NEXT_DAY, NEXT_YEAR } next;
    } forms[] = {{"%Y-%m-%d %H:%M:%S", NOTHING},
                 {"%Y-%m-%d %H:%M", NOTHING},
                 {"%Y-%m-%dT%H:%M:%S", NOTHING},
                 {"%Y-%m-%dT%H:%M", NOTHING},
                 {"%Y/%m/%d %H:%M:%S", NOTHING},
                 {"%Y/%m/%d %H:%M", NOTHING},
                 {"%Y-%m-%d", NOTHING},
                 {"%Y/%m/%d", NOTHING},
                 {"%m/%d %H:%M:%S", NEXT_YEAR},
                 {"%m/%d %H:%M", NEXT_YEAR},
                 {"%m/%d", NEXT_YEAR},
                 {"%H:%M:%S", NEXT_DAY},
                 {"%H:%M", NEXT_DAY}};
    gint64 span = 0;
    time_t start = (time_t)now;
    if (strcmp(text, "now") == 0 ||
        (g_str_has_prefix(text, "now+") && read_span(text + 4, &span))) {
        *moment = now + span;
        return TRUE;
    }
    if (g_ascii_isdigit(*text) && g_ascii_string_to_signed(text, 10, 0, G_MAXINT64, moment, NULL))
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
        struct tm tm = {0};
        localtime_r(&start, &tm);
        tm.tm_sec = tm.tm_min = tm.tm_hour = 0;
        if (!fits(text, forms[i].form, &tm))
            continue;
        struct tm wanted = tm;
        tm.tm_isdst = -1;
        *moment = mktime(&tm);
        if (*moment >= now || forms[i].next == NOTHING)
            return *moment >= 0;
        wanted.tm_mday += forms[i].next == NEXT_DAY;
        wanted.tm_year += forms[i].next == NEXT_YEAR;
        wanted.tm_isdst = -1;
        *moment = mktime(&wanted);
        return TRUE;
    }
    return FALSE;
}

gboolean cli_month(const char *text, gint32 *month, gint32 *year)
{
    struct tm tm = {0};
    if (!fits(text, "%m/%Y", &tm) && !fits(text, "%Y-%m", &tm))
        return FALSE;
    *month = tm.tm_mon + 1;
    *year = tm.tm_year + 1900;
    return TRUE;
}
