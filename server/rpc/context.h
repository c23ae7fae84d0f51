/* What a guest is told by CONTEXT: variables become values, and networks become lines. */
#pragma once

#include "server/model/machine/vm.h"
#include "server/model/world.h"

/*
 * Replaces the variables in the values of CONTEXT, FILES excepted, whose paths are checked as they
 * are written. Unknown ones become nothing, as users of templates expect,
 * and so do those that would make the machine's template longer by more than 256 KiB in all.
 *
 *   $NAME $VMID $UID $UNAME $GID $GNAME   of the machine and its owner
 *   $TEMPLATE                             the whole template, XML in base64
 *   $ATTRIBUTE                            an attribute of the machine's template
 *   $VECTOR[MEMBER]                       a member of the first such vector
 *   $VECTOR[MEMBER, KEY="value"]          of the first one that has this pair
 *   $USER[ATTRIBUTE]                      an attribute of the owner
 *
 * With NETWORK = YES each NIC gives ETH<number>_MAC, _IP, _MASK, _GATEWAY, _DNS and the like,
 * as far as it has them and the template does not say them itself.
 */
void context_complete(World *world, Vm *vm);
