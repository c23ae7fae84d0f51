#include "client/prepare/prepare.h"

#include "lib/base/error.h"
#include "lib/ssh/ssh.h"
#include <pwd.h>
#include <string.h>

#define MEET_SECONDS 15
#define LOOK_SECONDS 60
#define FIX_SECONDS  1800 /* packages over a slow line */

struct Prepare {
    const PrepareWish *wish;
    GPtrArray *hosts; /* of PrepareHost */
    Ssh *ssh;
    GMutex lock; /* of what follows */
    guint done;
    PreparePhase phase;
    PrepareProgress progress;
    gpointer data;
};

const char *prepare_state_name(PrepareState state)
{
    static const char *const names[] = {"ok", "changed", "missing", "failed"};
    return names[state];
}

/* ---- What is wanted ---- */

static gboolean refuse(GError **error, const char *option, const char *value, const char *what)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API, "--%s \"%s\": %s", option, value, what);
    return FALSE;
}

static gboolean check_items(const char *option, const char *names, GError **error)
{
    g_auto(GStrv) words = g_strsplit(names != NULL ? names : "", ",", -1);
    g_autofree char *all = prepare_item_names();
    for (guint i = 0; words[i] != NULL; i++) {
        g_autofree char *what = g_strconcat("no such item; there are: ", all, NULL);
        if (prepare_item_named(words[i], strlen(words[i])) == NULL)
            return refuse(error, option, words[i], what);
    }
    return TRUE;
}

gboolean prepare_wish_check(const PrepareWish *wish, GError **error)
{
    /* What must be one word, since it goes into files of the host. */
    const struct {
        const char *option, *value;
    } words[] = {
        {"service-user", wish->user}, {"login", wish->login},           {"nfs", wish->nfs},
        {"bridge", wish->bridge},     {"datastores", wish->datastores}, {"nic", wish->nic}};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        for (const char *at = words[i].value; at != NULL && *at != '\0'; at++)
            if (!g_ascii_isalnum(*at) && strchr("-_./:@,+[]%", *at) == NULL)
                return refuse(error, words[i].option, words[i].value,
                              "blanks, quotes and signs of the shell cannot be used here");
    if (wish->nic != NULL && wish->bridge == NULL)
        return refuse(error, "nic", wish->nic, "name the bridge too: --bridge br0");
    if (wish->bridge != NULL && strlen(wish->bridge) > 15)
        return refuse(error, "bridge", wish->bridge, "names of bridges have 15 letters at most");
    if (!g_path_is_absolute(wish->datastores))
        return refuse(error, "datastores", wish->datastores, "a path from / on is needed");
    if (wish->nfs != NULL && strstr(wish->nfs, ":/") == NULL)
        return refuse(error, "nfs", wish->nfs, "write server:/path");
    return check_items("skip", wish->skip, error) && check_items("only", wish->only, error);
}

static gboolean names_item(const char *list, const char *name)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);
    return g_strv_contains((const char *const *)words, name);
}

gboolean prepare_does(const PrepareWish *wish, const PrepareItem *item)
{
    return (wish->skip == NULL || !names_item(wish->skip, item->name)) &&
           (wish->only == NULL || names_item(wish->only, item->name));
}

/* ---- Hosts ---- */

static void free_result(gpointer data)
{
    PrepareResult *result = data;
    g_free(result->text);
    g_free(result);
}

static void free_host(gpointer data)
{
    PrepareHost *host = data;
    g_free(host->name);
    g_free(host->root_key);
    g_free(host->own_name);
    ssh_hostkey_clear(&host->key);
    g_ptr_array_unref(host->results);
    g_free(host);
}

Prepare *prepare_new(const PrepareWish *wish, const GPtrArray *names, PrepareProgress progress,
                     gpointer data)
{
    Prepare *prepare = g_new0(Prepare, 1);
    prepare->wish = wish;
    prepare->progress = progress;
    prepare->data = data;
    prepare->ssh = ssh_new();
    ssh_set_password(prepare->ssh, wish->password);
    ssh_set_patience(prepare->ssh, MEET_SECONDS * 2);
    g_mutex_init(&prepare->lock);
    prepare->hosts = g_ptr_array_new_with_free_func(free_host);
    for (guint i = 0; i < names->len; i++) {
        PrepareHost *host = g_new0(PrepareHost, 1);
        host->name = g_strdup(names->pdata[i]);
        host->results = g_ptr_array_new_with_free_func(free_result);
        g_ptr_array_add(prepare->hosts, host);
    }
    return prepare;
}

