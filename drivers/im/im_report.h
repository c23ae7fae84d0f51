/*
 * What the information driver tells of a host, as template text: capacity, load, and
 * one VM vector a machine. Which names it holds is told in share/doc/drivers.md.
 */
#pragma once

#include <glib.h>

typedef struct ImHost {
    const char *hypervisor, *hostname, *arch, *model, *version;
    gint64 cpu_speed;                 /* MHz; 0: unknown */
    gint64 total_cpu;                 /* percent; 100 is a core */
    double used_cpu;                  /* percent; negative: not known yet */
    gint64 total_memory, free_memory; /* KiB; free includes what caches can give back */
    gint64 net_rx, net_tx;            /* bytes; negative: not known */
    gint64 cgroups;                   /* version of the control groups; 0: unknown */
} ImHost;

typedef struct ImMachine {
    gint64 id; /* -1: not one of oned's */
    const char *deploy_id, *uuid, *name;
    const char *state;     /* RUNNING POWEROFF SUSPENDED PAUSED FAILURE UNKNOWN */
    double cpu;            /* percent; negative: not known yet */
    gint64 memory;         /* KiB */
    gint64 net_rx, net_tx; /* bytes since the start, as all below; negative: not known */
    gint64 disk_rd_bytes, disk_wr_bytes, disk_rd_ops, disk_wr_ops;
    gint64 vcpu;
    gint64 maximum;      /* KiB that it may have; for imports, else 0 */
    const GArray *disks; /* of LibvirtDisk; NULL: not known (borrowed) */
} ImMachine;

/* Appends "value"; inside quotes only the quote itself has to be escaped. */
void im_append_quoted(GString *out, const char *value);
/* Appends NAME="value"; nothing when the value is NULL. Quotes inside are escaped. */
void im_append(GString *out, const char *name, const char *value);
void im_append_int(GString *out, const char *name, gint64 value);

void im_append_host(GString *out, const ImHost *host);
/* The machine with its figures; a wild one also with a template to import it. */
void im_append_machine(GString *out, const ImMachine *machine);
/* The machine's state alone, as STATE_VM tells it. */
void im_append_state(GString *out, const ImMachine *machine);
/* Space of the file system where datastores are, and that the list of machines is complete. */
void im_append_space(GString *out, gint64 total_mb, gint64 free_mb);
void im_append_complete(GString *out);

/* Sends one STATE_VM message for the host. */
void im_emit_state(gint64 hid, const char *text);
