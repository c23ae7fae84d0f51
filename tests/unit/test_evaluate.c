#include "client/evaluate/evaluate.h"
#include "client/evaluate/page.h"
#include "lib/base/xml.h"
#include "lib/template/template.h"

#include <string.h>

/* ---- Values of options ---- */

static void test_bytes(void)
{
    static const struct {
        const char *text;
        guint64 bytes; /* 0: no size */
    } cases[] = {{"1054867456", 1054867456},
                 {"64M", 67108864},
                 {"1.5k", 1536},
                 {"2g", 2147483648},
                 {"1t", 1099511627776},
                 {"", 0},
                 {"M", 0},
                 {"-3", 0},
                 {"0", 0},
                 {"64MB", 0},
                 {"64 M", 0},
                 {"1e30", 0},
                 {"nan", 0}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint64 bytes = 0;
        gboolean good = evaluate_bytes(cases[i].text, &bytes);
        if (good != (cases[i].bytes > 0) || bytes != cases[i].bytes)
            g_error("\"%s\" is %" G_GUINT64_FORMAT, cases[i].text, bytes);
    }
}

/* ---- What the guest says ---- */

static void test_lines(void)
{
    FetchResult result = {.steps = g_array_new(FALSE, FALSE, sizeof(Progress))};
    static const char *const lines[] = {"HTTP/1.0 200 OK\r",
                                        "Content-Type: text/plain\r",
                                        "\r",
                                        "AT 100",
                                        "AT x",
                                        "AT 250",
                                        "AT",
                                        "DONE 300",
                                        "",
                                        "AT -5"};
    for (guint i = 0; i < G_N_ELEMENTS(lines); i++)
        fetch_take_line(&result, lines[i], i);
    g_assert_cmpuint(result.steps->len, ==, 2);
    g_assert_cmpfloat(g_array_index(result.steps, Progress, 1).at, ==, 5);
    g_assert_cmpfloat(result.bytes, ==, 250);
    g_assert_false(result.done);
    fetch_take_line(&result, "FAILED after 250 bytes: no route", 11);
    g_assert_cmpstr(result.why, ==, "after 250 bytes: no route");
    fetch_take_line(&result, "DONE 300 abc\r", 12);
    g_assert_true(result.done);
    g_assert_cmpstr(result.sum, ==, "abc");
    fetch_take_line(&result, "FROM 200", 13);
    g_assert_cmpfloat(result.from, ==, 200);
    g_assert_cmpfloat(g_array_index(result.steps, Progress, 2).bytes, ==, 200);
    g_assert_false(result.forgotten);
    fetch_take_line(&result, "FORGOTTEN", 14);
    g_assert_true(result.forgotten);
    fetch_result_clear(&result);
}

/* ---- Machines that are made ---- */

static const char machine[] =
    "<VM><ID>5</ID><NAME>web</NAME><TEMPLATE><CPU>1</CPU><MEMORY>512</MEMORY><VMID>5</VMID>"
    "<AUTOMATIC_REQUIREMENTS>x</AUTOMATIC_REQUIREMENTS>"
    "<OS><KERNEL>/k</KERNEL><UUID>1-2-3</UUID></OS>"
    "<GRAPHICS><TYPE>vnc</TYPE><PORT>5905</PORT></GRAPHICS>"
    "<CONTEXT><ETH0_IP>10.0.0.9</ETH0_IP><ETHEREAL>yes</ETHEREAL><NETWORK>YES</NETWORK>"
    "<TARGET>hda</TARGET></CONTEXT>"
    "<DISK><DISK_ID>0</DISK_ID><SOURCE>/a \"b\".img</SOURCE><TARGET>vda</TARGET>%s</DISK>"
    "<NIC><NIC_ID>0</NIC_ID><BRIDGE>br0</BRIDGE><MAC>02:00:0a:00:00:09</MAC><IP>10.0.0.9</IP></NIC>"
    "</TEMPLATE><USER_TEMPLATE><NOTE>n</NOTE><SCHED_REQUIREMENTS>ID=3</SCHED_REQUIREMENTS>"
    "<MIGRATE><POSTCOPY>YES</POSTCOPY></MIGRATE></USER_TEMPLATE></VM>";

