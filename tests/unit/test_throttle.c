#include "server/auth/throttle.h"

#define SECOND G_USEC_PER_SEC

static void fail_times(Throttle *throttle, const char *key, guint times, gint64 now)
{
    for (guint i = 0; i < times; i++)
        throttle_failed(throttle, key, now);
}

static void test_growth(void)
{
    Throttle *throttle = throttle_new(3, SECOND / 4, 5 * SECOND);
    gint64 now = 1000 * SECOND;
    g_assert_cmpint(throttle_delay(throttle, "a", now), ==, 0);
    const gint64 delays[] = {0,      0,          0,          SECOND / 4, SECOND / 2,
                             SECOND, 2 * SECOND, 4 * SECOND, 5 * SECOND, 5 * SECOND};
    for (gsize i = 0; i < G_N_ELEMENTS(delays); i++) {
        throttle_failed(throttle, "a", now);
        g_assert_cmpint(throttle_delay(throttle, "a", now), ==, delays[i]);
        g_assert_cmpint(throttle_delay(throttle, "b", now), ==, 0);
    }
    /* Ten failures are five after a minute, and none after a few. */
    g_assert_cmpint(throttle_delay(throttle, "a", now + 60 * SECOND), ==, SECOND / 2);
    g_assert_cmpint(throttle_delay(throttle, "a", now + 600 * SECOND), ==, 0);
    fail_times(throttle, "a", 10, now + 600 * SECOND);
    throttle_forgive(throttle, "a");
    g_assert_cmpint(throttle_delay(throttle, "a", now + 600 * SECOND), ==, 0);
    throttle_free(throttle);
}

static void test_queue(void)
{
    Throttle *throttle = throttle_new(0, SECOND, 2 * SECOND);
    gint64 now = 1000 * SECOND;
    g_assert_cmpint(throttle_queue(throttle, "a", now), ==, 0);
    throttle_failed(throttle, "a", now);
    for (gint64 i = 1; i <= 8; i++)
        g_assert_cmpint(throttle_queue(throttle, "a", now), ==, i * SECOND);
    g_assert_cmpint(throttle_queue(throttle, "a", now), ==, -1);
    g_assert_cmpint(throttle_queue(throttle, "b", now), ==, 0);
    g_assert_cmpint(throttle_queue(throttle, "a", now + 4 * SECOND), ==, 5 * SECOND);
    throttle_free(throttle);
}

/* A flood of keys is bounded, and does not wash away one with many failures. */
static void test_flood(void)
{
    Throttle *throttle = throttle_new(0, SECOND, 60 * SECOND);
    gint64 now = 1000 * SECOND;
    fail_times(throttle, "attacker", 5, now);
    for (guint i = 0; i < 50000; i++) {
        g_autofree char *key = g_strdup_printf("10.0.%u.%u", i / 256, i % 256);
        throttle_failed(throttle, key, now);
    }
    g_assert_cmpint(throttle_delay(throttle, "attacker", now), ==, 16 * SECOND);
    throttle_free(throttle);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/throttle/growth", test_growth);
    g_test_add_func("/throttle/queue", test_queue);
    g_test_add_func("/throttle/flood", test_flood);
    return g_test_run();
}
