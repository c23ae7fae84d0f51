#include "client/cli/args.h"
#include "client/cli/edit.h"
#include "client/cli/kinds.h"
#include "client/cli/names.h"
#include "client/cli/rows.h"
#include "client/cli/sched.h"
#include "client/cli/xml.h"
#include "lib/template/template.h"

#include <stdio.h>

/* ---- Columns ---- */

static char *updated_text(const Cli *cli, xmlNode *object)
{
    return cli_count_of(object, "UPDATED_VMS/ID");
}

static char *outdated_text(const Cli *cli, xmlNode *object)
{
    return cli_count_of(object, "OUTDATED_VMS/ID");
}

static char *busy_text(const Cli *cli, xmlNode *object)
{
    return cli_count_of(object, "BACKING_UP_VMS/ID");
}

static char *failed_text(const Cli *cli, xmlNode *object)
{
    return cli_count_of(object, "ERROR_VMS/ID");
}

static char *last_text(const Cli *cli, xmlNode *object)
{
    gint64 time = cli_xml_int(object, "LAST_BACKUP_TIME", 0);
    g_autoptr(GDateTime) then = time > 0 ? g_date_time_new_from_unix_local(time) : NULL;
    return then != NULL ? g_date_time_format(then, "%m/%d %H:%M:%S") : g_strdup("-");
}

static const CliColumn columns[] = {
    CLI_COLUMNS_OWNED("backup job"),
    {"PRIO", 4, "PRIORITY", NULL, "Priority; the highest runs first"},
    {"UPDATED", 7, NULL, updated_text, "Machines that were backed up in the last run"},
    {"OUTDATED", 8, NULL, outdated_text, "Machines whose turn comes"},
    {"BUSY", 4, NULL, busy_text, "Machines that are being backed up"},
    {"ERROR", 5, NULL, failed_text, "Machines whose backup failed"},
    {"LAST", 14, NULL, last_text, "When the last run began"},
    CLI_COLUMNS_END,
};

/* ---- The page ---- */

static void job_page(Cli *cli, xmlNode *object, GString *page)
{
    static const char *const lists[][2] = {{"UPDATED", "UPDATED_VMS/ID"},
                                           {"OUTDATED", "OUTDATED_VMS/ID"},
                                           {"BACKING UP", "BACKING_UP_VMS/ID"},
                                           {"ERROR", "ERROR_VMS/ID"}};
    g_autofree char *last = last_text(cli, object);
    cli_page_head(cli, object, page, "BACKUP JOB");
    cli_page_lock(object, page);
    cli_page_rights(cli, object, page);
    g_string_append_printf(page, "\nRUNS\nPRIORITY: %s\nLAST: %s, %s s\n",
                           cli_xml_text(object, "PRIORITY"), last,
                           cli_xml_text(object, "LAST_BACKUP_DURATION"));
    for (guint i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autofree char *ids = cli_ids_of(object, lists[i][1]);
        g_string_append_printf(page, "%s: %s\n", lists[i][0], *ids != '\0' ? ids : "-");
    }
    cli_page_scheduled(cli, object, page);
    cli_page_template(cli, object, page, "TEMPLATE CONTENTS");
}

/* ---- create ---- */

/* --vms 0,web as ids; the server takes only these. (owned) */
static char *machines_text(Cli *cli, const char *words, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) names = g_strsplit(words, ",", -1);
    for (guint i = 0; names[i] != NULL; i++) {
        gint32 id;
        if (!cli_find_id(cli, &cli_vm, g_strstrip(names[i]), &id, error))
            return NULL;
        g_string_append_printf(text, "%s%d", i > 0 ? "," : "", id);
    }
    return g_strdup(text->str);
}

/* A file or standard input, and what options add; --name and options alone will do. (owned) */
static char *job_text(Cli *cli, GError **error)
{
    static const char *const given[][2] = {
        {"description", "DESCRIPTION"}, {"job-keep", "KEEP_LAST"}, {"job-mode", "MODE"}};
    const char *vms = cli_option(cli, "job-vms"), *datastore = cli_option(cli, "datastore");
    g_autofree char *base = cli_new_text(cli, error);
    g_autoptr(Template) template =
        base != NULL ? template_parse(base, TEMPLATE_MODERN, error) : NULL;
    if (template == NULL)
        return NULL;
    for (guint i = 0; i < G_N_ELEMENTS(given); i++)
        if (cli_option(cli, given[i][0]) != NULL)
            template_set(template, given[i][1], cli_option(cli, given[i][0]));
    g_autofree char *machines = vms != NULL ? machines_text(cli, vms, error) : NULL;
    gint32 id = -1;
    if ((vms != NULL && machines == NULL) ||
        (datastore != NULL && !cli_find_id(cli, &cli_datastore, datastore, &id, error)))
        return NULL;
    if (machines != NULL)
        template_set(template, "BACKUP_VMS", machines);
    if (datastore != NULL)
        template_set_int(template, "DATASTORE_ID", id);
    return template_to_text(template);
}

