/*
 * The outside as the life cycles see it: drivers, logs of machines, monitoring history.
 * oned puts processes behind it (server/mads), the simulation its own inventions.
 * All functions are called in the core thread, after the commit of what explains them.
 */
#pragma once

#include "lib/base/log.h"
#include <glib.h>

typedef enum {
    DRIVER_INFORMATION,
    DRIVER_VIRTUALIZATION,
    DRIVER_TRANSFER,
    DRIVER_AUTHENTICATION, /* never asked by the life cycles */
    DRIVER_DATASTORE,
    DRIVER_HOOK,
    DRIVER_MARKET,
    DRIVER_CLASSES
} DriverClass;

/* One request to a driver; see share/doc/drivers.md for actions and payloads. */
typedef struct DriverRequest {
    DriverClass class;
    char *driver; /* as configured: "kvm", "shared", "im_xen" */
    char *action; /* "DEPLOY" */
    gint64 id;    /* of the object */
    char *payload;
    guint64 number; /* given back with the answer; 0 for requests that expect none */
    struct {
        char *path; /* NULL: none */
        char *text;
    } files[2]; /* written before the request is sent */
} DriverRequest;

void driver_request_free(DriverRequest *request);

typedef enum { SAMPLE_HOST, SAMPLE_VM } SampleKind;

typedef struct Outside Outside;
struct Outside {
    /* Sends it, or reports at once that it cannot (lifecycle_answer with success FALSE). Takes
     * ownership. */
    void (*send)(Outside *outside, DriverRequest *request);
    /* Whether such a driver is configured. */
    gboolean (*knows)(Outside *outside, DriverClass class, const char *driver);
    void (*vm_log)(Outside *outside, gint32 vm, LogLevel level, const char *module,
                   const char *text);
    /* A monitoring sample: a whole <MONITORING> element. */
    void (*sample)(Outside *outside, SampleKind kind, gint32 id, gint64 time, const char *xml);
    void (*forget)(Outside *outside, SampleKind kind, gint32 id);
    /* Whether two names stand for one driver: the same program with the same arguments. NULL: no
     * two names do. */
    gboolean (*same)(Outside *outside, DriverClass class, const char *one, const char *other);
    /* Whether the driver said at its start that it cannot do that action. FALSE when it has not
     * been started yet: then it says so when it is asked. NULL: every driver can do all. */
    gboolean (*lacks)(Outside *outside, DriverClass class, const char *driver, const char *action);
};
