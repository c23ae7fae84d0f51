#include "client/cli/programs/oneacl.h"
#include "client/cli/format.h"
#include "client/cli/kinds.h"
#include "client/cli/rows.h"
#include "client/cli/xml.h"

#include <stdio.h>
#include <string.h>

/* A rule is four 64-bit words, sent as hexadecimal text. Below bit 32 is an id; these bits
 * say whose: of one object, of a group, of all, of a cluster. */
#define ONE     G_GUINT64_CONSTANT(0x100000000)
#define GROUP   G_GUINT64_CONSTANT(0x200000000)
#define ALL     G_GUINT64_CONSTANT(0x400000000)
#define CLUSTER G_GUINT64_CONSTANT(0x800000000)

/* Kinds of objects: word, bit, and the letter in the list. One column of the list for each, in
 * this order. */
static const struct {
    const char *word;
    guint bit;
    char letter;
} kinds[] = {
    {"VM", 36, 'V'},          {"HOST", 37, 'H'},
    {"NET", 38, 'N'},         {"IMAGE", 39, 'I'},
    {"USER", 40, 'U'},        {"TEMPLATE", 41, 'T'},
    {"GROUP", 42, 'G'},       {"DATASTORE", 44, 'D'},
    {"CLUSTER", 45, 'C'},     {"DOCUMENT", 46, 'O'},
    {"ZONE", 47, 'Z'},        {"SECGROUP", 48, 'S'},
    {"VDC", 49, 'v'},         {"VROUTER", 50, 'R'},
    {"MARKETPLACE", 51, 'M'}, {"MARKETPLACEAPP", 52, 'A'},
    {"VMGROUP", 53, 'P'},     {"VNTEMPLATE", 54, 't'},
    {"BACKUPJOB", 56, 'B'},
};

static const struct {
    const char *word;
    guint64 bit;
    char letter;
} rights[] = {{"USE", 1, 'u'}, {"MANAGE", 2, 'm'}, {"ADMIN", 4, 'a'}, {"CREATE", 8, 'c'}};

/* ---- Reading what people write ---- */

/* "#3", "@1", "%100" or "*"; `marks` are those that may stand here. */
static gboolean read_id(const char *text, const char *marks, guint64 *word)
{
    guint64 id;
    if (text[0] == '\0' || strchr(marks, text[0]) == NULL)
        return FALSE;
    if (text[0] == '*') {
        *word = ALL;
        return text[1] == '\0';
    }
    if (!g_ascii_string_to_unsigned(text + 1, 10, 0, G_MAXINT32, &id, NULL))
        return FALSE;
    *word = id | (text[0] == '#' ? ONE : text[0] == '@' ? GROUP : CLUSTER);
    return TRUE;
}

static gboolean fail_piece(GError **error, const char *piece, const char *must)
{
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                "\"%s\": %s. A rule is written as \"#3 VM+IMAGE/* USE+MANAGE *\"; `oneacl create "
                "-h` explains",
                piece, must);
    return FALSE;
}

static gboolean add_kind(const char *name, guint64 *word)
{
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (g_ascii_strcasecmp(kinds[i].word, name) == 0) {
            *word |= G_GUINT64_CONSTANT(1) << kinds[i].bit;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean add_right(const char *name, guint64 *word)
{
    for (guint i = 0; i < G_N_ELEMENTS(rights); i++) {
        if (g_ascii_strcasecmp(rights[i].word, name) == 0) {
            *word |= rights[i].bit;
            return TRUE;
        }
    }
    return FALSE;
}

/* "VM+IMAGE": what each name adds to the word. */
static gboolean read_names(const char *text, gboolean (*add)(const char *, guint64 *),
                           guint64 *word)
{
    g_auto(GStrv) names = g_strsplit(text, "+", -1);
    for (guint i = 0; names[i] != NULL; i++)
        if (!add(names[i], word))
            return FALSE;
    return names[0] != NULL;
}

gboolean cli_acl_kinds(const char *text, guint64 *word, GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);
    if (read_names(text, add_kind, word))
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
        g_string_append_printf(known, "%s%s", i > 0 ? ", " : "", kinds[i].word);
    g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                "\"%s\": each kind, joined by +, must be one of %s", text, known->str);
    return FALSE;
}

