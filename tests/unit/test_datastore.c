/*
 * Images in a datastore of this computer: where they may come from, what becomes of their bytes,
 * and that nothing outside the datastore is touched. URLs are served by a small server here.
 */
#include "drivers/common/image.h"
#include "drivers/common/program.h"
#include "drivers/datastore/backup.h"
#include "drivers/datastore/backup_place.h"
#include "drivers/datastore/datastore.h"
#include "drivers/common/flow.h"
#include "drivers/datastore/fs.h"
#include "drivers/common/source.h"
#include "drivers/datastore/store.h"
#include "lib/base/error.h"
#include "tests/unit/sandbox.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>

static Sandbox *box; /* of the test that runs */
static GString *said;

static void keep_log(char severity, gint64 id, const char *text)
{
    g_string_append_printf(said, "%c %" G_GINT64_FORMAT " %s\n", severity, id, text);
}

/* ---- requests ---- */

static gboolean outsider; /* the images are not of administrators */

/* The payload of a document in which ~ stands for the box. (owned) */
static char *payload_of(const char *image, const char *datastore)
{
    g_autofree char *text =
        g_strdup_printf("<DS_DRIVER_ACTION_DATA><IMAGE>%s</IMAGE>"
                        "<DATASTORE><ID>1</ID>%s</DATASTORE>"
                        "<TOKEN>abc</TOKEN>%s</DS_DRIVER_ACTION_DATA>",
                        image, datastore, outsider ? "" : "<LOCAL_URLS>YES</LOCAL_URLS>");
    g_auto(GStrv) parts = g_strsplit(text, "~", -1);
    g_autofree char *whole = g_strjoinv(box->root, parts);
    return g_base64_encode((const guchar *)whole, strlen(whole));
}

static DsRequest *request_of(gint64 id, const char *image, const char *datastore)
{
    g_autofree char *payload = payload_of(image, datastore);
    g_autoptr(GError) error = NULL;
    DsRequest *request = ds_request_parse(id, payload, &error);
    g_assert_no_error(error);
    return request;
}

static gboolean never(gpointer unused)
{
    return FALSE;
}

/* What the deed tells, or its error. (owned) */
static char *attempt(DsDeed deed, gint64 id, const char *image, const char *datastore, gboolean *ok)
{
    g_autoptr(DsRequest) request = request_of(id, image, datastore);
    g_autoptr(GError) error = NULL;
    SshWatch watch = {.cancelled = never};
    DsWork work = {request, &watch, keep_log};
    char *told = deed(&work, &error);
    *ok = told != NULL;
    g_assert_true(*ok == (error == NULL));
    return told != NULL ? told : g_strdup(error->message);
}

static void expect(DsDeed deed, gint64 id, const char *image, const char *datastore,
                   const char *wanted)
{
    g_auto(GStrv) parts = g_strsplit(wanted, "~", -1);
    g_autofree char *whole = g_strjoinv(box->root, parts);
    /* All may be repeated. */
    for (int i = 0; i < 2; i++) {
        gboolean ok = FALSE;
        g_autofree char *told = attempt(deed, id, image, datastore, &ok);
        g_assert_cmpstr(told, ==, whole);
        g_assert_true(ok);
    }
}

static void expect_failure(DsDeed deed, gint64 id, const char *image, const char *datastore,
                           const char *text)
{
    gboolean ok = FALSE;
    g_autofree char *told = attempt(deed, id, image, datastore, &ok);
    if (ok || strstr(told, text) == NULL)
        g_error("\"%s\" is no failure that holds \"%s\"", told, text);
    sandbox_no_leftovers(box);
}

