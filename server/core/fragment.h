/*
 * Immutable, reference-counted pieces of text: how renderings leave the core. A pool
 * reply is a list of fragments that the HTTP threads send as they are; no text is copied.
 * References may be taken and dropped in any thread.
 */
#pragma once

#include <glib.h>

typedef struct Fragment {
    gint references;
    guint length;
    char text[]; /* also ends with a NUL */
} Fragment;

Fragment *fragment_new(const char *text, gsize length);
/* The text escaped so that it may stand inside an XML element: & < > only. */
Fragment *fragment_new_escaped(const char *text, gsize length);
Fragment *fragment_ref(Fragment *fragment);
void fragment_unref(Fragment *fragment); /* NULL is fine */

typedef struct FragmentList {
    GPtrArray *items; /* of Fragment * */
    gsize length;     /* of all together */
} FragmentList;

FragmentList *fragment_list_new(guint expected);
void fragment_list_add(FragmentList *list, Fragment *fragment);       /* takes the reference */
void fragment_list_add_text(FragmentList *list, const char *escaped); /* copied */
void fragment_list_free(FragmentList *list);
