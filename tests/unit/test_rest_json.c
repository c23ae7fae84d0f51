/* Answers of REST services: documents, and what is none. */
#include "drivers/common/json.h"

#include "drivers/common/docker.h"
#include "drivers/common/lxd.h"
#include "drivers/common/rest_stream.h"
#include "drivers/im/im_rest.h"
#include "lib/base/error.h"
#include <string.h>

static JsonObject *read_text(const char *text)
{
    g_autoptr(GError) error = NULL;
    JsonObject *object = json_read(text, strlen(text), &error);
    g_assert_no_error(error);
    return object;
}

static void test_paths(void)
{
    g_autoptr(JsonObject) object = read_text(
        "{\"a\":{\"b\":{\"c\":7,\"d\":1.5,\"e\":\"x\",\"f\":true}},\"l\":[{\"n\":1},\"t\",3],"
        "\"limits.cpu\":\"2\",\"nothing\":null,\"big\":1e300}");
    g_assert_cmpint(json_int_at(object, "a.b.c", -1), ==, 7);
    g_assert_cmpint(json_int_at(object, "a.b.d", -1), ==, 1);
    g_assert_cmpint(json_int_at(object, "a.b.e", -1), ==, -1);
    g_assert_cmpint(json_int_at(object, "big", -1), ==, -1);
    g_assert_cmpint(json_int_at(object, "a.x.c", -1), ==, -1);
    g_assert_cmpstr(json_text_at(object, "a.b.e"), ==, "x");
    g_assert_null(json_text_at(object, "a.b.c"));
    g_assert_null(json_text_at(object, "a.b.e.more"));
    g_assert_null(json_text_at(object, "nothing"));
    g_assert_true(json_bool_at(object, "a.b.f"));
    g_assert_false(json_bool_at(object, "a.b.c"));
    g_assert_nonnull(json_object_at(object, "a.b"));
    g_assert_null(json_object_at(object, "l"));
    g_assert_cmpstr(json_text_of(object, "limits.cpu"), ==, "2");
    JsonArray *list = json_array_at(object, "l");
    g_assert_cmpuint(json_count(list), ==, 3);
    g_assert_cmpint(json_int_at(json_nth_object(list, 0), "n", -1), ==, 1);
    g_assert_null(json_nth_object(list, 1));
    g_assert_cmpstr(json_nth_text(list, 1), ==, "t");
    g_assert_null(json_nth_text(list, 2));
    g_assert_null(json_nth_text(list, 3));
    g_assert_cmpuint(json_count(NULL), ==, 0);
    g_assert_null(json_text_at(NULL, "a"));
}

static void test_no_documents(void)
{
    g_autofree char *deep = g_strnfill(100000, '[');
    const char *const texts[] = {"",
                                 "7",
                                 "[1]",
                                 "{",
                                 "{\"a\":}",
                                 "{\"a\":1}x",
                                 "null",
                                 "{\"a\":\xff}",
                                 deep,
                                 "\"{\"",
                                 "{a:1}",
                                 "{\"a\":1,}",
                                 "{\"a\":1}{\"a\":2}"};
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonObject) object = json_read(texts[i], strlen(texts[i]), &error);
        g_assert_null(object);
        g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
        g_assert_true(g_str_has_prefix(error->message, "the answer is no JSON document: "));
    }
}

static void test_print(void)
{
    g_autoptr(JsonObject) object = json_object_new();
    json_object_set_string_member(object, "name", "a \"b\"\n");
    g_autofree char *text = json_print(object);
    g_assert_cmpstr(text, ==, "{\"name\":\"a \\\"b\\\"\\n\"}");
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        gint64 kib;
    } rows[] = {{NULL, 0},         {"", 0},        {"64MiB", 65536},   {"512MB", 500000},
                {"1GiB", 1048576}, {"2048", 2},    {"2 GiB", 2097152}, {"50%", 0},
                {"-1GiB", 0},      {"1e30GiB", 0}, {"nanMiB", 0}};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpint(im_lxd_memory(rows[i].text), ==, rows[i].kib);
}

