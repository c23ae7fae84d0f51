/*
 * The scheduler's settings: etc/sched.conf, read by one table of keys, then changed by
 * the options of the command line. share/doc/scheduler.md tells what each means.
 */
#pragma once

#include <glib.h>

typedef struct SchedConfig {
    char *endpoint;                        /* NULL: as every client finds it */
    gint64 timeout;                        /* seconds for one answer */
    gint64 interval;                       /* seconds */
    gint64 new_machine_delay;              /* seconds */
    gint64 max_vm, max_dispatch, max_host; /* 0: no limit */
    gint64 live_rescheds, cold_migrate_mode;
    gint64 policy, ds_policy, nic_policy;
    char *rank, *ds_rank, *nic_rank; /* of the custom policies */
    gint64 different_vnets; /* 1: each card of a machine whose network is chosen gets another */
    double memory_scale;
    gint64 connections;
    char *log_system; /* file, std, syslog */
    gint64 log_level;
    GPtrArray *warnings; /* of texts: unknown keys, keys without a meaning here */
} SchedConfig;

/* Reads the text of a file; `path` is for messages. The error names line, key, value and
 * what is allowed. NULL text: the defaults. (owned) */
SchedConfig *sched_config_parse(const char *text, const char *path, GError **error);
/* Reads the file, or $ONE_LOCATION/etc/sched.conf or /etc/one/sched.conf when NULL. The
 * usual file may be missing: then the defaults, with a warning. (owned) */
SchedConfig *sched_config_load(const char *path, GError **error);
void sched_config_free(SchedConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SchedConfig, sched_config_free)

/* The ranks that the policies mean. (borrowed from the configuration) */
const char *sched_config_rank(const SchedConfig *config);
const char *sched_config_ds_rank(const SchedConfig *config);
const char *sched_config_nic_rank(const SchedConfig *config);
