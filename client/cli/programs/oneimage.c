#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/format.h"
#include "client/cli/kinds.h"
#include "client/cli/names.h"
#include "client/cli/rows.h"
#include "client/cli/vm_create.h"
#include "client/cli/states.h"
#include "client/cli/wait.h"
#include "client/cli/xml.h"

#include <stdio.h>
#include <string.h>

static const CliStateRow states[] = {
    {"INIT", "init", CLI_MOVING},
    {"READY", "rdy", CLI_RESTING},
    {"USED", "used", CLI_RESTING},
    {"DISABLED", "disa", CLI_RESTING},
    {"LOCKED", "lock", CLI_MOVING},
    {"ERROR", "err", CLI_BROKEN},
    {"CLONE", "clon", CLI_RESTING},
    {"DELETE", "dele", CLI_MOVING},
    {"USED_PERS", "used", CLI_RESTING},
    {"LOCKED_USED", "lock", CLI_MOVING},
    {"LOCKED_USED_PERS", "lock", CLI_MOVING},
    {NULL},
};

static const struct {
    const char *name, *brief;
} types[] = {{"OS", "OS"},      {"CDROM", "CD"},   {"DATABLOCK", "DB"}, {"KERNEL", "KL"},
             {"RAMDISK", "RD"}, {"CONTEXT", "CX"}, {"BACKUP", "BK"},    {"FILESYSTEM", "FS"}};

static guint type_of(xmlNode *image)
{
    gint64 number = cli_xml_int(image, "TYPE", 0);
    return number >= 0 && number < (gint64)G_N_ELEMENTS(types) ? (guint)number : 0;
}

static void image_state(xmlNode *image, CliState *state)
{
    cli_state_fill(states, image, state);
}

static const char *image_state_named(const char *word)
{
    return cli_state_named(states, word);
}

/* ---- Columns ---- */

static char *size_text(const Cli *cli, xmlNode *image)
{
    return cli_size(cli_xml_double(image, "SIZE", 0), 'M');
}

static char *type_text(const Cli *cli, xmlNode *image)
{
    return g_strdup(types[type_of(image)].brief);
}

static char *persistent_text(const Cli *cli, xmlNode *image)
{
    return g_strdup(cli_xml_int(image, "PERSISTENT", 0) != 0 ? "Yes" : "No");
}

static char *stat_text(const Cli *cli, xmlNode *image)
{
    return g_strdup(cli_state_row(states, image)->brief);
}

static const CliColumn columns[] = {
    CLI_COLUMNS_OWNED("image"),
    {"DATASTORE", -10, "DATASTORE", NULL, "Datastore that it is in"},
    {"SIZE", 7, NULL, size_text, "Size"},
    {"TYPE", 4, NULL, type_text, "OS, CD, DB (data), KL, RD, CX (files), FS"},
    {"PER", 3, NULL, persistent_text, "Does what a machine writes stay in it?"},
    {"STAT", -4, NULL, stat_text, "State: rdy (ready), used, lock (being made), err, ..."},
    {"RVMS", 4, "RUNNING_VMS", NULL, "Disks of machines that use it"},
    {"REGTIME", 15, NULL, cli_column_regtime, "When it was made"},
    CLI_COLUMNS_END,
};

/* ---- The page ---- */

static char *snapshot_date(const Cli *cli, xmlNode *snapshot)
{
    return cli_time(cli_xml_int(snapshot, "DATE", 0));
}

static char *snapshot_active(const Cli *cli, xmlNode *snapshot)
{
    return g_strdup(strcmp(cli_xml_text(snapshot, "ACTIVE"), "YES") == 0 ? "=>" : "");
}

static const CliColumn snapshot_columns[] = {
    {"AC", -2, NULL, snapshot_active, NULL},
    {"ID", 3, "ID", NULL, NULL},
    {"PARENT", 6, "PARENT", NULL, NULL},
    {"DATE", -14, NULL, snapshot_date, NULL},
    {"SIZE", 7, NULL, size_text, NULL},
    {"NAME", -20, "NAME", NULL, NULL},
    CLI_COLUMNS_END,
};

