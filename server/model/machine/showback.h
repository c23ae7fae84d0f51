/*
 * Show-back: what machines cost, by month. It is computed from their history when an administrator
 * asks for it, and kept, so that what was told stays as it was told. Months are those of local
 * time; hours are counted, costs are prices of the template (CPU_COST, MEMORY_COST, DISK_COST per
 * hour and processor, MiB of memory, MiB of disk) or DEFAULT_COST. Shape: OpenNebula's
 * showback.xsd.
 */
#pragma once

#include "server/model/machine/vm.h"

typedef struct ShowbackMonth {
    gint year, month; /* month 1 to 12; -1 both: an open end */
} ShowbackMonth;

/* Whether a month can be meant so: FALSE with an error of ONE_ERROR_RPC_API. */
gboolean showback_month_fits(ShowbackMonth month, GError **error);
/* Computes the months from `from` to `to`, for all machines, and keeps them. FALSE with an error
 * when nothing is between them. */
gboolean showback_calculate(World *world, ShowbackMonth from, ShowbackMonth to, GError **error);
/* <SHOWBACK> of each month of the machine that is between them, appended. */
void showback_render(World *world, const Vm *vm, ShowbackMonth from, ShowbackMonth to,
                     GString *xml);
/* The machine's hours within [from, to), as of `now`: on hosts, and running. For tests. */
void showback_hours(const Vm *vm, gint64 from, gint64 to, gint64 now, double *hours,
                    double *running);

extern const StoreTable showback_table;
gboolean showback_load(World *world, const StoreValue *values, GError **error);
GHashTable *showback_new(void); /* of what is kept, by machine (owned) */
