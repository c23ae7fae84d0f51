/*
 * Decides whether a host's key is the one that the administrator trusts, from
 * files in the format of OpenSSH's known_hosts (sshd(8), "SSH_KNOWN_HOSTS FILE
 * FORMAT"): plain, hashed and pattern names, [host]:port, @revoked.
 * Nothing is added to these files by looking: an unknown or a changed key is refused,
 * with a text that tells how to make it known. ssh_hostkey.h adds one, when a person says so.
 * Certificates (@cert-authority) are not understood; such lines are passed over.
 */
#pragma once

#include <glib.h>

typedef struct SshKnown SshKnown;

typedef enum {
    SSH_KEY_TRUSTED,
    SSH_KEY_UNKNOWN, /* no key of this type is listed for the host */
    SSH_KEY_CHANGED, /* another key of the same type is listed */
    SSH_KEY_REVOKED,
} SshTrust;

SshKnown *ssh_known_new(void);
void ssh_known_free(SshKnown *known); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SshKnown, ssh_known_free)

/* Adds the lines of a text; `file` is what messages call it. Broken lines are passed over. */
void ssh_known_add(SshKnown *known, const char *text, const char *file);
/* Adds a file; one that does not exist adds nothing. */
gboolean ssh_known_add_file(SshKnown *known, const char *path, GError **error);

/* `key` is the key in the encoding of RFC 4253, which begins with the name of its type.
 * `place`, if given, gets "file:line" of the line that decided. (owned) */
SshTrust ssh_known_decide(const SshKnown *known, const char *host, guint port, const guint8 *key,
                          gsize length, char **place);
/* The same, with an error that a person can act on unless the key is trusted. */
gboolean ssh_known_check(const SshKnown *known, const char *host, guint port, const guint8 *key,
                         gsize length, GError **error);
/* The line that makes a key known, with its line end. (owned) */
char *ssh_known_line(const char *host, guint port, const guint8 *key, gsize length);
/* Names of the key types listed for the host, in the order of the files, each once: the
 * server is to be asked for one of these. Empty when the host is not listed. (owned) */
char **ssh_known_types(const SshKnown *known, const char *host, guint port);
/* "SHA256:..." as ssh-keygen -l prints it. (owned) */
char *ssh_key_fingerprint(const guint8 *key, gsize length);
/* Name of the type inside an encoded key, "ssh-ed25519"; "unknown" if broken. (owned) */
char *ssh_key_type(const guint8 *key, gsize length);
