#include "drivers/vmm/migrate/vmm_migrate_options.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <stddef.h>
#include <string.h>

typedef enum { KIND_NUMBER, KIND_SWITCH, KIND_TEXT } Kind;

typedef struct Row {
    const char *name;
    const char *older; /* another name of the same; may be NULL */
    Kind kind;
    gsize offset;         /* in MigrateOptions */
    const char *standard; /* when nobody says anything */
    gint64 most;          /* of a number */
    const char *unit;
    gboolean site; /* for administrators: machines and commands may not set it */
} Row;

#define AT(field) offsetof(MigrateOptions, field)

static const Row rows[] = {
    {"MAX_DOWNTIME", NULL, KIND_NUMBER, AT(max_downtime_ms), "0", 2000000, "milliseconds"},
    {"BANDWIDTH", NULL, KIND_NUMBER, AT(bandwidth_mibs), "0", 1000000, "MiB/s"},
    {"TIME_LIMIT", "TIMEOUT", KIND_NUMBER, AT(time_limit_s), "600", 86400, "seconds"},
    {"POSTCOPY_AFTER", NULL, KIND_NUMBER, AT(postcopy_after_s), "0", 86400, "seconds"},
    {"POSTCOPY_RESUME", NULL, KIND_NUMBER, AT(postcopy_resume_s), "300", 86400, "seconds"},
    {"AUTO_CONVERGE", NULL, KIND_SWITCH, AT(auto_converge), "YES"},
    {"POSTCOPY", NULL, KIND_SWITCH, AT(postcopy), "NO"},
    {"COMPRESSED", NULL, KIND_SWITCH, AT(compressed), "NO"},
    {"PEER2PEER", NULL, KIND_SWITCH, AT(peer2peer), "NO"},
    {"TUNNEL", NULL, KIND_SWITCH, AT(tunnel), "NO"},
    {"TLS", NULL, KIND_SWITCH, AT(tls), "NO"},
    {"LIVE_ONLY", NULL, KIND_SWITCH, AT(live_only), "NO"},
    /* Where the hosts shall send memory to is not for the owner of a machine to say. */
    {"URI", NULL, KIND_TEXT, AT(uri), NULL, 0, NULL, TRUE},
};

/* Elements of the request that hold a MIGRATE vector, the most binding first. */
static const struct {
    const char *path;
    gboolean of_machine; /* below VM; else below the document's root */
    const char *text;
    gboolean site;
} places[] = {
    {"MIGRATE", FALSE, "the command", FALSE},
    {"USER_TEMPLATE/MIGRATE", TRUE, "the machine's template", FALSE},
    {"TEMPLATE/MIGRATE", TRUE, "the machine's template", FALSE},
    {"HOST_TEMPLATE/MIGRATE", FALSE, "the host's template", TRUE},
};

void migrate_options_clear(MigrateOptions *options)
{
    g_clear_pointer(&options->uri, g_free);
}

static char *from_document(const xmlNode *root, const char *path, const char *name)
{
    g_autofree char *whole = g_strdup_printf("%s/%s", path, name);
    char *text = xml_get(root, whole);
    if (text && *g_strstrip(text))
        return text;
    g_free(text);
    return NULL;
}

/* The value that counts, and where it is from. NULL: nobody says anything. (owned) */
static char *find(const VmmAction *action, const Template *defaults, const Row *row,
                  const char **place)
{
    const char *names[] = {row->name, row->older};
    for (guint i = 0; i < G_N_ELEMENTS(places) * 2; i++) {
        guint at = i / 2;
        if (!names[i % 2] || (row->site && !places[at].site))
            continue;
        const xmlNode *root = places[at].of_machine ? action->vm : xml_root(action->document);
        char *value = from_document(root, places[at].path, names[i % 2]);
        *place = places[at].text;
        if (value)
            return value;
    }
    *place = "the driver's configuration";
    for (guint i = 0; i < G_N_ELEMENTS(names) && names[i] && defaults; i++) {
        const char *value = template_get_pair(defaults, "MIGRATE", names[i]);
        if (value && *value)
            return g_strdup(value);
    }
    return NULL;
}

static gboolean read_switch(const char *value, gboolean *yes)
{
    static const char *const nos[] = {"NO", "N", "FALSE", "OFF", "0"};
    *yes = vmm_is_yes(value);
    for (guint i = 0; i < G_N_ELEMENTS(nos) && !*yes; i++)
        if (!g_ascii_strcasecmp(value, nos[i]))
            return TRUE;
    return *yes;
}

