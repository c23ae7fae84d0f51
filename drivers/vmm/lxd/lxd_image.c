/*
 * The image of a container of LXD or Incus, brought as a file when the host has it not. An archive
 * with a metadata.yaml is an image as LXD exports it; another one is the files of a root, to which
 * a description is added.
 * Source: LXD's documentation of its image format, and of POST /1.0/images.
 */
#include "drivers/vmm/container/container_image.h"
#include "drivers/vmm/lxd/lxd.h"
#include "lib/base/error.h"
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define METADATA  "metadata.yaml"
#define BOUNDARY  "--------globule-image-of-a-container"
#define TAR_BLOCK 512

/* ---- the description of a root ---- */

/* One file as a tar archive (POSIX.1-1988, "ustar"). (owned) */
static GByteArray *make_tar(const char *name, const char *text)
{
    static const guint8 zeros[2 * TAR_BLOCK] = {0};
    gsize length = strlen(text);
    char header[TAR_BLOCK] = {0};
    guint sum = 0;
    g_strlcpy(header, name, 100);
    memcpy(header + 100, "0000644", 8);
    memcpy(header + 108, "0000000", 8);
    memcpy(header + 116, "0000000", 8);
    g_snprintf(header + 124, 12, "%011" G_GINT64_MODIFIER "o", (guint64)length);
    memcpy(header + 136, "00000000000", 12);
    memset(header + 148, ' ', 8); /* the sum, while it is made */
    header[156] = '0';
    memcpy(header + 257, "ustar", 6);
    header[263] = header[264] = '0'; /* of the version */
    for (guint i = 0; i < sizeof header; i++)
        sum += (guint8)header[i];
    g_snprintf(header + 148, 8, "%06o", sum);
    GByteArray *tar = g_byte_array_new();
    g_byte_array_append(tar, (const guint8 *)header, sizeof header);
    g_byte_array_append(tar, (const guint8 *)text, (guint)length);
    g_byte_array_append(tar, zeros, (guint)((TAR_BLOCK - length % TAR_BLOCK) % TAR_BLOCK));
    g_byte_array_append(tar, zeros, sizeof zeros);
    return tar;
}

/* The same each time, so that an image has one fingerprint. (owned) */
static GByteArray *describe_root(void)
{
    struct utsname system;
    (void)uname(&system);
    g_autofree char *text = g_strdup_printf("architecture: %s\ncreation_date: 1\n", system.machine);
    return make_tar(METADATA, text);
}

/* What goes before the root in the body of the call. (owned) */
static GByteArray *make_form(const GByteArray *description)
{
    static const char first[] =
        "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"metadata\"; "
        "filename=\"metadata.tar\"\r\nContent-Type: application/octet-stream\r\n\r\n";
    static const char second[] =
        "\r\n--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"rootfs\"; "
        "filename=\"rootfs.tar\"\r\nContent-Type: application/octet-stream\r\n\r\n";
    GByteArray *form = g_byte_array_new();
    g_byte_array_append(form, (const guint8 *)first, sizeof first - 1);
    g_byte_array_append(form, description->data, description->len);
    g_byte_array_append(form, (const guint8 *)second, sizeof second - 1);
    return form;
}

/* ---- bringing it ---- */

/* What LXD calls the image: the SHA-256 of description and file. NULL with the error. (owned) */
static char *fingerprint_of(DriverJob *job, const ContainerImage *image,
                            const GByteArray *description, GError **error)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree guchar *block = g_malloc(1 << 20);
    guint64 total = 0;
    ssize_t got = 0;
    int input = container_image_open(image, error);
    if (input < 0)
        return NULL;
    if (description)
        g_checksum_update(sum, description->data, description->len);
    while (!driver_job_cancelled(job) && (got = read(input, block, 1 << 20)) > 0) {
        g_checksum_update(sum, block, got);
        container_progress(job, total += (guint64)got);
    }
    close(input);
    if (got == 0)
        return g_strdup(g_checksum_get_string(sum));
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "the image \"%s\" was not read to its end",
                image->file);
    return NULL;
}