static gboolean exists(const char *name)
{
    g_autofree char *path = sandbox_path(box, name);
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static gboolean same(const char *one, const char *other)
{
    g_autofree char *first = sandbox_path(box, one), *second = sandbox_path(box, other);
    return sandbox_same(first, second);
}

static void run_program(const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(program_do(argv, NULL, &error));
}

/* ---- a server of files ---- */

typedef struct Server {
    int fd;
    guint16 port;
    char *content;
    gsize length;
    gboolean silent_about_length;
    gboolean trickles; /* byte by byte */
    gsize cut;         /* the connection is closed after so many bytes; 0: never */
    GThread *thread;
    gint requests, stop;
    gint64 sent;
} Server;

static void serve_one(Server *server, int peer)
{
    char request[4096] = "";
    gsize length = 0;
    while (length + 1 < sizeof request && strstr(request, "\r\n\r\n") == NULL) {
        ssize_t got = read(peer, request + length, sizeof request - length - 1);
        if (got <= 0)
            return;
        length += (gsize)got;
        request[length] = '\0';
    }
    g_atomic_int_inc(&server->requests);
    g_autofree char *size = server->silent_about_length
                                ? g_strdup("")
                                : g_strdup_printf("Content-Length: %zu\r\n", server->length);
    g_autofree char *head =
        g_strdup_printf("HTTP/1.1 %s\r\nConnection: close\r\n%s%s\r\n",
                        g_str_has_prefix(request, "GET /missing ") ? "404 Not Found"
                        : g_str_has_prefix(request, "GET /there ") ? "302 Found"
                        : g_str_has_prefix(request, "GET /trick ") ? "302 Found"
                                                                   : "200 OK",
                        g_str_has_prefix(request, "GET /missing ")
                            ? "Content-Length: 0\r\n"
                            : (g_str_has_prefix(request, "GET /there ")
                                   ? "Location: /image\r\nContent-Length: 0\r\n"
                                   : (g_str_has_prefix(request, "GET /trick ")
                                          ? "Location: file:///etc/passwd\r\nContent-Length: 0\r\n"
                                          : size)),
                        "");
    gsize most = server->cut > 0 ? server->cut : server->length;
    if (write(peer, head, strlen(head)) < 0 || strstr(head, " 200 ") == NULL)
        return;
    for (gsize at = 0; at < most;) {
        ssize_t put = send(peer, server->content + at,
                           MIN(most - at, server->trickles ? 1 : (gsize)65536), MSG_NOSIGNAL);
        if (put <= 0)
            return;
        if (server->trickles)
            g_usleep(20000);
        at += (gsize)put;
        server->sent += put;
    }
}

static gpointer serve(gpointer data)
{
    Server *server = data;
    for (;;) {
        int peer = accept(server->fd, NULL, NULL);
        if (g_atomic_int_get(&server->stop) || peer < 0) {
            if (peer >= 0)
                close(peer);
            return NULL;
        }
        serve_one(server, peer);
        close(peer);
    }
}

static void server_start(Server *server, const char *name)
{
    g_autofree char *path = sandbox_path(box, name);
    g_assert_true(g_file_get_contents(path, &server->content, &server->length, NULL));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(server->fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(server->fd, 16), ==, 0);
    g_assert_cmpint(getsockname(server->fd, (struct sockaddr *)&address, &size), ==, 0);
    server->port = ntohs(address.sin_port);
    server->thread = g_thread_new("server", serve, server);
}

static void server_stop(Server *server)
{
    g_atomic_int_set(&server->stop, TRUE);
    shutdown(server->fd, SHUT_RDWR);
    g_thread_join(server->thread);
    close(server->fd);
    g_free(server->content);
}

static char *image_at(const Server *server, const char *name, const char *more)
{
    return g_strdup_printf("<PATH>http://127.0.0.1:%u/%s</PATH>%s", server->port, name, more);
}

/* ---- tests ---- */

static void test_copy(void)
{
    SANDBOX(own);
    box = &own;
    g_free(sandbox_sparse(box, "src/image", 64 << 20, 8192));
    expect(fs_copy, 12, "<PATH>~/src/image</PATH>", "", "~/ds/1/12-abc raw");
    g_assert_true(same("src/image", "ds/1/12-abc"));
    g_autofree char *made = sandbox_path(box, "ds/1/12-abc");
    g_assert_cmpint(sandbox_kib(made), <, 1024);
    /* Another image of the same file, by its bytes: holes stay holes. */
    expect(fs_copy, 13,
           "<PATH>~/src/image</PATH><TEMPLATE><NO_DECOMPRESS>yes</NO_DECOMPRESS>"
           "<LIMIT_TRANSFER_BW>4G</LIMIT_TRANSFER_BW></TEMPLATE>",
           "", "~/ds/1/13-abc raw");
    g_assert_true(same("src/image", "ds/1/13-abc"));
    g_autofree char *other = sandbox_path(box, "ds/1/13-abc");
    g_assert_cmpint(sandbox_kib(other), <, 1024);
    expect(fs_size, 1, "<PATH>~/src/image</PATH>", "", "64");
    sandbox_no_leftovers(box);
}

static void test_checksums(void)
{
    SANDBOX(own);
    box = &own;
    g_free(sandbox_text(box, "src/a", "hello\n"));
    expect(fs_copy, 1,
           "<PATH>~/src/a</PATH><TEMPLATE><MD5>B1946AC92492D2347C6235B4D2611184</MD5>"
           "<SHA1>f572d396fae9206628714fb2ce00f72e94f2258f</SHA1><SHA256>"
           "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03</SHA256></TEMPLATE>",
           "", "~/ds/1/1-abc raw");
    expect_failure(fs_copy, 2,
                   "<PATH>~/src/a</PATH><TEMPLATE><SHA1>"
                   "0572d396fae9206628714fb2ce00f72e94f2258f</SHA1></TEMPLATE>",
                   "", "SHA1 is f572d396");
    g_assert_false(exists("ds/1/2-abc"));
    g_autofree char *payload = payload_of("<TEMPLATE><MD5>12</MD5></TEMPLATE>", "");
    g_autoptr(GError) error = NULL;
    g_assert_null(ds_request_parse(1, payload, &error));
    g_assert_nonnull(strstr(error->message, "32 hexadecimal digits"));
}

static void test_packed(void)
{
    static const char *const programs[] = {"gzip", "bzip2", "xz", "zstd"};
    SANDBOX(own);
    box = &own;
    g_autofree char *plain = sandbox_sparse(box, "src/image", 9 << 20, 300000);
    for (guint i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *missing = program_find(programs[i]);
        if (missing == NULL) {
            g_test_message("%s is not installed", programs[i]);
            continue;
        }
        g_autofree char *packed = sandbox_path(box, "src/packed");
        int out = open(packed, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        const char *const argv[] = {programs[i], "-c", plain, NULL};
        g_auto(SshResult) result = {0};
        g_assert_true(program_run(argv, -1, out, NULL, &result, NULL));
        g_assert_cmpint(result.status, ==, 0);
        close(out);
        g_autofree char *wanted = g_strdup_printf("~/ds/1/%u-abc raw", i + 1);
        g_autofree char *made = g_strdup_printf("ds/1/%u-abc", i + 1);
        expect(fs_size, 1, "<PATH>~/src/packed</PATH>", "", "9");
        expect(fs_copy, i + 1, "<PATH>~/src/packed</PATH><SIZE>9</SIZE>", "", wanted);
        g_assert_true(same("src/image", made));
        g_autofree char *file = sandbox_path(box, made);
        g_assert_cmpint(sandbox_kib(file), <, 2048);
        /* More than was reckoned for it is refused, whatever it claims. */
        expect_failure(fs_copy, 100 + i, "<PATH>~/src/packed</PATH><SIZE>2</SIZE>", "",
                       "larger than 2 MB");
        /* A compressed ramdisk stays one. */
        g_autofree char *as_it_is = g_strdup_printf("~/ds/1/%u-abc raw", 200 + i);
        expect(fs_copy, 200 + i, "<PATH>~/src/packed</PATH><TYPE>4</TYPE>", "", as_it_is);
        g_autofree char *kept = g_strdup_printf("ds/1/%u-abc", 200 + i);
        g_assert_true(same("src/packed", kept));
        /* Half of it is none. */
        g_assert_cmpint(truncate(packed, 20000), ==, 0);
        expect_failure(fs_copy, 300 + i, "<PATH>~/src/packed</PATH>", "", "cannot be unpacked");
    }
}

static void test_qcow2(void)
{
    SANDBOX(own);
    box = &own;
    g_autofree char *image = sandbox_path(box, "src/q"), *leads = sandbox_path(box, "src/leads");
    sandbox_make_parent(image);
    const char *const make[] = {"qemu-img", "create", "-q", "-f", "qcow2", image, "300M", NULL};
    const char *const lead[] = {"qemu-img", "create", "-q",  "-f",  "qcow2", "-F",
                                "qcow2",    "-b",     image, leads, NULL};
    run_program(make);
    run_program(lead);
    expect(fs_size, 1, "<PATH>~/src/q</PATH>", "", "300");
    expect(fs_copy, 1, "<PATH>~/src/q</PATH><SIZE>300</SIZE>", "", "~/ds/1/1-abc qcow2");
    expect_failure(fs_copy, 2, "<PATH>~/src/leads</PATH>", "", "qemu-img convert");
    expect_failure(fs_copy, 3, "<PATH>~/src/q</PATH>",
                   "<TEMPLATE><MAX_IMAGE_MB>299</MAX_IMAGE_MB>"
                   "</TEMPLATE>",
                   "at most MAX_IMAGE_MB = 299");
}

static void test_fences(void)
{
    SANDBOX(own);
    box = &own;
    g_free(sandbox_text(box, "src/open/a", "a"));
    g_free(sandbox_text(box, "src/closed/b", "b"));
    g_free(sandbox_text(box, "src/closed/open/c", "c"));
    g_free(sandbox_text(box, "var/secret", "s"));
    g_autofree char *link = sandbox_path(box, "src/open/link");
    g_autofree char *target = sandbox_path(box, "src/closed/b");
    g_assert_cmpint(symlink(target, link), ==, 0);
    const char *fences = "<TEMPLATE><RESTRICTED_DIRS>/bin ~/src/closed</RESTRICTED_DIRS>"
                         "<SAFE_DIRS>/var/tmp ~/src/closed/open</SAFE_DIRS></TEMPLATE>";
    expect(fs_copy, 1, "<PATH>~/src/open/a</PATH>", fences, "~/ds/1/1-abc raw");
    expect(fs_copy, 2, "<PATH>~/src/closed/open/c</PATH>", fences, "~/ds/1/2-abc raw");
    static const char *const refused[] = {
        "~/src/closed/b",
        "~/src/open/link",
        "~/src/open/../closed/b",
        "~/src/closed/open/../b",
        "~/var/secret",
        "/proc/self/environ",
        "/etc/passwd",
        "/dev/null",
    };
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *image = g_strdup_printf("<PATH>%s</PATH>", refused[i]);
        expect_failure(fs_copy, 3, image, fences, "images may not be taken from");
        expect_failure(fs_size, 3, image, fences, "images may not be taken from");
    }
    /* The root restricted, one directory open. */
    const char *all = "<TEMPLATE><RESTRICTED_DIRS>/</RESTRICTED_DIRS><SAFE_DIRS>~/src/open"
                      "</SAFE_DIRS></TEMPLATE>";
    expect(fs_copy, 4, "<PATH>~/src/open/a</PATH>", all, "~/ds/1/4-abc raw");
    expect_failure(fs_copy, 5, "<PATH>~/src/closed/open/c</PATH>", all, "SAFE_DIRS");
    expect_failure(fs_copy, 6, "<PATH>~/src</PATH>", "", "neither a file nor a block device");
    expect_failure(fs_copy, 6, "<PATH>src/open/a</PATH>", "", "absolute path");
    expect_failure(fs_copy, 6, "<PATH>ftp://host/a</PATH>", "", "http://");
    expect_failure(fs_copy, 6, "<PATH>~/src/nothing</PATH>", "", "No such file");
    expect_failure(fs_copy, 6, "<NAME>a</NAME>", "", "no PATH");
    g_autofree char *pipe = sandbox_path(box, "src/pipe");
    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    expect_failure(fs_copy, 6, "<PATH>~/src/pipe</PATH>", "", "neither a file");
}

/* A server that sends a little now and then does not hold a place of the driver for ever. */
static void test_slow_url(void)
{
    SANDBOX(own);
    box = &own;
    g_free(sandbox_sparse(box, "src/image", 1 << 20, 0));
    Server server = {.trickles = TRUE};
    server_start(&server, "src/image");
    const SourceFences fences = {.local = TRUE, .floor = 4096, .patience = 1};
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/image", server.port);
    g_autoptr(GError) error = NULL;
    g_autoptr(Source) source = source_open(url, &fences, 0, NULL, &error);
    guint8 bytes[4096];
    gssize got = 1;
    g_assert_no_error(error);
    while (got > 0)
        got = source_read(source, bytes, sizeof bytes, &error);
    g_assert_cmpint(got, ==, -1);
    g_assert_nonnull(strstr(error->message, "MIN_TRANSFER_BW"));
    source_free(g_steal_pointer(&source));
    server_stop(&server);
    expect(fs_copy, 6,
           "<PATH>~/src/image</PATH>"
           "<TEMPLATE><LIMIT_TRANSFER_BW>1M</LIMIT_TRANSFER_BW></TEMPLATE>",
           "<TEMPLATE><MIN_TRANSFER_BW>2K</MIN_TRANSFER_BW></TEMPLATE>", "~/ds/1/6-abc raw");
}

static void test_urls(void)
{
    SANDBOX(own);
    box = &own;
    g_free(sandbox_sparse(box, "src/image", 20 << 20, 1 << 20));
    Server server = {0};
    server_start(&server, "src/image");
    g_autofree char *image = image_at(&server, "image", "<SIZE>20</SIZE>");
    g_autofree char *there = image_at(&server, "there", "");
    g_autofree char *missing = image_at(&server, "missing", "");
    g_autofree char *trick = image_at(&server, "trick", "");
    expect(fs_size, 1, image, "", "20");
    g_assert_cmpint(server.sent, <, 40 << 20); /* two questions did not bring it twice */
    expect(fs_copy, 1, image, "", "~/ds/1/1-abc raw");
    g_assert_true(same("src/image", "ds/1/1-abc"));
    g_autofree char *made = sandbox_path(box, "ds/1/1-abc");
    g_assert_cmpint(sandbox_kib(made), <, 2048);
    expect(fs_copy, 2, there, "", "~/ds/1/2-abc raw");
    expect_failure(fs_copy, 3, missing, "", "404");
    expect_failure(fs_copy, 3, trick, "", "cannot be fetched");
    expect_failure(fs_size, 3, missing, "", "404");
    server.silent_about_length = TRUE;
    expect(fs_size, 1, image, "", "20");
    expect(fs_copy, 4, image, "", "~/ds/1/4-abc raw");
    server.silent_about_length = FALSE;
    /* Services of the front-end are not for everybody, by whatever name or redirection. */
    static const char local[] = "<LOCAL_URLS>YES</LOCAL_URLS>";
    g_autofree char *says = image_at(&server, "image", local);
    outsider = TRUE;
    expect_failure(fs_size, 6, image, "", "the front-end itself");
    expect_failure(fs_copy, 6, says, "", "the front-end itself");
    expect_failure(fs_copy, 6, "<PATH>http://[::ffff:127.0.0.1]:1/x</PATH>", "", "itself");
    expect_failure(fs_copy, 6, "<PATH>http://0.0.0.0:1/x</PATH>", "", "itself");
    expect_failure(fs_copy, 6, "<PATH>http://169.254.169.254/x</PATH>", "", "itself");
    expect(fs_size, 6, image, "<TEMPLATE><LOCAL_URLS>yes</LOCAL_URLS></TEMPLATE>", "20");
    outsider = FALSE;
    server.cut = 3 << 20;
    expect_failure(fs_copy, 5, image, "", "cannot be fetched");
    server_stop(&server);
    expect_failure(fs_copy, 5, image, "", "cannot be fetched");
}

static void test_make(void)
{
    SANDBOX(own);
    box = &own;
    expect(fs_make, 1, "<SIZE>64</SIZE>", "", "~/ds/1/1-abc raw");
    expect(fs_make, 2, "<SIZE>64</SIZE><FORMAT>qcow2</FORMAT>", "", "~/ds/1/2-abc qcow2");
    g_autofree char *missing = program_find("mkfs.ext4");
    if (missing != NULL) {
        expect(fs_make, 3, "<SIZE>64</SIZE><FS>ext4</FS>", "", "~/ds/1/3-abc raw");
        expect(fs_make, 4, "<SIZE>64</SIZE><FS>ext4</FS><FORMAT>qcow2</FORMAT>", "",
               "~/ds/1/4-abc qcow2");
    }
    expect(fs_size, 5, "<SOURCE>~/ds/1/2-abc</SOURCE>", "", "64");
    expect(fs_size, 5, "<SIZE>77</SIZE>", "", "77");
    expect_failure(fs_make, 6, "<SIZE>64</SIZE><FORMAT>vmdk</FORMAT>", "", "known are raw, qcow2");
    expect_failure(fs_make, 6, "<SIZE>0</SIZE>", "", "SIZE of at least 1");
}

static void test_clone_and_remove(void)
{
    SANDBOX(own);
    box = &own;
    g_free(sandbox_sparse(box, "ds/7/3-x", 8 << 20, 4096));
    g_free(sandbox_text(box, "src/outside", "o"));
    g_autofree char *link = sandbox_path(box, "ds/7/link");
    g_assert_cmpint(symlink("/etc/passwd", link), ==, 0);
    expect(fs_clone, 9, "<PATH>~/ds/7/3-x</PATH>", "", "~/ds/1/9-abc raw");
    g_assert_true(same("ds/7/3-x", "ds/1/9-abc"));
    expect_failure(fs_clone, 10, "<PATH>~/src/outside</PATH>", "", "not touched");
    expect_failure(fs_clone, 10, "<PATH>~/ds/7/../../src/outside</PATH>", "", "not touched");
    expect_failure(fs_clone, 10, "<PATH>~/ds/7/link</PATH>", "", "cannot be read");
    expect_failure(fs_clone, 10, "", "", "no PATH");
    /* Only what is this datastore's own is removed. */
    static const char *const others[] = {"~/ds/7/3-x", "~/src/outside", "~/ds/1/../7/3-x",
                                         "~/ds/1",     "/etc/passwd",   "~/ds/1/sub/x"};
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autofree char *image = g_strdup_printf("<SOURCE>%s</SOURCE>", others[i]);
        expect_failure(fs_remove, 9, image, "", "not touched");
    }
    g_assert_true(exists("ds/7/3-x"));
    g_free(sandbox_text(box, "ds/1/9-abc.snap/0", "snapshot"));
    expect(fs_remove, 9, "<SOURCE>~/ds/1/9-abc</SOURCE>", "", "-");
    g_assert_false(exists("ds/1/9-abc"));
    g_assert_false(exists("ds/1/9-abc.snap"));
    /* One that was only begun, by its id and token. */
    g_free(sandbox_text(box, "ds/1/11-abc.part", "half"));
    expect(fs_remove, 11, "", "", "-");
    g_assert_false(exists("ds/1/11-abc.part"));
}

