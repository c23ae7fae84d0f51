#include "drivers/market/request.h"

#include "lib/base/error.h"
#include "lib/base/xml.h"
#include <string.h>

void market_request_free(MarketRequest *request)
{
    if (request == NULL)
        return;
    g_free(request->flavour);
    g_free(request->base_url);
    g_free(request->public_dir);
    g_free(request->endpoint);
    g_free(request->source);
    g_free(request->format);
    g_free(request->datastores);
    g_free(request);
}

/* The text at that path; NULL when there is none, or nothing but blanks. (owned) */
static char *text_of(const xmlNode *root, const char *path)
{
    g_autofree char *text = xml_get(root, path);
    return text != NULL && *g_strstrip(text) != '\0' ? g_steal_pointer(&text) : NULL;
}

static char *url_of(const xmlNode *root, const char *path)
{
    char *text = text_of(root, path);
    while (text != NULL && g_str_has_suffix(text, "/"))
        text[strlen(text) - 1] = '\0';
    return text;
}

static void read_fields(MarketRequest *request, const xmlNode *root)
{
    g_autofree char *trusted = text_of(root, "TRUSTED");
    g_autofree char *format = text_of(root, "IMAGE/FORMAT");
    request->market = xml_get_int(root, "MARKETPLACE/ID", -1);
    request->flavour = text_of(root, "MARKETPLACE/MARKET_MAD");
    request->base_url = url_of(root, "MARKETPLACE/TEMPLATE/BASE_URL");
    request->public_dir = text_of(root, "MARKETPLACE/TEMPLATE/PUBLIC_DIR");
    request->endpoint = url_of(root, "MARKETPLACE/TEMPLATE/ENDPOINT");
    request->limit_mb = MAX(xml_get_int(root, "MARKETPLACE/TEMPLATE/TOTAL_MB", 0), 0);
    request->trusted = g_strcmp0(trusted, "YES") == 0;
    request->app = xml_get_int(root, "MARKETPLACEAPP/ID", -1);
    request->regtime = xml_get_int(root, "MARKETPLACEAPP/REGTIME", 0);
    request->source = text_of(root, "IMAGE/SOURCE");
    request->format = format != NULL ? g_ascii_strdown(format, -1) : NULL;
    request->datastore = xml_get_int(root, "DATASTORE/ID", -1);
    request->datastores = text_of(root, "DATASTORE_LOCATION");
}

MarketRequest *market_request_parse(const char *payload, GError **error)
{
    gsize length = 0;
    g_autofree guchar *text = g_base64_decode(payload, &length);
    g_autoptr(xmlDoc) document = xml_read((const char *)text, length, XML_DEPTH_MAX, error);
    if (document == NULL) {
        g_prefix_error(error, "the document of the request is not readable: ");
        return NULL;
    }
    const xmlNode *root = xml_root(document);
    if (strcmp(xml_name(root), "MARKET_DRIVER_ACTION_DATA") != 0) {
        g_set_error(error, ONE_ERROR, ONE_ERROR_RPC_API,
                    "the document of the request is a %s, not a MARKET_DRIVER_ACTION_DATA",
                    xml_name(root));
        return NULL;
    }
    MarketRequest *request = g_new0(MarketRequest, 1);
    read_fields(request, root);
    return request;
}

char *market_request_file(const MarketRequest *request)
{
    return g_strdup_printf("app-%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT, request->app,
                           request->regtime);
}