/* (owned, NULL with the text of the error) */
static Template *made_of(const char *disk, const char *spare, char **why)
{
    g_autofree char *start = g_strndup(machine, (gsize)(strstr(machine, "%s") - machine));
    g_autofree char *xml = g_strconcat(start, disk, strstr(machine, "%s") + 2, NULL);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = machine_template_from(xml, 2048, spare, &error);
    if (text == NULL) {
        *why = g_strdup(error->message);
        return NULL;
    }
    Template *template = template_parse(text, TEMPLATE_MODERN, &error);
    g_assert_no_error(error);
    return template;
}

static void test_template(void)
{
    char *why = NULL;
    g_autoptr(Template) made = made_of("<CLONE>YES</CLONE>", "10.0.1.7", &why);
    g_assert_nonnull(made);
    static const struct {
        const char *vector, *name, *value;
    } pairs[] = {{"OS", "KERNEL", "/k"},
                 {"OS", "UUID", NULL},
                 {"GRAPHICS", "TYPE", "vnc"},
                 {"GRAPHICS", "PORT", NULL},
                 {"CONTEXT", "ETH0_IP", NULL},
                 {"CONTEXT", "ETHEREAL", "yes"},
                 {"CONTEXT", "NETWORK", "YES"},
                 {"CONTEXT", "TARGET", NULL},
                 {"DISK", "SOURCE", "/a \"b\".img"},
                 {"DISK", "TARGET", "vda"},
                 {"DISK", "DISK_ID", NULL},
                 {"NIC", "BRIDGE", "br0"},
                 {"NIC", "IP", "10.0.1.7"},
                 {"NIC", "MAC", "02:00:0a:00:01:07"},
                 {"MIGRATE", "POSTCOPY", "YES"}};
    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++)
        g_assert_cmpstr(template_get_pair(made, pairs[i].vector, pairs[i].name), ==,
                        pairs[i].value);
    g_assert_cmpstr(template_get(made, "NAME"), ==, "web-evaluate-2048M");
    g_assert_cmpstr(template_get(made, "MEMORY"), ==, "2048");
    g_assert_cmpstr(template_get(made, "CPU"), ==, "1");
    g_assert_cmpstr(template_get(made, "NOTE"), ==, "n");
    static const char *const gone[] = {"VMID", "AUTOMATIC_REQUIREMENTS", "SCHED_REQUIREMENTS"};
    for (guint i = 0; i < G_N_ELEMENTS(gone); i++)
        g_assert_null(template_get(made, gone[i]));

    g_autoptr(Template) plain = made_of("", NULL, &why);
    g_assert_null(template_get_pair(plain, "NIC", "MAC"));
    g_assert_null(template_get_pair(plain, "NIC", "IP"));
}

/* Two machines must not write to one disk. */
static void test_own_disks(void)
{
    static const struct {
        const char *disk;
        gboolean good;
    } cases[] = {{"<CLONE>NO</CLONE>", FALSE},
                 {"<CLONE>no</CLONE>", FALSE},
                 {"<PERSISTENT>YES</PERSISTENT>", FALSE},
                 {"<CLONE>NO</CLONE><READONLY>yes</READONLY>", TRUE},
                 {"<CLONE>YES</CLONE><PERSISTENT>NO</PERSISTENT>", TRUE}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *why = NULL;
        g_autoptr(Template) made = made_of(cases[i].disk, NULL, &why);
        g_assert_cmpint(made != NULL, ==, cases[i].good);
        if (made == NULL)
            g_assert_nonnull(strstr(why, "--template FILE"));
    }
}

static void test_address(void)
{
    static const struct {
        const char *nics, *address;
    } cases[] = {{"<NIC><IP>10.1.2.3</IP><MAC>02:00:0a:00:00:09</MAC></NIC>", "10.1.2.3"},
                 {"<NIC><MAC>02:00:0a:00:00:09</MAC></NIC>", "10.0.0.9"},
                 {"<NIC><MAC>02:00:00:00:05:00</MAC></NIC>", NULL},
                 {"<NIC><MAC>52:54:00:12:34:56</MAC></NIC>", NULL},
                 {"<NIC><MAC>02:00:0a</MAC></NIC>", NULL},
                 {"<NIC><BRIDGE>b</BRIDGE></NIC><NIC><IP>fd00::5</IP></NIC>", "fd00::5"},
                 {"", NULL}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *xml = g_strdup_printf("<VM><TEMPLATE>%s</TEMPLATE></VM>", cases[i].nics);
        g_autoptr(xmlDoc) doc = xml_read(xml, strlen(xml), XML_DEPTH_MAX, NULL);
        g_autofree char *address = machine_address(xml_root(doc));
        g_assert_cmpstr(address, ==, cases[i].address);
    }
}

