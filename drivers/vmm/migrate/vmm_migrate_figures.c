#include "drivers/vmm/migrate/vmm_migrate_figures.h"

#include <stddef.h>

#define AT(field) offsetof(MigrateFigures, field)

static const struct {
    const char *field; /* libvirt's; NULL: it knows nothing of it */
    const char *word;  /* ours; NULL: not for the result */
    gsize offset;
    gboolean highest;
    gboolean pages; /* counted in pages of the guest */
} rows[] = {
    {VIR_DOMAIN_JOB_TIME_ELAPSED, "total_ms", AT(total_ms)},
    {VIR_DOMAIN_JOB_DOWNTIME, "downtime_ms", AT(downtime_ms)},
    {VIR_DOMAIN_JOB_SETUP_TIME, "setup_ms", AT(setup_ms)},
    {VIR_DOMAIN_JOB_DATA_PROCESSED, "bytes", AT(bytes), TRUE},
    {VIR_DOMAIN_JOB_MEMORY_PROCESSED, "memory_bytes", AT(memory_bytes), TRUE},
    {VIR_DOMAIN_JOB_DISK_PROCESSED, "disk_bytes", AT(disk_bytes), TRUE},
    {VIR_DOMAIN_JOB_MEMORY_ITERATION, "rounds", AT(rounds), TRUE},
    {VIR_DOMAIN_JOB_MEMORY_DIRTY_RATE, "dirty_rate", AT(dirty_rate), TRUE, TRUE},
    {VIR_DOMAIN_JOB_MEMORY_NORMAL, "pages_normal", AT(pages_normal), TRUE},
    {VIR_DOMAIN_JOB_MEMORY_CONSTANT, "pages_constant", AT(pages_constant), TRUE},
    {VIR_DOMAIN_JOB_MEMORY_POSTCOPY_REQS, "postcopy_requests", AT(postcopy_requests), TRUE},
    {VIR_DOMAIN_JOB_AUTO_CONVERGE_THROTTLE, "throttle", AT(throttle), TRUE},
    {NULL, "resumes", AT(resumes)},
    {VIR_DOMAIN_JOB_MEMORY_BPS, NULL, AT(memory_rate), TRUE},
};

static gint64 *field_of(const MigrateFigures *figures, gsize offset)
{
    return (gint64 *)(gpointer)((char *)figures + offset);
}

void migrate_figures_take(MigrateFigures *figures, virTypedParameterPtr parameters, int count)
{
    unsigned long long value, page = 4096;
    (void)virTypedParamsGetULLong(parameters, count, VIR_DOMAIN_JOB_MEMORY_PAGE_SIZE, &page);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!rows[i].field ||
            virTypedParamsGetULLong(parameters, count, rows[i].field, &value) != 1)
            continue;
        gint64 *field = field_of(figures, rows[i].offset);
        gint64 new = (gint64)(rows[i].pages ? value * page : value);
        *field = rows[i].highest ? MAX(*field, new) : new;
    }
}

char *migrate_figures_text(const MigrateFigures *figures, gboolean postcopy, gboolean shared)
{
    MigrateFigures told = *figures;
    GString *text = g_string_new(NULL);
    /* When all is done libvirt no longer counts the disks; that no look saw them move does not
     * mean that there were none. */
    if (!shared && told.disk_bytes == 0)
        told.disk_bytes = -1;
    if (told.memory_bytes >= 0 && told.disk_bytes > 0)
        told.bytes = MAX(told.bytes, told.memory_bytes + told.disk_bytes);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        gint64 value = *field_of(&told, rows[i].offset);
        if (rows[i].word && value >= 0)
            g_string_append_printf(text, "%s=%" G_GINT64_FORMAT " ", rows[i].word, value);
    }
    g_string_append_printf(text, "mode=%s storage=%s", postcopy ? "postcopy" : "precopy",
                           shared ? "shared" : "mirrored");
    return g_string_free(text, FALSE);
}
