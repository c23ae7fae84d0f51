/*
 * Orders to move a machine to another host, and the same conditions asked without an order:
 * what must be true is one table, which an order stops at and a check tells in full.
 */
#include "server/lifecycle/internal.h"

#include "lib/base/error.h"
#include "server/model/storage/datastore.h"
#include "server/model/place/host_pci.h"
#include "server/model/people/quota.h"

#include <string.h>

/* Checks that wait for a driver at once: each is a call that waits, and work of a host. */
#define CHECKS_MAX    64
#define CHECK_SECONDS 60

/* What a condition looks at, and what it finds. */
typedef struct Move {
    Lifecycle *lifecycle;
    Vm *vm;
    const VmPlace *place;
    VmMove order;         /* as it would be carried out */
    Host *host;           /* the destination */
    Datastore *datastore; /* where the files are, and stay */
    VmLcm phase;          /* that the order begins with */
    Template *after;      /* the machine's, with its PCI devices at the destination; NULL: none */
    char *instead;        /* why a live order is carried out by power; NULL: it is not */
} Move;

static void move_clear(Move *move)
{
    template_free(move->after);
    g_free(move->instead);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Move, move_clear)

typedef enum { MOVE_OK, MOVE_WARNING, MOVE_NO } MoveResult;

#define refuse(error, ...) (g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION, __VA_ARGS__), MOVE_NO)

/* ---- the conditions ---- */

static MoveResult right_state(Move *move, char **text, GError **error)
{
    const Vm *vm = move->vm;
    gboolean runs = vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING;
    *text = g_strdup_printf("the machine is %s", vm_shown_state(vm));
    if (vm->state == VM_POWEROFF)
        move->phase = LCM_PROLOG_MIGRATE_POWEROFF;
    else if (vm->state == VM_SUSPENDED)
        move->phase = LCM_PROLOG_MIGRATE_SUSPEND;
    else if (runs)
        move->phase = move->order.live ? LCM_MIGRATE : LCM_SAVE_MIGRATE;
    else if (vm->state == VM_ACTIVE && vm->lcm == LCM_UNKNOWN)
        move->phase = LCM_PROLOG_MIGRATE_UNKNOWN;
    else
        return refuse(error, "Migrate action is not available for state %s", vm_shown_state(vm));
    return MOVE_OK;
}

static MoveResult known_type(Move *move, char **text, GError **error)
{
    gint type = move->order.type;
    if (type >= 0 && type <= 2)
        return MOVE_OK;
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "Migration type %d is not known: 0 saves, 1 powers off, 2 powers off hard", type);
    return MOVE_NO;
}

static MoveResult not_lost(Move *move, char **text, GError **error)
{
    return vm_refuse_lost(move->vm, error) ? MOVE_NO : MOVE_OK;
}

static MoveResult host_ready(Move *move, char **text, GError **error)
{
    move->host = vm_place_host(move->lifecycle->world, move->place, error);
    if (!move->host)
        return MOVE_NO;
    HostState state = move->host->state;
    *text = g_strdup_printf("%s is %s%s", move->host->head.name, host_state_name(state),
                            state == HOST_MONITORED  ? ""
                            : state == HOST_ERROR    ? ": it did not answer when it was last asked"
                            : state == HOST_DISABLED ? ": the scheduler places nothing there"
                                                     : ": it was not asked how it is yet");
    return state == HOST_MONITORED ? MOVE_OK : MOVE_WARNING;
}

static MoveResult has_room(Move *move, char **text, GError **error)
{
    gint64 cpu, memory;
    g_autoptr(GError) full = NULL;
    vm_capacity(move->vm, &cpu, &memory);
    if (vm_is_on(move->vm, move->host->head.id) || host_has_room(move->host, cpu, memory, &full)) {
        *text = g_strdup_printf("%g CPU and %" G_GINT64_FORMAT " MiB are free on %s",
                                (double)cpu / 100, memory / 1024, move->host->head.name);
        return MOVE_OK;
    }
    *text = g_strdup(full->message);
    if (!move->place->enforce)
        return MOVE_WARNING;
    g_propagate_error(error, g_steal_pointer(&full));
    return MOVE_NO;
}

static MoveResult within_quota(Move *move, char **text, GError **error)
{
    *text = g_strdup("the owner's quotas allow it there");
    return quota_allows_vm(move->lifecycle->world, move->vm, move->host->cluster, error) ? MOVE_OK
                                                                                         : MOVE_NO;
}

