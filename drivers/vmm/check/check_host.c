/*
 * Facts that a host's own tools know, asked over ssh by one small script of /bin/sh that reads
 * and never writes. Its lines:
 *
 *   F <index> <inode> <born> <size> <used> <file system>     a file of the list
 *   F <index> -                                              which is not there
 *   W <index>                                                a file that cannot be written there
 *   N <index> +|-                                            a bridge or card
 *   S <bytes>                                                space for the machine's directory
 *   L <Mbit/s>                                               speed of the card to the other host
 *   R -                                                      nobody answers at the other host
 */
#include "drivers/vmm/check/check_facts.h"

#include "drivers/common/ssh_copy.h"
#include <string.h>

#define ASK_SECONDS  20
#define LINK_SECONDS 15

static const char functions[] =
    "f() { if [ -e \"$2\" ]; then set -- \"$1\" \"$2\" $(stat -L -c '%i %W %s %b %B' -- \"$2\") "
    "$(stat -f -c '%T' -- \"$2\"); "
    "echo \"F $1 $3 $4 $5 $(($6 * $7)) $8\"; else echo \"F $1 -\"; fi; }\n"
    "w() { findmnt -n -o OPTIONS -T \"$2\" 2>/dev/null | grep -qE '(^|,)ro(,|$)' && echo \"W $1\"; "
    "true; }\n"
    "n() { if [ -e \"/sys/class/net/$2\" ]; then echo \"N $1 +\"; else echo \"N $1 -\"; fi; }\n"
    "s() { d=$1; while [ ! -d \"$d\" ]; do d=$(dirname -- \"$d\"); done; "
    "df -Pk -- \"$d\" | awk 'NR == 2 { printf \"S %.0f\\n\", $4 * 1024 }'; }\n"
    /* A bridge shows the speed of its ports on newer kernels only. */
    "l() { a=$(getent ahosts \"$1\" | awk 'NR == 1 { print $1 }'); "
    "c=$(ip -o route get \"$a\" 2>/dev/null | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p'); "
    "for p in $c $(ls \"/sys/class/net/$c/brif\" 2>/dev/null); do "
    "m=$(cat \"/sys/class/net/$p/speed\" 2>/dev/null) && [ \"$m\" -gt 0 ] && echo \"L $m\"; done; "
    "true; }\n"
    /* At the port of ssh, since at one of QEMU's somebody's memory may be expected. Whoever refuses
     * is there; what is said of names and of a missing bash proves nothing. */
    "r() { m=$(LC_ALL=C timeout 5 bash -c 'exec 3<>/dev/tcp/\"$0\"/22' \"$1\" 2>&1); "
    "case $?,$m in 124,*|*\"No route\"*|*unreachable*|*\"timed out\"*) echo \"R -\";; esac; }\n";

char *check_host_script(const CheckFacts *facts, guint host)
{
    GString *script = g_string_new(functions);
    for (guint i = 0; i < facts->files->len; i++) {
        g_autofree char *path = ssh_quote(((CheckFile *)facts->files->pdata[i])->path);
        g_string_append_printf(script, "f %u %s\n", i, path);
        if (((CheckFile *)facts->files->pdata[i])->writable && host == CHECK_DESTINATION)
            g_string_append_printf(script, "w %u %s\n", i, path);
    }
    for (guint i = 0; i < facts->nets->len && host == CHECK_DESTINATION; i++) {
        const CheckNet *net = facts->nets->pdata[i];
        g_autofree char *name = ssh_quote(net->name);
        if (!net->of_libvirt)
            g_string_append_printf(script, "n %u %s\n", i, name);
    }
    g_autofree char *directory = ssh_quote(facts->directory ? facts->directory : "/");
    g_autofree char *other = ssh_quote(facts->hosts[CHECK_DESTINATION]);
    if (host == CHECK_DESTINATION)
        g_string_append_printf(script, "s %s\n", directory);
    else
        g_string_append_printf(script, "l %s\nr %s\n", other, other);
    return g_string_free(script, FALSE);
}

/* ---- the answer ---- */

static gint64 number(const char *text)
{
    guint64 value;
    return text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &value, NULL) ? (gint64)value
                                                                                     : -1;
}

/* The element of an array that the word counts; NULL: there is none. */
static gpointer pick(const GPtrArray *array, const char *word)
{
    gint64 index = number(word);
    return index >= 0 && index < array->len ? array->pdata[index] : NULL;
}

