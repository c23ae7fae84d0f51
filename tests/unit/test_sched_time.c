/* The arithmetic of what repeats: tests/unit/data/sched_time/repeats.txt. */
#include "lib/base/error.h"
#include "server/model/machine/sched_time.h"
#include "tests/unit/cases.h"

#include <time.h>

static gint64 read_moment(const char *date, const char *clock)
{
    g_autofree char *text = g_strdup_printf("%s %s", date, clock);
    struct tm tm = {.tm_isdst = -1};
    g_assert_nonnull(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
    tm.tm_isdst = -1;
    return mktime(&tm);
}

static char *print_moment(gint64 moment)
{
    time_t time = (time_t)moment;
    struct tm tm;
    char text[32];
    g_assert_cmpuint(strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", localtime_r(&time, &tm)), >,
                     0);
    return g_strdup(text);
}

static void repeats(gconstpointer data)
{
    const Case *test = data;
    g_auto(GStrv) words = NULL;
    int count;
    g_assert_true(g_shell_parse_argv(test->input, &count, &words, NULL));
    g_assert_cmpint(count, >=, 6);
    g_setenv("TZ", words[0], TRUE);
    tzset();
    SchedRepeat repeat = (SchedRepeat)g_ascii_strtoll(words[1], NULL, 10);
    gint64 first = read_moment(words[3], words[4]);
    gint64 after = count > 7 ? read_moment(words[7], words[8]) : first;
    GString *found = g_string_new(NULL);
    for (gint64 runs = g_ascii_strtoll(words[5], NULL, 10); runs > 0; runs--) {
        gint64 next = sched_next(repeat, words[2], first, after);
        g_autofree char *text = next < 0 ? g_strdup("never") : print_moment(next);
        g_assert_true(next < 0 || next > after);
        g_string_append_printf(found, "%s%s", found->len ? "\n" : "", text);
        after = next;
    }
    g_assert_cmpstr(found->str, ==, test->expected);
    g_string_free(found, TRUE);
}

/* Through forty years, day by day: always later than asked, and nothing listed is left out. */
static void never_stands_still(void)
{
    g_setenv("TZ", "Europe/Madrid", TRUE);
    tzset();
    static const struct {
        SchedRepeat repeat;
        const char *days;
        gint64 longest; /* days between two runs, at most */
    } ways[] = {{SCHED_WEEKLY, "3", 7},
                {SCHED_MONTHLY, "30", 31},
                {SCHED_YEARLY, "365", 366},
                {SCHED_HOURLY, "168", 7}};
    for (guint i = 0; i < G_N_ELEMENTS(ways); i++) {
        gint64 first = read_moment("2020-01-31", "02:30:00"), at = first;
        while (at < first + G_GINT64_CONSTANT(40) * 366 * 86400) {
            gint64 next = sched_next(ways[i].repeat, ways[i].days, first, at);
            g_assert_cmpint(next, >, at);
            g_assert_cmpint(next - at, <=, ways[i].longest * 86400 + 7200);
            at = next;
        }
    }
}

static void which_days_fit(void)
{
    static const struct {
        SchedRepeat repeat;
        const char *days;
        gboolean fit;
    } lists[] = {
        {SCHED_ONCE, NULL, TRUE},      {SCHED_ONCE, "x", TRUE},      {SCHED_WEEKLY, "0,6", TRUE},
        {SCHED_WEEKLY, "7", FALSE},    {SCHED_WEEKLY, "", FALSE},    {SCHED_WEEKLY, NULL, FALSE},
        {SCHED_WEEKLY, "1,,2", FALSE}, {SCHED_WEEKLY, "-1", FALSE},  {SCHED_MONTHLY, "1,31", TRUE},
        {SCHED_MONTHLY, "0", FALSE},   {SCHED_MONTHLY, "32", FALSE}, {SCHED_YEARLY, "0,365", TRUE},
        {SCHED_YEARLY, "366", FALSE},  {SCHED_HOURLY, "168", TRUE},  {SCHED_HOURLY, "0", FALSE},
        {SCHED_HOURLY, "169", FALSE},  {SCHED_HOURLY, "1,2", FALSE}, {SCHED_HOURLY, "2,2", TRUE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_cmpint(sched_days_fit(lists[i].repeat, lists[i].days, &error), ==, lists[i].fit);
        g_assert_true(lists[i].fit || g_error_matches(error, ONE_ERROR, ONE_ERROR_INTERNAL));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sched_time/never_stands_still", never_stands_still);
    g_test_add_func("/sched_time/which_days_fit", which_days_fit);
    g_autoptr(GPtrArray) cases = cases_load("sched_time/repeats.txt");
    for (guint i = 0; i < cases->len; i++) {
        const Case *test = cases->pdata[i];
        g_autofree char *path = g_strdup_printf("/sched_time/%s", test->title);
        g_test_add_data_func(path, test, repeats);
    }
    return g_test_run();
}
