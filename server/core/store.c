#include "server/core/store.h"

guint store_table_columns(const StoreTable *table)
{
    guint count = 0;
    while (table->columns[count].name)
        count++;
    return count;
}

StoreWrite *store_write_new(const StoreTable *table, StoreOperation operation)
{
    guint count = operation == STORE_DELETE ? table->keys : store_table_columns(table);
    StoreWrite *write = g_malloc0(sizeof *write + count * sizeof write->values[0]);
    write->table = table;
    write->operation = operation;
    write->count = count;
    for (guint i = 0; i < count; i++)
        write->values[i].type = table->columns[i].type;
    return write;
}

static void value_clear(StoreValue *value)
{
    if (value->type == STORE_TEXT)
        g_free(value->text);
}

void store_write_free(StoreWrite *write)
{
    if (!write)
        return;
    for (guint i = 0; i < write->count; i++)
        value_clear(&write->values[i]);
    g_free(write);
}

/* The type of the column is the table's; a caller that gives another one is wrong. */
static StoreValue *value_of(StoreWrite *write, guint column, StoreType type)
{
    g_assert(column < write->count);
    StoreValue *value = &write->values[column];
    g_assert(value->type == type);
    return value;
}

void store_set_int(StoreWrite *write, guint column, gint64 number)
{
    value_of(write, column, STORE_INT)->number = number;
}

void store_set_real(StoreWrite *write, guint column, double real)
{
    value_of(write, column, STORE_REAL)->real = real;
}

void store_set_text(StoreWrite *write, guint column, const char *text)
{
    store_take_text(write, column, g_strdup(text));
}

void store_take_text(StoreWrite *write, guint column, char *text)
{
    StoreValue *value = value_of(write, column, STORE_TEXT);
    g_free(value->text);
    value->text = text;
}
