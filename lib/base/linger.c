#include "lib/base/linger.h"

#include <sched.h>

gint64 linger_until(gint64 usec)
{
    return g_get_monotonic_time() + usec;
}

gboolean linger_on(gint64 until)
{
    sched_yield();
    return g_get_monotonic_time() < until;
}