/* ---- Figures, tables, page ---- */

static Move *new_move(Evaluation *found, MoveRole role, guint number, gint64 memory, double ordered,
                      const char *figures)
{
    Move *move = g_new0(Move, 1);
    move->role = role;
    move->number = number;
    move->memory = memory;
    move->source = g_strdup("a");
    move->destination = g_strdup("b, \"c\"");
    move->good = TRUE;
    move->ordered = ordered;
    move->ended = ordered + 1;
    move->elapsed_ms = 1000;
    move->total_ms = move->downtime_ms = move->bytes = move->rounds = -1;
    move->memory_bytes = move->disk_bytes = -1;
    move->dirty_rate = -1;
    move->mode = g_strdup("");
    move->storage = g_strdup("");
    if (figures != NULL)
        g_assert_true(move_read_figures(move, figures));
    g_ptr_array_add(found->moves, move);
    return move;
}

static const char records[] =
    "<MIGRATION_POOL>"
    "<MIGRATION><ID>7</ID><RESULT>success</RESULT><TOTAL_MS>1</TOTAL_MS></MIGRATION>"
    "<MIGRATION><ID>9</ID><RESULT>success</RESULT><MODE>precopy</MODE><STORAGE>shared</STORAGE>"
    "<ELAPSED_MS>1500</ELAPSED_MS><TOTAL_MS>900</TOTAL_MS><DOWNTIME_MS>31</DOWNTIME_MS>"
    "<BYTES>104857600</BYTES><ROUNDS>3</ROUNDS></MIGRATION>"
    "<MIGRATION><ID>8</ID><RESULT>failure</RESULT><TOTAL_MS>2</TOTAL_MS></MIGRATION>"
    "</MIGRATION_POOL>";

static void test_figures(void)
{
    Evaluation found;
    evaluation_init(&found);
    Move *move = new_move(&found, MOVE_AGAIN, 1, 100, 3, records);
    g_assert_cmpint(move->elapsed_ms, ==, 1500);
    g_assert_cmpint(move->total_ms, ==, 900);
    g_assert_cmpint(move->downtime_ms, ==, 31);
    g_assert_cmpint(move->rounds, ==, 3);
    g_assert_cmpint(move->disk_bytes, ==, -1);
    g_assert_cmpfloat(move->dirty_rate, ==, -1);
    g_assert_cmpstr(move->storage, ==, "shared");
    g_assert_cmpfloat(section_figure(move, FIGURE_MIB), ==, 100);
    g_assert_cmpfloat(section_figure(move, FIGURE_SECONDS), ==, 1.5);
    /* Not over yet, none at all, no document: nothing is taken. */
    static const char *const nothing[] = {"<MIGRATION_POOL><MIGRATION><ID>1</ID><RESULT>running</"
                                          "RESULT></MIGRATION></MIGRATION_POOL>",
                                          "<MIGRATION_POOL/>", "", "fault"};
    for (guint i = 0; i < G_N_ELEMENTS(nothing); i++)
        g_assert_false(move_read_figures(move, nothing[i]));
    g_assert_cmpint(move->total_ms, ==, 900);
    evaluation_clear(&found);
}

static GArray *trace(double every, guint count, guint lost)
{
    GArray *pings = g_array_new(FALSE, FALSE, sizeof(Ping));
    for (guint i = 0; i < count; i++) {
        Ping ping = {.sent = i * every, .trip = i == lost ? -1 : 1.5};
        g_array_append_val(pings, ping);
    }
    return pings;
}

static void add_download(Evaluation *found, int move, const char *sum)
{
    Download *download = &found->downloads[found->download_count++];
    static const Progress steps[] = {{20, 0}, {21, 1e6}, {22, 1.5e6}, {23, 3e6}, {24, 4e6}};
    *download = (Download){.began = 20, .ended = 24, .move = move};
    download->result.steps = g_array_append_vals(g_array_new(FALSE, FALSE, sizeof(Progress)), steps,
                                                 G_N_ELEMENTS(steps));
    download->result.done = TRUE;
    download->result.bytes = 4e6;
    download->result.sum = g_strdup(sum);
}

