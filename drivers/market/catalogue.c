#include "drivers/market/catalogue.h"

#include "drivers/common/json.h"
#include "lib/base/error.h"
#include "lib/template/template.h"
#include <string.h>

#define MIB 1048576
/* MiB that a container gets when nothing is said. */
#define CONTAINER_MEMORY "512"

static void append_app(GString *list, const Template *app)
{
    g_autofree char *text = template_to_text(app);
    g_autofree char *base64 = g_base64_encode((const guchar *)text, strlen(text));
    g_string_append_printf(list, "APP=\"%s\"\n", base64);
}

static void set_base64(Template *app, const char *name, const Template *value)
{
    if (template_count(value) == 0)
        return;
    g_autofree char *text = template_to_text(value);
    g_autofree char *base64 = g_base64_encode((const guchar *)text, strlen(text));
    template_set(app, name, base64);
}

/* ---- OpenNebula's marketplace ---- */

/* Names of attributes are letters, digits and _. */
static gboolean is_name(const char *name)
{
    static const char letters[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_";
    return *name != '\0' && name[strspn(name, letters)] == '\0';
}

/* A number or a text as text; NULL for anything else. (owned) */
static char *scalar(JsonNode *node)
{
    if (node == NULL || !JSON_NODE_HOLDS_VALUE(node))
        return NULL;
    if (json_node_get_value_type(node) == G_TYPE_STRING)
        return json_node_dup_string(node);
    if (json_node_get_value_type(node) == G_TYPE_INT64)
        return g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(node));
    return NULL;
}

static char *scalar_of(JsonObject *object, const char *name)
{
    return object != NULL && json_object_has_member(object, name)
               ? scalar(json_object_get_member(object, name))
               : NULL;
}

static void add_member(Template *into, const char *name, JsonNode *node)
{
    g_autofree char *text = scalar(node);
    if (!is_name(name))
        return;
    if (text != NULL)
        template_add(into, name, text);
    if (node == NULL || !JSON_NODE_HOLDS_OBJECT(node))
        return;
    TemplateAttribute *vector = template_add_vector(into, name);
    JsonObjectIter iterator;
    const char *key;
    JsonNode *value;
    json_object_iter_init(&iterator, json_node_get_object(node));
    while (json_object_iter_next(&iterator, &key, &value)) {
        g_autofree char *inner = scalar(value);
        if (inner != NULL && is_name(key))
            attribute_set(vector, key, inner);
    }
}

/* opennebula_template: a template as JSON, which is itself a text. */
static void read_template(Template *app, JsonObject *appliance)
{
    const char *text = json_text_at(appliance, "opennebula_template");
    g_autoptr(JsonObject) object = text != NULL ? json_read(text, strlen(text), NULL) : NULL;
    g_autoptr(Template) made = template_new();
    JsonObjectIter iterator;
    const char *key;
    JsonNode *value;
    if (object == NULL)
        return;
    json_object_iter_init(&iterator, object);
    while (json_object_iter_next(&iterator, &key, &value)) {
        if (!JSON_NODE_HOLDS_ARRAY(value)) {
            add_member(made, key, value);
            continue;
        }
        JsonArray *array = json_node_get_array(value);
        for (guint i = 0; i < json_array_get_length(array); i++)
            add_member(made, key, json_array_get_element(array, i));
    }
    set_base64(app, "VMTEMPLATE64", made);
}

static void read_file(Template *app, JsonObject *file)
{
    static const char *const names[][2] = {
        {"dev_prefix", "DEV_PREFIX"}, {"driver", "DRIVER"}, {"type", "TYPE"}};
    g_autoptr(Template) inner = template_new();
    g_autofree char *size = scalar_of(file, "size");
    const char *md5 = json_text_of(file, "md5");
    gint64 bytes = size != NULL ? g_ascii_strtoll(size, NULL, 10) : 0;
    if (bytes > 0)
        template_set_int(app, "SIZE", bytes / MIB + (bytes % MIB != 0));
    if (md5 != NULL)
        template_set(app, "MD5", md5);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        template_set(inner, names[i][1], json_text_of(file, names[i][0]));
    set_base64(app, "APPTEMPLATE64", inner);
}

/* IMAGE, unless it says that it is a template of machines or of a service. */
static const char *type_of(JsonObject *appliance)
{
    const char *type = json_text_at(appliance, "type");
    return type != NULL && g_ascii_strcasecmp(type, "VMTEMPLATE") == 0         ? "VMTEMPLATE"
           : type != NULL && g_ascii_strcasecmp(type, "SERVICE_TEMPLATE") == 0 ? "SERVICE_TEMPLATE"
                                                                               : "IMAGE";
}

static char *joined(JsonArray *tags)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < json_count(tags); i++)
        if (json_nth_text(tags, i) != NULL)
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", json_nth_text(tags, i));
    return g_strdup(text->str);
}

