#include "drivers/datastore/request.h"

#include "drivers/common/source.h"

#include "drivers/common/safe_path.h"
#include "lib/base/error.h"
#include "lib/base/paths.h"
#include "lib/base/xml.h"
#include <string.h>

#define TOKEN_MAX 64

const GChecksumType ds_checksums[3] = {G_CHECKSUM_MD5, G_CHECKSUM_SHA1, G_CHECKSUM_SHA256};
const char *const ds_checksum_names[3] = {"MD5", "SHA1", "SHA256"};

void ds_request_free(DsRequest *request)
{
    if (request == NULL)
        return;
    g_free(request->flavour);
    g_free(request->path);
    g_free(request->source);
    g_free(request->token);
    g_free(request->format);
    g_free(request->fs);
    g_free(request->rsync_host);
    g_free(request->rsync_user);
    g_strfreev(request->backup.formats);
    g_free(request->backup.source);
    g_free(request->backup.machine);
    GArray *const lists[] = {request->backup.known, request->backup.chain, request->backup.disks,
                             request->backup.sizes};
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++)
        if (lists[i] != NULL)
            g_array_unref(lists[i]);
    g_free(request->restricted);
    g_free(request->safe);
    for (guint i = 0; i < G_N_ELEMENTS(request->sums); i++)
        g_free(request->sums[i]);
    g_free(request);
}

/* Text of the first of these elements that is there and not empty. (owned) */
static char *first_of(const xmlNode *root, const char *const paths[])
{
    for (guint i = 0; paths[i] != NULL; i++) {
        char *text = xml_get(root, paths[i]);
        if (text != NULL && *g_strstrip(text) != '\0')
            return text;
        g_free(text);
    }
    return NULL;
}

/* An attribute of the image: of the object itself or of its template, else of the datastore. */
static char *of_image(const xmlNode *root, const char *name)
{
    g_autofree char *own = g_strconcat("IMAGE/", name, NULL);
    g_autofree char *inner = g_strconcat("IMAGE/TEMPLATE/", name, NULL);
    const char *const paths[] = {own, inner, NULL};
    return first_of(root, paths);
}

static char *of_any(const xmlNode *root, const char *name)
{
    char *text = of_image(root, name);
    g_autofree char *store = g_strconcat("DATASTORE/TEMPLATE/", name, NULL);
    g_autofree char *extra = g_strdup(name);
    const char *const paths[] = {extra, store, NULL};
    return text != NULL ? text : first_of(root, paths);
}

static char *of_datastore(const xmlNode *root, const char *name)
{
    g_autofree char *own = g_strconcat("DATASTORE/", name, NULL);
    g_autofree char *inner = g_strconcat("DATASTORE/TEMPLATE/", name, NULL);
    const char *const paths[] = {own, inner, NULL};
    return first_of(root, paths);
}

static gboolean is_yes(const char *text)
{
    static const char *const words[] = {"YES", "Y", "TRUE", "1"};
    for (guint i = 0; text != NULL && i < G_N_ELEMENTS(words); i++)
        if (g_ascii_strcasecmp(text, words[i]) == 0)
            return TRUE;
    return FALSE;
}

/* A whole number that is not negative; `otherwise` when there is none. */
static gboolean number(char *text, const char *name, gint64 otherwise, gint64 *value,
                       GError **error)
{
    guint64 read = 0;
    g_autofree char *owned = text;
    *value = otherwise;
    if (owned == NULL)
        return TRUE;
    if (!g_ascii_string_to_unsigned(owned, 10, 0, G_MAXINT64 >> 21, &read, NULL)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "%s is \"%s\", which is no whole number",
                    name, owned);
        return FALSE;
    }
    *value = (gint64)read;
    return TRUE;
}

