/* What Docker and Podman tell of a host and of a container before it goes to another host. */
#include "drivers/vmm/check/container_check.h"
#include "drivers/vmm/docker/docker.h"

#include "lib/base/error.h"
#include <string.h>

gboolean docker_ask_host(struct ContainerHost *host, GError **error)
{
    g_autoptr(JsonObject) info = docker_do(host->name, "GET", "/info", NULL, NULL, error);
    if (!info)
        return FALSE;
    gboolean podman = docker_is_podman(info);
    host->daemon = g_strdup(podman ? "podman" : "docker");
    host->version = g_strdup(json_text_at(info, "ServerVersion"));
    host->kernel = g_strdup(json_text_at(info, "KernelVersion"));
    host->arch = g_strdup(json_text_at(info, "Architecture"));
    host->storage = g_strdup(json_text_at(info, "Driver"));
    host->checkpoints = podman ? -1 : json_bool_at(info, "ExperimentalBuild");
    return TRUE;
}

static gboolean has(const char *host, const char *folder, const char *name)
{
    g_autofree char *word = rest_escape(name);
    g_autofree char *path =
        g_strconcat(folder, word, g_str_equal(folder, "/images/") ? "/json" : "", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) found = docker_do(host, "GET", path, NULL, NULL, &error);
    return found || !g_error_matches(error, ONE_ERROR, ONE_ERROR_NO_EXISTS);
}

static gboolean is_own_network(const char *name)
{
    static const char *const everywhere[] = {"",       "default", "bridge",      "none", "host",
                                             "podman", "private", "slirp4netns", NULL};
    return !g_strv_contains(everywhere, name) && !strchr(name, ':');
}

/* "data:/srv[:ro]" */
static void note_volume(GPtrArray *stays, const char *bind)
{
    g_autofree char *name = g_strndup(bind, strcspn(bind, ":"));
    g_ptr_array_add(stays, g_strdup_printf("%s %s is another one on each host, unless it is on "
                                           "shared storage",
                                           *name == '/' ? "the path" : "the volume", name));
}

void docker_ask_container(const VmmAction *action, struct ContainerFacts *facts)
{
    JsonObject *container = facts->hosts[CONTAINER_SOURCE].sight.document;
    JsonObject *settings = json_object_at(container, "HostConfig");
    JsonArray *binds = json_array_at(settings, "Binds");
    const char *there = facts->hosts[CONTAINER_DESTINATION].name;
    const char *network = json_text_at(settings, "NetworkMode");
    const char *image = json_text_at(container, "Config.Image");
    facts->never =
        "an engine keeps its checkpoints to itself, by which onevm suspend works, and this "
        "driver carries none to another host";
    facts->sent = "what it wrote outside of volumes is lost: it is made anew from its image there";
    facts->bytes = 0;
    if (facts->hosts[CONTAINER_DESTINATION].unreachable || !container)
        return;
    for (guint i = 0; i < json_count(binds); i++)
        if (json_nth_text(binds, i))
            note_volume(facts->stays, json_nth_text(binds, i));
    if (json_count(json_array_at(settings, "Devices")) > 0)
        g_ptr_array_add(facts->stays, g_strdup("it has devices of its host"));
    if (network && is_own_network(network) && !has(there, "/networks/", network))
        g_ptr_array_add(facts->missing, g_strdup_printf("%s has no network %s", there, network));
    if (image && *image && !has(there, "/images/", image))
        g_ptr_array_add(facts->stays,
                        g_strdup_printf("%s has not its image %s yet, which is fetched or brought "
                                        "while it is off",
                                        there, image));
}
