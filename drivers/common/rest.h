/*
 * Calls to the REST services of container daemons (LXD, Incus, Docker, Podman), by libcurl.
 * Where the service of a host is says an endpoint:
 *
 *   unix:/path[:/other]              a socket on this computer; the first that exists
 *   ssh://[user@]host/path[:/other]  the same on another one, through lib/ssh and a relay there
 *   https://host:8443                with our client's certificate and the server's, which is
 * pinned
 *
 * Certificates are files of the configuration directory's folder `rest`: client.crt, client.key,
 * and HOST.crt for each server. Connections are kept open and used again. Nothing here waits
 * without a limit, or takes an answer without one. All functions may be called from any thread.
 */
#pragma once

#include "lib/ssh/ssh.h"

#include <curl/curl.h>
#include <glib.h>

typedef struct RestSettings {
    const char *local;  /* endpoint of this computer */
    const char *remote; /* of others; "%h" is the host's name */
    const char *daemon; /* what is asked there, for messages: "LXD" */
} RestSettings;

/* Once, before the first call. `pattern` is the administrator's, instead of `remote`; one without
 * "%h" is meant for all hosts. NULL: none. The error tells what is wrong with it. */
gboolean rest_start(const RestSettings *settings, const char *pattern, GError **error);
const char *rest_daemon(void);
/* How long connecting may take, in seconds. */
void rest_set_patience(int seconds);
/* Where a host is asked. (owned) */
char *rest_endpoint(const char *host);
/* Drops the connections that are open to a host. */
void rest_forget(const char *host);

typedef struct RestCall {
    const char *method; /* "GET" */
    const char *path;   /* "/1.0/instances" with its query */
    const char *body;   /* NULL: none */
    gssize length;      /* of the body; -1: up to its end */
    const char *type;   /* of the body; NULL: application/json */
    const char *header; /* one more header line; may be NULL */
    int input;          /* a descriptor whose content is the body; 0: none */
    const char *before; /* bytes of the body before and behind those of `input`; NULL: none */
    gsize before_length;
    const char *behind; /* a string */
    /* Takes the answer piece by piece instead of `body` of the reply, unless it is an error's;
     * FALSE ends the call. May be NULL. */
    gboolean (*take)(const char *bytes, gsize count, gpointer data);
    gpointer data;
    SshWatch watch; /* `seconds` 0: 30; `progress` gets the bytes that went either way */
    gsize limit;    /* bytes of the answer; 0: 16 MiB */
} RestCall;

typedef struct RestReply {
    long status;
    GString *body;
} RestReply;

void rest_reply_clear(RestReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RestReply, rest_reply_clear)

/* TRUE: there is an answer, whatever its status. FALSE: host not reached, limit or time passed,
 * given up; ONE_ERROR_UNREACHABLE when nothing can have happened there. */
gboolean rest_call(const char *host, const RestCall *call, RestReply *reply, GError **error);

/* What a small script of /bin/sh prints on the host, where the endpoint is a socket of this
 * computer or of one that ssh reaches. NULL with the error. (owned) */
char *rest_run(const char *host, const char *script, guint seconds, GError **error);

/* One word of a path or a query, with what must not be there escaped. (owned) */
char *rest_escape(const char *word);

/* ---- for rest_stream.c ---- */

/* A handle that is set up for the host, and what goes with it; NULL with the error. (owned) */
typedef struct RestLink RestLink;
RestLink *rest_link_new(const char *host, GError **error);
void rest_link_free(RestLink *link);
CURL *rest_link_curl(RestLink *link);
char *rest_link_url(const RestLink *link, const char *path); /* (owned) */
/* What curl said, as an error with host and endpoint; always FALSE. */
gboolean rest_link_error(RestLink *link, CURLcode code, GError **error);