static void test_snapshots(void)
{
    SANDBOX(own);
    box = &own;
    g_free(sandbox_text(box, "ds/1/5-abc", "now"));
    g_free(sandbox_text(box, "ds/1/5-abc.snap/0", "then"));
    g_free(sandbox_text(box, "ds/1/5-abc.snap/1", "between"));
    const char *zero = "<SOURCE>~/ds/1/5-abc</SOURCE><TEMPLATE><TARGET_SNAPSHOT>0"
                       "</TARGET_SNAPSHOT></TEMPLATE>";
    expect(fs_revert, 5, zero, "", "-");
    sandbox_expect(box, "ds/1/5-abc", "then");
    expect(fs_forget, 5, zero, "", "-");
    g_assert_false(exists("ds/1/5-abc.snap/0"));
    expect_failure(fs_revert, 5, zero, "", "ds/1/5-abc.snap/0");
    expect_failure(fs_forget, 5, "<SOURCE>~/ds/1/5-abc</SOURCE>", "", "TARGET_SNAPSHOT");
    expect(fs_flatten, 5, "<SOURCE>~/ds/1/5-abc</SOURCE>", "", "-");
    g_assert_false(exists("ds/1/5-abc.snap"));
    sandbox_expect(box, "ds/1/5-abc", "then");
    /* Of a snapshot: the image is that one; asked again, it is so already. */
    g_free(sandbox_text(box, "ds/1/5-abc.snap/0", "chosen"));
    g_free(sandbox_text(box, "ds/1/5-abc.snap/1", "other"));
    for (guint i = 0; i < 2; i++) {
        expect(fs_flatten, 5, zero, "", "-");
        g_assert_false(exists("ds/1/5-abc.snap"));
        sandbox_expect(box, "ds/1/5-abc", "chosen");
    }
}

