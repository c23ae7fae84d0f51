/* The embedded store: what was told to be done is there again, whatever happens between. */
#include "lib/base/error.h"
#include "server/model/world.h"
#include "server/store/store_sqlite.h"
#include "tests/unit/cpu_time.h"
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const StoreColumn host_columns[] = {{"id", STORE_INT},
                                           {"name", STORE_TEXT},
                                           {"state", STORE_INT},
                                           {"previous_state", STORE_INT},
                                           {"im_mad", STORE_TEXT},
                                           {"vm_mad", STORE_TEXT},
                                           {"cluster", STORE_INT},
                                           {"template", STORE_TEXT},
                                           {"last_monitored", STORE_INT},
                                           {NULL}};
static const StoreTable host_table = {"host", 1, host_columns};
static const StoreColumn counter_columns[] = {{"name", STORE_TEXT}, {"value", STORE_INT}, {NULL}};
static const StoreTable counter_table = {"counter", 1, counter_columns};
static const StoreTable *const tables[] = {&host_table, &counter_table, NULL};

typedef struct Fixture {
    char *directory, *path;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->directory = g_dir_make_tmp("globule-store-XXXXXX", NULL);
    g_assert_nonnull(fixture->directory);
    fixture->path = g_build_filename(fixture->directory, "one.db", NULL);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    GDir *directory = g_dir_open(fixture->directory, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(directory))) {
        g_autofree char *path = g_build_filename(fixture->directory, name, NULL);
        g_unlink(path);
    }
    g_dir_close(directory);
    g_assert_cmpint(g_rmdir(fixture->directory), ==, 0);
    g_free(fixture->directory);
    g_free(fixture->path);
}

static Store *open_store(const Fixture *fixture)
{
    GError *error = NULL;
    Store *store = store_sqlite_open(fixture->path, tables, &error);
    g_assert_no_error(error);
    return store;
}

static StoreWrite *put_host(gint64 id, const char *name)
{
    StoreWrite *write = store_write_new(&host_table, STORE_PUT);
    store_set_int(write, 0, id);
    store_set_text(write, 1, name);
    store_set_int(write, 2, 2);
    store_set_text(write, 7, "A=\"1\"");
    return write;
}

static StoreWrite *put_counter(const char *name, gint64 value)
{
    StoreWrite *write = store_write_new(&counter_table, STORE_PUT);
    store_set_text(write, 0, name);
    store_set_int(write, 1, value);
    return write;
}

static StoreWrite *delete_host(gint64 id)
{
    StoreWrite *write = store_write_new(&host_table, STORE_DELETE);
    store_set_int(write, 0, id);
    return write;
}

static StoreWrite *chain(StoreWrite *first, StoreWrite *second)
{
    StoreWrite *last = first;
    while (last->next)
        last = last->next;
    last->next = second;
    return first;
}

/* Told batches, in the order in which they came. */
typedef struct Told {
    GMutex lock;
    GArray *batches;
    char *error;
} Told;

static void told(gpointer data, guint64 batch, const GError *error)
{
    Told *self = data;
    g_mutex_lock(&self->lock);
    g_array_append_val(self->batches, batch);
    if (error && !self->error)
        self->error = g_strdup(error->message);
    g_mutex_unlock(&self->lock);
}

static void told_init(Told *self)
{
    g_mutex_init(&self->lock);
    self->batches = g_array_new(FALSE, FALSE, sizeof(guint64));
    self->error = NULL;
}

static void told_clear(Told *self)
{
    g_mutex_clear(&self->lock);
    g_array_unref(self->batches);
    g_free(self->error);
}

static gboolean print_host(const StoreValue *values, gpointer data, GError **error)
{
    g_string_append_printf(data, "%" G_GINT64_FORMAT ":%s:%" G_GINT64_FORMAT ":%s;",
                           values[0].number, values[1].text, values[2].number, values[7].text);
    return TRUE;
}

static char *hosts(Store *store)
{
    GError *error = NULL;
    GString *out = g_string_new(NULL);
    g_assert_true(store->load(store, &host_table, print_host, out, &error));
    g_assert_no_error(error);
    return g_string_free(out, FALSE);
}

static gboolean sum_rows(const StoreValue *values, gpointer data, GError **error)
{
    ((gint64 *)data)[0] += 1;
    return TRUE;
}

