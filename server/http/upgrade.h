/*
 * /console/<token>: a connection that stops being HTTP and becomes the line to a guest. Each
 * has a thread of its own, which carries bytes between the client and the socket of the
 * virtualization driver; the core has nothing to do with it.
 */
#pragma once

#include "server/http/request.h"

#define CONSOLE_PATH "/console/"

/* What the client must ask for in its header Upgrade. */
#define CONSOLE_PROTOCOL "globule-console"

/* The response that upgrades the connection; NULL with the status and text of a refusal. */
struct MHD_Response *upgrade_console(RequestHub *hub, const char *token, const char *protocol,
                                     guint *status, char **text);
