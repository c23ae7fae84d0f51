/* Zones: installations, of which this server is one. Others are known by their address only:
 * nothing is sent there, and clients go there themselves. Shape: OpenNebula's zone.xsd. */
#pragma once

#include "server/model/object.h"

#define THIS_ZONE 0

typedef enum { ZONE_ENABLED = 0, ZONE_DISABLED = 1 } ZoneState;

typedef struct Zone {
    Object head;
    ZoneState state;
    Template *servers; /* SERVER = [ ID, NAME, ENDPOINT ] each: what is told of them */
    gint32 next_server;
} Zone;

#define ZONE(object) ((Zone *)(object))

/* The template is taken; it has ENDPOINT. */
Zone *zone_create(World *world, gint32 id, const char *name, Template *template);
/* Adds a server of that name and address; its id. */
gint32 zone_add_server(World *world, Zone *zone, const char *name, const char *endpoint);
/* FALSE: there is none of that id. */
gboolean zone_remove_server(World *world, Zone *zone, gint32 id);
/* This zone is disabled: nothing is changed in it but by what goes on already. */
gboolean zone_is_disabled(World *world);
gboolean zone_has_server(const Zone *zone, gint32 id);

extern const KindOperations zone_operations;
