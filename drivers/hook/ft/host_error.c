/*
 * ft/host_error: a hook for hosts that enter ERROR. It waits a little, in case the host comes back,
 * makes sure that it is off (fencing), tells oned so, and has its machines start elsewhere, anew,
 * or removes them. Options are those of OpenNebula's script of the same name. What it does it
 * prints, and so it stands in the record of the execution. See share/doc/hooks.md.
 */
#include "drivers/common/program.h"
#include "lib/base/error.h"
#include "lib/base/paths.h"
#include "lib/base/xml.h"
#include "lib/wire/client.h"

#include <glib/gprintf.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Numbers of the wire. */
enum { HOST_STATE_ERROR = 3, HOST_STATE_MONITORING_ERROR = 5, HOST_STATUS_OFFLINE = 2 };
enum { VM_STATE_ACTIVE = 3, VM_STATE_SUSPENDED = 5, VM_STATE_POWEROFF = 8 };
enum { RECOVER_DELETE = 3, RECOVER_DELETE_RECREATE = 4 };

/* Fencing may take this long, in seconds: a power switch that is asked again and again. */
#define FENCE_SECONDS 600

static struct {
    gboolean migrate, recreate, delete, force, no_fencing;
    gint pause;
} options = {.pause = 2};

static const GOptionEntry entries[] = {
    {"migrate", 'm', 0, G_OPTION_ARG_NONE, &options.migrate,
     "Have the machines moved to other hosts; their storage must be shared", NULL},
    {"recreate", 'r', 0, G_OPTION_ARG_NONE, &options.recreate,
     "Start the machines anew elsewhere; what was not in persistent images is lost", NULL},
    {"delete", 'd', 0, G_OPTION_ARG_NONE, &options.delete, "Remove the machines", NULL},
    {"force", 'f', 0, G_OPTION_ARG_NONE, &options.force,
     "With -r and -d: also machines that are suspended or powered off", NULL},
    {"pause", 'p', 0, G_OPTION_ARG_INT, &options.pause,
     "Look again for so many monitoring intervals whether the host came back (2)", "N"},
    {"no-fencing", 'u', 0, G_OPTION_ARG_NONE, &options.no_fencing,
     "Take the host for off without making sure of it: only where it cannot be otherwise", NULL},
    {NULL}};

/* ---- the host ---- */

/* (owned) NULL with the error. */
static xmlDoc *host_of(WireClient *wire, gint id, GError **error)
{
    g_auto(WireReply) reply = {0};
    return wire_call(wire, &reply, error, "one.host.info", "ib", id, FALSE)
               ? xml_read(reply.text, strlen(reply.text), XML_DEPTH_MAX, error)
               : NULL;
}

/* Seconds between two looks at a host. 0 with the error. */
static guint interval(WireClient *wire, GError **error)
{
    g_auto(WireReply) reply = {0};
    if (!wire_call(wire, &reply, error, "one.system.config", ""))
        return 0;
    g_autoptr(xmlDoc) config = xml_read(reply.text, strlen(reply.text), XML_DEPTH_MAX, error);
    return config ? (guint)CLAMP(xml_get_int(xml_root(config), "MONITORING_INTERVAL_HOST", 60), 1,
                                 86400)
                  : 0;
}

typedef enum { STAYS_AWAY, CAME_BACK, NOT_KNOWN } Fate;

static Fate look(WireClient *wire, gint id, GError **error)
{
    g_autoptr(xmlDoc) host = host_of(wire, id, error);
    if (!host)
        return NOT_KNOWN;
    gint64 state = xml_get_int(xml_root(host), "STATE", -1);
    return state == HOST_STATE_ERROR || state == HOST_STATE_MONITORING_ERROR ? STAYS_AWAY
                                                                             : CAME_BACK;
}

/* Looks once an interval; nothing is done for a host that came back meanwhile. */
static Fate wait_for_it(WireClient *wire, gint id, GError **error)
{
    Fate fate = look(wire, id, error);
    guint seconds = options.pause > 0 && fate == STAYS_AWAY ? interval(wire, error) : 1;
    if (seconds == 0)
        return NOT_KNOWN;
    for (gint i = 0; i < options.pause && fate == STAYS_AWAY; i++) {
        g_print("looking again in %u s\n", seconds);
        (void)fflush(stdout);
        g_usleep((gulong)seconds * G_USEC_PER_SEC);
        fate = look(wire, id, error);
    }
    return fate;
}

