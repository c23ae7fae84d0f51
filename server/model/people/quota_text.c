/* Quotas as text: the templates that set limits, the XML that shows them, the rows of the store. */
#include "server/model/people/quota_private.h"

#include "lib/base/error.h"
#include "server/model/place/cluster.h"
#include "server/model/people/user.h"

#include <math.h>
#include <string.h>

/* As much as an amount may be (server/model/people/quota_use.c). */
#define LIMIT_MAX         1e12

#define wrong(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, __VA_ARGS__), FALSE)

void quota_print_amount(GString *text, gint64 amount)
{
    guint64 whole = amount < 0 ? -(guint64)amount : (guint64)amount;
    g_string_append_printf(text, "%s%" G_GUINT64_FORMAT, amount < 0 ? "-" : "", whole / QUOTA_UNIT);
    guint part = (guint)(whole % QUOTA_UNIT);
    if (part) {
        g_string_append_printf(text, ".%03u", part);
        while (text->str[text->len - 1] == '0')
            g_string_truncate(text, text->len - 1);
    }
}

/* ---- limits ---- */

static gboolean read_limit(const char *text, gint64 *limit)
{
    char *end;
    double value = g_ascii_strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value > LIMIT_MAX)
        return FALSE;
    *limit = (gint64)llround(value * QUOTA_UNIT);
    return *limit >= 0 || *limit == QUOTA_BY_OTHERS || *limit == QUOTA_UNLIMITED;
}

static gboolean metric_of(const Quotas *quotas, QuotaType type, const char *name, guint *metric)
{
    for (*metric = 0; *metric < quota_metrics(quotas, type); (*metric)++)
        if (strcmp(quota_metric_name(quotas, type, *metric), name) == 0)
            return TRUE;
    return FALSE;
}

static gboolean refuse_metric(World *world, QuotaType type, const char *name, GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);
    for (guint i = 0; i < quota_metrics(world->quotas, type); i++)
        g_string_append_printf(known, "%s%s", i ? ", " : "",
                               quota_metric_name(world->quotas, type, i));
    return wrong(error, "There is no quota %s in %s; there are: %s", name, quota_type_name(type),
                 known->str);
}

/* Names in a vector that are no limits: the key, and the counters that clients send back. */
static gboolean is_limit(QuotaType type, const char *name)
{
    return strcmp(name, type == QUOTA_VM ? "CLUSTER_IDS" : "ID") != 0 &&
           !g_str_has_suffix(name, "_USED");
}

static gboolean check_limits(World *world, QuotaType type, const TemplateAttribute *vector,
                             GError **error)
{
    for (guint i = 0; i < vector->pairs->len; i++) {
        const TemplatePair *pair = vector->pairs->pdata[i];
        gint64 limit;
        guint metric;
        if (!is_limit(type, pair->name))
            continue;
        if (!metric_of(world->quotas, type, pair->name, &metric))
            return refuse_metric(world, type, pair->name, error);
        if (!read_limit(pair->value, &limit))
            return wrong(error,
                         "Negative limits or bad format in quota %s: %s is \"%s\", and must be a "
                         "number up to %.0f, -1 for the default limit or -2 for none",
                         quota_type_name(type), pair->name, pair->value, LIMIT_MAX);
    }
    return TRUE;
}

/* The clusters of a quota of machines; NULL with no error for all of them. */
static gboolean read_clusters(World *world, QuotaOwner kind, gint32 owner,
                              const TemplateAttribute *vector, GArray **clusters, GError **error)
{
    const char *text = attribute_get(vector, "CLUSTER_IDS");
    if (!text || !*text)
        return TRUE;
    if (text[strspn(text, "0123456789, ")])
        return wrong(error, "CLUSTER_IDS of a quota is \"%s\", and must be ids such as 0,100",
                     text);
    if (owner == QUOTA_DEFAULTS)
        return wrong(error, "There are no default quotas per cluster: CLUSTER_IDS = \"%s\"", text);
    *clusters = ids_parse(text);
    const QuotaBook *book = quota_book(world, kind, owner);
    for (guint i = 0; i < (*clusters)->len; i++) {
        gint32 id = g_array_index(*clusters, gint32, i);
        if (!pool_get(world, KIND_CLUSTER, id))
            return wrong(error, "CLUSTER_IDS of a quota names cluster %d, which does not exist",
                         id);
        for (guint j = 0; book && j < book->entries->len; j++) {
            const QuotaEntry *entry = book->entries->pdata[j];
            gboolean other =
                entry->clusters && ids_contain(entry->clusters, id) &&
                entry != quota_entry(world, kind, owner, QUOTA_VM, QUOTA_GLOBAL, *clusters, FALSE);
            g_autofree char *has = other ? ids_print(entry->clusters) : NULL;
            if (other && !quota_entry_is_blank(entry))
                return wrong(error,
                             "Cluster %d has a quota already, with CLUSTER_IDS = \"%s\"; set its "
                             "limits to -1 first",
                             id, has);
        }
    }
    return TRUE;
}

