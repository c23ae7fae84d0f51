/*
 * Pieces of the report's page. Texts from outside (names, reasons) are escaped here, so
 * that no caller has to think of it.
 */
#pragma once

#include "client/evaluate/chart.h"
#include "client/evaluate/evaluate.h"

/* Begins the page up to its body, with the style sheet; ends it. */
void page_begin(GString *out, const char *title);
void page_end(GString *out);

/* <tag class>text</tag>; NULL for no class. The text is plain. */
void page_text(GString *out, const char *tag, const char *class, const char *text);
void page_format(GString *out, const char *tag, const char *class, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* A section with its heading and the question that it answers. */
void page_section(GString *out, const char *id, const char *title, const char *question);
void page_section_end(GString *out);
/* What others published about it, set apart. */
void page_published(GString *out, const char *text);
/* A large figure with its name above and a word about it below. */
void page_tile(GString *out, const char *name, const char *figure, const char *about);
/* A table: heads (NULL: none), then rows of as many cells; a cell that is NULL is "not known". */
void page_table_begin(GString *out, const char *const *heads);
void page_row(GString *out, const char *const *cells, guint count);
void page_table_end(GString *out);
/* A checksum, and of what. */
void page_sum(GString *out, const char *what, const char *sum);
void page_figure(GString *out, const Chart *chart);
void page_legend(GString *out, const Chart *chart);

/* "0.93", "31": enough digits to compare, no more. NULL when negative: not known. (owned) */
char *page_number(double value);
/* The same with a unit. (owned) */
char *page_amount(double value, const char *unit);
/* "1,054,867,456" (owned) */
char *page_bytes(double bytes);
/* "12 min 34 s", "3.2 s". (owned) */
char *page_span(double seconds);

/* The sections, in the order of the page (sections.c); each writes nothing when there is
 * nothing to tell. */
void section_tiles(GString *out, const Plan *plan, const Evaluation *found);
void section_ping(GString *out, const Plan *plan, const Evaluation *found);
void section_sizes(GString *out, const Plan *plan, const Evaluation *found);
void section_repeated(GString *out, const Plan *plan, const Evaluation *found);
void section_download(GString *out, const Plan *plan, const Evaluation *found);
void section_published(GString *out, const Plan *plan, const Evaluation *found);
void section_setting(GString *out, const Plan *plan, const Evaluation *found);
void section_method(GString *out, const Plan *plan, const Evaluation *found);

/* Pings around a move, from its order until a second after its end. */
PingSummary section_pings_of(const Evaluation *found, const Move *move);
/* One figure of a move, -1 where it is not known; and of all that succeeded, or of those among
 * them that were not the first to their destination. */
typedef enum { FIGURE_SECONDS, FIGURE_TOTAL_MS, FIGURE_DOWNTIME_MS, FIGURE_MIB } Figure;
double section_figure(const Move *move, Figure figure);
Spread section_spread(const GPtrArray *moves, Figure figure, gboolean later_only);
