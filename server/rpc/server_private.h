/* What server.c and the handlers share. */
#pragma once

#include "server/model/network/network.h"
#include "server/model/storage/datastore.h"
#include "server/rpc/consoles.h"
#include "server/rpc/method.h"
#include "server/rpc/server.h"

struct RpcServer {
    World *world;
    Lifecycle *lifecycle;
    Sessions *sessions;
    History *history;
    GHashTable *methods;  /* name -> GPtrArray of RpcMethod, in the order of the table */
    GThreadPool *readers; /* of monitoring history */
    Consoles *consoles;
    Outside *outside;   /* where drivers that verify users are; NULL: there are none */
    GHashTable *logins; /* number -> Login, which is login.c's */
    gboolean ending;    /* drivers are asked no more */
    /* A second opinion on rights: authorize.c */
    Request *current;           /* whose handler runs */
    GHashTable *authorizations; /* number -> Authorization: what a driver thinks about */
    GHashTable *agreements;     /* RpcCall -> what drivers agreed to, of calls under way */
    GHashTable *runs;           /* name -> Run, which is authorize.c's */
    struct Run *run;            /* what is done without a call at the moment, or NULL */
    GQueue *runs_open;          /* of Run: those that are still to be asked about */
    guint runs_asked;           /* those that drivers think about */
    gboolean runs_asking;
    guint64 authorized;
};

/* arguments.c: the row whose shape fits; NULL with the fault of the first row in `problem`, which
 * is then the request's method. */
const RpcMethod *request_choose_row(Request *request, const GPtrArray *shapes, char **problem);
/* [false, text, code, id, -1]; without the tail for callers that do not know it. (owned) */
RpcReply *request_failure_reply(Request *request, const GError *error, gint32 object);
/* One line of the log for an answer that leaves. */
void request_log_answer(const RpcCall *call, const RpcReply *reply);
/* readers.c: the threads of RpcServer.readers. (owned) */
GThreadPool *readers_new(RpcServer *server);

GHashTable *authorizations_new(void);
GHashTable *agreements_new(void);
GHashTable *runs_new(void);
/* Puts the call away until the driver of AUTHZ has said something to `asks`. */
void request_ask_driver(RpcServer *server, RpcCall *call, const char *asks);
/* FALSE: the number is of another kind of question. */
gboolean authorize_answered(RpcServer *server, guint64 number, gboolean success, const char *info);
void authorizations_end(RpcServer *server);
void rpc_server_connect_authz(RpcServer *server);

/* What that user is granted between the two is asked of the driver of AUTHZ as for a call, though
 * there is none: a scheduled action, a machine of a backup job. `name` is its own among these. When
 * the driver must be asked first it has failed and waits, for its turn to be asked about, too;
 * `again` is called when it can be tried once more, from its beginning. FALSE: it waits still, or
 * for the next start when oned ends. */
gboolean rpc_run_begin(RpcServer *server, const char *name, gint32 uid,
                       void (*again)(Lifecycle *lifecycle, gint32 id), gint32 id);
StartResult rpc_run_end(RpcServer *server, gboolean done, GError **error);
/* Calls a method as that user, in the batch at hand, within such a run. `arguments`
 * (of RpcValue) have a place for the session; the method must be one that answers at once. */
gboolean rpc_run_as(RpcServer *server, gint32 uid, const char *method, GPtrArray *arguments,
                    GError **error);

GHashTable *logins_new(void);
/* Tells the front of one user, after the commit. */
void rpc_server_publish_user(RpcServer *server, User *user);

/* The users changed: the front learns of it after the commit. */
void users_changed(Request *request, User *user);
void users_removed(Request *request, gint32 uid);
/* Membership of oneadmin's group is all rights: only an administrator gives it. */
gboolean request_may_give_group(Request *request, gint32 gid);

/* Host and datastore exist, and the caller may use them for a machine. FALSE with the error. */
gboolean place_allowed(Request *request, const VmPlace *place);

