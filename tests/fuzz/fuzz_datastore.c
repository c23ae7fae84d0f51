/*
 * Documents of the datastore driver from anywhere: reading them must not break, and the file
 * that they name to be made or removed is never outside their datastore.
 */
#include "drivers/common/flow.h"
#include "drivers/datastore/request.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_file(const DsRequest *request, const char *path)
{
    if (path == NULL)
        return;
    g_autofree char *directory = g_strdup_printf("/ds/%" G_GINT64_FORMAT "/", request->datastore);
    const char *name = path + strlen(directory);
    if (!g_str_has_prefix(path, directory) || name[0] == '\0' || strchr(name, '/') != NULL ||
        strcmp(name, "..") == 0 || strcmp(name, ".") == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_setenv("ONE_DATASTORES", "/ds", TRUE);
    g_setenv("ONE_VAR", "/var", TRUE);
    /* The document itself, since base64 would hide it; and the bytes as a payload. */
    g_autofree char *payload = g_base64_encode(data, size);
    g_autoptr(DsRequest) request = ds_request_parse(3, payload, NULL);
    if (request != NULL) {
        g_autofree char *target = ds_request_target(request, NULL);
        g_autofree char *source = ds_request_own_source(request, NULL);
        check_file(request, target);
        check_file(request, source);
    }
    g_autofree char *text = g_strndup((const char *)data, size);
    ds_request_free(ds_request_parse(3, text, NULL));
    ds_parse_rate(text);
    flow_packing_of(data, size);
    return 0;
}