static void image_page(Cli *cli, xmlNode *image, GString *page)
{
    const char *path = cli_xml_text(image, "PATH"), *fs = cli_xml_text(image, "FS");
    cli_page_head(cli, image, page, "IMAGE");
    cli_page_line(page, "DATASTORE", cli_xml_text(image, "DATASTORE"));
    cli_page_line(page, "TYPE", types[type_of(image)].name);
    cli_page_take(page, "REGISTER TIME", cli_column_regtime(cli, image));
    cli_page_take(page, "LAST MODIFIED", cli_time(cli_xml_int(image, "MODTIME", 0)));
    cli_page_take(page, "PERSISTENT", persistent_text(cli, image));
    cli_page_line(page, "SOURCE", cli_xml_text(image, "SOURCE"));
    if (*path != '\0')
        cli_page_line(page, "PATH", path);
    cli_page_line(page, "FORMAT", cli_xml_text(image, "FORMAT"));
    if (*fs != '\0')
        cli_page_line(page, "FILESYSTEM", fs);
    cli_page_take(page, "SIZE", size_text(cli, image));
    cli_page_take(page, "STATE", stat_text(cli, image));
    cli_page_line(page, "RUNNING_VMS", cli_xml_text(image, "RUNNING_VMS"));
    cli_page_rights(cli, image, page);
    cli_page_table(cli, page, "IMAGE SNAPSHOTS", snapshot_columns, image, "SNAPSHOTS/SNAPSHOT");
    cli_page_template(cli, image, page, "IMAGE TEMPLATE");
    cli_page_title(cli, page, "VIRTUAL MACHINES");
    cli_page_members(cli, image, page, "MACHINES", &cli_vm, "VMS/ID");
    if (xml_find(image, "CLONES/ID") != NULL)
        cli_page_take(page, "COPIES BEING MADE", cli_ids_of(image, "CLONES/ID"));
}

/* ---- create ---- */

/* Options and the attributes that they give. */
static const struct {
    const char *key, *attribute;
} given[] = {{"image-name", "NAME"},           {"description", "DESCRIPTION"},
             {"image-type", "TYPE"},           {"image-path", "PATH"},
             {"image-source", "SOURCE"},       {"image-format", "FORMAT"},
             {"image-driver", "DRIVER"},       {"image-fs", "FS"},
             {"prefix", "DEV_PREFIX"},         {"image-target", "TARGET"},
             {"image-disk-type", "DISK_TYPE"}, {"md5", "MD5"},
             {"image-sha1", "SHA1"},           {"image-sha256", "SHA256"}};
#define GIVEN                                                                                      \
    "image-name description image-type image-persistent image-size image-path image-source "       \
    "image-format image-driver image-fs prefix image-target image-disk-type md5 image-sha1 "       \
    "image-sha256"

/* A path is one of the server's computer; it is taken as the shell here would take it. */
static char *whole_path(const char *path)
{
    return strstr(path, "://") != NULL ? g_strdup(path) : g_canonicalize_filename(path, NULL);
}

/* The template that the options tell, "" when they tell none. (owned) */
static char *options_text(const Cli *cli, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *size = cli_option(cli, "image-size");
    for (guint i = 0; i < G_N_ELEMENTS(given); i++) {
        const char *value = cli_option(cli, given[i].key);
        if (value == NULL)
            continue;
        g_autofree char *path =
            strcmp(given[i].attribute, "PATH") == 0 ? whole_path(value) : g_strdup(value);
        g_autoptr(GString) line = g_string_new(NULL);
        cli_append_pair(line, given[i].attribute, path);
        g_string_append_printf(text, "%s\n", line->str);
    }
    if (cli_option(cli, "image-persistent") != NULL)
        g_string_append(text, "PERSISTENT=\"YES\"\n");
    if (size != NULL) {
        gint64 mib;
        if (!cli_memory(size, &mib)) {
            g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                        "--size \"%s\" is no size: give MiB, or 512m, 10g", size);
            return NULL;
        }
        g_string_append_printf(text, "SIZE=\"%" G_GINT64_FORMAT "\"\n", mib);
    }
    return g_strdup(text->str);
}

/* A file, or standard input when there are no options; and the options. (owned) */
static char *new_text(Cli *cli, GError **error)
{
    g_autofree char *options = options_text(cli, error);
    if (options == NULL)
        return NULL;
    if (*options != '\0' && cli_word(cli, 0) == NULL)
        return g_steal_pointer(&options);
    g_autofree char *base = cli_new_text(cli, error);
    return base != NULL ? g_strdup_printf("%s\n%s", base, options) : NULL;
}

static gboolean datastore_of(Cli *cli, gint32 *id, GError **error)
{
    const char *datastore = cli_option(cli, "datastore");
    if (datastore != NULL)
        return cli_find_id(cli, &cli_datastore, datastore, id, error);
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                "in which datastore? Name it with -d, such as -d default");
    return FALSE;
}