/* All that a run can find; the names are meant to break a page that does not escape them. */
static void fill(Evaluation *found, Plan *plan)
{
    *plan = (Plan){.ping = TRUE, .pace = 20};
    evaluation_init(found);
    found->vm = 5;
    found->name = g_strdup("<script>alert('x')</script> & \"web\"");
    found->memory = 512;
    found->cpus = g_strdup("1");
    for (guint i = 0; i < 2; i++)
        found->hosts[i] = (HostFacts){.id = (gint32)i,
                                      .name = g_strdup(i == 0 ? "a" : "b"),
                                      .model = g_strdup("M"),
                                      .hypervisor = g_strdup("kvm"),
                                      .version = g_strdup("7.2"),
                                      .arch = g_strdup("x86_64"),
                                      .cpus = 4,
                                      .memory = 4096};
    found->pings[0] = trace(1, 12, 100);
    found->pings[1] = trace(0.05, 240, 70);
    new_move(found, MOVE_AGAIN, 1, 512, 3, records);
    new_move(found, MOVE_AGAIN, 2, 512, 6, records);
    new_move(found, MOVE_DOWNLOAD, 1, 512, 21, NULL);
    new_move(found, MOVE_SIZE, 1, 512, 30, records);
    new_move(found, MOVE_BACK, 1, 512, 33, records);
    new_move(found, MOVE_SIZE, 2, 1024, 36, records);
    add_download(found, -1, "abc");
    add_download(found, 2, "abc");
    found->url = g_strdup("http://x/?a=1&b=<2>");
    found->sum = g_strdup("abc");
    found->size = 4e6;
    found->way = "ssh";
}

static xmlDoc *page_of(const Plan *plan, const Evaluation *found, char **text)
{
    *text = report_page(plan, found);
    g_assert_true(g_str_has_prefix(*text, "<!DOCTYPE html>\n"));
    /* Read as XML but for the elements of HTML that stand alone. */
    g_autoptr(GString) strict = g_string_new(*text + strlen("<!DOCTYPE html>\n"));
    g_string_replace(strict, "<meta charset=\"utf-8\">", "", 0);
    g_string_replace(strict, ",initial-scale=1\">", ",initial-scale=1\"/>", 0);
    g_autoptr(GError) error = NULL;
    xmlDoc *doc = xml_read(strict->str, strict->len, XML_DEPTH_MAX, &error);
    g_assert_no_error(error);
    return doc;
}

static void test_page(void)
{
    Evaluation found;
    Plan plan;
    fill(&found, &plan);
    g_autofree char *text = NULL;
    g_autoptr(xmlDoc) doc = page_of(&plan, &found, &text);
    static const char *const there[] = {"id=\"ping\"",
                                        "id=\"sizes\"",
                                        "id=\"repeated\"",
                                        "id=\"download\"",
                                        "id=\"published\"",
                                        "1 of 240",
                                        "31 ms",
                                        "&lt;script&gt;",
                                        "4,000,000 bytes",
                                        "intact",
                                        "Published in 2016",
                                        "1,054,867,456",
                                        "14 min 26 s",
                                        "0.557",
                                        "prefers-color-scheme:dark",
                                        "@media print",
                                        "a=1&amp;b=&lt;2&gt;"};
    for (guint i = 0; i < G_N_ELEMENTS(there); i++)
        if (strstr(text, there[i]) == NULL)
            g_error("the page has no %s", there[i]);
    /* Nothing from elsewhere, nothing that runs. */
    static const char *const absent[] = {"<script", "<img", "<link",       "src=",   "@import",
                                         "url(",    "nan",  "interrupted", "DAMAGED"};
    for (guint i = 0; i < G_N_ELEMENTS(absent); i++)
        if (strstr(text, absent[i]) != NULL)
            g_error("the page has %s", absent[i]);
    evaluation_clear(&found);
}

