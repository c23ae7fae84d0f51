/*
 * Flavour "shared": the datastores are one directory that every host and this
 * computer see at the same path (NFS, Lustre, GlusterFS ...), so all work is done
 * here, whatever host a place names, and live migration moves nothing.
 */
#include "drivers/tm/back.h"
#include "drivers/tm/disk.h"
#include "drivers/common/files.h"
#include "drivers/common/image.h"
#include "drivers/common/safe_path.h"
#include "drivers/tm/transfer.h"
#include "lib/base/error.h"

#define MIB G_GUINT64_CONSTANT(1048576)

static gboolean make_overlay(const Transfer *transfer, const ScriptCommand *command,
                             const char *format, GError **error)
{
    g_auto(FilesPart) part = {.directory = -1};
    return files_part_begin(&part, command->target.path, error) &&
           image_make_overlay(command->source.path, format, part.part, transfer->watch, error) &&
           files_part_commit(&part, error);
}

/* A qcow2 image is cloned by an overlay that names it as base, which takes no time and no
 * room. One that has a base itself is copied: such a header may have been written by a guest
 * into a raw image, to read files of the host. */
static gboolean clone_file(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    ImageFacts facts;
    const char *source = command->source.path;
    if (!image_look(source, &facts, error))
        return FALSE;
    if (facts.kind != IMAGE_QCOW2 || facts.has_base)
        return files_copy(source, command->target.path, transfer->watch, error);
    return make_overlay(transfer, command, "qcow2", error);
}

/* An image that is not qcow2 is raw to its overlay, whatever a guest wrote into it. */
static gboolean overlay_file(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    ImageFacts facts;
    if (!image_look(command->source.path, &facts, error))
        return FALSE;
    /* Never a plain copy: the machine was told that its disk is qcow2, and bytes of a guest that
     * name another file would be believed. */
    gboolean whole = facts.kind == IMAGE_QCOW2 && !facts.has_base;
    return make_overlay(transfer, command, whole ? "qcow2" : "raw", error);
}

static gboolean link_file(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    return files_link(command->source.path, command->target.path, error);
}

static gboolean move(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    g_autoptr(GError) problem = NULL;
    if (files_move(command->source.path, command->target.path, transfer->watch, &problem))
        return TRUE;
    /* A machine without disks may never have had a directory. */
    if (g_error_matches(problem, ONE_ERROR, ONE_ERROR_NO_EXISTS) &&
        safe_path_is_machine(command->source.path)) {
        transfer_log(transfer, 'W', "%s: there is nothing to move", command->source.path);
        return TRUE;
    }
    g_propagate_error(error, g_steal_pointer(&problem));
    return FALSE;
}

static gboolean delete (const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    static const char *const leftovers[] = {"", ".part", ".moved"};
    for (guint i = 0; i < G_N_ELEMENTS(leftovers); i++) {
        g_autofree char *clean = safe_path_check(command->target.path, error);
        g_autofree char *path = clean != NULL ? g_strconcat(clean, leftovers[i], NULL) : NULL;
        if (path == NULL || !files_remove(path, transfer->watch, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean make_swap(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    g_auto(FilesPart) part = {.directory = -1};
    return files_part_begin(&part, command->target.path, error) &&
           image_make_swap(part.part, (guint64)command->size_mb * MIB, error) &&
           files_part_commit(&part, error);
}

static gboolean make_image(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    g_auto(FilesPart) part = {.directory = -1};
    return files_part_begin(&part, command->target.path, error) &&
           image_make(command->format, (guint64)command->size_mb * MIB, part.part, transfer->watch,
                      error) &&
           files_part_commit(&part, error);
}

static gboolean make_context(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    g_auto(FilesPart) part = {.directory = -1};
    return files_part_begin(&part, command->target.path, error) &&
           image_make_context(command->files, part.part, transfer->watch, error) &&
           files_part_commit(&part, error);
}

/* As for a disk of this computer. */
static gboolean change_disk(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    static const TransferDeed deeds[VERB_COUNT] = {
        [VERB_SNAP_CREATE] = disk_snapshot, [VERB_SNAP_CREATE_LIVE] = disk_snapshot_ready,
        [VERB_SNAP_REVERT] = disk_revert,   [VERB_SNAP_DELETE] = disk_forget,
        [VERB_RESIZE] = disk_resize,
    };
    ScriptCommand here = *command;
    here.target.host = (char *)"localhost";
    return deeds[command->verb](transfer, &here, error);
}

/* To the image in its datastore, all of it on this computer. */
static gboolean back(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    ScriptCommand here = *command;
    here.source.host = here.target.host = (char *)"localhost";
    return command->verb == VERB_MVDS ? back_move(transfer, &here, error)
                                      : back_copy(transfer, &here, error);
}

static gboolean nothing(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    return TRUE;
}

const Flavour flavour_shared = {
    .name = "shared",
    .aliases = {"tm_shared", "nfs", "tm_nfs"},
    .deeds =
        {
            [VERB_CLONE] = clone_file,
            [VERB_LN] = link_file,
            [VERB_MV] = move,
            [VERB_DELETE] = delete,
            [VERB_MKSWAP] = make_swap,
            [VERB_MKIMAGE] = make_image,
            [VERB_CONTEXT] = make_context,
            [VERB_SNAP_CREATE] = change_disk,
            [VERB_SNAP_CREATE_LIVE] = change_disk,
            [VERB_SNAP_REVERT] = change_disk,
            [VERB_SNAP_DELETE] = change_disk,
            [VERB_RESIZE] = change_disk,
            [VERB_MVDS] = back,
            [VERB_CPDS] = back,
            [VERB_PREMIGRATE] = nothing,
            [VERB_POSTMIGRATE] = nothing,
            [VERB_FAILMIGRATE] = nothing,
        },
};

/* The same, and a disk is always an overlay of its image, of a raw one too. */
const Flavour flavour_qcow2 = {
    .name = "qcow2",
    .deeds =
        {
            [VERB_CLONE] = overlay_file,
            [VERB_LN] = link_file,
            [VERB_MV] = move,
            [VERB_DELETE] = delete,
            [VERB_MKSWAP] = make_swap,
            [VERB_MKIMAGE] = make_image,
            [VERB_CONTEXT] = make_context,
            [VERB_SNAP_CREATE] = change_disk,
            [VERB_SNAP_CREATE_LIVE] = change_disk,
            [VERB_SNAP_REVERT] = change_disk,
            [VERB_SNAP_DELETE] = change_disk,
            [VERB_RESIZE] = change_disk,
            [VERB_MVDS] = back,
            [VERB_CPDS] = back,
            [VERB_PREMIGRATE] = nothing,
            [VERB_POSTMIGRATE] = nothing,
            [VERB_FAILMIGRATE] = nothing,
        },
};
