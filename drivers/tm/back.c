#include "drivers/tm/back.h"

#include "drivers/common/files.h"
#include "drivers/common/image.h"
#include "drivers/common/safe_path.h"
#include "drivers/tm/remote.h"
#include "lib/base/error.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_MODE "0660"

/* A disk of this computer that is a link: its image was written all the time. */
static gboolean is_link(const char *path)
{
    g_autofree char *name = NULL;
    struct stat facts;
    int directory = safe_path_open_parent(path, FALSE, &name, NULL);
    gboolean found = directory >= 0 && fstatat(directory, name, &facts, AT_SYMLINK_NOFOLLOW) == 0 &&
                     S_ISLNK(facts.st_mode);
    if (directory >= 0)
        close(directory);
    return found;
}

/* The same on another host. */
static gboolean is_link_there(const Transfer *transfer, const Place *place, gboolean *found,
                              GError **error)
{
    g_autofree char *quoted = ssh_quote(place->path), *out = NULL;
    g_autofree char *script = g_strdup_printf("[ ! -L %s ] || echo link\n", quoted);
    if (!ssh_end_do(transfer->ssh, remote_end(place, place->path), script, transfer->watch, &out,
                    error))
        return FALSE;
    *found = out != NULL && g_str_has_prefix(out, "link");
    return TRUE;
}

gboolean back_move(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    gboolean link = FALSE;
    if (!safe_path_is_machine(command->target.path)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                    "\"%s\" is not touched: it is no image of a datastore", command->target.path);
        return FALSE;
    }
    if (transfer_is_here(command->source.host))
        return is_link(command->source.path) ||
               files_move(command->source.path, command->target.path, transfer->watch, error);
    if (!is_link_there(transfer, &command->source, &link, error))
        return FALSE;
    return link || remote_move(transfer, &command->source, &command->target, error);
}

gboolean back_copy(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    g_autofree char *target = safe_path_check(command->target.path, error);
    g_autofree char *source =
        command->snapshot < 0
            ? g_strdup(command->source.path)
            : g_strdup_printf("%s.snap/%" G_GINT64_FORMAT, command->source.path, command->snapshot);
    if (target == NULL || !safe_path_is_machine(target)) {
        if (target != NULL)
            g_set_error(error, ONE_ERROR, ONE_ERROR_AUTHORIZATION,
                        "\"%s\" is not touched: it is no image of a datastore", target);
        return FALSE;
    }
    /* Disks of other hosts are whole. */
    if (!transfer_is_here(command->source.host))
        return remote_copy(transfer, remote_end(&command->source, source), (SshEnd){NULL, target},
                           IMAGE_MODE, error);
    /* Only qcow2 is read as such: the header in a raw disk may be the guest's. */
    if (g_strcmp0(command->format, "qcow2") != 0)
        return files_copy(source, target, transfer->watch, error);
    g_auto(FilesPart) part = {.directory = -1};
    return files_part_begin(&part, target, error) &&
           image_make_whole(source, part.part, transfer->watch, error) &&
           files_part_commit(&part, error);
}