static CliExit run_create(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    gint32 datastore = -1;
    g_autofree char *text = new_text(cli, &error);
    if (text == NULL)
        return cli_fail(cli, error);
    if (cli_option(cli, "dry") != NULL) {
        printf("%s", text);
        return CLI_DONE;
    }
    WireClient *wire = datastore_of(cli, &datastore, &error) ? cli_wire(cli, &error) : NULL;
    if (wire == NULL || !wire_call(wire, &reply, &error, "one.image.allocate", "sib", text,
                                   datastore, cli_option(cli, "no-check") != NULL))
        return cli_fail(cli, error);
    gint32 id = (gint32)reply.number;
    printf("ID: %d\n", id);
    g_array_append_val(cli->ids, id);
    return cli_option(cli, "wait") != NULL ? cli_wait_after(cli, cli->ids) : CLI_DONE;
}

static CliExit run_clone(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    gint32 datastore = -1, source = g_array_index(cli->ids, gint32, 0);
    WireClient *wire = cli_option(cli, "datastore") == NULL || datastore_of(cli, &datastore, &error)
                           ? cli_wire(cli, &error)
                           : NULL;
    if (wire == NULL || !wire_call(wire, &reply, &error, "one.image.clone", "isi", source,
                                   cli_word(cli, 1), datastore))
        return cli_fail(cli, error);
    gint32 id = (gint32)reply.number;
    printf("ID: %d\n", id);
    g_array_set_size(cli->ids, 0);
    g_array_append_val(cli->ids, id);
    return cli_option(cli, "wait") != NULL ? cli_wait_after(cli, cli->ids) : CLI_DONE;
}

/* Text of what image.restore shall do. (owned) */
static char *restore_options(Cli *cli)
{
    static const char *const options[][2] = {
        {"image-name", "NAME"}, {"disk-id", "DISK_ID"}, {"increment", "INCREMENT_ID"}};
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(options); i++)
        if (cli_option(cli, options[i][0]) != NULL)
            g_string_append_printf(text, "%s=\"%s\"\n", options[i][1],
                                   cli_option(cli, options[i][0]));
    g_string_append(text, cli_option(cli, "no-ip") != NULL ? "NO_IP=\"YES\"\n" : "");
    g_string_append(text, cli_option(cli, "no-nic") != NULL ? "NO_NIC=\"YES\"\n" : "");
    return g_string_free(text, FALSE);
}

static CliExit run_restore(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    gint32 datastore = -1;
    g_autofree char *text = restore_options(cli);
    WireClient *wire = datastore_of(cli, &datastore, &error) ? cli_wire(cli, &error) : NULL;
    if (wire == NULL || !wire_call(wire, &reply, &error, "one.image.restore", "iis",
                                   g_array_index(cli->ids, gint32, 0), datastore, text))
        return cli_fail(cli, error);
    g_auto(GStrv) ids = g_strsplit(reply.text, " ", 2);
    if (ids[0] != NULL && strcmp(ids[0], "-1") != 0)
        printf("VM Template: %s\n", ids[0]);
    if (ids[0] != NULL && ids[1] != NULL)
        printf("Images: %s\n", ids[1]);
    return CLI_DONE;
}

/* ---- orphans ---- */

static CliExit run_orphans(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) images = {0}, templates = {0};
    if (!cli_call_numbers(cli, &images, &error, cli->kind->pool, "-2 -1 -1") ||
        !cli_call_numbers(cli, &templates, &error, cli_template.pool, "-2 -1 -1"))
        return cli_fail(cli, error);
    g_autoptr(xmlDoc) all = cli_xml_parse(images.text, &error);
    g_autoptr(xmlDoc) users = all != NULL ? cli_xml_parse(templates.text, &error) : NULL;
    if (users == NULL)
        return cli_fail(cli, error);
    g_autoptr(GHashTable) used = g_hash_table_new(g_str_hash, g_str_equal);
    for (xmlNode *at = xml_find(xmlDocGetRootElement(users), "VMTEMPLATE"); at != NULL;
         at = xml_next_same(at))
        for (xmlNode *disk = xml_find(at, "TEMPLATE/DISK"); disk != NULL;
             disk = xml_next_same(disk)) {
            g_hash_table_add(used, (gpointer)cli_xml_text(disk, "IMAGE_ID"));
            g_hash_table_add(used, (gpointer)cli_xml_text(disk, "IMAGE"));
        }
    for (xmlNode *at = xml_find(xmlDocGetRootElement(all), "IMAGE"); at != NULL;
         at = xml_next_same(at))
        if (xml_find(at, "VMS/ID") == NULL &&
            !g_hash_table_contains(used, cli_xml_text(at, "ID")) &&
            !g_hash_table_contains(used, cli_xml_text(at, "NAME")))
            printf("%s\n", cli_xml_text(at, "ID"));
    return CLI_DONE;
}