static CliExit run_create(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    g_autofree char *text = cli_schedule_meant(cli, &error) ? job_text(cli, &error) : NULL;
    WireClient *wire = text != NULL ? cli_wire(cli, &error) : NULL;
    if (wire == NULL || !wire_call(wire, &reply, &error, "one.backupjob.allocate", "s", text))
        return cli_fail(cli, error);
    gint32 id = (gint32)reply.number;
    gint64 number = -1;
    gboolean later = cli_option(cli, "schedule") != NULL;
    if (later) /* that is what is done at the time */
        cli->command = cli_command_named(cli->kind, "backup");
    if (later && !cli_schedule_add(cli, id, &number, &error)) {
        /* Nothing of what was asked for stays, and the same line can be written again. */
        (void)wire_call(wire, NULL, NULL, "one.backupjob.delete", "i", id);
        return cli_fail(cli, error);
    }
    printf("ID: %d\n", id);
    if (later)
        cli_schedule_tell(cli, id, number);
    return CLI_DONE;
}

static const CliCommand commands[] = {
    CLI_GROUP("Backup jobs", "create add allocate", "file?",
              "new-name description job-vms datastore job-keep job-mode " CLI_SCHEDULE, NULL, NULL,
              run_create,
              "Makes a backup job. From a file, from standard input, or from options: BACKUP_VMS, "
              "DATASTORE_ID, EXECUTION, MODE, KEEP_LAST, FS_FREEZE, BACKUP_VOLATILE, RESET, "
              "SCHED_ACTION."),
    CLI_ROW_LIST_OF("backup jobs"),
    CLI_ROW_SHOW("backupjob", "a backup job"),
    CLI_ROW_DELETE("backupjob", "backupjob", "Removes a backup job. The backups stay."),
    CLI_GROUP("Run", "backup", "backupjob...", CLI_SCHEDULE, "one.backupjob.backup", "id", cli_act,
              "Backs up all machines of a job."),
    CLI_ROW("cancel", "backupjob...", NULL, "one.backupjob.cancel", "id", NULL,
            "Gives up what a backup job is doing."),
    CLI_ROW("retry", "backupjob...", NULL, "one.backupjob.retry", "id", NULL,
            "Backs up again the machines whose backup failed."),
    CLI_ROW("priority", "backupjob number:priority", NULL, "one.backupjob.priority", "id $1", NULL,
            "Sets the priority. 0 to 100; above 50 by administrators of the job."),
    CLI_GROUP("Scheduled actions", "sched-add", "backupjob file?", NULL, "one.backupjob.schedadd",
              "id @new", NULL,
              "Schedules a job. From a file or from standard input: SCHED_ACTION = [ TIME = ..., "
              "REPEAT = ..., DAYS = ... ]."),
    CLI_ROW("sched-update", "backupjob number:sched_id file?", NULL, "one.backupjob.schedupdate",
            "id $1 @new", NULL,
            "Changes a scheduled action. From a file or from standard input; what it does not say "
            "stays."),
    CLI_ROW("sched-delete", "backupjob number:sched_id", NULL, "one.backupjob.scheddelete", "id $1",
            NULL, "Deletes a scheduled action."),
    CLI_GROUP("Change", "rename", "backupjob text:name", NULL, "one.backupjob.rename", "id $1",
              NULL, "Renames a backup job."),
    CLI_ROW_UPDATE("backupjob", "backupjob", "a backup job"),
    CLI_ROW_CHMOD("backupjob", "a backup job"),
    CLI_ROW_CHOWN("backupjob", "backupjob", "a backup job"),
    CLI_ROW_CHGRP("backupjob", "backupjob", "a backup job"),
    CLI_ROW_LOCK("backupjob", "backupjob", "a backup job"),
    CLI_ROW_UNLOCK("backupjob", "backupjob"),
    CLI_ROWS_END,
};

const CliKind cli_backupjob = {
    .word = "backupjob",
    .program = "onebackupjob",
    .noun = "backup job",
    .plural = "backup jobs",
    .element = "BACKUPJOB",
    .info = "one.backupjob.info",
    .pool = "one.backupjobpool.info",
    .pool_arguments = "-2 -1 -1",
    .about = "Backup jobs: machines that are backed up together, at once or at a time.",
    .examples = "  onebackupjob create nightly.job\n"
                "  onebackupjob create --name nightly --vms 0,web -d backups\n"
                "  onebackupjob backup nightly --schedule 03:00 --weekly 1,3,5\n"
                "  onebackupjob backup nightly\n"
                "  onebackupjob retry nightly\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,USER,GROUP,NAME,PRIO,UPDATED,OUTDATED,BUSY,ERROR,LAST",
    .page = job_page,
};
