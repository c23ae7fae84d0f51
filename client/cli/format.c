#include "client/cli/format.h"

#include <math.h>
#include <string.h>

static const char units[] = "KMGTP";

char *cli_size(double amount, char unit)
{
    const char *at = strchr(units, unit);
    g_assert(at != NULL && unit != '\0');
    while (fabs(amount) >= 1024 && at[1] != '\0') {
        amount /= 1024;
        at++;
    }
    double rounded = round(amount * 10) / 10;
    return rounded == floor(rounded) ? g_strdup_printf("%.0f%c", rounded, *at)
                                     : g_strdup_printf("%.1f%c", rounded, *at);
}

/* "  0d 01h02m", of which the last letters may be cut. */
static gboolean span_amount(const char *text, double *amount)
{
    static const double minutes[] = {24 * 60, 60, 1};
    *amount = 0;
    for (guint part = 0; part < G_N_ELEMENTS(minutes); part++) {
        char *end;
        double number = g_ascii_strtod(text, &end);
        if (end == text)
            return FALSE;
        *amount += number * minutes[part];
        if (*end != '\0' && *end != "dhm"[part])
            return FALSE;
        text = *end != '\0' ? end + 1 : end;
    }
    return *text == '\0';
}

gboolean cli_amount(const char *text, double *amount)
{
    if (span_amount(text, amount))
        return TRUE;
    char *end;
    double number = g_ascii_strtod(text, &end);
    if (end == text)
        return FALSE;
    const char *unit = *end != '\0' ? strchr(units, g_ascii_toupper(*end)) : NULL;
    *amount = number * (unit != NULL ? pow(1024, (double)(unit - units)) : 1);
    /* "200 / 800 (25%)" counts as its first number; "abc" or "3x" as none. */
    return *end == '\0' || *end == ' ' || *end == '%' ||
           (unit != NULL && (end[1] == '\0' || end[1] == ' '));
}

char *cli_span(gint64 seconds)
{
    seconds = MAX(seconds, 0);
    return g_strdup_printf("%3" G_GINT64_FORMAT "d %02dh%02dm", seconds / 86400,
                           (int)(seconds / 3600 % 24), (int)(seconds / 60 % 60));
}

char *cli_short_span(gint64 seconds)
{
    seconds = MAX(seconds, 0);
    return g_strdup_printf("%" G_GINT64_FORMAT "h%02dm%02ds", seconds / 3600,
                           (int)(seconds / 60 % 60), (int)(seconds % 60));
}

char *cli_time(gint64 seconds)
{
    g_autoptr(GDateTime) time = seconds > 0 ? g_date_time_new_from_unix_local(seconds) : NULL;
    return time != NULL ? g_date_time_format(time, "%m/%d %H:%M:%S") : g_strdup("-");
}

char *cli_rights(gint64 use, gint64 manage, gint64 admin)
{
    return g_strdup_printf("%c%c%c", use ? 'u' : '-', manage ? 'm' : '-', admin ? 'a' : '-');
}

static guint columns_of(gunichar letter)
{
    return g_unichar_iszerowidth(letter) ? 0 : g_unichar_iswide(letter) ? 2 : 1;
}

guint cli_columns(const char *text)
{
    guint columns = 0;
    if (!g_utf8_validate(text, -1, NULL))
        return strlen(text);
    for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at))
        columns += columns_of(g_utf8_get_char(at));
    return columns;
}

char *cli_fit(const char *text, int width)
{
    guint room = (guint)ABS(width), taken = 0;
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    const char *at = valid;
    for (; *at != '\0'; at = g_utf8_next_char(at)) {
        guint next = columns_of(g_utf8_get_char(at));
        if (taken + next > room)
            break;
        taken += next;
    }
    g_autofree char *cut = g_strndup(valid, (gsize)(at - valid));
    /* Control characters would break the layout, or the terminal. */
    for (char *letter = cut; *letter != '\0'; letter++)
        if (g_ascii_iscntrl(*letter))
            *letter = ' ';
    return width < 0 ? g_strdup_printf("%s%*s", cut, (int)(room - taken), "")
                     : g_strdup_printf("%*s%s", (int)(room - taken), "", cut);
}

const char *cli_without_time(const char *message)
{
    static const char pattern[] = "Aaa Aaa 99 99:99:99 9999";
    const char *at = message;
    for (const char *want = pattern; *want != '\0'; want++, at++) {
        gboolean good = *want == '9'             ? g_ascii_isdigit(*at) || *at == ' '
                        : g_ascii_isalpha(*want) ? g_ascii_isalpha(*at)
                                                 : *at == *want;
        if (!good)
            return message;
    }
    at += strspn(at, " ");
    return *at == ':' ? at + 1 + strspn(at + 1, " ") : message;
}
