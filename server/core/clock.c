#include "server/core/core.h"

static gint64 system_wall(const Clock *clock)
{
    return g_get_real_time();
}

static gint64 system_steady(const Clock *clock)
{
    return g_get_monotonic_time();
}

const Clock *clock_system(void)
{
    static const Clock clock = {system_wall, system_steady};
    return &clock;
}
