/*
 * Who is at work on which image: one lock an image, among all processes of this computer, since
 * the driver of an oned that was killed may still be finishing its copy when that of the next
 * oned gets the same request. The locks are bytes of one file in the state directory, so that
 * they are gone with their process and leave nothing behind.
 */
#pragma once

#include "lib/ssh/ssh.h"

#include <glib.h>

typedef struct StoreLock {
    int fd; /* -1: none */
    gint64 id;
} StoreLock;

/* Waits until nobody else is at work on it, or `watch` says to stop. */
gboolean store_lock(StoreLock *lock, gint64 id, const SshWatch *watch, GError **error);
void store_lock_clear(StoreLock *lock);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(StoreLock, store_lock_clear)

/* The image goes: who makes it in this process shall stop. */
void store_unwanted(gint64 id);
/* TRUE for who holds the lock of an image that became unwanted since. */
gboolean store_is_unwanted(gint64 id);