static gboolean read_key(World *world, QuotaOwner kind, gint32 owner, QuotaType type,
                         const TemplateAttribute *vector, gint32 *ref, GArray **clusters,
                         GError **error)
{
    static const Kind kinds[] = {
        [QUOTA_DATASTORE] = KIND_DATASTORE, [QUOTA_NETWORK] = KIND_NET, [QUOTA_IMAGE] = KIND_IMAGE};
    gint64 id;
    *ref = QUOTA_GLOBAL;
    if (type == QUOTA_VM)
        return read_clusters(world, kind, owner, vector, clusters, error);
    const char *text = attribute_get(vector, "ID");
    if (!text || !g_ascii_string_to_signed(text, 10, 0, G_MAXINT32, &id, NULL))
        return wrong(error, "A quota of %s needs the ID of one, and has \"%s\"",
                     quota_type_name(type), text ? text : "");
    *ref = (gint32)id;
    return pool_get(world, kinds[type], *ref) != NULL ||
           quota_entry(world, kind, owner, type, *ref, NULL, FALSE) != NULL ||
           wrong(error, "A quota is of %s %d, which does not exist", kind_row(kinds[type])->words,
                 *ref);
}

static gboolean set_one(World *world, QuotaOwner kind, gint32 owner, QuotaType type,
                        const TemplateAttribute *vector, gboolean only_check, GError **error)
{
    g_autoptr(GArray) clusters = NULL;
    gint32 ref;
    if (!check_limits(world, type, vector, error) ||
        !read_key(world, kind, owner, type, vector, &ref, &clusters, error))
        return FALSE;
    if (only_check)
        return TRUE;
    gboolean is_new = !quota_entry(world, kind, owner, type, ref, clusters, FALSE);
    QuotaEntry *entry = quota_entry(world, kind, owner, type, ref, clusters, TRUE);
    if (is_new && clusters)
        quota_entry_recount(world, entry);
    for (guint i = 0; i < vector->pairs->len; i++) {
        const TemplatePair *pair = vector->pairs->pdata[i];
        guint metric;
        if (is_limit(type, pair->name) && metric_of(world->quotas, type, pair->name, &metric))
            (void)read_limit(pair->value, &entry->limits[metric]);
    }
    quota_entry_changed(world, entry);
    return TRUE;
}

static gboolean set_all(World *world, QuotaOwner kind, gint32 owner, const Template *limits,
                        gboolean only_check, GError **error)
{
    for (guint i = 0; i < template_count(limits); i++) {
        const TemplateAttribute *vector = template_nth(limits, i);
        guint type = 0;
        while (type < QUOTA_TYPES && strcmp(quota_type_name((QuotaType)type), vector->name) != 0)
            type++;
        if (type == QUOTA_TYPES || !vector->pairs)
            return wrong(error,
                         "A quota is VM = [...], DATASTORE = [...], NETWORK = [...] or IMAGE = "
                         "[...], and not %s",
                         vector->name);
        if (!set_one(world, kind, owner, (QuotaType)type, vector, only_check, error))
            return FALSE;
    }
    return TRUE;
}

/* The renderings of everybody hold the defaults. */
static void defaults_changed(World *world, QuotaOwner kind)
{
    Kind shown = kind == QUOTA_USER ? KIND_USER : KIND_GROUP;
    const GPtrArray *order = world->pools[shown].order;
    for (guint i = 0; i < order->len; i++) {
        Object *object = order->pdata[i];
        object_touched(world, object);
        object->changed = core_batch(world->core);
    }
    world->pools[shown].changed = core_batch(world->core);
}

