/*
 * The REST API of LXD and Incus (/1.0), as far as both drivers need it.
 * Source: the API's own documentation, LXD 5.0.
 */
#pragma once

#include "drivers/common/json.h"
#include "drivers/common/rest.h"

/* Where LXD, its snap, and Incus have their sockets. */
#define LXD_SOCKETS                                                                                \
    "/var/lib/lxd/unix.socket:/var/snap/lxd/common/lxd/unix.socket:/var/lib/incus/unix.socket"

extern const RestSettings lxd_settings;

/* What identifies a container as a machine of oned's. */
#define LXD_UUID "user.one.uuid"
#define LXD_VID  "user.one.vid"
/* The history record of the machine with which it was started last. */
#define LXD_SEQ "user.one.seq"

/*
 * One call; waits for the end of the operation when the answer is one. The answer's `metadata`
 * (owned; an empty object when it is no object), or NULL with the error: ONE_ERROR_NO_EXISTS when
 * there is no such thing, ONE_ERROR_ACTION when LXD refused.
 * `watch` says how long it may take without progress (0 s: 30) and when to give up; NULL is fine.
 * An operation that nobody waits for any more is cancelled.
 */
JsonObject *lxd_do(const char *host, const char *method, const char *path, JsonObject *body,
                   const SshWatch *watch, GError **error);
/* The same when the answer tells nothing more. */
gboolean lxd_order(const char *host, const char *method, const char *path, JsonObject *body,
                   const SshWatch *watch, GError **error);
/* The same as lxd_do() without waiting: the operation's document. (owned) */
JsonObject *lxd_begin(const char *host, const char *method, const char *path, JsonObject *body,
                      const SshWatch *watch, GError **error);
/* Waits for the end of an operation, of which `document` is what lxd_begin() gave. */
JsonObject *lxd_finish(const char *host, JsonObject *document, const SshWatch *watch,
                       GError **error);
/* A list, such as instances with recursion. (owned) */
JsonArray *lxd_list(const char *host, const char *path, GError **error);

/* What an answer says: its whole document, or its error. (owned) */
JsonObject *lxd_read_answer(const char *host, const RestReply *reply, GError **error);

/* "RUNNING" as oned's information driver says it, of LXD's status "Running". */
const char *lxd_state_name(const char *status);
