/*
 * Characters beyond the Basic Multilingual Plane (U+10000 and up, such as emoji), which xmlrpc-c
 * refuses though XML-RPC has them. They are written as two characters of the private use area
 * before it reads a call, and put back into the strings that it gives. A private character that
 * would pass for one of these is marked, so that every text comes back as it was.
 */
#pragma once

#include <glib.h>

/* The document with such characters hidden; NULL: there is nothing to hide, or it is not UTF-8.
 * (owned, ended with a zero) */
char *astral_hide(const char *body, gsize length, gsize *hidden);
/* Puts them back, in place. */
void astral_show(char *text);
