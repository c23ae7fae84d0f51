/* Moments and months as people write them. */
#include "client/cli/moment.h"

#include <time.h>

static char *shown(gint64 moment)
{
    time_t time = (time_t)moment;
    struct tm tm;
    char text[32];
    g_assert_cmpuint(strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", localtime_r(&time, &tm)), >,
                     0);
    return g_strdup(text);
}

static void moments(void)
{
    static const struct {
        const char *text, *expected; /* NULL: none */
    } cases[] = {
        {"2027-01-31 18:00", "2027-01-31 18:00:00"},
        {"2027-01-31 18:00:59", "2027-01-31 18:00:59"},
        {"2027-01-31T18:00:59", "2027-01-31 18:00:59"},
        {"2027/07/31 18:00", "2027-07-31 18:00:00"},
        {"2020-02-29", "2020-02-29 00:00:00"},
        {"12/24 07:30", "2026-12-24 07:30:00"},
        {"03/01 07:30", "2027-03-01 07:30:00"}, /* of this year it is over */
        {"15:00", "2026-11-22 15:00:00"},
        {"14:59:59", "2026-11-23 14:59:59"},
        {"now", "2026-11-22 15:00:00"},
        {"now+90m", "2026-11-22 16:30:00"},
        {"now+1w", "2026-11-29 15:00:00"},
        {"now+60", "2026-11-22 15:01:00"},
        {"1800000000", "2027-01-15 09:00:00"},
        {"+3600", NULL},
        {"tomorrow", NULL},
        {"2027-13-01", NULL},
        {"25:00", NULL},
        {"now+1x", NULL},
        {"now+", NULL},
        {"-5", NULL},
        {"", NULL},
        {"2027-01-31 18:00 or so", NULL},
    };
    g_setenv("TZ", "Europe/Madrid", TRUE);
    tzset();
    struct tm start = {.tm_year = 126, .tm_mon = 10, .tm_mday = 22, .tm_hour = 15, .tm_isdst = -1};
    gint64 now = mktime(&start);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        gint64 found = -1;
        gboolean known = cli_moment(cases[i].text, now, &found);
        g_autofree char *text = known ? shown(found) : NULL;
        g_assert_cmpstr(text, ==, cases[i].expected);
    }
}

static void months(void)
{
    gint32 month, year;
    g_assert_true(cli_month("10/2026", &month, &year));
    g_assert_cmpint(month * 10000 + year, ==, 102026);
    g_assert_true(cli_month("2026-01", &month, &year));
    g_assert_cmpint(month * 10000 + year, ==, 12026);
    g_assert_false(cli_month("13/2026", &month, &year));
    g_assert_false(cli_month("October", &month, &year));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli_moment/moments", moments);
    g_test_add_func("/cli_moment/months", months);
    return g_test_run();
}
