/* What the files of the sessions share. */
#pragma once

#include "server/auth/session.h"
#include "server/auth/throttle.h"

#include <sodium.h>
#include <string.h>

typedef struct SessionUser {
    char *name;
    gint32 uid;
    gboolean enabled;
    char *driver, *verifier;
    guint64 generation; /* a new one, never used before, when sessions must be forgotten */
    GArray *tokens;     /* of SessionToken, owning the texts; NULL: none */
} SessionUser;

typedef struct Digest {
    guint8 bytes[crypto_generichash_BYTES];
} Digest;

/* A session that was verified. It is good as long as its user is as they were then, and the one who
 * vouched for them: themselves, or the server that acts for them. */
typedef struct Known {
    Digest digest; /* first: the key */
    gint32 uid, gid;
    guint64 generation;
    gint32 by;
    guint64 by_generation;
    gint64 expires;
} Known;

typedef struct Waiter {
    SessionDone done;
    gpointer data;
} Waiter;

/* Work for a worker: a session to verify, or a password to hash. */
typedef struct Job {
    Digest digest; /* first: the key in `verifying` */
    gint64 due;
    char *user; /* NULL: hash `secret` */
    char *secret, *address;
    GArray *waiters; /* of Waiter */
    SessionHashed hashed;
    gpointer data;
    guint64 number; /* of the question to a driver */
} Job;

struct Sessions {
    SessionsOptions options;
    guint8 secret[crypto_generichash_KEYBYTES];
    SessionAskDriver ask_driver; /* NULL: there is none */
    gpointer driver_data;
    gint ask_of_unknown; /* atomic: drivers are asked about users who do not exist, too */

    GRWLock lock;        /* guards the users and what is remembered */
    GHashTable *by_name; /* name -> User */
    GHashTable *by_uid;  /* uid -> User, owns it */
    GHashTable *known;   /* of Known */
    guint64 generation;

    GMutex work;           /* guards the jobs and the throttles; never taken with `lock` held */
    GCond more;            /* a job was added, or the end has come */
    GSequence *jobs;       /* of Job, by due time */
    GHashTable *verifying; /* digest -> Job, in `jobs` or with a worker */
    Throttle *by_user, *by_address;
    GHashTable *asked; /* number -> Job, of which a driver thinks */
    guint64 last_number;
    gboolean stopping;
    GPtrArray *workers; /* of GThread */
};

/* ---- session.c ---- */

/* Notes that the session is right until `expires`, in steady microseconds. `generation` of the
 * user when they were judged, 0: as they are now. FALSE: a user has changed since, or is gone. */
gboolean session_remember(Sessions *sessions, const Known *known);
/* Counts the attempt, and tells all who wait for it. Takes the job. */
void session_job_end(Sessions *sessions, Job *job, const SessionAnswer *answer, gboolean counts);
void session_job_free(gpointer job);

/* ---- session_driver.c ---- */

/* Hands the job to the driver. FALSE: no driver verifies this user, and the job stays here. */
gboolean session_job_to_driver(Sessions *sessions, Job *job, const char *driver);
