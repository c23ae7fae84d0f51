/*
 * The open connections, and the guard that watches over them.
 *
 * libmicrohttpd closes a connection that is silent for too long. What it does not see is
 * the peer that sends, or takes, a byte now and then for ever; the guard, a thread of its
 * own, cuts those off. It also stays with a connection that was refused in the middle of
 * its upload until the peer has read the answer: closing at once would reset it away.
 */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* What a connection is doing. */
typedef enum {
    PEER_IDLE,      /* between requests, as far as its thread knows */
    PEER_RECEIVING, /* the body of a request */
    PEER_WORKING,   /* asleep until its call is finished */
    PEER_REPLYING,
} PeerPhase;

/* One connection. The first group is constant; the second is written by the thread that
 * serves it and read by the guard; the third belongs to the guard. */
typedef struct Peer {
    int fd;
    gboolean local;  /* this computer itself */
    guint64 network; /* what connections are counted by */
    char address[INET6_ADDRSTRLEN];

    _Atomic gint phase;
    _Atomic gint64 since;    /* steady microseconds when the phase began */
    _Atomic gint64 deadline; /* of PEER_REPLYING */

    gint64 seen;      /* value of `since` that the next two are about */
    guint64 received; /* bytes that had come when this idle phase was first looked at */
    gint64 begun;     /* when more had come: a request has begun; 0 not yet */

    struct Peer *prev, *next;
} Peer;

typedef struct Peers Peers;

/* `per_address` 0: no limit. `plain`: without TLS, a refusal can be written to the socket. */
Peers *peers_new(guint per_address, guint request_seconds, gboolean plain);
/* Other limits from now on. From any thread. */
void peers_limit(Peers *peers, guint per_address, guint request_seconds);
/* All connections must be closed. */
void peers_free(Peers *peers);

/* May this address connect? */
gboolean peers_admit(Peers *peers, const struct sockaddr *address);
/* A connection was opened. (borrowed until peers_remove) */
Peer *peers_add(Peers *peers, int fd, const struct sockaddr *address);
/* It is about to be closed; its descriptor is still open. */
void peers_remove(Peers *peers, Peer *peer);
guint peers_count(const Peers *peers);
guint64 peers_cut(const Peers *peers);

void peer_set_phase(Peer *peer, PeerPhase phase);
/* Begins PEER_REPLYING with `bytes` to take in `seconds`, and a second more for every
 * PEER_SLOWEST bytes. */
void peer_set_replying(Peer *peer, gsize bytes, guint seconds);
#define PEER_SLOWEST 10240

/* Keeps reading, and throwing away, what the peer sends for a few seconds after its
 * connection is closed on our side. */
void peers_linger(Peers *peers, const Peer *peer);
/* Writes a whole answer to the socket now, when there is no TLS and no other way. */
void peers_tell(const Peers *peers, const Peer *peer, const char *answer, gsize length);
