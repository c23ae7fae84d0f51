#include "drivers/vmm/container/container_image.h"

#include "drivers/common/program.h"
#include "drivers/vmm/container/container.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define READ_SECONDS 300
#define KEY_LENGTH   24

void container_image_clear(ContainerImage *image)
{
    g_clear_pointer(&image->file, g_free);
    g_clear_pointer(&image->key, g_free);
}

/* ---- which file ---- */

static gboolean refuse_disk(const xmlNode *disk, const char *why, GError **error)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "disk %" G_GINT64_FORMAT " %s",
                xml_get_int(disk, "DISK_ID", 0), why);
    return FALSE;
}

static gboolean says_yes(const xmlNode *disk, const char *name)
{
    g_autofree char *value = xml_get(disk, name);
    return vmm_is_yes(value);
}

/* A container's root is a copy that its daemon keeps: what is written there never comes back. */
static gboolean take_disk(const xmlNode *disk, ContainerImage *image, GError **error)
{
    g_autofree char *source = xml_get(disk, "SOURCE");
    if (!source || !*source)
        return refuse_disk(disk,
                           "is empty space, which containers of this host do not get; their room "
                           "is CONTAINER/SIZE or VOLUMES",
                           error);
    if (image->file)
        return refuse_disk(disk, "is a second image; a container has one, its root", error);
    if (says_yes(disk, "PERSISTENT") || says_yes(disk, "SAVE"))
        return refuse_disk(disk,
                           "is a persistent image, but a container's root is a copy of which "
                           "nothing comes back; make it non-persistent (oneimage nonpersistent)",
                           error);
    image->file = g_steal_pointer(&source);
    return TRUE;
}

/* Of path, size and time: hashing all of it would take longer than a container's start. */
static gboolean make_key(ContainerImage *image, GError **error)
{
    struct stat status;
    if (stat(image->file, &status) != 0 || !S_ISREG(status.st_mode)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "the image \"%s\" cannot be read on the front-end: %s", image->file,
                    errno ? g_strerror(errno) : "it is no file");
        return FALSE;
    }
    g_autofree char *text =
        g_strdup_printf("%s %lld %lld.%09ld", image->file, (long long)status.st_size,
                        (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    image->key = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
    image->key[KEY_LENGTH] = '\0';
    return TRUE;
}

gboolean container_image_find(const VmmAction *action, ContainerImage *image, GError **error)
{
    g_autofree char *named = container_value(action, "IMAGE");
    const xmlNode *disk = xml_find(action->vm, "TEMPLATE/DISK");
    image->file = container_value(action, "ARCHIVE");
    if (disk && named && !image->file)
        return refuse_disk(disk, "and CONTAINER/IMAGE both name an image; leave out one", error);
    for (; disk; disk = xml_next_same(disk))
        if (!take_disk(disk, image, error))
            return FALSE;
    errno = 0;
    return !image->file || make_key(image, error);
}

/* ---- what is in it ---- */

/* Archives of a folder have "./" before their names. What is not there makes tar fail, and prints
 * nothing. */
char *container_image_read(const ContainerImage *image, const char *member, GError **error)
{
    const SshWatch watch = {.seconds = READ_SECONDS};
    g_autofree char *other = g_strconcat("./", member, NULL);
    const char *argv[] = {"tar", "-xOf", image->file, "--", member, other, NULL};
    g_auto(SshResult) result = {0};
    if (!program_run(argv, -1, -1, &watch, &result, error))
        return NULL;
    gboolean no_archive = result.errors && (strstr(result.errors->str, "not look like a tar") ||
                                            strstr(result.errors->str, "Unexpected EOF"));
    if (no_archive) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "the image \"%s\" is no tar archive, which images of containers must be",
                    image->file);
        return NULL;
    }
    return g_strndup(result.out->str, result.out->len);
}

char **container_image_names(const ContainerImage *image, GError **error)
{
    const SshWatch watch = {.seconds = READ_SECONDS};
    const char *argv[] = {"tar", "-tf", image->file, "--quoting-style=escape", NULL};
    g_auto(SshResult) result = {0};
    if (!program_run(argv, -1, -1, &watch, &result, error))
        return NULL;
    if (result.status != 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "the archive \"%s\" cannot be read: %s",
                    image->file, result.errors->str);
        return NULL;
    }
    return g_strsplit(g_strchomp(result.out->str), "\n", -1);
}

int container_image_open(const ContainerImage *image, GError **error)
{
    int input = open(image->file, O_RDONLY | O_CLOEXEC);
    if (input < 0)
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "the image \"%s\" cannot be read on the front-end: %s", image->file,
                    g_strerror(errno));
    return input;
}
