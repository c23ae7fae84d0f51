/*
 * The simulated hypervisor: a machine is a file (drivers/common/dummy.h), an action is
 * a change of that file. Everything happens in the reading thread; latencies are timers,
 * so that ten thousand machines cost no threads.
 */
#include "drivers/common/dummy.h"
#include "drivers/vmm/libvirt/vmm_command.h"
#include "drivers/vmm/console.h"
#include "drivers/vmm/vmm.h"
#include "drivers/vmm/vmm_action.h"
#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>
#include <unistd.h>

/* Does the action; FALSE with an error. *info is the result's text. */
typedef gboolean (*Deed)(const VmmAction *action, char **info, GError **error);

static gboolean is_this(const VmmAction *action, const DummyDomain *domain)
{
    return action->adopted ||
           (domain->vid == action->vid &&
            (!domain->uuid || !*domain->uuid || !g_ascii_strcasecmp(domain->uuid, action->uuid)));
}

static gboolean set_error(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean set_error(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error_literal(error, ONE_ERROR, ONE_ERROR_ACTION, text);
    return FALSE;
}

/* Reads a machine that must be there. */
static gboolean read_existing(const VmmAction *action, DummyDomain *domain, GError **error)
{
    if (dummy_domain_read(action->host, action->domain, domain, error))
        return TRUE;
    if (error && !*error)
        set_error(error, "there is no machine %s on %s", action->domain, action->host);
    return FALSE;
}

/* ---- devices: "disk0 nic0 snapshot0" ---- */

static gboolean has_device(const DummyDomain *domain, const char *device)
{
    g_auto(GStrv) words = g_strsplit(domain->devices ? domain->devices : "", " ", -1);
    return g_strv_contains((const char *const *)words, device);
}

static void add_device(DummyDomain *domain, const char *device)
{
    if (has_device(domain, device))
        return;
    char *all = domain->devices && *domain->devices ? g_strjoin(" ", domain->devices, device, NULL)
                                                    : g_strdup(device);
    g_free(domain->devices);
    domain->devices = all;
}

static void remove_device(DummyDomain *domain, const char *device)
{
    g_auto(GStrv) words = g_strsplit(domain->devices ? domain->devices : "", " ", -1);
    g_clear_pointer(&domain->devices, g_free);
    for (guint i = 0; words[i]; i++)
        if (*words[i] && !g_str_equal(words[i], device))
            add_device(domain, words[i]);
}

/* All disks, network cards and snapshots of the template. */
static void add_devices(const VmmAction *action, DummyDomain *domain)
{
    static const struct {
        const char *path, *id, *word;
    } kinds[] = {{"TEMPLATE/DISK", "DISK_ID", "disk"},
                 {"TEMPLATE/NIC", "NIC_ID", "nic"},
                 {"TEMPLATE/SNAPSHOT", "SNAPSHOT_ID", "snapshot"}};
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
        for (const xmlNode *node = xml_find(action->vm, kinds[i].path); node;
             node = xml_next_same(node)) {
            g_autofree char *device = g_strdup_printf("%s%" G_GINT64_FORMAT, kinds[i].word,
                                                      xml_get_int(node, kinds[i].id, 0));
            add_device(domain, device);
        }
}

static gboolean write_running(const VmmAction *action, GError **error)
{
    g_auto(DummyDomain) domain = {.vid = action->vid};
    g_autofree char *cpu = xml_get(action->vm, "TEMPLATE/CPU");
    domain.deploy_id = g_strdup(action->domain);
    domain.state = g_strdup("RUNNING");
    domain.name = xml_get(action->vm, "NAME");
    domain.uuid = g_strdup(action->uuid);
    domain.cpu = (gint64)(100 * (cpu ? g_ascii_strtod(cpu, NULL) : 1));
    domain.memory = 1024 * xml_get_int(action->vm, "TEMPLATE/MEMORY", 0);
    add_devices(action, &domain);
    return dummy_domain_write(action->host, &domain, error);
}

static gboolean start(const VmmAction *action, char **info, GError **error)
{
    g_auto(DummyDomain) domain = {.vid = -1};
    g_autoptr(GError) unreadable = NULL;
    *info = g_strdup(action->domain);
    if (dummy_domain_read(action->host, action->domain, &domain, &unreadable)) {
        if (!is_this(action, &domain))
            return set_error(error, "another machine called %s is on %s already; remove it there",
                             action->domain, action->host);
        if (g_str_equal(domain.state, "RUNNING"))
            return TRUE;
    }
    return write_running(action, error);
}

/* An imported machine is there, or cannot be made. */
static gboolean deploy(const VmmAction *action, char **info, GError **error)
{
    g_auto(DummyDomain) domain = {.vid = -1};
    return (!action->adopted || read_existing(action, &domain, error)) &&
           start(action, info, error);
}

static gboolean remove_machine(const VmmAction *action, char **info, GError **error)
{
    return dummy_domain_remove(action->host, action->domain, error);
}

static gboolean restart(const VmmAction *action, char **info, GError **error)
{
    g_auto(DummyDomain) domain = {.vid = -1};
    if (!read_existing(action, &domain, error))
        return FALSE;
    return g_str_equal(domain.state, "RUNNING") ||
           set_error(error, "%s on %s is not running but %s", action->domain, action->host,
                     domain.state);
}

static gboolean save(const VmmAction *action, char **info, GError **error)
{
    return restart(action, info, error) && remove_machine(action, info, error);
}

static gboolean restore(const VmmAction *action, char **info, GError **error)
{
    return start(action, info, error);
}

static gboolean migrate(const VmmAction *action, char **info, GError **error)
{
    g_auto(DummyDomain) domain = {.vid = -1};
    if (!action->destination)
        return set_error(error, "the request names no MIGR_HOST");
    if (dummy_host(action->destination).down)
        return set_error(error, "%s does not answer (simulated); %s goes on running on %s",
                         action->destination, action->domain, action->host);
    if (dummy_domain_read(action->destination, action->domain, &domain, NULL) &&
        is_this(action, &domain) && g_str_equal(domain.state, "RUNNING"))
        return dummy_domain_remove(action->host, action->domain, error);
    dummy_domain_clear(&domain);
    if (!restart(action, info, error) ||
        !dummy_domain_move(action->domain, action->host, action->destination, error))
        return FALSE;
    (void)dummy_domain_read(action->destination, action->domain, &domain, NULL);
    const xmlNode *root = xmlDocGetRootElement(action->document);
    g_autofree char *postcopy = xml_get(root, "MIGRATE/POSTCOPY");
    gint64 bytes = domain.memory * 1024;
    *info = g_strdup_printf("total_ms=%d downtime_ms=0 setup_ms=0 bytes=%" G_GINT64_FORMAT
                            " memory_bytes=%" G_GINT64_FORMAT
                            " disk_bytes=0 rounds=1 dirty_rate=0 mode=%s "
                            "storage=shared",
                            (gint)(dummy_odds("MIGRATE", action->host).latency * 1000), bytes,
                            bytes, vmm_is_yes(postcopy) ? "postcopy" : "precopy");
    return TRUE;
}

/* A simulated host takes what fits into its memory, and has a link of 1000 MiB/s. */
#define LINK_RATE 1000

static gboolean check_migration(const VmmAction *action, char **info, GError **error)
{
    g_auto(DummyDomain) domain = {.vid = -1}, other = {.vid = -1};
    if (!action->destination)
        return set_error(error, "the request names no MIGR_HOST");
    if (dummy_host(action->destination).down)
        return set_error(error, "%s does not answer (simulated)", action->destination);
    if (!restart(action, info, error) || !read_existing(action, &domain, error))
        return FALSE;
    gint64 room = dummy_host(action->destination).total_memory;
    gboolean taken = dummy_domain_read(action->destination, action->domain, &other, NULL);
    g_autoptr(GString) text = g_string_new("STORAGE=\"shared\"\n");
    g_string_append_printf(text, "MEMORY_MB=\"%" G_GINT64_FORMAT "\"\nDIRTY_RATE_MBS=\"0\"\n",
                           domain.memory / 1024);
    g_string_append_printf(text, "LINK_RATE_MBS=\"%d\"\nDOWNTIME_MS=\"0\"\n", LINK_RATE);
    g_string_append_printf(text, "TOTAL_MS=\"%" G_GINT64_FORMAT "\"\n",
                           domain.memory / 1024 * 1000 / LINK_RATE);
    g_string_append_printf(text, "CHECK=[NAME=\"name\",RESULT=\"%s\",TEXT=\"%s %s on %s\"]\n",
                           taken ? "no" : "ok", action->domain,
                           taken ? "is there already:" : "is free", action->destination);
    g_string_append_printf(text,
                           "CHECK=[NAME=\"memory\",RESULT=\"%s\",TEXT=\"%s has %" G_GINT64_FORMAT
                           " MiB in all (simulated)\"]\n",
                           room < domain.memory ? "no" : "ok", action->destination, room / 1024);
    *info = g_base64_encode((const guchar *)text->str, text->len);
    return TRUE;
}

static const char *state_letter(const char *state)
{
    static const char *const letters[][2] = {
        {"RUNNING", "a"}, {"PAUSED", "p"}, {"SUSPENDED", "p"}, {"POWEROFF", "d"}, {"FAILURE", "e"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(letters); i++)
        if (g_str_equal(letters[i][0], state))
            return letters[i][1];
    return "-";
}

static gboolean poll_machine(const VmmAction *action, char **info, GError **error)
{
    g_auto(DummyDomain) domain = {.vid = -1};
    g_autoptr(GError) unreadable = NULL;
    if (!dummy_domain_read(action->host, action->domain, &domain, &unreadable)) {
        if (unreadable) {
            g_propagate_error(error, g_steal_pointer(&unreadable));
            return FALSE;
        }
        *info = g_strdup("STATE=d");
        return TRUE;
    }
    *info = g_strdup_printf("STATE=%s CPU=%" G_GINT64_FORMAT " MEMORY=%" G_GINT64_FORMAT
                            " NETRX=0 NETTX=0 DEPLOY_ID=%s",
                            state_letter(domain.state), domain.cpu, domain.memory, action->domain);
    return TRUE;
}

static gboolean clean_up(const VmmAction *action, char **info, GError **error)
{
    if (action->destination && dummy_host(action->destination).down)
        return set_error(error, "%s does not answer (simulated)", action->destination);
    return dummy_domain_remove(action->host, action->domain, error) &&
           (!action->destination ||
            dummy_domain_remove(action->destination, action->domain, error));
}

/* ---- changes ---- */

/* A machine that runs. */
static gboolean read_running(const VmmAction *action, DummyDomain *domain, GError **error)
{
    return read_existing(action, domain, error) &&
           (g_str_equal(domain->state, "RUNNING") ||
            set_error(error, "%s on %s is not running but %s", action->domain, action->host,
                      domain->state));
}

/* "disk2": what the request is about, by the mark that it has. (owned) */
static char *marked_device(const VmmAction *action, GError **error)
{
    g_autoptr(GError) none = NULL;
    const VmmDevice device = vmm_marked_device(action, &none);
    if (!device.node) {
        set_error(error, "%s", none->message);
        return NULL;
    }
    return g_strdup_printf("%s%" G_GINT64_FORMAT, device.kind, device.id);
}

static gboolean change_device(const VmmAction *action, gboolean there, GError **error)
{
    g_auto(DummyDomain) domain = {.vid = -1};
    g_autofree char *device = marked_device(action, error);
    if (!device || !read_running(action, &domain, error))
        return FALSE;
    if (there)
        add_device(&domain, device);
    else
        remove_device(&domain, device);
    return dummy_domain_write(action->host, &domain, error);
}

static gboolean attach(const VmmAction *action, char **info, GError **error)
{
    return change_device(action, TRUE, error);
}

static gboolean detach(const VmmAction *action, char **info, GError **error)
{
    return change_device(action, FALSE, error);
}

/* A change that leaves no trace here. */
static gboolean change_inside(const VmmAction *action, char **info, GError **error)
{
    g_auto(DummyDomain) domain = {.vid = -1};
    return read_running(action, &domain, error);
}

static gboolean snapshot_create(const VmmAction *action, char **info, GError **error)
{
    *info = marked_device(action, error);
    return *info && change_device(action, TRUE, error);
}

static gboolean snapshot_revert(const VmmAction *action, char **info, GError **error)
{
    g_auto(DummyDomain) domain = {.vid = -1};
    g_autofree char *device = marked_device(action, error);
    return device && read_running(action, &domain, error) &&
           (has_device(&domain, device) ||
            set_error(error, "%s has no %s", action->domain, device));
}

/* One that is off keeps its snapshots nowhere. */
static gboolean snapshot_delete(const VmmAction *action, char **info, GError **error)
{
    g_auto(DummyDomain) domain = {.vid = -1};
    return !dummy_domain_read(action->host, action->domain, &domain, NULL) ||
           change_device(action, FALSE, error);
}

static gboolean resize(const VmmAction *action, char **info, GError **error)
{
    g_auto(DummyDomain) domain = {.vid = -1};
    g_autofree char *cpu = xml_get(action->vm, "TEMPLATE/CPU");
    if (!read_running(action, &domain, error))
        return FALSE;
    domain.cpu = (gint64)(100 * (cpu ? g_ascii_strtod(cpu, NULL) : 1));
    domain.memory = 1024 * xml_get_int(action->vm, "TEMPLATE/MEMORY", 0);
    return dummy_domain_write(action->host, &domain, error);
}

/* ---- the console ---- */

/* The simulated guest's line: it greets, and says again what it hears. */
typedef struct Echo {
    ConsoleOffer *offer;
    char *greeting;
} Echo;

static gpointer echo(gpointer data)
{
    Echo *line = data;
    char block[512];
    int peer = console_accept(line->offer);
    gboolean open = peer >= 0 && console_write(peer, line->greeting, strlen(line->greeting));
    while (open) {
        ssize_t count = read(peer, block, sizeof block);
        open = count > 0 && console_write(peer, block, (gsize)count);
        if (open && memchr(block, '\r', (size_t)count))
            open = console_write(peer, "\n", 1);
    }
    if (peer >= 0)
        close(peer);
    console_offer_free(line->offer);
    g_free(line->greeting);
    g_free(line);
    return NULL;
}

static gboolean settle(const VmmAction *action, char **info, GError **error)
{
    g_auto(DummyDomain) domain = {.vid = -1};
    if (!dummy_domain_read(action->host, action->domain, &domain, NULL))
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%s is on %s (simulated); it is left alone",
                action->domain, action->host);
    return FALSE;
}

static gboolean open_console(const VmmAction *action, char **info, GError **error)
{
    if (!restart(action, info, error))
        return FALSE;
    ConsoleOffer *offer = console_offer(action->vid, info, error);
    if (!offer)
        return FALSE;
    Echo *line = g_new0(Echo, 1);
    line->offer = offer;
    line->greeting =
        g_strdup_printf("Simulated console of %s on %s\r\n", action->domain, action->host);
    g_thread_unref(g_thread_new("console", echo, line));
    return TRUE;
}

/* An increment when one is asked for. */
static gboolean backup(const VmmAction *action, char **info, GError **error)
{
    const xmlNode *root = xmlDocGetRootElement(action->document);
    *info = g_strdup(xml_get_int(root, "BACKUP/PARENT", -1) >= 0 ? "increment" : "full");
    return change_inside(action, NULL, error);
}

static gboolean nothing(const VmmAction *action, char **info, GError **error)
{
    return TRUE;
}

/* ---- commands: "exit N" ends with that, "sleep" does not end, "lost" was never heard of; any
 * other says itself and what it is told ---- */

static gboolean start_command(const VmmAction *action, char **info, GError **error)
{
    g_auto(DummyDomain) domain = {0};
    if (!read_existing(action, &domain, error))
        return FALSE;
    *info = g_strdup_printf("sim-%u", g_random_int());
    return TRUE;
}

static gboolean poll_command(const VmmAction *action, char **info, GError **error)
{
    g_autofree char *command = xml_get(action->vm, "TEMPLATE/QEMU_GA_EXEC/COMMAND");
    g_autofree char *input = xml_get(action->vm, "TEMPLATE/QEMU_GA_EXEC/STDIN");
    g_autofree char *said = g_strdup_printf("%s\n%s", command ? command : "", input ? input : "");
    VmmCommand result = {.status = "DONE", .out = said, .errors = ""};
    if (command && g_str_has_prefix(command, "exit "))
        result = (VmmCommand){
            .status = "DONE", .code = g_ascii_strtoll(command + 5, NULL, 10), .errors = ""};
    else if (command && g_str_has_prefix(command, "sleep"))
        result = (VmmCommand){.status = "EXECUTING"};
    else if (command && g_str_equal(command, "lost"))
        result = (VmmCommand){.status = "ERROR", .errors = "nobody knows it (simulated)"};
    *info = vmm_command_text(&result);
    return TRUE;
}

static gboolean end_command(const VmmAction *action, char **info, GError **error)
{
    return TRUE;
}

static const struct {
    const char *name;
    Deed deed;
} deeds[] = {
    {"DEPLOY", deploy},
    {"SHUTDOWN", remove_machine},
    {"CANCEL", remove_machine},
    {"REBOOT", restart},
    {"RESET", restart},
    {"SAVE", save},
    {"RESTORE", restore},
    {"MIGRATE", migrate},
    {"POLL", poll_machine},
    {"CLEANUP", clean_up},
    {"SETTLE", settle},
    {"MIGRATECHECK", check_migration},
    {"ATTACHDISK", attach},
    {"DETACHDISK", detach},
    {"ATTACHNIC", attach},
    {"DETACHNIC", detach},
    {"UPDATENIC", change_inside},
    {"UPDATECONF", change_inside},
    {"UPDATESG", change_inside},
    {"SNAPSHOTCREATE", snapshot_create},
    {"SNAPSHOTREVERT", snapshot_revert},
    {"SNAPSHOTDELETE", snapshot_delete},
    {"DISKSNAPSHOTCREATE", change_inside},
    {"RESIZE", resize},
    {"RESIZEDISK", change_inside},
    {"CONSOLE", open_console},
    {"EXEC", start_command},
    {"EXECPOLL", poll_command},
    {"EXEC_CANCEL", end_command},
    {"BACKUP", backup},
    {"BACKUPCANCEL", nothing},
};

static Deed find_deed(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(deeds); i++)
        if (g_str_equal(deeds[i].name, name))
            return deeds[i].deed;
    g_assert_not_reached(); /* the action table below has the same names; a test compares */
}

