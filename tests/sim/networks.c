/* Networks, routers and security groups. */
#include "tests/sim/client.h"

#include "server/model/network/network.h"
#include "server/model/network/vrouter.h"

#include <string.h>

/* Addresses held by hand and let go, parts of the network reserved and given back. */
void arrange_network(Client *client, gint32 vm)
{
    static const char *const methods[] = {"hold", "release", "reserve", "delete", "free_ar"};
    guint which = (guint)sim_pick(client_sim(client), G_N_ELEMENTS(methods));
    g_autofree char *method = g_strdup_printf("one.vn.%s", methods[which]);
    g_autofree char *lease =
        g_strdup_printf("LEASES=[IP=10.0.0.%d]", 1 + sim_pick(client_sim(client), 15));
    g_autofree char *part =
        g_strdup_printf("SIZE=%d\nNAME=part%d", 1 + sim_pick(client_sim(client), 3),
                        sim_pick(client_sim(client), 1000));
    Call *call = call_new(client, method);
    gint32 reservation = 1 + sim_pick(client_sim(client), 4);
    call_int(call, which < 3 ? 0 : reservation);
    if (which < 2)
        call_text(call, lease);
    else if (which == 2)
        call_text(call, part);
    else if (which == 4)
        call_int(call, 0);
    call_send(call);
}

/* Routers with cards of the network, and the machines of these routers, which are started too. */
void arrange_routers(Client *client, gint32 vm)
{
    static const struct {
        const char *method, *arguments, *text;
    } calls[] = {
        {"allocate", "N", "NIC=[NETWORK_ID=0,FLOATING_IP=YES]"},
        {"allocate", "N",
         "NIC=[NETWORK_ID=0,FLOATING_IP=YES,FLOATING_ONLY=YES]\nNIC=[NETWORK_ID=0]"},
        {"instantiate", "r2", ""},
        {"instantiate", "r2", ""},
        {"attachnic", "rt", "NIC=[NETWORK_ID=0,FLOATING_IP=YES]"},
        {"detachnic", "rn"},
        {"delete", "r"},
    };
    const GPtrArray *routers = client_sim(client)->world->pools[KIND_VROUTER].order;
    const VRouter *some =
        routers->len ? routers->pdata[sim_pick(client_sim(client), (gint)routers->len)] : NULL;
    if (some && some->vms->len && sim_chance(client_sim(client), 0.5)) {
        gint which = sim_pick(client_sim(client), (gint)some->vms->len);
        deploy(client, g_array_index(some->vms, gint32, which));
        return;
    }
    guint which = some ? (guint)sim_pick(client_sim(client), G_N_ELEMENTS(calls)) : 0;
    g_autofree char *method = g_strdup_printf("one.vrouter.%s", calls[which].method);
    g_autofree char *text =
        g_strdup_printf("NAME=r%" G_GUINT64_FORMAT "\n%s", client_number(client),
                        calls[which].text ? calls[which].text : "");
    Call *call = call_new(client, method);
    sim_say(client_sim(client), "%s", method);
    for (const char *at = calls[which].arguments; *at; at++)
        if (*at == 'r' || *at == 'n')
            call_int(call, *at == 'r' && some ? some->head.id : sim_pick(client_sim(client), 3));
        else if (*at == '2')
            call_int(call, 1 + sim_pick(client_sim(client), 2));
        else if (*at == 'N' || *at == 't')
            call_text(call, *at == 'N' ? text : calls[which].text);
    if (strcmp(calls[which].method, "instantiate") == 0) {
        call_int(call, 0); /* the template that there is */
        call_text(call, "");
        call_bool(call, FALSE);
        call_text(call, "");
    }
    call_send(call);
}
