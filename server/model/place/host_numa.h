/*
 * How a host's cores and memory are divided into NUMA nodes, as its information driver
 * tells: CORE, MEMORY_NODE and HUGEPAGE of a report. Nothing is given away by node yet, so
 * what machines hold of a node is nothing.
 */
#pragma once

#include "lib/template/template.h"

typedef struct HostNuma HostNuma;

/* NULL when the report tells of no node. (owned) */
HostNuma *host_numa_read(const Template *report);
void host_numa_free(HostNuma *numa); /* NULL is fine */
/* <NUMA_NODES> of the host's share. NULL: empty. */
void host_numa_render(const HostNuma *numa, GString *xml);
/* <NUMA_NODE> elements of a sample: what is free now. */
void host_numa_render_sample(const HostNuma *numa, GString *xml);
