#include "drivers/common/dummy.h"

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- knobs ---- */

typedef struct Knob {
    const char *name;
    double minimum, maximum;
} Knob;

enum { LATENCY, HOLD, FAIL, LOST, TOTALCPU, TOTALMEMORY, PCI, DOWN, KNOBS };

static const Knob knobs[KNOBS] = {
    [LATENCY] = {"latency", 0, 86400},
    [HOLD] = {"hold", 0, 1},
    [FAIL] = {"fail", 0, 1},
    [LOST] = {"lost", 0, 1},
    [TOTALCPU] = {"TOTALCPU", 0, 1e9},
    [TOTALMEMORY] = {"TOTALMEMORY", 0, 1e15},
    [PCI] = {"PCI", 0, 64},
    [DOWN] = {"down", 0, 1},
};

/* One setting of one line. */
typedef struct Rule {
    char *action; /* "HOST" for what a host is */
    char *host;
    guint knob;
    double value;
} Rule;

static GMutex lock;
static GArray *rules; /* of Rule, in the order of the file */
static struct stat seen;

static void rule_clear(gpointer data)
{
    Rule *rule = data;
    g_free(rule->action);
    g_free(rule->host);
}

static void warn(guint number, const char *text)
{
    log_warning("DRV", "line %u of the simulation's control file: %s; it is left out", number,
                text);
}

static void read_setting(const char *action, const char *host, const char *word, guint number)
{
    const char *equals = strchr(word, '=');
    for (guint i = 0; i < KNOBS; i++) {
        gsize length = strlen(knobs[i].name);
        if ((gsize)(equals - word) != length || g_ascii_strncasecmp(word, knobs[i].name, length))
            continue;
        char *end;
        double value = g_ascii_strtod(equals + 1, &end);
        if (end == equals + 1 || *end || value < knobs[i].minimum || value > knobs[i].maximum) {
            g_autofree char *text = g_strdup_printf("\"%s\" must be a number of %g to %g", word,
                                                    knobs[i].minimum, knobs[i].maximum);
            warn(number, text);
            return;
        }
        Rule rule = {g_ascii_strup(action, -1), g_strdup(host), i, value};
        g_array_append_val(rules, rule);
        return;
    }
    g_autofree char *text = g_strdup_printf("there is no setting \"%s\"", word);
    warn(number, text);
}

static void read_rules_line(const char *line, guint number)
{
    g_auto(GStrv) words = g_strsplit_set(line, " \t\r", -1);
    const char *action = NULL, *host = "*";
    for (char **word = words; *word && **word != '#'; word++) {
        if (**word == '\0')
            continue;
        if (strchr(*word, '=') && action)
            read_setting(action, host, *word, number);
        else if (!action)
            action = *word;
        else
            host = *word;
    }
}

/* Reads the file again when it is another one than before. */
static void refresh_rules(void)
{
    g_autofree char *path = paths_var("dummy/control");
    struct stat now = {0};
    (void)stat(path, &now);
    if (rules && now.st_ino == seen.st_ino && now.st_size == seen.st_size &&
        memcmp(&now.st_mtim, &seen.st_mtim, sizeof now.st_mtim) == 0)
        return;
    seen = now;
    if (!rules) {
        rules = g_array_new(FALSE, FALSE, sizeof(Rule));
        g_array_set_clear_func(rules, rule_clear);
    }
    g_array_set_size(rules, 0);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++)
        read_rules_line(lines[i], i + 1);
}

static void apply_rules(const char *action, const char *host, double *values)
{
    g_mutex_lock(&lock);
    refresh_rules();
    for (guint i = 0; i < rules->len; i++) {
        const Rule *rule = &g_array_index(rules, Rule, i);
        if (g_pattern_match_simple(rule->action, action) &&
            g_pattern_match_simple(rule->host, host))
            values[rule->knob] = rule->value;
    }
    g_mutex_unlock(&lock);
}

DummyOdds dummy_odds(const char *action, const char *host)
{
    double values[KNOBS] = {0};
    apply_rules(action, host, values);
    return (DummyOdds){values[LATENCY], values[HOLD] != 0, values[FAIL], values[LOST]};
}

#define LOOK_MSEC 20 /* how often a held job looks whether it may go on */

void dummy_delay(DriverJob *job, const char *action, const char *host,
                 void (*again)(DriverJob *job), void (*done)(DriverJob *job))
{
    DummyOdds odds = dummy_odds(action, host);
    if (odds.hold)
        driver_job_later(job, LOOK_MSEC, again);
    else if (odds.latency > 0)
        driver_job_later(job, (guint)(odds.latency * 1000), done);
    else
        done(job);
}

gboolean dummy_wait(DriverJob *job, const char *action, const char *host)
{
    DummyOdds odds = dummy_odds(action, host);
    for (; odds.hold; odds = dummy_odds(action, host))
        if (driver_job_wait(job, LOOK_MSEC))
            return FALSE;
    return !driver_job_wait(job, (guint)(odds.latency * 1000));
}

DummyHost dummy_host(const char *host)
{
    double values[KNOBS] = {[TOTALCPU] = 800, [TOTALMEMORY] = 16 * 1024 * 1024};
    apply_rules("HOST", host, values);
    return (DummyHost){(gint64)values[TOTALCPU], (gint64)values[TOTALMEMORY], (guint)values[PCI],
                       values[DOWN] != 0};
}

/* ---- machines ---- */

