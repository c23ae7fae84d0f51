/* A console that comes over a connection to a container daemon: a thread of its own carries bytes
 * between it and the peer of an offer. */
#pragma once

#include "drivers/common/rest_stream.h"
#include "drivers/vmm/console.h"

/* Takes all three. `framed`: messages of WebSocket, else bytes as they are. `control` is held open
 * as long as the console is; NULL: there is none. */
void stream_console_start(ConsoleOffer *offer, RestStream *stream, RestStream *control,
                          gboolean framed, gint64 vid);