/* What went wrong is told, and what was not measured has no section. */
static void test_page_of_little(void)
{
    Evaluation found;
    Plan plan;
    fill(&found, &plan);
    g_free(found.downloads[1].result.sum);
    found.downloads[1].result.sum = g_strdup("other");
    found.interrupted = TRUE;
    g_ptr_array_add(found.notes, g_strdup("512 MiB could not be measured: <why>"));
    g_autofree char *bad = NULL;
    g_autoptr(xmlDoc) bad_doc = page_of(&plan, &found, &bad);
    g_assert_nonnull(strstr(bad, "DAMAGED"));
    g_assert_nonnull(strstr(bad, "was interrupted"));
    g_assert_nonnull(strstr(bad, "&lt;why&gt;"));
    g_ptr_array_set_size(found.moves, 0);
    for (guint i = 0; i < 2; i++) {
        g_clear_pointer(&found.pings[i], g_array_unref);
        fetch_result_clear(&found.downloads[i].result);
    }
    found.download_count = 0;
    g_autofree char *little = NULL;
    g_autoptr(xmlDoc) doc = page_of(&plan, &found, &little);
    g_assert_null(strstr(little, "id=\"ping\""));
    g_assert_null(strstr(little, "<svg"));
    g_assert_nonnull(strstr(little, "not measured"));
    evaluation_clear(&found);
}

