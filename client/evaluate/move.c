#include "client/cli/xml.h"
#include "client/evaluate/evaluate.h"

#include <string.h>

#define RECORD 3.0 /* s until the record of a move that is over must say so */

void move_free(Move *move)
{
    g_free(move->source);
    g_free(move->destination);
    g_free(move->reason);
    g_free(move->mode);
    g_free(move->storage);
    g_free(move);
}

static char *known_word(xmlNode *record, const char *name)
{
    const char *text = cli_xml_text(record, name);
    return g_strdup(strcmp(text, "-") != 0 ? text : "");
}

gboolean move_read_figures(Move *move, const char *xml)
{
    g_autoptr(xmlDoc) doc = cli_xml_parse(xml, NULL);
    xmlNode *record = doc != NULL ? xml_find(xml_root(doc), "MIGRATION") : NULL;
    for (xmlNode *at = record; at != NULL; at = xml_next_same(at))
        if (cli_xml_int(at, "ID", -1) > cli_xml_int(record, "ID", -1))
            record = at;
    if (record == NULL || strcmp(cli_xml_text(record, "RESULT"), "running") == 0)
        return FALSE;
    const struct {
        gint64 *into;
        const char *name;
    } numbers[] = {{&move->elapsed_ms, "ELAPSED_MS"},
                   {&move->total_ms, "TOTAL_MS"},
                   {&move->downtime_ms, "DOWNTIME_MS"},
                   {&move->bytes, "BYTES"},
                   {&move->memory_bytes, "MEMORY_BYTES"},
                   {&move->disk_bytes, "DISK_BYTES"},
                   {&move->rounds, "ROUNDS"}};
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        *numbers[i].into = cli_xml_int(record, numbers[i].name, -1);
    move->dirty_rate = cli_xml_double(record, "DIRTY_RATE", -1);
    g_free(move->mode);
    g_free(move->storage);
    move->mode = known_word(record, "MODE");
    move->storage = known_word(record, "STORAGE");
    if (strcmp(cli_xml_text(record, "RESULT"), "success") != 0 &&
        *cli_xml_text(record, "REASON") != '\0') {
        g_free(move->reason);
        move->reason = g_strdup(cli_xml_text(record, "REASON"));
    }
    return TRUE;
}

static Move *move_new(Run *run, gint32 vm, gint64 memory, gint32 to, MoveRole role)
{
    Evaluation *found = &run->found;
    gboolean away = to != found->home;
    Move *move = g_new0(Move, 1);
    move->role = role;
    move->number = 1;
    move->first = away && (role == MOVE_SIZE || !found->known);
    for (guint i = 0; i < found->moves->len; i++) {
        const Move *other = found->moves->pdata[i];
        move->number += other->role == role;
        move->first = move->first && !(other->vm == vm && other->good);
    }
    move->vm = vm;
    move->memory = memory;
    move->source = g_strdup(found->hosts[away ? 0 : 1].name);
    move->destination = g_strdup(found->hosts[away ? 1 : 0].name);
    move->elapsed_ms = move->total_ms = move->downtime_ms = move->bytes = -1;
    move->memory_bytes = move->disk_bytes = move->rounds = -1;
    move->dirty_rate = -1;
    move->mode = g_strdup("");
    move->storage = g_strdup("");
    g_ptr_array_add(found->moves, move);
    return move;
}

/* The plain call is known to every server; options of the command need ours. */
static gboolean call_migrate(Run *run, WireClient *wire, gint32 vm, gint32 to, gboolean enforce,
                             GError **error)
{
    const char *wishes = run->plan.migrate;
    if (*wishes == '\0')
        return wire_call(wire, NULL, error, "one.vm.migrate", "iibbii", vm, to, TRUE, enforce, -1,
                         0);
    g_autofree char *text =
        g_strdup_printf("LIVE=YES\nENFORCE=%s\nMIGRATE=[%s]\n", enforce ? "YES" : "NO", wishes);
    return wire_call(wire, NULL, error, "globule.vm.migrate", "iis", vm, to, text);
}

/* Power off, move, start: what every hypervisor can. */
static gboolean call_by_power(Run *run, WireClient *wire, gint32 vm, gint32 to, gboolean enforce,
                              GError **error)
{
    return wire_call(wire, NULL, error, "one.vm.migrate", "iibbii", vm, to, FALSE, enforce, -1, 1);
}

