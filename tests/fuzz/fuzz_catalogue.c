/*
 * Catalogues and documents of the marketplace driver from anywhere: reading them must not break,
 * every list that comes of a catalogue can be read again, each app in it has a name there, and the
 * file of an app is one plain name.
 */
#include "drivers/market/catalogue.h"
#include "drivers/market/request.h"
#include "lib/template/template.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_app(const char *base64)
{
    gsize length = 0;
    g_autofree guchar *bytes = g_base64_decode(base64, &length);
    g_autofree char *text = g_strndup((const char *)bytes, length);
    g_autoptr(Template) app = template_parse(text, TEMPLATE_MODERN, NULL);
    if (app == NULL || template_get(app, "IMPORT_ID") == NULL || template_get(app, "NAME") == NULL)
        abort();
}

static void check_list(const char *list)
{
    if (list == NULL)
        return;
    g_autoptr(Template) read = template_parse(list, TEMPLATE_MODERN, NULL);
    if (read == NULL)
        abort();
    for (guint i = 0; i < template_count(read); i++)
        check_app(template_nth(read, i)->value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    g_autofree char *one = catalogue_read_one(text, size, "http://x", NULL);
    g_autofree char *containers = catalogue_read_containers(text, size, "http://x", NULL);
    check_list(one);
    check_list(containers);
    g_autofree char *payload = g_base64_encode(data, size);
    g_autoptr(MarketRequest) request = market_request_parse(payload, NULL);
    g_autofree char *file = request != NULL ? market_request_file(request) : NULL;
    if (file != NULL && (!g_str_has_prefix(file, "app-") || strchr(file, '/') != NULL))
        abort();
    return 0;
}
