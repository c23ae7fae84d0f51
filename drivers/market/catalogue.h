/*
 * Catalogues that others keep, as lists of apps: "APP=<base64>" a line, each the template of one
 * app (NAME, IMPORT_ID, SOURCE, TYPE ...). What makes no sense in a catalogue is left out; only one
 * that is none at all is an error.
 */
#pragma once

#include <glib.h>

/* The list of a text that was read from `endpoint`. (owned) */
typedef char *(*CatalogueReader)(const char *text, gsize length, const char *endpoint,
                                 GError **error);

/* OpenNebula's marketplace: the JSON of <endpoint>/appliance. */
char *catalogue_read_one(const char *text, gsize length, const char *endpoint, GError **error);
/* The image server of linuxcontainers.org: lines "distribution;release;arch;variant;date;path".
 * Each becomes a template of a container, which LXD gets from that server. */
char *catalogue_read_containers(const char *text, gsize length, const char *endpoint,
                                GError **error);