static void test_machines(void)
{
    g_autoptr(JsonObject) ours = read_text("{\"user.one.vid\":\"7\"}");
    g_autoptr(JsonObject) odd = read_text("{\"user.one.vid\":\"-7\"}");
    g_assert_cmpint(im_lxd_vid("any", ours), ==, 7);
    g_assert_cmpint(im_lxd_vid("any", odd), ==, -1);
    g_assert_cmpint(im_lxd_vid("one-12", NULL), ==, 12);
    g_assert_cmpstr(lxd_state_name("Running"), ==, "RUNNING");
    g_assert_cmpstr(lxd_state_name("Frozen"), ==, "PAUSED");
    g_assert_cmpstr(lxd_state_name("Stopped"), ==, "POWEROFF");
    g_assert_cmpstr(lxd_state_name("Dancing"), ==, "UNKNOWN");
    g_assert_cmpstr(lxd_state_name(NULL), ==, "UNKNOWN");
}

/* What a server may send, and what it may not. */
/* What the host shows of its containers, in both versions of the control groups. */
static void test_figures(void)
{
    static const char host[] =
        "Inter-| Receive | Transmit\n veth1: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n"
        " veth2: 1 1 0 0 0 0 0 0 2 1 0 0 0 0 0 0\n"
        "group lxc.payload.web/memory.current:2048\ngroup lxc.payload.web/cpu.stat:usage_usec 3\n"
        "group memory/lxc.payload.old/memory.usage_in_bytes:4096\n"
        "group lxc.payload.web/cgroup.events:populated 1\n"
        "group memory/lxc.payload.old/init.scope/cgroup.procs:71\n"
        "group cpuacct/lxc.payload.old/cpuacct.usage:5\ngroup lxc.payload.half/memory.current:1\n"
        "group lxc.payload.half/cgroup.events:populated 1\n"
        "group lxc.payload.left/memory.current:1\ngroup lxc.payload.left/cpu.stat:usage_usec 1\n"
        "group lxc.payload.left/cgroup.events:populated 0\n"
        "group memory/lxc.payload.left1/memory.usage_in_bytes:1\n"
        "group cpuacct/lxc.payload.left1/cpuacct.usage:1\n"
        "group lxc.payload.\ngroup nonsense\n";
    static const struct {
        const char *instance;
        gboolean whole;
        ImLxdFigures figures;
    } rows[] = {
        {"{\"name\":\"web\",\"expanded_devices\":{\"root\":{\"type\":\"disk\"},\"eth0\":{\"type\":"
         "\"nic\"},"
         "\"eth1\":{\"type\":\"nic\"}},\"expanded_config\":{\"volatile.eth0.host_name\":\"veth1\","
         "\"volatile.eth1.host_name\":\"veth2\"}}",
         TRUE,
         {3000, 2048, 22, 11}},
        {"{\"name\":\"old\"}", TRUE, {5, 4096, -1, -1}},
        {"{\"name\":\"old\",\"expanded_devices\":{\"eth0\":{\"type\":\"nic\"}}}", FALSE, {0}},
        {"{\"name\":\"half\"}", FALSE, {0}},
        {"{\"name\":\"left\"}", FALSE, {0}},
        {"{\"name\":\"left1\"}", FALSE, {0}},
        {"{\"name\":\"unseen\"}", FALSE, {0}},
        {"{}", FALSE, {0}},
    };
    g_auto(ImOutside) outside = im_outside_read(host, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(JsonObject) instance = read_text(rows[i].instance);
        ImLxdFigures found;
        g_assert_cmpint(im_lxd_figures(instance, &outside, &found), ==, rows[i].whole);
        if (rows[i].whole)
            g_assert_cmpmem(&found, sizeof found, &rows[i].figures, sizeof found);
    }
}

