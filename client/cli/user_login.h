/*
 * Logins with keys and certificates: `oneuser login --ssh`, `oneuser key`. The server is not asked.
 */
#pragma once

#include "client/cli/cli.h"

/* "ssh" or "x509", as the options say; NULL: with a password. (static) */
const char *user_login_driver(const Cli *cli);
/* What takes a password's place: the public key, or the subject of the certificate. (owned) */
char *user_login_word(const Cli *cli, GError **error);
/* What logs `user` in for so many seconds, -1 for ten years. (owned) */
char *user_login_token(const Cli *cli, const char *user, gint64 seconds, GError **error);