static guint lines_of(const char *text)
{
    guint count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

/* A download that broke off with its guest: how it went on, or that it did not. */
static void test_broken_off(void)
{
    static const struct {
        double resumed_at, resumed_bytes;
        gboolean done;
        const char *said, *row;
    } cases[] = {
        {22, 1490944, TRUE,
         "broke off at byte 1,500,000, went on at byte 1,490,944 1.5 s later, and was whole 4.0 s "
         "after it had begun. The content is intact.",
         "\nwith,0.500,1500000,3,2.000,1490944,4.000,4000000,intact\n"},
        {22, 0, TRUE, "broke off at byte 1,500,000, began anew, since the guest had kept nothing,",
         "\nwith,0.500,1500000,3,2.000,0,4.000,4000000,intact\n"},
        {22, 1490944, FALSE, "1.5 s later, and did not end.",
         "\nwith,0.500,1500000,3,2.000,1490944,,4000000,not ended\n"},
        {0, 0, FALSE, "broke off at byte 1,500,000, and did not go on in 3 attempts.",
         "\nwith,0.500,1500000,3,,,,4000000,not ended\n"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        Evaluation found;
        Plan plan;
        fill(&found, &plan);
        Download *with = &found.downloads[1];
        with->tries = 3;
        with->broken_at = 20.5;
        with->broken_bytes = 1500000;
        with->resumed_at = cases[i].resumed_at;
        with->resumed_bytes = cases[i].resumed_bytes;
        with->result.done = cases[i].done;
        g_autofree char *text = NULL;
        g_autoptr(xmlDoc) doc = page_of(&plan, &found, &text);
        if (strstr(text, cases[i].said) == NULL)
            g_error("the page does not say \"%s\"", cases[i].said);
        g_autofree char *table = table_text(&found, "resumed");
        g_assert_nonnull(strstr(table, cases[i].row));
        g_assert_cmpuint(lines_of(table), ==, 2);
        evaluation_clear(&found);
    }
}

static void test_check(void)
{
    static const struct {
        const char *name, *text;
        gboolean ends;
    } cases[] = {
        {"ability", "Cannot migrate live: the driver lxd cannot move a machine while it runs; ...",
         TRUE},
        {"way", "stopped: it is ended, and started anew there", TRUE},
        {"way", "live: 0.4 s", FALSE},
        {"host", "stopped", FALSE},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *xml = g_strdup_printf(
            "<MIGRATION_CHECK><VM>5</VM><CHECK><NAME>state</NAME><TEXT>it runs</TEXT></CHECK>"
            "<CHECK><NAME>%s</NAME><RESULT>no</RESULT><TEXT>%s</TEXT></CHECK></MIGRATION_CHECK>",
            cases[i].name, cases[i].text);
        g_assert_cmpint(move_check_ends_guest(xml), ==, cases[i].ends);
    }
    g_assert_false(move_check_ends_guest("<MIGRATION_CHECK/>"));
    g_assert_false(move_check_ends_guest("no document"));
}

/* Drivers of containers choose a way for each move: what was not live is not called so. */
static void test_modes(void)
{
    static const struct {
        const char *mode, *said;
    } cases[] = {
        {"live", "on storage that both hosts share; memory by a checkpoint of CRIU"},
        {"checkpointed", "by a checkpoint: it stood still while its memory and disks were sent"},
        {"stopped", "NOT live: in 1 of 6 moves the container was ended, and started anew"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        Evaluation found;
        Plan plan;
        fill(&found, &plan);
        Move *move = found.moves->pdata[0];
        g_free(move->mode);
        move->mode = g_strdup(cases[i].mode);
        g_autofree char *text = NULL;
        g_autoptr(xmlDoc) doc = page_of(&plan, &found, &text);
        g_assert_nonnull(strstr(text, cases[i].said));
        g_assert_cmpint(strstr(text, "writes all of a container") != NULL, ==, i < 2);
        evaluation_clear(&found);
    }
}

/* The end of the command says in short what the page says. */
static void test_summary(void)
{
    Evaluation found;
    Plan plan;
    fill(&found, &plan);
    g_autofree char *text = report_summary(&plan, &found);
    g_assert_nonnull(strstr(text,
                            "time that the guest stands still: 31 ms in the median of 2 moves "
                            "(31 to 31) (published in 2016: about 0.3 s"));
    g_assert_nonnull(strstr(text, "a download inside the guest: 4,000,000 bytes: "));
    g_assert_true(g_str_has_suffix(text, "\n"));
    evaluation_clear(&found);
    evaluation_init(&found);
    g_autofree char *nothing = report_summary(&plan, &found);
    g_assert_cmpstr(nothing, ==, "");
    evaluation_clear(&found);
}

static void test_tables(void)
{
    Evaluation found;
    Plan plan;
    fill(&found, &plan);
    g_autofree char *moves = table_text(&found, "moves"), *sizes = table_text(&found, "sizes");
    g_autofree char *ping = table_text(&found, "ping"), *load = table_text(&found, "download");
    g_assert_cmpuint(lines_of(moves), ==, 1 + 3);
    g_assert_cmpuint(lines_of(sizes), ==, 1 + 3);
    g_assert_cmpuint(lines_of(ping), ==, 1 + 12 + 240);
    g_assert_cmpuint(lines_of(load), ==, 1 + 10);
    g_auto(GStrv) rows = g_strsplit(moves, "\n", -1);
    g_assert_cmpstr(rows[1], ==,
                    "again,1,0,512,a,\"b, \"\"c\"\"\",no,success,3.000,4.000,1500,900,31,104857600,"
                    ",,3,,precopy,shared,21,1,1.500,0.100000");
    g_assert_nonnull(strstr(moves, "\ndownload,1,0,512,a,\"b, \"\"c\"\"\",no,success,21.000,22.000,"
                                   "1000,,,,,,,,,,,,,\n"));
    g_assert_nonnull(strstr(ping, "\nfast,3.500000,\n"));
    g_assert_nonnull(strstr(ping, "\nslow,2.000000,1.500\n"));
    g_assert_nonnull(strstr(load, "\nwith,2.000,1500000\n"));
    evaluation_clear(&found);
}

static void test_words(void)
{
    static const struct {
        double value;
        const char *number;
    } numbers[] = {{3, "3"}, {0.934, "0.93"}, {12.34, "12.3"}, {1538.4, "1538"}, {-1, NULL}};
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
        g_autofree char *text = page_number(numbers[i].value);
        g_assert_cmpstr(text, ==, numbers[i].number);
    }
    static const struct {
        double seconds;
        const char *text;
    } spans[] = {{4.28, "4.28 s"}, {681, "11 min 21 s"}, {866.4, "14 min 26 s"}, {60, "1 min 0 s"}};
    for (guint i = 0; i < G_N_ELEMENTS(spans); i++) {
        g_autofree char *text = page_span(spans[i].seconds);
        g_assert_cmpstr(text, ==, spans[i].text);
    }
    g_autofree char *large = page_bytes(1054867456), *small = page_bytes(999);
    g_assert_cmpstr(large, ==, "1,054,867,456");
    g_assert_cmpstr(small, ==, "999");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/evaluate/bytes", test_bytes);
    g_test_add_func("/evaluate/lines", test_lines);
    g_test_add_func("/evaluate/template", test_template);
    g_test_add_func("/evaluate/own_disks", test_own_disks);
    g_test_add_func("/evaluate/address", test_address);
    g_test_add_func("/evaluate/figures", test_figures);
    g_test_add_func("/evaluate/page", test_page);
    g_test_add_func("/evaluate/page_of_little", test_page_of_little);
    g_test_add_func("/evaluate/broken_off", test_broken_off);
    g_test_add_func("/evaluate/check", test_check);
    g_test_add_func("/evaluate/tables", test_tables);
    g_test_add_func("/evaluate/modes", test_modes);
    g_test_add_func("/evaluate/summary", test_summary);
    g_test_add_func("/evaluate/words", test_words);
    return g_test_run();
}
