/*
 * Logins that a driver of AUTH_MAD verifies. The sessions ask here, the driver is asked in the core
 * thread, which goes on with other work; what it says is judged, and users that it introduces are
 * made, before the caller hears of it. See share/doc/access.md and share/doc/drivers.md.
 */
#pragma once

#include "server/lifecycle/outside.h"
#include "server/rpc/server.h"

/* Longest secret that a driver is given, in bytes: chains of certificates need some room. */
#define LOGIN_SECRET_MAX (64 * 1024)

/* Lets the sessions of the server ask the drivers behind `outside`, which stays the caller's. */
void rpc_server_connect_drivers(RpcServer *server, Outside *outside);
/* What a driver said, or why it could not be asked; in the core thread. */
void rpc_login_answered(guint64 number, gboolean success, const char *info, gpointer server);
void rpc_login_failed(guint64 number, const char *why, gpointer server);
/* Questions still open are answered: the server is ending. */
void rpc_logins_end(RpcServer *server);
/* The configuration was read again. */
void rpc_logins_reconfigured(RpcServer *server);

/* For the handlers: may a user have this driver? "core" and "public" need no entry in AUTH_MAD. */
gboolean auth_driver_exists(World *world, const char *driver);
/* A YES of AUTH_MAD_CONF. */
gboolean auth_driver_says(World *world, const char *driver, const char *member, gboolean otherwise);
/* Seconds that a login token of its users may be valid; -1: no limit. */
gint64 auth_driver_token_time(World *world, const char *driver);
