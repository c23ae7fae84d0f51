#include "client/cli/vm_save.h"
#include "client/cli/vm_create.h"
#include "client/cli/wait.h"
#include "client/cli/xml.h"

#include <stdio.h>
#include <string.h>

#define VM_POWEROFF 8 /* STATE */
#define IMAGE_READY 1 /* STATE */

/* What a disk or card was given when its machine was made, and another machine's is not: after
 * OpenNebula's virtual_machine_ext.rb. */
static const char *const of_disks[] = {"ALLOW_ORPHANS",
                                       "CLONE",
                                       "CLONE_TARGET",
                                       "CLUSTER_ID",
                                       "DATASTORE",
                                       "DATASTORE_ID",
                                       "DEV_PREFIX",
                                       "DISK_ID",
                                       "DISK_SNAPSHOT_TOTAL_SIZE",
                                       "DISK_TYPE",
                                       "DRIVER",
                                       "FORMAT",
                                       "IMAGE",
                                       "IMAGE_ID",
                                       "IMAGE_STATE",
                                       "IMAGE_UID",
                                       "IMAGE_UNAME",
                                       "LN_TARGET",
                                       "ORIGINAL_SIZE",
                                       "PERSISTENT",
                                       "PERSISTENT_SNAPSHOTS",
                                       "READONLY",
                                       "SAVE",
                                       "SOURCE",
                                       "TARGET",
                                       "TM_MAD",
                                       "TM_MAD_SYSTEM",
                                       NULL};
static const char *const of_images[] = {"SIZE", "TYPE", NULL}; /* those have their own */
static const char *const of_cards[] = {
    "ALIAS_IDS", "AR_ID",  "BRIDGE",          "BRIDGE_TYPE", "CLUSTER_ID",
    "IP",        "IP6",    "IP6_GLOBAL",      "IP6_LINK",    "IP6_ULA",
    "MAC",       "NIC_ID", "SECURITY_GROUPS", "TARGET",      "VLAN_ID",
    "VN_MAD",    NULL};

typedef struct {
    Cli *cli;
    const char *name; /* of the template */
    xmlNode *vm;
    gint32 id;
    gint32 template; /* the new one; -1: none yet */
    GArray *images;  /* gint32: the new ones */
    GString *text;   /* what the new template says otherwise */
} Save;

static void append_rest(GString *text, xmlNode *vector, const char *const *without,
                        const char *const *nor)
{
    for (xmlNode *at = xml_first_element(vector); at != NULL; at = xml_next_element(at))
        if (!g_strv_contains(without, (const char *)at->name) &&
            (nor == NULL || !g_strv_contains(nor, (const char *)at->name)))
            cli_append_pair(text, (const char *)at->name, cli_xml_text(at, ""));
}

/* The machine is at rest again also when its disk could not be copied: only the image tells. */
static gboolean image_is_whole(Save *save, gint32 disk, gint32 image, GError **error)
{
    g_auto(WireReply) reply = {0};
    if (!wire_call(save->cli->wire, &reply, error, "one.image.info", "ib", image, FALSE))
        return FALSE;
    g_autoptr(xmlDoc) doc = cli_xml_parse(reply.text, error);
    if (doc == NULL)
        return FALSE;
    xmlNode *root = xmlDocGetRootElement(doc);
    if (cli_xml_int(root, "STATE", -1) == IMAGE_READY)
        return TRUE;
    const char *why = cli_xml_text(root, "TEMPLATE/ERROR");
    g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED,
                "disk %d could not be saved%s%s; `onevm show %d` and the machine's log tell more",
                disk, *why != '\0' ? ": " : "", why, save->id);
    return FALSE;
}

/* A disk of an image: its content as a new image. */
static gboolean save_disk(Save *save, xmlNode *disk, GError **error)
{
    gint32 number = (gint32)cli_xml_int(disk, "DISK_ID", -1);
    g_autofree char *name = g_strdup_printf("%s-disk-%d", save->name, number);
    g_auto(WireReply) reply = {0};
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_array_append_val(ids, save->id);
    if (!wire_call(save->cli->wire, &reply, error, "one.vm.disksaveas", "iissi", save->id, number,
                   name, "", -1))
        return FALSE;
    gint32 image = (gint32)reply.number;
    g_array_append_val(save->images, image);
    g_string_append_printf(save->text, "DISK=[IMAGE_ID=\"%d\"", image);
    append_rest(save->text, disk, of_disks, of_images);
    g_string_append(save->text, "]\n");
    /* One disk at a time: the machine is busy meanwhile. */
    if (cli_wait_for(save->cli, ids, "POWEROFF", -1, TRUE) != CLI_DONE) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED, "disk %d could not be saved", number);
        return FALSE;
    }
    if (!image_is_whole(save, number, image, error))
        return FALSE;
    return cli_option(save->cli, "image-persistent") == NULL ||
           wire_call(save->cli->wire, NULL, error, "one.image.persistent", "ib", image, TRUE);
}

static gboolean take_disk(Save *save, xmlNode *disk, GError **error)
{
    const char *image = cli_xml_text(disk, "IMAGE_ID");
    if (*image != '\0' && strcmp(cli_xml_text(disk, "TYPE"), "CDROM") != 0)
        return save_disk(save, disk, error);
    g_string_append(save->text, "DISK=[");
    if (*image != '\0')
        cli_append_pair(save->text, "IMAGE_ID", image);
    else
        append_rest(save->text, disk, of_disks, NULL);
    g_string_append(save->text, "]\n");
    return TRUE;
}

