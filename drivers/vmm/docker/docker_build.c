/* The machine's template as the document of a container. share/doc/containers.md tells what becomes
 * of what. */
#include "drivers/vmm/docker/docker.h"

#include "drivers/vmm/container/container.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

#define MIB (1024 * 1024)

static gboolean wrong(GError **error, const char *name, const char *value, const char *why)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "CONTAINER/%s=\"%s\" %s", name, value, why);
    return FALSE;
}

static void set(JsonObject *object, const char *name, char *value)
{
    if (value)
        json_object_set_string_member(object, name, value);
    g_free(value);
}

/* A list of words, quoted as for a shell. */
static gboolean set_words(JsonObject *object, const VmmAction *action, const char *pair,
                          const char *name, GError **error)
{
    g_autofree char *value = container_value(action, pair);
    g_auto(GStrv) words = NULL;
    g_autoptr(GError) reason = NULL;
    if (!value)
        return TRUE;
    if (!g_shell_parse_argv(value, NULL, &words, &reason))
        return wrong(error, pair, value, reason->message);
    JsonArray *array = json_array_new();
    for (guint i = 0; words[i]; i++)
        json_array_add_string_element(array, words[i]);
    json_object_set_array_member(object, name, array);
    return TRUE;
}

static gboolean is_port(const char *text)
{
    guint64 port;
    return g_ascii_string_to_unsigned(text, 10, 1, 65535, &port, NULL);
}

/* "[address:]8080:80[/udp]" */
static gboolean add_port(JsonObject *exposed, JsonObject *bound, const char *word)
{
    g_auto(GStrv) halves = g_strsplit(word, "/", 2);
    const char *protocol = halves[1] ? halves[1] : "tcp";
    char *inside = strrchr(halves[0], ':');
    if (!inside || (!g_str_equal(protocol, "tcp") && !g_str_equal(protocol, "udp")))
        return FALSE;
    *inside++ = '\0';
    char *outside = strrchr(halves[0], ':');
    const char *address = outside ? halves[0] : NULL;
    if (outside)
        *outside++ = '\0';
    else
        outside = halves[0];
    if (!is_port(inside) || !is_port(outside))
        return FALSE;
    g_autofree char *key = g_strconcat(inside, "/", protocol, NULL);
    JsonArray *places = json_array_new();
    JsonObject *place = json_object_new();
    if (address)
        json_object_set_string_member(place, "HostIp", address);
    json_object_set_string_member(place, "HostPort", outside);
    json_array_add_object_element(places, place);
    json_object_set_object_member(exposed, key, json_object_new());
    json_object_set_array_member(bound, key, places);
    return TRUE;
}

static gboolean set_ports(JsonObject *container, JsonObject *settings, const VmmAction *action,
                          GError **error)
{
    g_autofree char *value = container_value(action, "PORTS");
    g_auto(GStrv) words = g_strsplit_set(value ? value : "", " ,", -1);
    JsonObject *exposed = json_object_new(), *bound = json_object_new();
    gboolean good = TRUE;
    for (guint i = 0; good && words[i]; i++)
        if (*words[i] && !add_port(exposed, bound, words[i]))
            good = wrong(error, "PORTS", words[i],
                         "is not [ADDRESS:]PORT:PORT-INSIDE[/udp], such as 8080:80");
    json_object_set_object_member(container, "ExposedPorts", exposed);
    json_object_set_object_member(settings, "PortBindings", bound);
    return good;
}

static gboolean set_volumes(JsonObject *settings, const VmmAction *action, GError **error)
{
    g_autofree char *value = container_value(action, "VOLUMES");
    g_auto(GStrv) words = g_strsplit_set(value ? value : "", " ,", -1);
    JsonArray *binds = json_array_new();
    gboolean good = TRUE;
    for (guint i = 0; good && words[i]; i++) {
        const char *inside = strchr(words[i], ':');
        if (*words[i] && (!inside || inside == words[i] || inside[1] != '/'))
            good = wrong(error, "VOLUMES", words[i], "is not NAME-OR-PATH:/PATH-INSIDE[:ro]");
        else if (*words[i])
            json_array_add_string_element(binds, words[i]);
    }
    json_object_set_array_member(settings, "Binds", binds);
    return good;
}

JsonObject *docker_build_limits(const VmmAction *action)
{
    const ContainerSize size = container_size(action);
    JsonObject *limits = json_object_new();
    json_object_set_int_member(limits, "Memory", size.memory * MIB);
    /* As much again as swap would be the engine's own choice. */
    json_object_set_int_member(limits, "MemorySwap", size.memory * MIB);
    json_object_set_int_member(limits, "NanoCpus", (gint64)(size.cpu * 1e9));
    return limits;
}

static JsonObject *build_settings(const VmmAction *action)
{
    JsonObject *settings = docker_build_limits(action);
    g_autofree char *privileged = container_value(action, "PRIVILEGED");
    json_object_set_boolean_member(settings, "Privileged", vmm_is_yes(privileged));
    set(settings, "NetworkMode", container_value(action, "NETWORK"));
    return settings;
}

static JsonObject *build_labels(const VmmAction *action)
{
    JsonObject *labels = json_object_new();
    json_object_set_string_member(labels, DOCKER_UUID, action->uuid);
    set(labels, DOCKER_VID, g_strdup_printf("%" G_GINT64_FORMAT, action->vid));
    set(labels, "one.name", xml_get(action->vm, "NAME"));
    return labels;
}

static gboolean fits(const VmmAction *action, GError **error)
{
    if (!xml_find(action->vm, "TEMPLATE/NIC"))
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "containers of Docker have no NIC of the template: CONTAINER/NETWORK names one "
                "of the engine's networks, CONTAINER/PORTS what is reached from outside");
    return FALSE;
}

JsonObject *docker_build_container(const VmmAction *action, GError **error)
{
    if (!fits(action, error))
        return NULL;
    g_autoptr(JsonObject) container = json_object_new();
    JsonObject *settings = build_settings(action);
    set(container, "User", container_value(action, "USER"));
    set(container, "WorkingDir", container_value(action, "DIRECTORY"));
    set(container, "Hostname", xml_get(action->vm, "TEMPLATE/CONTEXT/SET_HOSTNAME"));
    json_object_set_boolean_member(container, "Tty", TRUE);
    json_object_set_boolean_member(container, "OpenStdin", TRUE);
    json_object_set_object_member(container, "Labels", build_labels(action));
    json_object_set_object_member(container, "HostConfig", settings);
    if (set_words(container, action, "COMMAND", "Cmd", error) &&
        set_words(container, action, "ENTRYPOINT", "Entrypoint", error) &&
        set_words(container, action, "ENVIRONMENT", "Env", error) &&
        set_ports(container, settings, action, error) && set_volumes(settings, action, error))
        return g_steal_pointer(&container);
    return NULL;
}
