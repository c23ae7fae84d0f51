/*
 * Hosts with LXC, driven by its own programs: one call of a function of lxc_host/ is one round
 * trip over the ssh session that is kept for the host, or a child of this process when the host is
 * this computer. Functions there run as root; another user becomes it by sudo.
 */
#pragma once

#include "lib/ssh/ssh.h"

#include <glib.h>

/* Before the first call: how other hosts are reached, "ssh://%h" (NULL) or "ssh://root@%h". FALSE:
 * the pattern is not of that form. */
gboolean lxc_start(const char *uri, GError **error);

/* The ssh sessions, and the host as ssh is to call it: NULL for this computer. */
Ssh *lxc_ssh(void);
char *lxc_who(const char *host); /* owned */
gboolean lxc_is_local(const char *host);

/* "deploy 'one-12' ..." of a name and its arguments, which end with NULL. (owned) */
char *lxc_call(const char *function, ...) G_GNUC_NULL_TERMINATED;

/*
 * Runs a call at the host. The error says what the host said. `out` (may be NULL) gets its output.
 * (owned) When the call is cut, what was begun is ended.
 */
gboolean lxc_do(const char *host, const char *call, const SshWatch *watch, char **out,
                GError **error);
/* The same for what must not be left half done: it goes on when the caller goes away. */
gboolean lxc_do_firmly(const char *host, const char *call, const SshWatch *watch, char **out,
                       GError **error);
/* With input and output by descriptors (-1: none), as ssh_stream(). */
gboolean lxc_stream(const char *host, const char *call, int input, int output,
                    const SshWatch *watch, GError **error);
/* The whole program of a call, for tests. (owned) */
char *lxc_program(const char *call);