static void test_frames(void)
{
    static const struct {
        const char *bytes;
        gsize count;
        gssize used;
    } rows[] = {{"", 0, 0},
                {"\x81", 1, 0},
                {"\x81\x02h", 3, 0},
                {"\x81\x02hi", 4, 4},
                {"\x81\x02hi!", 5, 4},
                {"\x81\x82....hi", 8, -1},                            /* masked */
                {"\xc1\x02hi", 4, -1},                                /* reserved bits */
                {"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10, -1}, /* too long */
                {"\x82\x7e\x00\x01x", 5, 5}};
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        SocketKind kind = SOCKET_MORE;
        gboolean last = FALSE;
        const guint8 *payload = NULL;
        gsize length = 0;
        g_assert_cmpint(socket_parse((const guint8 *)rows[i].bytes, rows[i].count, &kind, &last,
                                     &payload, &length),
                        ==, rows[i].used);
        g_assert_true(rows[i].used <= 0 || last);
    }
    const gsize sizes[] = {0, 125, 126, 65535, 65536};
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *text = g_strnfill(sizes[i], 'x');
        g_autoptr(GByteArray) frame = socket_frame(SOCKET_TEXT, text, sizes[i]);
        gsize head = sizes[i] < 126 ? 6 : sizes[i] < 65536 ? 8 : 14;
        g_assert_cmpuint(frame->len, ==, head + sizes[i]);
        g_assert_cmpuint(frame->data[1] & 0x80, ==, 0x80);
        for (gsize at = 0; at < sizes[i]; at++)
            g_assert_cmpint(frame->data[head + at] ^ frame->data[head - 4 + at % 4], ==, 'x');
    }
}

static void test_docker(void)
{
    g_autoptr(JsonObject) die = read_text(
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"Attributes\":{\"name\":\"a\"}}}");
    g_autoptr(JsonObject) exec = read_text("{\"Type\":\"container\",\"Action\":\"exec_die\","
                                           "\"Actor\":{\"Attributes\":{\"name\":\"a\"}}}");
    g_autoptr(JsonObject) image = read_text("{\"Type\":\"image\",\"Action\":\"die\"}");
    g_autoptr(JsonObject) labels = read_text("{\"one.vid\":\"5\"}");
    g_autofree char *name = im_docker_event(die);
    g_assert_cmpstr(name, ==, "a");
    g_assert_null(im_docker_event(exec));
    g_assert_null(im_docker_event(image));
    g_assert_cmpint(im_docker_vid("x", labels), ==, 5);
    g_assert_cmpint(im_docker_vid("one-3", NULL), ==, 3);
    g_assert_cmpstr(docker_state_name("exited"), ==, "POWEROFF");
    g_assert_cmpstr(docker_state_name("dead"), ==, "FAILURE");
    g_assert_cmpstr(docker_state_name(NULL), ==, "UNKNOWN");
}

static void test_endpoints(void)
{
    static const char *const wrong[] = {"",         "/run/socket", "unix:",     "unix:relative",
                                        "ssh://%h", "ssh:///path", "ssh://%h/", "http://%h",
                                        "https://"};
    const RestSettings settings = {"unix:/a", "ssh://%h/a", "LXD"};
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(rest_start(&settings, wrong[i], &error));
        g_assert_error(error, ONE_ERROR, ONE_ERROR_RPC_API);
    }
    g_assert_true(rest_start(&settings, NULL, NULL));
    g_autofree char *here = rest_endpoint("localhost");
    g_autofree char *there = rest_endpoint("node01");
    g_assert_cmpstr(here, ==, "unix:/a");
    g_assert_cmpstr(there, ==, "ssh://node01/a");
    g_assert_true(rest_start(&settings, "https://%h:8443", NULL));
    g_autofree char *tls = rest_endpoint("node01");
    g_assert_cmpstr(tls, ==, "https://node01:8443");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rest/json/paths", test_paths);
    g_test_add_func("/rest/json/no-documents", test_no_documents);
    g_test_add_func("/rest/json/print", test_print);
    g_test_add_func("/rest/lxd/sizes", test_sizes);
    g_test_add_func("/rest/lxd/machines", test_machines);
    g_test_add_func("/rest/lxd/figures", test_figures);
    g_test_add_func("/rest/frames", test_frames);
    g_test_add_func("/rest/docker", test_docker);
    g_test_add_func("/rest/endpoints", test_endpoints);
    return g_test_run();
}
