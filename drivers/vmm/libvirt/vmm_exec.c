/*
 * EXEC, EXECPOLL, EXEC_CANCEL of QEMU guests: through the guest agent (guest-exec), which libvirt
 * speaks to by the channel that FEATURES/GUEST_AGENT of the machine opens. The agent tells the end
 * of a command once; it is kept here for a while, for an answer that was lost. Source: the
 * reference of the QEMU guest agent.
 */
#include "drivers/vmm/libvirt/vmm_libvirt.h"

#include "drivers/vmm/libvirt/vmm_command.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <json-glib/json-glib.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <string.h>

/* Seconds that the agent may take to answer. */
#define AGENT_SECONDS 20
/* How long an end is kept. */
#define KEEP_US (G_TIME_SPAN_MINUTE * 10)

/* ---- ends that were told ---- */

typedef struct Told {
    char *text;
    gint64 time;
} Told;

static GMutex told_lock;
static GHashTable *told; /* "vid/pid" -> Told */

static void told_free(gpointer data)
{
    Told *one = data;
    g_free(one->text);
    g_free(one);
}

static gboolean is_old(gpointer key, gpointer value, gpointer now)
{
    return ((const Told *)value)->time + KEEP_US < *(const gint64 *)now;
}

static void keep(const char *key, const char *text)
{
    gint64 now = g_get_monotonic_time();
    Told *one = g_new0(Told, 1);
    *one = (Told){g_strdup(text), now};
    g_mutex_lock(&told_lock);
    if (!told)
        told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, told_free);
    (void)g_hash_table_foreach_remove(told, is_old, &now);
    g_hash_table_replace(told, g_strdup(key), one);
    g_mutex_unlock(&told_lock);
}

static char *kept(const char *key)
{
    g_mutex_lock(&told_lock);
    const Told *one = told ? g_hash_table_lookup(told, key) : NULL;
    char *text = one ? g_strdup(one->text) : NULL;
    g_mutex_unlock(&told_lock);
    return text;
}

/* ---- the agent ---- */

/* "return" of its answer. NULL with the error. (owned) */
static JsonNode *agent(virDomainPtr domain, JsonBuilder *request, GError **error)
{
    g_autoptr(JsonNode) root = json_builder_get_root(request);
    g_autofree char *text = json_to_string(root, FALSE);
    const char *name = virDomainGetName(domain);
    char *answer = virDomainQemuAgentCommand(domain, text, AGENT_SECONDS, 0);
    if (!answer) {
        (void)libvirt_error(error,
                            "ask the guest agent of %s (FEATURES = [ GUEST_AGENT = YES ] and "
                            "qemu-guest-agent in the guest)",
                            name);
        return NULL;
    }
    g_autoptr(JsonNode) parsed = json_from_string(answer, error);
    free(answer);
    JsonObject *object =
        parsed && JSON_NODE_HOLDS_OBJECT(parsed) ? json_node_get_object(parsed) : NULL;
    JsonNode *value = object ? json_object_get_member(object, "return") : NULL;
    if (value && JSON_NODE_HOLDS_OBJECT(value))
        return json_node_copy(value);
    if (!error || !*error)
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "the guest agent of %s answered with something unknown", name);
    return NULL;
}

/* guest-exec of /bin/sh -c. (owned) */
static JsonBuilder *shell_request(const char *command, const char *input)
{
    JsonBuilder *json = json_builder_new();
    json_builder_begin_object(json);
    json_builder_set_member_name(json, "execute");
    json_builder_add_string_value(json, "guest-exec");
    json_builder_set_member_name(json, "arguments");
    json_builder_begin_object(json);
    json_builder_set_member_name(json, "path");
    json_builder_add_string_value(json, "/bin/sh");
    json_builder_set_member_name(json, "arg");
    json_builder_begin_array(json);
    json_builder_add_string_value(json, "-c");
    json_builder_add_string_value(json, command);
    json_builder_end_array(json);
    if (input && *input) {
        g_autofree char *encoded = g_base64_encode((const guchar *)input, strlen(input));
        json_builder_set_member_name(json, "input-data");
        json_builder_add_string_value(json, encoded);
    }
    json_builder_set_member_name(json, "capture-output");
    json_builder_add_boolean_value(json, TRUE);
    json_builder_end_object(json);
    json_builder_end_object(json);
    return json;
}

static JsonBuilder *status_request(gint64 pid)
{
    JsonBuilder *json = json_builder_new();
    json_builder_begin_object(json);
    json_builder_set_member_name(json, "execute");
    json_builder_add_string_value(json, "guest-exec-status");
    json_builder_set_member_name(json, "arguments");
    json_builder_begin_object(json);
    json_builder_set_member_name(json, "pid");
    json_builder_add_int_value(json, pid);
    json_builder_end_object(json);
    json_builder_end_object(json);
    return json;
}

/* ---- the actions ---- */

typedef struct Guest {
    virConnectPtr connection;
    VmmSight sight;
} Guest;

static void guest_clear(Guest *guest)
{
    vmm_sight_clear(&guest->sight);
    if (guest->connection)
        libvirt_pool_release(guest->connection);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Guest, guest_clear)

