/*
 * Where an image comes from, as a stream of bytes: a file or block device of this computer, or
 * an http(s) URL. Pulled by one thread.
 *
 * Files are judged where they really are, after all symbolic links: what is below a restricted
 * directory is refused unless a safe directory is nearer to it. The state and the
 * configuration of oned are always restricted.
 */
#pragma once

#include "lib/ssh/ssh.h"

#include <glib.h>

typedef struct Source Source;

/* Directories separated by blanks; NULL: none. */
typedef struct SourceFences {
    const char *restricted;
    const char *safe;
    /* URLs may lead to this computer and to what is only on its link, such as the services that
     * clouds offer at 169.254.169.254. */
    gboolean local;
    /* A URL that brings less is given up, so that it holds no place for ever: bytes a second, over
     * so many seconds. 0: SOURCE_FLOOR, SOURCE_PATIENCE. */
    guint64 floor;
    guint patience;
} SourceFences;

#define SOURCE_FLOOR    16384
#define SOURCE_PATIENCE 60

/* Opens it; of a URL nothing is asked before the first read. `watch` (may be NULL) must outlive
 * it. (owned) */
Source *source_open(const char *path, const SourceFences *fences, guint64 rate,
                    const SshWatch *watch, GError **error);
void source_free(Source *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Source, source_free)

/* The next bytes; 0 at the end, -1 with an error. */
gssize source_read(Source *source, guint8 *to, gsize room, GError **error);
/* Up to `room` bytes of the beginning, which a later read brings again; before any read. */
gssize source_peek(Source *source, guint8 *to, gsize room, GError **error);
/* All its bytes; -1: not known. Of a URL only after a peek or read. */
gint64 source_size(const Source *source);
/* The open file (borrowed), -1 for a URL. */
int source_fd(const Source *source);

/* TRUE when files there may be read; else an error. `path` is absolute, without links. */
gboolean source_path_is_allowed(const char *path, const SourceFences *fences, GError **error);
