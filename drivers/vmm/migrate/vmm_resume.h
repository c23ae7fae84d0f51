/*
 * `one_vmm --resume-postcopy FLAGS SOURCE DESTINATION DOMAIN [NAME=VALUE...]`: goes on with one
 * migration that broke after the switch to post-copy, and ends. A process of its own because the
 * call may never return (libvirt 9.0 with QEMU 7.2), and only the end of its connections makes
 * libvirt give its job up. Not for people: vmm_mend.c starts and ends it.
 */
#pragma once

#include "drivers/vmm/migrate/vmm_migrate.h"

#define VMM_RESUME_WORD "--resume-postcopy"

/* Its argument list; `persistent`: the domain has a definition that goes along. (owned) */
char **vmm_resume_words(const Migration *migration, gboolean persistent);
/* The program itself, with its whole argument list. The exit code: 0 when the memory is at the
 * destination, 1 with libvirt's reason on standard error, 2 for wrong arguments. */
int vmm_resume(int argc, char **argv);
