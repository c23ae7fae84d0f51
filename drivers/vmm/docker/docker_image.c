/* The image of a container of Docker or Podman: there already, brought as a file, or fetched by the
 * engine. */
#include "drivers/vmm/container/container_image.h"
#include "drivers/vmm/docker/docker.h"
#include "drivers/vmm/docker/docker_archive.h"
#include "lib/base/error.h"
#include <string.h>
#include <unistd.h>

/* ---- the engine's own ---- */

/* FALSE without the error: it is not there. */
static gboolean is_there(const char *host, const char *image, GError **error)
{
    g_autofree char *word = rest_escape(image);
    g_autofree char *path = g_strdup_printf("/images/%s/json", word);
    g_autoptr(GError) reason = NULL;
    g_autoptr(JsonObject) there = docker_do(host, "GET", path, NULL, NULL, &reason);
    if (!there && !g_error_matches(reason, ONE_ERROR, ONE_ERROR_NO_EXISTS))
        g_propagate_error(error, g_steal_pointer(&reason));
    return there != NULL;
}

/* Without a tag the engine would fetch all there are. */
static gboolean pull(DriverJob *job, const char *image, GError **error)
{
    const SshWatch watch = container_watch(job, CONTAINER_LONG_SECONDS);
    const char *last = strrchr(image, '/');
    gboolean tagged = strpbrk(last ? last : image, ":@") != NULL;
    g_autofree char *word = rest_escape(image);
    g_autofree char *path =
        g_strdup_printf("/images/create?fromImage=%s%s", word, tagged ? "" : "&tag=latest");
    driver_log('I', vmm_action_of(job)->vid, "%s fetches the image %s", vmm_action_of(job)->host,
               image);
    return docker_follow(vmm_action_of(job)->host, path, 0, &watch, error);
}

/* ---- files ---- */

static gboolean upload(DriverJob *job, const ContainerImage *image, const char *path,
                       GError **error)
{
    const SshWatch watch = container_watch(job, CONTAINER_LONG_SECONDS);
    const char *host = vmm_action_of(job)->host;
    int input = container_image_open(image, error);
    if (input < 0)
        return FALSE;
    driver_log('I', vmm_action_of(job)->vid, "the image %s is brought to %s", image->file, host);
    gboolean good = docker_follow(host, path, input, &watch, error);
    close(input);
    return good;
}

/* `name` is what the template calls it; NULL: nothing. What it is called on the host. (owned) */
static char *bring(DriverJob *job, const ContainerImage *image, const char *name, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) reason = NULL;
    g_autofree char *manifest = container_image_read(image, DOCKER_MANIFEST, error);
    if (!manifest)
        return NULL;
    g_autofree char *called = name        ? g_strdup(name)
                              : *manifest ? docker_archive_id(image, manifest, error)
                                          : g_strconcat("one-image:", image->key, NULL);
    if (!called)
        return NULL;
    g_autofree char *word = rest_escape(called);
    g_autofree char *path = *manifest ? g_strdup("/images/load?quiet=true")
                                      : g_strconcat("/images/create?fromSrc=-&repo=", word, NULL);
    gboolean there = is_there(action->host, called, &reason);
    if (there || (!reason && (!*manifest || docker_archive_check(image, manifest, name, error)) &&
                  upload(job, image, path, error)))
        return g_steal_pointer(&called);
    if (reason)
        g_propagate_error(error, g_steal_pointer(&reason));
    return NULL;
}

char *docker_named_image(const VmmAction *action)
{
    g_auto(ContainerImage) image = {NULL};
    return container_image_find(action, &image, NULL) && !image.file
               ? container_value(action, "IMAGE")
               : NULL;
}

char *docker_have_image(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    g_autofree char *name = container_value(action, "IMAGE");
    g_auto(ContainerImage) image = {NULL};
    g_autoptr(GError) reason = NULL;
    if (!container_image_find(action, &image, error))
        return NULL;
    if (image.file)
        return bring(job, &image, name, error);
    if (!name)
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "the template names no image: CONTAINER = [ IMAGE = \"name:tag\" ], or a DISK "
                    "with an image that is a tar archive");
    else if (is_there(action->host, name, &reason) || (!reason && pull(job, name, error)))
        return g_steal_pointer(&name);
    else if (reason)
        g_propagate_error(error, g_steal_pointer(&reason));
    return NULL;
}
