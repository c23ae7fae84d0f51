#include "server/model/secrets.h"

#include <string.h>

/* ---- the table ---- */

gboolean secret_argument(const char *method, guint position, gboolean is_answer)
{
    static const struct {
        const char *method;
        guint position;
        gboolean is_answer;
    } secrets[] = {
        {"one.user.allocate", 3, FALSE}, {"one.user.passwd", 3, FALSE},
        {"one.user.chauth", 4, FALSE},   {"one.user.login", 3, FALSE},
        {"one.user.update", 3, FALSE},   {"one.vm.exec", 3, FALSE},
        {"one.vm.exec", 4, FALSE},       {"one.user.login", 2, TRUE},
        {"globule.vm.console", 2, TRUE},
    };
    if (position == 1 && !is_answer)
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(secrets); i++)
        if (secrets[i].position == position && secrets[i].is_answer == is_answer &&
            !strcmp(secrets[i].method, method))
            return TRUE;
    return FALSE;
}

/* Ends of names, as KEEPALIVED_PASSWORD, also before _BASE64; names that end so and are wishes (YES
 * or NO) or ids by which libvirt knows a secret; and names that say it only where they stand. */
static const char *const endings[] = {"PASSWORD",   "PASSWD",     "PASSPHRASE", "PRIVATE_KEY",
                                      "SECRET_KEY", "ACCESS_KEY", "TOKEN",      "SECRET"};
static const struct {
    const char *parent, *name; /* parent NULL: any */
} known[] = {
    {NULL, "RANDOM_PASSWD"},
    {"CONTEXT", "TOKEN"},
    {NULL, "CEPH_SECRET"},
    {NULL, "LUKS_SECRET"},
};
static const struct {
    const char *parent, *name;
} places[] = {
    {"QEMU_GA_EXEC", "COMMAND"},
    {"QEMU_GA_EXEC", "STDIN"},
    {"QEMU_GA_EXEC", "STDOUT"},
    {"QEMU_GA_EXEC", "STDERR"},
};
static const char *const lists[] = {
    "VM_ENCRYPTED_ATTR",    "USER_ENCRYPTED_ATTR",      "CLUSTER_ENCRYPTED_ATTR",
    "HOST_ENCRYPTED_ATTR",  "DATASTORE_ENCRYPTED_ATTR", "DOCUMENT_ENCRYPTED_ATTR",
    "IMAGE_ENCRYPTED_ATTR", "VNET_ENCRYPTED_ATTR",
};

/* "CONTEXT/PASSWORD" or "SSH_PRIVATE_KEY". */
static gboolean path_names(const char *path, const char *parent, const char *name)
{
    const char *slash = strchr(path, '/');
    if (!slash)
        return g_ascii_strcasecmp(path, name) == 0;
    gsize length = (gsize)(slash - path);
    return parent && strlen(parent) == length && !g_ascii_strncasecmp(path, parent, length) &&
           !g_ascii_strcasecmp(slash + 1, name);
}

/* By the tables; both names in capitals. */
static gboolean ends_so(const char *parent, const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(known); i++)
        if (!strcmp(known[i].name, name) &&
            (!known[i].parent || !g_strcmp0(known[i].parent, parent)))
            return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(endings); i++)
        if (g_str_has_suffix(name, endings[i]))
            return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(places); i++)
        if (!strcmp(places[i].name, name) && !g_strcmp0(places[i].parent, parent))
            return TRUE;
    return FALSE;
}

gboolean secret_attribute(const World *world, const char *parent, const char *name)
{
    g_autofree char *place = parent ? g_ascii_strup(parent, -1) : NULL;
    g_autofree char *plain = g_ascii_strup(name, -1);
    if (g_str_has_suffix(plain, "_BASE64"))
        plain[strlen(plain) - strlen("_BASE64")] = '\0';
    if (ends_so(place, plain))
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
        const char *path;
        for (guint at = 0; (path = config_list(world->config, lists[i], at)); at++)
            if (path_names(path, parent, name))
                return TRUE;
    }
    return FALSE;
}

