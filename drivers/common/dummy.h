/*
 * The simulated hypervisor: its machines are small files, its hosts are directories,
 * and a file of knobs says how slow, how big and how unreliable they are. Shared by
 * the simulated flavours of the drivers; told in share/doc/drivers.md.
 *
 *   $ONE_VAR/dummy/<host>/<deploy id>   one machine: STATE= NAME= UUID= CPU= MEMORY= VID= DEVICES=
 *   $ONE_VAR/dummy/control              the knobs, read again when the file changes
 *
 * Lines of the control file, of which later ones win, setting by setting; "*" and "?"
 * in ACTION and host match as in a shell, host may be left out:
 *   ACTION [host] latency=SECONDS hold=0|1 fail=0..1 lost=0..1
 *   HOST   name   TOTALCPU=800 TOTALMEMORY=16777216 PCI=0 down=0|1
 * What is held waits until the file says hold=0, or no more of it: for tests and shows that want
 * to look at something while it is under way, however slow the computer is.
 * PCI devices have the buses 01, 02, ...; each second one is a network card.
 */
#pragma once

#include "drivers/common/driver.h"

#include <glib.h>

/* How an action on a host goes. */
typedef struct DummyOdds {
    double latency; /* seconds */
    gboolean hold;  /* not yet, whatever the latency says */
    double fail;    /* probability of FAILURE */
    double lost;    /* probability that it is done but never answered */
} DummyOdds;

typedef struct DummyHost {
    gint64 total_cpu;    /* percent; 100 is a core */
    gint64 total_memory; /* KiB */
    guint pci;           /* how many devices it has for machines */
    gboolean down;       /* does not answer */
} DummyHost;

typedef struct DummyDomain {
    char *deploy_id;
    char *state; /* RUNNING, PAUSED, POWEROFF, FAILURE */
    char *name;
    char *uuid;
    gint64 cpu;    /* percent */
    gint64 memory; /* KiB */
    gint64 vid;    /* as in the file, else dummy_vid(); -1: unknown to oned */
    gint64 since;  /* when the file was last written, seconds since the epoch */
    char *devices; /* "disk0 nic0 snapshot0"; NULL: none */
} DummyDomain;

void dummy_domain_clear(DummyDomain *domain);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DummyDomain, dummy_domain_clear)

/* The knobs as they are now. Safe from any thread. */
DummyOdds dummy_odds(const char *action, const char *host);
DummyHost dummy_host(const char *host);

/* Calls `done` as soon as latency and hold allow it; `again` is the caller, which is asked anew
 * while the action is held. Of the reading thread, which it does not stop: a thousand such
 * delays are a thousand timers. */
void dummy_delay(DriverJob *job, const char *action, const char *host,
                 void (*again)(DriverJob *job), void (*done)(DriverJob *job));
/* The same in a worker. FALSE: the job was cancelled meanwhile. */
gboolean dummy_wait(DriverJob *job, const char *action, const char *host);

/* 12 for "one-12"; -1 for other names. */
gint64 dummy_vid(const char *deploy_id);

/* Directory of a host. NULL with an error when the name is not one of a file. (owned) */
char *dummy_host_path(const char *host, GError **error);
/* FALSE without error: there is no such machine. */
gboolean dummy_domain_read(const char *host, const char *deploy_id, DummyDomain *domain,
                           GError **error);
/* Whole or not at all: written beside, then renamed. */
gboolean dummy_domain_write(const char *host, const DummyDomain *domain, GError **error);
/* TRUE also when there was none. */
gboolean dummy_domain_remove(const char *host, const char *deploy_id, GError **error);
/* Moves the machine in one step; an error when it is not at `from`. */
gboolean dummy_domain_move(const char *deploy_id, const char *from, const char *to, GError **error);
