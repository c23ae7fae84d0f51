/* Migrations beyond one.vm.migrate: with options, checked in advance, and what came of them. */
#include "server/rpc/server_private.h"

#include "server/model/machine/migration.h"

#include <string.h>

/* ---- the text of an order ---- */

/* What MIGRATE = [...] of an order may hold. Bounds of 0 and 0: YES or NO. */
static const struct {
    const char *name;
    gint64 least, most;
    const char *unit;
} migrate_options[] = {
    {"MAX_DOWNTIME", 1, 3600000, "milliseconds"},
    {"BANDWIDTH", 1, 1000000, "MiB/s"},
    {"TIME_LIMIT", 1, 30 * 86400, "seconds"},
    {"AUTO_CONVERGE"},
    {"POSTCOPY"},
    {"PEER2PEER"},
    {"TLS"},
    {"TUNNEL"},
    {"COMPRESSED"},
    {"LIVE_ONLY"},
};

typedef struct Order {
    VmPlace place;
    VmMove move;
    Template *options; /* what move.options points to */
} Order;

static void order_clear(Order *order)
{
    template_free(order->options);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Order, order_clear)

static gboolean is_yes_or_no(const char *value)
{
    static const char *const words[] = {"YES", "Y", "TRUE",  "ON",  "1",
                                        "NO",  "N", "FALSE", "OFF", "0"};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        if (!g_ascii_strcasecmp(words[i], value))
            return TRUE;
    return FALSE;
}

static gboolean option_fits(Request *request, const TemplatePair *pair)
{
    for (guint i = 0; i < G_N_ELEMENTS(migrate_options); i++) {
        gint64 least = migrate_options[i].least, most = migrate_options[i].most;
        if (strcmp(pair->name, migrate_options[i].name) != 0)
            continue;
        if (most ? g_ascii_string_to_signed(pair->value, 10, least, most, NULL, NULL)
                 : is_yes_or_no(pair->value))
            return TRUE;
        if (most)
            reply_error(request, ONE_ERROR_INTERNAL,
                        "%s = \"%s\" of MIGRATE is not allowed: it takes a whole number of %s from "
                        "%" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                        pair->name, pair->value, migrate_options[i].unit, least, most);
        else
            reply_error(request, ONE_ERROR_INTERNAL,
                        "%s = \"%s\" of MIGRATE is not allowed: it takes YES or NO", pair->name,
                        pair->value);
        return FALSE;
    }
    g_autoptr(GString) known = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(migrate_options); i++)
        g_string_append_printf(known, "%s%s", i ? ", " : "", migrate_options[i].name);
    reply_error(request, ONE_ERROR_INTERNAL, "MIGRATE knows no %s: it may hold %s", pair->name,
                known->str);
    return FALSE;
}

static gboolean read_options(Request *request, const TemplateAttribute *vector, Order *order)
{
    order->options = template_new();
    TemplateAttribute *kept = template_add_vector(order->options, "MIGRATE");
    for (guint i = 0; i < vector->pairs->len; i++) {
        const TemplatePair *pair = vector->pairs->pdata[i];
        if (!option_fits(request, pair))
            return FALSE;
        attribute_set(kept, pair->name, pair->value);
    }
    order->move.options = order->options;
    return TRUE;
}

static gboolean read_flag(Request *request, const TemplateAttribute *attribute, gboolean *flag)
{
    if (attribute->value && is_yes_or_no(attribute->value)) {
        *flag = strchr("YyTt1", attribute->value[0]) || !g_ascii_strcasecmp(attribute->value, "ON");
        return TRUE;
    }
    reply_error(request, ONE_ERROR_INTERNAL, "%s takes YES or NO", attribute->name);
    return FALSE;
}

static gboolean read_number(Request *request, const TemplateAttribute *attribute, gint32 *number)
{
    gint64 value;
    if (attribute->value &&
        g_ascii_string_to_signed(attribute->value, 10, -1, G_MAXINT32, &value, NULL)) {
        *number = (gint32)value;
        return TRUE;
    }
    reply_error(request, ONE_ERROR_INTERNAL, "%s takes a number", attribute->name);
    return FALSE;
}

static gboolean read_attribute(Request *request, const TemplateAttribute *attribute, Order *order)
{
    const char *name = attribute->name;
    if (!strcmp(name, "LIVE"))
        return read_flag(request, attribute, &order->move.live);
    if (!strcmp(name, "ENFORCE"))
        return read_flag(request, attribute, &order->place.enforce);
    if (!strcmp(name, "DATASTORE"))
        return read_number(request, attribute, &order->place.datastore);
    if (!strcmp(name, "TYPE"))
        return read_number(request, attribute, &order->move.type);
    if (!strcmp(name, "MIGRATE") && attribute->pairs && !order->options)
        return read_options(request, attribute, order);
    reply_error(request, ONE_ERROR_INTERNAL,
                "%s is not allowed here: an order to migrate may hold LIVE, ENFORCE, DATASTORE, "
                "TYPE, and MIGRATE = [...] once",
                name);
    return FALSE;
}

/* Machine, host and text of a call; the host and datastore exist and the caller may use them. */
static gboolean read_order(Request *request, gboolean live, Order *order)
{
    g_autoptr(Template) text = request_template(request, 3);
    order->place = (VmPlace){arg_int(request, 2, -1), -1, FALSE};
    order->move.live = live;
    if (!text)
        return FALSE;
    for (guint i = 0; i < template_count(text); i++)
        if (!read_attribute(request, template_nth(text, i), order))
            return FALSE;
    return place_allowed(request, &order->place);
}

/* ---- the methods ---- */

RpcReply *vm_method_migrate_with(Request *request)
{
    g_auto(Order) order = {0};
    VmAsker asker = request_asker(request);
    if (!read_order(request, FALSE, &order) ||
        !vm_migrate(request->lifecycle, VM(request->object), &order.place, &order.move, &asker,
                    &request->error))
        return NULL;
    return reply_int(request, request->object->id);
}

static void checked(const char *xml, const GError *error, gpointer data)
{
    if (error)
        request_fail_later(data, error);
    else
        request_answer_later(data, xml);
}

RpcReply *vm_method_migrate_check(Request *request)
{
    g_auto(Order) order = {0};
    if (read_order(request, TRUE, &order))
        (void)vm_migrate_check(request->lifecycle, VM(request->object), &order.place, &order.move,
                               checked, request->call, &request->error);
    return NULL;
}

RpcReply *vm_method_migrations(Request *request)
{
    g_autoptr(GString) xml = g_string_new(NULL);
    migrations_render(VM(request->object), xml);
    request->seen = request->object->changed;
    return reply_text(request, xml->str);
}