/* A disk that is not what it is said to be makes no backup that nothing could be restored from. */
static void test_backup_formats(void)
{
    SANDBOX(own);
    box = &own;
#define ORDER(format)                                                                              \
    "<X/></IMAGE><BACKUP><NUMBER>0</NUMBER><PARENT>-1</PARENT><KNOWN/><DISKS>0</DISKS>"            \
    "<FORMATS>" format "</FORMATS></BACKUP><IMAGE><X/>"
    static const char qcow2[] = ORDER("qcow2"), raw[] = ORDER("raw");
#undef ORDER
    g_autofree char *program = program_find("qemu-img");
    g_free(sandbox_sparse(box, "ds/1/7-abc.disk.0", 1 << 20, 4096));
    expect_failure(backup_keep, 7, qcow2, "", "is no qcow2 image");
    g_assert_true(exists("ds/1/7-abc.disk.0"));
    g_assert_false(exists("ds/1/7-abc/0"));
    if (program == NULL)
        return;
    expect(backup_keep, 7, raw, "", "0 1 full");
    g_assert_false(exists("ds/1/7-abc.disk.0"));
    /* One that is whole need not become so; what is none is not taken for that. */
    expect(backup_flatten, 7, raw, "", "1");
    g_free(sandbox_text(box, "ds/1/7-abc/0/disk.0", "cut off"));
    expect_failure(backup_flatten, 7, raw, "", "is no qcow2 image");
}

