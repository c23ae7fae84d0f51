/* A machine's context in cloud-init's words, for containers, which read no CD. */
#pragma once

#include "drivers/vmm/vmm_action.h"

/* CONTEXT/USER_DATA as it is (USERDATA_ENCODING=base64 is decoded), else a document made of the
 * machine's name, SSH_PUBLIC_KEY and START_SCRIPT. NULL: there is nothing to say. (owned) */
char *cloud_init_user_data(const VmmAction *action);
/* Addresses of the NICs, version 1 of cloud-init's network configuration. NULL: none has one.
 * (owned) */
char *cloud_init_network(const VmmAction *action);
