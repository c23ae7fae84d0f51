/*
 * Lists of hosts as people write them: "node01,node[03-12].lab,10.0.0.7". A range in
 * brackets counts with the width of its first number; several ranges stand behind commas.
 */
#pragma once

#include <glib.h>

/* More is a slip of the finger, not a list. */
#define HOST_LIST_MAX 10000

/* Appends the names of a list, each once, to `hosts` (of owned char *). */
gboolean host_list_add(GPtrArray *hosts, const char *text, GError **error);
/* The same from the text of a file: lists, one or more a line, "#" begins a comment; `file` is
 * what messages call it. */
gboolean host_list_add_text(GPtrArray *hosts, const char *text, const char *file, GError **error);