static gboolean is_there(const char *host, const char *folder, const char *name, GError **error)
{
    g_autofree char *word = rest_escape(name);
    g_autofree char *path = g_strconcat(folder, word, NULL);
    g_autoptr(GError) reason = NULL;
    g_autoptr(JsonObject) there = lxd_do(host, "GET", path, NULL, NULL, &reason);
    if (!there && !g_error_matches(reason, ONE_ERROR, ONE_ERROR_NO_EXISTS))
        g_propagate_error(error, g_steal_pointer(&reason));
    return there != NULL;
}

static gboolean upload(DriverJob *job, const ContainerImage *image, const GByteArray *description,
                       GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GByteArray) form = description ? make_form(description) : NULL;
    g_auto(RestReply) reply = {0};
    int input = container_image_open(image, error);
    if (input < 0)
        return FALSE;
    RestCall call = {.method = "POST",
                     .path = "/1.0/images",
                     .type = "application/octet-stream",
                     .input = input,
                     .watch = container_watch(job, CONTAINER_LONG_SECONDS)};
    if (form) {
        call.type = "multipart/form-data; boundary=" BOUNDARY;
        call.before = (const char *)form->data;
        call.before_length = form->len;
        call.behind = "\r\n--" BOUNDARY "--\r\n";
    }
    driver_log('I', action->vid, "the image %s is brought to %s", image->file, action->host);
    gboolean sent = rest_call(action->host, &call, &reply, error);
    close(input);
    g_autoptr(JsonObject) answer = sent ? lxd_read_answer(action->host, &reply, error) : NULL;
    g_autoptr(JsonObject) done =
        answer ? lxd_finish(action->host, answer, &call.watch, error) : NULL;
    return done != NULL;
}

/* Another machine may have brought it at the same time. */
static gboolean bring(DriverJob *job, const ContainerImage *image, const char *alias,
                      GError **error)
{
    const char *host = vmm_action_of(job)->host;
    g_autofree char *described = container_image_read(image, METADATA, error);
    if (!described)
        return FALSE;
    g_autoptr(GByteArray) description = *described ? NULL : describe_root();
    g_autofree char *fingerprint = fingerprint_of(job, image, description, error);
    g_autoptr(GError) reason = NULL;
    if (!fingerprint)
        return FALSE;
    if (!is_there(host, "/1.0/images/", fingerprint, NULL) &&
        !upload(job, image, description, &reason) &&
        !is_there(host, "/1.0/images/", fingerprint, NULL)) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
    }
    g_autoptr(JsonObject) order = json_object_new();
    json_object_set_string_member(order, "name", alias);
    json_object_set_string_member(order, "target", fingerprint);
    g_clear_error(&reason);
    if (lxd_order(host, "POST", "/1.0/images/aliases", order, NULL, &reason) ||
        is_there(host, "/1.0/images/aliases/", alias, NULL))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
}

char *lxd_have_image(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    g_autofree char *name = container_value(action, "IMAGE");
    g_auto(ContainerImage) image = {NULL};
    g_autoptr(GError) reason = NULL;
    if (!container_image_find(action, &image, error))
        return NULL;
    if (!name && !image.file) {
        g_set_error(
            error, ONE_ERROR, ONE_ERROR_RPC_API,
            "the template names no image: CONTAINER = [ IMAGE = \"alias or fingerprint\" ], "
            "or a DISK with an image that is a tar archive");
        return NULL;
    }
    if (!image.file)
        return g_steal_pointer(&name);
    g_autofree char *alias = name ? g_strdup(name) : g_strconcat("one-", image.key, NULL);
    if (is_there(action->host, "/1.0/images/aliases/", alias, &reason) ||
        (!reason && bring(job, &image, alias, error)))
        return g_steal_pointer(&alias);
    if (reason)
        g_propagate_error(error, g_steal_pointer(&reason));
    return NULL;
}
