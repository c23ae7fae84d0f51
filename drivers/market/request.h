/*
 * A request for the marketplace driver: the document MARKET_DRIVER_ACTION_DATA, base64 on the line,
 * with the marketplace, the app, and of an app that comes in its image and the datastore of that.
 * Nothing of it is trusted: names of files are checked where they are used.
 */
#pragma once

#include <glib.h>

typedef struct MarketRequest {
    gint64 market;
    char *flavour;    /* MARKET_MAD; NULL: not told */
    char *base_url;   /* what apps are called by others; without "/" at its end; NULL: not told */
    char *public_dir; /* where they lie; NULL: not told */
    char *endpoint;   /* of a catalogue; without "/" at its end; NULL: the usual one */
    gint64 limit_mb;  /* TOTAL_MB of the marketplace's template; 0: as large as its disk */
    gboolean trusted; /* an administrator made the marketplace */
    gint64 app, regtime;
    char *source;     /* of the image; NULL: none */
    char *format;     /* of the image; NULL: not told */
    gint64 datastore; /* of the image; -1: none */
    char *datastores; /* directory of all of them; NULL: not told */
} MarketRequest;

/* Reads the payload of a line. The error says what is wrong with the document. (owned) */
MarketRequest *market_request_parse(const char *payload, GError **error);
void market_request_free(MarketRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MarketRequest, market_request_free)

/* The name of the app's file in PUBLIC_DIR: "app-<id>-<time of registration>". (owned) */
char *market_request_file(const MarketRequest *request);
