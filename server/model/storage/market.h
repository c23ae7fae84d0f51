/*
 * Marketplaces, where images and templates are kept for others, and the apps in them. What is
 * behind an app is its driver's (one_market): a directory that a web server publishes, or the
 * catalogue of somebody else, from which apps are only taken. Shapes: OpenNebula's marketplace.xsd
 * and marketplaceapp.xsd. Sizes are MiB. All of it in the core thread.
 */
#pragma once

#include "server/model/object.h"

typedef struct Market {
    Object head;
    char *mad;  /* MARKET_MAD; never NULL */
    gint state; /* 0 enabled, 1 disabled */
    gint32 zone;
    gint64 total_mb, free_mb, used_mb; /* 0: not known */
    gboolean look_again; /* it changed while it was being looked at; of this run of oned only */
    GArray *apps;        /* ids (gint32) of its apps: kept by app_create() and app_remove() */
} Market;

typedef enum {
    APP_INIT = 0,
    APP_READY = 1,
    APP_LOCKED = 2, /* its driver works on it */
    APP_ERROR = 3,  /* the reason is ERROR of its template */
    APP_DISABLED = 4,
    APP_STATES
} AppState;

typedef enum { APP_UNKNOWN, APP_IMAGE, APP_VMTEMPLATE, APP_SERVICE_TEMPLATE, APP_TYPES } AppType;

/* What the driver is doing for it; the word of each is the driver's action. */
typedef enum {
    APP_NO_WORK,
    APP_WORK_IMPORT, /* the origin image is copied into the marketplace */
    APP_WORK_DELETE,
    APP_WORKS
} AppWork;

typedef struct MarketApp {
    Object head;
    gint64 regtime;
    gint32 zone, origin, market; /* origin: an image; -1: none */
    char *source, *md5, *description, *version, *format, *template64; /* never NULL */
    char *imported; /* its name in a public catalogue; "": it was made here */
    gint64 size;
    AppState state;
    AppType type;
    AppWork work;
    guint64 request; /* in flight; of this run of oned only */
    guint tries;     /* the driver died so often under the work at hand; the same */
} MarketApp;

#define MARKET(object)     ((Market *)(object))
#define MARKET_APP(object) ((MarketApp *)(object))

Market *market_get(World *world, gint32 id);
MarketApp *app_get(World *world, gint32 id);
const char *app_state_name(AppState state);
const char *app_work_name(AppWork work);
/* IMAGE, VMTEMPLATE, SERVICE_TEMPLATE, in any case. FALSE: there is no such type. */
gboolean app_type_read(const char *word, AppType *type);

/* A new marketplace; the template is taken and has MARKET_MAD. */
Market *market_create(World *world, gint32 id, const char *name, Template *template);
/* What a new installation has: the two public ones, disabled. */
void markets_bootstrap(World *world);
/* After its template was changed: MARKET_MAD stays a plain word. */
void market_updated(World *world, Market *market);
/* What MARKET_MAD_CONF of oned.conf says of its driver: an action such as "create" is offered. */
gboolean market_offers(const World *world, const Market *market, const char *action);
/* Its apps are those of a catalogue that others keep. */
gboolean market_is_public(const World *world, const Market *market);
/* MiB of the images that are on their way into it. */
gint64 market_coming(World *world, const Market *market);
/* The name or the owner of a marketplace changed: its apps look different. */
void market_apps_touch(World *world, const Market *market);
/* Gone, with its apps and the rules of access that name them. */
void market_remove(World *world, Market *market);

/* A new app in INIT; the marketplace lists it from now on. What the template says of the app
 * itself (app_read_template) becomes its own. The template is taken. */
MarketApp *app_create(World *world, Market *market, const char *name, gint32 uid, gint32 gid,
                      AppType type, Template *template);
void app_remove(World *world, MarketApp *app);
/* Its driver does other work from now on. While an image is copied into its marketplace, the image
 * counts the app and stays as it is. */
void app_set_work(World *world, MarketApp *app, AppWork work, AppState state);
/* DESCRIPTION, VERSION and APPTEMPLATE64 of its template become its own and leave the template;
 * `driver`: SOURCE, SIZE, MD5, FORMAT, REGTIME and IMPORT_ID too, which drivers tell. */
void app_read_template(MarketApp *app, gboolean driver);
void app_set_error(World *world, MarketApp *app, const char *reason); /* NULL: no trouble */
/* The app that a catalogue calls so; NULL: there is none. (borrowed) */
MarketApp *app_imported(World *world, const Market *market, const char *name);
/* A URL that is the source of an app of a marketplace whose BASE_URL its administrator gave: it
 * may lead to the front-end itself. `template` names the app: FROM_APP. */
gboolean app_vouches(World *world, const Template *template, const char *url);

/* For world_check(): each app is in a marketplace, which lists it. */
void markets_check(World *world, GPtrArray *problems);

extern const KindOperations market_operations;
extern const KindOperations app_operations;
