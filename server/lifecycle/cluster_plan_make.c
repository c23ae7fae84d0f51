/* Makes plans: greedy, so that each move is the best next one, and can be explained. */
#include "server/lifecycle/cluster_plan.h"

#include "lib/base/error.h"
#include "lib/expr/expr.h"
#include "server/model/machine/vm_room.h"

#include <string.h>

/* The host that a machine leaves was fuller than the other is then, by this part of a host at
 * least: else machines would go to and fro. */
#define LEAD_MIN 0.01
/* Moves in one plan when ONE_DRS says nothing. */
#define MOVES_MAX 50

typedef enum { POLICY_BALANCE, POLICY_PACK } Policy;

typedef struct Wishes {
    Policy policy;
    gint moves;                /* at most */
    double cpu, memory, usage; /* weights, of a sum of 1 */
} Wishes;

/* A host as it will be when the moves so far are done. */
typedef struct Place {
    Host *host;
    gint64 cpu, memory; /* given to machines */
    double usage;       /* percent of processors that they use */
    gboolean closed;    /* PACK: it is emptied */
    gboolean kept;      /* it cannot be, or machines come to it */
} Place;

typedef struct Load {
    Vm *vm;
    gint64 cpu, memory;
    double usage;
    guint at; /* index of its place */
    gboolean moved;
    Expr *requirement; /* NULL: none */
} Load;

typedef struct Making {
    Lifecycle *lifecycle;
    Wishes wishes;
    GArray *places; /* of Place */
    GArray *loads;  /* of Load */
    Template *plan;
    gint moves;
} Making;

/* ---- ONE_DRS ---- */

static gboolean is_word(const char *text, const char *word)
{
    return text && !g_ascii_strcasecmp(text, word);
}

gint plan_automation(const Cluster *cluster)
{
    const char *word = template_get_pair(cluster->head.template, "ONE_DRS", "AUTOMATION");
    return is_word(word, "FULL") ? 2 : is_word(word, "PARTIAL") ? 1 : 0;
}

static gboolean read_weight(const TemplateAttribute *drs, const char *name, double *weight,
                            GError **error)
{
    const char *text = drs ? attribute_get(drs, name) : NULL;
    char *end = NULL;
    if (!text || !*text)
        return TRUE;
    *weight = g_ascii_strtod(text, &end);
    if (end != text && !*end && *weight >= 0 && *weight <= 1000)
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                "ONE_DRS of the cluster: %s = \"%s\" is no number from 0 to 1000", name, text);
    return FALSE;
}

static gboolean read_wishes(const Cluster *cluster, Wishes *wishes, GError **error)
{
    const TemplateAttribute *drs = template_vector(cluster->head.template, "ONE_DRS", 0);
    const char *policy = drs ? attribute_get(drs, "POLICY") : NULL;
    gint64 moves = -1;
    *wishes = (Wishes){.policy = is_word(policy, "PACK") ? POLICY_PACK : POLICY_BALANCE};
    if (policy && *policy && !is_word(policy, "PACK") && !is_word(policy, "BALANCE")) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_ACTION,
                    "ONE_DRS of the cluster: POLICY = \"%s\" is neither BALANCE nor PACK", policy);
        return FALSE;
    }
    if (!read_weight(drs, "CPU_WEIGHT", &wishes->cpu, error) ||
        !read_weight(drs, "MEMORY_WEIGHT", &wishes->memory, error) ||
        !read_weight(drs, "CPU_USAGE_WEIGHT", &wishes->usage, error))
        return FALSE;
    double sum = wishes->cpu + wishes->memory + wishes->usage;
    if (!(sum > 0)) {
        wishes->cpu = wishes->memory = 1;
        sum = 2;
    }
    wishes->cpu /= sum;
    wishes->memory /= sum;
    wishes->usage /= sum;
    if (drs)
        (void)attribute_get_int(drs, "MIGRATION_THRESHOLD", &moves);
    wishes->moves = moves < 0 ? MOVES_MAX : (gint)MIN(moves, MOVES_MAX);
    return TRUE;
}

/* ---- what there is ---- */

gboolean plan_may_move(Lifecycle *lifecycle, const Vm *vm)
{
    const Template *template = vm->head.template;
    const char *pinned = template_get_pair(template, "TOPOLOGY", "PIN_POLICY");
    gboolean runs = vm->state == VM_ACTIVE && vm->lcm == LCM_RUNNING;
    return (vm->state == VM_POWEROFF || (runs && !vm_driver_lacks(lifecycle, vm, "MIGRATE"))) &&
           vm->charges[1].host < 0 && !vm->operation && !vm->head.lock.level &&
           !template_vector(template, "PCI", 0) && !template_vector(template, "VMGROUP", 0) &&
           !template_vector(template, "SNAPSHOT", 0) && (!pinned || is_word(pinned, "NONE")) &&
           !vm_is_imported(vm);
}

