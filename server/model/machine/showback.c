#include "server/model/machine/showback.h"

#include "lib/base/error.h"
#include "server/model/world.h"

#include <string.h>
#include <time.h>

/* One month of one machine. */
typedef struct Showback {
    ShowbackMonth month;
    double cpu, memory, disk; /* costs */
    double hours, running;
} Showback;

#define FIRST_YEAR 1970
#define LAST_YEAR  9999

GHashTable *showback_new(void)
{
    return g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_array_unref);
}

/* ---- months ---- */

static gint month_number(ShowbackMonth month)
{
    return month.year * 12 + month.month - 1;
}

static ShowbackMonth month_of_number(gint number)
{
    return (ShowbackMonth){number / 12, number % 12 + 1};
}

static gboolean is_open(ShowbackMonth month)
{
    return month.year == -1 && month.month == -1;
}

gboolean showback_month_fits(ShowbackMonth month, GError **error)
{
    if (is_open(month) || (month.month >= 1 && month.month <= 12 && month.year >= FIRST_YEAR &&
                           month.year <= LAST_YEAR))
        return TRUE;
    g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                "Month %d of year %d does not exist: months are 1 to 12, years %d to %d; -1 and -1 "
                "leave an end open",
                month.month, month.year, FIRST_YEAR, LAST_YEAR);
    return FALSE;
}

/* When the month begins, by the local clock. */
static gint64 beginning(gint number)
{
    struct tm tm = {
        .tm_year = number / 12 - 1900, .tm_mon = number % 12, .tm_mday = 1, .tm_isdst = -1};
    return mktime(&tm);
}

static gint month_number_at(gint64 moment)
{
    time_t time = (time_t)moment;
    struct tm tm = {0};
    localtime_r(&time, &tm);
    return (tm.tm_year + 1900) * 12 + tm.tm_mon;
}

/* ---- computing ---- */

static double overlap(gint64 begin, gint64 end, gint64 from, gint64 to, gint64 now)
{
    if (begin <= 0)
        return 0;
    gint64 first = MAX(begin, from), last = MIN(end > 0 ? end : now, to);
    return last > first ? (double)(last - first) / 3600 : 0;
}

void showback_hours(const Vm *vm, gint64 from, gint64 to, gint64 now, double *hours,
                    double *running)
{
    *hours = *running = 0;
    for (guint i = 0; i < vm->records->len; i++) {
        const VmRecord *record = vm->records->pdata[i];
        *hours += overlap(record->stime, record->etime, from, to, now);
        gint64 end = record->retime ? record->retime : record->etime;
        *running += overlap(record->rstime, end, from, to, now);
    }
}

typedef struct Prices {
    double cpu, memory, disk; /* of the whole machine, an hour */
} Prices;

static double price(World *world, const Vm *vm, const char *name)
{
    g_autofree char *key = g_strdup_printf("DEFAULT_COST/%s", name);
    double own = 0;
    return template_get_double(vm->head.template, name, &own) && own >= 0
               ? own
               : config_double(world->config, key);
}

static Prices prices_of(World *world, const Vm *vm)
{
    double cpu = 0;
    gint64 memory = 0, size, disks = 0;
    template_get_double(vm->head.template, "CPU", &cpu);
    template_get_int(vm->head.template, "MEMORY", &memory);
    const TemplateAttribute *disk;
    for (guint i = 0; (disk = template_vector(vm->head.template, "DISK", i)); i++)
        if (attribute_get_int(disk, "SIZE", &size) && size > 0)
            disks += size;
    return (Prices){cpu * price(world, vm, "CPU_COST"),
                    (double)memory * price(world, vm, "MEMORY_COST"),
                    (double)disks * price(world, vm, "DISK_COST")};
}

static void write_row(World *world, gint32 vm, const Showback *row)
{
    StoreWrite *write = store_write_new(&showback_table, STORE_PUT);
    guint i = 0;
    store_set_int(write, i++, vm);
    store_set_int(write, i++, row->month.year);
    store_set_int(write, i++, row->month.month);
    store_set_real(write, i++, row->cpu);
    store_set_real(write, i++, row->memory);
    store_set_real(write, i++, row->disk);
    store_set_real(write, i++, row->hours);
    store_set_real(write, i++, row->running);
    core_write(world->core, write);
}

static gint by_month(gconstpointer one, gconstpointer other)
{
    const Showback *a = one, *b = other;
    return month_number(a->month) - month_number(b->month);
}

/* The machine's row of that month, in order; a new one when there is none. */
static Showback *row_of(World *world, gint32 vm, ShowbackMonth month, gboolean *is_new)
{
    GArray *rows = g_hash_table_lookup(world->showback, GINT_TO_POINTER(vm));
    const Showback wanted = {.month = month};
    guint at;
    if (!rows) {
        rows = g_array_new(FALSE, FALSE, sizeof(Showback));
        g_hash_table_insert(world->showback, GINT_TO_POINTER(vm), rows);
    }
    *is_new = !g_array_binary_search(rows, &wanted, by_month, &at);
    if (*is_new) {
        for (at = rows->len;
             at > 0 && by_month(&g_array_index(rows, Showback, at - 1), &wanted) > 0; at--)
            ;
        g_array_insert_val(rows, at, wanted);
    }
    return &g_array_index(rows, Showback, at);
}

static gboolean is_equal(const Showback *one, const Showback *other)
{
    return !(one->cpu < other->cpu || one->cpu > other->cpu || one->memory < other->memory ||
             one->memory > other->memory || one->disk < other->disk || one->disk > other->disk ||
             one->hours < other->hours || one->hours > other->hours ||
             one->running < other->running || one->running > other->running);
}