static gboolean read_appliance(GString *list, JsonObject *appliance, const char *endpoint)
{
    static const char *const names[][2] = {{"name", "NAME"},
                                           {"publisher", "PUBLISHER"},
                                           {"format", "FORMAT"},
                                           {"short_description", "DESCRIPTION"},
                                           {"version", "VERSION"},
                                           {"opennebula_version", "OPENNEBULA_VERSION"},
                                           {"hypervisor", "HYPERVISOR"}};
    const char *id = json_text_of(json_object_of(appliance, "_id"), "$oid");
    if (id == NULL)
        id = json_text_of(appliance, "_id");
    if (id == NULL || !*id || strpbrk(id, " \t\r\n") != NULL ||
        json_text_of(appliance, "name") == NULL)
        return FALSE;
    g_autoptr(Template) app = template_new();
    g_autofree char *source = g_strdup_printf("%s/appliance/%s/download/0", endpoint, id);
    g_autofree char *link = g_strdup_printf("%s/appliance/%s", endpoint, id);
    g_autofree char *tags = joined(json_array_at(appliance, "tags"));
    g_autofree char *time = scalar_of(appliance, "creation_time");
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        template_set(app, names[i][1], json_text_of(appliance, names[i][0]));
    template_set(app, "IMPORT_ID", id);
    template_set(app, "ORIGIN_ID", "-1");
    template_set(app, "TYPE", type_of(appliance));
    template_set(app, "SOURCE", source);
    template_set(app, "LINK", link);
    template_set(app, "TAGS", *tags ? tags : NULL);
    template_set(app, "REGTIME", time);
    read_file(app, json_nth_object(json_array_at(appliance, "files"), 0));
    read_template(app, appliance);
    append_app(list, app);
    return TRUE;
}

char *catalogue_read_one(const char *text, gsize length, const char *endpoint, GError **error)
{
    g_autoptr(JsonObject) root = json_read(text, length, error);
    JsonArray *appliances = root != NULL ? json_array_at(root, "appliances") : NULL;
    g_autoptr(GString) list = g_string_new(NULL);
    if (root != NULL && appliances == NULL)
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "it has no list of appliances: it is no catalogue of a marketplace");
    if (appliances == NULL)
        return NULL;
    for (guint i = 0; i < json_count(appliances); i++) {
        JsonObject *appliance = json_nth_object(appliances, i);
        if (appliance != NULL)
            (void)read_appliance(list, appliance, endpoint);
    }
    return g_strdup(list->str);
}

/* ---- the image server of linuxcontainers.org ---- */

static gboolean is_plain(const char *word)
{
    static const char letters[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_-+.";
    return *word != '\0' && word[strspn(word, letters)] == '\0';
}

/* "20240131_05:24" as seconds since the epoch; 0 when it is no time. */
static gint64 time_of(const char *date)
{
    static const char pattern[] = "dddddddd_dd:dd";
    for (guint i = 0; i < sizeof pattern; i++)
        if (pattern[i] == 'd' ? !g_ascii_isdigit(date[i]) : date[i] != pattern[i])
            return 0;
    gint64 day = g_ascii_strtoll(date, NULL, 10);
    g_autoptr(GDateTime) time = g_date_time_new_utc(
        (gint)(day / 10000), (gint)(day / 100 % 100), (gint)(day % 100),
        (gint)g_ascii_strtoll(date + 9, NULL, 10), (gint)g_ascii_strtoll(date + 12, NULL, 10), 0);
    return time != NULL ? g_date_time_to_unix(time) : 0;
}

static void read_container(GString *list, char **fields, const char *endpoint)
{
    gboolean usual = strcmp(fields[3], "default") == 0;
    g_autoptr(Template) app = template_new(), machine = template_new();
    g_autofree char *alias = g_strdup_printf("%s/%s%s%s/%s", fields[0], fields[1], usual ? "" : "/",
                                             usual ? "" : fields[3], fields[2]);
    g_autofree char *name = g_strdup_printf("%s %s%s%s %s - LXD", fields[0], fields[1],
                                            usual ? "" : " ", usual ? "" : fields[3], fields[2]);
    g_autofree char *source =
        g_strdup_printf("%s%s%s", endpoint, *fields[5] == '/' ? "" : "/", fields[5]);
    TemplateAttribute *container = template_add_vector(machine, "CONTAINER");
    attribute_set(container, "IMAGE", alias);
    attribute_set(container, "SERVER", endpoint);
    template_set(machine, "CPU", "1");
    template_set(machine, "MEMORY", CONTAINER_MEMORY);
    template_set(machine, "HYPERVISOR", "lxd");
    template_set(app, "NAME", name);
    template_set(app, "IMPORT_ID", alias);
    template_set(app, "ORIGIN_ID", "-1");
    template_set(app, "TYPE", "VMTEMPLATE");
    template_set(app, "SOURCE", source);
    template_set(app, "PUBLISHER", "linuxcontainers.org");
    template_set(app, "VERSION", fields[4]);
    template_set(app, "ARCHITECTURE", fields[2]);
    template_set(app, "FORMAT", "raw");
    template_set(app, "SIZE", "0");
    template_set_int(app, "REGTIME", time_of(fields[4]));
    set_base64(app, "APPTEMPLATE64", machine);
    append_app(list, app);
}

char *catalogue_read_containers(const char *text, gsize length, const char *endpoint,
                                GError **error)
{
    g_autofree char *copy = g_strndup(text, length);
    g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);
    g_autoptr(GString) list = g_string_new(NULL);
    for (guint i = 0; lines[i] != NULL; i++) {
        g_auto(GStrv) fields = g_strsplit(g_strstrip(lines[i]), ";", -1);
        if (g_strv_length(fields) >= 6 && is_plain(fields[0]) && is_plain(fields[1]) &&
            is_plain(fields[2]) && is_plain(fields[3]) && strpbrk(fields[5], " \t") == NULL)
            read_container(list, fields, endpoint);
    }
    if (list->len > 0)
        return g_strdup(list->str);
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                "it has no line \"distribution;release;arch;variant;date;path\": it is no index of "
                "images");
    return NULL;
}
