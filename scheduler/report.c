#include "scheduler/report.h"
#include "scheduler/groups.h"
#include <string.h>
#include <time.h>

/* Length of "Sun Nov 22 00:31:52 2026: ". */
#define DATE_LENGTH 26

/* What is said of the hosts that failed a test: of one, of several. */
static const struct {
    const char *one, *many;
} host_words[SCHED_HOST_TESTS] = {
    [SCHED_NOT_MONITORED] = {"is not monitored yet", "are not monitored yet"},
    [SCHED_IN_ERROR] = {"is in error", "are in error"},
    [SCHED_DISABLED] = {"is disabled or offline", "are disabled or offline"},
    [SCHED_IS_HERE] = {"is the one it must leave", "are the one it must leave"},
    [SCHED_NO_RIGHT] = {"may not be used by its owner", "may not be used by its owner"},
    [SCHED_NO_CPU] = {"has too little CPU", "have too little CPU"},
    [SCHED_NO_MEMORY] = {"has too little memory", "have too little memory"},
    [SCHED_NO_PCI] = {"has no such PCI device free", "have no such PCI device free"},
    [SCHED_NOT_AUTOMATIC] = {"does not meet AUTOMATIC_REQUIREMENTS",
                             "do not meet AUTOMATIC_REQUIREMENTS"},
    [SCHED_NOT_REQUIRED] = {"does not meet SCHED_REQUIREMENTS", "do not meet SCHED_REQUIREMENTS"},
    [SCHED_NOT_HOST_AFFINED] = {"is none of HOST_AFFINED", "are none of HOST_AFFINED"},
    [SCHED_HOST_AVOIDED] = {"is one of HOST_ANTI_AFFINED", "are of HOST_ANTI_AFFINED"},
    [SCHED_ROLE_ELSEWHERE] = {"is not where POLICY = AFFINED has the others of its role",
                              "are not where POLICY = AFFINED has the others of its role"},
    [SCHED_ROLE_HERE] = {"has another of its role, with POLICY = ANTI_AFFINED",
                         "have another of its role, with POLICY = ANTI_AFFINED"},
    [SCHED_GROUP_ELSEWHERE] = {"is not where AFFINED has the others of its group",
                               "are not where AFFINED has the others of its group"},
    [SCHED_GROUP_HERE] = {"has a machine of a role that ANTI_AFFINED keeps away",
                          "have a machine of a role that ANTI_AFFINED keeps away"},
    [SCHED_NO_DATASTORE] = {"has no system datastore for it", "have no system datastore for it"},
    [SCHED_NO_NETWORK] = {"has no network for a card with NETWORK_MODE = auto",
                          "have no network for a card with NETWORK_MODE = auto"},
    [SCHED_TOO_MANY] = {"took MAX_HOST machines", "took MAX_HOST machines"},
};

static const struct {
    const char *one, *many;
} datastore_words[SCHED_DS_TESTS] = {
    [SCHED_DS_DISABLED] = {"is disabled", "are disabled"},
    [SCHED_DS_NO_RIGHT] = {"may not be used by its owner", "may not be used by its owner"},
    [SCHED_DS_NOT_AUTOMATIC] = {"does not meet AUTOMATIC_DS_REQUIREMENTS",
                                "do not meet AUTOMATIC_DS_REQUIREMENTS"},
    [SCHED_DS_NOT_REQUIRED] = {"does not meet SCHED_DS_REQUIREMENTS",
                               "do not meet SCHED_DS_REQUIREMENTS"},
    [SCHED_DS_NO_SPACE] = {"has too little free space", "have too little free space"},
};

static const struct {
    const char *one, *many;
} network_words[SCHED_NET_TESTS] = {
    [SCHED_NET_FITS] = {"is in another cluster, or another card's",
                        "are in other clusters, or other cards'"},
    [SCHED_NET_NOT_READY] = {"is not ready", "are not ready"},
    [SCHED_NET_NO_RIGHT] = {"may not be used by its owner", "may not be used by its owner"},
    [SCHED_NET_NOT_AUTOMATIC] = {"does not meet AUTOMATIC_NIC_REQUIREMENTS",
                                 "do not meet AUTOMATIC_NIC_REQUIREMENTS"},
    [SCHED_NET_NOT_REQUIRED] = {"does not meet its SCHED_REQUIREMENTS",
                                "do not meet its SCHED_REQUIREMENTS"},
    [SCHED_NET_FULL] = {"has no free address", "have no free address"},
};

