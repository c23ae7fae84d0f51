#include "client/cli/states.h"
#include "client/cli/format.h"
#include "client/cli/xml.h"

const CliStateRow *cli_state_row(const CliStateRow *rows, xmlNode *object)
{
    gint64 number = cli_xml_int(object, "STATE", 0);
    for (const CliStateRow *row = rows; row->name != NULL; row++, number--)
        if (number == 0)
            return row;
    return rows;
}

void cli_state_fill(const CliStateRow *rows, xmlNode *object, CliState *state)
{
    const CliStateRow *row = cli_state_row(rows, object);
    state->name = row->name;
    state->phase = row->phase;
    state->host = -1;
    state->where = "";
    state->why =
        row->phase == CLI_BROKEN ? cli_without_time(cli_xml_text(object, "TEMPLATE/ERROR")) : "";
}

const char *cli_state_named(const CliStateRow *rows, const char *word)
{
    for (const CliStateRow *row = rows; row->name != NULL; row++)
        if (g_ascii_strcasecmp(row->name, word) == 0 || g_ascii_strcasecmp(row->brief, word) == 0)
            return row->name;
    return NULL;
}
