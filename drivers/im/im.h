/*
 * The flavours of the information driver, and the request that they share:
 *   MONITOR hid host [directory of datastores [update [im_mad vm_mad]]]
 *   STOPMONITOR hid host
 */
#pragma once

#include "drivers/common/driver.h"
#include "drivers/common/libvirt_pool.h"
#include "drivers/common/rest.h"

typedef struct ImFlavour {
    const char *name;
    const DriverAction *actions;
    LibvirtSettings libvirt;  /* without URIs: not a flavour of libvirt */
    const RestSettings *rest; /* NULL: no daemon with a REST service */
    /* Of a flavour whose hosts are reached by ssh and nothing else: reads the pattern (NULL: its
     * own). */
    gboolean (*start)(const char *uri, GError **error);
} ImFlavour;

/* NULL when there is none of that name; im_flavour_names() then helps the user. (borrowed) */
const ImFlavour *im_flavour(const char *name);
char *im_flavour_names(void); /* (owned) */

typedef struct ImRequest {
    gint64 hid;
    char *host;
    char *ds_location; /* NULL when the request has none */
} ImRequest;

/* Hooks of the driver frame. */
gboolean im_prepare(DriverJob *job, GError **error);
char *im_queue_of(const DriverJob *job);
const ImRequest *im_request_of(const DriverJob *job); /* borrowed */
/* Ends the job with the text, coded as the protocol has it. */
void im_succeed(DriverJob *job, const char *text);

/* For flavours of libvirt, before the first request; `uri` of other hosts when it is not the
 * row's (NULL; "%h" is the host). */
void im_libvirt_start(const ImFlavour *flavour, const char *uri);
extern const char *im_flavour_name; /* what hosts of a libvirt flavour are reported as */

extern const DriverAction im_dummy_actions[];
extern const DriverAction im_libvirt_actions[];
extern const DriverAction im_lxc_actions[];
extern const DriverAction im_lxd_actions[];
extern const DriverAction im_docker_actions[];
