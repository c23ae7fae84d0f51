/*
 * The bytes of a source on their way: summed up as they come, unpacked by a program of their
 * own when they are compressed (gzip, bzip2, xz, zstd, known by their first bytes), and given
 * to whoever wants them. A program that unpacks does so in a process of its own and reads
 * nothing but its input.
 */
#pragma once

#include "drivers/common/source.h"

/* Takes the next bytes. FALSE stops the flow: with an error it failed, without it was enough. */
typedef gboolean (*FlowSink)(const guint8 *data, gsize length, gpointer user, GError **error);

typedef struct Flow {
    Source *source;
    gboolean unpack;       /* when it is compressed */
    GChecksum *sums[3];    /* of the bytes as they come; NULL: not wanted. Owned by the caller. */
    const SshWatch *watch; /* may be NULL; `progress` gets the bytes that were read */
} Flow;

/* "gzip" and so on when the bytes begin as such a file does, else NULL. */
const char *flow_packing_of(const guint8 *head, gsize length);
/* Runs to the end of the source, or until the sink wants no more. */
gboolean flow_run(const Flow *flow, FlowSink sink, gpointer user, GError **error);
