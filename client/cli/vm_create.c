#include "client/cli/vm_create.h"
#include "client/cli/call.h"
#include "client/cli/edit.h"
#include "client/cli/options.h"
#include "client/cli/wait.h"
#include "client/cli/xml.h"
#include "lib/template/template.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MULTIPLE_MAX      10000 /* machines by one command */
#define usage(error, ...) (g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE, __VA_ARGS__), FALSE)

/* ---- Pieces of a template ---- */

gboolean cli_memory(const char *text, gint64 *mib)
{
    char *end;
    double number = g_ascii_strtod(text, &end);
    double unit = 1;
    switch (g_ascii_tolower(*end)) {
    case 'k':
        unit = 1.0 / 1024;
        break;
    case 'g':
        unit = 1024;
        break;
    case 't':
        unit = 1024 * 1024;
        break;
    case 'm':
    case '\0':
        break;
    default:
        return FALSE;
    }
    gboolean whole = *end == '\0' || end[1] == '\0' || g_ascii_strcasecmp(end + 1, "b") == 0;
    gboolean good = end != text && whole && number > 0 && number * unit < 1e15;
    *mib = good ? (gint64)ceil(number * unit) : 0;
    return good;
}

void cli_append_pair(GString *out, const char *name, const char *value)
{
    if (out->len > 0 && strchr("[\n", out->str[out->len - 1]) == NULL)
        g_string_append_c(out, ',');
    g_autofree char *upper = g_ascii_strup(name, -1);
    g_auto(GStrv) pieces = g_strsplit(value, "\"", -1);
    g_autofree char *escaped = g_strjoinv("\\\"", pieces);
    g_string_append_printf(out, "%s=\"%s\"", upper, escaped);
}

/* What a device's first word means: "bob[web]" is the web of user bob. */
static void append_subject(GString *out, const char *vector, const char *word)
{
    gboolean disk = strcmp(vector, "DISK") == 0;
    const char *name = disk ? "IMAGE" : "NETWORK";
    const char *bracket = strchr(word, '[');
    if (disk && word[0] == '/') {
        cli_append_pair(out, "SOURCE", word);
    } else if (bracket != NULL && g_str_has_suffix(word, "]")) {
        g_autofree char *owner = g_strndup(word, (gsize)(bracket - word));
        g_autofree char *inside = g_strndup(bracket + 1, strlen(bracket) - 2);
        g_autofree char *owner_name = g_strdup_printf("%s_UNAME", name);
        cli_append_pair(out, name, inside);
        cli_append_pair(out, owner_name, owner);
    } else if (!disk && strcmp(word, "auto") == 0) {
        cli_append_pair(out, "NETWORK_MODE", word);
    } else if (*word != '\0' && strspn(word, "0123456789") == strlen(word)) {
        g_autofree char *id = g_strdup_printf("%s_ID", name);
        cli_append_pair(out, id, word);
    } else {
        cli_append_pair(out, name, word);
    }
}

/* A piece without "=" goes on with the value before it: mac=02:00:0a:... */
static void continue_value(GString *out, const char *word)
{
    g_string_truncate(out, out->len - 1);
    g_string_append_printf(out, ":%s\"", word);
}

char *cli_device(const char *vector, const char *text, GError **error)
{
    g_autoptr(GString) out = g_string_new(vector);
    g_auto(GStrv) words = g_strsplit(text, ":", -1);
    gboolean good = words[0] != NULL;
    g_string_append(out, "=[");
    for (guint i = 0; good && words[i] != NULL; i++) {
        char *equals = strchr(words[i], '=');
        if (*words[i] == '\0' || equals == words[i]) {
            good = FALSE;
        } else if (equals != NULL) {
            *equals = '\0';
            cli_append_pair(out, words[i], equals + 1);
        } else if (i == 0) {
            append_subject(out, vector, words[i]);
        } else {
            continue_value(out, words[i]);
        }
    }
    if (!good) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "\"%s\" is no %s: write NAME:attribute=value:attribute=value", text,
                    strcmp(vector, "DISK") == 0 ? "disk" : "network card");
        return NULL;
    }
    g_string_append(out, "]\n");
    return g_strdup(out->str);
}

