#include "client/cli/quota.h"
#include "client/cli/format.h"
#include "client/cli/generic.h"
#include "client/cli/xml.h"

#include <string.h>

/* In a pool each user or group is followed by the QUOTAS of the same ID; alone, it holds them. */
static xmlNode *quota_of(xmlNode *object)
{
    xmlNode *next = xml_next_element(object);
    if (next != NULL && strcmp(xml_name(next), "QUOTAS") == 0 &&
        cli_xml_int(next, "ID", -1) == cli_xml_int(object, "ID", -2))
        return xml_find(next, "VM_QUOTA/VM");
    return xml_find(object, "VM_QUOTA/VM");
}

/* "  3 /  10": used and limit; "-" is no limit, and all of it for administrators. */
static char *quota_text(xmlNode *object, const char *name, int width)
{
    g_autofree char *used_name = g_strdup_printf("%s_USED", name);
    xmlNode *quota = quota_of(object);
    double used = cli_xml_double(quota, used_name, 0), limit = cli_xml_double(quota, name, -1);
    gboolean memory = strcmp(name, "MEMORY") == 0, cpu = strcmp(name, "CPU") == 0;
    if (cli_xml_int(object, "ID", -1) == 0)
        return g_strdup("-");
    g_autofree char *left = memory && used > 0 ? cli_size(used, 'M')
                            : memory           ? g_strdup("0M")
                                               : g_strdup_printf("%.*f", cpu ? 1 : 0, used);
    g_autofree char *right = limit < 0 ? g_strdup("-")
                             : memory  ? cli_size(limit, 'M')
                                       : g_strdup_printf("%.*f", cpu ? 1 : 0, limit);
    return g_strdup_printf("%*s / %*s", width, left, memory ? width : 3, right);
}

char *cli_quota_vms(const Cli *cli, xmlNode *object)
{
    return quota_text(object, "VMS", 3);
}

char *cli_quota_memory(const Cli *cli, xmlNode *object)
{
    return quota_text(object, "MEMORY", 6);
}

char *cli_quota_cpu(const Cli *cli, xmlNode *object)
{
    return quota_text(object, "CPU", 4);
}

void cli_page_quota(const Cli *cli, xmlNode *object, GString *page)
{
    cli_page_title(cli, page, "USAGE AND QUOTAS");
    cli_page_take(page, "MACHINES", g_strstrip(cli_quota_vms(cli, object)));
    cli_page_take(page, "MEMORY", g_strstrip(cli_quota_memory(cli, object)));
    cli_page_take(page, "CPU", g_strstrip(cli_quota_cpu(cli, object)));
}
