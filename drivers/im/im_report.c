#include "drivers/im/im_report.h"

#include "drivers/common/driver.h"
#include "drivers/common/libvirt_stats.h"
#include <string.h>

#define MIB (1024 * 1024)

/* "]]>" cannot be said at all, since values end in CDATA sections. */
void im_append_quoted(GString *out, const char *value)
{
    g_string_append_c(out, '"');
    for (const char *c = value; *c; c++) {
        if (*c == '"')
            g_string_append(out, "\\\"");
        else if (g_str_has_prefix(c, "]]>"))
            g_string_append(out, "] ");
        else if ((guchar)*c < 0x20 && *c != '\n' && *c != '\t')
            g_string_append_c(out, ' ');
        else
            g_string_append_c(out, *c);
    }
    g_string_append_c(out, '"');
}

void im_append(GString *out, const char *name, const char *value)
{
    if (!value)
        return;
    g_string_append_printf(out, "%s=", name);
    im_append_quoted(out, value);
    g_string_append_c(out, '\n');
}

void im_append_int(GString *out, const char *name, gint64 value)
{
    g_string_append_printf(out, "%s=\"%" G_GINT64_FORMAT "\"\n", name, value);
}

static void append_known(GString *out, const char *name, gint64 value)
{
    if (value >= 0)
        im_append_int(out, name, value);
}

/* Percent with one digit after the point, whatever the locale. */
static void append_percent(GString *out, const char *name, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    if (value >= 0)
        g_string_append_printf(out, "%s=\"%s\"\n", name,
                               g_ascii_formatd(text, sizeof text, "%.1f", value));
}

void im_append_host(GString *out, const ImHost *host)
{
    im_append(out, "HYPERVISOR", host->hypervisor);
    im_append(out, "HOSTNAME", host->hostname);
    im_append(out, "ARCH", host->arch);
    im_append(out, "MODELNAME", host->model);
    im_append(out, "VERSION", host->version);
    if (host->cgroups)
        im_append_int(out, "CGROUPS_VERSION", host->cgroups);
    if (host->cpu_speed)
        im_append_int(out, "CPUSPEED", host->cpu_speed);
    im_append_int(out, "TOTALCPU", host->total_cpu);
    im_append_int(out, "TOTALMEMORY", host->total_memory);
    if (host->used_cpu >= 0) {
        gint64 used = (gint64)(MIN(host->used_cpu, (double)host->total_cpu) + 0.5);
        im_append_int(out, "USEDCPU", used);
        im_append_int(out, "FREECPU", host->total_cpu - used);
    }
    im_append_int(out, "USEDMEMORY", host->total_memory - host->free_memory);
    im_append_int(out, "FREEMEMORY", host->free_memory);
    append_known(out, "NETRX", host->net_rx);
    append_known(out, "NETTX", host->net_tx);
}

static char *encode(const char *text)
{
    return g_base64_encode((const guchar *)text, strlen(text));
}

static char *monitor_text(const ImMachine *machine)
{
    g_autoptr(GString) text = g_string_new(NULL);
    append_percent(text, "CPU", machine->cpu);
    append_known(text, "MEMORY", machine->memory);
    append_known(text, "NETRX", machine->net_rx);
    append_known(text, "NETTX", machine->net_tx);
    append_known(text, "DISKRDBYTES", machine->disk_rd_bytes);
    append_known(text, "DISKWRBYTES", machine->disk_wr_bytes);
    append_known(text, "DISKRDIOPS", machine->disk_rd_ops);
    append_known(text, "DISKWRIOPS", machine->disk_wr_ops);
    for (guint i = 0; machine->disks && i < machine->disks->len; i++) {
        const LibvirtDisk *disk = &g_array_index(machine->disks, LibvirtDisk, i);
        g_string_append_printf(
            text, "DISK_SIZE=[ID=\"%" G_GINT64_FORMAT "\",SIZE=\"%" G_GINT64_FORMAT "\"]\n",
            disk->id, (disk->bytes + MIB - 1) / MIB);
    }
    return encode(text->str);
}

/* Enough for a user to take the machine over: its name and size. */
static char *import_template(const ImMachine *machine)
{
    g_autoptr(GString) text = g_string_new(NULL);
    gint64 vcpu = MAX(machine->vcpu, 1);
    im_append(text, "NAME", machine->name ? machine->name : machine->deploy_id);
    im_append_int(text, "CPU", vcpu);
    im_append_int(text, "VCPU", vcpu);
    im_append_int(text, "MEMORY", MAX(MAX(machine->maximum, machine->memory) / 1024, 1));
    im_append(text, "DEPLOY_ID", machine->deploy_id);
    im_append(text, "IMPORT_VM_ID", machine->deploy_id); /* as clients before 6.0 call it */
    return encode(text->str);
}

static void append_pair(GString *out, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    g_string_append_printf(out, ",%s=", name);
    im_append_quoted(out, value);
}

static void append_identity(GString *out, const ImMachine *machine)
{
    g_string_append_printf(out, "VM=[ID=\"%" G_GINT64_FORMAT "\"", machine->id);
    append_pair(out, "DEPLOY_ID", machine->deploy_id);
    append_pair(out, "UUID", machine->uuid);
}

void im_append_machine(GString *out, const ImMachine *machine)
{
    g_autofree char *monitor = monitor_text(machine);
    append_identity(out, machine);
    append_pair(out, "STATE", machine->state);
    if (machine->id < 0) {
        g_autofree char *import = import_template(machine);
        append_pair(out, "VM_NAME", machine->name ? machine->name : machine->deploy_id);
        append_pair(out, "IMPORT_TEMPLATE", import);
    }
    append_pair(out, "MONITOR", monitor);
    g_string_append(out, "]\n");
}

void im_append_state(GString *out, const ImMachine *machine)
{
    append_identity(out, machine);
    append_pair(out, "STATE", machine->state);
    g_string_append(out, "]\n");
}

void im_append_space(GString *out, gint64 total_mb, gint64 free_mb)
{
    im_append_int(out, "DS_LOCATION_TOTAL_MB", total_mb);
    im_append_int(out, "DS_LOCATION_USED_MB", total_mb - free_mb);
    im_append_int(out, "DS_LOCATION_FREE_MB", free_mb);
}

void im_append_complete(GString *out)
{
    im_append(out, "SYNC_STATE", "yes");
    im_append(out, "MISSING_STATE", "POWEROFF");
}

void im_emit_state(gint64 hid, const char *text)
{
    g_autofree char *payload = encode(text);
    driver_emit("STATE_VM", TRUE, hid, payload);
}
