/*
 * Where things are on this computer.
 *
 *                     with ONE_LOCATION set      else
 *   configuration     $ONE_LOCATION/etc          /etc/one
 *   state             $ONE_LOCATION/var          /var/lib/one
 *   logs              $ONE_LOCATION/var          /var/log/one
 *   driver programs   $ONE_LOCATION/lib/mads     /usr/lib/one/mads
 *
 * ONE_ETC, ONE_VAR and ONE_MADS, when set, name their directory themselves; oned
 * sets the first two for its drivers. When there is no directory of drivers at the
 * place above, the one beside the running program is taken: ../mads in a build tree,
 * ../lib/one/mads under any other prefix.
 *
 * Each function returns the path of `file` in that directory, or the directory itself
 * when `file` is NULL; nothing is created. All results are owned by the caller.
 */
#pragma once

#include <glib.h>

char *paths_etc(const char *file);
char *paths_var(const char *file);
char *paths_log(const char *file);
char *paths_mads(const char *file);

/* The directory of one machine in the state directory: vms/<id>. */
char *paths_vm(gint64 id, const char *file);
/* The log of one machine: vms/<id>/vm.log in the state directory of a private installation, or
 * always when `with_vms`; else /var/log/one/<id>.log. */
char *paths_vm_log(gint64 id, gboolean with_vms);