static gboolean store(const Row *row, const char *value, const char *place, MigrateOptions *options,
                      GError **error)
{
    char *field = (char *)options + row->offset;
    guint64 number = 0;
    if (row->kind == KIND_TEXT) {
        *(char **)(gpointer)field = g_strdup(value);
        return TRUE;
    }
    if (row->kind == KIND_SWITCH) {
        if (read_switch(value, (gboolean *)(gpointer)field))
            return TRUE;
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "MIGRATE/%s of %s is \"%.80s\"; it must be YES or NO", row->name, place, value);
        return FALSE;
    }
    if (g_ascii_string_to_unsigned(value, 10, 0, (guint64)row->most, &number, NULL)) {
        *(gint64 *)(gpointer)field = (gint64)number;
        return TRUE;
    }
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "MIGRATE/%s of %s is \"%.80s\"; it must be a whole number of %s from 0 to "
                "%" G_GINT64_FORMAT,
                row->name, place, value, row->unit, row->most);
    return FALSE;
}

gboolean migrate_options_read(const VmmAction *action, const Template *defaults,
                              MigrateOptions *options, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *place = NULL;
        g_autofree char *value = find(action, defaults, &rows[i], &place);
        const char *counts = value ? value : rows[i].standard;
        if (counts && !store(&rows[i], counts, place, options, error))
            return FALSE;
    }
    return TRUE;
}

gboolean migrate_options_fit(const MigrateOptions *options, gboolean qemu, gboolean shared,
                             const char *name, GError **error)
{
    const struct {
        gboolean wrong;
        const char *text;
    } rules[] = {
        {options->tls && !qemu, "TLS=YES: libvirt cannot encrypt migrations of this hypervisor"},
        {options->tunnel && !qemu, "TUNNEL=YES: libvirt cannot tunnel migrations of this "
                                   "hypervisor"},
        {options->postcopy && !qemu, "POSTCOPY=YES: this hypervisor has no post-copy"},
        {!shared && !qemu,
         "the system datastore is not shared (SHARED=YES), and libvirt cannot copy the disks of a "
         "running machine on this hypervisor: migrate without --live"},
        {options->tls && options->tunnel,
         "TLS=YES and TUNNEL=YES: choose one; a tunnel goes through the hosts' ssh and is "
         "encrypted already"},
        {options->tunnel && options->postcopy,
         "TUNNEL=YES and POSTCOPY=YES: post-copy needs a way back, which a tunnel has not; TLS=YES "
         "encrypts and can do both"},
        {options->tunnel && !shared,
         "TUNNEL=YES: disks that the hosts do not share cannot be copied through a tunnel; TLS=YES "
         "encrypts them"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++)
        if (rules[i].wrong) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "MIGRATE (%s): %s", name,
                        rules[i].text);
            return FALSE;
        }
    return TRUE;
}

unsigned int migrate_options_flags(const MigrateOptions *options, gboolean qemu,
                                   MigrateStorage storage, gboolean persistent)
{
    unsigned int flags = VIR_MIGRATE_LIVE;
    /* Our domains are transient: they leave no definition behind. Imported ones take theirs along.
     */
    if (persistent)
        flags |= VIR_MIGRATE_PERSIST_DEST | VIR_MIGRATE_UNDEFINE_SOURCE;
    if (!qemu)
        return flags;
    const struct {
        gboolean wanted;
        unsigned int flags;
    } choices[] = {
        {TRUE, VIR_MIGRATE_ABORT_ON_ERROR},
        {options->auto_converge, VIR_MIGRATE_AUTO_CONVERGE},
        {options->postcopy, VIR_MIGRATE_POSTCOPY},
        {options->compressed, VIR_MIGRATE_COMPRESSED},
        {options->tls, VIR_MIGRATE_TLS},
        {options->tunnel, VIR_MIGRATE_TUNNELLED},
        /* The administrator vouches for the directory by SHARED=YES; libvirt knows only NFS and
         * a few others. */
        {storage == MIGRATE_SHARED, VIR_MIGRATE_UNSAFE},
        {storage == MIGRATE_MIRRORED, VIR_MIGRATE_NON_SHARED_DISK},
    };
    for (guint i = 0; i < G_N_ELEMENTS(choices); i++)
        if (choices[i].wanted)
            flags |= choices[i].flags;
    return flags;
}