static MoveResult same_datastore(Move *move, char **text, GError **error)
{
    const VmRecord *last = vm_last_record(move->vm);
    move->datastore =
        vm_place_datastore(move->lifecycle->world, move->place, move->host, last, error);
    if (!move->datastore)
        return MOVE_NO;
    *text = g_strdup_printf("%s stays", move->datastore->head.name);
    if (last->datastore == move->datastore->head.id)
        return MOVE_OK;
    if (move->phase == LCM_MIGRATE)
        return refuse(error, "Cannot live migrate host and datastore at the same time.");
    return refuse(error,
                  "Cannot migrate from datastore %d to datastore %d: this version moves "
                  "machines between hosts only; leave the datastore out",
                  last->datastore, move->datastore->head.id);
}

static MoveResult other_host(Move *move, char **text, GError **error)
{
    const VmRecord *last = vm_last_record(move->vm);
    *text = g_strdup_printf("from %s to %s", last->host_name, move->host->head.name);
    if (last->host != move->host->head.id)
        return MOVE_OK;
    return refuse(error, "VM is already running on host [%d] and datastore [%d]", last->host,
                  last->datastore);
}

/* Two names may be one driver: "qemu" and "vmm_qemu" run the same program. */
static MoveResult same_driver(Move *move, char **text, GError **error)
{
    Outside *outside = move->lifecycle->outside;
    const char *here = vm_last_record(move->vm)->vm_mad, *there = move->host->vm_mad;
    *text = g_strdup_printf("%s", there);
    if (!strcmp(here, there) ||
        (outside->same && outside->same(outside, DRIVER_VIRTUALIZATION, here, there)))
        return MOVE_OK;
    return refuse(error,
                  "Cannot migrate: host %s uses the virtualization driver %s, the machine "
                  "runs with %s",
                  move->host->head.name, there, here);
}

/* Most hypervisors keep the list of a machine's snapshots on its host, for as long as it runs
 * there. */
static MoveResult no_snapshots(Move *move, char **text, GError **error)
{
    guint count = 0;
    while (template_vector(move->vm->head.template, "SNAPSHOT", count))
        count++;
    *text = g_strdup(count ? "the snapshots of the machine are lost on the way" : "there are none");
    if (!count || vm_driver_can(move->lifecycle, move->vm, "KEEP_SNAPSHOTS"))
        return MOVE_OK;
    if (move->phase != LCM_MIGRATE && !move->instead)
        return MOVE_WARNING;
    return refuse(error,
                  "Cannot migrate live: the machine has %u snapshots, which stay on its host; "
                  "delete them first (onevm snapshot-list), or migrate without --live, which "
                  "loses them",
                  count);
}

/* Both hosts of a live move must be able to: the driver's word, or a host's of itself. NULL: they
 * are. (owned) */
static char *why_not_live(const Move *move)
{
    const VmRecord *last = vm_last_record(move->vm);
    const Host *hosts[] = {host_get(move->lifecycle->world, last->host), move->host};
    for (guint i = 0; i < G_N_ELEMENTS(hosts); i++)
        if (hosts[i] && vm_host_lacks(hosts[i], "MIGRATE"))
            return g_strdup_printf("host %s %s what runs: %s", hosts[i]->head.name,
                                   i == 0 ? "cannot give away" : "cannot take",
                                   vm_host_lacks_why(hosts[i]));
    return vm_driver_lacks(move->lifecycle, move->vm, "MIGRATE")
               ? g_strdup_printf("the driver %s cannot move a machine while it runs", last->vm_mad)
               : NULL;
}

/* The first that says anything counts, as with a driver that chooses the way itself. A word that
 * is neither yes nor no ends nothing. */
static gboolean is_live_only(const Move *move)
{
    static const char *const nos[] = {"NO", "N", "FALSE", "OFF", "0"};
    const Host *host = host_get(move->lifecycle->world, vm_last_record(move->vm)->host);
    const Template *places[] = {move->order.options, move->vm->user_template,
                                move->vm->head.template, host ? host->head.template : NULL};
    const char *word = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(places) && !(word && *word); i++)
        word = places[i] ? template_get_pair(places[i], "MIGRATE", "LIVE_ONLY") : NULL;
    gboolean said = !move->order.live_only && word && *word, no = FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(nos); i++)
        no = no || (said && !g_ascii_strcasecmp(word, nos[i]));
    return move->order.live_only || (said && !no);
}