static gboolean read_resource(const char *text, guint64 *word, GError **error)
{
    const char *slash = strchr(text, '/');
    g_autofree char *names = g_strndup(text, slash != NULL ? (gsize)(slash - text) : 0);
    guint64 bits = 0;
    if (slash == NULL)
        return fail_piece(error, text, "kinds and which of them are missing, such as VM/*");
    if (!cli_acl_kinds(names, &bits, error))
        return FALSE;
    if (!read_id(slash + 1, "#@%*", word))
        return fail_piece(error, slash,
                          "behind the slash stands #ID (one object), @ID (those of a group), %ID "
                          "(those of a cluster) or *");
    *word |= bits;
    return TRUE;
}

/* The four words of a rule; without a zone it is all. */
static gboolean read_rule(char **pieces, guint64 words[4], GError **error)
{
    guint count = g_strv_length(pieces);
    memset(words, 0, 4 * sizeof *words);
    words[3] = ALL;
    if (count < 3 || count > 4) {
        g_autofree char *all = g_strjoinv(" ", pieces);
        return fail_piece(error, all, "three or four words are needed: who, what, rights, zone");
    }
    if (!read_id(pieces[0], "#@*", &words[0]))
        return fail_piece(error, pieces[0], "who: #ID (a user), @ID (a group) or *");
    if (!read_resource(pieces[1], &words[1], error))
        return FALSE;
    if (!read_names(pieces[2], add_right, &words[2]))
        return fail_piece(error, pieces[2],
                          "rights are USE, MANAGE, ADMIN and CREATE, joined by +");
    if (count == 4 && !read_id(pieces[3], "#*", &words[3]))
        return fail_piece(error, pieces[3], "the zone is #ID or *");
    return TRUE;
}

/* The rule in one word with blanks or in several, or as four words of hexadecimal digits, as
 * the server has it. (owned) */
static char **pieces_of(Cli *cli)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < cli->words->len; i++)
        g_string_append_printf(text, "%s ", cli_word(cli, i));
    g_auto(GStrv) all = g_strsplit_set(text->str, " \t\n", -1);
    GPtrArray *pieces = g_ptr_array_new();
    for (guint i = 0; all[i] != NULL; i++)
        if (*all[i] != '\0')
            g_ptr_array_add(pieces, g_strdup(all[i]));
    g_ptr_array_add(pieces, NULL);
    return (char **)g_ptr_array_free(pieces, FALSE);
}

static gboolean is_hexadecimal(char **pieces)
{
    for (guint i = 0; pieces[i] != NULL; i++)
        if (strspn(pieces[i], "0123456789abcdefABCDEFx") != strlen(pieces[i]))
            return FALSE;
    return pieces[0] != NULL;
}

static CliExit run_create(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    g_auto(WireReply) reply = {0};
    g_auto(GStrv) pieces = pieces_of(cli);
    guint64 words[4] = {0, 0, 0, ALL};
    if (is_hexadecimal(pieces)) {
        for (guint i = 0; i < 4 && pieces[i] != NULL; i++)
            words[i] = g_ascii_strtoull(pieces[i], NULL, 16);
    } else if (!read_rule(pieces, words, &error)) {
        return cli_fail(cli, error);
    }
    char text[4][20];
    for (guint i = 0; i < 4; i++)
        g_snprintf(text[i], sizeof text[i], "%" G_GINT64_MODIFIER "x", words[i]);
    WireClient *wire = cli_wire(cli, &error);
    if (wire == NULL || !wire_call(wire, &reply, &error, "one.acl.addrule", "ssss", text[0],
                                   text[1], text[2], text[3]))
        return cli_fail(cli, error);
    printf("ID: %" G_GINT64_FORMAT "\n", reply.number);
    return CLI_DONE;
}

/* ---- Columns ---- */

