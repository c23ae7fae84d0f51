/*
 * Before a container moves: what both hosts say of themselves and of it (lxc_host/check.sh), the
 * rules that judge it, and the way that follows: live, by a checkpoint that is sent, or stopped and
 * started anew.
 */
#pragma once

#include "drivers/vmm/lxc/lxc_move.h"

enum { LXC_SOURCE, LXC_DESTINATION, LXC_HOSTS };

typedef struct LxcHostFacts {
    const char *name;                         /* borrowed */
    char *unreachable;                        /* why it does not answer; NULL: it does */
    LxcSight sight;                           /* of the container there */
    char *kernel, *arch, *lxc, *criu, *check; /* NULL: not told; `check` "ok" or a complaint */
    gint64 groups;                            /* version of the control groups */
    gint64 available, space; /* KiB of memory, and where the machine's directory is or would be */
    char *place;             /* tells whether two hosts see the same directory; "" */
    char *bridges;           /* those of the machine that it has, " br0 br1 " */
    gint64 disks, memory;    /* KiB used by the machine's disks, bytes by its memory; -1 */
    gboolean plain;          /* the container has no terminal of its own */
    gboolean shifts; /* it can shift owners of disks for containers with users of their own */
    gboolean shifted, cards; /* this container has them, and network cards */
    GPtrArray *troubles;     /* of char *: "device /dev/fuse is open in mount" */
} LxcHostFacts;

typedef struct LxcFacts {
    LxcHostFacts hosts[LXC_HOSTS];
    const char *domain;
    gboolean shared, live_only;
    char *wanted;     /* bridges: "br0 br1" */
    gint64 link_rate; /* bytes per second; 0: not known */
} LxcFacts;

void lxc_facts_clear(LxcFacts *facts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LxcFacts, lxc_facts_clear)

/* What a host printed. */
void lxc_facts_read(LxcHostFacts *host, const char *text);

typedef struct LxcVerdict {
    gboolean possible; /* at all */
    LxcWay way;
    char *why;                 /* not a better way, or not at all; "" */
    gint64 still_ms, total_ms; /* expected */
    char *report;              /* in the template language, the answer of MIGRATECHECK */
} LxcVerdict;

void lxc_verdict_clear(LxcVerdict *verdict);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LxcVerdict, lxc_verdict_clear)
void lxc_judge(const LxcFacts *facts, LxcVerdict *verdict);

/* Sets move->way; what is not the best way is told in the machine's log. FALSE: there is none that
 * the order allows. */
gboolean lxc_check_choose(LxcMove *move, GError **error);
/* MIGRATECHECK. */
void lxc_check(DriverJob *job);
