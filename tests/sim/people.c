/* Owners, limits, and plans for whole clusters. */
#include "tests/sim/client.h"
#include "tests/sim/drivers.h"

#include <string.h>

/* Machines are given to others, who may have no room for them. */
void give(Client *client, gint32 vm)
{
    static const gint32 groups[] = {0, 1, SIM_STAFF, -1};
    Call *call = call_new(client, "one.vm.chown");
    call_int(call, vm);
    call_int(call, sim_pick(client_sim(client), 4) ? SIM_ANN + sim_pick(client_sim(client), 2) : 0);
    call_int(call, groups[sim_pick(client_sim(client), G_N_ELEMENTS(groups))]);
    call_send(call);
}

/* Other limits for ann, who has no fixed one, and for the groups. */
void limit(Client *client, gint32 vm)
{
    static const char *const metrics[] = {"VMS",         "CPU",        "MEMORY", "SYSTEM_DISK_SIZE",
                                          "RUNNING_VMS", "RUNNING_CPU"};
    gint which = sim_pick(client_sim(client), 3), value = sim_pick(client_sim(client), 12) - 2;
    Call *call = call_new(client, which == 0 ? "one.user.quota" : "one.group.quota");
    const char *metric = metrics[sim_pick(client_sim(client), G_N_ELEMENTS(metrics))];
    g_autofree char *text =
        which == 2
            ? g_strdup_printf("NETWORK=[ID=0,LEASES=%d]\nDATASTORE=[ID=1,IMAGES=%d]", value, value)
            : g_strdup_printf("VM=[%s%s=%d]",
                              sim_chance(client_sim(client), 0.3) ? "CLUSTER_IDS=\"0\"," : "",
                              metric, strstr(metric, "M") && value > 0 ? value * 64 : value);
    call_int(call, which == 0 ? SIM_ANN : sim_chance(client_sim(client), 0.5) ? 1 : SIM_STAFF);
    call_text(call, text);
    call_send(call);
}

/* The hosts are evened out; now and then in the middle of it the plan is dropped. */
void plan(Client *client, gint32 vm)
{
    static const char *const words[] = {"optimize", "planexecute", "plandelete"};
    gint which = sim_pick(client_sim(client), 8);
    g_autofree char *method = g_strdup_printf("one.cluster.%s", words[which < 4   ? 0
                                                                      : which < 7 ? 1
                                                                                  : 2]);
    Call *call = call_new(client, method);
    sim_say(client_sim(client), "%s", method);
    if (which >= 4 && which < 7)
        client_plan_begun(client);
    call_int(call, 0);
    call_send(call);
}

/* Objects that come and go: letters are arguments, `t` a template, `n` a name, `i` -1. */
static const struct {
    Kind kind;
    const char *word, *arguments;
} passing[] = {
    {KIND_TEMPLATE, "template", "t"},
    {KIND_VMGROUP, "vmgroup", "t"},
    {KIND_SECGROUP, "secgroup", "t"},
    {KIND_CLUSTER, "cluster", "n"},
    {KIND_GROUP, "group", "n"},
    {KIND_VDC, "vdc", "ti"},
    {KIND_NET, "vn", "vi"},
    {KIND_HOST, "host", "hmmi"},
    {KIND_VNTEMPLATE, "vntemplate", "v"},
};

/* The highest id of a kind is made and goes again, and oned dies soon after that perhaps: the next
 * object must not get its id. */
void pass_by(Client *client, gint32 vm)
{
    Sim *sim = client_sim(client);
    guint which = (guint)sim_pick(sim, G_N_ELEMENTS(passing));
    const GPtrArray *all = sim->world->pools[passing[which].kind].order;
    const Object *last = all->len ? all->pdata[all->len - 1] : NULL;
    gboolean goes = last && g_str_has_prefix(last->name, "passing") && sim_chance(sim, 0.7);
    g_autofree char *method =
        g_strdup_printf("one.%s.%s", passing[which].word, goes ? "delete" : "allocate");
    g_autofree char *name = g_strdup_printf("passing%" G_GUINT64_FORMAT, client_number(client));
    g_autofree char *text = g_strdup_printf("NAME=%s\nVN_MAD=dummy\nBRIDGE=br0", name);
    sim_say(sim, "%s %s", method, goes ? last->name : name);
    sim->dies_soon = goes && sim_chance(sim, 0.2);
    if (goes) {
        call_method(client, method, "i", last->id);
        return;
    }
    Call *call = call_new(client, method);
    for (const char *at = passing[which].arguments; *at; at++)
        if (*at == 'i')
            call_int(call, -1);
        else
            call_text(call, *at == 'm' ? "dummy" : strchr("tv", *at) ? text : name);
    call_send(call);
}

/* A driver of AUTHZ has a second opinion on what people may do. */
gboolean people_carry(Request *request)
{
    request->info = g_strdup("-");
    return sim_chance(request->sim, 0.9);
}