static gboolean append_devices(const Cli *cli, GString *out, const char *key, const char *vector,
                               GError **error)
{
    GPtrArray *all = cli_option_all(cli, key);
    for (guint i = 0; all != NULL && i < all->len; i++) {
        const char *given = all->pdata[i];
        g_auto(GStrv) words = g_strsplit(given, ",", -1);
        if (*given == '\0')
            return usage(error, "--%s \"\" names nothing", key);
        for (guint j = 0; words[j] != NULL; j++) {
            g_autofree char *device = cli_device(vector, words[j], error);
            if (device == NULL)
                return FALSE;
            g_string_append(out, device);
        }
    }
    return TRUE;
}

/* An option whose value, or YES without one, is an attribute. */
typedef struct {
    const char *key;
    const char *name;
} Pair;

/* What of these options is given; FALSE: nothing. */
static gboolean append_given(const Cli *cli, GString *out, const Pair *pairs)
{
    gboolean any = FALSE;
    for (; pairs->key != NULL; pairs++) {
        const char *value = cli_option(cli, pairs->key);
        if (value != NULL)
            cli_append_pair(out, pairs->name,
                            cli_option_row(pairs->key)->value != NULL ? value : "YES");
        any = any || value != NULL;
    }
    return any;
}

static void append_screen(const Cli *cli, GString *out, const char *type, const Pair *pairs)
{
    g_autoptr(GString) inside = g_string_new("GRAPHICS=[");
    cli_append_pair(inside, "TYPE", type);
    gboolean any = append_given(cli, inside, pairs);
    if (any || cli_option(cli, type) != NULL)
        g_string_append_printf(out, "%s]\n", inside->str);
}

static void append_graphics(const Cli *cli, GString *out)
{
    static const Pair vnc[] = {{"vnc-listen", "LISTEN"},
                               {"vnc-password", "PASSWD"},
                               {"vnc-keymap", "KEYMAP"},
                               {NULL, NULL}};
    static const Pair spice[] = {{"spice-listen", "LISTEN"},
                                 {"spice-password", "PASSWD"},
                                 {"spice-keymap", "KEYMAP"},
                                 {NULL, NULL}};
    append_screen(cli, out, "vnc", vnc);
    append_screen(cli, out, "spice", spice);
}

static gboolean append_video(const Cli *cli, GString *out, GError **error)
{
    static const Pair pairs[] = {{"video", "TYPE"},
                                 {"video-iommu", "IOMMU"},
                                 {"video-ats", "ATS"},
                                 {"video-resolution", "RESOLUTION"},
                                 {NULL, NULL}};
    const char *memory = cli_option(cli, "video-vram"),
               *pixels = cli_option(cli, "video-resolution");
    gint64 mib = 0;
    g_autoptr(GString) inside = g_string_new("VIDEO=[");
    gboolean any = append_given(cli, inside, pairs);
    if (!any && memory == NULL)
        return TRUE;
    if (cli_option(cli, "video") == NULL)
        return usage(error, "which video device? --video virtio, beside what it shall have");
    if (pixels != NULL && !g_regex_match_simple("^[0-9]{3,5}x[0-9]{3,5}$", pixels, 0, 0))
        return usage(error, "--video-resolution \"%s\" is none: write 1920x1080", pixels);
    if (memory != NULL && !cli_memory(memory, &mib))
        return usage(error, "--video-vram \"%s\" is no size: write 16, 16m or 1g", memory);
    if (memory != NULL) {
        g_autofree char *kib = g_strdup_printf("%" G_GINT64_FORMAT, mib * 1024);
        cli_append_pair(inside, "VRAM", kib);
    }
    g_string_append_printf(out, "%s]\n", inside->str);
    return TRUE;
}

/* The key that --ssh names, or the first public key of the user. (owned) */
static char *read_public_key(const char *path, GError **error)
{
    static const char *const usual[] = {"id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"};
    if (*path != '\0')
        return cli_read_file(path, error);
    for (guint i = 0; i < G_N_ELEMENTS(usual); i++) {
        g_autofree char *file = g_build_filename(g_get_home_dir(), ".ssh", usual[i], NULL);
        if (g_file_test(file, G_FILE_TEST_EXISTS))
            return cli_read_file(file, error);
    }
    g_set_error(
        error, CLI_ERROR, CLI_ERROR_USAGE,
        "--ssh: there is no public key in ~/.ssh; make one with ssh-keygen, or name its file");
    return NULL;
}

