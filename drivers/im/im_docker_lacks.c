/* What a host's engine cannot do of what Docker and Podman can: its checkpoints need CRIU, and more
 * that differs from host to host. */
#include "drivers/common/criu.h"
#include "drivers/common/docker.h"
#include "drivers/im/im.h"
#include "drivers/im/im_rest.h"
#include <string.h>

/* CRIU is let check the host so seldom, since that takes some tenths of a second. */
#define KEEP_SECONDS 600
/* A host that could not be asked is asked again soon. */
#define RETRY_SECONDS 30

typedef struct Known {
    char *criu; /* what it said, or why it was not asked */
    gint64 until;
} Known;

static GMutex lock;
static GHashTable *hosts; /* name -> Known */

static void known_free(gpointer data)
{
    g_free(((Known *)data)->criu);
    g_free(data);
}

void im_docker_forget(const char *host)
{
    g_mutex_lock(&lock);
    if (hosts)
        (void)g_hash_table_remove(hosts, host);
    g_mutex_unlock(&lock);
}

/* (owned) */
static char *criu_of(const char *host)
{
    gint64 now = g_get_monotonic_time();
    g_mutex_lock(&lock);
    if (!hosts)
        hosts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, known_free);
    Known *known = g_hash_table_lookup(hosts, host);
    char *said = known && now < known->until ? g_strdup(known->criu) : NULL;
    g_mutex_unlock(&lock);
    if (said)
        return said;
    g_autoptr(GError) error = NULL;
    said = criu_look(host, &error);
    if (!said)
        said = g_strdup_printf("CRIU was not looked for: %s", error->message);
    known = g_new0(Known, 1);
    known->criu = g_strdup(said);
    known->until = now + (error ? RETRY_SECONDS : KEEP_SECONDS) * G_TIME_SPAN_SECOND;
    g_mutex_lock(&lock);
    g_hash_table_replace(hosts, g_strdup(host), known);
    g_mutex_unlock(&lock);
    return said;
}

/* Why the engine itself makes none, whatever CRIU says; NULL: it does. (owned) */
static char *why_no_checkpoints(const char *host, JsonObject *info)
{
    if (!docker_is_podman(info))
        return json_bool_at(info, "ExperimentalBuild")
                   ? NULL
                   : g_strdup("Docker makes checkpoints as an experiment only: set "
                              "\"experimental\": true in /etc/docker/daemon.json and restart it");
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) own = docker_do(host, "GET", PODMAN "/info", NULL, NULL, &error);
    const char *name = json_text_at(own, "host.ociRuntime.name");
    const char *version = json_text_at(own, "host.ociRuntime.version");
    if (!own)
        return g_strdup_printf("Podman did not say what it can: %s", error->message);
    if (name && strstr(name, "crun") && !(version && strstr(version, "+CRIU")))
        return g_strdup("Podman's runtime crun was built without CRIU: install runc and set "
                        "runtime = \"runc\" in /etc/containers/containers.conf");
    return NULL;
}

void im_docker_append_lacks(GString *out, const char *host, JsonObject *info)
{
    g_autofree char *why = why_no_checkpoints(host, info);
    g_autofree char *criu = why ? NULL : criu_of(host);
    if (criu && !criu_is_content(criu))
        why = g_strdup_printf("%s; checkpoints need one that works with the host's kernel "
                              "(share/doc/containers.md)",
                              criu);
    im_append(out, "VMM_LACKS", why ? "SAVE,RESTORE,MIGRATE" : "MIGRATE");
    im_append(out, "VMM_LACKS_WHY", why ? why : "its engine keeps checkpoints to itself");
}
