/* one_auth_mad: verifies users. A flavour a row; see share/doc/access.md. */
#pragma once

#include "drivers/common/driver.h"
#include "lib/base/error.h"

/* What is to be verified; borrowed while the flavour works. */
typedef struct AuthQuestion {
    const char *driver, *user;
    const char *password; /* as it is stored of the user: a public key, a subject; "" for none */
    const char *secret;   /* what came as the second part of the session */
    gint64 now;           /* seconds since the epoch */
} AuthQuestion;

typedef struct AuthFlavour {
    const char *name;
    /* TRUE: the user is who they say; `info`, if given, follows the SUCCESS: "UNTIL=...",
     * "FOR=...",
     * "<driver> <name> <password> [groups]". FALSE with the reason, for the log. */
    gboolean (*verify)(const AuthQuestion *question, GString *info, GError **error);
} AuthFlavour;

/* NULL: there is none of that name. */
const AuthFlavour *auth_flavour(const char *name);
char *auth_flavour_names(void); /* (owned) */

/* For driver_run(): reads requests and answers them. */
gboolean auth_prepare(DriverJob *job, GError **error);
char *auth_queue_of(const DriverJob *job);
extern const DriverAction auth_actions[];

/* "<uid> <driver> <user> <password|-> <secret in base64>". (FALSE: it has another form) */
typedef struct AuthRequest {
    char *driver, *user, *password, *secret;
} AuthRequest;
gboolean auth_request_read(AuthRequest *request, const char *payload, GError **error);
void auth_request_clear(AuthRequest *request);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AuthRequest, auth_request_clear)

/* ldap.c */
gboolean ldap_verify(const AuthQuestion *question, GString *info, GError **error);
