/*
 * What a template may hold: no more than the core can work with, nothing that only administrators
 * may give, no files that are none of a guest's business. Each answers FALSE with an error of
 * ONE_ERROR_INTERNAL or ONE_ERROR_AUTHORIZATION.
 */
#pragma once

#include "server/model/people/user.h"
#include "server/model/world.h"

/* Not too much: what is kept must be readable again, and cheap to show. */
gboolean template_fits(World *world, const Template *template, GError **error);
/* No administrator's attribute, of the list that the key names, is in somebody else's template of
 * `what`. */
gboolean check_restricted(World *world, const User *user, const Template *template, const char *key,
                          const char *what, GError **error);
/* check_restricted() for machines, with what opens files of the hosts. */
gboolean vm_check_restricted(World *world, const User *user, const Template *template,
                             GError **error);
/* The list names the attribute as a whole, or a pair that it has; `name` stands for its own name.
 */
gboolean is_restricted(World *world, const char *key, const char *name,
                       const TemplateAttribute *attribute);
/* What an administrator gave (`before`) stays when somebody else replaces a template by `after`. */
void keep_restricted(World *world, const User *user, const Template *before, Template *after,
                     const char *key);
/* Files that oned's computer gives to a guest (CONTEXT/FILES) do not come from where its secrets
 * are. */
gboolean context_files_allowed(World *world, const Template *template, GError **error);
/* The path is in one of the directories, which blanks separate, or below; by text alone. */
gboolean path_is_below(const char *path, const char *directories);