static void append_count(GString *out, guint count, guint of, gboolean first, const char *one,
                         const char *many)
{
    if (first)
        g_string_append_printf(out, "%u of %u %s", count, of, count == 1 ? one : many);
    else
        g_string_append_printf(out, ", %u %s", count, count == 1 ? one : many);
}

static void append_need(GString *out, SchedHostTest test, const SchedVm *vm)
{
    if (test == SCHED_NO_CPU)
        g_string_append_printf(out, " (needs %.2f)", vm->cpu / 100.0);
    else if (test == SCHED_NO_MEMORY)
        g_string_append_printf(out, " (needs %" G_GINT64_FORMAT " MiB)", vm->memory / 1024);
    else if (test == SCHED_NOT_AUTOMATIC)
        g_string_append_printf(out, ": %s", vm->automatic);
    else if (test == SCHED_NOT_REQUIRED)
        g_string_append_printf(out, ": %s", vm->requirements);
    else if (test >= SCHED_NOT_HOST_AFFINED && test <= SCHED_GROUP_HERE)
        g_string_append_printf(out, " (role \"%s\" of VM group %d)", vm->role_name, vm->group);
}

/* ---- Datastores ---- */

static void append_datastores(GString *out, SchedMatcher *matcher, const SchedPools *pools,
                              const SchedClass *class)
{
    guint counts[SCHED_DS_TESTS] = {0}, total = 0, said = 0;
    for (guint i = 0; i < pools->datastores->len; i++) {
        const SchedDatastore *datastore = &g_array_index(pools->datastores, SchedDatastore, i);
        if (datastore->type != SCHED_DS_SYSTEM)
            continue;
        SchedDatastoreTest test = sched_test_datastore(matcher, class, i);
        if (test == SCHED_DS_FITS && datastore->shared &&
            !sched_datastore_has_room(datastore, NULL, class->vm->system_mb))
            test = SCHED_DS_NO_SPACE;
        counts[test]++;
        total++;
    }
    if (total == 0) {
        g_string_append(out, "; there is no system datastore: make one with `onedatastore create`, "
                             "TYPE = SYSTEM_DS");
        return;
    }
    for (guint test = SCHED_DS_FITS + 1; test < SCHED_DS_TESTS; test++) {
        if (counts[test] == 0)
            continue;
        if (said == 0)
            g_string_append(out, "; system datastores: ");
        append_count(out, counts[test], total, said++ == 0, datastore_words[test].one,
                     datastore_words[test].many);
        if (test == SCHED_DS_NO_SPACE)
            g_string_append_printf(out, " (needs %" G_GINT64_FORMAT " MB)", class->vm->system_mb);
        else if (test == SCHED_DS_NOT_AUTOMATIC)
            g_string_append_printf(out, ": %s", class->vm->automatic_ds);
        else if (test == SCHED_DS_NOT_REQUIRED)
            g_string_append_printf(out, ": %s", class->vm->ds_requirements);
    }
    if (said == 0)
        g_string_append_printf(out, " (needs %" G_GINT64_FORMAT " MB in one of the host's cluster)",
                               class->vm->system_mb);
}

/* ---- Networks ---- */

static void append_networks(GString *out, SchedMatcher *matcher, const SchedPools *pools,
                            const SchedClass *class, const SchedNic *nic)
{
    guint counts[SCHED_NET_TESTS] = {0}, said = 0;
    for (guint i = 0; i < pools->networks->len; i++)
        counts[sched_test_network(matcher, class->vm, nic, i)]++;
    g_string_append_printf(out, "; networks for NIC %d: ", nic->id);
    if (pools->networks->len == 0)
        g_string_append(out, "there is none");
    for (guint test = SCHED_NET_FITS; test < SCHED_NET_TESTS; test++) {
        if (counts[test] == 0)
            continue;
        append_count(out, counts[test], pools->networks->len, said++ == 0, network_words[test].one,
                     network_words[test].many);
        if (test == SCHED_NET_NOT_REQUIRED)
            g_string_append_printf(out, ": %s", nic->requirements);
    }
}

