/* The page of methods in share/doc, made from the table so that it is never wrong. */
#pragma once

#include <glib.h>

char *rpc_methods_page(void); /* Markdown (owned) */
