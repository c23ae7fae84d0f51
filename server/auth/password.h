/*
 * Passwords: salted, slow verifiers by libsodium's argon2id.
 *
 * A verifier is made over the SHA-1 hex digest of the password, since clients of OpenNebula
 * 1.4 to 2.2 send that digest in the password's place; so both forms verify against the
 * one verifier. The digest adds nothing and takes nothing: argon2id is what protects.
 * Making and verifying take 10 to 20 ms each: never do either in the core.
 */
#pragma once

#include <glib.h>

/* The verifier of a password, or of its 40-digit form; text that starts with "$argon2id$"
 * (owned). Errors: ONE_ERROR_INTERNAL when there is no memory for it. */
char *password_verifier(const char *password, GError **error);

/* Does the secret of a session, a password or its 40-digit form, fit the verifier? */
gboolean password_verify(const char *verifier, const char *secret);

/* As long as verifying a secret that does not fit, for users who do not exist. */
void password_pretend(const char *secret);

/* The 40-digit form: a SHA-1 digest in lower-case hexadecimal. */
gboolean password_is_digest(const char *text);
