/*
 * Flavour "http": apps are files of a directory, PUBLIC_DIR, that some web server publishes as
 * BASE_URL. A file is written as NAME.part and renamed when it is whole and on the disk; everything
 * may be asked again.
 */
#pragma once

#include "drivers/market/request.h"
#include "lib/ssh/ssh.h"

/* Each: what the success tells (owned), or NULL with an error. `watch` may be NULL. */
char *published_import(const MarketRequest *request, const SshWatch *watch, GError **error);
char *published_delete(const MarketRequest *request, const SshWatch *watch, GError **error);
char *published_monitor(const MarketRequest *request, const SshWatch *watch, GError **error);