/* The caller may write this into a network. FALSE with the error. */
gboolean request_network_fits(Request *request, const Template *template);
/* A new network of the caller from a template (taken), in these clusters, or the default one when
 * there is none. NULL with the error. */
Network *request_new_network(Request *request, Template *template, const GArray *clusters);

/* Handlers, by family. */
#define HANDLER(name) RpcReply *name(Request *request)

/* methods_common.c */
HANDLER(object_info);
HANDLER(object_update);
HANDLER(object_rename);
HANDLER(object_chmod);
HANDLER(object_chown);
HANDLER(object_lock);
HANDLER(object_unlock);
HANDLER(pool_info);
HANDLER(pool_info_filtered);
/* methods_vm.c */
HANDLER(vm_allocate);
HANDLER(vm_method_deploy);
HANDLER(vm_method_action);
HANDLER(vm_method_migrate);
HANDLER(vm_method_recover);
HANDLER(vm_info);
HANDLER(vm_update);
HANDLER(vm_monitoring);
HANDLER(vmpool_info);
HANDLER(vmpool_infoextended);
HANDLER(vmpool_infoset);
HANDLER(vmpool_monitoring);
HANDLER(vmpool_info_old);
/* methods_migrate.c */
HANDLER(vm_method_migrate_with);
HANDLER(vm_method_migrate_check);
HANDLER(vm_method_migrations);
/* methods_change.c */
HANDLER(vm_method_resize);
HANDLER(vm_method_updateconf);
HANDLER(vm_method_attach);
HANDLER(vm_method_detach);
HANDLER(vm_method_diskresize);
HANDLER(vm_method_attachnic);
HANDLER(vm_method_detachnic);
HANDLER(vm_method_updatenic);
HANDLER(vm_method_attachsg);
HANDLER(vm_method_detachsg);
HANDLER(vm_method_snapshotcreate);
HANDLER(vm_method_snapshotrevert);
HANDLER(vm_method_snapshotdelete);
HANDLER(vm_method_disksnapshotcreate);
HANDLER(vm_method_disksnapshotrevert);
HANDLER(vm_method_disksnapshotdelete);
HANDLER(vm_method_disksnapshotrename);
/* methods_backup.c */
HANDLER(vm_method_backup);
HANDLER(vm_method_backupcancel);
HANDLER(vm_method_restore);
HANDLER(image_restore);
/* methods_guest.c */
HANDLER(vm_method_exec);
HANDLER(vm_method_retryexec);
HANDLER(vm_method_cancelexec);
/* methods_pci.c */
HANDLER(vm_method_attachpci);
HANDLER(vm_method_detachpci);
/* methods_backupjob.c */
HANDLER(backupjob_allocate);
HANDLER(backupjob_delete);
HANDLER(backupjob_update);
HANDLER(backupjob_method_backup);
HANDLER(backupjob_method_retry);
HANDLER(backupjob_method_cancel);
HANDLER(backupjob_priority);
HANDLER(backupjob_schedadd);
HANDLER(backupjob_schedupdate);
HANDLER(backupjob_scheddelete);
/* Has the life cycles start backups for jobs, in the names of their owners. */
void backupjobs_connect(RpcServer *server);
/* methods_console.c */
HANDLER(vm_method_console);
/* methods_host.c */
HANDLER(host_allocate);
HANDLER(host_allocate_old);
HANDLER(host_delete);
HANDLER(host_info);
HANDLER(host_status);
HANDLER(host_forceupdate);
HANDLER(host_enable);
HANDLER(host_monitoring);
HANDLER(hostpool_info);
HANDLER(hostpool_monitoring);
/* methods_user.c */
HANDLER(user_allocate);
HANDLER(user_delete);
HANDLER(user_info);
HANDLER(user_passwd);
HANDLER(user_chgrp);
HANDLER(user_enable);
HANDLER(group_allocate);
HANDLER(group_delete);
HANDLER(group_info);
HANDLER(acl_addrule);
HANDLER(acl_delrule);
HANDLER(acl_info);
/* methods_place.c */
HANDLER(cluster_allocate);
HANDLER(cluster_delete);
HANDLER(cluster_optimize);
HANDLER(cluster_planexecute);
HANDLER(cluster_plandelete);
HANDLER(cluster_addhost);
HANDLER(cluster_delhost);
HANDLER(datastore_allocate);
HANDLER(datastore_delete);
HANDLER(datastore_enable);
HANDLER(cluster_adddatastore);
HANDLER(cluster_deldatastore);
HANDLER(user_addgroup);
HANDLER(user_delgroup);
HANDLER(user_chauth);
HANDLER(user_login);
/* The host goes to the cluster, whose room and members follow. */
void cluster_move_host(Request *request, Host *host, gint32 cluster);
/* methods_group.c */
HANDLER(group_addadmin);
HANDLER(group_deladmin);
HANDLER(group_vlan);
HANDLER(vdc_allocate);
HANDLER(vdc_delete);
HANDLER(vdc_addgroup);
HANDLER(vdc_delgroup);
HANDLER(vdc_change_member);
/* methods_quota.c */
/* One image more of the caller in the datastore. FALSE with the error. */
gboolean request_image_fits_quota(Request *request, const Datastore *datastore, gint64 size);
HANDLER(user_quota);
HANDLER(group_quota);
HANDLER(userquota_info);
HANDLER(userquota_update);
HANDLER(groupquota_info);
HANDLER(groupquota_update);
HANDLER(userpool_info);
HANDLER(grouppool_info);
/* methods_network.c */
HANDLER(network_allocate);
HANDLER(network_delete);
HANDLER(network_update);
HANDLER(network_add_ar);
HANDLER(network_rm_ar);
HANDLER(network_free_ar);
HANDLER(network_update_ar);
HANDLER(network_hold);
HANDLER(network_let_go);
HANDLER(network_reserve);
HANDLER(network_recover);
HANDLER(cluster_addvnet);
HANDLER(cluster_delvnet);
/* methods_secgroup.c */
HANDLER(secgroup_allocate);
HANDLER(secgroup_clone);
HANDLER(secgroup_delete);
HANDLER(secgroup_update);
HANDLER(secgroup_commit);
/* methods_hook.c */
HANDLER(hook_allocate);
HANDLER(hook_delete);
HANDLER(hook_update);
HANDLER(hook_method_retry);
HANDLER(hooklog_info);
/* methods_zone.c */
/* Nothing is changed in a zone that is disabled. FALSE with the error. */
gboolean zone_lets(Request *request);
HANDLER(zone_allocate);
HANDLER(zone_delete);
HANDLER(zone_update);
HANDLER(zone_enable);
HANDLER(zone_addserver);
HANDLER(zone_delserver);
HANDLER(zone_resetserver);
HANDLER(zone_updatedb);
HANDLER(zone_replicate);
HANDLER(zone_fedreplicate);
HANDLER(zone_voterequest);
/* methods_vmgroup.c */
HANDLER(vmgroup_allocate);
HANDLER(vmgroup_delete);
HANDLER(vmgroup_update);
HANDLER(vmgroup_roleadd);
HANDLER(vmgroup_roledelete);
HANDLER(vmgroup_roleupdate);
HANDLER(vm_method_vmgroupadd);
HANDLER(vm_method_vmgroupdel);
/* methods_sched.c */
HANDLER(vm_method_schedadd);
HANDLER(vm_method_schedupdate);
HANDLER(vm_method_scheddelete);
/* methods_market.c */
/* A template of an image that names an app (FROM_APP) gets what the app says: PATH, MD5, FORMAT,
 * APPTEMPLATE64. FALSE with the request's error. */