void prepare_free(Prepare *prepare)
{
    ssh_free(prepare->ssh);
    g_ptr_array_unref(prepare->hosts);
    g_mutex_clear(&prepare->lock);
    g_free(prepare);
}

GPtrArray *prepare_hosts(Prepare *prepare)
{
    return prepare->hosts;
}

void prepare_note(PrepareHost *host, const char *item, PrepareState state, const char *text)
{
    PrepareResult *result = g_new0(PrepareResult, 1);
    result->item = item;
    result->state = state;
    result->text = g_strstrip(g_strdelimit(g_strdup(text), "\r\n\t", ' '));
    g_ptr_array_add(host->results, result);
}

guint prepare_count(const PrepareHost *host, PrepareState state)
{
    guint count = 0;
    for (guint i = 0; i < host->results->len; i++)
        count += ((const PrepareResult *)host->results->pdata[i])->state == state;
    return count;
}

/* ---- Commands ---- */

static void set_variable(GString *out, const char *name, const char *value)
{
    g_autofree char *quoted = ssh_quote(value != NULL ? value : "");
    g_string_append_printf(out, "%s=%s\n", name, quoted);
}

static void add_peer(GString *peers, const char *name, const char *address)
{
    if (name != NULL && address != NULL)
        g_string_append_printf(peers, "%s%s=%s", peers->len > 0 ? " " : "", name, address);
}

/* What the hosts are to know of each other. */
static void set_peers(GString *out, Prepare *prepare)
{
    g_autoptr(GString) peers = g_string_new(NULL);
    g_autoptr(GString) keys = g_string_new(NULL);
    g_autoptr(GString) hostkeys = g_string_new(NULL);
    /* Not while hosts still tell of themselves, in threads of their own. */
    guint count = prepare->phase > PHASE_HOST ? prepare->hosts->len : 0;
    for (guint i = 0; i < count; i++) {
        const PrepareHost *host = prepare->hosts->pdata[i];
        if (host->lost)
            continue;
        const char *own = g_strcmp0(host->own_name, host->name) != 0 ? host->own_name : NULL;
        add_peer(peers, host->name, host->key.address);
        add_peer(peers, own, host->key.address);
        if (host->root_key != NULL)
            g_string_append_printf(keys, "%s%s", keys->len > 0 ? "\n" : "", host->root_key);
        g_autofree char *line =
            ssh_known_line(host->name, host->key.port, host->key.bytes, host->key.length);
        gboolean both = own != NULL && host->key.port == 22;
        g_string_append_printf(hostkeys, "%s%s%s%s", hostkeys->len > 0 ? "\n" : "", both ? own : "",
                               both ? "," : "", g_strchomp(line));
    }
    set_variable(out, "peers", peers->str);
    set_variable(out, "peer_keys", keys->str);
    set_variable(out, "peer_hostkeys", hostkeys->str);
}

char *prepare_variables(Prepare *prepare, const PrepareHost *host)
{
    const PrepareWish *wish = prepare->wish;
    GString *out = g_string_new("PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; LC_ALL=C; export "
                                "PATH LC_ALL\n");
    const struct passwd *here = getpwnam(wish->user);
    g_autofree char *uid =
        here != NULL && here->pw_uid != 0 ? g_strdup_printf("%u", (unsigned)here->pw_uid) : NULL;
    g_autofree char *count = g_strdup_printf("%u", prepare->hosts->len);
    g_autofree char *now = g_strdup_printf("%" G_GINT64_FORMAT, g_get_real_time() / G_USEC_PER_SEC);
    set_variable(out, "user", wish->user);
    set_variable(out, "uid", uid);
    set_variable(out, "home", "/var/lib/one");
    set_variable(out, "key", wish->key);
    set_variable(out, "hypervisor", wish->hypervisor->name);
    set_variable(out, "uri", wish->hypervisor->uri);
    g_string_append_printf(out,
                           "case $(uname -m) in aarch64) machine=qemu-system-arm ;; *) "
                           "machine=qemu-system-x86 ;; esac\npackages=\"%s%s\"\n",
                           wish->hypervisor->packages, wish->nfs != NULL ? " nfs-common" : "");
    set_variable(out, "datastores", wish->datastores);
    set_variable(out, "nfs", wish->nfs);
    set_variable(out, "bridge", wish->bridge);
    set_variable(out, "nic", wish->nic);
    set_variable(out, "front", host != NULL ? now : "SECONDS-SINCE-1970");
    set_variable(out, "address", host != NULL ? host->key.address : NULL);
    set_variable(out, "hosts", count);
    set_peers(out, prepare);
    return g_string_free(out, FALSE);
}

