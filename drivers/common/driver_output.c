#include "drivers/common/driver_output.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* What was written already is dropped from memory when it is at least this much. */
#define COMPACT_BYTES (256 * 1024)

static GMutex lock;
static GString *waiting;
static gsize written; /* of `waiting` */
static int output = -1;
static int flags_before;
static gboolean closed;

void driver_output_open(int fd)
{
    g_mutex_lock(&lock);
    if (output >= 0)
        (void)fcntl(output, F_SETFL, flags_before);
    output = fd;
    if (fd >= 0) {
        flags_before = fcntl(fd, F_GETFL);
        (void)fcntl(fd, F_SETFL, flags_before | O_NONBLOCK);
        closed = FALSE;
        if (!waiting)
            waiting = g_string_sized_new(4096);
        g_string_truncate(waiting, 0);
        written = 0;
    }
    g_mutex_unlock(&lock);
}

void driver_output_append(const char *line)
{
    g_mutex_lock(&lock);
    if (waiting && !closed)
        g_string_append(waiting, line);
    g_mutex_unlock(&lock);
}

static DriverOutputState flush_locked(void)
{
    while (!closed && output >= 0 && written < waiting->len) {
        gssize done = write(output, waiting->str + written, waiting->len - written);
        if (done >= 0)
            written += (gsize)done;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            closed = TRUE;
    }
    if (closed || !waiting)
        return closed ? DRIVER_OUTPUT_CLOSED : DRIVER_OUTPUT_EMPTY;
    if (written == waiting->len || written > COMPACT_BYTES) {
        g_string_erase(waiting, 0, (gssize)written);
        written = 0;
    }
    return waiting->len ? DRIVER_OUTPUT_WAITING : DRIVER_OUTPUT_EMPTY;
}

DriverOutputState driver_output_flush(void)
{
    g_mutex_lock(&lock);
    DriverOutputState state = flush_locked();
    g_mutex_unlock(&lock);
    return state;
}