static void write_program(const char *name, const char *text)
{
    g_autofree char *path = sandbox_text(box, name, text);
    g_assert_cmpint(g_chmod(path, 0755), ==, 0);
}

static gpointer flatten_there(gpointer unused)
{
    g_autoptr(DsRequest) request = request_of(
        7,
        "<X/></IMAGE><BACKUP><NUMBER>2</NUMBER><PARENT>-1</PARENT><KNOWN/><DISKS>0</DISKS>"
        "</BACKUP><IMAGE><X/>",
        "<TEMPLATE><RSYNC_HOST>keeper</RSYNC_HOST></TEMPLATE>");
    g_autoptr(GError) error = NULL;
    SshWatch watch = {.cancelled = never};
    DsWork work = {request, &watch, keep_log};
    g_autofree char *target = sandbox_path(box, "ds/1/7-abc");
    g_autofree char *told = backup_flatten_there(&work, target, &error);
    g_assert_no_error(error);
    return GINT_TO_POINTER(told != NULL);
}

/* Asked for again while the script of a driver that was killed still works there: one after the
 * other, and the series is whole. */
static void test_flatten_there_twice(void)
{
    SANDBOX(own);
    box = &own;
    g_autofree char *before = g_strdup(g_getenv("PATH"));
    g_autofree char *programs = sandbox_path(box, "bin");
    g_autofree char *path = g_strconcat(programs, ":", before, NULL);
    g_autofree char *log = sandbox_path(box, "log");
    g_autofree char *slow = g_strdup_printf("#!/bin/sh\nfor last; do :; done\necho begin >>%s\n"
                                            "sleep 0.2\necho whole >$last\necho end >>%s\n",
                                            log, log);
    write_program("bin/ssh", "#!/bin/sh\nfor last; do :; done\nexec sh -c \"$last\"\n");
    write_program("bin/qemu-img", slow);
    g_setenv("PATH", path, TRUE);
    for (guint i = 0; i < 4; i++) {
        g_autofree char *disk = g_strdup_printf("ds/1/7-abc/%u/disk.0", i);
        g_free(sandbox_text(box, disk, "increment"));
    }
    GThread *first = g_thread_new("first", flatten_there, NULL);
    g_assert_true(GPOINTER_TO_INT(flatten_there(NULL)));
    g_assert_true(GPOINTER_TO_INT(g_thread_join(first)));
    g_setenv("PATH", before, TRUE);
    sandbox_expect(box, "log", "begin\nend\nbegin\nend\n");
    sandbox_expect(box, "ds/1/7-abc/2/disk.0", "whole\n");
    g_assert_false(exists("ds/1/7-abc/1"));
    g_assert_true(exists("ds/1/7-abc/3"));
    /* It takes no file of its own, which a full server would not give. */
    g_assert_false(exists("ds/1/7-abc/.lock"));
}

