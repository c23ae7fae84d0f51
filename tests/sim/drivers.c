#include "tests/sim/drivers.h"

#include "server/rpc/login.h"

#include <string.h>

/* How often an answer is lost, comes twice, or comes when it is waited for no more. */
#define LOST  0.03
#define TWICE 0.02
#define SLOW  0.01
/* In each seed one phase of the table, by turns, loses answers so often. */
#define AIMED 0.3
/* The longest that a slow driver takes: longer than most time-outs. */
#define SLOW_SECONDS 900

struct Drivers {
    Outside outside; /* first */
    Sim *sim;
    GHashTable *cut; /* host: cannot be reached until that time */
    GPtrArray *open; /* of Request: those under way */
};

/* ---- what they say ---- */

typedef enum { SAYS_ANSWER, SAYS_LOST } Says;

typedef struct Said {
    CoreInput input;
    Sim *sim;
    Says says;
    DriverClass class;
    guint64 number;
    gboolean success;
    char *info;
} Said;

static void said_handle(Core *core, CoreInput *input)
{
    Said *said = (Said *)input;
    if (said->class == DRIVER_AUTHENTICATION && said->says == SAYS_LOST)
        rpc_login_failed(said->number, "the driver died", said->sim->rpc);
    else if (said->class == DRIVER_AUTHENTICATION)
        rpc_login_answered(said->number, said->success, said->info, said->sim->rpc);
    else if (said->says == SAYS_LOST)
        lifecycle_lost(said->sim->lifecycle, said->number);
    else
        lifecycle_answer(said->sim->lifecycle, said->number, said->success, said->info);
}

static void said_destroy(CoreInput *input)
{
    g_free(((Said *)input)->info);
    g_free(input);
}

static void say(const Request *request, Says says)
{
    Sim *sim = request->sim;
    Said *said = g_new0(Said, 1);
    said->input.handle = said_handle;
    said->input.destroy = said_destroy;
    said->sim = sim;
    said->says = says;
    said->class = request->request->class;
    said->number = request->request->number;
    said->success = request->success;
    said->info = g_strdup(request->info ? request->info : "");
    core_post(sim->core, &said->input);
}

/* ---- documents ---- */

char *document_text(const char *xml, const char *name)
{
    g_autofree char *open = g_strdup_printf("<%s>", name);
    const char *from = strstr(xml, open);
    if (!from)
        return g_strdup("");
    from += strlen(open);
    if (g_str_has_prefix(from, "<![CDATA["))
        from += strlen("<![CDATA[");
    return g_strndup(from, strcspn(from, "]<"));
}

gint64 document_number(const char *xml, const char *name)
{
    g_autofree char *text = document_text(xml, name);
    return *text ? g_ascii_strtoll(text, NULL, 10) : -1;
}

/* ---- what happens to a request ---- */

static const struct {
    Carry carry;
    gboolean has_document; /* its payload is one */
} classes[DRIVER_CLASSES] = {
    [DRIVER_INFORMATION] = {hosts_monitor, FALSE},
    [DRIVER_VIRTUALIZATION] = {hosts_carry, TRUE},
    [DRIVER_TRANSFER] = {hosts_transfer, FALSE},
    [DRIVER_DATASTORE] = {images_carry, TRUE},
    [DRIVER_HOOK] = {hooks_carry, TRUE},
    [DRIVER_MARKET] = {markets_carry, TRUE},
    [DRIVER_AUTHENTICATION] = {people_carry, FALSE},
};

static void request_free(gpointer data)
{
    Request *request = data;
    driver_request_free(request->request);
    g_free(request->host);
    g_free(request->other);
    g_free(request->xml);
    g_free(request->info);
    g_free(request);
}

gboolean drivers_cut(const Drivers *drivers, const char *host)
{
    const gint64 *until = g_hash_table_lookup(drivers->cut, host);
    return until && *until > drivers->sim->now && !drivers->sim->calm;
}

gboolean request_fails(Request *request)
{
    if (request->sim->calm || !sim_chance(request->sim, 0.05))
        return FALSE;
    g_free(request->info);
    request->info = g_strdup("it did not work");
    return TRUE;
}