static gint64 count_hosts(Store *store)
{
    gint64 count = 0;
    g_assert_true(store->load(store, &host_table, sum_rows, &count, NULL));
    return count;
}

static gboolean keep_value(const StoreValue *values, gpointer data, GError **error)
{
    *(gint64 *)data = values[1].number;
    return TRUE;
}

static void round_trip(Fixture *fixture, gconstpointer data)
{
    Store *store = open_store(fixture);
    Told all;
    told_init(&all);
    store->commit(store, 1, chain(put_host(7, "b\xc3\xa9'\"\n"), put_host(3, NULL)), told, &all);
    store->flush(store);
    g_autofree char *first = hosts(store);
    g_assert_cmpstr(first, ==, "3::2:A=\"1\";7:b\xc3\xa9'\"\n:2:A=\"1\";");
    store->commit(store, 2, chain(delete_host(7), delete_host(99)), told, &all);
    store->flush(store);
    g_assert_cmpuint(all.batches->len, ==, 2);
    store->destroy(store);
    store = open_store(fixture);
    g_autofree char *second = hosts(store);
    g_assert_cmpstr(second, ==, "3::2:A=\"1\";");
    store->destroy(store);
    struct stat status;
    g_assert_cmpint(stat(fixture->path, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 0777, ==, 0600);
    told_clear(&all);
}

/* Waiting batches share transactions, yet each is told, in order. */
static void group_commit(Fixture *fixture, gconstpointer data)
{
    enum { BATCHES = 2000 };
    Store *store = open_store(fixture);
    Told all;
    told_init(&all);
    for (guint64 batch = 1; batch <= BATCHES; batch++)
        store->commit(store, batch, chain(put_host(batch, "h"), put_counter("host", batch)), told,
                      &all);
    store->commit(store, BATCHES + 1, NULL, told, &all);
    store->flush(store);
    g_assert_null(all.error);
    g_assert_cmpuint(all.batches->len, ==, BATCHES + 1);
    for (guint64 i = 0; i <= BATCHES; i++)
        g_assert_cmpuint(g_array_index(all.batches, guint64, i), ==, i + 1);
    StoreFigures figures = store_sqlite_figures(store);
    g_assert_cmpuint(figures.transactions, <, BATCHES / 2);
    g_assert_cmpuint(figures.rows, <, 2 * BATCHES); /* the counter is written once a transaction */
    g_assert_cmpint(count_hosts(store), ==, BATCHES);
    gint64 value = 0;
    g_assert_true(store->load(store, &counter_table, keep_value, &value, NULL));
    g_assert_cmpint(value, ==, BATCHES);
    store->destroy(store);
    told_clear(&all);
}

/* The last write to a row wins, whatever its kind. */
static void last_wins(Fixture *fixture, gconstpointer data)
{
    Store *store = open_store(fixture);
    store->commit(store, 1, chain(put_host(1, "a"), chain(delete_host(1), put_host(1, "b"))), NULL,
                  NULL);
    store->commit(store, 2, chain(put_host(2, "c"), delete_host(2)), NULL, NULL);
    store->flush(store);
    g_autofree char *found = hosts(store);
    g_assert_cmpstr(found, ==, "1:b:2:A=\"1\";");
    store->destroy(store);
}

/* ---- kill -9 ---- */

static void tell_parent(gpointer data, guint64 batch, const GError *error)
{
    if (!error && write(GPOINTER_TO_INT(data), &batch, sizeof batch) != sizeof batch)
        _exit(1);
}

static void commit_for_ever(const Fixture *fixture, int out, gint64 first)
{
    Store *store = open_store(fixture);
    for (gint64 batch = first;; batch++) {
        store->commit(store, batch, chain(put_host(batch, "h"), put_counter("host", batch)),
                      tell_parent, GINT_TO_POINTER(out));
        if (batch % 20 == 0)
            store->flush(store);
    }
}

/* Starts a child, kills it after `acknowledged` batches or so, returns the last that it told of. */
static guint64 kill_after(const Fixture *fixture, guint64 first, guint acknowledged)
{
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    pid_t child = fork();
    g_assert_cmpint(child, !=, -1);
    if (child == 0) {
        close(ends[0]);
        commit_for_ever(fixture, ends[1], first);
    }
    close(ends[1]);
    guint64 last = 0;
    for (guint i = 0; i < acknowledged; i++)
        g_assert_cmpint(read(ends[0], &last, sizeof last), ==, sizeof last);
    kill(child, SIGKILL);
    guint64 more;
    while (read(ends[0], &more, sizeof more) == sizeof more)
        last = more;
    close(ends[0]);
    waitpid(child, NULL, 0);
    return last;
}

static void kill_nine(Fixture *fixture, gconstpointer data)
{
    guint64 first = 1;
    for (guint round = 0; round < 8; round++) {
        guint64 last = kill_after(fixture, first, 1 + round * 37);
        g_assert_cmpuint(last, >=, first);
        gint64 before = cpu_time();
        Store *store = open_store(fixture);
        g_assert_cmpint(cpu_time() - before, <, 2 * G_TIME_SPAN_SECOND);
        gint64 counter = 0;
        g_assert_true(store->load(store, &counter_table, keep_value, &counter, NULL));
        g_assert_cmpint(counter, >=, last);
        g_assert_cmpint(count_hosts(store), ==, counter); /* whole batches, none between missing */
        store->destroy(store);
        GError *error = NULL;
        g_assert_true(store_sqlite_verify(fixture->path, &error));
        g_assert_no_error(error);
        first = counter + 1;
    }
}

/* ---- a disk that is full: here a limit on the size of files ---- */

/* What the smallest database has already, so that no file may grow. */
#define ROOM          4096
#define PATIENCE_USEC (60 * G_USEC_PER_SEC)

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    limit.rlim_cur = MIN(bytes, limit.rlim_max);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
}

