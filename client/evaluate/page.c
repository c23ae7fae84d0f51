#include "client/evaluate/page.h"
#include "lib/base/xml.h"

#include <math.h>
#include <stdarg.h>

/* Nothing is loaded from anywhere: this is all the style there is. */
static const char style[] =
    ":root{color-scheme:light dark;--page:#f9f9f7;--card:#fff;--ink:#0b0b0b;--soft:#52514e;"
    "--faint:#6f6d68;--grid:#e6e5df;--axis:#b9b8ae;--line:rgba(11,11,11,.12);--band:rgba(42,120,"
    "214,.09);--t1:#2a78d6;--t2:#d9581f;--t3:#12805a;--t4:#c92a2a}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#0d0d0d;--card:#1a1a19;--ink:#fff;--soft:#"
    "c3c2b7;"
    "--faint:#a09e97;--grid:#2c2c2a;--axis:#55544f;--line:rgba(255,255,255,.14);--band:rgba(90,160,"
    "240,.16);--t1:#4c96ec;--t2:#ec7a45;--t3:#2bb583;--t4:#ff6b6b}}\n"
    "*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 "
    "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\n"
    "main{max-width:880px;margin:0 auto;padding:28px 20px 60px}\n"
    "h1{font-size:28px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}\n"
    "h2{font-size:20px;line-height:1.3;margin:0 0 2px}\n"
    "p{margin:0 0 "
    "12px}.lead,.question{color:var(--soft)}.finding{font-weight:600;margin-top:10px}\n"
    "section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px "
    "22px;margin:18px 0;break-inside:avoid}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(148px,1fr));gap:12px;margin:"
    "20px 0 0}\n"
    ".tile{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px "
    "16px}.tile "
    "b{display:block;white-space:nowrap;font-size:23px;line-height:1.25;font-weight:650}.tile "
    "span{display:"
    "block;color:var(--soft);font-size:14px}\n"
    ".warning{border-left:4px solid var(--t4);padding:6px 0 6px 14px;margin:16px 0}\n"
    ".published{border-left:4px solid var(--axis);padding:4px 0 4px 14px;margin:14px 0 "
    "0;color:var(--soft);font-size:14.5px}.published b{color:var(--ink)}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(230px,1fr));gap:8px 18px}\n"
    "figure{margin:12px 0 6px}figcaption{font-size:14px;color:var(--soft);margin:0 0 4px}.key{"
    "display:inline-block;width:12px;height:12px;border-radius:3px;margin:0 6px 0 0;vertical-align:"
    "-1px;print-color-adjust:exact;-webkit-print-color-adjust:exact}.item{white-space:nowrap;"
    "margin-right:12px}\n"
    "svg{display:block;width:100%;height:auto;font:12px system-ui,-apple-system,'Segoe "
    "UI',Roboto,'DejaVu Sans',sans-serif}.small{max-width:320px}.narrow{display:none}\n"
    ".tick{fill:var(--faint);font-variant-numeric:tabular-nums}.label,.band-label{fill:var(--soft)}"
    ".value{fill:var(--ink);font-variant-numeric:tabular-nums}\n"
    ".grid{stroke:var(--grid)}.axis{stroke:var(--axis)}.band{fill:var(--band)}\n"
    ".line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}.dot{stroke:var(--"
    "card);stroke-width:1.5}"
    "\n"
    ".line.t1{stroke:var(--t1)}.line.t2{stroke:var(--t2)}.line.t3{stroke:var(--t3)}.line.t4{stroke:"
    "var(--t4)}\n"
    ".dot.t1,.bar.t1,.mark.t1{fill:var(--t1)}.dot.t2,.bar.t2,.mark.t2{fill:var(--t2)}.dot.t3,"
    ".bar.t3,.mark.t3{fill:var(--t3)}.dot.t4,.bar.t4,.mark.t4{fill:var(--t4)}\n"
    ".k1{background:var(--t1)}.k2{background:var(--t2)}.k3{background:var(--t3)}.k4{background:"
    "var(--t4)}\n"
    ".scroll{overflow-x:auto;margin:10px 0 4px}table{border-collapse:collapse;width:100%;font-size:"
    "14.5px;font-variant-numeric:tabular-nums}th,td{text-align:left;vertical-align:top;padding:6px "
    "14px 6px 0;border-bottom:1px solid var(--line)}th{color:var(--soft);font-weight:600}tr:last-"
    "child td{border-bottom:0}code{font:13px ui-monospace,'DejaVu Sans Mono',monospace;overflow-"
    "wrap:anywhere}.figures td,.figures th{white-space:nowrap}.none{color:var(--faint)}\n"
    ".sum{font-size:14.5px;color:var(--soft);margin:4px 0}.sum "
    "code{color:var(--ink);display:inline-block}\n"
    "ul{margin:0;padding-left:20px}li{margin:0 0 6px}\n"
    "@media(max-width:640px){main{padding:18px 12px 40px}section{padding:16px 14px}h1{font-size:"
    "24px}.wide{display:none}.narrow{display:block}.tiles{grid-template-columns:1fr 1fr}.tile "
    "b{font-size:22px}}\n"
    "@media print{:root{--page:#fff;--card:#fff;--ink:#000;--soft:#333;--faint:#555;--grid:#ddd;"
    "--axis:#888;--line:#ccc;--band:#eaf1fb;--t1:#1f66bd;--t2:#c4480f;--t3:#0b6b49;--t4:#b01818}"
    "body{font-size:11pt}main{max-width:none;padding:0}section,.tile{border-color:#ccc}.band,.bar,"
    ".dot,.mark{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n";