static void test_room(void)
{
    SANDBOX(own);
    box = &own;
    gboolean ok = FALSE;
    gsize length;
    g_autofree char *told = attempt(fs_monitor, 1, "", "", &ok);
    g_autofree char *text = (char *)g_base64_decode(told, &length);
    g_assert_true(ok);
    g_assert_true(g_str_has_prefix(text, "TOTAL_MB="));
    g_assert_nonnull(strstr(text, "\nUSED_MB="));
    g_assert_nonnull(strstr(text, "\nFREE_MB="));
}

/* Two at work on one image: the second waits, even when the first is another process that dies. */
static void test_lock(void)
{
    SANDBOX(own);
    box = &own;
    int begun[2];
    g_assert_cmpint(pipe(begun), ==, 0);
    pid_t child = fork();
    if (child == 0) {
        StoreLock held = {-1};
        gboolean ok = store_lock(&held, 4, NULL, NULL);
        (void)!write(begun[1], ok ? "y" : "n", 1);
        for (;;)
            pause();
    }
    char answer = 0;
    g_assert_cmpint(read(begun[0], &answer, 1), ==, 1);
    g_assert_cmpint(answer, ==, 'y');
    /* Another image is free, and its lock goes at the end of the block. */
    {
        g_auto(StoreLock) other = {-1};
        g_assert_true(store_lock(&other, 5, NULL, NULL));
        store_unwanted(5);
        g_assert_true(store_is_unwanted(5));
        store_unwanted(6);
        g_assert_false(store_is_unwanted(6));
    }
    g_assert_false(store_is_unwanted(5));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    g_auto(StoreLock) lock = {-1};
    g_assert_true(store_lock(&lock, 4, NULL, NULL));
    close(begun[0]);
    close(begun[1]);
}

