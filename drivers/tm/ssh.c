/*
 * Flavour "ssh": each host has datastores of its own, and files travel over ssh.
 * A place on this computer is served without ssh. Nothing is deleted at one host
 * because of a copy at another without asking whether both are the same directory.
 */
#include "drivers/common/ssh_copy.h"
#include "drivers/tm/back.h"
#include "drivers/tm/disk.h"
#include "drivers/common/files.h"
#include "drivers/common/image.h"
#include "drivers/tm/migrate.h"
#include "drivers/tm/remote.h"
#include "drivers/common/safe_path.h"
#include "drivers/tm/transfer.h"
#include "lib/base/error.h"
#include <glib/gstdio.h>

#define MIB G_GUINT64_CONSTANT(1048576)
/* A clone belongs to its machine, whatever the rights of the image were. */
#define CLONE_MODE "0660"

static gboolean is_here(const Place *place)
{
    return transfer_is_here(place->host);
}

/* What the shared flavour does when all is on this computer. */
static gboolean do_here(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    return flavour_shared.deeds[command->verb](transfer, command, error);
}

static gboolean clone_file(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    /* Always whole, also of qcow2: the machine may move to where the base is not. */
    if (is_here(&command->source) && is_here(&command->target))
        return files_copy(command->source.path, command->target.path, transfer->watch, error);
    g_autofree char *target = safe_path_check(command->target.path, error);
    return target != NULL &&
           remote_copy(transfer, remote_end(&command->source, command->source.path),
                       remote_end(&command->target, target), CLONE_MODE, error);
}

static gboolean link_file(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    if (is_here(&command->source) && is_here(&command->target))
        return do_here(transfer, command, error);
    if (g_str_equal(command->source.host, command->target.host))
        return remote_link(transfer, command->source.path, &command->target, error);
    transfer_log(transfer, 'W',
                 "%s:%s is copied to %s, since a link cannot lead to another host: changes are in "
                 "that copy until it is brought back to an image",
                 command->source.host, command->source.path, command->target.host);
    return clone_file(transfer, command, error);
}

static gboolean move(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    if (is_here(&command->source) && is_here(&command->target))
        return do_here(transfer, command, error);
    return remote_move(transfer, &command->source, &command->target, error);
}

static gboolean delete (const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    if (is_here(&command->target))
        return do_here(transfer, command, error);
    return remote_delete(transfer, &command->target, error);
}

/* Made here in a temporary file, then sent: holes cost nothing, and the host needs no tools. */
static gboolean make_and_send(const Transfer *transfer, const ScriptCommand *command,
                              GError **error)
{
    g_autofree char *target = safe_path_check(command->target.path, error);
    g_autofree char *directory = target != NULL ? g_dir_make_tmp("one-tm-XXXXXX", error) : NULL;
    if (directory == NULL)
        return FALSE;
    g_autofree char *made = g_build_filename(directory, "disk", NULL);
    gboolean ok = command->verb == VERB_MKSWAP
                      ? image_make_swap(made, (guint64)command->size_mb * MIB, error)
                      : image_make_context(command->files, made, transfer->watch, error);
    ok = ok && remote_copy(transfer, (SshEnd){NULL, made}, remote_end(&command->target, target),
                           CLONE_MODE, error);
    g_unlink(made);
    g_rmdir(directory);
    return ok;
}

static gboolean make_small(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    return is_here(&command->target) ? do_here(transfer, command, error)
                                     : make_and_send(transfer, command, error);
}

static gboolean make_image(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    if (is_here(&command->target))
        return do_here(transfer, command, error);
    return remote_make_image(transfer, &command->target, command->format,
                             (guint64)command->size_mb * MIB, error);
}

const Flavour flavour_ssh = {
    .name = "ssh",
    .aliases = {"tm_ssh"},
    .deeds =
        {
            [VERB_CLONE] = clone_file,
            [VERB_LN] = link_file,
            [VERB_MV] = move,
            [VERB_DELETE] = delete,
            [VERB_MKSWAP] = make_small,
            [VERB_MKIMAGE] = make_image,
            [VERB_CONTEXT] = make_small,
            [VERB_SNAP_CREATE] = disk_snapshot,
            [VERB_SNAP_CREATE_LIVE] = disk_snapshot_ready,
            [VERB_SNAP_REVERT] = disk_revert,
            [VERB_SNAP_DELETE] = disk_forget,
            [VERB_RESIZE] = disk_resize,
            [VERB_MVDS] = back_move,
            [VERB_CPDS] = back_copy,
            [VERB_PREMIGRATE] = migrate_prepare,
            [VERB_POSTMIGRATE] = migrate_leave,
            [VERB_FAILMIGRATE] = migrate_undo,
        },
};
