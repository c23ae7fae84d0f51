/* From a template as a user writes it to the machine that will be: checked, split into what
 * the server keeps and what is the user's, with ids, targets, addresses and ports given. */
#pragma once

#include "server/model/people/user.h"
#include "server/model/network/vrouter.h"
#include "server/model/world.h"

typedef struct VmDraft {
    char *name;
    Template *template;
    Template *user_template;
    char *import; /* name of the domain that the machine takes over; NULL: it is a new one */
    gboolean hold;
    gboolean trusted;      /* given: restricted attributes were written by an administrator */
    const VRouter *router; /* given: the router that the machine is to be one of, or NULL */
} VmDraft;

void vm_draft_clear(VmDraft *draft);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmDraft, vm_draft_clear)

/* What `given` has goes into the draft; with an error it is left as it is, or empty. Errors of
 * ONE_ERROR_INTERNAL and ONE_ERROR_AUTHORIZATION. */
gboolean vm_draft_make(World *world, const User *owner, Template *given, VmDraft *draft,
                       GError **error);
/* What depends on the machine's id; after it is known. */
void vm_draft_finish(World *world, Template *template, gint32 id);
/* The machine's template with another configuration: OS, FEATURES, CONTEXT ...; without `append`
 * those that `given` lacks are removed. NULL with the error. (owned) */
Template *vm_draft_conf(World *world, const User *user, const Template *machine,
                        const Template *given, gboolean append, GError **error);