static void load_clear(gpointer data)
{
    expr_free(((Load *)data)->requirement);
}

static void add_loads(Making *making, guint at)
{
    World *world = making->lifecycle->world;
    Place *place = &g_array_index(making->places, Place, at);
    for (guint i = 0; i < place->host->vms->len; i++) {
        Vm *vm = vm_get(world, g_array_index(place->host->vms, gint32, i));
        if (!vm)
            continue;
        Load load = {.vm = vm, .at = at, .usage = (double)vm->cpu_used};
        vm_capacity(vm, &load.cpu, &load.memory);
        place->usage += load.usage;
        const char *wanted = template_get(vm->user_template, "SCHED_REQUIREMENTS");
        load.requirement = expr_parse_requirement(wanted, NULL);
        if (load.requirement && plan_may_move(making->lifecycle, vm))
            g_array_append_val(making->loads, load);
        else
            expr_free(load.requirement);
    }
}

static void collect(Making *making, const Cluster *cluster)
{
    GPtrArray *hosts = making->lifecycle->world->pools[KIND_HOST].order;
    making->places = g_array_new(FALSE, FALSE, sizeof(Place));
    making->loads = g_array_new(FALSE, FALSE, sizeof(Load));
    g_array_set_clear_func(making->loads, load_clear);
    for (guint i = 0; i < hosts->len; i++) {
        Host *host = hosts->pdata[i];
        if (host->cluster != cluster->head.id || host->max_cpu <= 0 || host->max_memory <= 0 ||
            host->state != HOST_MONITORED)
            continue;
        Place place = {.host = host, .cpu = host->cpu_usage, .memory = host->memory_usage};
        g_array_append_val(making->places, place);
    }
    for (guint i = 0; i < making->places->len; i++)
        add_loads(making, i);
}

/* ---- what may go where ---- */

/* An attribute of a host, as requirements name it; what is not known here matches nothing, so that
 * the machine stays. */
static guint host_attribute(const char *name, const char **values, guint room, gpointer data)
{
    static char number[INT_TEXT];
    const Host *host = data;
    const char *text = NULL;
    if (!strcmp(name, "ID") || !strcmp(name, "HOST_ID"))
        text = int_text(host->head.id, number);
    else if (!strcmp(name, "CLUSTER_ID"))
        text = int_text(host->cluster, number);
    else if (!strcmp(name, "NAME") || !strcmp(name, "HOSTNAME"))
        text = host->head.name;
    else
        text = template_get(host->head.template, name);
    if (text && room)
        values[0] = text;
    return text && room ? 1 : 0;
}

static gboolean fits(const Making *making, const Load *load, const Place *place)
{
    World *world = making->lifecycle->world;
    const VmRecord *last = vm_last_record(load->vm);
    const Datastore *datastore = datastore_get(world, last->datastore);
    return place->cpu + load->cpu <= place->host->max_cpu &&
           place->memory + load->memory <= place->host->max_memory &&
           !strcmp(place->host->vm_mad, last->vm_mad) && datastore &&
           ids_contain(datastore->clusters, place->host->cluster) &&
           vm_fits_datastore(world, load->vm, place->host, datastore, NULL) &&
           expr_matches(load->requirement, host_attribute, place->host);
}

static double load_of(const Making *making, const Place *place, gint64 cpu, gint64 memory,
                      double usage)
{
    const Host *host = place->host;
    double used = host->total_cpu > 0 ? (place->usage + usage) / (double)host->total_cpu : 0;
    return making->wishes.cpu * (double)(place->cpu + cpu) / (double)host->max_cpu +
           making->wishes.memory * (double)(place->memory + memory) / (double)host->max_memory +
           making->wishes.usage * used;
}

static void move(Making *making, Load *load, guint to)
{
    Place *from = &g_array_index(making->places, Place, load->at),
          *place = &g_array_index(making->places, Place, to);
    from->cpu -= load->cpu;
    from->memory -= load->memory;
    from->usage -= load->usage;
    place->cpu += load->cpu;
    place->memory += load->memory;
    place->usage += load->usage;
    load->at = to;
    load->moved = place->kept = TRUE;
    if (!making->plan) {
        making->plan = template_new();
        template_set_int(making->plan, "STATE", PLAN_READY);
    }
    TemplateAttribute *action = template_add_vector(making->plan, "ACTION");
    attribute_set_int(action, "ID", making->moves++);
    attribute_set_int(action, "VM_ID", load->vm->head.id);
    attribute_set_int(action, "STATE", PLAN_READY);
    attribute_set(action, "OPERATION", load->vm->state == VM_POWEROFF ? "migrate" : "live-migrate");
    attribute_set_int(action, "HOST_ID", place->host->head.id);
    attribute_set_int(action, "DS_ID", vm_last_record(load->vm)->datastore);
    attribute_set_int(action, "TIMESTAMP", 0);
}

/* ---- balance ---- */

