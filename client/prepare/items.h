/*
 * What a server needs to be a host: one table, and one script for /bin/sh, items.sh, that has two
 * functions a row: check_NAME looks, fix_NAME puts it right. They run as root and see the
 * variables that prepare_variables() sets; share/doc/hosts.md explains them to people.
 */
#pragma once

#include <glib.h>

/* How a look ends, by its exit code; what it prints is told to the user. */
enum {
    ITEM_GOOD = 0,
    ITEM_MISSING = 1,  /* the fix, if there is one, may help */
    ITEM_HOPELESS = 2, /* only a person can help; fixes may say so too */
    ITEM_NO_MATTER = 3 /* not asked for */
};

/* Hosts do the items of one phase side by side; the next phase begins when all are done, since
 * it needs what the other hosts have made. */
typedef enum { PHASE_HOST = 1, PHASE_TRUST, PHASE_PROOF } PreparePhase;

typedef struct PrepareItem {
    const char *name;
    PreparePhase phase;
    gboolean as_user; /* looks as the service user, by the front-end's key, as drivers do */
    gboolean fixable; /* there is a fix_NAME */
    const char *why;  /* one sentence */
} PrepareItem;

typedef struct PrepareHypervisor {
    const char *name;
    const char *uri;      /* of libvirt on the host */
    const char *packages; /* for the shell: $machine is QEMU's for the processor */
} PrepareHypervisor;

/* Both ended by a row without a name. */
extern const PrepareItem prepare_items[];
extern const PrepareHypervisor prepare_hypervisors[];

/* The script. (borrowed, static) */
const char *prepare_script(void);
/* The line that calls a function of it. (owned) */
char *prepare_check_call(const PrepareItem *item);
char *prepare_fix_call(const PrepareItem *item);

const PrepareItem *prepare_item_named(const char *name, gsize length);
const PrepareHypervisor *prepare_hypervisor_named(const char *name);
/* All names with blanks between. (owned) */
char *prepare_item_names(void);
char *prepare_hypervisor_names(void);
