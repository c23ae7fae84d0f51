/*
 * The kinds that have a program of their own, one file each.
 */
#pragma once

#include "client/cli/cli.h"

extern const CliKind cli_vm;
extern const CliKind cli_host;
extern const CliKind cli_user;
extern const CliKind cli_template;
extern const CliKind cli_network;
extern const CliKind cli_vntemplate;
extern const CliKind cli_secgroup;
extern const CliKind cli_group;
extern const CliKind cli_acl;
extern const CliKind cli_cluster;
extern const CliKind cli_datastore;
extern const CliKind cli_vdc;
extern const CliKind cli_image;
extern const CliKind cli_vmgroup;
extern const CliKind cli_backupjob;
extern const CliKind cli_acct;
extern const CliKind cli_showback;
extern const CliKind cli_market;
extern const CliKind cli_app;
extern const CliKind cli_hook;
extern const CliKind cli_vrouter;
extern const CliKind cli_zone;