static void finish(DriverJob *job)
{
    const VmmAction *action = vmm_action_of(job);
    const char *name = driver_job_action(job);
    DummyOdds odds = dummy_odds(name, action->host);
    g_autofree char *info = NULL;
    g_autoptr(GError) error = NULL;
    if (dummy_host(action->host).down)
        driver_job_fail(job, "%s does not answer (simulated)", action->host);
    else if (odds.fail > 0 && g_random_double() < odds.fail)
        driver_job_fail(job, "%s of %s on %s failed (simulated)", name, action->domain,
                        action->host);
    else if (!find_deed(name)(action, &info, &error))
        driver_job_fail(job, "%s", error->message);
    else if (odds.lost > 0 && g_random_double() < odds.lost)
        driver_job_drop(job);
    else
        driver_job_succeed(job, info);
}

static void run(DriverJob *job)
{
    dummy_delay(job, driver_job_action(job), vmm_action_of(job)->host, run, finish);
}

const DriverAction vmm_dummy_actions[] = {
    {"DEPLOY", run, 0, DRIVER_AT_ONCE},         {"SHUTDOWN", run, 0, DRIVER_AT_ONCE},
    {"CANCEL", run, 0, DRIVER_AT_ONCE},         {"REBOOT", run, 0, DRIVER_AT_ONCE},
    {"RESET", run, 0, DRIVER_AT_ONCE},          {"SAVE", run, 0, DRIVER_AT_ONCE},
    {"RESTORE", run, 0, DRIVER_AT_ONCE},        {"MIGRATE", run, 0, DRIVER_AT_ONCE},
    {"MIGRATECHECK", run, 0, DRIVER_AT_ONCE},   {"POLL", run, 0, DRIVER_AT_ONCE},
    {"CLEANUP", run, 0, DRIVER_AT_ONCE},        {"SETTLE", run, 0, DRIVER_AT_ONCE},
    {"ATTACHDISK", run, 0, DRIVER_AT_ONCE},     {"DETACHDISK", run, 0, DRIVER_AT_ONCE},
    {"ATTACHNIC", run, 0, DRIVER_AT_ONCE},      {"DETACHNIC", run, 0, DRIVER_AT_ONCE},
    {"UPDATENIC", run, 0, DRIVER_AT_ONCE},      {"UPDATECONF", run, 0, DRIVER_AT_ONCE},
    {"SNAPSHOTCREATE", run, 0, DRIVER_AT_ONCE}, {"SNAPSHOTREVERT", run, 0, DRIVER_AT_ONCE},
    {"SNAPSHOTDELETE", run, 0, DRIVER_AT_ONCE}, {"DISKSNAPSHOTCREATE", run, 0, DRIVER_AT_ONCE},
    {"BACKUP", run, 0, DRIVER_AT_ONCE},         {"BACKUPCANCEL", run, 0, DRIVER_AT_ONCE},
    {"RESIZE", run, 0, DRIVER_AT_ONCE},         {"RESIZEDISK", run, 0, DRIVER_AT_ONCE},
    {"CONSOLE", run, 0, DRIVER_AT_ONCE},        {"UPDATESG", run, 0, DRIVER_AT_ONCE},
    {"EXEC", run, 0, DRIVER_AT_ONCE},           {"EXECPOLL", run, 0, DRIVER_AT_ONCE},
    {"EXEC_CANCEL", run, 0, DRIVER_AT_ONCE},    {NULL},
};