/* What a batch was told: 0 nothing, 1 it is safe, -1 it failed. */
static void tell(gpointer data, guint64 batch, const GError *error)
{
    g_atomic_int_set((gint *)data, error ? -1 : 1);
}

static void room_is_waited_for(Fixture *fixture, gconstpointer data)
{
    gint first = 0, second = 0;
    signal(SIGXFSZ, SIG_IGN);
    Store *store = open_store(fixture);
    store->commit(store, 1, put_host(1, "before"), tell, &first);
    store->flush(store);
    limit_files(ROOM);
    store->commit(store, 2, put_host(2, "while"), tell, &first);
    store->commit(store, 3, put_host(3, "behind"), tell, &second);
    g_usleep(300000); /* it is tried meanwhile; where not, only less is tested */
    g_assert_cmpint(g_atomic_int_get(&second), ==, 0);
    limit_files(RLIM_INFINITY);
    gint64 until = g_get_monotonic_time() + PATIENCE_USEC;
    while (g_atomic_int_get(&second) == 0 && g_get_monotonic_time() < until)
        g_usleep(10000);
    g_assert_cmpint(g_atomic_int_get(&first), ==, 1);
    g_assert_cmpint(g_atomic_int_get(&second), ==, 1);
    g_assert_cmpint(count_hosts(store), ==, 3);
    store->destroy(store);
}

/* Who waits for all to be saved is told at once that it cannot be, and nothing later is saved. */
static void the_end_does_not_wait_for_room(Fixture *fixture, gconstpointer data)
{
    gint told = 0, later = 0;
    signal(SIGXFSZ, SIG_IGN);
    Store *store = open_store(fixture);
    store->commit(store, 1, put_host(1, "before"), NULL, NULL);
    store->flush(store);
    limit_files(ROOM);
    store->commit(store, 2, put_host(2, "lost"), tell, &told);
    store->flush(store);
    g_assert_cmpint(told, ==, -1);
    limit_files(RLIM_INFINITY);
    store->commit(store, 3, put_host(3, "later"), tell, &later);
    store->flush(store);
    g_assert_cmpint(later, ==, -1);
    store->destroy(store);
    store = open_store(fixture);
    g_assert_cmpint(count_hosts(store), ==, 1);
    store->destroy(store);
}

/* Makes the log of the database a file that cannot be written: no want of room. */
static void break_log(const Fixture *fixture)
{
    g_autofree char *name = g_strconcat(fixture->path, "-wal", NULL);
    gint broken = 0;
    for (gint file = 3; file < 1024; file++) {
        g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", file);
        g_autofree char *target = g_file_read_link(link, NULL);
        if (!target || !g_str_has_suffix(target, strrchr(name, '/')))
            continue;
        gint readable = open(name, O_RDONLY | O_CLOEXEC);
        g_assert_cmpint(readable, !=, -1);
        g_assert_cmpint(dup3(readable, file, O_CLOEXEC), ==, file);
        close(readable);
        broken++;
    }
    g_assert_cmpint(broken, >, 0);
}