static void calculate_vm(World *world, const Vm *vm, const gint64 *begins, gint first, gint last)
{
    gint64 now = core_now(world->core);
    gboolean only_running = config_bool(world->config, "SHOWBACK_ONLY_RUNNING");
    const VmRecord *oldest = vm->records->len ? vm->records->pdata[0] : NULL;
    const VmRecord *newest = vm_last_record(vm);
    if (!oldest || begins[0] >= now)
        return;
    gint64 end = newest->etime ? newest->etime : now;
    Prices prices = prices_of(world, vm);
    for (gint number = first; number <= last && begins[number - first] < end; number++) {
        gint64 from = begins[number - first], to = begins[number - first + 1];
        Showback row = {.month = month_of_number(number)};
        gboolean is_new;
        if (to <= oldest->stime)
            continue;
        showback_hours(vm, from, to, now, &row.hours, &row.running);
        if (!(row.hours > 0))
            continue;
        double charged = only_running ? row.running : row.hours;
        row.cpu = prices.cpu * charged;
        row.memory = prices.memory * charged;
        row.disk = prices.disk * charged;
        Showback *kept = row_of(world, vm->head.id, row.month, &is_new);
        if (is_new || !is_equal(kept, &row))
            write_row(world, vm->head.id, &row);
        *kept = row;
    }
}

/* The month of the oldest record of all; of now when there is none. */
static gint oldest_month(World *world)
{
    const GPtrArray *vms = world->pools[KIND_VM].order;
    gint64 oldest = core_now(world->core);
    for (guint i = 0; i < vms->len; i++) {
        const Vm *vm = vms->pdata[i];
        const VmRecord *first = vm->records->len ? vm->records->pdata[0] : NULL;
        if (first && first->stime > 0)
            oldest = MIN(oldest, first->stime);
    }
    return month_number_at(oldest);
}

gboolean showback_calculate(World *world, ShowbackMonth from, ShowbackMonth to, GError **error)
{
    if (!showback_month_fits(from, error) || !showback_month_fits(to, error))
        return FALSE;
    gint present = month_number_at(core_now(world->core)), oldest = oldest_month(world);
    gint first = is_open(from) ? oldest : MAX(month_number(from), oldest);
    gint last = is_open(to) ? present : MIN(month_number(to), present);
    if (!is_open(from) && !is_open(to) && month_number(from) > month_number(to)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "From month %d of %d to month %d of %d there is none: give the earlier one "
                    "first",
                    from.month, from.year, to.month, to.year);
        return FALSE;
    }
    if (first > last)
        return TRUE; /* before the first machine, or in the future */
    g_autofree gint64 *begins = g_new0(gint64, last - first + 2);
    for (gint number = first; number <= last + 1; number++)
        begins[number - first] = beginning(number);
    const GPtrArray *vms = world->pools[KIND_VM].order;
    for (guint i = 0; i < vms->len; i++)
        calculate_vm(world, vms->pdata[i], begins, first, last);
    return TRUE;
}

/* ---- seeing ---- */

static void render_number(GString *xml, const char *name, double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_formatd(text, sizeof text, "%.6f", value);
    gsize length = strlen(text);
    while (text[length - 1] == '0')
        length--;
    text[text[length - 1] == '.' ? length - 1 : length] = '\0';
    xml_text(xml, name, text);
}

void showback_render(World *world, const Vm *vm, ShowbackMonth from, ShowbackMonth to, GString *xml)
{
    const GArray *rows = g_hash_table_lookup(world->showback, GINT_TO_POINTER(vm->head.id));
    for (guint i = 0; rows && i < rows->len; i++) {
        const Showback *row = &g_array_index(rows, Showback, i);
        gint number = month_number(row->month);
        if ((!is_open(from) && number < month_number(from)) ||
            (!is_open(to) && number > month_number(to)))
            continue;
        g_string_append(xml, "<SHOWBACK>");
        xml_int(xml, "VMID", vm->head.id);
        xml_text(xml, "VMNAME", vm->head.name);
        xml_owner(world, &vm->head, xml);
        xml_int(xml, "YEAR", row->month.year);
        xml_int(xml, "MONTH", row->month.month);
        render_number(xml, "CPU_COST", row->cpu);
        render_number(xml, "MEMORY_COST", row->memory);
        render_number(xml, "DISK_COST", row->disk);
        render_number(xml, "TOTAL_COST", row->cpu + row->memory + row->disk);
        render_number(xml, "HOURS", row->hours);
        render_number(xml, "RHOURS", row->running);
        g_string_append(xml, "</SHOWBACK>");
    }
}

/* ---- rows ---- */

static const StoreColumn showback_columns[] = {
    {"vm", STORE_INT},        {"year", STORE_INT},         {"month", STORE_INT},
    {"cpu_cost", STORE_REAL}, {"memory_cost", STORE_REAL}, {"disk_cost", STORE_REAL},
    {"hours", STORE_REAL},    {"running", STORE_REAL},     {NULL, STORE_INT},
};
const StoreTable showback_table = {"showback", 3, showback_columns};

gboolean showback_load(World *world, const StoreValue *values, GError **error)
{
    ShowbackMonth month = {(gint)values[1].number, (gint)values[2].number};
    gboolean is_new;
    if (!vm_get(world, (gint32)values[0].number)) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_INTERNAL,
                    "show-back of month %d of %d belongs to machine %" G_GINT64_FORMAT
                    ", which does not exist",
                    month.month, month.year, values[0].number);
        return FALSE;
    }
    Showback *row = row_of(world, (gint32)values[0].number, month, &is_new);
    *row = (Showback){month,          values[3].real, values[4].real,
                      values[5].real, values[6].real, values[7].real};
    return TRUE;
}
