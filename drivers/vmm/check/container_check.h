/*
 * Before a container of a daemon goes to another host: what both hosts say of themselves and of it,
 * the rules that judge it, and the way that follows, which is always the same here: it is ended,
 * moved, and started anew. Nothing is changed on any host.
 */
#pragma once

#include "drivers/vmm/container/container_run.h"

enum { CONTAINER_SOURCE, CONTAINER_DESTINATION, CONTAINER_HOSTS };

typedef struct ContainerHost {
    const char *name;              /* borrowed */
    char *unreachable;             /* why it does not answer; NULL: it does */
    ContainerSight sight;          /* of the container there */
    char *daemon, *version;        /* "lxd", "5.0.2"; NULL: not told, as all below */
    char *kernel, *arch, *storage; /* storage: "the pool default (dir)", "overlay2" */
    char *criu;                    /* what CRIU says of itself there, or that it is missing */
    gint64 checkpoints;            /* the daemon offers checkpoints: 0 no, 1 yes, -1 unknown */
} ContainerHost;

typedef struct ContainerFacts {
    ContainerHost hosts[CONTAINER_HOSTS];
    GPtrArray *missing; /* of char *: what the container needs and the destination has not */
    GPtrArray *stays;   /* of char *: what of it stays behind, or is another thing there */
    const char *never;  /* why it cannot move with what is in its memory; static text */
    gint64 bytes;       /* that are sent; -1: not known */
    const char *sent;   /* what these are, or why none: static text */
} ContainerFacts;

void container_facts_clear(ContainerFacts *facts);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ContainerFacts, container_facts_clear)

/* The answer of the action, in the template language. (owned) */
char *container_judge(const VmmAction *action, const ContainerFacts *facts);
/* MIGRATECHECK. */
void container_check(DriverJob *job);