guint64 ds_parse_rate(const char *text)
{
    char *end = NULL;
    guint64 value = g_ascii_strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr("kmg", g_ascii_tolower(*end)) : NULL;
    guint shift = unit == NULL ? 0 : *unit == 'k' ? 10 : *unit == 'm' ? 20 : 30;
    if (end == text || text[0] == '-' || (*end != '\0' && unit == NULL) ||
        (unit != NULL && end[1] != '\0') || value > (guint64)G_MAXINT64 >> shift)
        return 0;
    return value << shift;
}

/* Takes the text. */
static gboolean read_speed(char *text, const char *name, guint64 *speed, GError **error)
{
    g_autofree char *owned = text;
    *speed = owned != NULL ? ds_parse_rate(owned) : 0;
    if (owned == NULL || *speed > 0)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "%s is \"%s\"; give bytes a second, such as 500K or 10M", name, owned);
    return FALSE;
}

/* A copy may not be asked to be so slow that it holds its place for ever. */
static gboolean read_rate(DsRequest *request, const xmlNode *root, GError **error)
{
    if (!read_speed(of_any(root, "LIMIT_TRANSFER_BW"), "LIMIT_TRANSFER_BW", &request->rate,
                    error) ||
        !read_speed(of_datastore(root, "MIN_TRANSFER_BW"), "MIN_TRANSFER_BW", &request->floor,
                    error))
        return FALSE;
    guint64 floor = request->floor > 0 ? request->floor : SOURCE_FLOOR;
    if (request->rate == 0 || request->rate >= floor)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "LIMIT_TRANSFER_BW is %" G_GUINT64_FORMAT
                " bytes a second, less than the %" G_GUINT64_FORMAT
                " that a copy must bring at least (MIN_TRANSFER_BW of the "
                "datastore); give more, or have that changed",
                request->rate, floor);
    return FALSE;
}

static gboolean read_sums(DsRequest *request, const xmlNode *root, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(ds_checksums); i++) {
        char *text = of_image(root, ds_checksum_names[i]);
        if (text == NULL)
            continue;
        request->sums[i] = g_ascii_strdown(text, -1);
        g_free(text);
        gsize wanted = 2 * (gsize)g_checksum_type_get_length(ds_checksums[i]);
        if (strlen(request->sums[i]) != wanted ||
            strspn(request->sums[i], "0123456789abcdef") != wanted) {
            g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                        "%s is \"%s\"; it must have %zu hexadecimal digits", ds_checksum_names[i],
                        request->sums[i], wanted);
            return FALSE;
        }
    }
    return TRUE;
}

/* The token as told; else one that is the same each time this image is asked for. */
static gboolean read_token(DsRequest *request, const xmlNode *root, GError **error)
{
    const char *const paths[] = {"TOKEN", "IMAGE/TOKEN", NULL};
    request->token = first_of(root, paths);
    if (request->token == NULL) {
        g_autofree char *name = of_image(root, "NAME"), *time = of_image(root, "REGTIME");
        g_autofree char *text =
            g_strdup_printf("%s %s", time != NULL ? time : "", name != NULL ? name : "");
        g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA1, text, -1);
        request->token = g_strndup(sum, 16);
        return TRUE;
    }
    gsize length = strlen(request->token);
    gboolean good = length <= TOKEN_MAX;
    for (gsize i = 0; good && i < length; i++)
        good = g_ascii_isalnum(request->token[i]) || strchr("-_", request->token[i]) != NULL;
    if (!good)
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "the token has other characters than letters, digits, - and _, or more than %d",
                    TOKEN_MAX);
    return good;
}

/* Files for kernels, ramdisks and contexts are kept as they are: a compressed ramdisk is what the
 * guest's kernel wants. */
static gboolean is_plain_file(const xmlNode *root)
{
    static const char *const types[] = {"3", "4", "5", "KERNEL", "RAMDISK", "CONTEXT"};
    g_autofree char *type = of_image(root, "TYPE");
    for (guint i = 0; type != NULL && i < G_N_ELEMENTS(types); i++)
        if (g_ascii_strcasecmp(type, types[i]) == 0)
            return TRUE;
    return FALSE;
}

