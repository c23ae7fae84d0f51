/* Users and access rules. */
#include "scheduler/read.h"
#include <stdlib.h>
#include <string.h>

static void on_user(const char *element, const FlatLeaf *leaves, guint count, gpointer data)
{
    SchedPools *pools = data;
    SchedUser user = {.id = -1, .gid = -1};
    if (strcmp(element, "USER") != 0)
        return;
    user.groups = g_array_new(FALSE, FALSE, sizeof(gint32));
    for (guint i = 0; i < count; i++) {
        gint32 number = strtol(leaves[i].value, NULL, 10);
        if (strcmp(leaves[i].path, "ID") == 0)
            user.id = number;
        else if (strcmp(leaves[i].path, "GID") == 0)
            user.gid = number;
        else if (strcmp(leaves[i].path, "GROUPS/ID") == 0)
            g_array_append_val(user.groups, number);
    }
    if (user.groups->len == 0) /* 1.4 to 4.x: one group, or none at all */
        g_array_append_val(user.groups, user.gid);
    g_array_append_val(pools->users, user);
}

gboolean sched_read_users(SchedPools *pools, const char *xml, GError **error)
{
    FlatReader reader = {.object = on_user, .data = pools};
    return flat_read(xml, strlen(xml), &reader, error);
}

static void on_rule(const char *element, const FlatLeaf *leaves, guint count, gpointer data)
{
    SchedPools *pools = data;
    /* Rules of servers before 4.0 name no zone. */
    SchedRule rule = {.zone = G_GUINT64_CONSTANT(0x400000000)};
    for (guint i = 0; i < count; i++) {
        guint64 word = g_ascii_strtoull(leaves[i].value, NULL, 16);
        if (strcmp(leaves[i].path, "USER") == 0)
            rule.user = word;
        else if (strcmp(leaves[i].path, "RESOURCE") == 0)
            rule.resource = word;
        else if (strcmp(leaves[i].path, "RIGHTS") == 0)
            rule.rights = word;
        else if (strcmp(leaves[i].path, "ZONE") == 0)
            rule.zone = word;
    }
    g_array_append_val(pools->rules, rule);
}

gboolean sched_read_rules(SchedPools *pools, const char *xml, GError **error)
{
    FlatReader reader = {.object = on_rule, .data = pools};
    return flat_read(xml, strlen(xml), &reader, error);
}

static void on_key(const char *element, const FlatLeaf *leaves, guint count, gpointer data)
{
    for (guint i = 0; i < count && strcmp(element, "FEDERATION") == 0; i++)
        if (strcmp(leaves[i].path, "ZONE_ID") == 0)
            *(gint32 *)data = strtol(leaves[i].value, NULL, 10);
}

gint32 sched_read_zone(const char *xml)
{
    gint32 zone = 0;
    FlatReader reader = {.object = on_key, .data = &zone};
    return flat_read(xml, strlen(xml), &reader, NULL) ? zone : 0;
}