gboolean quota_set(World *world, QuotaOwner kind, gint32 owner, const Template *limits,
                   GError **error)
{
    if (owner == 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "There are no quotas for %s oneadmin, which nothing limits",
                    kind == QUOTA_USER ? "user" : "group");
        return FALSE;
    }
    /* Twice: two vectors of one template may have clusters in common. */
    if (!set_all(world, kind, owner, limits, TRUE, error) ||
        !set_all(world, kind, owner, limits, FALSE, error))
        return FALSE;
    if (owner == QUOTA_DEFAULTS)
        defaults_changed(world, kind);
    return TRUE;
}

/* ---- XML ---- */

static void render_amount(GString *xml, const char *name, const char *end, gint64 amount)
{
    g_string_append_printf(xml, "<%s%s><![CDATA[", name, end);
    quota_print_amount(xml, amount);
    g_string_append_printf(xml, "]]></%s%s>", name, end);
}

static void render_entry(const Quotas *quotas, const QuotaEntry *entry, GString *xml)
{
    const char *type = quota_type_name(entry->type);
    g_string_append_printf(xml, "<%s>", type);
    if (entry->clusters) {
        g_autofree char *clusters = ids_print(entry->clusters);
        xml_cdata(xml, "CLUSTER_IDS", clusters);
    }
    if (entry->type != QUOTA_VM)
        g_string_append_printf(xml, "<ID><![CDATA[%d]]></ID>", entry->ref);
    for (guint i = 0; i < entry->count; i++) {
        const char *name = quota_metric_name(quotas, entry->type, i);
        render_amount(xml, name, "", entry->limits[i]);
        render_amount(xml, name, "_USED", entry->used[i]);
    }
    g_string_append_printf(xml, "</%s>", type);
}

void quota_render(World *world, QuotaOwner kind, gint32 owner, GString *xml)
{
    static const QuotaType order[] = {QUOTA_DATASTORE, QUOTA_NETWORK, QUOTA_VM, QUOTA_IMAGE};
    quota_settle(world);
    const QuotaBook *book = quota_book(world, kind, owner);
    for (guint i = 0; i < G_N_ELEMENTS(order); i++) {
        const char *type = quota_type_name(order[i]);
        gsize before = xml->len;
        for (guint j = 0; book && j < book->entries->len; j++) {
            const QuotaEntry *entry = book->entries->pdata[j];
            if (entry->type != order[i] || quota_entry_is_blank(entry))
                continue;
            if (xml->len == before)
                g_string_append_printf(xml, "<%s_QUOTA>", type);
            render_entry(world->quotas, entry, xml);
        }
        g_string_append_printf(xml, xml->len == before ? "<%s_QUOTA/>" : "</%s_QUOTA>", type);
    }
}

void quota_render_defaults(World *world, QuotaOwner kind, GString *xml)
{
    const char *name = kind == QUOTA_USER ? "DEFAULT_USER_QUOTAS" : "DEFAULT_GROUP_QUOTAS";
    g_string_append_printf(xml, "<%s>", name);
    quota_render(world, kind, QUOTA_DEFAULTS, xml);
    g_string_append_printf(xml, "</%s>", name);
}

/* ---- rows ---- */

static const StoreColumn quota_columns[] = {
    {"kind", STORE_INT},    {"owner", STORE_INT}, {"type", STORE_INT}, {"ref", STORE_TEXT},
    {"limits", STORE_TEXT}, {"used", STORE_TEXT}, {NULL, STORE_INT},
};
const StoreTable quota_table = {"quota", 4, quota_columns};

/* The key as text: an id, clusters, or nothing. (owned) */
static char *ref_text(const QuotaEntry *entry)
{
    if (entry->clusters)
        return ids_print(entry->clusters);
    return entry->ref >= 0 ? g_strdup_printf("%d", entry->ref) : g_strdup("");
}

