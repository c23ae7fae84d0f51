/*
 * The header Range of a request (RFC 9110, 14): from where a download that broke off goes on.
 * One range of bytes is understood; several may be answered by the whole, and are.
 */
#pragma once

#include <glib.h>

typedef enum {
    RANGE_WHOLE, /* none asked for, or one that need not be heeded: all of it is the answer */
    RANGE_PART,  /* the bytes from `from` up to `to`, that one not among them */
    RANGE_WRONG, /* beyond the end, or nonsense */
} RangeKind;

/* `head`: of the request, with all its lines, NUL at its end; `size`: of what is asked for.
 * `from` and `to` are set for RANGE_PART only, and then from < to <= size. */
RangeKind range_read(const char *head, guint64 size, guint64 *from, guint64 *to);
