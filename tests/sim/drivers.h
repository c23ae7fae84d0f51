/* Requests on their way through drivers that fail, are slow, lose answers, answer twice and die.
 * What a request does is told by what it is about: hosts.c, images.c, backups.c, markets.c ... */
#pragma once

#include "tests/sim/sim.h"

/* One request. What carries it out leaves the text of its answer in `info`. */
typedef struct Request {
    Sim *sim;
    DriverRequest *request;
    char *xml;          /* its document; "": it has none */
    char *host, *other; /* of the hypervisor's document */
    gboolean happened;  /* the order was carried out, or never will be */
    gboolean unheard;   /* nobody waits for the answer any more */
    gboolean success;
    char *info; /* owned */
} Request;

/* Text of the first element of that name; "": there is none. (owned) */
char *document_text(const char *xml, const char *name);
gint64 document_number(const char *xml, const char *name); /* -1: there is none */
/* Carries it out. FALSE: it failed, and why is in `info`. */
typedef gboolean (*Carry)(Request *request);
/* A driver fails by chance, before it has done anything. */
gboolean request_fails(Request *request);

/* hosts.c */
gboolean hosts_monitor(Request *request);
gboolean hosts_carry(Request *request);
gboolean hosts_transfer(Request *request);
/* images.c */
gboolean images_carry(Request *request);
/* backups.c: of a hypervisor, of a script of the transfer driver, of the datastore's driver.
 * `handled`: it is about backups at all. */
gboolean backups_take(Request *request, gint32 vm);
gboolean backups_drop(Request *request, gint32 vm);
gboolean backups_line(Sim *sim, gint32 vm, const char *line, gboolean *handled);
gboolean backups_carry(Request *request, gboolean *handled);
/* oned hears that it failed, or nothing: it may be done all the same, since it was asked before. */
void backups_unsure(Request *request);
/* guests.c: EXEC, EXECPOLL, EXEC_CANCEL */
gboolean guests_start(Request *request, gint32 vm);
gboolean guests_poll(Request *request, gint32 vm);
gboolean guests_end(Request *request, gint32 vm);
/* groups.c: the host knows the rules in the document now */
void groups_told(Request *request, gint32 vm);
/* markets.c */
gboolean markets_carry(Request *request);
/* people.c */
gboolean people_carry(Request *request);
/* hooks.c */
gboolean hooks_carry(Request *request);
