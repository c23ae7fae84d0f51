/*
 * Consoles of machines that were opened for somebody: a method gives out a token, and
 * whoever brings it over HTTP soon after, once, is connected. Who is attached is known here,
 * for the next who asks. Safe from any thread: the core offers, the listener takes.
 */
#pragma once

#include <glib.h>

/* How long a token is good, in seconds. */
#define CONSOLE_TOKEN_SECONDS 30

typedef struct Consoles Consoles;

typedef struct ConsoleSession {
    gint32 vm;
    char *user;
    char *address; /* of the client that asked */
    char *socket;  /* where the driver offers the console */
    gint64 since;  /* seconds since the epoch */
    int cut;       /* eventfd: readable when the session shall end */
    char *token;   /* NULL once it was used */
    gint64 until;  /* steady microseconds: when the token ends */
} ConsoleSession;

Consoles *consoles_new(void);
void consoles_free(Consoles *consoles); /* when nobody is attached any more */

/* A token for the console behind that socket. (owned) */
char *consoles_offer(Consoles *consoles, gint32 vm, const char *user, const char *address,
                     const char *socket);
/* The session of a token, which is of no use any more; NULL when there is none. (borrowed until
 * consoles_end) */
ConsoleSession *consoles_take(Consoles *consoles, const char *token);
/* Forgets tokens that were not used until then, in steady microseconds; the others do it by
 * themselves. */
void consoles_expire(Consoles *consoles, gint64 now);
void consoles_end(Consoles *consoles, ConsoleSession *session);

/* "anna from 10.0.0.5 since 12:31:07", NULL when nobody is attached to the machine. (owned) */
char *consoles_holder(Consoles *consoles, gint32 vm);
/* Asks the sessions of a machine (-1: all) to end. */
void consoles_cut(Consoles *consoles, gint32 vm);