/* "NAME=amount ...", those left out that are `usual`; then what is unknown. (owned) */
static char *amounts_text(const Quotas *quotas, const QuotaEntry *entry, const gint64 *amounts,
                          gint64 usual, const char *unknown)
{
    GString *text = g_string_sized_new(128);
    for (guint i = 0; i < entry->count; i++) {
        if (amounts[i] == usual)
            continue;
        if (text->len)
            g_string_append_c(text, ' ');
        g_string_append(text, quota_metric_name(quotas, entry->type, i));
        g_string_append_c(text, '=');
        quota_print_amount(text, amounts[i]);
    }
    if (unknown)
        g_string_append_printf(text, "%s%s", text->len ? " " : "", unknown);
    return g_string_free(text, FALSE);
}

static void write_entry(World *world, const QuotaEntry *entry, gboolean blank)
{
    StoreWrite *row = store_write_new(&quota_table, blank ? STORE_DELETE : STORE_PUT);
    store_set_int(row, 0, entry->kind);
    store_set_int(row, 1, entry->owner);
    store_set_int(row, 2, entry->type);
    store_take_text(row, 3, ref_text(entry));
    if (!blank) {
        store_take_text(
            row, 4,
            amounts_text(world->quotas, entry, entry->limits, QUOTA_BY_OTHERS, entry->unknown));
        store_take_text(row, 5, amounts_text(world->quotas, entry, entry->used, 0, NULL));
    }
    core_write(world->core, row);
}

void quota_save(World *world)
{
    Quotas *quotas = world->quotas;
    quota_settle(world);
    for (guint i = 0; i < quotas->unsaved->len; i++) {
        QuotaEntry *entry = quotas->unsaved->pdata[i];
        gboolean blank = quota_entry_is_blank(entry);
        QuotaBook *book = quota_book(world, entry->kind, entry->owner);
        entry->unsaved = FALSE;
        if (!blank || entry->stored)
            write_entry(world, entry, blank);
        entry->stored = TRUE;
        if (!blank)
            continue;
        gint32 owner = entry->owner;
        QuotaOwner kind = entry->kind;
        g_ptr_array_remove(book->entries, entry);
        if (book->entries->len == 0)
            g_hash_table_remove(quotas->books[kind], GINT_TO_POINTER(owner));
    }
    g_ptr_array_set_size(quotas->unsaved, 0);
    g_ptr_array_set_size(quotas->wrong, 0); /* what was, is written right now */
}

/* Reads "NAME=amount ..."; what has no name today is appended to `unknown`, when that is given. */
static void read_amounts(const Quotas *quotas, const QuotaEntry *entry, const char *text,
                         gint64 *amounts, GString *unknown)
{
    g_auto(GStrv) words = g_strsplit(text ? text : "", " ", -1);
    for (guint i = 0; words[i]; i++) {
        char *value = strchr(words[i], '=');
        guint metric;
        if (!value)
            continue;
        *value = '\0';
        if (metric_of(quotas, entry->type, words[i], &metric))
            amounts[metric] = (gint64)llround(g_ascii_strtod(value + 1, NULL) * QUOTA_UNIT);
        else if (unknown)
            g_string_append_printf(unknown, "%s%s=%s", unknown->len ? " " : "", words[i],
                                   value + 1);
    }
}

gboolean quota_load(World *world, const StoreValue *values, GError **error)
{
    gint64 kind = values[0].number, type = values[2].number;
    if (kind < 0 || kind >= QUOTA_OWNERS || type < 0 || type >= QUOTA_TYPES)
        return wrong(error,
                     "A quota is of kind %" G_GINT64_FORMAT " and type %" G_GINT64_FORMAT
                     ", which do not exist",
                     kind, type);
    const char *ref = values[3].text ? values[3].text : "";
    g_autoptr(GArray) clusters = type == QUOTA_VM && *ref ? ids_parse(ref) : NULL;
    gint64 id = type == QUOTA_VM ? QUOTA_GLOBAL : g_ascii_strtoll(ref, NULL, 10);
    QuotaEntry *entry = quota_entry(world, (QuotaOwner)kind, (gint32)values[1].number,
                                    (QuotaType)type, (gint32)id, clusters, TRUE);
    g_autoptr(GString) unknown = g_string_new(NULL);
    entry->stored = TRUE;
    entry->found = g_new0(gint64, entry->count);
    read_amounts(world->quotas, entry, values[4].text, entry->limits, unknown);
    read_amounts(world->quotas, entry, values[5].text, entry->found, NULL);
    entry->unknown = unknown->len ? g_strdup(unknown->str) : NULL;
    return TRUE;
}