/* What the server says of a driver that cannot. */
static gboolean cannot_live(const char *said)
{
    return strstr(said, "cannot move a machine while it runs") != NULL;
}

gboolean move_check_ends_guest(const char *xml)
{
    g_autoptr(xmlDoc) doc = cli_xml_parse(xml, NULL);
    xmlNode *check = doc != NULL ? xml_find(xml_root(doc), "CHECK") : NULL;
    for (; check != NULL; check = xml_next_same(check)) {
        const char *text = cli_xml_text(check, "TEXT");
        if (cannot_live(text) ||
            (strcmp(cli_xml_text(check, "NAME"), "way") == 0 && g_str_has_prefix(text, "stopped")))
            return TRUE;
    }
    return FALSE;
}

gboolean move_ends_guest(Run *run, gint32 to)
{
    g_auto(WireReply) reply = {0};
    WireClient *wire = cli_wire(run->cli, NULL);
    const char *wishes = run->plan.migrate;
    g_autofree char *order = *wishes != '\0' ? g_strdup_printf("LIVE=YES\nMIGRATE=[%s]\n", wishes)
                                             : g_strdup("LIVE=YES\n");
    if (run->found.by_power)
        return TRUE;
    return wire != NULL &&
           wire_call(wire, &reply, NULL, "globule.vm.migratecheck", "iis", run->found.vm, to,
                     order) &&
           move_check_ends_guest(reply.text);
}

/* Live; where that is not to be had, by the best way that is, and the report says so. */
static gboolean call_any(Run *run, WireClient *wire, gint32 vm, gint32 to, gboolean enforce,
                         GError **error)
{
    g_autoptr(GError) reason = NULL;
    if (run->found.by_power)
        return call_by_power(run, wire, vm, to, enforce, error);
    if (call_migrate(run, wire, vm, to, enforce, &reason))
        return TRUE;
    if (!cannot_live(reason->message)) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return FALSE;
    }
    run->found.by_power = TRUE;
    run_note(run,
             "NOT LIVE: each move powered the machine off, took it to the other host and "
             "started it there. The server says of a live one: %s",
             reason->message);
    return call_by_power(run, wire, vm, to, enforce, error);
}

static gboolean order(Run *run, Move *move, gint32 to, GError **error)
{
    WireClient *wire = cli_wire(run->cli, error);
    move->ordered = run_now(run);
    /* Machines made by the way must fit; the user's own goes where its user says. */
    gboolean enforce = move->vm != run->found.vm;
    gboolean good = wire != NULL && call_any(run, wire, move->vm, to, enforce, error) &&
                    machine_wait(run, move->vm, "RUNNING", to, TRUE, error);
    move->ended = run_now(run);
    return good;
}

/* The record is closed with the move; one that is late is asked for again. */
static void ask_figures(Run *run, Move *move)
{
    double end = run_now(run) + RECORD;
    while (run_now(run) < end) {
        g_auto(WireReply) reply = {0};
        g_autoptr(GError) error = NULL;
        WireClient *wire = cli_wire(run->cli, &error);
        if (wire == NULL ||
            !wire_call(wire, &reply, &error, "globule.vm.migrations", "i", move->vm)) {
            run_note(run, "no figures of the hypervisor: %s", error->message);
            break;
        }
        if (move_read_figures(move, reply.text))
            break;
        g_usleep(50000);
    }
    if (move->elapsed_ms < 0)
        move->elapsed_ms = (gint64)((move->ended - move->ordered) * 1000);
}

Move *move_run(Run *run, gint32 vm, gint64 memory, gint32 to, MoveRole role)
{
    g_autoptr(GError) error = NULL;
    Move *move = move_new(run, vm, memory, to, role);
    run_tell(run, "moving machine %d from %s to %s", vm, move->source, move->destination);
    move->good = order(run, move, to, &error);
    if (!move->good) {
        move->reason = g_strdup(error != NULL ? error->message : "it did not arrive");
        ask_figures(run, move);
        run_note(run, "the move of machine %d from %s to %s failed: %s", vm, move->source,
                 move->destination, move->reason);
        return NULL;
    }
    ask_figures(run, move);
    if (run->found.by_power) {
        g_free(move->mode);
        move->mode = g_strdup("power");
    }
    return move;
}