void dummy_domain_clear(DummyDomain *domain)
{
    g_free(domain->deploy_id);
    g_free(domain->state);
    g_free(domain->name);
    g_free(domain->uuid);
    g_free(domain->devices);
    *domain = (DummyDomain){.vid = -1};
}

gint64 dummy_vid(const char *deploy_id)
{
    guint64 vid;
    if (!g_str_has_prefix(deploy_id, "one-") ||
        !g_ascii_string_to_unsigned(deploy_id + strlen("one-"), 10, 0, G_MAXINT64, &vid, NULL))
        return -1;
    return (gint64)vid;
}

static gboolean check_name(const char *what, const char *name, GError **error)
{
    if (name && *name && *name != '.' && !strchr(name, '/'))
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "\"%s\" cannot be the %s of a simulated machine: it is used as the name of a file",
                name ? name : "", what);
    return FALSE;
}

char *dummy_host_path(const char *host, GError **error)
{
    if (!check_name("host", host, error))
        return NULL;
    g_autofree char *all = paths_var("dummy");
    return g_build_filename(all, host, NULL);
}

static char *domain_path(const char *host, const char *deploy_id, GError **error)
{
    g_autofree char *directory = dummy_host_path(host, error);
    if (!directory || !check_name("deploy id", deploy_id, error))
        return NULL;
    return g_build_filename(directory, deploy_id, NULL);
}

static gboolean fail(GError **error, const char *what, const char *path)
{
    g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL, "cannot %s %s: %s", what, path,
                g_strerror(errno));
    return FALSE;
}

static void read_field(DummyDomain *domain, const char *line)
{
    struct {
        const char *name;
        char **text;
        gint64 *number;
    } fields[] = {
        {"STATE=", &domain->state, NULL}, {"NAME=", &domain->name, NULL},
        {"UUID=", &domain->uuid, NULL},   {"DEVICES=", &domain->devices, NULL},
        {"CPU=", NULL, &domain->cpu},     {"MEMORY=", NULL, &domain->memory},
        {"VID=", NULL, &domain->vid},
    };
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (!g_str_has_prefix(line, fields[i].name))
            continue;
        const char *value = line + strlen(fields[i].name);
        if (fields[i].number) {
            *fields[i].number = g_ascii_strtoll(value, NULL, 10);
        } else {
            g_free(*fields[i].text);
            *fields[i].text = g_strstrip(g_utf8_make_valid(value, -1));
        }
    }
}

gboolean dummy_domain_read(const char *host, const char *deploy_id, DummyDomain *domain,
                           GError **error)
{
    *domain = (DummyDomain){.vid = -1};
    g_autofree char *path = domain_path(host, deploy_id, error);
    if (!path)
        return FALSE;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? FALSE : fail(error, "read", path);
    char text[4096];
    struct stat facts = {0};
    gssize length = read(fd, text, sizeof text - 1);
    (void)fstat(fd, &facts);
    (void)close(fd);
    if (length < 0)
        return fail(error, "read", path);
    text[length] = '\0';
    domain->vid = dummy_vid(deploy_id);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++)
        read_field(domain, *line);
    domain->deploy_id = g_strdup(deploy_id);
    domain->since = facts.st_mtim.tv_sec;
    if (!domain->state)
        domain->state = g_strdup("UNKNOWN");
    return TRUE;
}

/* Line ends in a value would become other fields. */
static const char *flat(char *text)
{
    return text ? g_strdelimit(text, "\n\r", ' ') : "";
}

gboolean dummy_domain_write(const char *host, const DummyDomain *domain, GError **error)
{
    g_autofree char *directory = dummy_host_path(host, error);
    g_autofree char *path = directory ? domain_path(host, domain->deploy_id, error) : NULL;
    if (!path)
        return FALSE;
    g_autofree char *beside = g_strdup_printf("%s/.%s", directory, domain->deploy_id);
    g_autofree char *name = g_strdup(domain->name);
    g_autofree char *text =
        g_strdup_printf("STATE=%s\nNAME=%s\nUUID=%s\nCPU=%" G_GINT64_FORMAT
                        "\nMEMORY=%" G_GINT64_FORMAT "\nVID=%" G_GINT64_FORMAT "\nDEVICES=%s\n",
                        domain->state, flat(name), domain->uuid ? domain->uuid : "", domain->cpu,
                        domain->memory, domain->vid, domain->devices ? domain->devices : "");
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 && errno == ENOENT && g_mkdir_with_parents(directory, 0755) == 0)
        fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return fail(error, "write", beside);
    gboolean good = write(fd, text, strlen(text)) == (gssize)strlen(text);
    good = close(fd) == 0 && good;
    return (good && rename(beside, path) == 0) || fail(error, "write", path);
}

gboolean dummy_domain_remove(const char *host, const char *deploy_id, GError **error)
{
    g_autofree char *path = domain_path(host, deploy_id, error);
    if (!path)
        return FALSE;
    return unlink(path) == 0 || errno == ENOENT || fail(error, "remove", path);
}

gboolean dummy_domain_move(const char *deploy_id, const char *from, const char *to, GError **error)
{
    g_autofree char *old = domain_path(from, deploy_id, error);
    g_autofree char *directory = old ? dummy_host_path(to, error) : NULL;
    g_autofree char *new = directory ? domain_path(to, deploy_id, error) : NULL;
    if (!new)
        return FALSE;
    if (g_mkdir_with_parents(directory, 0755) != 0)
        return fail(error, "make", directory);
    return rename(old, new) == 0 || fail(error, "move", old);
}