static void answer(Sim *sim, gpointer data)
{
    Request *request = data;
    if (!request->unheard)
        say(request, SAYS_ANSWER);
    if (!request->unheard && !sim->calm && sim_chance(sim, TWICE))
        say(request, SAYS_ANSWER);
    g_ptr_array_remove_fast(sim->drivers->open, request);
}

/* What was ordered happens, if the host can be reached. */
static void happen_now(Request *request)
{
    Sim *sim = request->sim;
    request->happened = TRUE;
    if (request->host && drivers_cut(sim->drivers, request->host))
        request->info = g_strdup("no route to host");
    else
        request->success = classes[request->request->class].carry(request);
    sim_say(sim, "%s %" G_GINT64_FORMAT " on %s: %s %s", request->request->action,
            request->request->id, request->host ? request->host : "-",
            request->success ? "done" : "failed",
            request->info && strlen(request->info) < 80 ? request->info : "");
}

/* Drivers carry out the requests of one machine in the order in which they came. */
static void happen_in_order(Request *request)
{
    const GPtrArray *open = request->sim->drivers->open;
    for (;;) {
        Request *first = request;
        for (guint i = 0; i < open->len; i++) {
            Request *other = open->pdata[i];
            if (!other->happened && other->request->class == request->request->class &&
                other->request->id == request->request->id &&
                other->request->number < first->request->number)
                first = other;
        }
        if (!first->happened)
            happen_now(first);
        if (first == request)
            return;
    }
}

/* The phase of this seed; a new row of the table has its turn by itself. */
static const VmPhase *aim(const Sim *sim)
{
    guint count;
    const VmPhase *phases = vm_phases(&count);
    return &phases[sim->seed % count];
}

/* It is of a machine in that phase, or, by the datastore's driver, of an image for one. */
static gboolean is_aimed(const Request *request)
{
    const DriverRequest *asked = request->request;
    const VmPhase *phase = aim(request->sim);
    if (asked->class != DRIVER_DATASTORE)
        return (asked->class == DRIVER_VIRTUALIZATION || asked->class == DRIVER_TRANSFER) &&
               hosts_phase(request->sim, asked->id) == phase->lcm;
    for (guint i = 0; i < G_N_ELEMENTS(phase->steps); i++)
        if (phase->steps[i] != STEP_NONE &&
            vm_step_row(phase->steps[i])->class == DRIVER_DATASTORE &&
            strcmp(vm_step_row(phase->steps[i])->action, asked->action) == 0)
            return TRUE;
    return FALSE;
}

static gboolean is_lost(const Request *request)
{
    Sim *sim = request->sim;
    gboolean aimed = !sim->calm && is_aimed(request);
    gboolean lost = !sim->calm && sim_chance(sim, aimed ? AIMED : LOST);
    sim->aimed += aimed && lost;
    return lost;
}

/* The answer comes a little later, much later, or never. */
static void happen(Sim *sim, gpointer data)
{
    Request *request = data;
    if (!request->happened && request->request->class != DRIVER_INFORMATION)
        happen_in_order(request);
    else if (!request->happened)
        happen_now(request);
    if (is_lost(request)) {
        request->unheard = TRUE;
        sim->lost++;
        backups_unsure(request);
    }
    gboolean slow = !sim->calm && sim_chance(sim, SLOW);
    if (slow)
        backups_unsure(request);
    sim_later(sim, slow ? sim_pick(sim, SLOW_SECONDS) * G_USEC_PER_SEC : sim_pick(sim, 400000),
              answer, request, NULL);
}

/* A driver that dies has given its order to the hypervisor already, or never will. */
static void die(Request *request)
{
    request->unheard = TRUE;
    backups_unsure(request);
    if (!request->happened && sim_chance(request->sim, 0.5))
        happen_now(request);
    request->happened = TRUE;
}

/* ---- what oned sends ---- */

