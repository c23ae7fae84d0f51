#include "client/evaluate/stats.h"

static GArray *pings_of(const Ping *pings, guint count)
{
    return g_array_append_vals(g_array_new(FALSE, FALSE, sizeof(Ping)), pings, count);
}

static void test_pings(void)
{
    /* 0.1 s apart; two are lost around the switch, one is late. */
    static const Ping trace[] = {{0.0, 1},   {0.1, 2},  {0.2, 1}, {0.3, -1}, {0.4, -1},
                                 {0.5, 150}, {0.6, 60}, {0.7, 2}, {0.8, 1}};
    g_autoptr(GArray) pings = pings_of(trace, G_N_ELEMENTS(trace));
    PingSummary all = ping_summary(pings, 0, 10);
    g_assert_cmpuint(all.sent, ==, 9);
    g_assert_cmpuint(all.lost, ==, 2);
    g_assert_cmpfloat(all.median, ==, 2);
    g_assert_cmpfloat(all.worst, ==, 150);
    /* From the answer to the third (0.201) to that of the sixth, at 0.650. */
    g_assert_cmpfloat_with_epsilon(all.silence, 0.449, 1e-9);
    g_assert_cmpfloat_with_epsilon(all.silence_at, 0.201, 1e-9);
    PingSummary part = ping_summary(pings, 0.65, 10);
    g_assert_cmpuint(part.sent, ==, 2);
    g_assert_cmpfloat_with_epsilon(part.silence, 0.099, 1e-9);
    /* A guest that answers again only after the move is silent in it all the same. */
    PingSummary early = ping_summary(pings, 0, 0.45);
    g_assert_cmpuint(early.sent, ==, 5);
    g_assert_cmpuint(early.lost, ==, 2);
    g_assert_cmpfloat(early.worst, ==, 2);
    g_assert_cmpfloat_with_epsilon(early.silence, 0.449, 1e-9);
    PingSummary none = ping_summary(pings, 5, 6);
    g_assert_cmpuint(none.sent, ==, 0);
    g_assert_cmpfloat(none.silence, ==, 0);
}

/* Answers that overtake each other make no negative and no doubled silence. */
static void test_pings_overtaken(void)
{
    static const Ping trace[] = {{0.0, 500}, {0.1, 10}, {0.2, 10}};
    g_autoptr(GArray) pings = pings_of(trace, G_N_ELEMENTS(trace));
    PingSummary summary = ping_summary(pings, 0, 1);
    g_assert_cmpfloat_with_epsilon(summary.silence, 0.29, 1e-9);
}

static void test_spread(void)
{
    const double odd[] = {3, 1, 2}, even[] = {4, 1, 2, 3}, holes[] = {-1, 5, -1};
    Spread a = spread_of(odd, 3), b = spread_of(even, 4), c = spread_of(holes, 3);
    Spread none = spread_of(NULL, 0);
    g_assert_cmpfloat(a.median, ==, 2);
    g_assert_cmpfloat(b.median, ==, 2.5);
    g_assert_cmpfloat(b.mean, ==, 2.5);
    g_assert_cmpfloat(b.least, ==, 1);
    g_assert_cmpfloat(b.most, ==, 4);
    g_assert_cmpuint(c.count, ==, 1);
    g_assert_cmpfloat(c.median, ==, 5);
    g_assert_cmpuint(none.count, ==, 0);
}

static void test_progress(void)
{
    static const Progress steps[] = {{10, 0}, {11, 100}, {13, 100}, {14, 300}};
    g_autoptr(GArray) all =
        g_array_append_vals(g_array_new(FALSE, FALSE, sizeof(Progress)), steps, 4);
    static const struct {
        double at, bytes;
    } cases[] = {{9, 0}, {10, 0}, {10.5, 50}, {12, 100}, {13.5, 200}, {14, 300}, {99, 300}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpfloat_with_epsilon(progress_bytes(all, cases[i].at), cases[i].bytes, 1e-9);
    g_assert_cmpfloat_with_epsilon(progress_rate(all, 10, 14), 75, 1e-9);
    g_assert_cmpfloat(progress_rate(all, 11, 13), ==, 0);
    g_assert_cmpfloat(progress_rate(all, 12, 12), ==, 0);

    g_autoptr(GArray) rates = progress_rates(all, 4);
    const double expected[] = {100, 0, 0, 200};
    double sum = 0;
    g_assert_cmpuint(rates->len, ==, 4);
    for (guint i = 0; i < 4; i++) {
        const Progress *rate = &g_array_index(rates, Progress, i);
        g_assert_cmpfloat_with_epsilon(rate->at, 10.5 + i, 1e-9);
        g_assert_cmpfloat_with_epsilon(rate->bytes, expected[i], 1e-9);
        sum += rate->bytes;
    }
    g_assert_cmpfloat_with_epsilon(sum, 300, 1e-9); /* no byte is lost or counted twice */
    g_autoptr(GArray) empty = g_array_new(FALSE, FALSE, sizeof(Progress));
    g_autoptr(GArray) nothing = progress_rates(empty, 4);
    g_assert_cmpuint(nothing->len, ==, 0);
    g_assert_cmpfloat(progress_bytes(empty, 1), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/evaluate/stats/pings", test_pings);
    g_test_add_func("/evaluate/stats/overtaken", test_pings_overtaken);
    g_test_add_func("/evaluate/stats/spread", test_spread);
    g_test_add_func("/evaluate/stats/progress", test_progress);
    return g_test_run();
}
