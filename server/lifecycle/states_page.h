/* The page of the machines' states in share/doc, made from the tables. */
#pragma once

#include <glib.h>

char *vm_states_page(void); /* Markdown with a diagram in the language of Graphviz (owned) */
