#include "drivers/common/flow.h"

#include "drivers/common/program.h"
#include "lib/base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)

static const struct {
    const char *name;
    const char *magic;
    gsize length;
    const char *package;
    const char *argv[5];
} packings[] = {
    {"gzip", "\x1f\x8b\x08", 3, "gzip", {"gzip", "-dcq"}},
    {"bzip2", "BZh", 3, "bzip2", {"bzip2", "-dcq"}},
    {"xz",
     "\xfd"
     "7zXZ\0",
     6,
     "xz-utils",
     {"xz", "-dcq", "--memlimit-decompress=1GiB"}},
    {"zstd", "\x28\xb5\x2f\xfd", 4, "zstd", {"zstd", "-dcq"}},
};

static int find_packing(const guint8 *head, gsize length)
{
    for (guint i = 0; i < G_N_ELEMENTS(packings); i++)
        if (length >= packings[i].length &&
            memcmp(head, packings[i].magic, packings[i].length) == 0)
            return (int)i;
    return -1;
}

const char *flow_packing_of(const guint8 *head, gsize length)
{
    int packing = find_packing(head, length);
    return packing >= 0 ? packings[packing].name : NULL;
}

/* One piece of the source, summed up. 0: the end, -1 with an error. */
static gssize next_piece(const Flow *flow, guint8 *buffer, guint64 *total, GError **error)
{
    gssize got = source_read(flow->source, buffer, BUFFER_BYTES, error);
    for (guint i = 0; got > 0 && i < G_N_ELEMENTS(flow->sums); i++)
        if (flow->sums[i] != NULL)
            g_checksum_update(flow->sums[i], buffer, got);
    *total += (guint64)MAX(got, 0);
    if (got > 0 && flow->watch != NULL && flow->watch->progress != NULL)
        flow->watch->progress(*total, flow->watch->data);
    return got;
}

static gboolean run_plain(const Flow *flow, FlowSink sink, gpointer user, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(BUFFER_BYTES);
    guint64 total = 0;
    GError *problem = NULL;
    for (;;) {
        gssize got = next_piece(flow, buffer, &total, error);
        if (got <= 0)
            return got == 0;
        if (!sink(buffer, (gsize)got, user, &problem)) {
            if (problem == NULL)
                return TRUE;
            g_propagate_error(error, problem);
            return FALSE;
        }
    }
}

/* ---- through a program ---- */

typedef struct Unpacking {
    const Flow *flow;
    int packing;
    int in[2], out[2]; /* pipes to and from the program */
    gboolean enough;   /* atomic; nobody reads any more: what fails from here on is no failure */
    GError *pump_error, *program_error;
} Unpacking;

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Thread: from the source into the program. */
static gpointer pump(gpointer data)
{
    Unpacking *unpacking = data;
    g_autofree guint8 *buffer = g_malloc(BUFFER_BYTES);
    guint64 total = 0;
    gssize got;
    gboolean heard = TRUE;
    while (!g_atomic_int_get(&unpacking->enough) &&
           (got = next_piece(unpacking->flow, buffer, &total, &unpacking->pump_error)) > 0)
        /* A program that has what it needs may end before its input: the sums still count. */
        for (gssize at = 0; heard && at < got;) {
            ssize_t put = write(unpacking->in[1], buffer + at, (gsize)(got - at));
            heard = put > 0 || (put < 0 && errno == EINTR);
            at += MAX(put, 0);
        }
    close_end(&unpacking->in[1]);
    return NULL;
}

/* Thread: the program itself. */
static gpointer run_program(gpointer data)
{
    Unpacking *unpacking = data;
    g_auto(SshResult) result = {0};
    const char *name = packings[unpacking->packing].name;
    if (program_run(packings[unpacking->packing].argv, unpacking->in[0], unpacking->out[1],
                    unpacking->flow->watch, &result, &unpacking->program_error)) {
        g_autofree char *text = g_strndup(result.errors->str, 300);
        if (result.status != 0)
            g_set_error(&unpacking->program_error, ONE_ERROR, ONE_ERROR_INTERNAL,
                        "the source begins like a file of %s but cannot be unpacked: %s", name,
                        text[0] != '\0' ? g_strstrip(g_strdelimit(text, "\r\n", ' '))
                                        : "it is damaged");
    } else if (g_error_matches(unpacking->program_error, ONE_ERROR, ONE_ERROR_NO_EXISTS)) {
        g_prefix_error(&unpacking->program_error,
                       "the source is compressed; install the package %s on the front-end: ",
                       packings[unpacking->packing].package);
    }
    if (unpacking->program_error != NULL)
        g_atomic_int_set(&unpacking->enough, TRUE);
    close_end(&unpacking->in[0]);
    close_end(&unpacking->out[1]);
    return NULL;
}

/* What comes out of the program. FALSE with or without an error as a sink. */
static gboolean drain(Unpacking *unpacking, FlowSink sink, gpointer user, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(BUFFER_BYTES);
    for (;;) {
        ssize_t got = read(unpacking->out[0], buffer, BUFFER_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return TRUE;
        if (!sink(buffer, (gsize)got, user, error))
            return FALSE;
    }
}

static gboolean run_unpacking(const Flow *flow, int packing, FlowSink sink, gpointer user,
                              GError **error)
{
    Unpacking unpacking = {.flow = flow, .packing = packing, .in = {-1, -1}, .out = {-1, -1}};
    GError *problem = NULL;
    if (pipe2(unpacking.in, O_CLOEXEC) != 0 || pipe2(unpacking.out, O_CLOEXEC) != 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "cannot make a pipe: %s",
                    g_strerror(errno));
        close_end(&unpacking.in[0]);
        close_end(&unpacking.in[1]);
        return FALSE;
    }
    GThread *pumping = g_thread_new("pump", pump, &unpacking);
    GThread *running = g_thread_new("unpack", run_program, &unpacking);
    gboolean whole = drain(&unpacking, sink, user, &problem);
    if (!whole)
        g_atomic_int_set(&unpacking.enough, TRUE);
    close_end(&unpacking.out[0]);
    g_thread_join(running);
    g_thread_join(pumping);
    g_autoptr(GError) pump_error = unpacking.pump_error;
    g_autoptr(GError) program_error = unpacking.program_error;
    if (!whole && problem == NULL)
        return TRUE;
    /* A source that broke off makes the program fail too; the cause is told. */
    GError **cause = problem != NULL ? &problem : pump_error != NULL ? &pump_error : &program_error;
    if (*cause == NULL)
        return TRUE;
    if (*cause == problem)
        g_propagate_error(error, problem);
    else
        g_propagate_error(error, g_steal_pointer(cause));
    return FALSE;
}

gboolean flow_run(const Flow *flow, FlowSink sink, gpointer user, GError **error)
{
    guint8 head[8];
    gssize length = flow->unpack ? source_peek(flow->source, head, sizeof head, error) : 0;
    if (length < 0)
        return FALSE;
    int packing = find_packing(head, (gsize)length);
    return packing >= 0 ? run_unpacking(flow, packing, sink, user, error)
                        : run_plain(flow, sink, user, error);
}