void page_begin(GString *out, const char *title)
{
    g_string_append(out,
                    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
    page_text(out, "title", NULL, title);
    g_string_append_printf(out, "<style>\n%s</style>\n</head>\n<body>\n<main>\n", style);
}

void page_end(GString *out)
{
    g_string_append(out, "</main>\n</body>\n</html>\n");
}

void page_text(GString *out, const char *tag, const char *class, const char *text)
{
    g_string_append_printf(out, "<%s", tag);
    if (class != NULL)
        g_string_append_printf(out, " class=\"%s\"", class);
    g_string_append_c(out, '>');
    xml_append_text(out, text);
    g_string_append_printf(out, "</%s>\n", tag);
}

void page_format(GString *out, const char *tag, const char *class, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    page_text(out, tag, class, text);
}

void page_section(GString *out, const char *id, const char *title, const char *question)
{
    g_string_append_printf(out, "<section id=\"%s\">\n", id);
    page_text(out, "h2", NULL, title);
    if (question != NULL)
        page_text(out, "p", "question", question);
}

void page_section_end(GString *out)
{
    g_string_append(out, "</section>\n");
}

void page_published(GString *out, const char *text)
{
    g_string_append(out, "<p class=\"published\"><b>Published in 2016:</b> ");
    xml_append_text(out, text);
    g_string_append(out, "</p>\n");
}

void page_tile(GString *out, const char *name, const char *figure, const char *about)
{
    g_string_append(out, "<div class=\"tile\">");
    page_text(out, "span", NULL, name);
    page_text(out, "b", NULL, figure);
    page_text(out, "span", NULL, about);
    g_string_append(out, "</div>\n");
}

void page_table_begin(GString *out, const char *const *heads)
{
    /* Figures stay in one piece, and scroll sideways where it is narrow; sentences are broken. */
    gboolean figures = heads != NULL && g_strv_length((char **)heads) > 4;
    g_string_append_printf(out, "<div class=\"scroll\"><table%s>\n",
                           figures ? " class=\"figures\"" : "");
    g_string_append(out, heads != NULL ? "<thead><tr>" : "");
    for (guint i = 0; heads != NULL && heads[i] != NULL; i++)
        page_text(out, "th", NULL, heads[i]);
    g_string_append(out, heads != NULL ? "</tr></thead>\n<tbody>\n" : "<tbody>\n");
}

void page_row(GString *out, const char *const *cells, guint count)
{
    g_string_append(out, "<tr>");
    for (guint i = 0; i < count; i++)
        page_text(out, "td", cells[i] == NULL ? "none" : NULL,
                  cells[i] == NULL ? "not known" : cells[i]);
    g_string_append(out, "</tr>\n");
}

void page_table_end(GString *out)
{
    g_string_append(out, "</tbody>\n</table></div>\n");
}

void page_sum(GString *out, const char *what, const char *sum)
{
    g_string_append(out, "<p class=\"sum\">");
    xml_append_text(out, what);
    g_string_append(out, " ");
    page_text(out, "code", NULL, sum);
    g_string_append(out, "</p>\n");
}

void page_legend(GString *out, const Chart *chart)
{
    g_autofree char *legend = chart_legend(chart);
    g_string_append(out, legend);
}

void page_figure(GString *out, const Chart *chart)
{
    g_autofree char *figure = chart_figure(chart);
    g_string_append(out, figure);
}

char *page_number(double value)
{
    char text[64];
    if (value < 0)
        return NULL;
    return g_strdup(g_ascii_formatd(text, sizeof text,
                                    value >= 100 || value == floor(value) ? "%.0f"
                                    : value >= 10                         ? "%.1f"
                                                                          : "%.2f",
                                    value));
}

char *page_amount(double value, const char *unit)
{
    g_autofree char *number = page_number(value);
    return number != NULL ? g_strdup_printf("%s %s", number, unit) : NULL;
}

char *page_bytes(double bytes)
{
    g_autofree char *digits = g_strdup_printf("%.0f", bytes);
    GString *text = g_string_new(digits);
    for (gssize at = (gssize)text->len - 3; at > 0; at -= 3)
        g_string_insert_c(text, at, ',');
    return g_string_free(text, FALSE);
}

char *page_span(double seconds)
{
    if (seconds < 60)
        return page_amount(seconds, "s");
    gint64 whole = (gint64)(seconds + 0.5);
    return g_strdup_printf("%" G_GINT64_FORMAT " min %" G_GINT64_FORMAT " s", whole / 60,
                           whole % 60);
}