/* A descriptor to read the text from. */
static int readable(const char *text)
{
    int fd = memfd_create("host", MFD_CLOEXEC);
    gsize length = strlen(text);
    if (fd >= 0 && (write(fd, text, length) != (gssize)length || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The administrator's program says whether the host is off now. */
static gboolean fence(const char *host, GError **error)
{
    g_autofree char *path = paths_var("remotes/hooks/ft/fence_host.sh");
    const char *const argv[] = {path, NULL};
    const SshWatch watch = {.seconds = FENCE_SECONDS};
    g_auto(SshResult) result = {0};
    if (!g_file_test(path, G_FILE_TEST_IS_EXECUTABLE)) {
        g_set_error(
            error, ONE_ERROR, ONE_ERROR_NO_EXISTS,
            "fencing is on, and there is no program %s that switches a host off and "
            "ends with 0 when it is; make one, or use -u where hosts in ERROR are surely off",
            path);
        return FALSE;
    }
    int input = readable(host);
    gboolean ran = input >= 0 && program_run(argv, input, -1, &watch, &result, error);
    if (input >= 0)
        close(input);
    if (result.out && result.out->len)
        g_print("%s: %s\n", path, g_strchomp(result.out->str));
    if (!ran)
        return FALSE;
    if (result.status != 0)
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%s ended with %d: %s", path, result.status,
                    g_strchomp(result.errors->str));
    return result.status == 0;
}

/* ---- its machines ---- */

static gboolean concerns(const xmlNode *vm, gint host)
{
    gint64 state = xml_get_int(vm, "STATE", -1);
    xmlNode *last = NULL;
    for (xmlNode *at = xml_find(vm, "HISTORY_RECORDS/HISTORY"); at; at = xml_next_same(at))
        last = at;
    if (!last || xml_get_int(last, "HID", -1) != host)
        return FALSE;
    gboolean rests = state == VM_STATE_SUSPENDED || state == VM_STATE_POWEROFF;
    return state == VM_STATE_ACTIVE || (rests && (options.migrate || options.force));
}

static gboolean handle(WireClient *wire, gint id, GError **error)
{
    if (options.migrate)
        return wire_call(wire, NULL, error, "one.vm.action", "si", "resched", id);
    return wire_call(wire, NULL, error, "one.vm.recover", "ii", id,
                     options.recreate ? RECOVER_DELETE_RECREATE : RECOVER_DELETE);
}

/* Each by itself: one that cannot be handled keeps none of the others. How many there were. */
static guint handle_all(WireClient *wire, const xmlNode *pool, gint host)
{
    const char *what = options.migrate ? "moved" : options.recreate ? "started anew" : "removed";
    guint failed = 0, done = 0;
    for (xmlNode *vm = xml_find(pool, "VM"); vm; vm = xml_next_same(vm)) {
        g_autoptr(GError) error = NULL;
        gint id = (gint)xml_get_int(vm, "ID", -1);
        if (!concerns(vm, host))
            continue;
        if (handle(wire, id, &error)) {
            g_print("machine %d is to be %s\n", id, what);
            done++;
        } else {
            g_printerr("machine %d cannot be %s: %s\n", id, what, error->message);
            failed++;
        }
    }
    g_print("%u machines are to be %s, %u cannot be\n", done, what, failed);
    return failed;
}

/* ---- all of it ---- */

/* The number of the host, from its XML in base64. -1 with the error. */
static gint host_id(const char *coded, char **name, GError **error)
{
    gsize length = 0;
    g_autofree guchar *text = coded ? g_base64_decode(coded, &length) : NULL;
    g_autoptr(xmlDoc) document =
        length ? xml_read((const char *)text, length, XML_DEPTH_MAX, NULL) : NULL;
    const xmlNode *root = document ? xml_root(document) : NULL;
    gint64 id = root && !strcmp(xml_name(root), "HOST") ? xml_get_int(root, "ID", -1) : -1;
    if (id >= 0 && id <= G_MAXINT32) {
        *name = xml_get(root, "NAME");
        return (gint)id;
    }
    g_set_error(
        error, ONE_ERROR, ONE_ERROR_RPC_API,
        "the first argument is not a host's XML in base64: ARGUMENTS of the hook begin with "
        "$TEMPLATE, and its RESOURCE is HOST");
    return -1;
}

static gboolean run(const char *coded, GError **error)
{
    g_autofree char *name = NULL;
    gint id = host_id(coded, &name, error);
    g_autoptr(WireClient) wire = id >= 0 ? wire_client_new(NULL, NULL, error) : NULL;
    if (!wire)
        return FALSE;
    g_print("host %s (%d) is in ERROR\n", name, id);
    switch (wait_for_it(wire, id, error)) {
    case NOT_KNOWN:
        return FALSE;
    case CAME_BACK:
        g_print("it came back: nothing is to be done\n");
        return TRUE;
    case STAYS_AWAY:
        break;
    }
    if (options.no_fencing)
        g_print("no fencing: it is taken for off\n");
    else if (!fence(coded, error))
        return FALSE;
    /* From here on oned does not ask it any more whether a machine still runs there. */
    g_auto(WireReply) reply = {0};
    if (!wire_call(wire, NULL, error, "one.host.status", "ii", id, HOST_STATUS_OFFLINE) ||
        !wire_call(wire, &reply, error, "one.vmpool.infoextended", "iiii", -2, -1, -1, -1))
        return FALSE;
    g_print("it is OFFLINE now; `onehost enable %s` takes it back\n", name);
    g_autoptr(xmlDoc) pool = xml_read(reply.text, strlen(reply.text), XML_DEPTH_MAX, error);
    if (!pool)
        return FALSE;
    guint failed = handle_all(wire, xml_root(pool), id);
    if (failed)
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, "%u machines need somebody to look at them",
                    failed);
    return failed == 0;
}

/* The words: those of the command line or, when the hook has ARGUMENTS_STDIN, those that are read.
 */
static gboolean read_words(int argc, char **argv, char ***words, GError **error)
{
    char line[1024 * 1024];
    if (argc > 1 || !fgets(line, sizeof line, stdin)) {
        *words = g_strdupv(argv);
        return TRUE;
    }
    g_autofree char *whole = g_strdup_printf("host_error %s", line);
    return g_shell_parse_argv(whole, NULL, words, error);
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context =
        g_option_context_new("HOST - what to do when a host is in ERROR");
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) words = NULL;
    (void)setlocale(LC_ALL, "C.UTF-8");
    g_option_context_set_summary(context, "HOST is the host's XML in base64: $TEMPLATE of a hook.");
    g_option_context_add_main_entries(context, entries, NULL);
    if (read_words(argc, argv, &words, &error) &&
        g_option_context_parse_strv(context, &words, &error) &&
        options.migrate + options.recreate + options.delete != 1)
        g_set_error(&error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "one of -m (move), -r (start anew) and -d (remove) says what becomes of the "
                    "machines");
    if (!error && run(g_strv_length(words) == 2 ? words[1] : NULL, &error))
        return 0;
    g_printerr("host_error: %s\n", error->message);
    return 1;
}
