/*
 * What attributes of a machine may hold before they become a domain document: one row each.
 * A value that no hypervisor would take is refused here, by its name and with what could
 * stand there, rather than by libvirt in words that name an element of its document.
 */
#pragma once

#include "lib/template/template.h"
#include <glib.h>
#include <libxml/tree.h>

/* Checks TEMPLATE of a machine. Empty values are as good as none. */
gboolean domain_check(const xmlNode *template, GError **error);
/* The same for an administrator's defaults. */
gboolean domain_check_defaults(const Template *defaults, GError **error);
