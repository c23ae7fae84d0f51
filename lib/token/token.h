/*
 * Logins that are signed: what a client makes with a private key or a shared secret, and what the
 * authentication driver makes of it. The forms are those of OpenNebula's clients:
 *
 *   ssh, x509   base64 of "user:expires", signed with an RSA key (PKCS #1 type 1, the text can be
 *               taken out of the signature). With other keys, which cannot do that, the base64 of
 *               the text, a point, and the base64 of the signature.
 *   x509        base64 of such a text, a colon, and the chain of certificates in PEM with colons
 *   server      base64 of "server:user:expires" in AES-256-CBC, key and start from the secret's
 * hash
 *
 * `expires` in seconds since the epoch. All that is given to a check may come from an enemy. Errors
 * are of ONE_ERROR_AUTHENTICATION and are for logs, not for whoever tries to log in.
 */
#pragma once

#include "lib/base/error.h"

#include <glib.h>
#include <openssl/evp.h>

/* Longest token that is looked at, in bytes. */
#define TOKEN_MAX (64 * 1024)

/* What a good token says. */
typedef struct Token {
    char *user;   /* who it is for */
    gint64 until; /* it is good before that */
} Token;
void token_clear(Token *token);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Token, token_clear)

/* ---- signed with a key ---- */

/* A private key, not encrypted, in PEM or as ssh-keygen writes it. (owned, EVP_PKEY_free) */
EVP_PKEY *token_private_key(const char *text, GError **error);
/* Its public part as one word, which is the password of a user of the driver ssh. (owned) */
char *token_public_word(EVP_PKEY *key, GError **error);
/* "user:expires" signed. (owned) */
char *token_sign(EVP_PKEY *key, const char *user, gint64 expires, GError **error);
/* The other way, with the word of the public part; `now` in seconds since the epoch. */
gboolean token_check(const char *public_word, const char *signed_text, gint64 now, Token *token,
                     GError **error);
/* The same with a key. */
gboolean token_check_key(EVP_PKEY *key, const char *signed_text, gint64 now, Token *token,
                         GError **error);

/* ---- with certificates ---- */

/* `certificates`: the user's first, PEM. (owned) */
char *token_x509_make(EVP_PKEY *key, const char *certificates, const char *user, gint64 expires,
                      GError **error);
/* The subject of the first certificate as one word, which is the password of a user of the driver
 * x509. (owned) */
char *token_x509_word(const char *certificates, GError **error);
/* `words`: subjects that may log in, separated by '|'; `directory`: of trusted authorities and
 * their lists of revocations, all PEM files. */
gboolean token_x509_check(const char *words, const char *text, const char *directory, gint64 now,
                          Token *token, GError **error);

/* ---- with a secret that two share ---- */

/* `hash`: 64 hexadecimal digits, SHA-256 of the secret. (owned) */
char *token_server_make(const char *hash, const char *server, const char *user, gint64 expires,
                        GError **error);
/* token->user: for whom the server acts. */
gboolean token_server_check(const char *hash, const char *server, const char *text, gint64 now,
                            Token *token, GError **error);

/* For the files of this folder: the error, with what libcrypto says last. Returns FALSE. */
gboolean token_fail(GError **error, const char *what);
/* "user:expires", still good at `now`. */
gboolean token_read(const char *text, gint64 now, Token *token, GError **error);
