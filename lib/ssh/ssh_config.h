/*
 * How a host is reached: what ~/.ssh/config and /etc/ssh/ssh_config say about it
 * (ssh_config(5)), for the words HostName, User, Port, IdentityFile,
 * IdentitiesOnly, UserKnownHostsFile, GlobalKnownHostsFile, HostKeyAlias,
 * ConnectTimeout, Include and Match all. ProxyJump and ProxyCommand would need
 * another program in between: a host that has them is refused, plainly. Words
 * that only matter to a terminal are passed over; a host key is always checked,
 * whatever StrictHostKeyChecking says.
 *
 * The environment comes before the files: SSH_CONFIG names the one configuration
 * file to read, SSH_KNOWN_HOSTS the list of known hosts, SSH_IDENTITY the key.
 */
#pragma once

#include <glib.h>

typedef struct SshOptions {
    char *host_name;  /* address or name to connect to */
    char *known_name; /* name to look up among the known hosts */
    char *user;
    guint port;               /* 22 unless told otherwise */
    GPtrArray *identities;    /* of char *: files of private keys, in the order to try */
    GPtrArray *known_hosts;   /* of char *: files */
    gboolean identities_only; /* leave the agent alone */
    guint connect_seconds;    /* 0: not told */
} SshOptions;

/* Reads the files of the user who runs this program. "user@host" names the user before any
 * file does. (owned) */
SshOptions *ssh_options_read(const char *host, GError **error);
void ssh_options_free(SshOptions *options); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SshOptions, ssh_options_free)

/* The same from a given text and home directory, with no look at the environment. (owned) */
SshOptions *ssh_options_parse(const char *text, const char *host, const char *home,
                              const char *user, GError **error);
