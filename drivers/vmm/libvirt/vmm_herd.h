/*
 * Many machines that start at once on one host. Each start is work for the host's processors, and
 * so is each guest that boots; a guest that runs takes them from the starts that are still to
 * come. So while more starts are to come on a host than it has processors, a machine is started
 * but its guest stands still until they are through, and all are up sooner. Nobody is held longer
 * than HERD_SECONDS.
 *
 * A driver that dies meanwhile leaves paused machines: oned asks, hears so, and sends DEPLOY again,
 * which lets them run.
 */
#pragma once

#include "drivers/common/driver.h"
#include <libvirt/libvirt.h>

#define HERD_SECONDS 5

/* Whether the guest of this DEPLOY is to stand still at first. The connection is the host's. */
gboolean vmm_herd_wants(DriverJob *job, virConnectPtr connection);
/* Its domain is there, paused: the job ends when the guest runs, later and in another thread. */
void vmm_herd_hold(DriverJob *job);
/* A start on that host came to an end: those who were held may run now. */
void vmm_herd_look(const char *host);
