/* The administrator's name and password, from where OpenNebula's users keep them. */
#pragma once

#include <glib.h>

typedef struct Credentials {
    char *user;
    char *password;
    char *path;      /* the file they stand in */
    gboolean is_new; /* the file was made just now */
} Credentials;

void credentials_clear(Credentials *credentials);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Credentials, credentials_clear)

/* A secret for servers that act for users: writes "serveradmin:SECRET" into the files below
 * `directory` where OpenNebula's servers look for it, mode 0600. Gives what the server is told of
 * it, the SHA-256 in hexadecimal. (owned) */
char *server_secret_make(const char *directory, GError **error);

/* Reads $ONE_AUTH or ~/.one/one_auth; when there is none, makes one with a random
 * password, mode 0600. Errors say which file, and what is wrong with it. */
gboolean credentials_find(Credentials *credentials, GError **error);
