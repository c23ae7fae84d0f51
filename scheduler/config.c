#include "scheduler/config.h"
#include "lib/base/error.h"
#include "lib/base/paths.h"
#include "lib/expr/expr.h"
#include "lib/template/template.h"
#include "scheduler/rank.h"
#include <stddef.h>
#include <string.h>

typedef enum {
    KEY_INTEGER,
    KEY_YES_NO, /* kept as 0 or 1 */
    KEY_REAL,
    KEY_TEXT,
    KEY_WORD,    /* one of `words` */
    KEY_UNUSED,  /* known from OpenNebula, has no meaning here, said when it is set */
    KEY_IGNORED, /* the same, but its default is in every file: not worth a word */
} KeyType;

typedef struct {
    const char *name; /* NAME, or VECTOR/MEMBER */
    KeyType type;
    gint64 least, most;   /* of numbers */
    const char *standard; /* default value */
    gsize offset;
    const char *words; /* allowed words; for KEY_UNUSED: why it means nothing */
} Key;

#define AT(member) offsetof(SchedConfig, member)

static const Key keys[] = {
    {"ONE_XMLRPC", KEY_TEXT, 0, 0, NULL, AT(endpoint)},
    {"TIMEOUT", KEY_INTEGER, 1, 86400, "60", AT(timeout)},
    {"SCHED_INTERVAL", KEY_INTEGER, 1, 86400, "15", AT(interval)},
    {"NEW_MACHINE_DELAY", KEY_INTEGER, 0, 3600, "0", AT(new_machine_delay)},
    {"MAX_VM", KEY_INTEGER, 0, G_MAXINT32, "0", AT(max_vm)},
    {"MAX_DISPATCH", KEY_INTEGER, 0, G_MAXINT32, "10000", AT(max_dispatch)},
    {"MAX_HOST", KEY_INTEGER, 0, G_MAXINT32, "0", AT(max_host)},
    {"LIVE_RESCHEDS", KEY_YES_NO, 0, 1, "0", AT(live_rescheds)},
    {"COLD_MIGRATE_MODE", KEY_INTEGER, 0, 2, "0", AT(cold_migrate_mode)},
    {"DEFAULT_SCHED/POLICY", KEY_INTEGER, 0, 4, "1", AT(policy)},
    {"DEFAULT_SCHED/RANK", KEY_TEXT, 0, 0, NULL, AT(rank)},
    {"DEFAULT_DS_SCHED/POLICY", KEY_INTEGER, 0, 3, "1", AT(ds_policy)},
    {"DEFAULT_DS_SCHED/RANK", KEY_TEXT, 0, 0, NULL, AT(ds_rank)},
    {"MEMORY_SYSTEM_DS_SCALE", KEY_REAL, 0, 1000, "0", AT(memory_scale)},
    {"CONNECTIONS", KEY_INTEGER, 1, 256, "16", AT(connections)},
    {"LOG/SYSTEM", KEY_WORD, 0, 0, "file", AT(log_system), "file std syslog"},
    {"LOG/DEBUG_LEVEL", KEY_INTEGER, 0, 5, "3", AT(log_level)},
    {"DEFAULT_NIC_SCHED/POLICY", KEY_INTEGER, 0, 3, "1", AT(nic_policy)},
    {"DEFAULT_NIC_SCHED/RANK", KEY_TEXT, 0, 0, NULL, AT(nic_rank)},
    {"DIFFERENT_VNETS", KEY_YES_NO, 0, 1, "1", AT(different_vnets)},
    {"MESSAGE_SIZE", KEY_IGNORED},
    {"HTTP_PROXY", KEY_UNUSED, .words = "set http_proxy in the environment instead"},
    {"EXTERNAL_SCHEDULER", KEY_UNUSED, .words = "there is no external scheduler"},
};

void sched_config_free(SchedConfig *config)
{
    if (config == NULL)
        return;
    g_free(config->endpoint);
    g_free(config->rank);
    g_free(config->ds_rank);
    g_free(config->nic_rank);
    g_free(config->log_system);
    g_ptr_array_unref(config->warnings);
    g_free(config);
}

const char *sched_config_rank(const SchedConfig *config)
{
    return sched_host_policy(config->policy, config->rank);
}

const char *sched_config_nic_rank(const SchedConfig *config)
{
    return sched_network_policy(config->nic_policy, config->nic_rank);
}

const char *sched_config_ds_rank(const SchedConfig *config)
{
    return sched_datastore_policy(config->ds_policy, config->ds_rank);
}

/* ---- Values ---- */

/* Line where the key stands (or its vector), for messages. */
static guint line_of(const char *text, const char *name, guint nth)
{
    g_autofree char *outer = g_strndup(name, strcspn(name, "/"));
    return template_line_of(text, TEMPLATE_CONFIG, outer, nth);
}

static gboolean yes_no(const char *value, gint64 *number)
{
    static const char *const words[][5] = {{"0", "no", "n", "false", NULL},
                                           {"1", "yes", "y", "true", NULL}};
    g_autofree char *lower = g_ascii_strdown(value, -1);
    for (*number = 0; *number < 2; ++*number)
        if (g_strv_contains(words[*number], lower))
            return TRUE;
    return FALSE;
}

static gboolean one_of(const char *value, const char *words)
{
    g_auto(GStrv) list = g_strsplit(words, " ", -1);
    g_autofree char *lower = g_ascii_strdown(value, -1);
    return g_strv_contains((const char *const *)list, lower);
}