gboolean request_app_becomes_image(Request *request, Template *template);
HANDLER(market_allocate);
HANDLER(market_allocatedb);
HANDLER(market_delete);
HANDLER(market_enable);
HANDLER(market_method_update);
HANDLER(market_updatedb);
HANDLER(marketapp_allocate);
HANDLER(marketapp_allocatedb);
HANDLER(marketapp_delete);
HANDLER(marketapp_dropdb);
HANDLER(marketapp_enable);
HANDLER(marketapp_update);
HANDLER(marketapp_updatedb);
/* methods_account.c */
HANDLER(vmpool_accounting);
HANDLER(vmpool_showback);
HANDLER(vmpool_calculateshowback);
HANDLER(vmpool_calculateshowback_filter);
/* methods_vrouter.c */
HANDLER(vrouter_allocate);
HANDLER(vrouter_instantiate);
HANDLER(vrouter_attachnic);
HANDLER(vrouter_detachnic);
HANDLER(vrouter_delete);
HANDLER(vrouter_update);
/* methods_image.c */
/* The image of each disk of a template, NULL for disks without. NULL with the error when the caller
 * has not that right on one of them. (of Image, borrowed; owned) */
GPtrArray *request_template_images(Request *request, const Template *template, Right right);
/* Copies the images of the template's disks, which then name the copies: NAME-disk-0 and so on,
 * whose ids `made` gets. FALSE with the error and nothing copied. */
