/* Programs for a host: the functions of host.sh, embedded at build time, and calls of them. Every
 * word was checked when the card was read, and is quoted here besides. */
#include "drivers/vnm/vnm.h"

#include <stdarg.h>

__asm__(".section .rodata\n"
        "vnm_host_functions:\n"
        ".incbin \"drivers/vnm/host.sh\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char vnm_host_functions[] __attribute__((visibility("hidden")));

/* A line of words up to NULL. */
static void call(GString *script, ...) G_GNUC_NULL_TERMINATED;

static void call(GString *script, ...)
{
    va_list words;
    const char *word;
    gboolean first = TRUE;
    va_start(words, script);
    while ((word = va_arg(words, const char *))) {
        g_autofree char *quoted = first ? g_strdup(word) : ssh_quote(word);
        g_string_append_printf(script, "%s%s", first ? "" : " ", quoted);
        first = FALSE;
    }
    va_end(words);
    g_string_append_c(script, '\n');
}

static void append_device(const VnmPlan *plan, const VnmCard *card, GString *script)
{
    g_autofree char *who =
        g_strdup_printf("%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT, plan->vm, card->id);
    g_autofree char *mtu = g_strdup_printf("%u", card->mtu);
    g_autofree char *number = g_strdup_printf("%u", card->number);
    g_autofree char *ttl = g_strdup_printf("%u", card->ttl);
    g_autofree char *vlan = g_strdup_printf("vlan protocol 802.1Q id %s", number);
    g_autofree char *vxlan = g_strdup_printf("vxlan id %s", number);
    if (card->driver->device == VNM_OPEN_VSWITCH) {
        call(script, "ovs_bridge", card->bridge, NULL);
        return;
    }
    call(script, "bridge", card->bridge, mtu, who, NULL);
    if (card->keep)
        g_string_append_printf(script, ": >\"$dir/keep/%s\"\n", card->bridge);
    if (card->driver->device == VNM_VLAN)
        call(script, "tagged", card->device, card->phydev, card->bridge, mtu, who, vlan, "link",
             card->phydev, "type", "vlan", "id", number, NULL);
    else if (card->driver->device == VNM_VXLAN) /* 8472: the port that Linux has always taken */
        call(script, "tagged", card->device, card->phydev, card->bridge, mtu, who, vxlan, "type",
             "vxlan", "id", number, "group", card->group, "ttl", ttl, "dstport", "8472", "dev",
             card->phydev, NULL);
    else if (card->phydev)
        call(script, "port", card->phydev, card->bridge, NULL);
}

/* The rules of all cards at once, so that there is no moment with some of them. */
static void append_rules(const VnmPlan *plan, GString *script)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < plan->cards->len; i++)
        if (vnm_is_filtered(plan->cards->pdata[i]))
            vnm_rules_append(plan->cards->pdata[i], text);
    if (text->len)
        g_string_append_printf(script, "tables\nrules <<'END'\n%sEND\n", text->str);
}

/* A card may have been filtered before, and is not any more. */
static void append_unfilter(const VnmPlan *plan, GString *script)
{
    for (guint i = 0; i < plan->cards->len; i++) {
        const VnmCard *card = plan->cards->pdata[i];
        if (!vnm_is_filtered(card) && card->driver->device != VNM_OPEN_VSWITCH)
            call(script, "unfilter", card->tap, NULL);
    }
}

static GString *begin(void)
{
    GString *script = g_string_new(vnm_host_functions);
    g_string_append(script, "\nbegin\n");
    return script;
}

char *vnm_script_up(const VnmPlan *plan)
{
    GString *script = begin();
    append_rules(plan, script);
    append_unfilter(plan, script);
    for (guint i = 0; i < plan->cards->len; i++)
        append_device(plan, plan->cards->pdata[i], script);
    return g_string_free(script, FALSE);
}

char *vnm_script_rules(const VnmPlan *plan)
{
    GString *script = begin();
    append_rules(plan, script);
    append_unfilter(plan, script);
    return g_string_free(script, FALSE);
}

char *vnm_script_down(gint64 vm, gint64 card)
{
    GString *script = begin();
    g_autofree char *number =
        card >= 0 ? g_strdup_printf("%" G_GINT64_FORMAT, card) : g_strdup("[0-9]*");
    g_autofree char *taps = g_strdup_printf("one-%" G_GINT64_FORMAT "-%s", vm, number);
    g_autofree char *users = g_strdup_printf("%" G_GINT64_FORMAT "-%s", vm, number);
    call(script, "unfilter", taps, NULL);
    call(script, "leave", users, NULL);
    return g_string_free(script, FALSE);
}
