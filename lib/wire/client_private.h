/* What lib/wire/stream.c needs of the client. */
#pragma once

#include "lib/wire/client.h"

#include <curl/curl.h>

/* With the client's settings for server, proxy and certificates. (borrowed) */
CURL *wire_client_curl(WireClient *client);
