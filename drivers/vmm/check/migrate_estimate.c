#include "drivers/vmm/check/migrate_estimate.h"

/* Beside the bytes: asking both hosts, starting QEMU at the destination; and at the switch the
 * state of the devices and one message more. As measured in tests/lab on an idle pair of hosts. */
#define SETUP_MS  200
#define SWITCH_MS 20

/* QEMU gives up hope after two rounds in which the guest wrote more than half of what was sent,
 * slows it by 20 percent, and by 10 more each time that this did not help (migration/ram.c). */
#define THROTTLE_FIRST 20
#define THROTTLE_MORE  10
#define THROTTLE_MOST  99
#define ROUNDS_MAX     100

static double milliseconds(double bytes, double rate)
{
    return bytes * 1000 / rate;
}

static void throttle_up(MigrateEstimate *estimate)
{
    estimate->throttle = MIN(
        estimate->throttle ? estimate->throttle + THROTTLE_MORE : THROTTLE_FIRST, THROTTLE_MOST);
}

MigrateEstimate migrate_estimate(const MigrateLoad *load)
{
    MigrateEstimate estimate = {FALSE, -1, -1, 0, 0};
    double rate = (double)load->link_rate, left = (double)load->memory;
    double spent = SETUP_MS + milliseconds((double)load->disks, rate);
    guint hopeless = 0;
    while (estimate.rounds < ROUNDS_MAX) {
        double round_ms = milliseconds(left, rate);
        double written = (double)load->dirty_rate * (100 - estimate.throttle) / 100;
        double next = MIN(round_ms * written / 1000, (double)load->memory);
        gboolean done = milliseconds(next, rate) <= (double)load->max_downtime_ms;
        estimate.rounds++;
        spent += round_ms;
        if (done || load->postcopy) {
            double rest = milliseconds(next, rate);
            estimate.converges = TRUE;
            estimate.total_ms = (gint64)(spent + rest + SWITCH_MS);
            estimate.downtime_ms = (gint64)(SWITCH_MS + (done ? rest : 0));
            return estimate;
        }
        hopeless += next > left / 2;
        if (hopeless >= 2 && load->auto_converge) {
            hopeless = 0;
            throttle_up(&estimate);
        }
        left = next;
    }
    return estimate;
}
