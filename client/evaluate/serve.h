/*
 * A file for a guest to download: one small HTTP server of the command's own, in a thread,
 * for as long as the measurement lasts. It knows one secret path and nothing else.
 */
#pragma once

#include <gio/gio.h>

typedef struct Served Served;

/* What is served: a file, or `size` bytes of noise when `path` is NULL, that are made as
 * they are sent and are the same in each run. `peer`: an address that shall reach it; the
 * server listens on this computer's address towards it. (owned) */
Served *serve_start(const char *path, guint64 size, const char *peer, GError **error);
void serve_stop(Served *served);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Served, serve_stop)
/* Where it is. (borrowed) */
const char *serve_url(const Served *served);
guint64 serve_size(const Served *served);
/* SHA-256 of all of it, in hexadecimal; reads it. (owned) */
char *serve_sum(const Served *served, GError **error);
