/*
 * The configuration of oned: etc/oned.conf, in the template language (TEMPLATE_CONFIG:
 * also the quotes and comments of 2009). What may stand there is one table, server/core/
 * config_table.c; every key has a default, so that a missing file or key never stops
 * anything. Unknown keys are named in one warning. Older spellings of a key are taken
 * for the new one. Of a key that is set twice the last counts; vectors such as LOG are
 * put together from all that is said, with the defaults for the rest.
 *
 * Keys below are given by their present name; a key that is not in the table is a mistake
 * of the program and ends it. The configuration belongs to the thread that loaded it.
 */
#pragma once

#include "lib/template/template.h"
#include <glib.h>

typedef struct Config Config;

/* Reads the file; one that does not exist, or a NULL path, is an empty one. The error names
 * file, line, key, value and what is allowed (ONE_ERROR_INTERNAL). (owned) */
Config *config_load(const char *path, GError **error);
/* The same for a text; `path` is only the name in messages. For tests and the simulation. */
Config *config_load_text(const char *text, const char *path, GError **error);
void config_free(Config *config); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)

/* What the administrator should know: keys that are unknown, or have no effect in this
 * version, or were written in an old way; one line. NULL when all is well. (borrowed) */
const char *config_warning(const Config *config);

/* Values of single keys, "PORT", and of members of vectors, "LOG/DEBUG_LEVEL".
 * Texts are borrowed until the configuration is reloaded, and never NULL. */
gint64 config_int(const Config *config, const char *key);
double config_double(const Config *config, const char *key);
gboolean config_bool(const Config *config, const char *key);
const char *config_text(const Config *config, const char *key);
/* Member of the first vector of that name, or NULL when there is none; any names. */
const char *config_pair(const Config *config, const char *key, const char *member);
/* Keys that may be repeated, such as VM_RESTRICTED_ATTR: 0, 1, 2 ...; NULL past the last. */
const char *config_list(const Config *config, const char *key, guint index);
/* All of them. (of char *; borrowed until the configuration is reloaded) */
const GPtrArray *config_values(const Config *config, const char *key);

/* Vectors that may be repeated: IM_MAD, VM_MAD, TM_MAD, DATASTORE_MAD, AUTH_MAD, and the
 * properties TM_MAD_CONF, DS_MAD_CONF, AUTH_MAD_CONF ... NULL past the last. (borrowed) */
const TemplateAttribute *config_vector(const Config *config, const char *key, guint index);
/* The one with that NAME; also a driver without NAME whose ARGUMENTS list it behind "-d", as
 * newer files have it for TM_MAD, or whose AUTHN lists it. NULL when there is none. (borrowed) */
const TemplateAttribute *config_named(const Config *config, const char *key, const char *name);
/* A YES or NO of the vector with that NAME; `otherwise` when it does not say. */
gboolean config_named_bool(const Config *config, const char *key, const char *name,
                           const char *member, gboolean otherwise);

/* All keys in force, defaults included. (owned) */
Template *config_to_template(const Config *config);
/* The same as clients of one.system.config know it: keys and members of OpenNebula's own
 * document only. Members of DB are "***" for those who are not administrators. (owned) */
Template *config_for_clients(const Config *config, gboolean administrator);

/* What a reload found different from before. Names of keys, "LOG/DEBUG_LEVEL" style. */
typedef struct ConfigChanges {
    GPtrArray *applied; /* in force now */
    GPtrArray *restart; /* take effect when oned starts again */
} ConfigChanges;
void config_changes_clear(ConfigChanges *changes);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ConfigChanges, config_changes_clear)

/* Reads the file again. With an error nothing changes. */
gboolean config_reload(Config *config, ConfigChanges *changes, GError **error);

/* The table for people: every key with its default, what is allowed, what it does. (owned) */
char *config_help(void);
