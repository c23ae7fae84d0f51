#include "drivers/common/driver_input.h"

#include "lib/mad/line.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (256 * 1024)

void driver_input_open(DriverInput *input, int fd)
{
    *input = (DriverInput){fd, g_string_sized_new(READ_BYTES), FALSE};
}

void driver_input_clear(DriverInput *input)
{
    g_string_free(input->text, TRUE);
}

static void take_lines(DriverInput *input, gboolean (*take)(const char *line),
                       void (*skipped)(void))
{
    gboolean more = TRUE;
    char *start = input->text->str;
    char *end = start + input->text->len;
    char *newline;
    while (more && (newline = memchr(start, '\n', end - start))) {
        *newline = '\0';
        if (!input->skipping && *start != '\0' && *start != '\r')
            more = take(start);
        input->skipping = FALSE;
        start = newline + 1;
    }
    g_string_erase(input->text, 0, start - input->text->str);
    if (input->text->len > MAD_LINE_MAX) {
        skipped();
        input->skipping = TRUE;
        g_string_truncate(input->text, 0);
    }
}

gboolean driver_input_read(DriverInput *input, gboolean (*take)(const char *line),
                           void (*skipped)(void))
{
    gsize before = input->text->len;
    g_string_set_size(input->text, before + READ_BYTES);
    gssize got = read(input->fd, input->text->str + before, READ_BYTES);
    g_string_set_size(input->text, before + (gsize)MAX(got, 0));
    if (got == 0)
        return FALSE;
    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    take_lines(input, take, skipped);
    return TRUE;
}
