/*
 * The document that oned sends with each action on a machine
 * (VMM_DRIVER_ACTION_DATA, base64), read once when the request arrives.
 */
#pragma once

#include "drivers/common/driver.h"
#include "lib/template/template.h"
#include <libxml/tree.h>

typedef struct VmmAction {
    xmlDoc *document;
    const xmlNode *vm;        /* the VM element; never NULL */
    const xmlNode *datastore; /* the system datastore; may be NULL */
    Template *host_template;  /* what the host says about its machines; may be NULL */
    gint64 vid;
    char *host;        /* where the machine is, or shall be */
    char *destination; /* MIGR_HOST; NULL when there is none */
    char *domain;      /* DEPLOY_ID; "one-<vid>" before there is one */
    char *directory;   /* of the machine's files at the host: DISK_TARGET_PATH */
    char *checkpoint;  /* CHECKPOINT_FILE; NULL when there is none */
    char *deployment;  /* LOCAL_DEPLOYMENT_FILE: where to keep the document; may be NULL */
    char *uuid;        /* of the machine: OS/UUID, else made of what never changes about it */
    gboolean adopted;  /* it ran before oned knew of it: nothing of it may be made anew */
    gint64 told;       /* when progress was told last; 0: nothing was done yet */
    gboolean shared;   /* the system datastore is the same at all hosts (SHARED=YES) */
} VmmAction;

VmmAction *vmm_action_parse(gint64 vid, const char *payload, GError **error); /* owned */
void vmm_action_free(VmmAction *action);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmmAction, vmm_action_free)

/* The device that the request is about: a DISK or NIC with ATTACH=YES, UPDATE=YES, RESIZE=YES or
 * DISK_SNAPSHOT_ACTIVE=YES, or a SNAPSHOT with ACTIVE=YES. `node` is NULL with the error when none
 * is marked. */
typedef struct VmmDevice {
    const xmlNode *node;
    const char *kind; /* "disk", "nic", "snapshot" */
    gint64 id;
} VmmDevice;
VmmDevice vmm_marked_device(const VmmAction *action, GError **error);

/* Whether the machine is on a host. */
typedef enum {
    VMM_ABSENT, /* the host answered: no such domain, or it is off */
    VMM_RUNNING,
    VMM_PAUSED,
    VMM_BROKEN,  /* crashed */
    VMM_OTHER,   /* a domain of that name is there, but it is another machine */
    VMM_UNKNOWN, /* the host could not be asked */
} VmmPresence;

/* YES, Y, TRUE, ON, 1 in any case. NULL is no. */
gboolean vmm_is_yes(const char *text);

/* Hooks of the driver frame. */
gboolean vmm_prepare(DriverJob *job, GError **error);
char *vmm_queue_of(const DriverJob *job);
const VmmAction *vmm_action_of(const DriverJob *job); /* borrowed */
