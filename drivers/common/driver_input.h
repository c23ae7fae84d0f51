/* The lines that a driver reads: whole ones, of MAD_LINE_MAX bytes at most. */
#pragma once

#include <glib.h>

typedef struct DriverInput {
    int fd;
    GString *text;     /* what was read of a line whose end has not come */
    gboolean skipping; /* the rest of a line that was too long */
} DriverInput;

/* `fd` stays the caller's. */
void driver_input_open(DriverInput *input, int fd);
void driver_input_clear(DriverInput *input);
/* Reads once and gives each line that became whole to `take`, until that says FALSE; `skipped` is
 * told of each line that is too long. FALSE: end of input. */
gboolean driver_input_read(DriverInput *input, gboolean (*take)(const char *line),
                           void (*skipped)(void));
