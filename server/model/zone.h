/* The zone (one installation) and the virtual data centers. In this version there is
 * the one zone of this server, and VDC 0, to which each new group belongs. */
#pragma once

#include "server/model/object.h"

typedef struct Zone {
    Object head;
    gint state; /* 0 enabled */
} Zone;

typedef struct Vdc {
    Object head;
    GArray *groups;
} Vdc;

#define VDC(object) ((Vdc *)(object))

/* All resources of the zone, as the id of a member. */
#define VDC_ALL (-10)

Zone *zone_create(World *world, gint32 id, const char *name, const char *endpoint);
Vdc *vdc_create(World *world, gint32 id, const char *name, const char *description);
/* Adds the group to VDC 0 with the rules that this gives it. */
void vdc_add_group(World *world, Vdc *vdc, gint32 gid);
void vdc_remove_group(World *world, Vdc *vdc, gint32 gid);

extern const KindOperations zone_operations, vdc_operations;
