/* Lines of drivers: no input may crash the reader, and what it accepts it prints again. */
#include "lib/mad/line.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const char *text)
{
    g_auto(MadLine) line = {0};
    g_auto(MadLine) again = {0};
    g_autoptr(GError) error = NULL;
    if (!mad_parse_request(text, &line, &error))
        return;
    g_autofree char *printed =
        mad_print_request(line.action, line.id, line.payload, line.epoch, line.request);
    printed[strlen(printed) - 1] = '\0';
    g_assert_true(mad_parse_request(printed, &again, NULL));
    g_assert_cmpstr(line.action, ==, again.action);
}

static void check_result(const char *text)
{
    g_auto(MadLine) line = {0};
    g_auto(MadLine) again = {0};
    g_autoptr(GError) error = NULL;
    if (!mad_parse_result(text, &line, &error) || line.status == MAD_NO_STATUS)
        return;
    g_assert_true(g_utf8_validate(line.payload, -1, NULL));
    g_autofree char *printed =
        mad_print_result(line.action, line.status, line.id, line.payload, line.epoch, line.request);
    printed[strlen(printed) - 1] = '\0';
    g_assert_true(mad_parse_result(printed, &again, NULL));
    g_assert_cmpstr(line.action, ==, again.action);
    g_assert_true(line.status == again.status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    check_request(text);
    check_result(text);
    return 0;
}
