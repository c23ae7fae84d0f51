/*
 * Patterns of fnmatch(3) with flags 0, prepared once and matched many times. The time of a
 * match grows with the product of the lengths at worst, where fnmatch() itself can be made to
 * take years: patterns are written by strangers.
 * One difference: "?" matches one character of UTF-8 text, whatever the locale.
 */
#pragma once

#include <glib.h>

typedef struct Glob Glob;

/* Bracket expressions in one pattern; more of them make glob_new() answer NULL. */
#define GLOB_SETS_MAX 64

Glob *glob_new(const char *pattern);
void glob_free(Glob *glob); /* NULL is fine */
gboolean glob_matches(const Glob *glob, const char *text);
