/*
 * Keeps the WAL short without holding up commits. A thread with a connection of its own
 * copies the WAL's pages into the database while the writer goes on appending (a passive
 * checkpoint). The writer then copies the few pages that came meanwhile, and so its next
 * commit begins the WAL again from the start: the file is used again and does not grow.
 */
#pragma once

#include <glib.h>
#include <sqlite3.h>

typedef struct Checkpoint Checkpoint;

/* Makes the WAL of a database that nobody writes as long as it will become, for syncing pages
 * that exist takes two thirds of the time of syncing a file that grows. */
gboolean checkpoint_prepare_wal(const char *path, GError **error);

/* `writer` is the connection that commits; it stops checkpointing by itself. (owned) */
Checkpoint *checkpoint_new(sqlite3 *writer, const char *path, GError **error);
/* Waits for the thread. Call before the writer is closed. */
void checkpoint_free(Checkpoint *checkpoint);
/* Called by the thread that commits, after each commit. Seldom takes longer than it takes to
 * see that nothing is to do. */
void checkpoint_after_commit(Checkpoint *checkpoint);
/* Pages in the WAL after the last commit, and how often it was begun again. */
guint checkpoint_wal_pages(const Checkpoint *checkpoint);
guint64 checkpoint_count(const Checkpoint *checkpoint);
