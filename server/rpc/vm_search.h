/*
 * The search string of one.vmpool.info: "VM.NAME=web&VM.TEMPLATE.NIC[*].IP=10.0". Each part is a
 * path and a text, joined by &; a machine matches when, for each of them, the value of some such
 * element contains the text. A text without a path may stand in any value. Numbers in brackets are
 * passed over: any element of the name will do. Passwords of screens are not searched.
 */
#pragma once

#include "server/model/machine/vm.h"

typedef struct VmSearch VmSearch;

/* NULL with an error of ONE_ERROR_INTERNAL when a part says nothing. (owned) */
VmSearch *vm_search_parse(const char *text, GError **error);
void vm_search_free(VmSearch *search);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmSearch, vm_search_free)
gboolean vm_search_matches(VmSearch *search, World *world, Vm *vm);
