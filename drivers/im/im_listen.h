/* Threads that listen to what container daemons tell by themselves, one a host. */
#pragma once

#include "drivers/im/im_report.h"

/* How soon a listener notices that nobody wants to hear it any more. */
#define LISTENER_LOOK_MS 500

typedef struct Listener Listener;

/* Listens until the connection ends or listener_ends(). The error when it could not begin. */
typedef void (*Listen)(Listener *listener, GError **error);

/* Sees to it that the host is listened to; what begins or ends it later is its own business. */
void listener_start(const char *host, gint64 hid, Listen listen);
void listener_stop(const char *host);

const char *listener_host(const Listener *listener);
gboolean listener_ends(const Listener *listener);
/* A machine whose state changed just now. */
void listener_tell(const Listener *listener, const ImMachine *machine);