static char *lower(char *text)
{
    char *made = text != NULL ? g_ascii_strdown(text, -1) : NULL;
    g_free(text);
    return made;
}

/* "0,2" as numbers. */
static gboolean read_list(const xmlNode *root, const char *path, GArray **list, GError **error)
{
    g_autofree char *text = xml_get(root, path);
    g_auto(GStrv) words = g_strsplit(text != NULL ? text : "", ",", -1);
    *list = g_array_new(FALSE, FALSE, sizeof(gint64));
    for (guint i = 0; words[i] != NULL; i++) {
        gint64 value = 0;
        if (*g_strstrip(words[i]) == '\0')
            continue;
        if (!number(g_strdup(words[i]), path, 0, &value, error))
            return FALSE;
        g_array_append_val(*list, value);
    }
    return TRUE;
}

/* A name of a computer or a user, which goes into argument lists of programs. */
static gboolean is_plain_name(const char *text)
{
    static const char letters[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_.-:";
    return text == NULL || (text[strspn(text, letters)] == '\0' && text[0] != '-');
}

static gboolean read_backup(DsRequest *request, const xmlNode *root, GError **error)
{
    DsBackup *backup = &request->backup;
    const xmlNode *vm = xml_find(root, "VM");
    g_autofree char *taken = xml_get(root, "BACKUP/TAKEN");
    g_autofree char *formats = xml_get(root, "BACKUP/FORMATS");
    static const char *const hosts[] = {"BACKUP/RSYNC_HOST", "DATASTORE/TEMPLATE/RSYNC_HOST", NULL};
    static const char *const users[] = {"BACKUP/RSYNC_USER", "DATASTORE/TEMPLATE/RSYNC_USER", NULL};
    backup->number = xml_get_int(root, "BACKUP/NUMBER", -1);
    backup->parent = xml_get_int(root, "BACKUP/PARENT", -1);
    backup->is_increment = g_strcmp0(taken, "increment") == 0;
    backup->formats = formats != NULL ? g_strsplit(formats, ",", -1) : NULL;
    backup->datastore = xml_get_int(root, "BACKUP/DATASTORE_ID", -1);
    backup->source = xml_get(root, "BACKUP/SOURCE");
    request->rsync_host = first_of(root, hosts);
    request->rsync_user = first_of(root, users);
    if (request->rsync_host != NULL && g_ascii_strcasecmp(request->rsync_host, "localhost") == 0)
        g_clear_pointer(&request->rsync_host, g_free);
    if (!is_plain_name(request->rsync_host) || !is_plain_name(request->rsync_user)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "RSYNC_HOST or RSYNC_USER of datastore %" G_GINT64_FORMAT
                    " is not the name of a computer or a user",
                    request->datastore);
        return FALSE;
    }
    if (vm != NULL) {
        xmlBufferPtr text = xmlBufferCreate();
        (void)xmlNodeDump(text, vm->doc, (xmlNode *)vm, 0, 0);
        backup->machine = g_strdup((const char *)xmlBufferContent(text));
        xmlBufferFree(text);
    }
    return read_list(root, "BACKUP/KNOWN", &backup->known, error) &&
           read_list(root, "BACKUP/CHAIN", &backup->chain, error) &&
           read_list(root, "BACKUP/DISKS", &backup->disks, error) &&
           read_list(root, "BACKUP/SIZES", &backup->sizes, error);
}

