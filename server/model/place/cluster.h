/* A cluster: hosts, datastores and networks that belong together. Its members are
 * found by asking them, so that membership is stored in one place only. */
#pragma once

#include "server/model/object.h"

typedef struct Cluster {
    Object head;
    Template *plan; /* server/lifecycle/cluster_plan.h; NULL: none */
} Cluster;

#define CLUSTER(object) ((Cluster *)(object))

Cluster *cluster_create(World *world, gint32 id, const char *name);
const char *cluster_name(World *world, gint32 id); /* borrowed; "" when there is none */
/* Members came or went: the rendering is made anew. */
void cluster_members_changed(World *world, gint32 id);
/* Takes the plan; NULL: none any more. */
void cluster_set_plan(World *world, Cluster *cluster, Template *plan);
guint cluster_members(World *world, gint32 id);

extern const KindOperations cluster_operations;
