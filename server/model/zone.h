/* The zone: one installation. In this version there is the one zone of this server. */
#pragma once

#include "server/model/object.h"

#define THIS_ZONE 0

typedef struct Zone {
    Object head;
    gint state; /* 0 enabled */
} Zone;

Zone *zone_create(World *world, gint32 id, const char *name, const char *endpoint);

extern const KindOperations zone_operations;