/* ---- Hosts ---- */

static char *class_reason(SchedMatcher *matcher, const SchedPools *pools, SchedClass *class)
{
    guint counts[SCHED_HOST_TESTS] = {0}, total = pools->hosts->len, said = 0;
    /* Most hosts first: that is what stands in the way. */
    guint order[SCHED_HOST_TESTS], tests = 0;
    const SchedNic *nic = NULL; /* a card without network */
    if (total == 0)
        return g_strdup("No host: there is none yet; add one with `onehost create`");
    for (guint i = 0; i < total; i++) {
        SchedHostTest test = sched_test_host(matcher, class, i);
        if (test == SCHED_FITS)
            test = sched_class_lacks(matcher, pools, class, i, &nic);
        counts[test]++;
    }
    for (guint test = SCHED_FITS + 1; test < SCHED_HOST_TESTS; test++) {
        guint at = tests;
        if (counts[test] == 0)
            continue;
        for (; at > 0 && counts[order[at - 1]] < counts[test]; at--)
            order[at] = order[at - 1];
        order[at] = test;
        tests++;
    }
    g_autoptr(GString) out = g_string_new("No host: ");
    for (guint i = 0; i < tests; i++) {
        guint test = order[i];
        append_count(out, counts[test], total, said++ == 0, host_words[test].one,
                     host_words[test].many);
        append_need(out, test, class->vm);
    }
    if (counts[SCHED_NO_DATASTORE] > 0)
        append_datastores(out, matcher, pools, class);
    if (counts[SCHED_NO_NETWORK] > 0)
        append_networks(out, matcher, pools, class, nic);
    return tests > 0 ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}

char *sched_reason(SchedMatcher *matcher, const SchedPools *pools, const SchedStranded *stranded)
{
    const SchedVm *vm = stranded->vm;
    SchedClass *class = stranded->class;
    gint64 mb = 0;
    if (vm->cannot != NULL)
        return g_strdup_printf("Cannot be placed: %s", vm->cannot);
    if (class->error != NULL)
        return g_strdup(class->error);
    const SchedDatastore *full = sched_full_image_datastore(pools, vm, &mb);
    if (full != NULL)
        return g_strdup_printf("Image datastore %d (%s) has too little free space for its disks "
                               "(needs %" G_GINT64_FORMAT " MB)",
                               full->id, full->name, mb);
    if (class->reason == NULL)
        class->reason = class_reason(matcher, pools, class);
    return g_strdup(class->reason);
}

/* ---- The text ---- */

char *sched_message(const char *text, gint64 now)
{
    time_t seconds = now;
    struct tm local;
    char date[32];
    strftime(date, sizeof date, "%a %b %e %H:%M:%S %Y", localtime_r(&seconds, &local));
    return g_strdup_printf("%s: %s", date, text);
}

const char *sched_without_date(const char *message)
{
    gboolean dated = strlen(message) >= DATE_LENGTH && message[13] == ':' && message[16] == ':' &&
                     message[DATE_LENGTH - 2] == ':' && message[DATE_LENGTH - 1] == ' ';
    return dated ? message + DATE_LENGTH : message;
}

static const char *skip_number(const char *text)
{
    while (g_ascii_isdigit(*text))
        text++;
    return text;
}

gboolean sched_same_message(const char *a, const char *b, gboolean but_numbers)
{
    if (a == NULL || b == NULL)
        return a == b;
    a = sched_without_date(a);
    b = sched_without_date(b);
    while (*a != '\0' && *b != '\0') {
        if (but_numbers && g_ascii_isdigit(*a) && g_ascii_isdigit(*b)) {
            a = skip_number(a);
            b = skip_number(b);
        } else if (*a++ != *b++) {
            return FALSE;
        }
    }
    return *a == *b;
}

char *sched_message_template(const char *message)
{
    g_autoptr(GString) text = g_string_new("SCHED_MESSAGE=\"");
    for (; *message != '\0'; message++) {
        if (*message == '"')
            g_string_append_c(text, '\\');
        g_string_append_c(text, *message);
    }
    /* A backslash before the closing quote would keep it open. */
    g_string_append(text, text->str[text->len - 1] == '\\' ? " \"" : "\"");
    return g_string_free(g_steal_pointer(&text), FALSE);
}
