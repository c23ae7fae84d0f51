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

/* A driver of AUTHZ has a second opinion on what people may do. */
gboolean people_carry(Request *request)
{
    request->info = g_strdup("-");
    return sim_chance(request->sim, 0.9);
}
