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

typedef struct DsSource DsSource;

/* Directories separated by blanks; NULL: none. */
typedef struct DsFences {
    const char *restricted;
    const char *safe;
    /* URLs may lead to this computer and to what is only on its link, such as the services that
     * clouds offer at 169.254.169.254. */
    gboolean local;
} DsFences;

/* Opens it; of a URL nothing is asked before the first read. `watch` (may be NULL) must outlive
 * it. (owned) */
DsSource *ds_source_open(const char *path, const DsFences *fences, guint64 rate,
                         const SshWatch *watch, GError **error);
void ds_source_free(DsSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DsSource, ds_source_free)

/* The next bytes; 0 at the end, -1 with an error. */
gssize ds_source_read(DsSource *source, guint8 *to, gsize room, GError **error);
/* Up to `room` bytes of the beginning, which a later read brings again; before any read. */
gssize ds_source_peek(DsSource *source, guint8 *to, gsize room, GError **error);
/* All its bytes; -1: not known. Of a URL only after a peek or read. */
gint64 ds_source_size(const DsSource *source);
/* The open file (borrowed), -1 for a URL. */
int ds_source_fd(const DsSource *source);

/* TRUE when files there may be read; else an error. `path` is absolute, without links. */
gboolean ds_path_is_allowed(const char *path, const DsFences *fences, GError **error);
