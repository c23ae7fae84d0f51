/* The group of machines that a machine's template names. */
#pragma once

#include "server/model/people/user.h"
#include "server/model/world.h"

/* VMGROUP = [ VMGROUP_ID or VMGROUP_NAME (and whose: VMGROUP_UNAME, VMGROUP_UID), ROLE ] of a new
 * machine: found, allowed to the user, written back by id. TRUE also when there is none. Errors of
 * ONE_ERROR_INTERNAL and ONE_ERROR_AUTHORIZATION. */
gboolean vm_group_for_machine(World *world, const User *user, Template *template, GError **error);