/* Nothing may be asked of a driver that the committed state does not explain. */
static void explain(const Request *request)
{
    const DriverRequest *asked = request->request;
    if (asked->class == DRIVER_DATASTORE)
        images_explain(request->sim->images, asked);
    else if (asked->class == DRIVER_HOOK)
        hook_runs_explain(request->sim->hooks, asked, request->xml);
    else if (asked->class == DRIVER_VIRTUALIZATION)
        hosts_explain(request->sim->hosts, asked);
    else if (asked->class == DRIVER_MARKET)
        markets_explain(request->sim->markets, asked);
}

static void drivers_send(Outside *outside, DriverRequest *asked)
{
    Drivers *drivers = (Drivers *)outside;
    if (!strcmp(asked->action, "DRIVER_CANCEL")) {
        driver_request_free(asked); /* here nothing takes long */
        return;
    }
    Request *request = g_new0(Request, 1);
    request->sim = drivers->sim;
    request->request = asked;
    request->xml = g_strdup("");
    if (classes[asked->class].has_document) {
        gsize length;
        g_autofree guchar *bytes = g_base64_decode(asked->payload, &length);
        g_free(request->xml);
        request->xml = g_strndup((const char *)bytes, length);
    }
    if (asked->class == DRIVER_VIRTUALIZATION) {
        request->host = document_text(request->xml, "HOST");
        request->other = document_text(request->xml, "MIGR_HOST");
    } else if (asked->class == DRIVER_INFORMATION) {
        request->host = g_strndup(asked->payload, strcspn(asked->payload, " "));
    }
    explain(request);
    g_ptr_array_add(drivers->open, request);
    sim_later(drivers->sim, sim_pick(drivers->sim, 2000000), happen, request, NULL);
}

static gboolean drivers_knows(Outside *outside, DriverClass class, const char *driver)
{
    return TRUE;
}

static gboolean drivers_lack(Outside *outside, DriverClass class, const char *driver,
                             const char *action)
{
    return class == DRIVER_VIRTUALIZATION && hosts_lack_now(((Drivers *)outside)->sim, action);
}

static void drivers_log(Outside *outside, gint32 vm, LogLevel level, const char *module,
                        const char *text)
{
    sim_say(((Drivers *)outside)->sim, "  log of %d: %s", vm, text);
}

static void drivers_sample(Outside *outside, SampleKind kind, gint32 id, gint64 time,
                           const char *xml)
{
}

static void drivers_forget(Outside *outside, SampleKind kind, gint32 id)
{
}

/* ---- trouble ---- */

void drivers_crash(Drivers *drivers)
{
    for (guint i = 0; i < drivers->open->len; i++)
        die(drivers->open->pdata[i]);
}

void drivers_one_dies(Drivers *drivers)
{
    DriverClass class = (DriverClass)sim_pick(drivers->sim, DRIVER_CLASSES);
    sim_say(drivers->sim, "driver of class %d dies", class);
    for (guint i = 0; i < drivers->open->len; i++) {
        Request *request = drivers->open->pdata[i];
        if (request->request->class != class || request->unheard)
            continue;
        die(request);
        say(request, SAYS_LOST);
    }
}

void drivers_network_fails(Drivers *drivers)
{
    gint64 until = drivers->sim->now + sim_pick(drivers->sim, 120) * G_USEC_PER_SEC;
    char *host = g_strdup_printf("h%d", sim_pick(drivers->sim, 4));
    sim_say(drivers->sim, "%s is cut off", host);
    g_hash_table_insert(drivers->cut, host, g_memdup2(&until, sizeof until));
}

/* ---- */

Outside *drivers_outside(Drivers *drivers)
{
    return &drivers->outside;
}

Drivers *drivers_new(Sim *sim)
{
    Drivers *drivers = g_new0(Drivers, 1);
    drivers->outside = (Outside){drivers_send,   drivers_knows, drivers_log, drivers_sample,
                                 drivers_forget, NULL,          drivers_lack};
    drivers->sim = sim;
    drivers->cut = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    drivers->open = g_ptr_array_new_with_free_func(request_free);
    return drivers;
}

void drivers_free(Drivers *drivers)
{
    g_hash_table_unref(drivers->cut);
    g_ptr_array_unref(drivers->open);
    g_free(drivers);
}