/* How much smaller the sum of squares of the loads is after the move; 0: not worth it. */
static double gain(const Making *making, const Load *load, guint to)
{
    const Place *from = &g_array_index(making->places, Place, load->at),
                *place = &g_array_index(making->places, Place, to);
    double before = load_of(making, from, 0, 0, 0), other = load_of(making, place, 0, 0, 0);
    double after = load_of(making, from, -load->cpu, -load->memory, -load->usage);
    double grown = load_of(making, place, load->cpu, load->memory, load->usage);
    return before - grown < LEAD_MIN
               ? 0
               : before * before + other * other - after * after - grown * grown;
}

static guint fullest(const Making *making, const gboolean *passed)
{
    guint found = G_MAXUINT;
    double most = -1;
    for (guint i = 0; i < making->places->len; i++) {
        double load = load_of(making, &g_array_index(making->places, Place, i), 0, 0, 0);
        if (!passed[i] && load > most) {
            most = load;
            found = i;
        }
    }
    return found;
}

/* The best move away from that host. FALSE: none is good enough. */
static gboolean improve(Making *making, guint from)
{
    double best = 0;
    Load *chosen = NULL;
    guint to = 0;
    for (guint i = 0; i < making->loads->len; i++) {
        Load *load = &g_array_index(making->loads, Load, i);
        if (load->at != from || load->moved)
            continue;
        for (guint j = 0; j < making->places->len; j++) {
            double gained = j != from ? gain(making, load, j) : 0;
            if (gained <= best || !fits(making, load, &g_array_index(making->places, Place, j)))
                continue;
            best = gained;
            chosen = load;
            to = j;
        }
    }
    if (chosen)
        move(making, chosen, to);
    return chosen != NULL;
}

static void balance(Making *making)
{
    g_autofree gboolean *passed = g_new0(gboolean, making->places->len + 1);
    guint from;
    while (making->moves < making->wishes.moves && (from = fullest(making, passed)) != G_MAXUINT)
        if (!improve(making, from))
            passed[from] = TRUE;
}

/* ---- pack ---- */

static guint emptiest(const Making *making)
{
    guint found = G_MAXUINT;
    double least = G_MAXDOUBLE;
    for (guint i = 0; i < making->places->len; i++) {
        const Place *place = &g_array_index(making->places, Place, i);
        double load = load_of(making, place, 0, 0, 0);
        if (!place->closed && !place->kept && place->host->vms->len && load < least) {
            least = load;
            found = i;
        }
    }
    return found;
}

/* The fullest host that has room for it and some machine already. */
static guint pack_into(const Making *making, const GArray *places, const Load *load)
{
    guint found = G_MAXUINT;
    double most = -1;
    for (guint i = 0; i < places->len; i++) {
        const Place *place = &g_array_index(places, Place, i);
        double now = load_of(making, place, 0, 0, 0);
        if (place->closed || i == load->at || place->cpu + place->memory == 0 || now <= most ||
            !fits(making, load, place))
            continue;
        most = now;
        found = i;
    }
    return found;
}

/* All machines of a host find room elsewhere, or none is moved. */
static gboolean empty_place(Making *making, guint from)
{
    g_autoptr(GArray) then = g_array_copy(making->places);
    g_autoptr(GArray) which = g_array_new(FALSE, FALSE, sizeof(guint));
    g_autoptr(GArray) where = g_array_new(FALSE, FALSE, sizeof(guint));
    guint machines = g_array_index(making->places, Place, from).host->vms->len;
    for (guint i = 0; i < making->loads->len; i++) {
        const Load *load = &g_array_index(making->loads, Load, i);
        guint to = load->at == from && !load->moved ? pack_into(making, then, load) : G_MAXUINT;
        if (to == G_MAXUINT)
            continue;
        g_array_index(then, Place, to).cpu += load->cpu;
        g_array_index(then, Place, to).memory += load->memory;
        g_array_append_val(which, i);
        g_array_append_val(where, to);
    }
    if (which->len < machines || making->moves + (gint)which->len > making->wishes.moves)
        return FALSE;
    for (guint i = 0; i < which->len; i++)
        move(making, &g_array_index(making->loads, Load, g_array_index(which, guint, i)),
             g_array_index(where, guint, i));
    return TRUE;
}

static void pack(Making *making)
{
    guint from;
    while ((from = emptiest(making)) != G_MAXUINT) {
        Place *place = &g_array_index(making->places, Place, from);
        place->closed = TRUE;
        place->closed = empty_place(making, from);
        place->kept = !place->closed;
    }
}

Template *plan_make(Lifecycle *lifecycle, const Cluster *cluster, GError **error)
{
    Making making = {.lifecycle = lifecycle};
    if (!read_wishes(cluster, &making.wishes, error))
        return NULL;
    collect(&making, cluster);
    if (making.wishes.policy == POLICY_PACK)
        pack(&making);
    else
        balance(&making);
    g_array_unref(making.places);
    g_array_unref(making.loads);
    return making.plan;
}