/* Live; what cannot be moved so is ended, moved and started anew where its driver says that this is
 * the next best, as it is for containers. Of a guest that is a computer nobody would expect it. */
static MoveResult moves_live(Move *move, char **text, GError **error)
{
    Outside *outside = move->lifecycle->outside;
    g_autofree char *why = why_not_live(move);
    if (!why)
        return MOVE_OK;
    if (!outside->lacks || vm_driver_lacks(move->lifecycle, move->vm, "FALLBACK"))
        return refuse(error,
                      "Cannot migrate live: %s; migrate --poff powers it off, moves it and starts "
                      "it there",
                      why);
    if (is_live_only(move))
        return refuse(error,
                      "Cannot migrate live: %s; LIVE_ONLY forbids to end it, move it and start it "
                      "anew there: leave --live-only out, or migrate --poff",
                      why);
    move->instead = g_strdup_printf("stopped, not live: %s; it is ended, moved and started anew, "
                                    "and what was in its memory is lost (of Docker and Podman also "
                                    "what it wrote outside its volumes)",
                                    why);
    move->phase = LCM_SAVE_MIGRATE;
    move->order.live = FALSE;
    move->order.type = MAX(move->order.type, 1);
    g_free(*text);
    *text = g_strdup_printf("%s; --live-only forbids that", move->instead);
    return MOVE_WARNING;
}

/* Some hypervisors cannot move what runs, or save its memory, or carry what was saved; the latter
 * are told by power. */
static MoveResult driver_moves(Move *move, char **text, GError **error)
{
    const char *driver = vm_last_record(move->vm) ? vm_last_record(move->vm)->vm_mad : "";
    gboolean carries = !vm_driver_lacks(move->lifecycle, move->vm, "CARRY");
    *text =
        g_strdup(move->phase == LCM_MIGRATE ? "it can move what runs" : "nothing runs meanwhile");
    if (move->phase == LCM_MIGRATE)
        return moves_live(move, text, error);
    if (move->phase == LCM_PROLOG_MIGRATE_SUSPEND &&
        (!carries || vm_was_frozen(move->lifecycle, move->vm)))
        return refuse(error,
                      "Cannot migrate a suspended machine of the driver %s: it %s its host; resume "
                      "it first, then migrate --poff",
                      driver,
                      vm_was_frozen(move->lifecycle, move->vm) ? "stands still in the memory of"
                                                               : "is kept with its memory by");
    if (move->phase == LCM_SAVE_MIGRATE && move->order.type == 0 &&
        (!carries || vm_driver_lacks(move->lifecycle, move->vm, "SAVE")))
        return refuse(error,
                      "Cannot migrate with the memory saved: the driver %s cannot %s it; "
                      "migrate --poff powers the machine off, moves it and starts it there",
                      driver, carries ? "save" : "carry");
    return MOVE_OK;
}

/* What a guest's memory knows of a device is true of that one only; so a machine is off while it
 * changes its devices. */
static MoveResult has_devices(Move *move, char **text, GError **error)
{
    guint count = 0;
    gboolean live = move->phase == LCM_MIGRATE;
    while (template_vector(move->vm->head.template, "PCI", count))
        count++;
    if (count == 0)
        return MOVE_OK;
    if (move->phase == LCM_PROLOG_MIGRATE_SUSPEND)
        return refuse(error,
                      "Cannot migrate a suspended machine with %u PCI devices of its host, which "
                      "its memory knows; resume it first, then migrate --poff",
                      count);
    if (live || (move->phase == LCM_SAVE_MIGRATE && move->order.type == 0))
        return refuse(error,
                      "Cannot migrate %s: the machine has %u PCI devices of host %s, which stay "
                      "there; migrate --poff powers it off, moves it and gives it devices of the "
                      "new host",
                      live ? "live" : "with the memory saved", count,
                      vm_last_record(move->vm)->host_name);
    template_free(move->after);
    move->after = template_copy(move->vm->head.template);
    if (!host_pci_choose(move->lifecycle->world, move->host, move->vm, move->after, TRUE, error))
        return MOVE_NO;
    *text = g_strdup_printf("%u PCI devices are free on %s", count, move->host->head.name);
    return MOVE_OK;
}

/* Only a check says more about the way than that it can be gone. */
static MoveResult live_as_wished(Move *move, char **text, GError **error)
{
    if (!move->order.live || move->phase == LCM_MIGRATE)
        return MOVE_OK;
    return refuse(error, "only a running machine is moved live; this one is %s",
                  vm_shown_state(move->vm));
}

