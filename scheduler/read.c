#include "scheduler/read.h"
#include <stdlib.h>
#include <string.h>

const SchedField *sched_field_find(const SchedField *table, const char *path)
{
    for (; table->path != NULL; table++)
        if (strcmp(table->path, path) == 0)
            return table;
    return NULL;
}

static gboolean is_yes(const char *value)
{
    return g_ascii_strcasecmp(value, "yes") == 0 || g_ascii_strcasecmp(value, "true") == 0 ||
           strtoll(value, NULL, 10) != 0;
}

void sched_field_set(const SchedField *field, gpointer object, const char *value)
{
    gpointer at = (char *)object + field->offset;
    switch (field->type) {
    case FIELD_INT32:
        *(gint32 *)at = strtol(value, NULL, 10);
        break;
    case FIELD_INT64:
        *(gint64 *)at = strtoll(value, NULL, 10);
        break;
    case FIELD_DOUBLE:
        *(double *)at = g_ascii_strtod(value, NULL);
        break;
    case FIELD_YES:
        *(gboolean *)at = is_yes(value);
        break;
    case FIELD_TEXT:
        if (*(const char **)at == NULL && *value != '\0')
            *(const char **)at = value;
        break;
    }
}

const char *sched_keep(const SchedPools *pools, const char *text)
{
    return text != NULL && *text != '\0' ? g_string_chunk_insert_const(pools->strings, text) : NULL;
}
