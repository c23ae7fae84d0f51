/*
 * Virtual data centers: groups, and the clusters, hosts, datastores and networks that their users
 * may use. What follows from a VDC are rules of access, made and removed as it changes; the keys
 * DEFAULT_VDC_* of the configuration say which rights they give.
 */
#pragma once

#include "server/model/object.h"

/* All resources of the zone, as the id of a member. */
#define VDC_ALL (-10)

typedef enum { VDC_CLUSTERS, VDC_HOSTS, VDC_DATASTORES, VDC_NETS, VDC_SORTS } VdcSort;

typedef struct Vdc {
    Object head;
    GArray *groups;
    GArray *members[VDC_SORTS]; /* ids in this zone; VDC_ALL stands alone */
} Vdc;

#define VDC(object) ((Vdc *)(object))

/* A new VDC with no groups and no members; the template is taken. */
Vdc *vdc_create(World *world, gint32 id, const char *name, Template *template);
Kind vdc_kind(VdcSort sort);

/* FALSE: it was so already. The rules follow. */
gboolean vdc_add_group(World *world, Vdc *vdc, gint32 gid);
gboolean vdc_remove_group(World *world, Vdc *vdc, gint32 gid);
gboolean vdc_add_member(World *world, Vdc *vdc, VdcSort sort, gint32 id);
gboolean vdc_remove_member(World *world, Vdc *vdc, VdcSort sort, gint32 id);
/* Removes it with the rules that only it gave. */
void vdc_remove(World *world, Vdc *vdc);
/* An object goes away for good: no VDC has it any more. */
void vdc_forget(World *world, const Object *object);

extern const KindOperations vdc_operations;