/* In the order in which an order is refused. */
static const struct {
    const char *name;
    MoveResult (*look)(Move *move, char **text, GError **error);
    gboolean ends;       /* when it says no, what follows has no meaning */
    gboolean check_only; /* an order goes on all the same */
} conditions[] = {
    {"state", right_state, TRUE}, {"state", live_as_wished, TRUE, TRUE},
    {"type", known_type, TRUE},   {"state", not_lost, TRUE},
    {"host", host_ready, TRUE},   {"capacity", has_room},
    {"quota", within_quota},      {"datastore", same_datastore},
    {"way", other_host, TRUE},    {"driver", same_driver, TRUE},
    {"ability", driver_moves},    {"devices", has_devices},
    {"snapshots", no_snapshots},
};

/* ---- orders ---- */

gboolean vm_migrate(Lifecycle *lifecycle, Vm *vm, const VmPlace *place, const VmMove *order,
                    const VmAsker *asker, GError **error)
{
    static const gint numbers[] = {VM_ACTION_MIGRATE, VM_ACTION_POWEROFF_MIGRATE,
                                   VM_ACTION_POWEROFF_HARD_MIGRATE};
    g_auto(Move) move = {lifecycle, vm, place, *order};
    for (guint i = 0; i < G_N_ELEMENTS(conditions); i++) {
        g_autofree char *text = NULL;
        if (!conditions[i].check_only && conditions[i].look(&move, &text, error) == MOVE_NO)
            return FALSE;
    }
    VmRecord *last = vm_last_record(vm);
    gboolean live = move.phase == LCM_MIGRATE;
    vm_note_action(lifecycle, vm, last, live ? VM_ACTION_LIVE_MIGRATE : numbers[move.order.type],
                   asker);
    vm_log(lifecycle, vm, LOG_INFO, "%s migration from host %s to host %s", live ? "live" : "cold",
           last->host_name, move.host->head.name);
    if (move.instead)
        vm_log(lifecycle, vm, LOG_WARNING, "%s", move.instead);
    if (move.after) {
        template_free(vm->head.template);
        vm->head.template = g_steal_pointer(&move.after);
    }
    vm_new_record(lifecycle, vm, move.host, move.datastore);
    vm_migration_ordered(lifecycle, vm, move.phase, &move.order, move.instead);
    vm->resched = FALSE;
    vm_enter(lifecycle, vm, VM_ACTIVE, move.phase);
    return TRUE;
}

/* ---- checks ---- */

/* One that waits for the driver. */
struct Check {
    guint64 number; /* of the request */
    GString *xml;   /* the document so far: whose check it is */
    GString *found; /* a <CHECK> for each condition */
    gboolean possible;
    VmCheckDone done;
    gpointer data;
};

static void check_free(gpointer data)
{
    struct Check *check = data;
    g_string_free(check->xml, TRUE);
    g_string_free(check->found, TRUE);
    g_free(check);
}

static void add_check(struct Check *check, const char *name, const char *result, const char *text)
{
    g_string_append(check->found, "<CHECK>");
    xml_text(check->found, "NAME", name);
    xml_text(check->found, "RESULT", result);
    xml_text(check->found, "TEXT", text);
    g_string_append(check->found, "</CHECK>");
    if (!strcmp(result, "no"))
        check->possible = FALSE;
}

/* Looks at every condition that still has a meaning. TRUE: the hosts can be asked. */
static gboolean look_at_all(Move *move, struct Check *check)
{
    for (guint i = 0; i < G_N_ELEMENTS(conditions); i++) {
        static const char *const results[] = {"ok", "warning", "no"};
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;
        MoveResult result = conditions[i].look(move, &text, &error);
        if (text || error)
            add_check(check, conditions[i].name, results[result], error ? error->message : text);
        if (result == MOVE_NO && conditions[i].ends)
            return FALSE;
    }
    return TRUE;
}