/* --files_ds a,b: images of type CONTEXT, by name. (owned) */
static char *files_text(const char *names)
{
    g_auto(GStrv) words = g_strsplit(names, ",", -1);
    GString *text = g_string_new(NULL);
    for (guint i = 0; words[i] != NULL; i++)
        g_string_append_printf(text, "%s$FILE[IMAGE=\"%s\"]", i > 0 ? " " : "", words[i]);
    return g_string_free(text, FALSE);
}

/* What --ssh, --startscript, --files_ds and --init put there. */
static gboolean append_files(const Cli *cli, GString *out, GError **error)
{
    const char *ssh = cli_option(cli, "ssh"), *script = cli_option(cli, "startscript");
    const char *files = cli_option(cli, "files-ds"), *init = cli_option(cli, "init-scripts");
    g_autofree char *key = ssh != NULL ? read_public_key(ssh, error) : NULL;
    g_autofree char *lines =
        script != NULL && (ssh == NULL || key != NULL) ? cli_read_file(script, error) : NULL;
    if ((ssh != NULL && key == NULL) || (script != NULL && lines == NULL))
        return FALSE;
    if (key != NULL)
        cli_append_pair(out, "SSH_PUBLIC_KEY", g_strchomp(key));
    if (lines != NULL) {
        g_autofree char *coded = g_base64_encode((const guchar *)lines, strlen(lines));
        cli_append_pair(out, "START_SCRIPT_BASE64", coded);
    }
    if (files != NULL) {
        g_autofree char *text = files_text(files);
        cli_append_pair(out, "FILES_DS", text);
    }
    if (init != NULL) {
        g_autofree char *text = g_strdelimit(g_strdup(init), ",", ' ');
        cli_append_pair(out, "INIT_SCRIPTS", text);
    }
    return TRUE;
}

static gboolean append_context(const Cli *cli, GString *out, GError **error)
{
    static const Pair flags[] = {{"net-context", "NETWORK"}, {NULL, NULL}};
    const char *lines = cli_option(cli, "context");
    g_autoptr(GString) inside = g_string_new("CONTEXT=[");
    gsize empty = inside->len;
    append_given(cli, inside, flags);
    if (!append_files(cli, inside, error))
        return FALSE;
    g_auto(GStrv) words = g_strsplit(lines != NULL ? lines : "", ",", -1);
    for (guint i = 0; words[i] != NULL && *words[i] != '\0'; i++) {
        char *equals = strchr(words[i], '=');
        if (equals == NULL)
            return usage(error, "--context \"%s\": write NAME=value", words[i]);
        *equals = '\0';
        cli_append_pair(inside, words[i], equals + 1);
    }
    if (inside->len > empty)
        g_string_append_printf(out, "%s]\n", inside->str);
    return TRUE;
}

/* ---- The whole template ---- */

static gboolean has_template_options(const Cli *cli)
{
    g_auto(GStrv) keys = g_strsplit(CLI_VM_TEMPLATE, " ", -1);
    for (guint i = 0; keys[i] != NULL; i++)
        if (cli_option(cli, keys[i]) != NULL)
            return TRUE;
    return FALSE;
}

char *cli_numbered(const char *name, guint number)
{
    g_autofree char *digits = g_strdup_printf("%u", number);
    g_auto(GStrv) pieces = g_strsplit(name, "%i", -1);
    return g_strjoinv(digits, pieces);
}

static gboolean set_simple(const Cli *cli, Template *template, guint number, GError **error)
{
    const char *memory = cli_option(cli, "memory"), *name = cli_option(cli, "name");
    gint64 mib;
    if (memory != NULL && !cli_memory(memory, &mib)) {
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "--memory \"%s\" is no size: write 512, 512m or 2g", memory);
        return FALSE;
    }
    if (memory != NULL)
        template_set_int(template, "MEMORY", mib);
    if (name != NULL) {
        g_autofree char *text = cli_numbered(name, number);
        template_set(template, "NAME", text);
    }
    if (cli_option(cli, "cpu") != NULL)
        template_set(template, "CPU", cli_option(cli, "cpu"));
    if (cli_option(cli, "vcpu") != NULL)
        template_set(template, "VCPU", cli_option(cli, "vcpu"));
    return TRUE;
}