static void read_file(CheckFacts *facts, guint host, char **words)
{
    CheckFile *file = pick(facts->files, words[1]);
    guint count = g_strv_length(words);
    if (!file)
        return;
    CheckSeen *seen = &file->seen[host];
    if (count == 3 && g_str_equal(words[2], "-")) {
        seen->there = CHECK_NO;
    } else if (count == 7) {
        seen->there = CHECK_YES;
        seen->inode = number(words[2]);
        seen->born = MAX(number(words[3]), 0);
        seen->size = number(words[4]);
        seen->used = number(words[5]);
        g_free(seen->file_system);
        seen->file_system = g_strdup(words[6]);
    }
}

static void read_only(CheckFacts *facts, guint host, const char *index)
{
    CheckFile *file = pick(facts->files, index);
    if (file)
        file->seen[host].read_only = TRUE;
}

static void read_net(CheckFacts *facts, const char *index, const char *sign)
{
    CheckNet *net = pick(facts->nets, index);
    if (net && (*sign == '+' || *sign == '-'))
        net->there = *sign == '+' ? CHECK_YES : CHECK_NO;
}

static void read_line(CheckFacts *facts, guint host, char **words)
{
    guint count = g_strv_length(words);
    if (count >= 3 && g_str_equal(words[0], "F"))
        read_file(facts, host, words);
    else if (count == 3 && g_str_equal(words[0], "N"))
        read_net(facts, words[1], words[2]);
    else if (count == 2 && g_str_equal(words[0], "W"))
        read_only(facts, host, words[1]);
    else if (count == 2 && g_str_equal(words[0], "R"))
        facts->link_silent = TRUE;
    else if (count == 2 && g_str_equal(words[0], "S"))
        facts->space = number(words[1]);
    else if (count == 2 && g_str_equal(words[0], "L") && !facts->link_measured)
        facts->link_rate = MAX(facts->link_rate, MIN(number(words[1]), G_MAXINT32) * 125000);
}

void check_host_read(CheckFacts *facts, guint host, const char *answer)
{
    g_auto(GStrv) lines = g_strsplit(answer, "\n", -1);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) words = g_strsplit(*line, " ", -1);
        if (words[0])
            read_line(facts, host, words);
    }
}

/* ---- asking ---- */

static gboolean run_on(const char *host, const char *script, guint seconds, char **answer,
                       GError **error)
{
    static gsize once;
    static Ssh *ssh; /* as long as the process */
    const SshWatch watch = {.seconds = seconds};
    if (g_once_init_enter(&once)) {
        ssh = ssh_new();
        g_once_init_leave(&once, 1);
    }
    SshEnd end = {libvirt_host_is_local(host) ? NULL : host, "/"};
    return ssh_end_do(ssh, end, script, &watch, answer, error);
}

static void ask_host(CheckFacts *facts, guint host)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *answer = NULL;
    g_autofree char *script = check_host_script(facts, host);
    if (run_on(facts->hosts[host], script, ASK_SECONDS, &answer, &error))
        check_host_read(facts, host, answer);
    else
        facts->reach[host] = g_strdup(error->message);
}

void check_hosts_ask(CheckFacts *facts)
{
    gint64 rate =
        check_link_remembered(facts->hosts[CHECK_SOURCE], facts->hosts[CHECK_DESTINATION]);
    facts->link_measured = rate > 0;
    facts->link_rate = rate;
    for (guint host = 0; host < CHECK_HOSTS; host++)
        ask_host(facts, host);
}

/* Whoever is asked for a port answers, also that nobody is behind it. */
gboolean check_link_is_up(const char *source, const char *destination, GError **error)
{
    g_autofree char *quoted = ssh_quote(destination);
    g_autofree char *script =
        g_strdup_printf("LC_ALL=C timeout 5 bash -c 'exec 3<>/dev/tcp/\"$0\"/22' %s 2>&1 "
                        "&& echo through || true",
                        quoted);
    g_autofree char *answer = NULL;
    if (!run_on(source, script, LINK_SECONDS, &answer, error))
        return FALSE;
    return strstr(answer, "through") != NULL || strstr(answer, "refused") != NULL;
}

/* ---- earlier migrations ---- */

static GMutex lock;
static GHashTable *rates; /* "source>destination" -> gint64 */

void check_link_remember(const char *source, const char *destination, gint64 rate)
{
    if (rate <= 0)
        return;
    g_mutex_lock(&lock);
    if (!rates)
        rates = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    gint64 *copy = g_new(gint64, 1);
    *copy = rate;
    g_hash_table_replace(rates, g_strdup_printf("%s>%s", source, destination), copy);
    g_mutex_unlock(&lock);
}

gint64 check_link_remembered(const char *source, const char *destination)
{
    g_autofree char *key = g_strdup_printf("%s>%s", source, destination);
    g_mutex_lock(&lock);
    const gint64 *rate = rates ? g_hash_table_lookup(rates, key) : NULL;
    gint64 found = rate ? *rate : -1;
    g_mutex_unlock(&lock);
    return found;
}
