/* From a template as a user writes it to the machine that will be: checked, split into what
 * the server keeps and what is the user's, with ids, targets, addresses and ports given. */
#pragma once

#include "server/model/user.h"
#include "server/model/world.h"

typedef struct VmDraft {
    char *name;
    Template *template;
    Template *user_template;
    char *import; /* name of the domain that the machine takes over; NULL: it is a new one */
    gboolean hold;
    gboolean trusted; /* given: restricted attributes were written by an administrator */
} VmDraft;

void vm_draft_clear(VmDraft *draft);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmDraft, vm_draft_clear)

/* `given` is left as it is. Errors of ONE_ERROR_INTERNAL and ONE_ERROR_AUTHORIZATION. */
gboolean vm_draft_make(World *world, const User *owner, const Template *given, VmDraft *draft,
                       GError **error);
/* What depends on the machine's id; after it is known. */
void vm_draft_finish(World *world, Template *template, gint32 id);
/* One device more for a machine whose template is `machine`, of the one DISK or NIC in `given`:
 * checked, with the next number, a device or an address. NULL with the error. (owned) */
TemplateAttribute *vm_draft_disk(World *world, const User *user, const Template *machine,
                                 Template *given, GError **error);
TemplateAttribute *vm_draft_nic(World *world, const User *user, gint32 vm, const Template *machine,
                                Template *given, GError **error);
/* The machine's template with another configuration: OS, FEATURES, CONTEXT ...; without `append`
 * those that `given` lacks are removed. NULL with the error. (owned) */
Template *vm_draft_conf(World *world, const User *user, const Template *machine,
                        const Template *given, gboolean append, GError **error);
/* Not too much: what is kept must be readable again, and cheap to show. FALSE with the error. */
gboolean template_fits(World *world, const Template *template, GError **error);
/* An administrator's attribute, of the list that the key names, in somebody else's template of
 * `what`. FALSE with the error. */
gboolean check_restricted(World *world, const User *user, const Template *template, const char *key,
                          const char *what, GError **error);
/* The list names the attribute as a whole, or a pair that it has; `name` stands for its own name.
 */
gboolean is_restricted(World *world, const char *key, const char *name,
                       const TemplateAttribute *attribute);
/* What an administrator gave (`before`) stays when somebody else replaces a template by `after`. */
void keep_restricted(World *world, const User *user, const Template *before, Template *after,
                     const char *key);
/* check_restricted() for machines, with what opens files of the hosts. */
gboolean vm_check_restricted(World *world, const User *user, const Template *template,
                             GError **error);
