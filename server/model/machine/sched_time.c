#include "server/model/machine/sched_time.h"

#include "lib/base/error.h"

#include <string.h>
#include <time.h>

#define HOUR 3600

/* First and last number of each way, and what they are. */
static const struct {
    gint64 first, last;
    const char *what;
} ranges[] = {
    [SCHED_WEEKLY] = {0, 6, "days of a week are 0 (Sunday) to 6 (Saturday)"},
    [SCHED_MONTHLY] = {1, 31, "days of a month are 1 to 31"},
    [SCHED_YEARLY] = {0, 365, "days of a year are 0 (January 1st) to 365"},
    [SCHED_HOURLY] = {1, 168, "hours are one number from 1 to 168"},
};

#define DAYS_MAX 366

/* The numbers of a list; FALSE when one is none, or out of range. */
static gboolean read_days(SchedRepeat repeat, const char *text, gboolean *days, guint *count)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    *count = 0;
    for (guint i = 0; words[i]; i++) {
        guint64 number;
        if (!g_ascii_string_to_unsigned(g_strstrip(words[i]), 10, (guint64)ranges[repeat].first,
                                        (guint64)ranges[repeat].last, &number, NULL))
            return FALSE;
        *count += !days[number];
        days[number] = TRUE;
    }
    return TRUE;
}

gboolean sched_days_fit(SchedRepeat repeat, const char *text, GError **error)
{
    gboolean days[DAYS_MAX] = {FALSE};
    guint count = 0;
    if (repeat == SCHED_ONCE || (text && *text && read_days(repeat, text, days, &count) &&
                                 count > 0 && (repeat != SCHED_HOURLY || count == 1)))
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "DAYS = \"%s\" does not fit REPEAT = %d: %s, separated by commas", text ? text : "",
                repeat, ranges[repeat].what);
    return FALSE;
}

static gboolean is_leap(gint year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static gint days_of_month(gint month, gint year)
{
    static const gint days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month] + (month == 1 && is_leap(year));
}

/* The number is listed; the last of a period stands for those after it that the period lacks. */
static gboolean is_listed(const gboolean *days, gint number, gint last, gint longest)
{
    if (number < last)
        return days[number];
    for (gint i = last; i <= longest; i++)
        if (days[i])
            return TRUE;
    return FALSE;
}

static gboolean is_day(SchedRepeat repeat, const gboolean *days, const struct tm *date)
{
    gint year = date->tm_year + 1900;
    switch (repeat) {
    case SCHED_WEEKLY:
        return days[date->tm_wday];
    case SCHED_MONTHLY:
        return is_listed(days, date->tm_mday, days_of_month(date->tm_mon, year), 31);
    case SCHED_YEARLY:
        return is_listed(days, date->tm_yday, 364 + is_leap(year), DAYS_MAX - 1);
    case SCHED_ONCE:
    case SCHED_HOURLY:
        break;
    }
    return FALSE;
}

/* That time of day on that date. */
static gint64 moment(const struct tm *date, const struct tm *clock)
{
    time_t found = -1;
    for (gint summer = 1; summer >= 0; summer--) {
        struct tm wanted = {.tm_year = date->tm_year,
                            .tm_mon = date->tm_mon,
                            .tm_mday = date->tm_mday,
                            .tm_hour = clock->tm_hour,
                            .tm_min = clock->tm_min,
                            .tm_sec = clock->tm_sec,
                            .tm_isdst = summer};
        struct tm is = {0};
        found = mktime(&wanted);
        if (localtime_r(&found, &is) && is.tm_mday == date->tm_mday &&
            is.tm_hour == clock->tm_hour && is.tm_min == clock->tm_min)
            break;
    }
    return found; /* by winter's clock, when there is no such moment */
}

static gint64 next_day(SchedRepeat repeat, const gboolean *days, gint64 first, gint64 after)
{
    time_t from = (time_t)after, began = (time_t)first;
    struct tm clock = {0}, today = {0};
    if (!localtime_r(&began, &clock) || !localtime_r(&from, &today))
        return -1;
    /* Every listed day, or the one that stands for it, comes within a year and a day. */
    for (gint i = 0; i <= DAYS_MAX + 1; i++) {
        struct tm date = {.tm_year = today.tm_year,
                          .tm_mon = today.tm_mon,
                          .tm_mday = today.tm_mday + i,
                          .tm_hour = 12,
                          .tm_isdst = -1};
        if (mktime(&date) == -1)
            return -1;
        gint64 then = is_day(repeat, days, &date) ? moment(&date, &clock) : -1;
        if (then > after)
            return then <= SCHED_TIME_MAX ? then : -1;
    }
    return -1;
}

gint64 sched_next(SchedRepeat repeat, const char *text, gint64 first, gint64 after)
{
    gboolean days[DAYS_MAX] = {FALSE};
    guint count;
    if (repeat == SCHED_ONCE || !text || !read_days(repeat, text, days, &count) || count == 0)
        return -1;
    if (repeat != SCHED_HOURLY)
        return next_day(repeat, days, first, after);
    gint64 hours = 1;
    while (!days[hours])
        hours++;
    gint64 step = hours * HOUR;
    return after < first ? first : first + ((after - first) / step + 1) * step;
}