static gboolean read_fields(DsRequest *request, const xmlNode *root, GError **error)
{
    request->flavour = lower(of_datastore(root, "DS_MAD"));
    request->path = of_image(root, "PATH");
    request->source = of_image(root, "SOURCE");
    request->format = lower(of_image(root, "FORMAT"));
    if (request->format == NULL)
        request->format = lower(of_image(root, "DRIVER"));
    request->fs = lower(of_image(root, "FS"));
    request->restricted = of_datastore(root, "RESTRICTED_DIRS");
    request->safe = of_datastore(root, "SAFE_DIRS");
    /* Told by oned for administrators' images, or of the datastore; never what the image says. */
    static const char *const local[] = {"LOCAL_URLS", "DATASTORE/TEMPLATE/LOCAL_URLS", NULL};
    g_autofree char *local_urls = first_of(root, local);
    request->local_urls = is_yes(local_urls);
    g_autofree char *kept = of_any(root, "NO_DECOMPRESS");
    if (!number(of_datastore(root, "ID"), "the datastore's ID", -1, &request->datastore, error) ||
        !number(of_image(root, "SIZE"), "SIZE", 0, &request->size_mb, error) ||
        !number(of_datastore(root, "MAX_IMAGE_MB"), "MAX_IMAGE_MB", 0, &request->limit_mb, error))
        return FALSE;
    /* -1 where none is meant. */
    g_autofree char *snapshot = of_any(root, "TARGET_SNAPSHOT");
    if (!number(g_strdup(g_strcmp0(snapshot, "-1") == 0 ? NULL : snapshot), "TARGET_SNAPSHOT", -1,
                &request->snapshot, error))
        return FALSE;
    request->unpack = kept != NULL ? !is_yes(kept) : !is_plain_file(root);
    return read_rate(request, root, error) && read_sums(request, root, error) &&
           read_token(request, root, error) && read_backup(request, root, error);
}

DsRequest *ds_request_parse(gint64 id, const char *payload, GError **error)
{
    gsize length = 0;
    g_autofree guchar *text = g_base64_decode(payload, &length);
    g_autoptr(xmlDoc) document = xml_read((const char *)text, length, XML_DEPTH_MAX, error);
    if (document == NULL) {
        g_prefix_error(error, "the document of the request is not readable: ");
        return NULL;
    }
    const xmlNode *root = xml_root(document);
    if (strcmp(xml_name(root), "DS_DRIVER_ACTION_DATA") != 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "the document of the request is a %s, not a DS_DRIVER_ACTION_DATA",
                    xml_name(root));
        return NULL;
    }
    g_autoptr(DsRequest) request = g_new0(DsRequest, 1);
    request->id = id;
    return read_fields(request, root, error) ? g_steal_pointer(&request) : NULL;
}

char *ds_request_directory(const DsRequest *request, GError **error)
{
    const char *datastores = g_getenv("ONE_DATASTORES");
    g_autofree char *usual = paths_var("datastores");
    if (request->datastore >= 0)
        return g_strdup_printf("%s/%" G_GINT64_FORMAT, datastores != NULL ? datastores : usual,
                               request->datastore);
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "the document of the request has no DATASTORE/ID");
    return NULL;
}

char *ds_request_target(const DsRequest *request, GError **error)
{
    g_autofree char *directory = ds_request_directory(request, error);
    g_autofree char *target =
        directory != NULL
            ? g_strdup_printf("%s/%" G_GINT64_FORMAT "-%s", directory, request->id, request->token)
            : NULL;
    return target != NULL ? safe_path_check(target, error) : NULL;
}

char *ds_request_own_source(const DsRequest *request, GError **error)
{
    g_autofree char *directory = ds_request_directory(request, error);
    if (directory == NULL)
        return NULL;
    g_autofree char *probe = g_strconcat(directory, "/x", NULL);
    g_autofree char *own = safe_path_check(probe, error);
    g_autofree char *clean =
        own != NULL && request->source != NULL ? safe_path_check(request->source, error) : NULL;
    if (own == NULL || (request->source != NULL && clean == NULL))
        return NULL;
    const char *slash = clean != NULL ? strrchr(clean, '/') : NULL;
    gsize length = strlen(own) - 1;
    if (slash != NULL && (gsize)(slash - clean) + 1 == length && strncmp(clean, own, length) == 0)
        return g_steal_pointer(&clean);
    g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                "\"%s\" is not a file of datastore %" G_GINT64_FORMAT ", which keeps its images in "
                "%s: it is not touched",
                request->source != NULL ? request->source : "", request->datastore, directory);
    return NULL;
}