/* ---- templates ---- */

static gboolean hide_in_vector(const World *world, TemplateAttribute *vector)
{
    gboolean found = FALSE;
    for (guint i = 0; i < vector->pairs->len; i++) {
        const TemplatePair *pair = vector->pairs->pdata[i];
        if (*pair->value && secret_attribute(world, vector->name, pair->name)) {
            attribute_set(vector, pair->name, SECRET_HIDDEN);
            found = TRUE;
        }
    }
    return found;
}

char *secrets_hidden(const World *world, const char *text)
{
    if (text[strspn(text, " \t\r\n")] == '<') { /* in the caller's own words, but for secrets */
        GString *xml = g_string_new(text);
        secrets_hide_xml(world, xml, 0);
        return g_string_free(xml, FALSE);
    }
    g_autoptr(Template) template =
        strchr(text, '=') ? template_parse(text, TEMPLATE_MODERN, NULL) : NULL;
    gboolean found = FALSE;
    for (guint i = 0; template && i < template_count(template); i++) {
        TemplateAttribute *attribute = template_nth(template, i);
        if (attribute->pairs) {
            found |= hide_in_vector(world, attribute);
        } else if (*attribute->value && secret_attribute(world, NULL, attribute->name)) {
            g_autofree char *name = g_strdup(attribute->name);
            template_set(template, name, SECRET_HIDDEN);
            found = TRUE;
        }
    }
    return found ? template_to_text(template) : NULL;
}

/* ---- XML ---- */

/* Behind the value that begins at `at`: text, CDATA sections, comments and instructions up to the
 * next tag. */
static const char *end_of_value(const char *at)
{
    static const char *const others[][2] = {{"<![CDATA[", "]]>"}, {"<!--", "-->"}, {"<?", "?>"}};
    guint i = 0;
    while (i < G_N_ELEMENTS(others)) {
        at += strcspn(at, "<");
        for (i = 0; i < G_N_ELEMENTS(others) && !g_str_has_prefix(at, others[i][0]);)
            i++;
        if (i < G_N_ELEMENTS(others)) {
            const char *end = strstr(at + strlen(others[i][0]), others[i][1]);
            at = end ? end + strlen(others[i][1]) : at + strlen(at);
        }
    }
    return at;
}

/* The > of the tag that begins at `at`; NULL: it has none. */
static const char *end_of_tag(const char *at)
{
    for (; *at && *at != '>'; at++)
        if (*at == '"' || *at == '\'') {
            const char *end = strchr(at + 1, *at);
            if (!end)
                return NULL;
            at = end;
        }
    return *at ? at : NULL;
}

void secrets_hide_xml(const World *world, GString *xml, gsize from)
{
    g_autofree char *whole = g_strdup(xml->str + from);
    g_autoptr(GPtrArray) open = g_ptr_array_new_with_free_func(g_free);
    g_string_truncate(xml, from);
    const char *at = end_of_value(whole);
    g_string_append_len(xml, whole, at - whole);
    while (*at) { /* at a tag */
        const char *end = end_of_tag(at);
        if (!end) { /* no XML; callers may write that */
            g_string_append(xml, at);
            return;
        }
        const char *value = end + 1, *next = end_of_value(value);
        gboolean opens = !strchr("/!", at[1]) && end[-1] != '/';
        g_string_append_len(xml, at, value - at);
        if (at[1] == '/' && open->len)
            g_ptr_array_remove_index(open, open->len - 1);
        if (opens) {
            const char *parent = open->len ? open->pdata[open->len - 1] : NULL;
            char *name = g_strndup(at + 1, strcspn(at + 1, " \t\r\n>"));
            gboolean hide = next > value && next[0] == '<' && next[1] == '/' &&
                            secret_attribute(world, parent, name);
            g_ptr_array_add(open, name);
            if (hide) {
                g_string_append(xml, SECRET_HIDDEN);
                value = next;
            }
        }
        g_string_append_len(xml, value, next - value);
        at = next;
    }
}
