/*
 * Users of a directory. etc/auth/ldap.conf names the servers, which are asked in their order; the
 * first that knows the user decides. The user is searched for, and then the server is asked whether
 * the password is theirs, by binding as them. Source: RFC 4511 to 4515.
 */
#include "drivers/auth/auth.h"

#include "lib/base/paths.h"
#include "lib/template/template.h"

#include <ldap.h>
#include <string.h>
#include <sys/time.h>

/* Groups of one user that are looked at. */
#define GROUPS_MAX 1000

typedef LDAPMessage LdapResult;

static void result_free(LdapResult *result)
{
    ldap_msgfree(result);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LdapResult, result_free)

/* One connection, as one server of the file says. */
typedef struct Directory {
    const TemplateAttribute *conf;
    const Template *file;
    LDAP *handle;
} Directory;

static const char *setting(const Directory *directory, const char *name, const char *otherwise)
{
    const char *value = attribute_get(directory->conf, name);
    return value && *value ? value : otherwise;
}

static void directory_clear(Directory *directory)
{
    if (directory->handle)
        ldap_unbind_ext_s(directory->handle, NULL, NULL);
    directory->handle = NULL;
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Directory, directory_clear)

static gboolean fail(const Directory *directory, int code, const char *what, GError **error)
{
    char *more = NULL;
    if (directory->handle)
        ldap_get_option(directory->handle, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION, "LDAP server %s: %s: %s%s%s",
                setting(directory, "NAME", "?"), what, ldap_err2string(code),
                more && *more ? ", " : "", more ? more : "");
    if (more)
        ldap_memfree(more);
    return FALSE;
}

/* ---- connecting ---- */

/* Text for a search: what has a meaning there is written in hexadecimal. (owned) */
static char *escaped(const char *text)
{
    GString *out = g_string_new(NULL);
    for (const char *at = text; at && *at; at++) {
        if (strchr("*()\\", *at) || (guchar)*at < 0x20)
            g_string_append_printf(out, "\\%02x", (guint)(guchar)*at);
        else
            g_string_append_c(out, *at);
    }
    return g_string_free(out, FALSE);
}

