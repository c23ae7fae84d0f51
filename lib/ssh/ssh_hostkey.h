/*
 * The first meeting with a host: which key it shows, whether that key is known, and the
 * pinning of it once somebody has compared the fingerprint. Nobody is authenticated here.
 */
#pragma once

#include "lib/ssh/ssh_known.h"

typedef struct SshHostKey {
    char *name;    /* as known_hosts calls the host */
    char *address; /* of the host, as this computer sees it */
    char *file;    /* the list of known hosts that a new key goes to */
    guint port;
    guint8 *bytes; /* as RFC 4253 codes it */
    gsize length;
    char *type;  /* "ssh-ed25519" */
    char *print; /* "SHA256:..." */
    SshTrust trust;
    GError *distrust; /* why, in words that tell what to do; NULL when it is trusted */
} SshHostKey;

void ssh_hostkey_clear(SshHostKey *key);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SshHostKey, ssh_hostkey_clear)

/* Asks the host for its key. FALSE: no ssh server was reached within the time. */
gboolean ssh_hostkey_ask(const char *host, guint seconds, SshHostKey *key, GError **error);
/* Adds an unknown key to the user's list; one that is known or has changed is an error. May be
 * called from several threads. */
gboolean ssh_hostkey_pin(SshHostKey *key, GError **error);
