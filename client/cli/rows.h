/*
 * Rows of commands that are the same for most kinds. `word` is the kind's word in
 * argument lists, `part` its name in methods, `a` its noun with an article; all three are
 * string literals.
 */
#pragma once

#include "client/cli/generic.h"
#include "client/cli/options.h"

/* A row in the group of the row above, with nothing to wait for. */
#define CLI_ROW(names, args, options, method, params, run, help)                                   \
    {                                                                                              \
        NULL, names, args, options, method, params, NULL, 0, run, help                             \
    }
/* The same as the first of a group. */
#define CLI_GROUP(group, names, args, options, method, params, run, help)                          \
    {                                                                                              \
        group, names, args, options, method, params, NULL, 0, run, help                            \
    }
#define CLI_ROWS_END CLI_ROW(NULL, NULL, NULL, NULL, NULL, NULL, NULL)

/* `list` of kinds whose pool takes a filter flag, and of the others. */
#define CLI_ROW_LIST_OF(plural)                                                                    \
    CLI_ROW("list", "text:filterflag?", CLI_LIST, NULL, NULL, cli_run_list,                        \
            "Lists the " plural ". All that you may use; m: only yours, g: those of your groups "  \
            "too, or those of a user told by name.")
#define CLI_ROW_LIST(plural)                                                                       \
    CLI_ROW("list", "", CLI_LIST, NULL, NULL, cli_run_list, "Lists the " plural ".")

/* `top` of kinds whose pool takes a filter flag. */
#define CLI_ROW_TOP(plural)                                                                        \
    CLI_ROW("top", "text:filterflag?", "delay count " CLI_LIST, NULL, NULL, cli_run_top,           \
            "Lists the " plural " again and again. Ctrl-C ends it.")

#define CLI_ROW_SHOW(word, a)                                                                      \
    CLI_ROW("show", word "...", "decrypt no-color pager no-pager " CLI_FORMATS, NULL, NULL,        \
            cli_run_show, "Shows all about " a ".")
#define CLI_ROW_DELETE(word, part, help)                                                           \
    CLI_ROW("delete", word "...", NULL, "one." part ".delete", "id", NULL, help)
#define CLI_ROW_RENAME(word, part, a)                                                              \
    CLI_ROW("rename", word " text:name", NULL, "one." part ".rename", "id $1", NULL,               \
            "Renames " a ".")
#define CLI_ROW_UPDATE(word, part, a)                                                              \
    CLI_ROW("update", word " file?", "append", "one." part ".update", "id @template #append",      \
            NULL,                                                                                  \
            "Changes the attributes of " a ". From a file, from standard input, or in the "        \
            "editor.")
#define CLI_ROW_CLONE(word, part, a)                                                               \
    CLI_ROW("clone", word " text:name", NULL, "one." part ".clone", "id $1", cli_run_new,          \
            "Copies " a " under a new name. The copy is yours.")

/* Rights and owner. */
#define CLI_ROW_CHMOD(word, a)                                                                     \
    CLI_ROW("chmod", word "... text:octet", NULL, NULL, NULL, cli_run_chmod,                       \
            "Sets the rights to " a ". Of owner, group and others: three digits, each the sum of " \
            "4 (use), 2 (manage) and 1 (administer), such as 640.")
#define CLI_ROW_CHOWN(word, part, a)                                                               \
    CLI_ROW("chown", word "... user group?", NULL, "one." part ".chown", "id $1 $2:-1", NULL,      \
            "Gives " a " to another user, and group.")
#define CLI_ROW_CHGRP(word, part, a)                                                               \
    CLI_ROW("chgrp", word "... group", NULL, "one." part ".chown", "id -1 $1", NULL,               \
            "Gives " a " to another group.")
#define CLI_ROW_LOCK(word, part, a)                                                                \
    CLI_ROW("lock", word "...", "use manage admin lock-all", "one." part ".lock",                  \
            "id {4,use=1,manage=2,admin=3,lock-all=4} no", NULL,                                   \
            "Protects " a " from being changed. From every action unless an option tells less.")
#define CLI_ROW_UNLOCK(word, part)                                                                 \
    CLI_ROW("unlock", word "...", NULL, "one." part ".unlock", "id", NULL,                         \
            "Takes the protection off.")

/* The first columns of what has an owner. */
#define CLI_COLUMNS_OWNED(noun)                                                                    \
    {"ID", 4, "ID", NULL, "Number of the " noun}, {"USER", -8, NULL, cli_column_user, "Owner"},    \
        {"GROUP", -8, NULL, cli_column_group, "Group"},                                            \
    {                                                                                              \
        "NAME", -15, "NAME", NULL, "Name"                                                          \
    }
#define CLI_COLUMNS_END                                                                            \
    {                                                                                              \
        NULL, 0, NULL, NULL, NULL                                                                  \
    }