/* `said`: what the driver told, or NULL when it was not asked. */
static void finish_check(struct Check *check, const Template *said)
{
    static const char *const figures[] = {"MEMORY_MB", "DIRTY_RATE_MBS", "LINK_RATE_MBS",
                                          "TOTAL_MS", "DOWNTIME_MS"};
    const TemplateAttribute *vector;
    for (guint i = 0; said && (vector = template_vector(said, "CHECK", i)); i++) {
        const char *result = attribute_get(vector, "RESULT");
        gboolean known = result && (!strcmp(result, "ok") || !strcmp(result, "warning"));
        add_check(check, attribute_get(vector, "NAME"), known ? result : "no",
                  attribute_get(vector, "TEXT"));
    }
    const char *storage = said ? template_get(said, "STORAGE") : NULL;
    xml_text(check->xml, "POSSIBLE", check->possible ? "YES" : "NO");
    xml_text(check->xml, "STORAGE", storage && *storage ? storage : "-");
    g_string_append_len(check->xml, check->found->str, (gssize)check->found->len);
    for (guint i = 0; i < G_N_ELEMENTS(figures); i++) {
        double number = -1;
        char text[G_ASCII_DTOSTR_BUF_SIZE];
        if (!said || !template_get_double(said, figures[i], &number) || number < 0)
            number = -1;
        xml_text(check->xml, figures[i], g_ascii_formatd(text, sizeof text, "%.15g", number));
    }
    g_string_append(check->xml, "</MIGRATION_CHECK>");
    check->done(check->xml->str, NULL, check->data);
}

gboolean vm_migrate_check(Lifecycle *lifecycle, Vm *vm, const VmPlace *place, const VmMove *order,
                          VmCheckDone done, gpointer data, GError **error)
{
    if (g_hash_table_size(lifecycle->checks) >= CHECKS_MAX) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "%d checks of migrations wait for their answers already; ask again later",
                    CHECKS_MAX);
        return FALSE;
    }
    g_auto(Move) move = {lifecycle, vm, place, *order};
    const VmRecord *last = vm_last_record(vm);
    const Host *host = host_get(lifecycle->world, place->host);
    struct Check *check = g_new0(struct Check, 1);
    check->possible = TRUE;
    check->done = done;
    check->data = data;
    check->found = g_string_new(NULL);
    check->xml = g_string_new("<MIGRATION_CHECK>");
    xml_int(check->xml, "VM", vm->head.id);
    xml_text(check->xml, "SOURCE", last ? last->host_name : "");
    xml_text(check->xml, "DESTINATION", host ? host->head.name : "");
    gboolean askable = look_at_all(&move, check);
    /* Some drivers know what a move by power finds, too: those that say so. */
    gboolean knows_cold = lifecycle->outside->lacks && !vm_driver_lacks(lifecycle, vm, "COLDCHECK");
    gboolean asked =
        knows_cold || (move.phase == LCM_MIGRATE && !vm_driver_lacks(lifecycle, vm, "MIGRATE"));
    if (!askable || !asked) {
        finish_check(check, NULL);
        check_free(check);
        return TRUE;
    }
    g_autofree char *options = order->options ? template_to_text(order->options) : g_strdup("");
    DriverRequest *request = vm_check_request(lifecycle, vm, move.host->head.name, options);
    check->number = lifecycle_ask(lifecycle, request, ASKED_CHECK, vm->head.id, 0,
                                  lifecycle_timeout(lifecycle, "MIGRATECHECK", CHECK_SECONDS));
    g_hash_table_insert(lifecycle->checks, &check->number, check);
    return TRUE;
}

static void fail_check(struct Check *check, const char *why)
{
    g_autoptr(GError) error =
        g_error_new(ONE_ERROR, ONE_ERROR_ACTION, "The hosts could not be asked: %s",
                    why && *why ? why : "the driver gave no reason");
    check->done(NULL, error, check->data);
}

void vm_check_answered(Lifecycle *lifecycle, const Asked *asked, gboolean success, const char *info)
{
    struct Check *check = g_hash_table_lookup(lifecycle->checks, &asked->number);
    if (!check)
        return;
    g_autofree char *text = success ? lifecycle_decoded(info) : NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(Template) said = text ? template_parse(text, TEMPLATE_MODERN, &error) : NULL;
    g_autofree char *why = success && !said
                               ? g_strdup_printf("the answer of driver %s cannot be read: %s",
                                                 asked->driver, error ? error->message : "no text")
                               : NULL;
    g_hash_table_steal(lifecycle->checks, &asked->number);
    if (said)
        finish_check(check, said);
    else
        fail_check(check, why ? why : info);
    check_free(check);
}

GHashTable *vm_checks_new(void)
{
    return g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, check_free);
}

void vm_checks_end(Lifecycle *lifecycle)
{
    GHashTableIter iterator;
    gpointer check;
    g_hash_table_iter_init(&iterator, lifecycle->checks);
    while (g_hash_table_iter_next(&iterator, NULL, &check)) {
        fail_check(check, "oned ends");
        g_hash_table_iter_remove(&iterator);
    }
}
