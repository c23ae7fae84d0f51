/*
 * Who is it? From the session string of a call to a user id.
 *
 * The core feeds the table of users; the threads of the front ask. A session that was
 * verified is remembered by a keyed digest for some minutes, so most questions take a
 * microsecond. Others are verified by a few workers of this table, at 10 to 20 ms each;
 * equal questions at the same time are one verification. Failures make the next attempts
 * wait, longer each time, by user and by address; nobody's thread waits with them, and
 * users who do not exist take as long as those who do.
 */
#pragma once

#include <glib.h>

typedef struct SessionsOptions {
    guint remember_seconds;               /* that a verified session needs no verification */
    guint remember_most;                  /* sessions remembered */
    guint workers;                        /* threads that verify */
    guint waiting_most;                   /* verifications waiting; more are refused at once */
    guint delay_msec;                     /* of the first attempt that is delayed; doubles */
    gboolean allow_2009_without_password; /* see SessionQuestion */
} SessionsOptions;

SessionsOptions sessions_options_default(void);

typedef struct Sessions Sessions;
Sessions *sessions_new(const SessionsOptions *options); /* (owned) */
/* Questions still open are answered "nobody". */
void sessions_free(Sessions *sessions);

/* ---- for the core ---- */

/* A user exists, or was changed. Strings are copied. Users of the driver "core" are verified here,
 * those of "public" are let in by tokens only, all others are asked of their driver, see below. */
void sessions_put_user(Sessions *sessions, const char *name, gint32 uid, gboolean enabled,
                       const char *driver, const char *verifier);
/* The user's login tokens, in the place of all former ones. `expires` in seconds since the epoch,
 * -1 never; `gid` -1: no group of its own. Strings are copied. */
typedef struct SessionToken {
    const char *text;
    gint64 expires;
    gint32 gid;
} SessionToken;
void sessions_put_tokens(Sessions *sessions, gint32 uid, const SessionToken *tokens, guint count);
void sessions_remove_user(Sessions *sessions, gint32 uid);
/* Remembered sessions of this user are valid no more. sessions_put_user() does it by itself
 * when the verifier, the driver or `enabled` has changed. */
void sessions_forget(Sessions *sessions, gint32 uid);

/* ---- drivers ---- */

/* Has somebody ask a driver about a session, "user:secret" in two, and tell what it said by
 * sessions_driver_said(), once. Called by a worker; must not wait. Texts are borrowed. */
typedef void (*SessionAskDriver)(guint64 number, const char *user, const char *secret,
                                 gpointer data);
/* Before the first question. Without it nobody is let in by a driver. */
void sessions_set_driver(Sessions *sessions, SessionAskDriver ask, gpointer data);
/* Whether a driver is asked about users who do not exist (DEFAULT_AUTH). Any thread. */
void sessions_ask_of_unknown(Sessions *sessions, gboolean ask);
/* How long a verified session is remembered, from now on (SESSION_EXPIRATION_TIME); what is
 * remembered already is forgotten no later than that. Any thread. */
void sessions_set_remembered(Sessions *sessions, guint seconds);

/* What a driver found. It is about users as the table knows them now. */
typedef struct SessionVerdict {
    gint32 uid;      /* -1: nobody */
    gint32 gid;      /* the only group that the session acts for, or -1 */
    gint32 by;       /* the server that vouches for them, or the user again */
    gint64 until;    /* seconds since the epoch when the session itself ends; -1: it does not */
    gboolean denied; /* the secret is wrong: counts as a failed attempt. FALSE with uid -1: the
                      * driver did not work */
    const char *why; /* with uid -1: for the caller, or NULL */
} SessionVerdict;
/* Any thread. Numbers that nobody waits for are ignored. */
void sessions_driver_said(Sessions *sessions, guint64 number, const SessionVerdict *verdict);

/* ---- for the front; any thread ---- */

typedef struct SessionQuestion {
    const char *session;  /* "user:secret" */
    const char *address;  /* of the caller */
    gboolean local;       /* the caller is this computer */
    gboolean method_2009; /* a method of OpenNebula 1.2: its clients send the word "sessionID" or
                           * "session", and are user 0 when the option is set and they are local */
} SessionQuestion;

typedef struct SessionAnswer {
    gint32 uid;        /* -1: nobody */
    gint32 token_gid;  /* group that a login token is bound to, or -1 */
    gboolean old_form; /* the session has the form of OpenNebula 1.2 to 2.2 */
    const char *why;   /* nobody, and not because of a wrong password: a sentence for the caller, or
                        * NULL. Borrowed until the answer is given */
} SessionAnswer;

typedef void (*SessionDone)(const SessionAnswer *answer, gpointer data);

/* TRUE: `*answer` is filled. FALSE: `done` will be called later, by a worker. */
gboolean sessions_ask(Sessions *sessions, const SessionQuestion *question, SessionAnswer *answer,
                      SessionDone done, gpointer data);

/* TRUE: this session was verified lately, and `*answer` is filled. FALSE: it must be asked for. */
gboolean sessions_recall(Sessions *sessions, const char *session, SessionAnswer *answer);

/* Makes a verifier in a worker; `verifier` is given to `done` (owned), NULL on failure. */
typedef void (*SessionHashed)(char *verifier, gpointer data);
void sessions_hash(Sessions *sessions, const char *password, SessionHashed done, gpointer data);
