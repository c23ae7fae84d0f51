#include "drivers/tm/disk.h"

#include "drivers/tm/remote.h"
#include "drivers/common/safe_path.h"

/* Words of the scripts: the format f of the disk, or by its first four bytes when it is not told: a
 * guest writes what it likes into a raw disk. Of qcow2 the size is what the guest sees (QEMU,
 * docs/interop/qcow2.txt: byte 24, eight bytes, big-endian). */
static const char words[] =
    "PATH=$PATH:/usr/sbin:/sbin\n"
    "has_magic() { [ \"$(od -An -tx1 -N4 -- \"$1\" | tr -d ' \\n')\" = 514649fb ]; }\n"
    "is_qcow2() { case $f in '') has_magic \"$1\" ;; qcow2) true ;; *) false ;; esac; }\n"
    "need() { [ -e \"$1\" ] || { echo \"$1 is not there\" >&2; exit 1; }; }\n"
    /* A disk that is to be changed by its format. */
    "known() { need \"$1\"; [ \"$f\" != qcow2 ] || has_magic \"$1\" ||\n"
    " { echo \"$1 is no qcow2 image, though it should be\" >&2; exit 1; }; }\n"
    "size_of() { if is_qcow2 \"$1\"; then od -An -tu1 -j24 -N8 -- \"$1\" |"
    " awk '{ for (i = 1; i <= NF; i++) n = n * 256 + $i } END { printf \"%.0f\", n }'\n"
    " else stat -L -c %s -- \"$1\"; fi; }\n"
    /* copy FROM TO */
    "copy() { trap 'rm -f -- \"$t.part\"' EXIT; trap 'exit 1' HUP INT TERM PIPE\n"
    " t=$2; mkdir -p -- \"$(dirname -- \"$t\")\" && rm -f -- \"$t.part\" &&\n"
    " cp --reflink=auto --sparse=auto -- \"$1\" \"$t.part\" && chmod 0660 -- \"$t.part\" &&\n"
    " sync -- \"$t.part\" && mv -fT -- \"$t.part\" \"$t\"; }\n";

/* Runs `script` where the disk is, with d the disk, s its snapshot of that number. */
static gboolean run(const Transfer *transfer, const ScriptCommand *command, const char *script,
                    GError **error)
{
    g_autofree char *disk = safe_path_check(command->target.path, error);
    if (disk == NULL)
        return FALSE;
    g_autofree char *snapshot =
        g_strdup_printf("%s.snap/%" G_GINT64_FORMAT, disk, command->snapshot);
    g_autofree char *d = ssh_quote(disk), *s = ssh_quote(snapshot);
    g_autofree char *f = ssh_quote(command->format != NULL ? command->format : "");
    g_autofree char *whole = g_strdup_printf("%sd=%s; s=%s; f=%s\n%s\n", words, d, s, f, script);
    return remote_change(transfer, remote_end(&command->target, snapshot), whole, error);
}

gboolean disk_snapshot(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    return run(transfer, command, "need \"$d\"; copy \"$d\" \"$s\"", error);
}

gboolean disk_snapshot_ready(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    return run(transfer, command,
               "known \"$d\"; mkdir -p -- \"$(dirname -- \"$s\")\" && rm -f -- \"$s\" || exit 1\n"
               "if is_qcow2 \"$d\"; then qemu-img create -q -f qcow2 -- \"$s\" "
               "\"$(size_of \"$d\")\" >/dev/null\n"
               "else truncate -s \"$(size_of \"$d\")\" -- \"$s\"; fi && chmod 0660 -- \"$s\"",
               error);
}

gboolean disk_revert(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    return run(transfer, command, "need \"$s\"; copy \"$s\" \"$d\"", error);
}

gboolean disk_forget(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    return run(transfer, command,
               "rm -f -- \"$s\" \"$s.part\"; rmdir -- \"$(dirname -- \"$s\")\" 2>/dev/null; "
               "[ ! -e \"$s\" ]",
               error);
}

gboolean disk_resize(const Transfer *transfer, const ScriptCommand *command, GError **error)
{
    /* The base of an overlay has no part in it, and is not opened. */
    g_autofree char *script = g_strdup_printf(
        "known \"$d\"; n=%" G_GINT64_FORMAT "; [ \"$(size_of \"$d\")\" -lt $n ] || exit 0\n"
        "if is_qcow2 \"$d\"; then\n"
        " [ $(($(od -An -tu1 -j79 -N1 -- \"$d\") & 4)) = 0 ] ||\n"
        "  { echo \"$d says that its data is in another file: it is not touched\" >&2; exit 1; }\n"
        " j=$(printf %%s \"$d\" | sed 's/[\\\\\"]/\\\\&/g')\n"
        " qemu-img resize -q \"json:{\\\"driver\\\":\\\"qcow2\\\",\\\"backing\\\":null,"
        "\\\"file\\\":{\\\"driver\\\":\\\"file\\\",\\\"filename\\\":\\\"$j\\\"}}\" $n\n"
        "else truncate -s $n -- \"$d\"; fi",
        command->size_mb * 1048576);
    return run(transfer, command, script, error);
}
