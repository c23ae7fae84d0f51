/* Show-back: hours of months, in local time, and what becomes of them. */
#include "server/model/machine/showback.h"
#include "tests/unit/small_world.h"

#include <time.h>

static gint64 at(gint year, gint month, gint day, gint hour)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_isdst = -1};
    return mktime(&tm);
}

static Vm *machine(SmallWorld *small, gint64 stime, gint64 rstime, gint64 retime, gint64 etime)
{
    Template *template =
        template_parse("CPU=2\nMEMORY=100\nCPU_COST=1\nMEMORY_COST=0.01", TEMPLATE_MODERN, NULL);
    Vm *vm = vm_create(small->world, "m", 0, 0, template, NULL, TRUE);
    VmRecord *record = vm_add_record(small->world, vm);
    record->stime = stime;
    record->rstime = rstime;
    record->retime = retime;
    record->etime = etime;
    return vm;
}

static void months(void)
{
    g_setenv("TZ", "Europe/Madrid", TRUE);
    tzset();
    small_now = at(2026, 5, 10, 0) * G_USEC_PER_SEC;
    SmallWorld *small = small_world_new(NULL);
    /* From the last hour of February into the second hour of April, over the change of clocks. */
    Vm *ended = machine(small, at(2026, 2, 28, 23), at(2026, 3, 1, 1), at(2026, 4, 1, 1),
                        at(2026, 4, 1, 2));
    Vm *living = machine(small, at(2026, 5, 9, 23), at(2026, 5, 9, 23), 0, 0);
    ShowbackMonth open = {-1, -1};
    g_assert_true(showback_calculate(small->world, open, open, NULL));
    g_autoptr(GString) xml = g_string_new(NULL);
    showback_render(small->world, ended, open, open, xml);
    showback_render(small->world, living, open, open, xml);
    static const char *const expected[] = {
        "<MONTH>2</MONTH><CPU_COST>2</CPU_COST><MEMORY_COST>1</MEMORY_COST><DISK_COST>0</DISK_COST>"
        "<TOTAL_COST>3</TOTAL_COST><HOURS>1</HOURS><RHOURS>0</RHOURS>",
        "<MONTH>3</MONTH><CPU_COST>1486</CPU_COST><MEMORY_COST>743</MEMORY_COST>"
        "<DISK_COST>0</DISK_COST><TOTAL_COST>2229</TOTAL_COST><HOURS>743</HOURS>"
        "<RHOURS>742</RHOURS>",
        "<MONTH>4</MONTH><CPU_COST>4</CPU_COST><MEMORY_COST>2</MEMORY_COST><DISK_COST>0</DISK_COST>"
        "<TOTAL_COST>6</TOTAL_COST><HOURS>2</HOURS><RHOURS>1</RHOURS>",
        "<MONTH>5</MONTH><CPU_COST>2</CPU_COST><MEMORY_COST>1</MEMORY_COST><DISK_COST>0</DISK_COST>"
        "<TOTAL_COST>3</TOTAL_COST><HOURS>1</HOURS><RHOURS>1</RHOURS>"};
    const char *found = xml->str;
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        found = strstr(found, expected[i]);
        g_assert_nonnull(found);
        found += strlen(expected[i]);
    }
    g_assert_null(strstr(found, "<SHOWBACK>"));
    g_string_truncate(xml, 0);
    showback_render(small->world, ended, (ShowbackMonth){2026, 4}, open, xml);
    g_assert_nonnull(strstr(xml->str, "<MONTH>4</MONTH>"));
    g_assert_null(strstr(xml->str, "<MONTH>3</MONTH>"));
    small_world_free(small);
}

static void only_what_ran(void)
{
    small_now = at(2026, 5, 10, 0) * G_USEC_PER_SEC;
    SmallWorld *small = small_world_new("SHOWBACK_ONLY_RUNNING = YES\n");
    Vm *vm =
        machine(small, at(2026, 5, 1, 0), at(2026, 5, 1, 4), at(2026, 5, 1, 7), at(2026, 5, 1, 8));
    ShowbackMonth open = {-1, -1};
    g_assert_true(showback_calculate(small->world, open, open, NULL));
    g_autoptr(GString) xml = g_string_new(NULL);
    showback_render(small->world, vm, open, open, xml);
    g_assert_nonnull(strstr(xml->str, "<CPU_COST>6</CPU_COST>"));
    g_assert_nonnull(strstr(xml->str, "<HOURS>8</HOURS><RHOURS>3</RHOURS>"));
    small_world_free(small);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/showback/months", months);
    g_test_add_func("/showback/only_what_ran", only_what_ran);
    return g_test_run();
}