/* What is allowed, when `value` is not; NULL when it was stored. (owned) */
static char *store(SchedConfig *config, const Key *key, const char *value)
{
    gpointer at = (char *)config + key->offset;
    gint64 number;
    double real;
    char *end;
    switch (key->type) {
    case KEY_INTEGER:
        if (!g_ascii_string_to_signed(value, 10, key->least, key->most, &number, NULL))
            return g_strdup_printf("a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                                   key->least, key->most);
        *(gint64 *)at = number;
        return NULL;
    case KEY_YES_NO:
        if (!yes_no(value, &number))
            return g_strdup("YES or NO, 1 or 0");
        *(gint64 *)at = number;
        return NULL;
    case KEY_REAL:
        real = g_ascii_strtod(value, &end);
        if (end == value || *end != '\0' || !(real >= key->least && real <= key->most))
            return g_strdup_printf("a number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                                   key->least, key->most);
        *(double *)at = real;
        return NULL;
    case KEY_WORD:
        if (!one_of(value, key->words))
            return g_strdup_printf("one of: %s", key->words);
        break;
    default:
        break;
    }
    g_free(*(char **)at);
    *(char **)at = key->type == KEY_WORD ? g_ascii_strdown(value, -1) : g_strdup(value);
    return NULL;
}

/* Of equal keys the last counts, as in oned.conf; `nth` is which of that name it is. */
static const char *value_of(const Template *template, const char *name, guint *nth)
{
    g_auto(GStrv) parts = g_strsplit(name, "/", 2);
    const char *value = NULL;
    guint seen = 0;
    for (guint i = 0; i < template_count(template); i++) {
        const TemplateAttribute *attribute = template_nth(template, i);
        if (g_ascii_strcasecmp(attribute->name, parts[0]) != 0)
            continue;
        const char *given = parts[1] == NULL   ? attribute->value
                            : attribute->pairs ? attribute_get(attribute, parts[1])
                                               : NULL;
        if (given != NULL) {
            value = given;
            *nth = seen;
        }
        seen++;
    }
    return value;
}

static gboolean read_key(SchedConfig *config, const Key *key, const Template *template,
                         const char *text, const char *path, GError **error)
{
    guint nth = 0;
    const char *value = template != NULL ? value_of(template, key->name, &nth) : NULL;
    if (key->type == KEY_UNUSED && value != NULL && *value != '\0')
        g_ptr_array_add(config->warnings,
                        g_strdup_printf("%s means nothing here: %s", key->name, key->words));
    if (key->type == KEY_UNUSED || key->type == KEY_IGNORED)
        return TRUE;
    if (value == NULL || *value == '\0')
        value = key->standard;
    g_autofree char *allowed = value != NULL ? store(config, key, value) : NULL;
    if (allowed == NULL)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "%s, line %u: %s = \"%s\" is wrong; allowed: %s", path,
                text != NULL ? line_of(text, key->name, nth) : 0, key->name, value, allowed);
    return FALSE;
}

/* ---- The whole ---- */

static gboolean is_known(const char *name)
{
    gsize length = strlen(name);
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        if (strncmp(keys[i].name, name, length) == 0 &&
            (keys[i].name[length] == '\0' || keys[i].name[length] == '/'))
            return TRUE;
    return FALSE;
}

static void warn_of_unknown(SchedConfig *config, const Template *template)
{
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; i < template_count(template); i++) {
        const char *name = template_nth(template, i)->name;
        if (!is_known(name))
            g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", name);
    }
    if (names->len > 0)
        g_ptr_array_add(config->warnings,
                        g_strdup_printf("unknown keys, not used: %s", names->str));
}

/* A custom policy needs a rank that can be read. */
static gboolean check_rank(const char *name, const char *rank, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(Expr) expr = rank != NULL ? expr_parse_rank(rank, &why) : NULL;
    if (expr != NULL)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                why != NULL ? "%s has a RANK that cannot be read: %s"
                            : "%s has the custom policy, which needs a RANK%s",
                name, why != NULL ? why->message : "");
    return FALSE;
}

SchedConfig *sched_config_parse(const char *text, const char *path, GError **error)
{
    g_autoptr(Template) template = NULL;
    if (text != NULL) {
        template = template_parse(text, TEMPLATE_CONFIG, error);
        if (template == NULL) {
            g_prefix_error(error, "%s: ", path);
            return NULL;
        }
    }
    g_autoptr(SchedConfig) config = g_new0(SchedConfig, 1);
    config->warnings = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
        if (!read_key(config, &keys[i], template, text, path, error))
            return NULL;
    if (template != NULL)
        warn_of_unknown(config, template);
    if (!check_rank("DEFAULT_SCHED", sched_config_rank(config), error) ||
        !check_rank("DEFAULT_DS_SCHED", sched_config_ds_rank(config), error) ||
        !check_rank("DEFAULT_NIC_SCHED", sched_config_nic_rank(config), error))
        return NULL;
    return g_steal_pointer(&config);
}

SchedConfig *sched_config_load(const char *path, GError **error)
{
    g_autofree char *usual = paths_etc("sched.conf");
    g_autofree char *text = NULL;
    g_autoptr(GError) why = NULL;
    const char *used = path != NULL ? path : usual;
    if (!g_file_get_contents(used, &text, NULL, &why)) {
        if (path != NULL || !g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return NULL;
        }
        SchedConfig *config = sched_config_parse(NULL, used, error);
        g_ptr_array_add(config->warnings,
                        g_strdup_printf("there is no %s: every setting has its default", used));
        return config;
    }
    return sched_config_parse(text, used, error);
}