static void a_broken_disk_is_not_waited_for(Fixture *fixture, gconstpointer data)
{
    gint told = 0;
    Store *store = open_store(fixture);
    store->commit(store, 1, put_host(1, "before"), NULL, NULL);
    store->flush(store);
    break_log(fixture);
    store->commit(store, 2, put_host(2, "lost"), tell, &told);
    gint64 until = g_get_monotonic_time() + PATIENCE_USEC;
    while (g_atomic_int_get(&told) == 0 && g_get_monotonic_time() < until)
        g_usleep(10000);
    g_assert_cmpint(g_atomic_int_get(&told), ==, -1);
    store->destroy(store);
}

/* ---- refusals ---- */

static void run_sql(const Fixture *fixture, const char *sql)
{
    sqlite3 *db;
    g_assert_cmpint(sqlite3_open(fixture->path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
}

static void assert_refused(const Fixture *fixture, const StoreTable *const *wanted,
                           const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(store_sqlite_open(fixture->path, wanted, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
    if (!strstr(error->message, message))
        g_error("expected \"%s\" in \"%s\"", message, error->message);
}

static void newer_version(Fixture *fixture, gconstpointer data)
{
    Store *store = open_store(fixture);
    store->destroy(store);
    run_sql(fixture, "PRAGMA user_version = 4711");
    assert_refused(fixture, tables, "has version 4711");
    g_autoptr(GError) error = NULL;
    g_assert_null(store_sqlite_open_read(fixture->path, tables, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
    g_assert_cmpint(store_sqlite_version(), >=, 1);
}

static void failed_upgrade_changes_nothing(Fixture *fixture, gconstpointer data)
{
    run_sql(fixture, "CREATE TABLE zone (something TEXT)");
    assert_refused(fixture, tables, "upgrade to version 1");
    run_sql(fixture, "DROP TABLE zone"); /* had anything stayed, the next start would fail */
    Store *store = open_store(fixture);
    store->destroy(store);
}

/* ---- a database of the version before ---- */

static void make_version_one(const Fixture *fixture)
{
    g_autofree char *sql = NULL;
    g_assert_true(g_file_get_contents("server/store/schema/001.sql", &sql, NULL, NULL));
    run_sql(fixture, sql);
    run_sql(fixture, "PRAGMA user_version = 1;"
                     "INSERT INTO host (id, name, state, vm_mad) VALUES (3, 'old', 2, 'kvm');"
                     "INSERT INTO datastore (id, name, ds_mad, tm_mad) "
                     "VALUES (1, 'default', 'fs', 'ssh');"
                     "INSERT INTO vm (id, name, state, lcm_state) VALUES (7, 'web', 3, 3);"
                     "INSERT INTO history (vm, seq, host, host_name) VALUES (7, 0, 3, 'old')");
}

static gint64 number_in(const Fixture *fixture, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    g_assert_cmpint(sqlite3_open(fixture->path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_step(statement), ==, SQLITE_ROW);
    gint64 number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}

static void upgrade_from_one(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    make_version_one(fixture);
    Store *store = store_sqlite_open(fixture->path, world_tables(), &error);
    g_assert_no_error(error);
    g_autofree char *found = hosts(store);
    g_assert_cmpstr(found, ==, "3:old:2:;");
    store->destroy(store);
    g_assert_cmpint(number_in(fixture, "PRAGMA user_version"), ==, store_sqlite_version());
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM vm WHERE name = 'web'"), ==, 1);
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM migration"), ==, 0);
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM image"), ==, 0);
    g_assert_cmpint(number_in(fixture, "SELECT host FROM vm_history WHERE vm = 7"), ==, 3);
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM vm_group"), ==, 0);
    g_assert_cmpint(number_in(fixture, "SELECT measured FROM datastore WHERE tm_mad = 'ssh'"), ==,
                    0);
}

static void make_version_two(const Fixture *fixture)
{
    g_autofree char *sql = NULL;
    make_version_one(fixture);
    g_assert_true(g_file_get_contents("server/store/schema/002.sql", &sql, NULL, NULL));
    run_sql(fixture, sql);
    run_sql(fixture, "PRAGMA user_version = 2;"
                     "INSERT INTO image (id, name) VALUES (4, 'disk')");
}

static void make_version_three(const Fixture *fixture)
{
    g_autofree char *sql = NULL;
    make_version_two(fixture);
    g_assert_true(g_file_get_contents("server/store/schema/003.sql", &sql, NULL, NULL));
    run_sql(fixture, sql);
    run_sql(fixture, "PRAGMA user_version = 3;"
                     "INSERT INTO vm (id, name, state) VALUES (8, 'asleep', 5)");
}

static void upgrade_from_two(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    make_version_two(fixture);
    Store *store = store_sqlite_open(fixture->path, world_tables(), &error);
    g_assert_no_error(error);
    store->destroy(store);
    g_assert_cmpint(number_in(fixture, "PRAGMA user_version"), ==, store_sqlite_version());
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM vm WHERE name = 'web'"), ==, 1);
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM image WHERE name = 'disk'"), ==, 1);
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM sched_action"), ==, 0);
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM cluster WHERE plan != ''"), ==, 0);
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM hook"), ==, 0);
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM hook_run"), ==, 0);
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM vrouter"), ==, 0);
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM marketplace"), ==, 0);
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM marketplace_app"), ==, 0);
    g_assert_cmpint(number_in(fixture, "SELECT hid FROM history WHERE vid = 7"), ==, 3);
    g_assert_cmpint(number_in(fixture, "SELECT state FROM vm_pool WHERE oid = 7"), ==, 3);
    g_assert_cmpint(number_in(fixture, "SELECT frozen FROM vm WHERE id = 7"), ==, -1);
}

/* How its machines were suspended is not known. */
static void upgrade_from_three(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    make_version_three(fixture);
    Store *store = store_sqlite_open(fixture->path, world_tables(), &error);
    g_assert_no_error(error);
    store->destroy(store);
    g_assert_cmpint(number_in(fixture, "PRAGMA user_version"), ==, store_sqlite_version());
    g_assert_cmpint(number_in(fixture, "SELECT count(*) FROM vm WHERE frozen = -1"), ==, 2);
    g_assert_cmpint(number_in(fixture, "SELECT state FROM vm_pool WHERE oid = 8"), ==, 5);
}

/* Of three steps at once the last fails. */
static void failed_last_step_changes_nothing(Fixture *fixture, gconstpointer data)
{
    make_version_one(fixture);
    run_sql(fixture, "ALTER TABLE vm ADD COLUMN frozen TEXT");
    assert_refused(fixture, tables, "upgrade to version 4");
    g_assert_cmpint(number_in(fixture, "PRAGMA user_version"), ==, 1);
    run_sql(fixture, "ALTER TABLE vm DROP COLUMN frozen");
    Store *store = open_store(fixture);
    store->destroy(store);
}

/* What stands in the way of the last table keeps all of it from being done. */
static void failed_second_step_changes_nothing(Fixture *fixture, gconstpointer data)
{
    make_version_one(fixture);
    run_sql(fixture, "CREATE TABLE migration (something TEXT)");
    assert_refused(fixture, tables, "upgrade to version 2");
    g_assert_cmpint(number_in(fixture, "PRAGMA user_version"), ==, 1);
    run_sql(fixture, "DROP TABLE migration");
    Store *store = open_store(fixture);
    store->destroy(store);
}

static void wrong_columns(Fixture *fixture, gconstpointer data)
{
    static const struct {
        StoreTable table;
        StoreColumn columns[4];
        const char *message;
    } cases[] = {
        {{"nothing", 1}, {{"id", STORE_INT}}, "Table nothing: the database has no such table"},
        {{"counter", 1},
         {{"name", STORE_TEXT}},
         "Table counter: the database has one more column, value"},
        {{"counter", 1},
         {{"name", STORE_TEXT}, {"worth", STORE_INT}},
         "Table counter: column 1 is value in the database and worth in the program"},
        {{"counter", 1},
         {{"name", STORE_TEXT}, {"value", STORE_TEXT}},
         "column value is INTEGER in the database and TEXT in the program"},
        {{"counter", 2},
         {{"name", STORE_TEXT}, {"value", STORE_INT}},
         "column value is not in the key"},
        {{"counter", 1},
         {{"name", STORE_TEXT}, {"value", STORE_INT}, {"more", STORE_INT}},
         "Table counter: the database lacks column more"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        StoreTable table = cases[i].table;
        table.columns = cases[i].columns;
        const StoreTable *const wanted[] = {&table, NULL};
        assert_refused(fixture, wanted, cases[i].message);
    }
}

static void not_a_database(Fixture *fixture, gconstpointer data)
{
    g_autofree char *junk = g_strnfill(8192, 'x');
    g_assert_true(g_file_set_contents(fixture->path, junk, 8192, NULL));
    assert_refused(fixture, tables, "not a database");
    g_autoptr(GError) error = NULL;
    g_assert_false(store_sqlite_verify(fixture->path, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
}

static void one_at_a_time(Fixture *fixture, gconstpointer data)
{
    Store *store = open_store(fixture);
    g_autofree char *expected = g_strdup_printf("another oned (process %d)", (gint)getpid());
    assert_refused(fixture, tables, expected);
    g_autoptr(GError) error = NULL;
    Store *reader = store_sqlite_open_read(fixture->path, tables, &error);
    g_assert_no_error(error);
    Told all;
    told_init(&all);
    reader->commit(reader, 1, put_host(1, "a"), told, &all);
    reader->flush(reader);
    g_assert_cmpuint(all.batches->len, ==, 1);
    g_assert_nonnull(strstr(all.error, "read only"));
    g_assert_cmpint(count_hosts(reader), ==, 0);
    reader->destroy(reader);
    store->destroy(store);
    told_clear(&all);
}

/* A batch that cannot be saved stops all that come after it. */
static void failure_is_final(Fixture *fixture, gconstpointer data)
{
    static const StoreColumn columns[] = {{"id", STORE_INT}, {NULL}};
    static const StoreTable missing = {"missing", 1, columns};
    Store *store = open_store(fixture);
    Told all;
    told_init(&all);
    store->commit(store, 1, put_host(1, "a"), told, &all);
    store->flush(store);
    g_assert_null(all.error);
    store->commit(store, 2, chain(put_host(2, "b"), store_write_new(&missing, STORE_PUT)), told,
                  &all);
    store->flush(store);
    g_assert_nonnull(all.error);
    g_clear_pointer(&all.error, g_free);
    store->commit(store, 3, put_host(3, "c"), told, &all);
    store->flush(store);
    g_assert_nonnull(all.error);
    g_assert_cmpuint(all.batches->len, ==, 3);
    g_assert_cmpint(count_hosts(store), ==, 1);
    store->destroy(store);
    told_clear(&all);
}

/* One row is a transaction without BEGIN and COMMIT: it fails as whole batches do. */
static void lone_row_fails(Fixture *fixture, gconstpointer data)
{
    Store *store = open_store(fixture);
    Told all;
    told_init(&all);
    store->commit(store, 1, put_host(1, "a"), told, &all);
    store->flush(store);
    run_sql(fixture, "CREATE TRIGGER refuse BEFORE INSERT ON host WHEN NEW.id = 2 "
                     "BEGIN SELECT RAISE(ABORT, 'no such host'); END");
    store->commit(store, 2, put_host(2, "b"), told, &all);
    store->flush(store);
    g_assert_nonnull(all.error);
    g_assert_nonnull(strstr(all.error, "cannot write (host): no such host"));
    store->commit(store, 3, put_host(3, "c"), told, &all);
    store->flush(store);
    g_assert_cmpuint(all.batches->len, ==, 3);
    g_assert_cmpint(count_hosts(store), ==, 1);
    store->destroy(store);
    told_clear(&all);
}

/* ---- backup and checkpoints ---- */

static void backup_while_writing(Fixture *fixture, gconstpointer data)
{
    g_autofree char *copy = g_build_filename(fixture->directory, "copy.db", NULL);
    Store *store = open_store(fixture);
    for (gint64 batch = 1; batch <= 300; batch++)
        store->commit(store, batch, chain(put_host(batch, "h"), put_counter("host", batch)), NULL,
                      NULL);
    store->flush(store);
    for (gint64 batch = 301; batch <= 3000; batch++)
        store->commit(store, batch, chain(put_host(batch, "h"), put_counter("host", batch)), NULL,
                      NULL);
    g_autoptr(GError) error = NULL;
    g_assert_true(store_sqlite_backup(fixture->path, copy, &error));
    g_assert_no_error(error);
    store->flush(store);
    g_assert_false(store_sqlite_backup(fixture->path, copy, &error));
    g_assert_error(error, ONE_ERROR, ONE_ERROR_INTERNAL);
    store->destroy(store);
    Fixture other = {fixture->directory, copy};
    g_assert_true(store_sqlite_verify(copy, NULL));
    store = open_store(&other);
    gint64 counter = 0;
    g_assert_true(store->load(store, &counter_table, keep_value, &counter, NULL));
    g_assert_cmpint(counter, >=, 300);
    g_assert_cmpint(count_hosts(store), ==, counter);
    store->destroy(store);
    struct stat status;
    g_assert_cmpint(stat(copy, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 0777, ==, 0600);
}

static void backup_failures(Fixture *fixture, gconstpointer data)
{
    g_autofree char *copy = g_build_filename(fixture->directory, "none", "copy.db", NULL);
    g_autoptr(GError) error = NULL;
    g_assert_false(store_sqlite_backup(fixture->path, copy, &error));
    g_assert_nonnull(strstr(error->message, "There is no database"));
    g_clear_error(&error);
    Store *store = open_store(fixture);
    g_assert_false(store_sqlite_backup(fixture->path, copy, &error));
    g_assert_nonnull(strstr(error->message, "No such file or directory"));
    store->destroy(store);
}

static void wal_stays_bounded(Fixture *fixture, gconstpointer data)
{
    Store *store = open_store(fixture);
    g_autofree char *text = g_strnfill(20000, 't'); /* five pages a row */
    guint largest = 0;
    for (gint64 batch = 1; batch <= 12000; batch++) {
        StoreWrite *write = put_host(batch % 500, "h");
        store_set_text(write, 7, text);
        store->commit(store, batch, write, NULL, NULL);
        if (batch % 50 == 0) {
            store->flush(store);
            largest = MAX(largest, store_sqlite_figures(store).wal_pages);
        }
    }
    store->flush(store);
    StoreFigures figures = store_sqlite_figures(store);
    g_test_message("largest WAL %u pages, begun again %u times", largest,
                   (guint)figures.checkpoints);
    g_assert_cmpuint(figures.checkpoints, >=, 2);
    g_assert_cmpuint(largest, <, 20000);
    store->destroy(store);
    g_assert_cmpint(count_hosts((store = open_store(fixture))), ==, 500);
    store->destroy(store);
}

static void damage_is_told(Fixture *fixture, gconstpointer data)
{
    Store *store = open_store(fixture);
    for (gint64 batch = 1; batch <= 500; batch++)
        store->commit(store, batch, put_host(batch, "some name"), NULL, NULL);
    store->destroy(store);
    g_autofree char *bytes = NULL;
    gsize length;
    g_assert_true(g_file_get_contents(fixture->path, &bytes, &length, NULL));
    memset(bytes + length - 4096, 0xff, 2048);
    g_assert_true(g_file_set_contents(fixture->path, bytes, length, NULL));
    g_autoptr(GError) error = NULL;
    g_assert_false(store_sqlite_verify(fixture->path, &error));
    g_assert_nonnull(strstr(error->message, "damaged"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) g_test_add("/store/" #name, Fixture, NULL, set_up, name, tear_down)
    ADD(round_trip);
    ADD(group_commit);
    ADD(last_wins);
    ADD(kill_nine);
    ADD(room_is_waited_for);
    ADD(the_end_does_not_wait_for_room);
    ADD(a_broken_disk_is_not_waited_for);
    ADD(newer_version);
    ADD(failed_upgrade_changes_nothing);
    ADD(upgrade_from_one);
    ADD(upgrade_from_two);
    ADD(upgrade_from_three);
    ADD(failed_last_step_changes_nothing);
    ADD(failed_second_step_changes_nothing);
    ADD(wrong_columns);
    ADD(not_a_database);
    ADD(one_at_a_time);
    ADD(failure_is_final);
    ADD(lone_row_fails);
    ADD(backup_while_writing);
    ADD(backup_failures);
    ADD(wal_stays_bounded);
    ADD(damage_is_told);
    return g_test_run();
}