static int set_options(Directory *directory)
{
    gint64 seconds = 10;
    int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND, fresh = 0;
    const char *authorities = setting(directory, "CA_FILE", NULL);
    (void)attribute_get_int(directory->conf, "TIMEOUT", &seconds);
    struct timeval patience = {.tv_sec = (time_t)CLAMP(seconds, 1, 600)};
    ldap_set_option(directory->handle, LDAP_OPT_PROTOCOL_VERSION, &version);
    ldap_set_option(directory->handle, LDAP_OPT_NETWORK_TIMEOUT, &patience);
    ldap_set_option(directory->handle, LDAP_OPT_TIMEOUT, &patience);
    /* Servers that point elsewhere are not followed with a password in hand. */
    ldap_set_option(directory->handle, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
    ldap_set_option(directory->handle, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
    if (authorities &&
        ldap_set_option(directory->handle, LDAP_OPT_X_TLS_CACERTFILE, authorities) != LDAP_SUCCESS)
        return LDAP_LOCAL_ERROR;
    return ldap_set_option(directory->handle, LDAP_OPT_X_TLS_NEWCTX, &fresh);
}

static int bind_as(const Directory *directory, const char *dn, const char *password)
{
    struct berval credentials = {strlen(password), (char *)password};
    return ldap_sasl_bind_s(directory->handle, dn, LDAP_SASL_SIMPLE, &credentials, NULL, NULL,
                            NULL);
}

/* Connects, secures the connection as told, and binds as whoever may search. */
static gboolean open_directory(Directory *directory, GError **error)
{
    const char *encryption = setting(directory, "ENCRYPTION", "none");
    gboolean tls = !g_ascii_strcasecmp(encryption, "tls");
    gboolean start_tls = !g_ascii_strcasecmp(encryption, "starttls");
    g_autofree char *address = g_strdup_printf("%s://%s:%s", tls ? "ldaps" : "ldap",
                                               setting(directory, "HOST", "localhost"),
                                               setting(directory, "PORT", tls ? "636" : "389"));
    if (!tls && !start_tls && g_ascii_strcasecmp(encryption, "none") != 0)
        return fail(directory, LDAP_PARAM_ERROR, "ENCRYPTION must be none, tls or starttls", error);
    int code = ldap_initialize(&directory->handle, address);
    if (code == LDAP_SUCCESS)
        code = set_options(directory);
    if (code == LDAP_SUCCESS && start_tls)
        code = ldap_start_tls_s(directory->handle, NULL, NULL);
    if (code != LDAP_SUCCESS)
        return fail(directory, code, address, error);
    code = bind_as(directory, setting(directory, "USER", ""), setting(directory, "PASSWORD", ""));
    return code == LDAP_SUCCESS || fail(directory, code, "USER and PASSWORD of ldap.conf", error);
}

/* ---- searching ---- */

static LdapResult *search(const Directory *directory, const char *base, int scope,
                          const char *filter, const char *attribute, GError **error)
{
    char *attributes[] = {(char *)attribute, NULL};
    LDAPMessage *found = NULL;
    int code = ldap_search_ext_s(directory->handle, base, scope, filter, attributes, 0, NULL, NULL,
                                 NULL, GROUPS_MAX, &found);
    if (code == LDAP_SUCCESS)
        return found;
    ldap_msgfree(found);
    if (error)
        fail(directory, code, filter, error);
    return NULL;
}

/* The first value of an attribute. (owned, NULL: it has none) */
static char *value_of(const Directory *directory, LDAPMessage *entry, const char *name)
{
    struct berval **values = ldap_get_values_len(directory->handle, entry, name);
    char *value = values && values[0] ? g_strndup(values[0]->bv_val, values[0]->bv_len) : NULL;
    ldap_value_free_len(values);
    return value;
}

static char *dn_of(const Directory *directory, LDAPMessage *entry)
{
    char *dn = ldap_get_dn(directory->handle, entry);
    char *copy = g_strdup(dn);
    ldap_memfree(dn);
    return copy;
}

/* Whom the directory knows by the name. */
typedef struct Person {
    char *dn, *name; /* the name as the directory spells it */
    char *member;    /* as groups name them */
} Person;

static void person_clear(Person *person)
{
    g_free(person->dn);
    g_free(person->name);
    g_free(person->member);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Person, person_clear)

/* FALSE without an error: the directory does not know them. */
static gboolean find_person(const Directory *directory, const char *user, Person *person,
                            GError **error)
{
    const char *field = setting(directory, "USER_FIELD", "uid");
    const char *in_group = setting(directory, "USER_GROUP_FIELD", "dn");
    g_autofree char *value = escaped(user);
    g_autofree char *filter = g_strdup_printf("(%s=%s)", field, value);
    g_autoptr(LdapResult) found =
        search(directory, setting(directory, "BASE", ""), LDAP_SCOPE_SUBTREE, filter,
               LDAP_ALL_USER_ATTRIBUTES, error);
    if (!found)
        return FALSE;
    int count = ldap_count_entries(directory->handle, found);
    if (count > 1)
        return fail(directory, LDAP_SIZELIMIT_EXCEEDED, "several have this USER_FIELD", error);
    if (count < 1)
        return FALSE;
    LDAPMessage *entry = ldap_first_entry(directory->handle, found);
    person->dn = dn_of(directory, entry);
    person->name = value_of(directory, entry, field);
    person->member = g_ascii_strcasecmp(in_group, "dn") ? value_of(directory, entry, in_group)
                                                        : g_strdup(person->dn);
    if (person->name && strpbrk(person->name, " \t\r\n"))
        return fail(directory, LDAP_INVALID_SYNTAX, "the name has blanks, no user's may", error);
    if (person->dn && *person->dn && person->name && person->member)
        return TRUE;
    return fail(directory, LDAP_NO_SUCH_ATTRIBUTE, "USER_FIELD or USER_GROUP_FIELD", error);
}

static char *membership(const Directory *directory, const Person *person)
{
    g_autofree char *value = escaped(person->member);
    return g_strdup_printf("(%s=%s)", setting(directory, "GROUP_FIELD", "member"), value);
}

/* GROUP, when it is set, is of those who may log in at all. */
static gboolean is_let_in(const Directory *directory, const Person *person, GError **error)
{
    const char *group = setting(directory, "GROUP", NULL);
    if (!group)
        return TRUE;
    g_autofree char *filter = membership(directory, person);
    g_autoptr(LdapResult) found =
        search(directory, group, LDAP_SCOPE_BASE, filter, LDAP_NO_ATTRS, error);
    if (!found)
        return FALSE;
    if (ldap_count_entries(directory->handle, found) == 1)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION, "%s is not in the group %s",
                person->name, group);
    return FALSE;
}

/* ---- groups ---- */

/* Appends the groups of ours that the file gives to members of this group of theirs. */
static void map_group(const Directory *directory, const char *dn, GString *info)
{
    const TemplateAttribute *map;
    for (guint i = 0; (map = template_vector(directory->file, "MAP", i)); i++) {
        const char *of = attribute_get(map, "GROUP_DN"), *admin = attribute_get(map, "ADMIN");
        gint64 gid;
        if (of && !g_ascii_strcasecmp(of, dn) && attribute_get_int(map, "GID", &gid))
            g_string_append_printf(info, " %s%" G_GINT64_FORMAT,
                                   admin && !g_ascii_strcasecmp(admin, "YES") ? "*" : "", gid);
    }
}

/* FALSE with the error: who is in no group and whose groups could not be read are not the same. */
static gboolean append_groups(const Directory *directory, const Person *person, GString *info,
                              GError **error)
{
    gsize before = info->len;
    if (template_vector(directory->file, "MAP", 0)) {
        g_autofree char *filter = membership(directory, person);
        g_autoptr(LdapResult) found =
            search(directory, setting(directory, "GROUP_BASE", setting(directory, "BASE", "")),
                   LDAP_SCOPE_SUBTREE, filter, LDAP_NO_ATTRS, error);
        if (!found)
            return FALSE;
        LDAPMessage *entry = ldap_first_entry(directory->handle, found);
        for (; entry; entry = ldap_next_entry(directory->handle, entry)) {
            g_autofree char *dn = dn_of(directory, entry);
            if (dn)
                map_group(directory, dn, info);
        }
    }
    if (info->len == before)
        g_string_append_printf(info, " %s", setting(directory, "DEFAULT_GID", "1"));
    return TRUE;
}

/* ---- the whole ---- */

/* FALSE without an error: this server does not know the user, and the next is asked. */
static gboolean ask(const Directory *directory, const AuthQuestion *question, GString *info,
                    GError **error)
{
    g_auto(Person) person = {0};
    if (!find_person(directory, question->user, &person, error) ||
        !is_let_in(directory, &person, error))
        return FALSE;
    /* As whoever may search: the user may perhaps not read groups. */
    g_autofree char *word = g_uri_escape_string(person.dn, "=,", TRUE);
    if (strchr(question->password, '=') && strcmp(question->password, word) != 0)
        return FALSE; /* another person, whom another directory knows by the same name */
    g_string_append_printf(info, "%s %s %s", question->driver, person.name, word);
    if (!append_groups(directory, &person, info, error))
        return FALSE;
    int code = bind_as(directory, person.dn, question->secret);
    return code == LDAP_SUCCESS || fail(directory, code, person.dn, error);
}

gboolean ldap_verify(const AuthQuestion *question, GString *info, GError **error)
{
    g_autofree char *path = paths_etc("auth/ldap.conf");
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, error))
        return FALSE;
    g_autoptr(Template) file = template_parse(text, TEMPLATE_CONFIG, error);
    /* With an empty password a directory binds anybody, as nobody. */
    if (file && !*question->secret)
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION, "the password is empty");
    if (!file || !*question->secret)
        return FALSE;
    const TemplateAttribute *conf;
    g_autoptr(GError) trouble = NULL;
    for (guint i = 0; (conf = template_vector(file, "SERVER", i)); i++) {
        g_auto(Directory) directory = {conf, file, NULL};
        g_autoptr(GError) why = NULL;
        g_string_truncate(info, 0);
        if (!open_directory(&directory, &why)) {
            driver_log('W', -1, "%s", why->message);
            g_clear_error(&trouble);
            trouble = g_steal_pointer(&why); /* perhaps another can be reached */
        } else if (ask(&directory, question, info, &why)) {
            return TRUE;
        } else if (why) {
            g_propagate_error(error, g_steal_pointer(&why));
            return FALSE;
        }
    }
    if (trouble)
        g_propagate_error(error, g_steal_pointer(&trouble));
    else
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHENTICATION, "no SERVER of %s knows the user",
                    path);
    return FALSE;
}