/* What was left half made by a driver that was killed goes with the next request. */
static void test_half(void)
{
    SANDBOX(own);
    box = &own;
    g_free(sandbox_text(box, "src/a", "whole"));
    g_free(sandbox_text(box, "ds/1/1-abc.part", "half of another"));
    expect(fs_copy, 1, "<PATH>~/src/a</PATH>", "", "~/ds/1/1-abc raw");
    sandbox_expect(box, "ds/1/1-abc", "whole");
    sandbox_no_leftovers(box);
}

static void test_documents(void)
{
    SANDBOX(own);
    box = &own;
    static const struct {
        const char *document;
        const char *error;
    } bad[] = {
        {"", "not readable"},
        {"<A/>", "is a A, not a DS_DRIVER_ACTION_DATA"},
        {"<DS_DRIVER_ACTION_DATA><TOKEN>../x</TOKEN></DS_DRIVER_ACTION_DATA>", "the token has"},
        {"<DS_DRIVER_ACTION_DATA><IMAGE><SIZE>-1</SIZE></IMAGE></DS_DRIVER_ACTION_DATA>",
         "SIZE is \"-1\""},
        {"<DS_DRIVER_ACTION_DATA><LIMIT_TRANSFER_BW>fast</LIMIT_TRANSFER_BW>"
         "</DS_DRIVER_ACTION_DATA>",
         "such as 500K or 10M"},
        {"<DS_DRIVER_ACTION_DATA><LIMIT_TRANSFER_BW>1K</LIMIT_TRANSFER_BW>"
         "</DS_DRIVER_ACTION_DATA>",
         "MIN_TRANSFER_BW"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *payload =
            g_base64_encode((const guchar *)bad[i].document, strlen(bad[i].document));
        g_autoptr(GError) error = NULL;
        g_assert_null(ds_request_parse(1, payload, &error));
        if (strstr(error->message, bad[i].error) == NULL)
            g_error("\"%s\" does not hold \"%s\"", error->message, bad[i].error);
    }
    g_assert_cmpuint(ds_parse_rate("10M"), ==, 10 << 20);
    g_assert_cmpuint(ds_parse_rate("500k"), ==, 500 << 10);
    g_assert_cmpuint(ds_parse_rate("7"), ==, 7);
    g_assert_cmpuint(ds_parse_rate("-7"), ==, 0);
    g_assert_cmpuint(ds_parse_rate("7MB"), ==, 0);
    g_assert_cmpuint(ds_parse_rate("99999999999G"), ==, 0);
    /* Without a token the name is the same each time. */
    static const char whole[] = "<DS_DRIVER_ACTION_DATA><IMAGE><NAME>a</NAME></IMAGE>"
                                "<DATASTORE><ID>1</ID></DATASTORE></DS_DRIVER_ACTION_DATA>";
    g_autofree char *payload = g_base64_encode((const guchar *)whole, sizeof whole - 1);
    g_autoptr(DsRequest) one = ds_request_parse(1, payload, NULL);
    g_autoptr(DsRequest) other = ds_request_parse(1, payload, NULL);
    g_assert_nonnull(one);
    g_autofree char *first = ds_request_target(one, NULL), *second = ds_request_target(other, NULL);
    g_assert_nonnull(first);
    g_assert_cmpstr(first, ==, second);
}

/* ---- the program: lines in, lines out ---- */

typedef struct Conversation {
    int in[2], out[2];
    GThread *thread;
    Driver driver;
} Conversation;

static gpointer converse(gpointer data)
{
    Conversation *talk = data;
    driver_serve(&talk->driver, talk->in[0], talk->out[1]);
    close(talk->out[1]);
    return NULL;
}

/* What it answers to these lines, until it ends. (owned) */
static char *talk_with(const char *flavours, const char *lines)
{
    Conversation talk = {0};
    g_autoptr(GError) error = NULL;
    g_assert_true(datastore_init(flavours, &error));
    talk.driver = datastore_driver(0, 0);
    g_assert_cmpint(pipe(talk.in), ==, 0);
    g_assert_cmpint(pipe(talk.out), ==, 0);
    talk.thread = g_thread_new("driver", converse, &talk);
    g_assert_cmpint(write(talk.in[1], lines, strlen(lines)), ==, (gssize)strlen(lines));
    close(talk.in[1]);
    GString *heard = g_string_new(NULL);
    char buffer[4096];
    for (ssize_t got; (got = read(talk.out[0], buffer, sizeof buffer)) > 0;)
        g_string_append_len(heard, buffer, got);
    g_thread_join(talk.thread);
    close(talk.in[0]);
    close(talk.out[0]);
    return g_string_free(heard, FALSE);
}

static void expect_line(const char *heard, const char *line)
{
    if (strstr(heard, line) == NULL)
        g_error("no \"%s\" in: %s", line, heard);
}

static void test_lines(void)
{
    SANDBOX(own);
    box = &own;
    g_free(sandbox_text(box, "src/a", "a"));
    g_free(sandbox_text(box, "var/dummy/control",
                        "CLONE latency=0.05 fail=1\nMKFS datastore-1 lost=1\n"));
    g_autofree char *real = payload_of("<PATH>~/src/a</PATH>", "<DS_MAD>fs</DS_MAD>");
    g_autofree char *dummy = payload_of("<FORMAT>qcow2</FORMAT>", "<DS_MAD>dummy</DS_MAD>");
    g_autofree char *none = payload_of("", "<DS_MAD>ceph</DS_MAD>");
    for (int both = 0; both < 2; both++) {
        g_autofree char *lines = g_strdup_printf(
            "INIT\nCP 1 %s\nCP 2 %s\nCLONE 3 %s\nMKFS 4 %s\nSTAT 5 %s\nCP 6 %s\nRM 7 %s\n"
            "CP 8 ****\nBOIL 9 %s\n",
            real, dummy, dummy, dummy, dummy, none, dummy, dummy);
        g_autofree char *heard = talk_with(both ? "lvm,dummy, fs,ceph" : "dummy", lines);
        expect_line(heard, "INIT SUCCESS");
        if (both) {
            g_autofree char *made = g_strdup_printf("CP SUCCESS 1 %s/ds/1/1-abc raw\n", box->root);
            expect_line(heard, made);
        } else {
            expect_line(heard, "CP FAILURE 1 one_datastore does not serve DS_MAD \"fs\"");
        }
        g_autofree char *two = g_strdup_printf("CP SUCCESS 2 %s/ds/1/2-abc qcow2\n", box->root);
        expect_line(heard, two);
        expect_line(heard, "CLONE FAILURE 3 CLONE failed in datastore-1 (simulated)");
        expect_line(heard, "STAT SUCCESS 5 1024\n");
        expect_line(heard, "CP FAILURE 6 one_datastore does not serve DS_MAD \"ceph\"");
        expect_line(heard, "RM SUCCESS 7 -\n");
        expect_line(heard, "CP FAILURE 8 the document of the request is not readable");
        expect_line(heard, "BOIL FAILURE 9 ");
        if (strstr(heard, "MKFS SUCCESS") != NULL || strstr(heard, "MKFS FAILURE") != NULL)
            g_error("an answer that was to be lost: %s", heard);
    }
    g_autoptr(GError) error = NULL;
    g_assert_false(datastore_init("lvm,ceph", &error));
    g_assert_nonnull(strstr(error->message, "known are fs, rsync, dummy"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    said = g_string_new(NULL);
    g_test_add_func("/datastore/documents", test_documents);
    g_test_add_func("/datastore/copy", test_copy);
    g_test_add_func("/datastore/checksums", test_checksums);
    g_test_add_func("/datastore/packed", test_packed);
    g_test_add_func("/datastore/qcow2", test_qcow2);
    g_test_add_func("/datastore/fences", test_fences);
    g_test_add_func("/datastore/urls", test_urls);
    g_test_add_func("/datastore/slow-url", test_slow_url);
    g_test_add_func("/datastore/make", test_make);
    g_test_add_func("/datastore/clone-and-remove", test_clone_and_remove);
    g_test_add_func("/datastore/snapshots", test_snapshots);
    g_test_add_func("/datastore/flatten-there-twice", test_flatten_there_twice);
    g_test_add_func("/datastore/backup-formats", test_backup_formats);
    g_test_add_func("/datastore/room", test_room);
    g_test_add_func("/datastore/lock", test_lock);
    g_test_add_func("/datastore/half", test_half);
    g_test_add_func("/datastore/lines", test_lines);
    int failed = g_test_run();
    g_string_free(said, TRUE);
    curl_global_cleanup();
    return failed;
}