gboolean request_copy_images(Request *request, Template *template, const char *name,
                             gboolean persistent, GArray *made);
HANDLER(image_allocate);
HANDLER(image_clone);
HANDLER(vm_method_disksaveas);
/* Whether images of that type may be persistent, or not, in the datastore. FALSE with the error. */
gboolean image_persistent_fits(Request *request, const Datastore *datastore, ImageType type,
                               gboolean persistent);
/* DISK_TYPE of an image, as its schema numbers it. */
gint image_disk_type_of(const Datastore *datastore, ImageType type);
/* methods_image_change.c */
HANDLER(image_method_delete);
HANDLER(image_enable);
HANDLER(image_persistent);
HANDLER(image_chtype);
HANDLER(image_snapshotdelete);
HANDLER(image_snapshotrevert);
HANDLER(image_snapshotflatten);
/* An update may write that into the template of an image. FALSE with the request's error. */
gboolean image_may_write(Request *request, const Template *change);
/* methods_template.c */
/* An administrator's template of machines or networks, and so whatever it holds was meant. */
gboolean request_template_is_trusted(const Object *template);
/* The template of a machine made from `source`, with the name, unless that is empty, and with what
 * the caller adds in that argument, which is not trusted. NULL with the error. (owned) */
Template *request_instance(Request *request, const Object *source, const char *name, guint at);
HANDLER(template_allocate);
HANDLER(template_clone);
HANDLER(template_delete);
HANDLER(template_info);
HANDLER(template_instantiate);
HANDLER(vntemplate_instantiate);
HANDLER(documentpool_info);
/* methods_system.c */
HANDLER(system_version);
HANDLER(zone_raftstatus);
HANDLER(system_config);
HANDLER(system_sql);
HANDLER(system_sqlquery);
HANDLER(system_list_methods);
HANDLER(system_method_signature);
HANDLER(system_method_help);
HANDLER(system_capabilities);
HANDLER(sched_wait);
/* methods_old.c */
HANDLER(pool_info_old);
HANDLER(cluster_add_old);
HANDLER(cluster_remove_old);
HANDLER(image_update_old);
HANDLER(image_rmattr_old);
HANDLER(object_publish_old);
HANDLER(network_addleases_old);
HANDLER(network_rmleases_old);
HANDLER(vm_savedisk_old);
HANDLER(document_lock_old);
/* methods_2009.c */
HANDLER(old_vmallocate);
HANDLER(old_vmdeploy);
HANDLER(old_vmaction);
HANDLER(old_vmmigrate);
HANDLER(old_vmget_info);
HANDLER(old_hostallocate);
HANDLER(old_hostinfo);
HANDLER(old_hostdelete);
HANDLER(old_hostenable);
HANDLER(old_vnallocate);
HANDLER(old_vninfo);
HANDLER(old_vndelete);

/* What a network template says about its connection on hosts can be done; `now`: the network as it
 * is, NULL for a new one. FALSE with the error. (network_check.c) */
gboolean network_connection_fits(Request *request, const Template *change, const Template *now);
