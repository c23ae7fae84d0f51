/* Answers of a server: read or refused, and the short cut for long ones reads what the full parser
 * reads. */
#include "lib/wire/reply.h"
#include "scheduler/pools.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Enough that wire_reply_parse() takes the short cut. */
#define LONG_ENOUGH (130 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static gboolean parse(const char *body, gsize length, WireReply *reply)
{
    g_autoptr(GError) error = NULL;
    gint fault;
    gboolean good = wire_reply_parse(reply, body, length, &fault, &error);
    g_assert_true(good == (error == NULL));
    return good;
}

/* A long answer with the input in its text; a comment in the head keeps the short cut away. */
static gboolean parse_long(const char *text, gboolean full, WireReply *reply)
{
    g_autoptr(GString) body = g_string_sized_new(LONG_ENOUGH + 1024);
    g_string_append_printf(body,
                           "<?xml version=\"1.0\"?><methodResponse>%s<params><param><value><array>"
                           "<data><value><boolean>1</boolean></value><value><string>",
                           full ? "<!-- -->" : "");
    while (body->len < LONG_ENOUGH)
        g_string_append(body,
                        "&lt;VM&gt;some text of a pool, sixty-four bytes of it, or so&lt;/VM&gt;");
    g_string_append(body, text);
    g_string_append(body,
                    "</string></value><value><i4>0</i4></value></data></array></value></param>"
                    "</params></methodResponse>");
    return parse(body->str, body->len, reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(WireReply) short_cut = {0}, full = {0}, whole = {0};
    if (parse_long(text, FALSE, &short_cut) && parse_long(text, TRUE, &full))
        g_assert_cmpstr(short_cut.text, ==, full.text);
    parse((const char *)data, size, &whole);

    g_autoptr(SchedPools) pools = sched_pools_new();
    sched_read_vms(pools, text, 1, NULL);
    sched_read_hosts(pools, text, NULL);
    sched_read_datastores(pools, text, NULL);
    sched_read_clusters(pools, text, NULL);
    sched_read_users(pools, text, NULL);
    sched_read_rules(pools, text, NULL);
    sched_pools_finish(pools);
    return 0;
}
