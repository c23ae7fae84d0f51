/*
 * Machines are made here: a template from a file, from standard input or from options;
 * and the commands of onevm that are more than one call.
 */
#pragma once

#include "client/cli/cli.h"

/* Options that make a template, or add to one. */
#define CLI_VM_ADDITIONS                                                                           \
    "cpu vcpu memory arch disk nic boot raw vnc vnc-password vnc-listen vnc-keymap spice "         \
    "spice-password spice-listen spice-keymap video video-vram video-resolution video-iommu "      \
    "video-ats ssh net-context context files-ds init-scripts startscript"
#define CLI_VM_TEMPLATE "name " CLI_VM_ADDITIONS

CliExit cli_vm_create(Cli *cli);
CliExit cli_vm_resize(Cli *cli);
CliExit cli_vm_recover(Cli *cli);
CliExit cli_vm_delete(Cli *cli);
CliExit cli_vm_console(Cli *cli);
CliExit cli_vm_vnc(Cli *cli);
CliExit cli_vm_ssh(Cli *cli);
CliExit cli_vm_disk_attach(Cli *cli);
CliExit cli_vm_nic_attach(Cli *cli);
CliExit cli_vm_pci_attach(Cli *cli);
CliExit cli_vrouter_nic_attach(Cli *cli);
CliExit cli_vm_backup_mode(Cli *cli);

/* The template that the options tell, added to `base` (NULL: none); `number` replaces %i
 * in the name. (owned) */
char *cli_vm_template(const Cli *cli, const char *base, guint number, GError **error);
/* A name with `number` for each %i. (owned) */
char *cli_numbered(const char *name, guint number);
/* The number of --multiple, 1 without it; 0 with the error told. */
guint cli_multiple(const Cli *cli);
/* Template text of a command's file argument, of its options (NULL without error), or of
 * standard input. (owned) */
char *cli_vm_base(Cli *cli, GError **error);
/* `NAME="value"` behind a comma unless it is the first in its bracket. */
void cli_append_pair(GString *out, const char *name, const char *value);
/* "2g", "512m", "0.5g" or "128" in MiB. */
gboolean cli_memory(const char *text, gint64 *mib);
/* "img:size=10:target=vda" as DISK=[IMAGE="img",SIZE="10",TARGET="vda"]. (owned) */
char *cli_device(const char *vector, const char *text, GError **error);