/* What a network says of that name to a card: its range, or else itself; "": neither. (borrowed) */
static const char *given_by(xmlNode *network, xmlNode *card, const char *name)
{
    const char *range = cli_xml_text(card, "AR_ID"), *value = "";
    for (xmlNode *at = xml_find(network, "AR_POOL/AR"); at != NULL; at = xml_next_same(at))
        if (strcmp(cli_xml_text(at, "AR_ID"), range) == 0)
            value = cli_xml_text(at, name);
    g_autofree char *path = g_strconcat("TEMPLATE/", name, NULL);
    return *value != '\0' ? value : cli_xml_text(network, path);
}

/* What the network gives its cards, such as filters and limits, it will give the next one, too;
 * most users may not write these. What the card alone says stays. */
static void save_card(Save *save, xmlNode *card)
{
    const char *id = cli_xml_text(card, "NETWORK_ID");
    g_auto(WireReply) reply = {0};
    g_autoptr(xmlDoc) doc = NULL;
    /* Who may not look at the network any more saves the card as it is. */
    if (*id != '\0' && wire_call(save->cli->wire, &reply, NULL, "one.vn.info", "ib",
                                 (gint32)cli_xml_int(card, "NETWORK_ID", -1), FALSE))
        doc = cli_xml_parse(reply.text, NULL);
    xmlNode *network = doc != NULL ? xmlDocGetRootElement(doc) : NULL;
    g_string_append(save->text, "NIC=[");
    for (xmlNode *at = xml_first_element(card); at != NULL; at = xml_next_element(at)) {
        const char *name = (const char *)at->name, *value = cli_xml_text(at, "");
        if (g_strv_contains(of_cards, name) || (*id != '\0' && g_str_equal(name, "NETWORK")) ||
            (network != NULL && strcmp(value, given_by(network, card, name)) == 0))
            continue;
        cli_append_pair(save->text, name, value);
    }
    g_string_append(save->text, "]\n");
}

static gboolean fill(Save *save, GError **error)
{
    static const char *const capacity[] = {"CPU", "VCPU", "MEMORY"};
    for (guint i = 0; i < G_N_ELEMENTS(capacity); i++) {
        g_autofree char *path = g_strdup_printf("TEMPLATE/%s", capacity[i]);
        const char *value = cli_xml_text(save->vm, path);
        if (*value != '\0')
            g_string_append_printf(save->text, "%s=\"%s\"\n", capacity[i], value);
    }
    for (xmlNode *at = xml_find(save->vm, "TEMPLATE/DISK"); at != NULL; at = xml_next_same(at))
        if (!take_disk(save, at, error))
            return FALSE;
    for (xmlNode *at = xml_find(save->vm, "TEMPLATE/NIC"); at != NULL; at = xml_next_same(at))
        save_card(save, at);
    g_string_append_printf(save->text, "SAVED_TEMPLATE_ID=\"%s\"\n",
                           cli_xml_text(save->vm, "TEMPLATE/TEMPLATE_ID"));
    return wire_call(save->cli->wire, NULL, error, "one.template.update", "isi", save->template,
                     save->text->str, 1);
}

/* Nothing of a save that failed stays. */
static void undo(Save *save)
{
    if (save->template >= 0)
        (void)wire_call(save->cli->wire, NULL, NULL, "one.template.delete", "ib", save->template,
                        FALSE);
    for (guint i = 0; i < save->images->len; i++)
        (void)wire_call(save->cli->wire, NULL, NULL, "one.image.delete", "ib",
                        g_array_index(save->images, gint32, i), TRUE);
}

static gboolean may_save(const Save *save, GError **error)
{
    const char *name = cli_xml_text(save->vm, "NAME");
    if (*cli_xml_text(save->vm, "TEMPLATE/TEMPLATE_ID") == '\0')
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED,
                    "%s was made from no template, so there is none to copy: save its disks with "
                    "`onevm disk-saveas %d DISK NAME`, and write a template for them",
                    name, save->id);
    else if (cli_xml_int(save->vm, "STATE", -1) != VM_POWEROFF)
        g_set_error(error, CLI_ERROR, CLI_ERROR_FAILED,
                    "%s must be off to be saved: `onevm poweroff %d --wait` switches it off", name,
                    save->id);
    return *error == NULL;
}

CliExit cli_vm_save(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) info = {0};
    g_auto(WireReply) made = {0};
    Save save = {cli, cli_word(cli, 1), NULL, g_array_index(cli->ids, gint32, 0), -1, NULL, NULL};
    WireClient *wire = cli_wire(cli, &error);
    if (wire == NULL || !wire_call(wire, &info, &error, cli->kind->info, "ib", save.id, FALSE))
        return cli_fail(cli, error);
    g_autoptr(xmlDoc) doc = cli_xml_parse(info.text, &error);
    save.vm = doc != NULL ? xmlDocGetRootElement(doc) : NULL;
    if (save.vm == NULL || !may_save(&save, &error) ||
        !wire_call(wire, &made, &error, "one.template.clone", "isb",
                   (gint32)cli_xml_int(save.vm, "TEMPLATE/TEMPLATE_ID", -1), save.name, FALSE))
        return cli_fail(cli, error);
    g_autoptr(GArray) images = g_array_new(FALSE, FALSE, sizeof(gint32));
    g_autoptr(GString) text = g_string_new(NULL);
    save.template = (gint32)made.number;
    save.images = images;
    save.text = text;
    if (!fill(&save, &error)) {
        undo(&save);
        return cli_fail(cli, error);
    }
    printf("Template ID: %d\n", save.template);
    return CLI_DONE;
}