static void append_os(const Cli *cli, GString *out)
{
    if (cli_option(cli, "arch") == NULL && cli_option(cli, "boot") == NULL)
        return;
    g_string_append(out, "OS=[");
    if (cli_option(cli, "arch") != NULL)
        cli_append_pair(out, "ARCH", cli_option(cli, "arch"));
    if (cli_option(cli, "boot") != NULL)
        cli_append_pair(out, "BOOT", cli_option(cli, "boot"));
    g_string_append(out, "]\n");
}

char *cli_vm_template(const Cli *cli, const char *base, guint number, GError **error)
{
    if (base != NULL && !has_template_options(cli))
        return cli_todays_text(base);
    g_autoptr(Template) template =
        base != NULL ? template_parse(base, TEMPLATE_2009, error) : template_new();
    if (template == NULL)
        g_prefix_error(error, "the template cannot be read: ");
    if (template == NULL || !set_simple(cli, template, number, error))
        return NULL;
    g_autofree char *simple = template_to_text(template);
    g_autoptr(GString) out = g_string_new(simple);
    if (out->len > 0 && out->str[out->len - 1] != '\n')
        g_string_append_c(out, '\n');
    if (!append_devices(cli, out, "disk", "DISK", error) ||
        !append_devices(cli, out, "nic", "NIC", error))
        return NULL;
    append_os(cli, out);
    append_graphics(cli, out);
    if (!append_video(cli, out, error) || !append_context(cli, out, error))
        return NULL;
    GPtrArray *raw = cli_option_all(cli, "raw");
    for (guint i = 0; raw != NULL && i < raw->len; i++)
        g_string_append_printf(out, "%s\n", (const char *)raw->pdata[i]);
    return g_strdup(out->str);
}

/* The file's text, or standard input's; NULL without error when options are all there is. */
char *cli_vm_base(Cli *cli, GError **error)
{
    if (cli_word(cli, 0) != NULL)
        return cli_read_file(cli_word(cli, 0), error);
    if (has_template_options(cli))
        return NULL;
    char *text = cli_read_input(error);
    if (text != NULL && *text == '\0')
        g_clear_pointer(&text, g_free);
    if (text == NULL && *error == NULL)
        g_set_error(error, CLI_ERROR, CLI_ERROR_USAGE,
                    "what shall it be? Give a template file, or options such as --name web "
                    "--cpu 1 --memory 512; `%s create -h` lists them",
                    cli->kind->program);
    return text;
}

static gboolean create_one(Cli *cli, const char *base, guint number, gint32 *id, GError **error)
{
    g_auto(WireReply) reply = {0};
    g_autofree char *text = cli_vm_template(cli, base, number, error);
    if (text == NULL)
        return FALSE;
    if (cli_option(cli, "dry") != NULL) {
        printf("%s", text);
        *id = -1;
        return TRUE;
    }
    WireClient *wire = cli_wire(cli, error);
    if (wire == NULL || !wire_call(wire, &reply, error, "one.vm.allocate", "sb", text,
                                   cli_option(cli, "hold") != NULL))
        return FALSE;
    *id = (gint32)reply.number;
    printf("ID: %d\n", *id);
    return TRUE;
}

guint cli_multiple(const Cli *cli)
{
    gint64 count = 1;
    const char *multiple = cli_option(cli, "multiple");
    if (multiple == NULL || g_ascii_string_to_signed(multiple, 10, 1, MULTIPLE_MAX, &count, NULL))
        return (guint)count;
    fprintf(stderr, "--multiple \"%s\" must be a number from 1 to %d\n", multiple, MULTIPLE_MAX);
    return 0;
}

CliExit cli_vm_create(Cli *cli)
{
    g_autoptr(GError) error = NULL;
    guint count = cli_multiple(cli);
    if (count == 0)
        return CLI_USAGE;
    g_autofree char *base = cli_vm_base(cli, &error);
    if (error != NULL)
        return cli_fail(cli, error);
    for (guint i = 0; i < count; i++) {
        gint32 id;
        if (!create_one(cli, base, i, &id, &error))
            return cli_fail(cli, error);
        if (id >= 0)
            g_array_append_val(cli->ids, id);
    }
    const char *wait = cli_option(cli, "wait");
    if (wait == NULL || cli->ids->len == 0)
        return CLI_DONE;
    if (*wait == '\0' && cli_option(cli, "hold") != NULL)
        return CLI_DONE; /* on hold is what it is at once */
    return cli_wait_after(cli, cli->ids);
}
