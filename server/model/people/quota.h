/*
 * Quotas: how much users and groups may take, and how much they do. What is counted follows from
 * the objects alone (quota_use.c), so nobody has to remember to charge or to give back: an object
 * that changed is looked at again before the next question, and at the end of the batch at the
 * latest. Its row and those of the counters are of one commit.
 *
 * An entry is one VM = [...], DATASTORE = [...], NETWORK = [...] or IMAGE = [...] of the quota
 * templates, of one user or group: a limit and a counter for each of its metrics. Amounts are kept
 * in thousandths (CPU is a fraction). Syntax and shapes: share/doc/quotas.md.
 */
#pragma once

#include "server/core/config.h"
#include "server/model/object.h"
#include "server/model/machine/vm.h"

typedef enum { QUOTA_USER, QUOTA_GROUP, QUOTA_OWNERS } QuotaOwner;
typedef enum { QUOTA_VM, QUOTA_DATASTORE, QUOTA_NETWORK, QUOTA_IMAGE, QUOTA_TYPES } QuotaType;

/* Metrics of an entry, by type; those of machines that the configuration adds (QUOTA_VM_ATTRIBUTE)
 * follow in pairs: the attribute, and RUNNING_ of it. */
enum {
    VM_CPU,
    VM_MEMORY,
    VM_PCI_DEV,
    VM_PCI_NIC,
    VM_RUNNING_CPU,
    VM_RUNNING_MEMORY,
    VM_RUNNING_PCI_DEV,
    VM_RUNNING_PCI_NIC,
    VM_RUNNING_VMS,
    VM_SYSTEM_DISK_SIZE,
    VM_VMS,
    VM_METRICS
};
enum { DATASTORE_IMAGES, DATASTORE_SIZE };
enum { NETWORK_LEASES };
enum { IMAGE_RVMS };

#define QUOTA_UNIT      1000              /* one of what users count */
#define QUOTA_BY_OTHERS (-1 * QUOTA_UNIT) /* limit: the default one */
#define QUOTA_UNLIMITED (-2 * QUOTA_UNIT)
#define QUOTA_GLOBAL    (-1) /* `ref` of what is counted in all clusters */
#define QUOTA_DEFAULTS  (-1) /* `owner` of the limits for those without their own */

/* What an object takes, and whose it is. */
typedef struct QuotaUse QuotaUse;
/* `cluster` -1: machines on no host. (owned) */
QuotaUse *quota_use_new(gint32 uid, gint32 gid, gint32 cluster);
void quota_use_free(QuotaUse *use);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QuotaUse, quota_use_free)
/* `ref`: the datastore, network or image; QUOTA_GLOBAL of machines. Adds up; amounts below 0 are
 * none. */
void quota_use_add(QuotaUse *use, QuotaType type, gint32 ref, guint metric, gint64 amount);
/* One image of that size. */
void quota_use_add_image(QuotaUse *use, gint32 datastore, gint64 size);
/* NULL: nothing, or the kind is not counted. (owned) */
QuotaUse *quota_use_of(World *world, const Object *object);

/* ---- asking and charging ---- */

/* Whether the object, which may be new (NULL), may take `wanted` (taken) in the place of what it
 * takes now. FALSE with ONE_ERROR_AUTHORIZATION: which limit, what is used, what was asked for. */
gboolean quota_allows(World *world, const Object *object, QuotaUse *wanted, GError **error);
/* The same for a machine as it would be: a copy of the struct with what differs. `cluster`: where
 * it would be; -1: where it is. */
gboolean quota_allows_vm(World *world, const Vm *changed, gint32 cluster, GError **error);
/* The same for an object with another owner or group. */
gboolean quota_allows_owner(World *world, const Object *object, gint32 uid, gint32 gid,
                            GError **error);

/* For object.c and world.c: an object changed; it is about to be removed; the batch ends. */
void quota_object_changed(World *world, Object *object);
void quota_object_gone(World *world, Object *object);
void quota_save(World *world);
/* Brings all counters up to date with what changed. */
void quota_settle(World *world);

/* ---- limits ---- */

/* Sets what the template names, all or nothing; what it does not name stays. `owner` is the id of
 * a user or group or QUOTA_DEFAULTS. Errors of ONE_ERROR_INTERNAL and ONE_ERROR_ACTION. */
gboolean quota_set(World *world, QuotaOwner kind, gint32 owner, const Template *limits,
                   GError **error);
/* The four elements of a user or group, or of the defaults. */
void quota_render(World *world, QuotaOwner kind, gint32 owner, GString *xml);
/* <DEFAULT_USER_QUOTAS> or <DEFAULT_GROUP_QUOTAS>. */
void quota_render_defaults(World *world, QuotaOwner kind, GString *xml);

/* ---- keeping ---- */

typedef struct Quotas Quotas;
Quotas *quotas_new(Config *config); /* (owned) */
void quotas_free(Quotas *quotas);
extern const StoreTable quota_table;
gboolean quota_load(World *world, const StoreValue *values, GError **error);
/* What quota_count() found, a line each. (borrowed) */
const GPtrArray *quota_found_wrong(World *world);
/* After all is loaded: counts from the objects, and remembers where the stored counters differ.
 * `counted`: FALSE for a database that never had counters. */
void quota_count(World *world, gboolean counted);
/* A line for each counter that was stored wrong, or is not the sum over the objects. */
void quota_check(World *world, GPtrArray *problems);
/* All counters become that sum. */
void quota_repair(World *world);