/* The command as the login runs it: root as it is, others by sudo. (owned) */
static char *as_root(const PrepareWish *wish, const char *command)
{
    g_autofree char *quoted = ssh_quote(command);
    if (strcmp(wish->login, "root") == 0)
        return g_strdup(command);
    return g_strdup_printf("exec sudo -n env SSH_CONNECTION=\"$SSH_CONNECTION\" /bin/sh -c %s",
                           quoted);
}

static gboolean run_shell(Prepare *prepare, const PrepareHost *host, gboolean as_user,
                          const char *command, guint seconds, SshResult *result, GError **error)
{
    const PrepareWish *wish = prepare->wish;
    const SshWatch watch = {.seconds = seconds};
    g_autofree char *who = g_strdup_printf("%s@%s", as_user ? wish->user : wish->login, host->name);
    g_autofree char *head = prepare_variables(prepare, host);
    g_autofree char *whole = g_strconcat(head, prepare_script(), command, NULL);
    g_autofree char *line = as_user ? g_strdup(whole) : as_root(wish, whole);
    return ssh_run(prepare->ssh, who, line, NULL, 0, &watch, result, error);
}

/* What a command said, its last words first to be believed: standard output, else errors. */
static const char *words_of(SshResult *result)
{
    g_strstrip(result->out->str);
    g_strstrip(result->errors->str);
    return result->out->str[0] != '\0' ? result->out->str : result->errors->str;
}

/* Looks; the text of what was seen goes to `*text` (owned). */
static int look(Prepare *prepare, const PrepareHost *host, const PrepareItem *item, char **text)
{
    g_auto(SshResult) result = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *call = prepare_check_call(item);
    if (!run_shell(prepare, host, item->as_user, call, LOOK_SECONDS, &result, &error)) {
        *text = g_strdup(error->message);
        return ITEM_HOPELESS;
    }
    *text = g_strdup(words_of(&result));
    return result.status;
}

static void do_item(Prepare *prepare, PrepareHost *host, const PrepareItem *item)
{
    g_autofree char *seen = NULL, *after = NULL, *fix = prepare_fix_call(item);
    g_auto(SshResult) result = {0};
    g_autoptr(GError) error = NULL;
    int code = look(prepare, host, item, &seen);
    if (code == ITEM_NO_MATTER)
        return;
    gboolean leave = prepare->wish->check || !item->fixable;
    if (code != ITEM_MISSING || leave) {
        prepare_note(host, item->name,
                     code == ITEM_GOOD      ? PREPARE_OK
                     : code == ITEM_MISSING ? PREPARE_MISSING
                                            : PREPARE_FAILED,
                     seen);
        return;
    }
    if (!run_shell(prepare, host, FALSE, fix, FIX_SECONDS, &result, &error)) {
        prepare_note(host, item->name, PREPARE_FAILED, error->message);
        return;
    }
    if (result.status != 0) {
        const char *said = words_of(&result);
        g_autofree char *why = g_strdup_printf("%s; to change it failed: %s", seen,
                                               *said != '\0' ? said : "without a word");
        prepare_note(host, item->name, PREPARE_FAILED,
                     result.status == ITEM_HOPELESS && *said != '\0' ? said : why);
        return;
    }
    code = look(prepare, host, item, &after);
    prepare_note(host, item->name, code == ITEM_GOOD ? PREPARE_CHANGED : PREPARE_FAILED, after);
}

/* ---- Phases ---- */

