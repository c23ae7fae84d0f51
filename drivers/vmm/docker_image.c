/* The image of a container of Docker or Podman: there already, brought as a file, or fetched by the
 * engine. */
#include "drivers/vmm/docker.h"
#include "lib/base/error.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PULL_SECONDS 3400

/* A file of `docker save`; administrators alone may name one (VM_RESTRICTED_ATTR). */
static gboolean load_archive(DriverJob *job, const char *archive, GError **error)
{
    const SshWatch watch = container_watch(job, PULL_SECONDS);
    int input = open(archive, O_RDONLY | O_CLOEXEC);
    if (input < 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "CONTAINER/ARCHIVE=\"%s\" cannot be read on the front-end", archive);
        return FALSE;
    }
    gboolean good =
        docker_follow(vmm_action_of(job)->host, "/images/load?quiet=true", input, &watch, error);
    close(input);
    return good;
}

/* Without a tag the engine would fetch all there are. */
static gboolean pull(DriverJob *job, const char *image, GError **error)
{
    const SshWatch watch = container_watch(job, PULL_SECONDS);
    const char *last = strrchr(image, '/');
    gboolean tagged = strpbrk(last ? last : image, ":@") != NULL;
    g_autofree char *word = rest_escape(image);
    g_autofree char *path =
        g_strdup_printf("/images/create?fromImage=%s%s", word, tagged ? "" : "&tag=latest");
    driver_log('I', vmm_action_of(job)->vid, "%s fetches the image %s", vmm_action_of(job)->host,
               image);
    return docker_follow(vmm_action_of(job)->host, path, 0, &watch, error);
}

gboolean docker_have_image(DriverJob *job, GError **error)
{
    const VmmAction *action = vmm_action_of(job);
    g_autofree char *image = container_value(action, "IMAGE");
    g_autofree char *archive = container_value(action, "ARCHIVE");
    g_autofree char *word = rest_escape(image);
    g_autofree char *path = g_strdup_printf("/images/%s/json", word);
    g_autoptr(GError) reason = NULL;
    g_autoptr(JsonObject) there = docker_do(action->host, "GET", path, NULL, NULL, &reason);
    if (there)
        return TRUE;
    if (!g_error_matches(reason, ONE_ERROR, ONE_ERROR_NO_EXISTS)) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
    }
    return archive ? load_archive(job, archive, error) : pull(job, image, error);
}
