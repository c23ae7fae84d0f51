/* What the files of quotas share. */
#pragma once

#include "server/model/people/quota.h"
#include "server/model/world.h"

/* Attributes of QUOTA_VM_ATTRIBUTE at most. */
#define QUOTA_GENERIC_MAX 16

typedef struct QuotaItem {
    QuotaType type;
    gint32 ref;
    guint metric;
    gint64 amount;
} QuotaItem;

struct QuotaUse {
    gint32 uid, gid, cluster;
    GArray *items; /* of QuotaItem */
};

typedef struct QuotaEntry {
    QuotaOwner kind;
    gint32 owner;
    QuotaType type;
    gint32 ref;
    GArray *clusters; /* of a quota per cluster; else NULL */
    char *unknown;    /* stored limits of metrics that the configuration does not name now */
    gboolean unsaved, stored;
    guint count; /* of metrics */
    gint64 *limits, *used;
    gint64 *found; /* what the store said, until it was compared; else NULL */
} QuotaEntry;

/* The entries of one owner, ordered by type, those per cluster behind, and reference. */
typedef struct QuotaBook {
    GPtrArray *entries;
} QuotaBook;

struct Quotas {
    GHashTable *books[QUOTA_OWNERS]; /* owner -> QuotaBook */
    GPtrArray *changed;              /* of Object: not looked at since it changed; borrowed */
    GPtrArray *unsaved;              /* of QuotaEntry: to be written; borrowed */
    GPtrArray *generic; /* of char *: QUOTA_VM_ATTRIBUTE, each with RUNNING_ of it behind */
    GPtrArray *wrong;   /* of char *: what was stored wrong */
};

const char *quota_type_name(QuotaType type);
guint quota_metrics(const Quotas *quotas, QuotaType type);
const char *quota_metric_name(const Quotas *quotas, QuotaType type, guint metric);
/* An entry; `clusters` NULL but for a quota per cluster. `make`: when there is none. */
QuotaEntry *quota_entry(World *world, QuotaOwner kind, gint32 owner, QuotaType type, gint32 ref,
                        const GArray *clusters, gboolean make);
QuotaBook *quota_book(World *world, QuotaOwner kind, gint32 owner); /* NULL: nothing yet */
/* Nothing used and no limit: as if there were none. */
gboolean quota_entry_is_blank(const QuotaEntry *entry);
/* To be written with this batch, and shown anew. */
void quota_entry_changed(World *world, QuotaEntry *entry);
/* Counts anew what the owner's machines take in the entry's clusters. */
void quota_entry_recount(World *world, QuotaEntry *entry);
void quota_print_amount(GString *text, gint64 amount);
/* Adds what the use takes (sign 1) to its owner's counters, or takes it off (-1). */
void quota_charge(World *world, const QuotaUse *use, gint sign);