static guint64 word_of(xmlNode *rule, const char *name)
{
    return g_ascii_strtoull(cli_xml_text(rule, name), NULL, 16);
}

static char *id_text(guint64 word)
{
    if ((word & ALL) != 0)
        return g_strdup("*");
    return g_strdup_printf("%s%u",
                           (word & ONE) != 0     ? "#"
                           : (word & GROUP) != 0 ? "@"
                                                 : "%",
                           (guint)(word & 0xffffffff));
}

static char *user_text(const Cli *cli, xmlNode *rule)
{
    return id_text(word_of(rule, "USER"));
}

static char *zone_text(const Cli *cli, xmlNode *rule)
{
    return id_text(word_of(rule, "ZONE"));
}

static char *resource_id_text(const Cli *cli, xmlNode *rule)
{
    return id_text(word_of(rule, "RESOURCE"));
}

static char *resource_text(const Cli *cli, xmlNode *rule)
{
    char text[G_N_ELEMENTS(kinds) + 1] = "";
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
        text[i] = (word_of(rule, "RESOURCE") >> kinds[i].bit & 1) != 0 ? kinds[i].letter : '-';
    return g_strdup(text);
}

static char *rights_text(const Cli *cli, xmlNode *rule)
{
    char text[G_N_ELEMENTS(rights) + 1] = "";
    for (guint i = 0; i < G_N_ELEMENTS(rights); i++)
        text[i] = (word_of(rule, "RIGHTS") & rights[i].bit) != 0 ? rights[i].letter : '-';
    return g_strdup(text);
}

static const CliColumn columns[] = {
    {"ID", 4, "ID", NULL, "Number of the rule"},
    {"USER", 8, NULL, user_text, "Who: #ID a user, @ID a group, * everybody"},
    {"RES_VHNIUTGDCOZSvRMAPtB", 23, NULL, resource_text,
     "Kinds: VM, host, net, image, user, template, group, datastore, cluster, document, zone, "
     "security group, VDC, virtual router, marketplace and its apps, VM group, net template, "
     "backup job"},
    {"RID", 5, NULL, resource_id_text, "Which of them: #ID one, @ID a group's, %ID a cluster's"},
    {"OPE_UMAC", 8, NULL, rights_text, "Rights: use, manage, admin, create"},
    {"ZONE", 5, NULL, zone_text, "Zone"},
    {"RULE", -100, "STRING", NULL, "The rule as one writes it"},
    CLI_COLUMNS_END,
};

static const CliCommand commands[] = {
    CLI_GROUP(
        "Rules", "create add allocate", "text:rule...", NULL, NULL, NULL, run_create,
        "Adds a rule. Four words, in quotes: who (#3 user 3, @1 group 1, * all), what (kinds "
        "joined by +, a slash, then #7 object 7, @1 those of group 1, %100 those in cluster "
        "100, * all), rights (USE, MANAGE, ADMIN, CREATE joined by +), zone (* unless told)."),
    CLI_ROW_LIST("rules"),
    CLI_ROW("delete", "rule...", NULL, "one.acl.delrule", "id", NULL, "Removes a rule."),
    CLI_ROWS_END,
};

const CliKind cli_acl = {
    .word = "rule",
    .program = "oneacl",
    .noun = "rule",
    .plural = "rules",
    .element = "ACL",
    .info = "one.acl.info",
    .pool = "one.acl.info",
    .about = "Rules of access: who may do what with which objects, beside the rights that each "
             "object's owner sets with chmod.",
    .examples = "  oneacl create \"#3 VM+IMAGE/* USE+MANAGE *\"    user 3: all machines, images\n"
                "  oneacl create \"@100 HOST/%100 MANAGE\"         group 100: hosts of a cluster\n"
                "  oneacl list -l ID,RULE\n"
                "  oneacl delete 7,9\n",
    .commands = commands,
    .columns = columns,
    .list = "ID,USER,RES_VHNIUTGDCOZSvRMAPtB,RID,OPE_UMAC,ZONE",
};
