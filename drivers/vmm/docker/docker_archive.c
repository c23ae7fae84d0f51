#include "drivers/vmm/docker/docker_archive.h"

#include "drivers/common/json.h"
#include "lib/base/error.h"
#include <string.h>

#define INDEX  "index.json"
#define SUM    "[0-9a-f]{64}"
#define PREFIX "sha256:"

/* Of one image: `docker save` names its configuration after its sum, in one folder or another. */
#define CONFIG_FORM "^(blobs/sha256/)?(" SUM ")(\\.json)?$"
/* All that Docker and Podman write. A name like x/../manifest.json would be one file for tar and
 * another for the engine. */
#define FILE_FORM                                                                                  \
    "^(manifest\\.json|index\\.json|oci-layout|repositories|blobs/|blobs/sha256/|blobs/"           \
    "sha256/" SUM "|" SUM "(\\.json|\\.tar|/|/VERSION|/json|/layer\\.tar))$"

/* Engines compare names of members without regard to case: those that are not known are refused. */
static const char *const image_members[] = {"Config", "RepoTags",     "Layers",
                                            "Parent", "LayerSources", NULL};
static const char *const index_members[] = {"schemaVersion", "mediaType", "manifests", NULL};
static const char *const entry_members[] = {"mediaType", "digest",      "size",
                                            "platform",  "annotations", NULL};

static gboolean refuse(const ContainerImage *image, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean refuse(const ContainerImage *image, GError **error, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    g_autofree char *why = g_strdup_vprintf(format, words);
    va_end(words);
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                "the archive \"%s\" is not loaded: %s. Save one image by its number: docker save "
                "$(docker inspect -f '{{.Id}}' NAME)",
                image->file, why);
    return FALSE;
}

static gboolean has_only(const ContainerImage *image, JsonObject *object, const char *const *known,
                         const char *file, GError **error)
{
    g_autoptr(GList) members = json_object_get_members(object);
    for (const GList *one = members; one; one = one->next)
        if (!g_strv_contains(known, one->data))
            return refuse(image, error, "its %s has \"%.80s\", which is not known", file,
                          (const char *)one->data);
    return TRUE;
}

/* The one image that the manifest tells of. */
static JsonObject *only_image(const ContainerImage *image, JsonArray *list, GError **error)
{
    JsonObject *only = json_nth_object(list, 0);
    if (json_count(list) == 1 && only)
        return only;
    refuse(image, error, "its " DOCKER_MANIFEST " must name one image, and names %u",
           json_count(list));
    return NULL;
}

/* ---- which image ---- */

char *docker_archive_id(const ContainerImage *image, const char *manifest, GError **error)
{
    g_autoptr(JsonArray) list = json_read_list(manifest, strlen(manifest), NULL);
    JsonObject *only = only_image(image, list, error);
    const char *config = json_text_at(only, "Config");
    g_autoptr(GRegex) form = g_regex_new(CONFIG_FORM, G_REGEX_DOLLAR_ENDONLY, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    if (!only)
        return NULL;
    if (!config || !g_regex_match(form, config, 0, &match)) {
        refuse(image, error, "its " DOCKER_MANIFEST " names no image (Config is \"%.80s\")",
               config ? config : "");
        return NULL;
    }
    g_autofree char *named = g_match_info_fetch(match, 2);
    g_autofree char *text = container_image_read(image, config, error);
    if (!text)
        return NULL;
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
    if (g_str_equal(sum, named))
        return g_strconcat(PREFIX, sum, NULL);
    refuse(image, error, "its %.80s %s", config,
           *text ? "has another content than its name says" : "is missing");
    return NULL;
}

/* ---- what it would do ---- */

static gboolean check_tags(const ContainerImage *image, JsonObject *only, const char *name,
                           GError **error)
{
    JsonArray *tags = json_array_at(only, "RepoTags");
    g_autofree char *latest = name ? g_strconcat(name, ":latest", NULL) : NULL;
    if (json_object_has_member(only, "RepoTags") && !tags &&
        !json_object_get_null_member(only, "RepoTags"))
        return refuse(image, error, "its RepoTags are no list");
    for (guint i = 0; i < json_count(tags); i++) {
        const char *tag = json_nth_text(tags, i);
        if (!tag || !name || (!g_str_equal(tag, name) && !g_str_equal(tag, latest)))
            return refuse(image, error,
                          "it gives its image the name \"%.80s\", which may be that of another "
                          "image on the host",
                          tag ? tag : "");
    }
    return TRUE;
}

/* Newer engines look here first, or after names alone. */
static gboolean check_entry(const ContainerImage *image, JsonObject *entry, GError **error)
{
    JsonObject *notes = json_object_at(entry, "annotations");
    if (!entry)
        return refuse(image, error, "its " INDEX " must name one image");
    if (!has_only(image, entry, entry_members, INDEX, error))
        return FALSE;
    g_autoptr(GList) members = notes ? json_object_get_members(notes) : NULL;
    for (const GList *one = members; one; one = one->next)
        if (g_str_has_suffix(one->data, "name"))
            return refuse(image, error, "its " INDEX " gives its image a name (%.80s)",
                          (const char *)one->data);
    return TRUE;
}

static gboolean check_index(const ContainerImage *image, GError **error)
{
    g_autofree char *text = container_image_read(image, INDEX, error);
    if (!text)
        return FALSE;
    g_autoptr(JsonObject) index = json_read(text, strlen(text), NULL);
    if (!index)
        return refuse(image, error, "its " INDEX " is no JSON document");
    JsonArray *list = json_array_at(index, "manifests");
    return has_only(image, index, index_members, INDEX, error) &&
           check_entry(image, json_count(list) == 1 ? json_nth_object(list, 0) : NULL, error);
}

/* `has_index`: whether there is such a file. */
static gboolean check_names(const ContainerImage *image, gboolean *has_index, GError **error)
{
    g_auto(GStrv) names = container_image_names(image, error);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GRegex) form = g_regex_new(FILE_FORM, G_REGEX_DOLLAR_ENDONLY, 0, NULL);
    for (guint i = 0; names && names[i]; i++) {
        const char *name = names[i] + (g_str_has_prefix(names[i], "./") ? 2 : 0);
        if (*name && !g_regex_match(form, name, 0, NULL))
            return refuse(image, error, "docker save writes no file \"%.120s\"", names[i]);
        if (!g_hash_table_add(seen, (gpointer)name))
            return refuse(image, error, "it has \"%.120s\" twice", names[i]);
    }
    *has_index = g_hash_table_contains(seen, INDEX);
    return names != NULL;
}

gboolean docker_archive_check(const ContainerImage *image, const char *manifest, const char *name,
                              GError **error)
{
    gboolean has_index = FALSE;
    g_autoptr(JsonArray) list = json_read_list(manifest, strlen(manifest), NULL);
    JsonObject *only = only_image(image, list, error);
    return only && has_only(image, only, image_members, DOCKER_MANIFEST, error) &&
           check_tags(image, only, name, error) && check_names(image, &has_index, error) &&
           (!has_index || check_index(image, error));
}
