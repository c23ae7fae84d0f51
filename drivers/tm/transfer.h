/*
 * What a transfer is made of: a request with its commands, and the flavours, each a
 * constant table of what it does for each command.
 */
#pragma once

#include "lib/ssh/ssh.h"
#include "drivers/tm/script.h"

#include <glib.h>

/* The surroundings of one request. */
typedef struct Transfer {
    gint64 id; /* of the machine */
    Ssh *ssh;
    const SshWatch *watch; /* how to know that nobody waits any more */
    /* A line for the machine's log, severity I or W; NULL: nobody reads. */
    void (*log)(char severity, gint64 id, const char *text);
} Transfer;

/* Does one command; all of them may be repeated. */
typedef gboolean (*TransferDeed)(const Transfer *transfer, const ScriptCommand *command,
                                 GError **error);

typedef struct Flavour {
    const char *name;
    const char *aliases[4];
    TransferDeed deeds[VERB_COUNT];
} Flavour;

extern const Flavour flavour_shared; /* every host sees the same directory, and so does this one */
extern const Flavour flavour_qcow2;  /* the same, with disks that are overlays of their images */
extern const Flavour flavour_ssh;    /* each host has its own */
extern const Flavour flavour_dummy;  /* does nothing */

/* By name or alias, without case; NULL: unknown. */
const Flavour *flavour_find(const char *name);
/* "shared, ssh, dummy" (owned) */
char *flavour_names(void);

/* The flavour that serves a command: by its suffix, its own word, else `otherwise`, which may be
 * NULL. NULL with an error when there is none of that name. */
const Flavour *transfer_flavour(const ScriptCommand *command, const Flavour *otherwise,
                                GError **error);
/* Does the commands (of ScriptCommand) one after the other, up to the first that fails; the error
 * begins with that command. */
gboolean transfer_run(const Transfer *transfer, const GPtrArray *commands, const Flavour *otherwise,
                      GError **error);
/* TRUE for the names of this computer. */
gboolean transfer_is_here(const char *host);

/* Writes to the machine's log. */
void transfer_log(const Transfer *transfer, char severity, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
