/*
 * Commands in guests, as the driver tells of them: what EXECPOLL answers with.
 */
#pragma once

#include <glib.h>

/* What became of a command. */
typedef struct VmmCommand {
    const char *status; /* EXECUTING, DONE, ERROR */
    gint64 code;        /* of DONE */
    const char *out;    /* of DONE; NULL: nothing */
    const char *errors; /* of DONE; of ERROR the reason */
    gboolean truncated; /* there was more */
} VmmCommand;

/* Bytes of each output that are told. */
#define VMM_OUTPUT_MAX 65535

/* The answer, in base64. (owned) */
char *vmm_command_text(const VmmCommand *command);
/* The same with outputs that are base64 already, such as the guest agent gives; cut where they are
 * too long. (owned) */
char *vmm_command_text64(gint64 code, const char *out, const char *errors, gboolean truncated);
