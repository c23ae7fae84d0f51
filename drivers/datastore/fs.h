/*
 * Flavour "fs": images are files in the datastore's directory on this computer, which may be a
 * file system of any kind, shared or not.
 *
 *   <datastores>/<datastore id>/<image id>-<token>           an image
 *   <datastores>/<datastore id>/<image id>-<token>.snap/<n>  its snapshots, each a copy
 *   <datastores>/<datastore id>/<image id>-<token>.part      being made
 *
 * Everything may be asked again: what is whole is not made twice, what is half is made anew.
 * Requests of one image are done one after the other, even by two processes.
 */
#pragma once

#include "drivers/datastore/request.h"
#include "lib/ssh/ssh.h"

/* The surroundings of one request. */
typedef struct DsWork {
    const DsRequest *request;
    const SshWatch *watch; /* how to know that nobody waits any more; may be NULL */
    /* A line for the image's log; NULL: nobody reads. */
    void (*log)(char severity, gint64 id, const char *text);
} DsWork;

/* All of them: what the success tells (owned; "-" for nothing), or NULL with an error. */
typedef char *(*DsDeed)(const DsWork *work, GError **error);

char *fs_copy(const DsWork *work, GError **error);    /* CP: "<source> <format>" */
char *fs_make(const DsWork *work, GError **error);    /* MKFS: the same */
char *fs_clone(const DsWork *work, GError **error);   /* CLONE: the same */
char *fs_restore(const DsWork *work, GError **error); /* RESTORE: the same */
char *fs_remove(const DsWork *work, GError **error);  /* RM */
char *fs_size(const DsWork *work, GError **error);    /* STAT: MiB that a guest will see */
char *fs_monitor(const DsWork *work, GError **error); /* MONITOR: base64 of TOTAL_MB= and so on */
char *fs_forget(const DsWork *work, GError **error);  /* SNAP_DELETE */
char *fs_revert(const DsWork *work, GError **error);  /* SNAP_REVERT */
char *fs_flatten(const DsWork *work, GError **error); /* SNAP_FLATTEN */
