#include "client/evaluate/evaluate.h"

#include <string.h>

static void put(GString *out, const char *format, double value, const char *after)
{
    char text[64];
    /* What is not known stays empty: a spreadsheet would count -1. */
    if (value >= 0)
        g_string_append(out, g_ascii_formatd(text, sizeof text, format, value));
    g_string_append(out, after);
}

static void put_word(GString *out, const char *text)
{
    gboolean plain = strpbrk(text, ",\"\r\n") == NULL;
    g_string_append(out, plain ? "" : "\"");
    for (; *text != '\0'; text++)
        g_string_append_printf(out, *text == '"' ? "\"%c" : "%c", *text);
    g_string_append(out, plain ? "," : "\",");
}

static void append_pings(const Evaluation *found, GString *out)
{
    g_string_append(out, "trace,sent_s,trip_ms\n");
    for (guint i = 0; i < G_N_ELEMENTS(found->pings); i++)
        for (guint j = 0; found->pings[i] != NULL && j < found->pings[i]->len; j++) {
            const Ping *ping = &g_array_index(found->pings[i], Ping, j);
            g_string_append(out, i == 0 ? "slow," : "fast,");
            put(out, "%.6f", ping->sent, ",");
            put(out, "%.3f", ping->trip, "\n");
        }
}

static void append_move(const Evaluation *found, GString *out, const Move *move)
{
    static const char *const roles[] = {"again", "size", "back", "download", "home"};
    g_string_append_printf(out, "%s,%u,%d,", roles[move->role], move->number, move->vm);
    put(out, "%.0f", (double)move->memory, ",");
    put_word(out, move->source);
    put_word(out, move->destination);
    g_string_append_printf(out, "%s,", move->first ? "yes" : "no");
    put_word(out, move->good ? "success" : move->reason != NULL ? move->reason : "failure");
    put(out, "%.3f", move->ordered, ",");
    put(out, "%.3f", move->ended, ",");
    const gint64 numbers[] = {move->elapsed_ms,   move->total_ms,   move->downtime_ms, move->bytes,
                              move->memory_bytes, move->disk_bytes, move->rounds};
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        put(out, "%.0f", (double)numbers[i], ",");
    put(out, "%.0f", move->dirty_rate, ",");
    put_word(out, move->mode);
    put_word(out, move->storage);
    const GArray *pings = move->role == MOVE_AGAIN ? found->pings[1] : NULL;
    if (pings != NULL) {
        PingSummary summary = ping_summary(pings, move->ordered, move->ended);
        g_string_append_printf(out, "%u,%u,", summary.sent, summary.lost);
        put(out, "%.3f", summary.worst, ",");
        put(out, "%.6f", summary.silence, "\n");
    } else {
        g_string_append(out, ",,,\n");
    }
}

static void append_moves(const Evaluation *found, GString *out, gboolean sizes)
{
    g_string_append(out, "kind,number,machine,memory_mib,source,destination,first,result,ordered_s,"
                         "ended_s,elapsed_ms,total_ms,downtime_ms,bytes,memory_bytes,disk_bytes,"
                         "rounds,dirty_bytes_per_s,mode,storage,pings_sent,pings_lost,"
                         "worst_trip_ms,silence_s\n");
    for (guint i = 0; i < found->moves->len; i++) {
        const Move *move = found->moves->pdata[i];
        if ((move->role == MOVE_SIZE || move->role == MOVE_BACK) == sizes)
            append_move(found, out, move);
    }
}

static void append_downloads(const Evaluation *found, GString *out)
{
    g_string_append(out, "run,at_s,bytes\n");
    for (guint i = 0; i < found->download_count; i++) {
        const Download *download = &found->downloads[i];
        const GArray *steps = download->result.steps;
        for (guint j = 0; j < steps->len; j++) {
            const Progress *step = &g_array_index(steps, Progress, j);
            g_string_append(out, i == 0 ? "without," : "with,");
            put(out, "%.3f", step->at - download->began, ",");
            put(out, "%.0f", step->bytes, "\n");
        }
    }
}

/* Of downloads that broke off with their guest, which is none when the move was live. */
static void append_resumed(const Evaluation *found, GString *out)
{
    g_string_append(out, "run,broken_s,broken_bytes,tries,resumed_s,resumed_bytes,whole_s,bytes,"
                         "content\n");
    for (guint i = 0; i < found->download_count; i++) {
        const Download *download = &found->downloads[i];
        gboolean resumed = download->resumed_at > 0;
        if (download->tries == 0)
            continue;
        g_string_append(out, i == 0 ? "without," : "with,");
        put(out, "%.3f", download->broken_at - download->began, ",");
        put(out, "%.0f", download->broken_bytes, ",");
        put(out, "%.0f", download->tries, ",");
        put(out, "%.3f", resumed ? download->resumed_at - download->began : -1, ",");
        put(out, "%.0f", resumed ? download->resumed_bytes : -1, ",");
        put(out, "%.3f", download->result.done ? download->ended - download->began : -1, ",");
        put(out, "%.0f", download->result.bytes, ",");
        g_string_append_printf(out, "%s\n", evaluation_soundness(found, download));
    }
}

static gboolean has_broken_off(const Evaluation *found)
{
    gboolean broken = FALSE;
    for (guint i = 0; i < found->download_count; i++)
        broken = broken || found->downloads[i].tries > 0;
    return broken;
}

static gboolean has_size_moves(const Evaluation *found)
{
    g_autoptr(GPtrArray) sizes = evaluation_moves(found, MOVE_SIZE);
    return sizes->len > 0;
}

char *table_text(const Evaluation *found, const char *name)
{
    GString *out = g_string_new(NULL);
    if (strcmp(name, "ping") == 0)
        append_pings(found, out);
    else if (strcmp(name, "download") == 0)
        append_downloads(found, out);
    else if (strcmp(name, "resumed") == 0)
        append_resumed(found, out);
    else
        append_moves(found, out, strcmp(name, "sizes") == 0);
    return g_string_free(out, FALSE);
}

gboolean tables_write(const Plan *plan, const Evaluation *found, GPtrArray *names, GError **error)
{
    const struct {
        const char *name;
        gboolean there;
    } tables[] = {{"ping", found->pings[0] != NULL},
                  {"moves", found->moves->len > 0},
                  {"sizes", has_size_moves(found)},
                  {"download", found->download_count > 0},
                  {"resumed", has_broken_off(found)}};
    for (guint i = 0; i < G_N_ELEMENTS(tables); i++) {
        if (!tables[i].there)
            continue;
        g_autofree char *text = table_text(found, tables[i].name);
        g_autofree char *file = g_strdup_printf("%s.csv", tables[i].name);
        g_autofree char *path = g_build_filename(plan->output, file, NULL);
        if (!g_file_set_contents(path, text, -1, error))
            return FALSE;
        g_ptr_array_add(names, g_steal_pointer(&path));
    }
    return TRUE;
}