/* What the other hosts will be told of this one. */
static void ask_facts(Prepare *prepare, PrepareHost *host)
{
    g_auto(SshResult) result = {0};
    if (!run_shell(prepare, host, FALSE, "hostname; cat /root/.ssh/id_ed25519.pub 2>/dev/null",
                   LOOK_SECONDS, &result, NULL))
        return;
    g_auto(GStrv) lines = g_strsplit(result.out->str, "\n", 3);
    if (lines[0] != NULL && lines[0][0] != '\0')
        host->own_name = g_strdup(lines[0]);
    if (lines[0] != NULL && lines[1] != NULL && lines[1][0] != '\0')
        host->root_key = g_strdup(lines[1]);
}

/* May the login work there? A host that only looks at it has no use in trying the items. */
static gboolean log_in(Prepare *prepare, PrepareHost *host)
{
    g_auto(SshResult) result = {0};
    g_autoptr(GError) error = NULL;
    if (!run_shell(prepare, host, FALSE, "id -un", LOOK_SECONDS, &result, &error)) {
        prepare_note(host, "login", PREPARE_FAILED, error->message);
    } else if (result.status != 0) {
        g_autofree char *why =
            g_strdup_printf("%s cannot become root there by sudo without a password: %s",
                            prepare->wish->login, words_of(&result));
        prepare_note(host, "login", PREPARE_FAILED, why);
    } else {
        prepare_note(host, "login", PREPARE_OK, prepare->wish->login);
        return TRUE;
    }
    host->lost = TRUE;
    return FALSE;
}

static void do_phase(gpointer data, gpointer user_data)
{
    PrepareHost *host = data;
    Prepare *prepare = user_data;
    gboolean usable = !host->lost && (prepare->phase != PHASE_HOST || log_in(prepare, host));
    for (const PrepareItem *item = prepare_items; usable && item->name != NULL; item++)
        if (item->phase == prepare->phase && prepare_does(prepare->wish, item))
            do_item(prepare, host, item);
    if (usable && prepare->phase == PHASE_HOST && prepare->hosts->len > 1)
        ask_facts(prepare, host);
    g_mutex_lock(&prepare->lock);
    prepare->done++;
    if (prepare->progress != NULL)
        prepare->progress(host, prepare->phase, prepare->done, prepare->hosts->len, prepare->data);
    g_mutex_unlock(&prepare->lock);
}

static void each_host(Prepare *prepare, GFunc function)
{
    prepare->done = 0;
    GThreadPool *pool =
        g_thread_pool_new(function, prepare, (gint)MAX(prepare->wish->parallel, 1), FALSE, NULL);
    for (guint i = 0; i < prepare->hosts->len; i++)
        g_thread_pool_push(pool, prepare->hosts->pdata[i], NULL);
    g_thread_pool_free(pool, FALSE, TRUE);
}

static void meet(gpointer data, gpointer user_data)
{
    PrepareHost *host = data;
    const Prepare *prepare = user_data;
    g_autoptr(GError) error = NULL;
    g_autofree char *who = g_strdup_printf("%s@%s", prepare->wish->login, host->name);
    if (ssh_hostkey_ask(who, MEET_SECONDS, &host->key, &error))
        return;
    prepare_note(host, "hostkey", PREPARE_FAILED, error->message);
    host->lost = TRUE;
}

void prepare_meet(Prepare *prepare)
{
    each_host(prepare, meet);
}

static void note_hostkey(PrepareHost *host)
{
    const SshHostKey *key = &host->key;
    g_autofree char *text = g_strdup_printf(
        key->trust == SSH_KEY_TRUSTED
            ? "%s %s"
            : "new: %s %s. Compare it with the server's own, then say yes or use --accept-new",
        key->type, key->print);
    host->lost = key->trust != SSH_KEY_TRUSTED;
    if (key->trust == SSH_KEY_TRUSTED || key->trust == SSH_KEY_UNKNOWN)
        prepare_note(host, "hostkey", host->lost ? PREPARE_MISSING : PREPARE_OK, text);
    else
        prepare_note(host, "hostkey", PREPARE_FAILED, key->distrust->message);
}

void prepare_run(Prepare *prepare)
{
    for (guint i = 0; i < prepare->hosts->len; i++) {
        PrepareHost *host = prepare->hosts->pdata[i];
        if (host->results->len == 0)
            note_hostkey(host);
    }
    for (prepare->phase = PHASE_HOST; prepare->phase <= PHASE_PROOF; prepare->phase++)
        each_host(prepare, do_phase);
}