/* ---- The tables ---- */

static const CliCommand commands[] = {
    {"Images", "create add allocate", "file?", GIVEN " datastore no-check dry " CLI_WAIT, NULL,
     NULL, "READY", 0, run_create,
     "Makes an image in a datastore. From a file, from standard input, or from options: copied "
     "from "
     "--path, a file of the server's computer or an address of http, or empty with --size."},
    CLI_ROW_LIST_OF("images"),
    CLI_ROW_TOP("images"),
    CLI_ROW_SHOW("image", "an image"),
    {NULL, "clone", "image text:name", "datastore " CLI_WAIT, NULL, NULL, "READY", 0, run_clone,
     "Copies an image under a new name. The copy is yours."},
    {NULL, "delete", "image...", "image-force", "one.image.delete", "id ?image-force", NULL, 0,
     NULL, "Removes an image that no machine uses."},
    {NULL, "wait", "image... text:state?", "wait-timeout", NULL, NULL, "READY", 0, cli_run_wait,
     "Waits until images are in a state. READY unless told."},
    CLI_ROW("orphans", "", NULL, NULL, NULL, run_orphans,
            "Prints the ids of images that no machine and no template uses."),
    CLI_GROUP("Change", "persistent", "image...", NULL, "one.image.persistent", "id yes", NULL,
              "What a machine writes stays in the image. One machine at a time can use it."),
    CLI_ROW("nonpersistent", "image...", NULL, "one.image.persistent", "id no", NULL,
            "Each machine works on a copy of its own."),
    CLI_ROW("chtype", "image... text:type", NULL, "one.image.chtype", "id $1", NULL,
            "Gives an image another type: OS, CDROM or DATABLOCK; KERNEL, RAMDISK or CONTEXT."),
    CLI_ROW("enable", "image...", NULL, "one.image.enable", "id yes", NULL,
            "Lets an image be used."),
    CLI_ROW("disable", "image...", NULL, "one.image.enable", "id no", NULL,
            "Lets no machine use an image."),
    CLI_ROW_RENAME("image", "image", "an image"),
    CLI_ROW_UPDATE("image", "image", "an image"),
    CLI_ROW_LOCK("image", "image", "an image"),
    CLI_ROW_UNLOCK("image", "image"),
    CLI_ROW_CHMOD("image", "an image"),
    CLI_ROW_CHOWN("image", "image", "an image"),
    CLI_ROW_CHGRP("image", "image", "an image"),
    CLI_GROUP("Snapshots", "snapshot-delete", "image number:SNAPSHOT_ID", NULL,
              "one.image.snapshotdelete", "id $1", NULL, "Deletes a snapshot."),
    CLI_ROW("snapshot-revert", "image number:SNAPSHOT_ID", NULL, "one.image.snapshotrevert",
            "id $1", NULL, "Puts the image back to a snapshot."),
    CLI_ROW("snapshot-flatten", "image number:SNAPSHOT_ID", NULL, "one.image.snapshotflatten",
            "id $1", NULL, "Makes the image what a snapshot holds, and removes all snapshots."),
    {"Backups", "restore", "image", "datastore image-name no-ip no-nic disk-id increment", NULL,
     NULL, NULL, 0, run_restore,
     "Makes images and a template from a backup, in the datastore that -d names. With --disk-id "
     "one "
     "image and no template. Prints the ids."},
    CLI_ROWS_END,
};

const CliKind cli_image = {
    .word = "image",
    .program = "oneimage",
    .noun = "image",
    .plural = "images",
    .element = "IMAGE",
    .info = "one.image.info",
    .pool = "one.imagepool.info",
    .pool_arguments = "-2 -1 -1",
    .about = "Images: what disks of machines are made of, and files for machines.",
    .examples = "  oneimage create -d default --name web --path /var/tmp/web.qcow2 --wait\n"
                "  oneimage create -d default --name data --size 10g --persistent\n"
                "  oneimage clone web web2 --wait\n"
                "  oneimage delete web2\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,USER,GROUP,NAME,DATASTORE,SIZE,TYPE,PER,STAT,RVMS",
    .page = image_page,
    .state = image_state,
    .state_named = image_state_named,
};
