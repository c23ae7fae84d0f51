/*
 * Standard output of a driver: whole lines from many threads, never mixed, and never
 * waiting for a reader that is slow: what the pipe does not take now stays in memory.
 */
#pragma once

#include <glib.h>

typedef enum {
    DRIVER_OUTPUT_EMPTY,   /* all is written */
    DRIVER_OUTPUT_WAITING, /* the pipe is full; try again when it can be written */
    DRIVER_OUTPUT_CLOSED,  /* nobody reads any more */
} DriverOutputState;

/* From here on `fd` does not block; -1 puts it back as it was. */
void driver_output_open(int fd);
void driver_output_append(const char *line);
DriverOutputState driver_output_flush(void);
