/*
 * Makes hosts of servers, or says what is missing: the items of items.c on many servers
 * at once, over ssh. Nothing is kept there but what the items make.
 */
#pragma once

#include "client/prepare/items.h"
#include "lib/ssh/ssh_hostkey.h"

typedef enum {
    PREPARE_OK,
    PREPARE_CHANGED,
    PREPARE_MISSING, /* and left so: only a look was asked for */
    PREPARE_FAILED,
} PrepareState;

const char *prepare_state_name(PrepareState state);

/* What is wanted. Texts are borrowed; NULL where nothing was said. */
typedef struct PrepareWish {
    const PrepareHypervisor *hypervisor;
    const char *login;    /* who does the work on the server: root, or one who may use sudo */
    const char *password; /* of `login`, for servers that accept no key yet */
    const char *user;     /* the service user */
    const char *key;      /* the front-end's public key, one line */
    const char *datastores, *nfs, *bridge, *nic;
    const char *skip, *only; /* names of items with commas between */
    gboolean check;          /* look, change nothing */
    guint parallel;          /* hosts at once */
} PrepareWish;

/* FALSE with an error when a word of it has no meaning or could be misread by a shell. */
gboolean prepare_wish_check(const PrepareWish *wish, GError **error);

typedef struct PrepareResult {
    const char *item;
    PrepareState state;
    char *text; /* what was found, or why it failed */
} PrepareResult;

typedef struct PrepareHost {
    char *name;
    SshHostKey key;
    char *root_key, *own_name; /* as the host told them between the phases; NULL */
    gboolean lost;             /* nothing can be done there */
    GPtrArray *results;        /* of PrepareResult */
} PrepareHost;

typedef struct Prepare Prepare;
/* Told after each host of each phase, one call at a time, from any thread. */
typedef void (*PrepareProgress)(const PrepareHost *host, PreparePhase phase, guint done, guint all,
                                gpointer data);

/* `names` of char *. The wish must outlive it. (owned) */
Prepare *prepare_new(const PrepareWish *wish, const GPtrArray *names, PrepareProgress progress,
                     gpointer data);
void prepare_free(Prepare *prepare);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Prepare, prepare_free)

/* First: asks all hosts for their keys. Those not known can be shown and pinned then. */
void prepare_meet(Prepare *prepare);
/* Then: everything else. */
void prepare_run(Prepare *prepare);

/* All hosts, in the order of the names. (borrowed, of PrepareHost) */
GPtrArray *prepare_hosts(Prepare *prepare);
/* Adds a line to a host's report. */
void prepare_note(PrepareHost *host, const char *item, PrepareState state, const char *text);
guint prepare_count(const PrepareHost *host, PrepareState state);

/* The head of each command: NAME='value' lines. `host` NULL: a sketch for --dry-run. (owned) */
char *prepare_variables(Prepare *prepare, const PrepareHost *host);
/* Is the item done at all? */
gboolean prepare_does(const PrepareWish *wish, const PrepareItem *item);