/* The running domain; FALSE: the job has failed. */
static gboolean find_guest(DriverJob *job, Guest *guest)
{
    const VmmAction *action = vmm_action_of(job);
    g_autoptr(GError) error = NULL;
    if (!(vmm_libvirt_flavour()->dialect->traits & DOMAIN_QEMU)) {
        driver_job_fail(job, "guests of %s have no agent that runs commands",
                        vmm_libvirt_flavour()->name);
        return FALSE;
    }
    guest->connection = libvirt_pool_get(action->host, &error);
    if (guest->connection)
        guest->sight = vmm_look(action, guest->connection);
    if (guest->connection && guest->sight.presence == VMM_RUNNING)
        return TRUE;
    if (guest->sight.error)
        driver_job_fail(job, "%s", guest->sight.error->message);
    else if (guest->connection)
        driver_job_fail(job, "%s %s on %s, so it runs no command", action->domain,
                        vmm_presence_text(guest->sight.presence), action->host);
    else
        driver_job_fail(job, "%s",
                        error ? error->message : "the host's answer cannot be understood");
    return FALSE;
}

static gboolean told_pid(const VmmAction *action, gint64 *pid)
{
    *pid = xml_get_int(action->vm, "TEMPLATE/QEMU_GA_EXEC/PID", -1);
    return *pid > 0;
}

void vmm_exec(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(Guest) guest = {.sight = {VMM_UNKNOWN}};
    g_autoptr(GError) error = NULL;
    g_autofree char *command = xml_get(action->vm, "TEMPLATE/QEMU_GA_EXEC/COMMAND");
    g_autofree char *input = xml_get(action->vm, "TEMPLATE/QEMU_GA_EXEC/STDIN");
    if (!find_guest(job, &guest))
        return;
    g_autoptr(JsonBuilder) request = shell_request(command ? command : "", input);
    g_autoptr(JsonNode) answer = agent(guest.sight.domain, request, &error);
    JsonObject *object = answer ? json_node_get_object(answer) : NULL;
    if (object && json_object_has_member(object, "pid")) {
        g_autofree char *pid =
            g_strdup_printf("%" G_GINT64_FORMAT, json_object_get_int_member(object, "pid"));
        driver_job_succeed(job, pid);
    } else {
        driver_job_fail(job, "%s", error ? error->message : "the guest agent gave no process id");
    }
}

/* What the agent says of a command; NULL: nothing new. (owned) */
static char *end_of(JsonObject *object)
{
    if (!json_object_get_boolean_member_with_default(object, "exited", FALSE))
        return NULL;
    gint64 code = json_object_get_int_member_with_default(object, "exitcode", 0);
    if (json_object_has_member(object, "signal"))
        code = 128 + json_object_get_int_member(object, "signal");
    return vmm_command_text64(
        code, json_object_get_string_member_with_default(object, "out-data", ""),
        json_object_get_string_member_with_default(object, "err-data", ""),
        json_object_get_boolean_member_with_default(object, "out-truncated", FALSE) ||
            json_object_get_boolean_member_with_default(object, "err-truncated", FALSE));
}

void vmm_exec_poll(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(Guest) guest = {.sight = {VMM_UNKNOWN}};
    g_autoptr(GError) error = NULL;
    gint64 pid;
    if (!told_pid(action, &pid)) {
        driver_job_fail(job, "QEMU_GA_EXEC/PID is no process id");
        return;
    }
    g_autofree char *key = g_strdup_printf("%s/%" G_GINT64_FORMAT, action->uuid, pid);
    g_autofree char *text = kept(key);
    if (!text && !find_guest(job, &guest))
        return;
    if (!text) {
        g_autoptr(JsonBuilder) request = status_request(pid);
        g_autoptr(JsonNode) answer = agent(guest.sight.domain, request, &error);
        virErrorPtr why = answer ? NULL : virGetLastError();
        text = answer ? end_of(json_node_get_object(answer)) : NULL;
        if (text)
            keep(key, text);
        else if (answer)
            text = vmm_command_text(&(VmmCommand){.status = "EXECUTING"});
        else if (why && why->code == VIR_ERR_INTERNAL_ERROR && strstr(error->message, "pid"))
            text = vmm_command_text(&(VmmCommand){
                .status = "ERROR", .errors = "the guest agent does not know the command any more"});
    }
    if (text)
        driver_job_succeed(job, text);
    else
        driver_job_fail(job, "%s", error->message);
}

/* Of a guest without pkill only the shell ends, and what it waits for goes on. */
void vmm_exec_cancel(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    g_auto(Guest) guest = {.sight = {VMM_UNKNOWN}};
    g_autoptr(GError) error = NULL;
    gint64 pid;
    if (!told_pid(action, &pid)) {
        driver_job_fail(job, "QEMU_GA_EXEC/PID is no process id");
        return;
    }
    if (!find_guest(job, &guest))
        return;
    g_autofree char *command = g_strdup_printf(
        "pkill -KILL -P %" G_GINT64_FORMAT "; kill -KILL %" G_GINT64_FORMAT, pid, pid);
    g_autoptr(JsonBuilder) request = shell_request(command, NULL);
    g_autoptr(JsonNode) answer = agent(guest.sight.domain, request, &error);
    if (answer)
        driver_job_succeed(job, NULL);
    else
        driver_job_fail(job, "%s", error->message);
}
